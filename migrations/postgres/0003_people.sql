-- Teams that own things, roles on a team or an object, invitations, tokens with
-- scopes, sessions that can be listed, and requests that are carried out once.

-- +goose Up

CREATE TABLE team (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  slug        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug)
);
CREATE INDEX team_name ON team (tenant_id, name_key, id);

CREATE TABLE team_member (
  tenant_id TEXT COLLATE "C" NOT NULL,
  team_id   TEXT COLLATE "C" NOT NULL,
  person_id TEXT COLLATE "C" NOT NULL,
  joined_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, team_id, person_id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES member (tenant_id, person_id) ON DELETE CASCADE
);
CREATE INDEX team_member_person ON team_member (tenant_id, person_id);

-- What every member of a team may do with what the team owns.
CREATE TABLE team_role (
  tenant_id TEXT COLLATE "C" NOT NULL,
  team_id   TEXT COLLATE "C" NOT NULL,
  role      TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, team_id, role),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE
);

-- The owner.
ALTER TABLE api ADD COLUMN team_id TEXT COLLATE "C", ADD FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id);
ALTER TABLE product ADD COLUMN team_id TEXT COLLATE "C", ADD FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id);
ALTER TABLE application ADD COLUMN team_id TEXT COLLATE "C", ADD FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id);
CREATE INDEX api_team ON api (tenant_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX product_team ON product (tenant_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX application_team ON application (tenant_id, team_id) WHERE team_id IS NOT NULL;

ALTER TABLE member ADD COLUMN lock BIGINT NOT NULL DEFAULT 1;
ALTER TABLE person ADD COLUMN signed_in_at BIGINT NOT NULL DEFAULT 0;

-- A one-time link for an e-mail address. grants is JSON: roles and what they
-- are on; teams is JSON: those to join.
CREATE TABLE invitation (
  id          TEXT COLLATE "C" PRIMARY KEY,
  tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  email       TEXT COLLATE "C" NOT NULL, -- lower case
  grants      JSONB NOT NULL,
  teams       JSONB NOT NULL,
  hash        TEXT COLLATE "C" NOT NULL UNIQUE,
  invited_by  TEXT COLLATE "C" NOT NULL, -- person, '' for the program or a bootstrap token
  inviter     TEXT COLLATE "C" NOT NULL, -- name
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  UNIQUE (tenant_id, email)
);
CREATE INDEX invitation_inviter ON invitation (tenant_id, invited_by);

-- scopes is JSON; tokens of before could do all that their person could.
ALTER TABLE token ADD COLUMN scopes JSONB NOT NULL DEFAULT '["* *"]';

-- What a person is shown of their sessions. Those of before have no person
-- here; they end within 12 hours.
ALTER TABLE session ADD COLUMN id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN use TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN person_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN address TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT COLLATE "C" NOT NULL DEFAULT '';
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
  tenant_id   TEXT COLLATE "C" NOT NULL,
  owner       TEXT COLLATE "C" NOT NULL, -- token, else person
  key         TEXT COLLATE "C" NOT NULL, -- SHA-256
  fingerprint TEXT COLLATE "C" NOT NULL, -- SHA-256 of the request
  attempt     TEXT COLLATE "C" NOT NULL,
  committed   BOOLEAN NOT NULL,
  answered    BOOLEAN NOT NULL,
  status      INTEGER NOT NULL,
  header      JSONB NOT NULL, -- JSON
  body        BYTEA NOT NULL,
  object      TEXT COLLATE "C" NOT NULL, -- of an answer that is not kept
  leased_to   BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, owner, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['team', 'team_member', 'team_role', 'invitation', 'idempotency']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
    EXECUTE format($policy$CREATE POLICY system ON %I USING ((SELECT current_setting('portico.scope', true)) = 'system')$policy$, t);
    EXECUTE format($policy$CREATE POLICY tenant ON %I
      USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')))$policy$, t);
  END LOOP;
END $$;
-- +goose StatementEnd
