-- +goose Up
-- A policy's configuration is kept as it was written: jsonb orders its fields
-- anew, and a body that a configuration describes would come out in that order.
ALTER TABLE version ALTER COLUMN runtime TYPE JSON USING runtime::text::json;
ALTER TABLE revision ALTER COLUMN runtime TYPE JSON USING runtime::text::json;
