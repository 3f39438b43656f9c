-- What the migrations lead to. Written by go test ./migrations -update.

CREATE OR REPLACE FUNCTION public.audit_is_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$BEGIN RAISE EXCEPTION 'the audit log is append-only'; END$function$

CREATE OR REPLACE FUNCTION public.revision_is_immutable()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$BEGIN RAISE EXCEPTION 'a revision never changes'; END$function$

CREATE TABLE api (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  name_key text COLLATE "C" NOT NULL,
  search_key text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  contact text COLLATE "C" NOT NULL,
  tags jsonb NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  team_id text COLLATE "C",
  default_version text COLLATE "C" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team(tenant_id, id)
);

CREATE INDEX api_name ON public.api USING btree (tenant_id, name_key, id);

CREATE INDEX api_team ON public.api USING btree (tenant_id, team_id) WHERE (team_id IS NOT NULL);

ALTER TABLE api ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON api AS PERMISSIVE FOR SELECT
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text);

CREATE POLICY system ON api AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON api AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE application (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  name_key text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  by_id text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  removed_at bigint NOT NULL,
  lock bigint NOT NULL,
  team_id text COLLATE "C",
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team(tenant_id, id)
);

CREATE INDEX application_name ON public.application USING btree (tenant_id, name_key, id) WHERE (removed_at = 0);

CREATE UNIQUE INDEX application_slug ON public.application USING btree (tenant_id, slug) WHERE (removed_at = 0);

CREATE INDEX application_team ON public.application USING btree (tenant_id, team_id) WHERE (team_id IS NOT NULL);

ALTER TABLE application ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON application AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON application AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE audit (
  tenant_id text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  token_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  operator boolean NOT NULL,
  system boolean NOT NULL,
  address text COLLATE "C" NOT NULL,
  request text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  object text COLLATE "C" NOT NULL,
  summary text COLLATE "C" NOT NULL,
  before text COLLATE "C" NOT NULL,
  after text COLLATE "C" NOT NULL,
  previous_hash text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, sequence),
  UNIQUE (id)
);

CREATE INDEX audit_action ON public.audit USING btree (tenant_id, action, sequence);

CREATE INDEX audit_object ON public.audit USING btree (tenant_id, object, sequence);

CREATE INDEX audit_person ON public.audit USING btree (tenant_id, person_id, sequence);

CREATE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

ALTER TABLE audit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON audit AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON audit AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE audit_head (
  tenant_id text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  hash text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id)
);

ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON audit_head AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE TABLE blob (
  tenant_id text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (tenant_id, digest),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

ALTER TABLE blob ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON blob AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON blob AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE certificate (
  id text COLLATE "default" NOT NULL,
  environment text COLLATE "default" NOT NULL,
  hosts text COLLATE "default" NOT NULL,
  chain text COLLATE "default" NOT NULL,
  sealed bytea NOT NULL,
  is_default boolean NOT NULL,
  clients text COLLATE "default" NOT NULL,
  subject text COLLATE "default" NOT NULL,
  issuer text COLLATE "default" NOT NULL,
  key_type text COLLATE "default" NOT NULL,
  fingerprint text COLLATE "default" NOT NULL,
  not_before bigint NOT NULL,
  not_after bigint NOT NULL,
  updated_by text COLLATE "default" NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE INDEX certificate_environment ON public.certificate USING btree (environment, not_after, id);

CREATE TABLE certificate_host (
  environment text COLLATE "default" NOT NULL,
  host text COLLATE "default" NOT NULL,
  certificate_id text COLLATE "default" NOT NULL,
  PRIMARY KEY (environment, host),
  FOREIGN KEY (certificate_id) REFERENCES certificate(id),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE INDEX certificate_host_certificate ON public.certificate_host USING btree (certificate_id);

CREATE TABLE credential (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  application_id text COLLATE "C" NOT NULL,
  environment text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  revoked_at bigint NOT NULL,
  revoked_by text COLLATE "C" NOT NULL,
  lock bigint NOT NULL,
  addresses text COLLATE "default" NOT NULL,
  referrers text COLLATE "default" NOT NULL,
  kind text COLLATE "default" NOT NULL,
  issuer text COLLATE "default" NOT NULL,
  subject text COLLATE "default" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (environment) REFERENCES environment(slug),
  FOREIGN KEY (tenant_id, application_id) REFERENCES application(tenant_id, id)
);

CREATE INDEX credential_application ON public.credential USING btree (tenant_id, application_id);

ALTER TABLE credential ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON credential AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON credential AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE deleted_environment (
  slug text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  deleted_at bigint NOT NULL,
  dropped_at bigint NOT NULL,
  PRIMARY KEY (slug)
);

CREATE TABLE deployment (
  tenant_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  environment text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  sequence bigint NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (environment) REFERENCES environment(slug),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id),
  FOREIGN KEY (version_id, revision) REFERENCES revision(version_id, number)
);

ALTER TABLE deployment ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON deployment AS PERMISSIVE FOR SELECT
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text);

CREATE POLICY system ON deployment AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON deployment AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE document (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  bytes bigint NOT NULL,
  format text COLLATE "C" NOT NULL,
  spec text COLLATE "C" NOT NULL,
  title text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  operations bigint NOT NULL,
  state text COLLATE "C" NOT NULL,
  stage text COLLATE "C" NOT NULL,
  done bigint NOT NULL,
  total bigint NOT NULL,
  score bigint NOT NULL,
  passed bigint NOT NULL,
  findings bigint NOT NULL,
  tries bigint NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, digest) REFERENCES blob(tenant_id, digest)
);

