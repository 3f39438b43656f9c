-- The spine: everything from a person to an entry, as sqlite/0001_spine.sql has
-- it, table by table and name by name.
--
-- Types: text is COLLATE "C", so that it is ordered and compared by its bytes
-- whatever the database's locale (the other dialect does the same); whole
-- numbers are 64 bits; times are microseconds since 1970, 0 for "never", as
-- there; what is JSON text there is jsonb, what is a blob is bytea.
--
-- Row-level security is the third line of defence, behind the scopes of
-- manager/store and its guard: see the end of this file.

-- +goose Up

CREATE TABLE environment (
  id                 TEXT COLLATE "C" PRIMARY KEY,
  slug               TEXT COLLATE "C" NOT NULL UNIQUE,
  name               TEXT COLLATE "C" NOT NULL,
  kind               TEXT COLLATE "C" NOT NULL,
  gateway_url        TEXT COLLATE "C" NOT NULL,
  epoch              BIGINT NOT NULL,
  sequence           BIGINT NOT NULL,
  published_epoch    BIGINT NOT NULL, -- up to here the bucket holds everything
  published_sequence BIGINT NOT NULL,
  created_at         BIGINT NOT NULL,
  lock               BIGINT NOT NULL
);

CREATE TABLE node (
  id          TEXT COLLATE "C" PRIMARY KEY,
  environment TEXT COLLATE "C" NOT NULL REFERENCES environment (slug),
  name        TEXT COLLATE "C" NOT NULL,
  build       TEXT COLLATE "C" NOT NULL,
  enrolled_at BIGINT NOT NULL,
  heard_at    BIGINT NOT NULL,
  UNIQUE (environment, name)
);

-- The desired state of an environment's bucket, and so the outbox: what is
-- above the published mark is still to be delivered. since is the oldest
-- change of the row that was not delivered when it was written; batches are
-- cut by it, so that a mark never claims a change that a later one replaced.
CREATE TABLE entry (
  environment TEXT COLLATE "C" NOT NULL REFERENCES environment (slug),
  key         TEXT COLLATE "C" NOT NULL,
  epoch       BIGINT NOT NULL,
  sequence    BIGINT NOT NULL,
  since       BIGINT NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL,
  ended       BOOLEAN NOT NULL,
  written_at  BIGINT NOT NULL,
  body        BYTEA NOT NULL,
  PRIMARY KEY (environment, key)
);
CREATE INDEX entry_sequence ON entry (environment, sequence);
CREATE INDEX entry_tombstone ON entry (environment, written_at) WHERE ended;

CREATE TABLE tenant (
  id         TEXT COLLATE "C" PRIMARY KEY,
  slug       TEXT COLLATE "C" NOT NULL UNIQUE,
  name       TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  lock       BIGINT NOT NULL
);

CREATE TABLE person (
  id         TEXT COLLATE "C" PRIMARY KEY,
  email      TEXT COLLATE "C" NOT NULL UNIQUE, -- lower case
  name       TEXT COLLATE "C" NOT NULL,
  password   TEXT COLLATE "C" NOT NULL,        -- argon2id, PHC string; '' cannot sign in by password
  operator   BOOLEAN NOT NULL,
  theme      TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  lock       BIGINT NOT NULL
);

CREATE TABLE member (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  person_id TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  joined_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
);
CREATE INDEX member_person ON member (person_id);

-- scope is '' for the whole tenant; a team's or an object's id narrows it.
CREATE TABLE member_role (
  tenant_id TEXT COLLATE "C" NOT NULL,
  person_id TEXT COLLATE "C" NOT NULL,
  scope     TEXT COLLATE "C" NOT NULL,
  role      TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, person_id, scope, role),
  FOREIGN KEY (tenant_id, person_id) REFERENCES member (tenant_id, person_id) ON DELETE CASCADE
);

