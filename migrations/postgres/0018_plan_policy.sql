-- Policies of the stage limit that a plan's subscriptions pass, as they were
-- written. [] are none.

-- +goose Up
ALTER TABLE plan ADD COLUMN policies JSON NOT NULL DEFAULT '[]';
