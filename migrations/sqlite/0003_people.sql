-- Teams that own things, roles on a team or an object, invitations, tokens with
-- scopes, sessions that can be listed, and requests that are carried out once.

-- +goose Up

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

-- What every member of a team may do with what the team owns.
CREATE TABLE team_role (
  tenant_id TEXT NOT NULL,
  team_id   TEXT NOT NULL,
  role      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, team_id, role),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE
);

-- The owner. SQLite adds no foreign key of two columns to a table that is
-- there; the triggers hold what the key on PostgreSQL holds.
ALTER TABLE api ADD COLUMN team_id TEXT;
ALTER TABLE product ADD COLUMN team_id TEXT;
ALTER TABLE application ADD COLUMN team_id TEXT;
CREATE INDEX api_team ON api (tenant_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX product_team ON product (tenant_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX application_team ON application (tenant_id, team_id) WHERE team_id IS NOT NULL;

-- +goose StatementBegin
CREATE TRIGGER api_team_of_its_tenant BEFORE UPDATE OF team_id ON api
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER api_team_of_its_tenant_new BEFORE INSERT ON api
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER product_team_of_its_tenant BEFORE UPDATE OF team_id ON product
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER product_team_of_its_tenant_new BEFORE INSERT ON product
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER application_team_of_its_tenant BEFORE UPDATE OF team_id ON application
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER application_team_of_its_tenant_new BEFORE INSERT ON application
WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM team WHERE id = NEW.team_id AND tenant_id = NEW.tenant_id)
BEGIN SELECT RAISE(ABORT, 'the team is none of the tenant'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER team_that_owns BEFORE DELETE ON team
WHEN EXISTS (SELECT 1 FROM api WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
  OR EXISTS (SELECT 1 FROM product WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
  OR EXISTS (SELECT 1 FROM application WHERE tenant_id = OLD.tenant_id AND team_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'the team still owns something'); END;
-- +goose StatementEnd

ALTER TABLE member ADD COLUMN lock BIGINT NOT NULL DEFAULT 1;
ALTER TABLE person ADD COLUMN signed_in_at BIGINT NOT NULL DEFAULT 0;

-- A one-time link for an e-mail address. grants is JSON: roles and what they
-- are on; teams is JSON: those to join.
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

-- scopes is JSON; tokens of before could do all that their person could.
ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT '["* *"]';

-- What a person is shown of their sessions. Those of before have no person
-- here; they end within 12 hours.
ALTER TABLE session ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN use TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN person_id TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX session_person ON session (person_id) WHERE person_id <> '';

CREATE INDEX audit_person ON audit (tenant_id, person_id, sequence);
CREATE INDEX audit_object ON audit (tenant_id, object, sequence);
CREATE INDEX audit_action ON audit (tenant_id, action, sequence);

-- A request with an Idempotency-Key and, once it was carried out, its answer.
-- tenant_id is '' for the installation's own requests. attempt tells one try
-- from a later one that took over; committed says that the change was made.
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