-- Only the hash of a token's text is kept. person_id is NULL for the bootstrap
-- token, tenant_id is NULL for one that reaches what its person reaches.
CREATE TABLE token (
  id           TEXT COLLATE "C" PRIMARY KEY,
  tenant_id    TEXT COLLATE "C" REFERENCES tenant (id),
  person_id    TEXT COLLATE "C" REFERENCES person (id),
  name         TEXT COLLATE "C" NOT NULL,
  hash         TEXT COLLATE "C" NOT NULL UNIQUE,
  hint         TEXT COLLATE "C" NOT NULL,
  bootstrap    BOOLEAN NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL
);
CREATE INDEX token_person ON token (person_id, id);

-- The one-time link that makes the first operator; at most one row.
CREATE TABLE first_run (
  id         BIGINT PRIMARY KEY CHECK (id = 1),
  hash       TEXT COLLATE "C" NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE session (
  hash       TEXT COLLATE "C" PRIMARY KEY, -- of the cookie's token
  data       BYTEA NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

-- The audit log is a chain for each tenant ('' is the installation): every row
-- holds the hash of the one before. audit_head is the row to lock.
CREATE TABLE audit_head (
  tenant_id TEXT COLLATE "C" PRIMARY KEY,
  sequence  BIGINT NOT NULL,
  hash      TEXT COLLATE "C" NOT NULL
);
CREATE TABLE audit (
  tenant_id     TEXT COLLATE "C" NOT NULL,
  sequence      BIGINT NOT NULL,
  id            TEXT COLLATE "C" NOT NULL UNIQUE,
  at            BIGINT NOT NULL,
  person_id     TEXT COLLATE "C" NOT NULL,
  token_id      TEXT COLLATE "C" NOT NULL,
  name          TEXT COLLATE "C" NOT NULL,
  operator      BOOLEAN NOT NULL,
  system        BOOLEAN NOT NULL,
  address       TEXT COLLATE "C" NOT NULL,
  request       TEXT COLLATE "C" NOT NULL,
  action        TEXT COLLATE "C" NOT NULL,
  object        TEXT COLLATE "C" NOT NULL,
  summary       TEXT COLLATE "C" NOT NULL,
  before        TEXT COLLATE "C" NOT NULL, -- JSON or ''
  after         TEXT COLLATE "C" NOT NULL,
  previous_hash TEXT COLLATE "C" NOT NULL,
  hash          TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
);
-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'the audit log is append-only'; END$$;
-- +goose StatementEnd
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- A document's bytes, gzip, once for each tenant and digest.
CREATE TABLE blob (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  digest    TEXT COLLATE "C" NOT NULL,
  body      BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, digest)
);

CREATE TABLE document (
  id         TEXT COLLATE "C" PRIMARY KEY,
  tenant_id  TEXT COLLATE "C" NOT NULL,
  digest     TEXT COLLATE "C" NOT NULL,
  bytes      BIGINT NOT NULL,
  format     TEXT COLLATE "C" NOT NULL,
  spec       TEXT COLLATE "C" NOT NULL,
  title      TEXT COLLATE "C" NOT NULL,
  version    TEXT COLLATE "C" NOT NULL,
  source     TEXT COLLATE "C" NOT NULL,
  operations BIGINT NOT NULL,
  state      TEXT COLLATE "C" NOT NULL,
  stage      TEXT COLLATE "C" NOT NULL,
  done       BIGINT NOT NULL,
  total      BIGINT NOT NULL,
  score      BIGINT NOT NULL,
  passed     BIGINT NOT NULL,
  findings   BIGINT NOT NULL,
  tries      BIGINT NOT NULL, -- of the loader; a document that kills it is given up
  created_at BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, digest) REFERENCES blob (tenant_id, digest)
);
CREATE INDEX document_to_load ON document (id) WHERE state IN ('waiting', 'loading');
CREATE INDEX document_digest ON document (tenant_id, digest);

