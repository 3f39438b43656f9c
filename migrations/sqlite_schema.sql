-- What the migrations lead to. Written by go test ./migrations -update.

CREATE TABLE api (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  slug        TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  search_key  TEXT NOT NULL,
  description TEXT NOT NULL,
  contact     TEXT NOT NULL,
  tags        TEXT NOT NULL, -- JSON
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL, team_id TEXT, default_version TEXT NOT NULL DEFAULT '',
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);

CREATE INDEX api_name ON api (tenant_id, name_key, id);

CREATE INDEX api_team ON api (tenant_id, team_id) WHERE team_id IS NOT NULL;

CREATE TRIGGER api_team_of_its_tenant BEFORE UPDATE OF team_id ON api
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TRIGGER api_team_of_its_tenant_new BEFORE INSERT ON api
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TABLE application (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  slug        TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  description TEXT NOT NULL,
  by_id       TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  removed_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL, team_id TEXT,
  UNIQUE (tenant_id, id)
);

CREATE INDEX application_name ON application (tenant_id, name_key, id) WHERE removed_at = 0;

CREATE UNIQUE INDEX application_slug ON application (tenant_id, slug) WHERE removed_at = 0;

CREATE INDEX application_team ON application (tenant_id, team_id) WHERE team_id IS NOT NULL;

CREATE TRIGGER application_team_of_its_tenant BEFORE UPDATE OF team_id ON application
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TRIGGER application_team_of_its_tenant_new BEFORE INSERT ON application
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TABLE audit (
  tenant_id     TEXT NOT NULL,
  sequence      BIGINT NOT NULL,
  id            TEXT NOT NULL UNIQUE,
  at            BIGINT NOT NULL,
  person_id     TEXT NOT NULL,
  token_id      TEXT NOT NULL,
  name          TEXT NOT NULL,
  operator      BOOLEAN NOT NULL,
  system        BOOLEAN NOT NULL,
  address       TEXT NOT NULL,
  request       TEXT NOT NULL,
  action        TEXT NOT NULL,
  object        TEXT NOT NULL,
  summary       TEXT NOT NULL,
  before        TEXT NOT NULL, -- JSON or ''
  after         TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash          TEXT NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
);

CREATE INDEX audit_action ON audit (tenant_id, action, sequence);

CREATE INDEX audit_object ON audit (tenant_id, object, sequence);

CREATE INDEX audit_person ON audit (tenant_id, person_id, sequence);

CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE audit_head (
  tenant_id TEXT PRIMARY KEY,
  sequence  BIGINT NOT NULL,
  hash      TEXT NOT NULL
);

CREATE TABLE blob (
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  digest    TEXT NOT NULL,
  body      BLOB NOT NULL,
  PRIMARY KEY (tenant_id, digest)
);

CREATE TABLE certificate (
  id          TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  hosts       TEXT NOT NULL, -- JSON
  chain       TEXT NOT NULL, -- PEM
  sealed      BLOB NOT NULL, -- the private key, with the installation's key
  is_default  BOOLEAN NOT NULL,
  clients     TEXT NOT NULL, -- JSON
  subject     TEXT NOT NULL,
  issuer      TEXT NOT NULL,
  key_type    TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  not_before  BIGINT NOT NULL,
  not_after   BIGINT NOT NULL,
  updated_by  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL
);

CREATE INDEX certificate_environment ON certificate (environment, not_after, id);

CREATE TABLE certificate_host (
  environment    TEXT NOT NULL REFERENCES environment (slug),
  host           TEXT NOT NULL,
  certificate_id TEXT NOT NULL REFERENCES certificate (id),
  PRIMARY KEY (environment, host)
);

CREATE INDEX certificate_host_certificate ON certificate_host (certificate_id);

