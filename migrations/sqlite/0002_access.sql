-- Access, whole: suspension by environment, own terms, change of plan, renewal,
-- rotation and restriction of keys, and the events that tell of it.

-- +goose Up

-- Small trees that are only read whole, as JSON. changing says that plan_change
-- waits for a decision.
ALTER TABLE subscription ADD COLUMN suspensions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE subscription ADD COLUMN limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE subscription ADD COLUMN plan_change TEXT NOT NULL DEFAULT '{}';
ALTER TABLE subscription ADD COLUMN changing BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE subscription ADD COLUMN renews TEXT NOT NULL DEFAULT '';
CREATE INDEX subscription_changing ON subscription (tenant_id, requested_at, id) WHERE changing;

ALTER TABLE credential ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE credential ADD COLUMN referrers TEXT NOT NULL DEFAULT '[]';
ALTER TABLE secret ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE secret ADD COLUMN last_used_address TEXT NOT NULL DEFAULT '';

-- What is to be told to a tenant's people and programs, written in the
-- transaction of what it tells of. due_at lies ahead while it may be undone.
CREATE TABLE event (
  id           TEXT PRIMARY KEY,
  tenant_id    TEXT NOT NULL REFERENCES tenant (id),
  kind         TEXT NOT NULL,
  object       TEXT NOT NULL,
  body         TEXT NOT NULL, -- JSON without secrets
  created_at   BIGINT NOT NULL,
  due_at       BIGINT NOT NULL,
  delivered_at BIGINT NOT NULL
);
CREATE INDEX event_due ON event (due_at, id) WHERE delivered_at = 0;
CREATE INDEX event_object ON event (tenant_id, object) WHERE delivered_at = 0;
