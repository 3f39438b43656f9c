#!/bin/sh
# Runs once, in a new PostgreSQL: the role that owns Portico's database. It is
# no superuser, so that row-level security binds it.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" -v password="$PORTICO_DB_PASSWORD" <<'SQL'
CREATE ROLE portico LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE portico OWNER portico;
SQL
