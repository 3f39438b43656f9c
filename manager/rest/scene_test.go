package rest_test

import (
	"testing"

	"portico/internal/apim"
	"portico/test/postgres"
)

const ordersDocument = `{"openapi":"3.1.0","info":{"title":"Orders","version":"1.2.0"},
"servers":[{"url":"https://orders.upstream.example/base"}],"security":[{"key":[]}],
"paths":{
 "/orders":{"get":{"operationId":"list_orders","summary":"List orders","tags":["orders"],"responses":{"200":{"description":"OK"}}},
            "post":{"operationId":"create_order","summary":"Create an order","tags":["orders"],"responses":{"201":{"description":"Made"}}}},
 "/health":{"get":{"operationId":"health","summary":"Health","security":[],"responses":{"200":{"description":"OK"}}}}},
"components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"X-Key"}}}}`

// scene is a provider's tenant "shop" with everything in it, and a consumer's
// "client" with an application that is subscribed and has a key.
type scene struct {
	*world
	ada, cem string // tokens: owner of shop, owner of client
	adaID    string // person, in the team "sellers" of the shop
	invited  string // invitation to the shop

	imported, version, product, trial, business string // ids
	application, subscription, pending          string
	credential, key                             string
}

func newScene(t testing.TB, place postgres.Place) *scene {
	t.Helper()
	s := &scene{world: newWorld(t, place)}
	for _, tenant := range []string{"shop", "client"} {
		s.call(s.operator, "POST", "/tenants", map[string]string{"slug": tenant, "name": "The " + tenant}).ok(201)
	}
	s.ada = s.person("shop", "Ada", apim.RoleOwner)
	s.cem = s.person("client", "Cem", apim.RoleOwner)

	s.adaID = text(s.call(s.ada, "GET", "/whoami", nil).ok(200), "person")
	s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"Sellers","roles":["provider","approver"]}`).ok(201)
	s.call(s.ada, "PUT", "/tenants/shop/teams/sellers/members/"+s.adaID, nil).ok(200)
	s.invited = text(s.call(s.ada, "POST", "/tenants/shop/invitations", `{"email":"bea@shop.example","roles":["provider"]}`).ok(201), "id")

	s.imported = text(s.call(s.ada, "POST", "/tenants/shop/imports", ordersDocument).ok(201), "id")
	s.version = text(s.call(s.ada, "POST", "/tenants/shop/imports/"+s.imported+"/accept", `{"slug":"orders","access":"document"}`).ok(201), "id")
	s.call(s.ada, "POST", "/tenants/shop/versions/"+s.version+"/publish", `{"environment":"production","note":"first"}`).ok(200)
	s.product = text(s.call(s.ada, "POST", "/tenants/shop/products", map[string]any{
		"slug": "orders", "name": "Orders", "summary": "Place orders.", "visibility": "public", "listed": true, "versions": []string{s.version},
	}).ok(201), "id")
	s.trial = s.plan("trial", "automatic")
	s.business = s.plan("business", "manual")

	s.application = text(s.call(s.cem, "POST", "/tenants/client/applications", `{"name":"Till","slug":"till"}`).ok(201), "id")
	minted := s.call(s.cem, "POST", "/tenants/client/applications/till/credentials", `{"name":"first","environment":"production"}`).ok(201)
	s.credential, s.key = text(minted, "id"), text(minted, "key")
	s.pending = text(s.call(s.cem, "POST", "/tenants/client/subscriptions", map[string]any{
		"application": "till", "plan": s.business, "reason": "to sell",
	}).ok(201), "id")
	other := text(s.call(s.cem, "POST", "/tenants/client/applications", `{"name":"Second till"}`).ok(201), "slug")
	s.subscription = text(s.call(s.cem, "POST", "/tenants/client/subscriptions", map[string]any{
		"application": other, "plan": s.trial,
	}).ok(201), "id")
	return s
}

func (s *scene) plan(slug, approval string) string {
	s.t.Helper()
	return text(s.call(s.ada, "POST", "/tenants/shop/products/orders/plans", map[string]any{
		"slug": slug, "name": slug, "approval": approval, "state": "published",
		"limits": []map[string]int{{"requests": 60, "period_ms": 60000, "burst": 5}},
	}).ok(201), "id")
}