CREATE TABLE credential (
  id             TEXT PRIMARY KEY,
  tenant_id      TEXT NOT NULL,
  application_id TEXT NOT NULL,
  environment    TEXT NOT NULL REFERENCES environment (slug),
  name           TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  revoked_at     BIGINT NOT NULL,
  revoked_by     TEXT NOT NULL,
  lock           BIGINT NOT NULL, addresses TEXT NOT NULL DEFAULT '[]', referrers TEXT NOT NULL DEFAULT '[]', kind TEXT NOT NULL DEFAULT 'key', issuer TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '',
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, application_id) REFERENCES application (tenant_id, id)
);

CREATE INDEX credential_application ON credential (tenant_id, application_id);

CREATE TABLE deleted_environment (
  slug       TEXT PRIMARY KEY,
  epoch      BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  dropped_at BIGINT NOT NULL -- from the bus; 0 while that is still to be done
);

CREATE TABLE deployment (
  tenant_id   TEXT NOT NULL,
  version_id  TEXT NOT NULL,
  environment TEXT NOT NULL REFERENCES environment (slug),
  revision    INTEGER NOT NULL,
  sequence    BIGINT NOT NULL,
  at          BIGINT NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id),
  FOREIGN KEY (version_id, revision) REFERENCES revision (version_id, number)
);

CREATE TABLE document (
  id         TEXT PRIMARY KEY,
  tenant_id  TEXT NOT NULL,
  digest     TEXT NOT NULL,
  bytes      BIGINT NOT NULL,
  format     TEXT NOT NULL,
  spec       TEXT NOT NULL,
  title      TEXT NOT NULL,
  version    TEXT NOT NULL,
  source     TEXT NOT NULL,
  operations INTEGER NOT NULL,
  state      TEXT NOT NULL,
  stage      TEXT NOT NULL,
  done       INTEGER NOT NULL,
  total      INTEGER NOT NULL,
  score      INTEGER NOT NULL,
  passed     INTEGER NOT NULL,
  findings   INTEGER NOT NULL,
  tries      INTEGER NOT NULL, -- of the loader; a document that kills it is given up
  created_at BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, digest) REFERENCES blob (tenant_id, digest)
);

CREATE INDEX document_digest ON document (tenant_id, digest);

CREATE INDEX document_to_load ON document (id) WHERE state IN ('waiting', 'loading');

CREATE TABLE enrolment (
  id          TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL, -- of the node; '' lets it choose
  hash        TEXT NOT NULL UNIQUE,
  created_by  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  used_at     BIGINT NOT NULL,
  node_id     TEXT NOT NULL,
  user_key    TEXT NOT NULL
);

CREATE INDEX enrolment_environment ON enrolment (environment, id);

CREATE TABLE entry (
  environment TEXT NOT NULL REFERENCES environment (slug),
  key         TEXT NOT NULL,
  epoch       BIGINT NOT NULL,
  sequence    BIGINT NOT NULL,
  since       BIGINT NOT NULL,
  kind        TEXT NOT NULL,
  ended       BOOLEAN NOT NULL,
  written_at  BIGINT NOT NULL,
  body        BLOB NOT NULL,
  PRIMARY KEY (environment, key)
);

CREATE INDEX entry_sequence ON entry (environment, sequence);

CREATE INDEX entry_tombstone ON entry (environment, written_at) WHERE ended;

CREATE TABLE environment (
  id                 TEXT PRIMARY KEY,
  slug               TEXT NOT NULL UNIQUE,
  name               TEXT NOT NULL,
  kind               TEXT NOT NULL,
  gateway_url        TEXT NOT NULL,
  epoch              BIGINT NOT NULL,
  sequence           BIGINT NOT NULL,
  published_epoch    BIGINT NOT NULL, -- up to here the bucket holds everything
  published_sequence BIGINT NOT NULL,
  created_at         BIGINT NOT NULL,
  lock               BIGINT NOT NULL
, settings TEXT NOT NULL DEFAULT '{"max_body_bytes":10485760,"connect_timeout_ms":5000,"header_timeout_ms":30000,"idle_timeout_ms":60000,"max_stale_ms":60000}', address_chosen BOOLEAN NOT NULL DEFAULT FALSE);

