-- What is offered, whole: products shared with named tenants, plans that close
-- at a date and bound the life of keys, a tenant's own key prefix, and the end
-- of an environment.

-- +goose Up

-- The tenants that find a product of visibility shared. Who is taken off keeps
-- its subscriptions.
CREATE TABLE product_share (
  tenant_id  TEXT NOT NULL,
  product_id TEXT NOT NULL,
  with_id    TEXT NOT NULL REFERENCES tenant (id),
  position   BIGINT NOT NULL,
  PRIMARY KEY (product_id, with_id),
  FOREIGN KEY (tenant_id, product_id) REFERENCES product (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX product_share_with ON product_share (with_id);

-- closes_at is when a deprecated plan closes and its subscriptions end; 0 is not
-- decided. max_key_life_ms bounds the keys that are made for the plan's
-- applications; 0 is no bound.
ALTER TABLE plan ADD COLUMN closes_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE plan ADD COLUMN max_key_life_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX plan_closing ON plan (closes_at) WHERE closes_at > 0 AND state = 'deprecated';
CREATE INDEX plan_closed ON plan (id) WHERE state = 'closed';
CREATE INDEX subscription_plan ON subscription (plan_id) WHERE state IN ('pending', 'active', 'suspended');

-- What a tenant's keys begin with, before _live or _test; '' is portico.
ALTER TABLE tenant ADD COLUMN key_prefix TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX tenant_key_prefix ON tenant (key_prefix) WHERE key_prefix <> '';

-- An environment's name may come back after it was deleted: what a node of
-- before was let in by stays refused, and positions go on from the epoch after.
-- removed_node is made anew without its reference to the environment.
CREATE TABLE removed_node_after (
  user_key    TEXT PRIMARY KEY,
  environment TEXT NOT NULL,
  name        TEXT NOT NULL,
  removed_at  BIGINT NOT NULL
);
INSERT INTO removed_node_after SELECT user_key, environment, name, removed_at FROM removed_node;
DROP TABLE removed_node;
ALTER TABLE removed_node_after RENAME TO removed_node;
CREATE INDEX removed_node_environment ON removed_node (environment, user_key);
CREATE TABLE deleted_environment (
  slug       TEXT PRIMARY KEY,
  epoch      BIGINT NOT NULL,
  deleted_at BIGINT NOT NULL,
  dropped_at BIGINT NOT NULL -- from the bus; 0 while that is still to be done
);
