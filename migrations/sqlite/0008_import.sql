-- A finding names its file where a document has several.

-- +goose Up

ALTER TABLE finding ADD COLUMN file TEXT NOT NULL DEFAULT '';
