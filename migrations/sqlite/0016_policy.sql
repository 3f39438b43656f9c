-- +goose Up
-- Nothing here: JSON text is kept as it was written. On PostgreSQL it has to be
-- said.
SELECT 1;
