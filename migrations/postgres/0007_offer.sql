-- What is offered, whole: products shared with named tenants, plans that close
-- at a date and bound the life of keys, a tenant's own key prefix, and the end
-- of an environment.

-- +goose Up

-- The tenants that find a product of visibility shared. Who is taken off keeps
-- its subscriptions.
CREATE TABLE product_share (
  tenant_id  TEXT COLLATE "C" NOT NULL,
  product_id TEXT COLLATE "C" NOT NULL,
  with_id    TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
  position   BIGINT NOT NULL,
  PRIMARY KEY (product_id, with_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX product_share_with ON product_share (with_id);

ALTER TABLE product_share ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON product_share USING ((SELECT current_setting('portico.scope', true)) = 'system');
CREATE POLICY tenant ON product_share USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')));
CREATE POLICY catalog ON product_share FOR SELECT
  USING ((SELECT current_setting('portico.scope', true)) = 'catalog' AND with_id = (SELECT nullif(current_setting('portico.reader', true), '')));

DROP POLICY catalog ON product;
CREATE POLICY catalog ON product FOR SELECT
  USING ((SELECT current_setting('portico.scope', true)) = 'catalog' AND listed
    AND (visibility = 'public' OR tenant_id = (SELECT current_setting('portico.reader', true))
      OR visibility = 'shared' AND EXISTS (SELECT 1 FROM product_share s WHERE s.tenant_id = product.tenant_id AND s.product_id = product.id
        AND s.with_id = (SELECT nullif(current_setting('portico.reader', true), '')))));

-- closes_at is when a deprecated plan closes and its subscriptions end; 0 is not
-- decided. max_key_life_ms bounds the keys that are made for the plan's
-- applications; 0 is no bound.
ALTER TABLE plan ADD COLUMN closes_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE plan ADD COLUMN max_key_life_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX plan_closing ON plan (closes_at) WHERE closes_at > 0 AND state = 'deprecated';
CREATE INDEX plan_closed ON plan (id) WHERE state = 'closed';
CREATE INDEX subscription_plan ON subscription (plan_id) WHERE state IN ('pending', 'active', 'suspended');

-- What a tenant's keys begin with, before _live or _test; '' is portico.
ALTER TABLE tenant ADD COLUMN key_prefix TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX tenant_key_prefix ON tenant (key_prefix) WHERE key_prefix <> '';

-- An environment's name may come back after it was deleted: what a node of
-- before was let in by stays refused, and positions go on from the epoch after.
ALTER TABLE removed_node DROP CONSTRAINT removed_node_environment_fkey;
CREATE TABLE deleted_environment (
  slug       TEXT COLLATE "C" PRIMARY KEY,
  epoch      BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  dropped_at BIGINT NOT NULL -- from the bus; 0 while that is still to be done
);
