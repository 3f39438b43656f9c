-- Usage: what was called, minute by minute, and how far the nodes' spools have
-- been counted. A line is of one API version, operation, application,
-- subscription, plan, status and code in one environment; its id is a hash of
-- these, so that counts are added where the line is. took_0 to took_12 count
-- durations: up to 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000 ms, longer.
--
-- There are no references: what was counted outlives what it was counted of, and
-- calls of no API ('') count too. tenant_id is the provider's,
-- application_tenant_id the consumer's.

-- +goose Up

CREATE TABLE usage_minute (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  application_tenant_id TEXT NOT NULL,
  environment TEXT NOT NULL,
  minute INTEGER NOT NULL, -- its beginning
  version_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  application_id TEXT NOT NULL,
  subscription_id TEXT NOT NULL,
  plan_id TEXT NOT NULL,
  status INTEGER NOT NULL, -- 0: the node ended before the call did
  code TEXT NOT NULL,
  calls INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  took_us INTEGER NOT NULL, -- sum
  upstream_us INTEGER NOT NULL, -- sum
  took_0  INTEGER NOT NULL,
  took_1  INTEGER NOT NULL,
  took_2  INTEGER NOT NULL,
  took_3  INTEGER NOT NULL,
  took_4  INTEGER NOT NULL,
  took_5  INTEGER NOT NULL,
  took_6  INTEGER NOT NULL,
  took_7  INTEGER NOT NULL,
  took_8  INTEGER NOT NULL,
  took_9  INTEGER NOT NULL,
  took_10 INTEGER NOT NULL,
  took_11 INTEGER NOT NULL,
  took_12 INTEGER NOT NULL
);
CREATE INDEX usage_minute_offered ON usage_minute (tenant_id, minute, id);
CREATE INDEX usage_minute_used ON usage_minute (application_tenant_id, minute, id);
CREATE INDEX usage_minute_age ON usage_minute (minute);

-- next is the first place of a segment that is not counted. It moves in the
-- transaction that counts, so that a piece that comes twice counts once.
CREATE TABLE usage_segment (
  spool TEXT NOT NULL,
  segment INTEGER NOT NULL,
  next INTEGER NOT NULL,
  environment TEXT NOT NULL,
  node TEXT NOT NULL,
  counted_at INTEGER NOT NULL,
  PRIMARY KEY (spool, segment)
);
CREATE INDEX usage_segment_age ON usage_segment (counted_at);