CREATE TABLE environment_key (
  environment TEXT PRIMARY KEY REFERENCES environment (slug),
  number      BIGINT NOT NULL,
  sealed      BLOB NOT NULL,
  made_at     BIGINT NOT NULL
);

CREATE TABLE environment_value (
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL,
  value       TEXT NOT NULL,
  secret      BOOLEAN NOT NULL,
  sealed      BLOB NOT NULL,
  updated_by  TEXT NOT NULL,
  updated_at  BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, environment, name)
);

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

CREATE TABLE finding (
  tenant_id   TEXT NOT NULL,
  document_id TEXT NOT NULL,
  position    INTEGER NOT NULL, -- errors first
  code        TEXT NOT NULL,
  severity    TEXT NOT NULL,
  message     TEXT NOT NULL,
  hint        TEXT NOT NULL,
  pointer     TEXT NOT NULL,
  line        INTEGER NOT NULL, file TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (document_id, position),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE first_run (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  hash       TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE idempotency (
  tenant_id   TEXT NOT NULL,
  owner       TEXT NOT NULL, -- token, else person
  key         TEXT NOT NULL, -- SHA-256
  fingerprint TEXT NOT NULL, -- SHA-256 of the request
  attempt     TEXT NOT NULL,
  committed   BOOLEAN NOT NULL,
  answered    BOOLEAN NOT NULL,
  status      INTEGER NOT NULL,
  header      TEXT NOT NULL, -- JSON
  body        BLOB NOT NULL,
  object      TEXT NOT NULL, -- of an answer that is not kept
  leased_to   BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, owner, key)
);

CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE import (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  document_id TEXT NOT NULL,
  version_id  TEXT, -- what was made of it
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  scan        TEXT NOT NULL, -- JSON: servers, routes, security, proposal
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id)
);

CREATE INDEX import_expiry ON import (expires_at);

CREATE TABLE invitation (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  email       TEXT NOT NULL, -- lower case
  grants      TEXT NOT NULL,
  teams       TEXT NOT NULL,
  hash        TEXT NOT NULL UNIQUE,
  invited_by  TEXT NOT NULL, -- person, '' for the program or a bootstrap token
  inviter     TEXT NOT NULL, -- name
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  UNIQUE (tenant_id, email)
);

CREATE INDEX invitation_inviter ON invitation (tenant_id, invited_by);

CREATE TABLE member (
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  person_id TEXT NOT NULL REFERENCES person (id),
  joined_at BIGINT NOT NULL, lock BIGINT NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, person_id)
);

CREATE INDEX member_person ON member (person_id);

CREATE TABLE member_role (
  tenant_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  scope     TEXT NOT NULL,
  role      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, person_id, scope, role),
  FOREIGN KEY (tenant_id, person_id) REFERENCES member (tenant_id, person_id) ON DELETE CASCADE
);

