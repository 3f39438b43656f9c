-- SQLite writes a row where it is: there is nothing to make room for.

-- +goose Up
SELECT 1;
