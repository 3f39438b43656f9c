-- A tenant's own subscriptions to the products that a page of the catalog shows.

-- +goose Up

CREATE INDEX subscription_mine ON subscription (application_tenant_id, product_id, id);