CREATE TABLE finding (
  tenant_id   TEXT COLLATE "C" NOT NULL,
  document_id TEXT COLLATE "C" NOT NULL,
  position    BIGINT NOT NULL, -- errors first
  code        TEXT COLLATE "C" NOT NULL,
  severity    TEXT COLLATE "C" NOT NULL,
  message     TEXT COLLATE "C" NOT NULL,
  hint        TEXT COLLATE "C" NOT NULL,
  pointer     TEXT COLLATE "C" NOT NULL,
  line        BIGINT NOT NULL,
  PRIMARY KEY (document_id, position),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE
);

-- The reference pages of a document: one row an operation, one a schema.
CREATE TABLE reference (
  tenant_id   TEXT COLLATE "C" NOT NULL,
  document_id TEXT COLLATE "C" NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL, -- 'operation' or 'schema'
  name        TEXT COLLATE "C" NOT NULL,
  body        BYTEA NOT NULL, -- JSON, gzip
  PRIMARY KEY (document_id, kind, name),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE api (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  slug        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  search_key  TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  contact     TEXT COLLATE "C" NOT NULL,
  tags        JSONB NOT NULL, -- JSON
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);
CREATE INDEX api_name ON api (tenant_id, name_key, id);

-- runtime is last: lists do not read it, and SQLite then skips its pages.
CREATE TABLE version (
  id            TEXT COLLATE "C" PRIMARY KEY,
  tenant_id     TEXT COLLATE "C" NOT NULL,
  api_id        TEXT COLLATE "C" NOT NULL,
  label         TEXT COLLATE "C" NOT NULL,
  state         TEXT COLLATE "C" NOT NULL,
  document_id   TEXT COLLATE "C",
  unpublished   BOOLEAN NOT NULL,
  revision      BIGINT NOT NULL,
  operations    BIGINT NOT NULL,
  deprecated_at BIGINT NOT NULL,
  sunset_at     BIGINT NOT NULL,
  state_reason  TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL,
  lock          BIGINT NOT NULL,
  runtime       JSONB NOT NULL, -- JSON
  UNIQUE (tenant_id, id),
  UNIQUE (api_id, label),
  FOREIGN KEY (tenant_id, api_id) REFERENCES api (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id)
);
CREATE INDEX version_api ON version (tenant_id, api_id, id);
CREATE INDEX version_state ON version (tenant_id, state, api_id);
CREATE INDEX version_document ON version (tenant_id, document_id);

CREATE TABLE revision (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL,
  version_id  TEXT COLLATE "C" NOT NULL,
  number      BIGINT NOT NULL,
  document_id TEXT COLLATE "C",
  note        TEXT COLLATE "C" NOT NULL,
  by_name     TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL,
  runtime     JSONB NOT NULL, -- JSON
  UNIQUE (version_id, number),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id)
);
CREATE INDEX revision_document ON revision (tenant_id, document_id);
-- +goose StatementBegin
CREATE FUNCTION revision_is_immutable() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'a revision never changes'; END$$;
-- +goose StatementEnd
CREATE TRIGGER revision_is_immutable BEFORE UPDATE ON revision
FOR EACH STATEMENT EXECUTE FUNCTION revision_is_immutable();

CREATE TABLE import (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL,
  document_id TEXT COLLATE "C" NOT NULL,
  version_id  TEXT COLLATE "C", -- what was made of it
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  scan        JSONB NOT NULL, -- JSON: servers, routes, security, proposal
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id)
);
CREATE INDEX import_expiry ON import (expires_at);

CREATE TABLE deployment (
  tenant_id   TEXT COLLATE "C" NOT NULL,
  version_id  TEXT COLLATE "C" NOT NULL,
  environment TEXT COLLATE "C" NOT NULL REFERENCES environment (slug),
  revision    BIGINT NOT NULL,
  sequence    BIGINT NOT NULL,
  at          BIGINT NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id),
  FOREIGN KEY (version_id, revision) REFERENCES revision (version_id, number)
);