CREATE INDEX document_digest ON public.document USING btree (tenant_id, digest);

CREATE INDEX document_to_load ON public.document USING btree (id) WHERE (state = ANY (ARRAY['waiting'::text, 'loading'::text]));

ALTER TABLE document ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON document AS PERMISSIVE FOR SELECT
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text);

CREATE POLICY system ON document AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON document AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE enrolment (
  id text COLLATE "default" NOT NULL,
  environment text COLLATE "default" NOT NULL,
  name text COLLATE "default" NOT NULL,
  hash text COLLATE "default" NOT NULL,
  created_by text COLLATE "default" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint NOT NULL,
  node_id text COLLATE "default" NOT NULL,
  user_key text COLLATE "default" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (hash),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE INDEX enrolment_environment ON public.enrolment USING btree (environment, id);

CREATE TABLE entry (
  environment text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  sequence bigint NOT NULL,
  since bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  ended boolean NOT NULL,
  written_at bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (environment, key),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE INDEX entry_sequence ON public.entry USING btree (environment, sequence);

CREATE INDEX entry_tombstone ON public.entry USING btree (environment, written_at) WHERE ended;

CREATE TABLE environment (
  id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  gateway_url text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  sequence bigint NOT NULL,
  published_epoch bigint NOT NULL,
  published_sequence bigint NOT NULL,
  created_at bigint NOT NULL,
  lock bigint NOT NULL,
  settings text COLLATE "default" NOT NULL,
  address_chosen boolean NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (slug)
);

CREATE TABLE environment_key (
  environment text COLLATE "default" NOT NULL,
  number bigint NOT NULL,
  sealed bytea NOT NULL,
  made_at bigint NOT NULL,
  PRIMARY KEY (environment),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE TABLE environment_value (
  tenant_id text COLLATE "default" NOT NULL,
  environment text COLLATE "default" NOT NULL,
  name text COLLATE "default" NOT NULL,
  value text COLLATE "default" NOT NULL,
  secret boolean NOT NULL,
  sealed bytea NOT NULL,
  updated_by text COLLATE "default" NOT NULL,
  updated_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, environment, name),
  FOREIGN KEY (environment) REFERENCES environment(slug),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

ALTER TABLE environment_value ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON environment_value AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON environment_value AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE event (
  id text COLLATE "default" NOT NULL,
  tenant_id text COLLATE "default" NOT NULL,
  kind text COLLATE "default" NOT NULL,
  object text COLLATE "default" NOT NULL,
  body text COLLATE "default" NOT NULL,
  created_at bigint NOT NULL,
  due_at bigint NOT NULL,
  delivered_at bigint NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

CREATE INDEX event_due ON public.event USING btree (due_at, id) WHERE (delivered_at = 0);

CREATE INDEX event_object ON public.event USING btree (tenant_id, object) WHERE (delivered_at = 0);

ALTER TABLE event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON event AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON event AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE finding (
  tenant_id text COLLATE "C" NOT NULL,
  document_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  severity text COLLATE "C" NOT NULL,
  message text COLLATE "C" NOT NULL,
  hint text COLLATE "C" NOT NULL,
  pointer text COLLATE "C" NOT NULL,
  line bigint NOT NULL,
  file text COLLATE "C" NOT NULL,
  PRIMARY KEY (document_id, "position"),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document(tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE finding ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON finding AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON finding AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE first_run (
  id bigint NOT NULL,
  hash text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (id),
  CHECK ((id = 1))
);

CREATE TABLE idempotency (
  tenant_id text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  attempt text COLLATE "C" NOT NULL,
  committed boolean NOT NULL,
  answered boolean NOT NULL,
  status integer NOT NULL,
  header jsonb NOT NULL,
  body bytea NOT NULL,
  object text COLLATE "C" NOT NULL,
  leased_to bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, owner, key)
);

CREATE INDEX idempotency_expiry ON public.idempotency USING btree (expires_at);

ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON idempotency AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON idempotency AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE import (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  document_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C",
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  scan jsonb NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document(tenant_id, id),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id)
);

CREATE INDEX import_expiry ON public.import USING btree (expires_at);

ALTER TABLE import ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON import AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON import AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE invitation (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  email text COLLATE "C" NOT NULL,
  grants jsonb NOT NULL,
  teams jsonb NOT NULL,
  hash text COLLATE "C" NOT NULL,
  invited_by text COLLATE "C" NOT NULL,
  inviter text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (hash),
  UNIQUE (tenant_id, email),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

CREATE INDEX invitation_inviter ON public.invitation USING btree (tenant_id, invited_by);

ALTER TABLE invitation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON invitation AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON invitation AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE member (
  tenant_id text COLLATE "C" NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  joined_at bigint NOT NULL,
  lock bigint NOT NULL,
  PRIMARY KEY (tenant_id, person_id),
  FOREIGN KEY (person_id) REFERENCES person(id),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

CREATE INDEX member_person ON public.member USING btree (person_id);

ALTER TABLE member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON member AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON member AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE member_role (
  tenant_id text COLLATE "C" NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, person_id, scope, role),
  FOREIGN KEY (tenant_id, person_id) REFERENCES member(tenant_id, person_id) ON DELETE CASCADE
);

ALTER TABLE member_role ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON member_role AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON member_role AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE mount (
  host text COLLATE "C" NOT NULL,
  base_path text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  selector text COLLATE "C" NOT NULL,
  PRIMARY KEY (host, base_path, selector),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX mount_version ON public.mount USING btree (tenant_id, version_id);

ALTER TABLE mount ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON mount AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON mount AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE node (
  id text COLLATE "C" NOT NULL,
  environment text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  build text COLLATE "C" NOT NULL,
  enrolled_at bigint NOT NULL,
  heard_at bigint NOT NULL,
  user_key text COLLATE "default" NOT NULL,
  box_key text COLLATE "default" NOT NULL,
  left_at bigint NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (environment, name),
  FOREIGN KEY (environment) REFERENCES environment(slug)
);

CREATE TABLE operation (
  tenant_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  operation text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  method text COLLATE "C" NOT NULL,
  path text COLLATE "C" NOT NULL,
  summary text COLLATE "C" NOT NULL,
  tag text COLLATE "C" NOT NULL,
  deprecated boolean NOT NULL,
  public boolean NOT NULL,
  search_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (version_id, "position"),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE operation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON operation AS PERMISSIVE FOR SELECT
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text);

CREATE POLICY system ON operation AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON operation AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE person (
  id text COLLATE "C" NOT NULL,
  email text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  password text COLLATE "C" NOT NULL,
  operator boolean NOT NULL,
  theme text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  lock bigint NOT NULL,
  signed_in_at bigint NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (email)
);

CREATE TABLE plan (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  product_id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  price text COLLATE "C" NOT NULL,
  approval text COLLATE "C" NOT NULL,
  limits jsonb NOT NULL,
  state text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  closes_at bigint NOT NULL,
  max_key_life_ms bigint NOT NULL,
  policies json NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (product_id, slug),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX plan_closed ON public.plan USING btree (id) WHERE (state = 'closed'::text);

CREATE INDEX plan_closing ON public.plan USING btree (closes_at) WHERE ((closes_at > 0) AND (state = 'deprecated'::text));

ALTER TABLE plan ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON plan AS PERMISSIVE FOR SELECT
  USING ((( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text) AND (EXISTS ( SELECT 1
   FROM product p
  WHERE ((p.tenant_id = plan.tenant_id) AND (p.id = plan.product_id)))));

CREATE POLICY system ON plan AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON plan AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE product (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  name_key text COLLATE "C" NOT NULL,
  search_key text COLLATE "C" NOT NULL,
  summary text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  visibility text COLLATE "C" NOT NULL,
  listed boolean NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  team_id text COLLATE "C",
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team(tenant_id, id)
);

CREATE INDEX product_name ON public.product USING btree (tenant_id, name_key, id);

CREATE INDEX product_offered ON public.product USING btree (name_key, id) WHERE listed;

CREATE INDEX product_team ON public.product USING btree (tenant_id, team_id) WHERE (team_id IS NOT NULL);

ALTER TABLE product ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON product AS PERMISSIVE FOR SELECT
  USING ((( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text) AND listed AND ((visibility = 'public'::text) OR (tenant_id = ( SELECT current_setting('portico.reader'::text, true) AS current_setting)) OR ((visibility = 'shared'::text) AND (EXISTS ( SELECT 1
   FROM product_share s
  WHERE ((s.tenant_id = product.tenant_id) AND (s.product_id = product.id) AND (s.with_id = ( SELECT NULLIF(current_setting('portico.reader'::text, true), ''::text) AS "nullif"))))))));

CREATE POLICY system ON product AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON product AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE product_share (
  tenant_id text COLLATE "C" NOT NULL,
  product_id text COLLATE "C" NOT NULL,
  with_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (product_id, with_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product(tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (with_id) REFERENCES tenant(id)
);

CREATE INDEX product_share_with ON public.product_share USING btree (with_id);

ALTER TABLE product_share ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON product_share AS PERMISSIVE FOR SELECT
  USING ((( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text) AND (with_id = ( SELECT NULLIF(current_setting('portico.reader'::text, true), ''::text) AS "nullif")));

CREATE POLICY system ON product_share AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON product_share AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE product_version (
  tenant_id text COLLATE "C" NOT NULL,
  product_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (product_id, version_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product(tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id)
);

CREATE INDEX product_version_version ON public.product_version USING btree (tenant_id, version_id);

ALTER TABLE product_version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON product_version AS PERMISSIVE FOR SELECT
  USING ((( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text) AND (EXISTS ( SELECT 1
   FROM product p
  WHERE ((p.tenant_id = product_version.tenant_id) AND (p.id = product_version.product_id)))));

CREATE POLICY system ON product_version AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON product_version AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE reference (
  tenant_id text COLLATE "C" NOT NULL,
  document_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (document_id, kind, name),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document(tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE reference ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON reference AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON reference AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE removed_node (
  user_key text COLLATE "default" NOT NULL,
  environment text COLLATE "default" NOT NULL,
  name text COLLATE "default" NOT NULL,
  removed_at bigint NOT NULL,
  PRIMARY KEY (user_key)
);

CREATE INDEX removed_node_environment ON public.removed_node USING btree (environment, user_key);

CREATE TABLE revision (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  document_id text COLLATE "C",
  note text COLLATE "C" NOT NULL,
  by_name text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  runtime json NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (version_id, number),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document(tenant_id, id),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX revision_document ON public.revision USING btree (tenant_id, document_id);

CREATE TRIGGER revision_is_immutable BEFORE UPDATE ON public.revision FOR EACH STATEMENT EXECUTE FUNCTION revision_is_immutable();

ALTER TABLE revision ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON revision AS PERMISSIVE FOR SELECT
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text);

CREATE POLICY system ON revision AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON revision AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE secret (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  credential_id text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  prefix text COLLATE "C" NOT NULL,
  last_four text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  last_used_at bigint NOT NULL,
  last_used_address text COLLATE "default" NOT NULL,
  environment text COLLATE "default" NOT NULL,
  live boolean NOT NULL,
  sealed bytea,
  node_key bigint NOT NULL,
  node_box text COLLATE "default" NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY (tenant_id, credential_id) REFERENCES credential(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX secret_credential ON public.secret USING btree (tenant_id, credential_id);

CREATE UNIQUE INDEX secret_live ON public.secret USING btree (environment, hash) WHERE live;

CREATE INDEX secret_sealed ON public.secret USING btree (environment) WHERE (node_key > 0);

ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON secret AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON secret AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE session (
  hash text COLLATE "C" NOT NULL,
  data bytea NOT NULL,
  expires_at bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  use text COLLATE "C" NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  address text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  started_at bigint NOT NULL,
  seen_at bigint NOT NULL,
  PRIMARY KEY (hash)
);

CREATE INDEX session_expiry ON public.session USING btree (expires_at);

CREATE INDEX session_person ON public.session USING btree (person_id) WHERE (person_id <> ''::text);

CREATE TABLE split (
  tenant_id text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  environment text COLLATE "C" NOT NULL,
  stepping boolean NOT NULL,
  body jsonb NOT NULL,
  lock bigint NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (environment) REFERENCES environment(slug),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX split_stepping ON public.split USING btree (environment) WHERE stepping;

ALTER TABLE split ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON split AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON split AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE subscription (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  application_tenant_id text COLLATE "C" NOT NULL,
  application_id text COLLATE "C" NOT NULL,
  product_id text COLLATE "C" NOT NULL,
  plan_id text COLLATE "C" NOT NULL,
  environments jsonb NOT NULL,
  state text COLLATE "C" NOT NULL,
  stopped boolean NOT NULL,
  reason text COLLATE "C" NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  requester text COLLATE "C" NOT NULL,
  requested_at bigint NOT NULL,
  note text COLLATE "C" NOT NULL,
  decided_by text COLLATE "C" NOT NULL,
  decider text COLLATE "C" NOT NULL,
  decided_at bigint NOT NULL,
  automatic boolean NOT NULL,
  starts_at bigint NOT NULL,
  ends_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  suspensions text COLLATE "default" NOT NULL,
  limits text COLLATE "default" NOT NULL,
  plan_change text COLLATE "default" NOT NULL,
  changing boolean NOT NULL,
  renews text COLLATE "default" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (application_tenant_id, application_id) REFERENCES application(tenant_id, id),
  FOREIGN KEY (tenant_id, plan_id) REFERENCES plan(tenant_id, id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product(tenant_id, id)
);

CREATE INDEX subscription_application ON public.subscription USING btree (application_tenant_id, application_id);

CREATE INDEX subscription_asked ON public.subscription USING btree (tenant_id, requested_at, id);

CREATE INDEX subscription_automatic ON public.subscription USING btree (tenant_id, requested_at, id) WHERE automatic;

CREATE INDEX subscription_changing ON public.subscription USING btree (tenant_id, requested_at, id) WHERE changing;

CREATE INDEX subscription_decided ON public.subscription USING btree (tenant_id, decided_at, id) WHERE ((decided_at > 0) AND (NOT automatic));

CREATE INDEX subscription_end ON public.subscription USING btree (ends_at) WHERE ((ends_at > 0) AND (state = ANY (ARRAY['active'::text, 'suspended'::text])));

CREATE INDEX subscription_inbox ON public.subscription USING btree (tenant_id, state, requested_at, id);

CREATE INDEX subscription_mine ON public.subscription USING btree (application_tenant_id, product_id, id);

CREATE INDEX subscription_plan ON public.subscription USING btree (plan_id) WHERE (state = ANY (ARRAY['pending'::text, 'active'::text, 'suspended'::text]));

CREATE INDEX subscription_product ON public.subscription USING btree (tenant_id, product_id, state);

ALTER TABLE subscription ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON subscription AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON subscription AS PERMISSIVE FOR ALL
  USING ((tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif")) OR (application_tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif")));

CREATE TABLE team (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  name_key text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, slug),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

CREATE INDEX team_name ON public.team USING btree (tenant_id, name_key, id);

ALTER TABLE team ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON team AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON team AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE team_member (
  tenant_id text COLLATE "C" NOT NULL,
  team_id text COLLATE "C" NOT NULL,
  person_id text COLLATE "C" NOT NULL,
  joined_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, team_id, person_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES member(tenant_id, person_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, team_id) REFERENCES team(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX team_member_person ON public.team_member USING btree (tenant_id, person_id);

ALTER TABLE team_member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON team_member AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON team_member AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE team_role (
  tenant_id text COLLATE "C" NOT NULL,
  team_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, team_id, role),
  FOREIGN KEY (tenant_id, team_id) REFERENCES team(tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE team_role ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON team_role AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON team_role AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE tenant (
  id text COLLATE "C" NOT NULL,
  slug text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  lock bigint NOT NULL,
  key_prefix text COLLATE "C" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (slug)
);

CREATE UNIQUE INDEX tenant_key_prefix ON public.tenant USING btree (key_prefix) WHERE (key_prefix <> ''::text);

CREATE TABLE token (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C",
  person_id text COLLATE "C",
  name text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  hint text COLLATE "C" NOT NULL,
  bootstrap boolean NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  last_used_at bigint NOT NULL,
  scopes jsonb NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (hash),
  FOREIGN KEY (person_id) REFERENCES person(id),
  FOREIGN KEY (tenant_id) REFERENCES tenant(id)
);

CREATE INDEX token_person ON public.token USING btree (person_id, id);

ALTER TABLE token ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON token AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON token AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));

CREATE TABLE usage_minute (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  application_tenant_id text COLLATE "C" NOT NULL,
  environment text COLLATE "C" NOT NULL,
  minute bigint NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  operation text COLLATE "C" NOT NULL,
  application_id text COLLATE "C" NOT NULL,
  subscription_id text COLLATE "C" NOT NULL,
  plan_id text COLLATE "C" NOT NULL,
  status bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  calls bigint NOT NULL,
  bytes_in bigint NOT NULL,
  bytes_out bigint NOT NULL,
  took_us bigint NOT NULL,
  upstream_us bigint NOT NULL,
  took_0 bigint NOT NULL,
  took_1 bigint NOT NULL,
  took_2 bigint NOT NULL,
  took_3 bigint NOT NULL,
  took_4 bigint NOT NULL,
  took_5 bigint NOT NULL,
  took_6 bigint NOT NULL,
  took_7 bigint NOT NULL,
  took_8 bigint NOT NULL,
  took_9 bigint NOT NULL,
  took_10 bigint NOT NULL,
  took_11 bigint NOT NULL,
  took_12 bigint NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX usage_minute_age ON public.usage_minute USING btree (minute);

CREATE INDEX usage_minute_offered ON public.usage_minute USING btree (tenant_id, minute, id);

CREATE INDEX usage_minute_used ON public.usage_minute USING btree (application_tenant_id, minute, id);

ALTER TABLE usage_minute ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY system ON usage_minute AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON usage_minute AS PERMISSIVE FOR ALL
  USING ((tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif")) OR (application_tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif")));

CREATE TABLE usage_segment (
  spool text COLLATE "C" NOT NULL,
  segment bigint NOT NULL,
  next bigint NOT NULL,
  environment text COLLATE "C" NOT NULL,
  node text COLLATE "C" NOT NULL,
  counted_at bigint NOT NULL,
  PRIMARY KEY (spool, segment)
);

CREATE INDEX usage_segment_age ON public.usage_segment USING btree (counted_at);

CREATE TABLE version (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  api_id text COLLATE "C" NOT NULL,
  label text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  document_id text COLLATE "C",
  unpublished boolean NOT NULL,
  revision bigint NOT NULL,
  operations bigint NOT NULL,
  deprecated_at bigint NOT NULL,
  sunset_at bigint NOT NULL,
  state_reason text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lock bigint NOT NULL,
  runtime json NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (api_id, label),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, api_id) REFERENCES api(tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, document_id) REFERENCES document(tenant_id, id)
);

CREATE INDEX version_api ON public.version USING btree (tenant_id, api_id, id);

CREATE INDEX version_document ON public.version USING btree (tenant_id, document_id);

CREATE INDEX version_state ON public.version USING btree (tenant_id, state, api_id);

ALTER TABLE version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY catalog ON version AS PERMISSIVE FOR SELECT
  USING ((( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'catalog'::text) AND (state = ANY (ARRAY['published'::text, 'deprecated'::text])));

CREATE POLICY system ON version AS PERMISSIVE FOR ALL
  USING (( SELECT current_setting('portico.scope'::text, true) AS current_setting) = 'system'::text);

CREATE POLICY tenant ON version AS PERMISSIVE FOR ALL
  USING (tenant_id = ( SELECT NULLIF(current_setting('portico.tenant'::text, true), ''::text) AS "nullif"));