CREATE TABLE "mount" (
  host       TEXT NOT NULL,
  base_path  TEXT NOT NULL,
  selector   TEXT NOT NULL DEFAULT '',
  tenant_id  TEXT NOT NULL,
  version_id TEXT NOT NULL,
  PRIMARY KEY (host, base_path, selector),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX mount_version ON mount (tenant_id, version_id);

CREATE TABLE node (
  id          TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL,
  build       TEXT NOT NULL,
  enrolled_at BIGINT NOT NULL,
  heard_at    BIGINT NOT NULL, user_key TEXT NOT NULL DEFAULT '', box_key TEXT NOT NULL DEFAULT '', left_at BIGINT NOT NULL DEFAULT 0,
  UNIQUE (environment, name)
);

CREATE TABLE operation (
  tenant_id  TEXT NOT NULL,
  version_id TEXT NOT NULL,
  position   INTEGER NOT NULL,
  operation  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  method     TEXT NOT NULL,
  path       TEXT NOT NULL,
  summary    TEXT NOT NULL,
  tag        TEXT NOT NULL,
  deprecated BOOLEAN NOT NULL,
  public     BOOLEAN NOT NULL,
  search_key TEXT NOT NULL,
  PRIMARY KEY (version_id, position),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE person (
  id         TEXT PRIMARY KEY,
  email      TEXT NOT NULL UNIQUE, -- lower case
  name       TEXT NOT NULL,
  password   TEXT NOT NULL,        -- argon2id, PHC string; '' cannot sign in by password
  operator   BOOLEAN NOT NULL,
  theme      TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  lock       BIGINT NOT NULL
, signed_in_at BIGINT NOT NULL DEFAULT 0);

CREATE TABLE plan (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  product_id  TEXT NOT NULL,
  slug        TEXT NOT NULL,
  name        TEXT NOT NULL,
  description TEXT NOT NULL,
  price       TEXT NOT NULL,
  approval    TEXT NOT NULL,
  limits      TEXT NOT NULL, -- JSON
  state       TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL, closes_at BIGINT NOT NULL DEFAULT 0, max_key_life_ms BIGINT NOT NULL DEFAULT 0, policies TEXT NOT NULL DEFAULT '[]',
  UNIQUE (tenant_id, id),
  UNIQUE (product_id, slug),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX plan_closed ON plan (id) WHERE state = 'closed';

CREATE INDEX plan_closing ON plan (closes_at) WHERE closes_at > 0 AND state = 'deprecated';

CREATE TABLE product (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  slug        TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  search_key  TEXT NOT NULL,
  summary     TEXT NOT NULL,
  description TEXT NOT NULL,
  visibility  TEXT NOT NULL,
  listed      BOOLEAN NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL, team_id TEXT,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);

CREATE INDEX product_name ON product (tenant_id, name_key, id);

CREATE INDEX product_offered ON product (name_key, id) WHERE listed;

CREATE INDEX product_team ON product (tenant_id, team_id) WHERE team_id IS NOT NULL;

CREATE TRIGGER product_team_of_its_tenant BEFORE UPDATE OF team_id ON product
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TRIGGER product_team_of_its_tenant_new BEFORE INSERT ON product
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;

CREATE TABLE product_share (
  tenant_id  TEXT NOT NULL,
  product_id TEXT NOT NULL,
  with_id    TEXT NOT NULL REFERENCES tenant (id),
  position   BIGINT NOT NULL,
  PRIMARY KEY (product_id, with_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX product_share_with ON product_share (with_id);

CREATE TABLE product_version (
  tenant_id  TEXT NOT NULL,
  product_id TEXT NOT NULL,
  version_id TEXT NOT NULL,
  position   INTEGER NOT NULL,
  PRIMARY KEY (product_id, version_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id)
);

CREATE INDEX product_version_version ON product_version (tenant_id, version_id);

CREATE TABLE reference (
  tenant_id   TEXT NOT NULL,
  document_id TEXT NOT NULL,
  kind        TEXT NOT NULL, -- 'operation' or 'schema'
  name        TEXT NOT NULL,
  body        BLOB NOT NULL, -- JSON, gzip
  PRIMARY KEY (document_id, kind, name),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE "removed_node" (
  user_key    TEXT PRIMARY KEY,
  environment TEXT NOT NULL,
  name        TEXT NOT NULL,
  removed_at  BIGINT NOT NULL
);

CREATE INDEX removed_node_environment ON removed_node (environment, user_key);

CREATE TABLE revision (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  version_id  TEXT NOT NULL,
  number      INTEGER NOT NULL,
  document_id TEXT,
  note        TEXT NOT NULL,
  by_name     TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  runtime     TEXT NOT NULL, -- JSON
  UNIQUE (version_id, number),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id)
);

CREATE INDEX revision_document ON revision (tenant_id, document_id);

CREATE TRIGGER revision_is_immutable BEFORE UPDATE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision never changes'); END;

CREATE TABLE "secret" (
  id                TEXT PRIMARY KEY,
  tenant_id         TEXT NOT NULL,
  credential_id     TEXT NOT NULL,
  hash              TEXT NOT NULL, -- by which nodes know it
  prefix            TEXT NOT NULL,
  last_four         TEXT NOT NULL,
  created_at        BIGINT NOT NULL,
  expires_at        BIGINT NOT NULL,
  last_used_at      BIGINT NOT NULL DEFAULT 0,
  last_used_address TEXT NOT NULL DEFAULT '',
  environment       TEXT NOT NULL DEFAULT '', -- the credential's
  live              BOOLEAN NOT NULL DEFAULT TRUE, -- its credential is not revoked
  sealed            BLOB, -- with the installation's key, where nodes need the secret
  node_key          BIGINT NOT NULL DEFAULT 0, -- the environment's key that node_box is sealed with
  node_box          TEXT NOT NULL DEFAULT '',
  FOREIGN KEY (tenant_id, credential_id) REFERENCES credential (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX secret_credential ON secret (tenant_id, credential_id);

CREATE UNIQUE INDEX secret_live ON secret (environment, hash) WHERE live;

CREATE INDEX secret_sealed ON secret (environment) WHERE node_key > 0;

CREATE TABLE session (
  hash       TEXT PRIMARY KEY, -- of the cookie's token
  data       BLOB NOT NULL,
  expires_at BIGINT NOT NULL
, id TEXT NOT NULL DEFAULT '', use TEXT NOT NULL DEFAULT '', person_id TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', agent TEXT NOT NULL DEFAULT '', started_at BIGINT NOT NULL DEFAULT 0, seen_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX session_expiry ON session (expires_at);

CREATE INDEX session_person ON session (person_id) WHERE person_id <> '';

CREATE TABLE split (
  tenant_id   TEXT NOT NULL,
  version_id  TEXT NOT NULL,
  environment TEXT NOT NULL REFERENCES environment (slug),
  stepping    BOOLEAN NOT NULL,
  body        TEXT NOT NULL, -- JSON
  lock        BIGINT NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX split_stepping ON split (environment) WHERE stepping;

CREATE TABLE subscription (
  id                    TEXT PRIMARY KEY,
  tenant_id             TEXT NOT NULL,
  application_tenant_id TEXT NOT NULL,
  application_id        TEXT NOT NULL,
  product_id            TEXT NOT NULL,
  plan_id               TEXT NOT NULL,
  environments          TEXT NOT NULL, -- JSON; [] is all
  state                 TEXT NOT NULL,
  stopped               BOOLEAN NOT NULL,
  reason                TEXT NOT NULL,
  requested_by          TEXT NOT NULL,
  requester             TEXT NOT NULL,
  requested_at          BIGINT NOT NULL,
  note                  TEXT NOT NULL,
  decided_by            TEXT NOT NULL,
  decider               TEXT NOT NULL,
  decided_at            BIGINT NOT NULL,
  automatic             BOOLEAN NOT NULL, -- the plan approved by itself
  starts_at             BIGINT NOT NULL,
  ends_at               BIGINT NOT NULL,
  updated_at            BIGINT NOT NULL,
  lock                  BIGINT NOT NULL, suspensions TEXT NOT NULL DEFAULT '[]', limits TEXT NOT NULL DEFAULT '[]', plan_change TEXT NOT NULL DEFAULT '{}', changing BOOLEAN NOT NULL DEFAULT FALSE, renews TEXT NOT NULL DEFAULT '',
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id),
  FOREIGN KEY (tenant_id, plan_id) REFERENCES plan (tenant_id, id),
  FOREIGN KEY (application_tenant_id, application_id) REFERENCES application (tenant_id, id)
);

CREATE INDEX subscription_application ON subscription (application_tenant_id, application_id);

CREATE INDEX subscription_asked ON subscription (tenant_id, requested_at, id);

CREATE INDEX subscription_automatic ON subscription (tenant_id, requested_at, id) WHERE automatic;

CREATE INDEX subscription_changing ON subscription (tenant_id, requested_at, id) WHERE changing;

CREATE INDEX subscription_decided ON subscription (tenant_id, decided_at, id) WHERE decided_at > 0 AND NOT automatic;

CREATE INDEX subscription_end ON subscription (ends_at) WHERE ends_at > 0 AND state IN ('active', 'suspended');

CREATE INDEX subscription_inbox ON subscription (tenant_id, state, requested_at, id);

CREATE INDEX subscription_mine ON subscription (application_tenant_id, product_id, id);

CREATE INDEX subscription_plan ON subscription (plan_id) WHERE state IN ('pending', 'active', 'suspended');

CREATE INDEX subscription_product ON subscription (tenant_id, product_id, state);

CREATE TABLE team (
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  slug        TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  description TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);

CREATE INDEX team_name ON team (tenant_id, name_key, id);

CREATE TRIGGER team_that_owns BEFORE DELETE ON team
WHEN EXISTS (SELECT 1 FROM api WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
  OR EXISTS (SELECT 1 FROM product WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
  OR EXISTS (SELECT 1 FROM application WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'the team still owns something'); END;

CREATE TABLE team_member (
  tenant_id TEXT NOT NULL,
  team_id   TEXT NOT NULL,
  person_id TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, team_id, person_id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES member (tenant_id, person_id) ON DELETE CASCADE
);

CREATE INDEX team_member_person ON team_member (tenant_id, person_id);

CREATE TABLE team_role (
  tenant_id TEXT NOT NULL,
  team_id   TEXT NOT NULL,
  role      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, team_id, role),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE tenant (
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  lock       BIGINT NOT NULL
, key_prefix TEXT NOT NULL DEFAULT '');

CREATE UNIQUE INDEX tenant_key_prefix ON tenant (key_prefix) WHERE key_prefix <> '';

CREATE TABLE token (
  id           TEXT PRIMARY KEY,
  tenant_id    TEXT REFERENCES tenant (id),
  person_id    TEXT REFERENCES person (id),
  name         TEXT NOT NULL,
  hash         TEXT NOT NULL UNIQUE,
  hint         TEXT NOT NULL,
  bootstrap    BOOLEAN NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL
, scopes TEXT NOT NULL DEFAULT '["* *"]');

CREATE INDEX token_person ON token (person_id, id);

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

CREATE INDEX usage_minute_age ON usage_minute (minute);

CREATE INDEX usage_minute_offered ON usage_minute (tenant_id, minute, id);

CREATE INDEX usage_minute_used ON usage_minute (application_tenant_id, minute, id);

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

CREATE TABLE version (
  id            TEXT PRIMARY KEY,
  tenant_id     TEXT NOT NULL,
  api_id        TEXT NOT NULL,
  label         TEXT NOT NULL,
  state         TEXT NOT NULL,
  document_id   TEXT,
  unpublished   BOOLEAN NOT NULL,
  revision      INTEGER NOT NULL,
  operations    INTEGER NOT NULL,
  deprecated_at BIGINT NOT NULL,
  sunset_at     BIGINT NOT NULL,
  state_reason  TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL,
  lock          BIGINT NOT NULL,
  runtime       TEXT NOT NULL, -- JSON
  UNIQUE (tenant_id, id),
  UNIQUE (api_id, label),
  FOREIGN KEY (tenant_id, api_id) REFERENCES api (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id)
);

CREATE INDEX version_api ON version (tenant_id, api_id, id);

CREATE INDEX version_document ON version (tenant_id, document_id);

CREATE INDEX version_state ON version (tenant_id, state, api_id);