-- Where versions answer, drafts and live revisions alike. Its key is what makes
-- a clash impossible, at a cost that does not grow with the number of APIs.
CREATE TABLE mount (
  host       TEXT COLLATE "C" NOT NULL,
  base_path  TEXT COLLATE "C" NOT NULL,
  tenant_id  TEXT COLLATE "C" NOT NULL,
  version_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (host, base_path),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX mount_version ON mount (tenant_id, version_id);

-- The operations of a version's newest revision, for the catalog and search.
CREATE TABLE operation (
  tenant_id  TEXT COLLATE "C" NOT NULL,
  version_id TEXT COLLATE "C" NOT NULL,
  position   BIGINT NOT NULL,
  operation  TEXT COLLATE "C" NOT NULL,
  slug       TEXT COLLATE "C" NOT NULL,
  method     TEXT COLLATE "C" NOT NULL,
  path       TEXT COLLATE "C" NOT NULL,
  summary    TEXT COLLATE "C" NOT NULL,
  tag        TEXT COLLATE "C" NOT NULL,
  deprecated BOOLEAN NOT NULL,
  public     BOOLEAN NOT NULL,
  search_key TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (version_id, position),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE product (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  slug        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  search_key  TEXT COLLATE "C" NOT NULL,
  summary     TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  visibility  TEXT COLLATE "C" NOT NULL,
  listed      BOOLEAN NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);
CREATE INDEX product_name ON product (tenant_id, name_key, id);
CREATE INDEX product_offered ON product (name_key, id) WHERE listed;

CREATE TABLE product_version (
  tenant_id  TEXT COLLATE "C" NOT NULL,
  product_id TEXT COLLATE "C" NOT NULL,
  version_id TEXT COLLATE "C" NOT NULL,
  position   BIGINT NOT NULL,
  PRIMARY KEY (product_id, version_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id)
);
CREATE INDEX product_version_version ON product_version (tenant_id, version_id);

CREATE TABLE plan (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL,
  product_id  TEXT COLLATE "C" NOT NULL,
  slug        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  price       TEXT COLLATE "C" NOT NULL,
  approval    TEXT COLLATE "C" NOT NULL,
  limits      JSONB NOT NULL, -- JSON
  state       TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  UNIQUE (product_id, slug),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE
);

-- A removed application stays as a name in what its providers decided.
CREATE TABLE application (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  slug        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  by_id       TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  removed_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX application_slug ON application (tenant_id, slug) WHERE removed_at = 0;
CREATE INDEX application_name ON application (tenant_id, name_key, id) WHERE removed_at = 0;

-- The one row with two tenants: tenant_id is the provider's.
CREATE TABLE subscription (
  id                    TEXT COLLATE "C" PRIMARY KEY,
  tenant_id             TEXT COLLATE "C" NOT NULL,
  application_tenant_id TEXT COLLATE "C" NOT NULL,
  application_id        TEXT COLLATE "C" NOT NULL,
  product_id            TEXT COLLATE "C" NOT NULL,
  plan_id               TEXT COLLATE "C" NOT NULL,
  environments          JSONB NOT NULL, -- JSON; [] is all
  state                 TEXT COLLATE "C" NOT NULL,
  stopped               BOOLEAN NOT NULL,
  reason                TEXT COLLATE "C" NOT NULL,
  requested_by          TEXT COLLATE "C" NOT NULL,
  requester             TEXT COLLATE "C" NOT NULL,
  requested_at          BIGINT NOT NULL,
  note                  TEXT COLLATE "C" NOT NULL,
  decided_by            TEXT COLLATE "C" NOT NULL,
  decider               TEXT COLLATE "C" NOT NULL,
  decided_at            BIGINT NOT NULL,
  automatic             BOOLEAN NOT NULL, -- the plan approved by itself
  starts_at             BIGINT NOT NULL,
  ends_at               BIGINT NOT NULL,
  updated_at            BIGINT NOT NULL,
  lock                  BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id),
  FOREIGN KEY (tenant_id, plan_id) REFERENCES plan (tenant_id, id),
  FOREIGN KEY (application_tenant_id, application_id) REFERENCES application (tenant_id, id)
);
CREATE INDEX subscription_inbox ON subscription (tenant_id, state, requested_at, id);
CREATE INDEX subscription_answered ON subscription (tenant_id, updated_at, id);
CREATE INDEX subscription_application ON subscription (application_tenant_id, application_id);
CREATE INDEX subscription_product ON subscription (tenant_id, product_id, state);
CREATE INDEX subscription_end ON subscription (ends_at) WHERE ends_at > 0 AND state IN ('active', 'suspended');

CREATE TABLE credential (
  id             TEXT COLLATE "C" PRIMARY KEY,
  tenant_id      TEXT COLLATE "C" NOT NULL,
  application_id TEXT COLLATE "C" NOT NULL,
  environment    TEXT COLLATE "C" NOT NULL REFERENCES environment (slug),
  name           TEXT COLLATE "C" NOT NULL,
  created_at     BIGINT NOT NULL,
  revoked_at     BIGINT NOT NULL,
  revoked_by     TEXT COLLATE "C" NOT NULL,
  lock           BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, application_id) REFERENCES application (tenant_id, id)
);
CREATE INDEX credential_application ON credential (tenant_id, application_id);

CREATE TABLE secret (
  id            TEXT COLLATE "C" PRIMARY KEY,
  tenant_id     TEXT COLLATE "C" NOT NULL,
  credential_id TEXT COLLATE "C" NOT NULL,
  hash          TEXT COLLATE "C" NOT NULL UNIQUE, -- SHA-256 of the whole key
  prefix        TEXT COLLATE "C" NOT NULL,
  last_four     TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  FOREIGN KEY (tenant_id, credential_id) REFERENCES credential (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX secret_credential ON secret (tenant_id, credential_id);

-- Row-level security. Every statement of the program runs in a transaction
-- that has said in which scope it works, by settings that end with it:
--
--   portico.scope   tenant, catalog or system; none sees nothing
--   portico.tenant  whose rows, in a tenant's scope
--   portico.reader  who looks, in the catalog's scope; '' is anybody
--
-- FORCE makes it hold for the tables' owner too; only a role with SUPERUSER or
-- BYPASSRLS goes round it, and with such a role the program does not start.
-- The catalog reads offers and what hangs on them and writes nothing; which
-- parts of them a reader is shown is decided by its queries.

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['api', 'application', 'audit', 'audit_head', 'blob', 'credential', 'deployment', 'document', 'finding',
    'import', 'member', 'member_role', 'mount', 'operation', 'plan', 'product', 'product_version', 'reference', 'revision',
    'secret', 'subscription', 'token', 'version']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
    EXECUTE format($policy$CREATE POLICY system ON %I USING ((SELECT current_setting('portico.scope', true)) = 'system')$policy$, t);
    IF t NOT IN ('audit_head', 'subscription') THEN
      EXECUTE format($policy$CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')))$policy$, t);
    END IF;
    IF t IN ('api', 'deployment', 'document', 'operation', 'revision') THEN
      EXECUTE format($policy$CREATE POLICY catalog ON %I FOR SELECT
        USING ((SELECT current_setting('portico.scope', true)) = 'catalog')$policy$, t);
    END IF;
    IF t IN ('plan', 'product_version') THEN
      EXECUTE format($policy$CREATE POLICY catalog ON %I FOR SELECT
        USING ((SELECT current_setting('portico.scope', true)) = 'catalog'
          AND EXISTS (SELECT 1 FROM product p WHERE p.tenant_id = %1$I.tenant_id AND p.id = %1$I.product_id))$policy$, t);
    END IF;
  END LOOP;
END $$;
-- +goose StatementEnd

-- The one row with two tenants is seen by both.
CREATE POLICY tenant ON subscription
  USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), ''))
    OR application_tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')));

CREATE POLICY catalog ON product FOR SELECT
  USING ((SELECT current_setting('portico.scope', true)) = 'catalog' AND listed
    AND (visibility = 'public' OR tenant_id = (SELECT current_setting('portico.reader', true))));

CREATE POLICY catalog ON version FOR SELECT
  USING ((SELECT current_setting('portico.scope', true)) = 'catalog' AND state IN ('published', 'deprecated'));
