-- Lists of requests in the order in which they are shown, however many a tenant
-- has. The order of those that were answered is that of their decision.

-- +goose Up

DROP INDEX subscription_answered;
CREATE INDEX subscription_asked ON subscription (tenant_id, requested_at, id);
CREATE INDEX subscription_decided ON subscription (tenant_id, decided_at, id) WHERE decided_at > 0 AND NOT automatic;
CREATE INDEX subscription_automatic ON subscription (tenant_id, requested_at, id) WHERE automatic;
