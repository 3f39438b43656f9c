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
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL,
  application_tenant_id TEXT COLLATE "C" NOT NULL,
  environment TEXT COLLATE "C" NOT NULL,
  minute BIGINT NOT NULL, -- its beginning
  version_id TEXT COLLATE "C" NOT NULL,
  operation TEXT COLLATE "C" NOT NULL,
  application_id TEXT COLLATE "C" NOT NULL,
  subscription_id TEXT COLLATE "C" NOT NULL,
  plan_id TEXT COLLATE "C" NOT NULL,
  status BIGINT NOT NULL, -- 0: the node ended before the call did
  code TEXT COLLATE "C" NOT NULL,
  calls BIGINT NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  took_us BIGINT NOT NULL, -- sum
  upstream_us BIGINT NOT NULL, -- sum
  took_0  BIGINT NOT NULL,
  took_1  BIGINT NOT NULL,
  took_2  BIGINT NOT NULL,
  took_3  BIGINT NOT NULL,
  took_4  BIGINT NOT NULL,
  took_5  BIGINT NOT NULL,
  took_6  BIGINT NOT NULL,
  took_7  BIGINT NOT NULL,
  took_8  BIGINT NOT NULL,
  took_9  BIGINT NOT NULL,
  took_10 BIGINT NOT NULL,
  took_11 BIGINT NOT NULL,
  took_12 BIGINT NOT NULL
);
CREATE INDEX usage_minute_offered ON usage_minute (tenant_id, minute, id);
CREATE INDEX usage_minute_used ON usage_minute (application_tenant_id, minute, id);
CREATE INDEX usage_minute_age ON usage_minute (minute);

-- next is the first place of a segment that is not counted. It moves in the
-- transaction that counts, so that a piece that comes twice counts once.
CREATE TABLE usage_segment (
  spool TEXT COLLATE "C" NOT NULL,
  segment BIGINT NOT NULL,
  next BIGINT NOT NULL,
  environment TEXT COLLATE "C" NOT NULL,
  node TEXT COLLATE "C" NOT NULL,
  counted_at BIGINT NOT NULL,
  PRIMARY KEY (spool, segment)
);
CREATE INDEX usage_segment_age ON usage_segment (counted_at);

ALTER TABLE usage_minute ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON usage_minute USING ((SELECT current_setting('portico.scope', true)) = 'system');
CREATE POLICY tenant ON usage_minute
  USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), ''))
    OR application_tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')));
