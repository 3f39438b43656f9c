package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/test/postgres"
)

// A shared product is there for who is named, and for another tenant it is not,
// by any way: not one byte of it.
func TestSharedProductDoesNotExistForOthers(t *testing.T) {
	postgres.Both(t, testSharedProductDoesNotExistForOthers)
}

func testSharedProductDoesNotExistForOthers(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.operator, "POST", "/tenants", `{"slug":"other","name":"The other"}`).ok(201)
	otto := s.person("other", "Otto", apim.RoleOwner)
	s.call(otto, "POST", "/tenants/other/applications", `{"name":"Bot","slug":"bot"}`).ok(201)

	s.call(s.ada, "PATCH", "/tenants/shop/products/orders", `{"visibility":"shared"}`).refused(422, "invalid", "shared_with")
	s.call(s.ada, "PATCH", "/tenants/shop/products/orders", `{"visibility":"shared","shared_with":["client","clinet"]}`).refused(422, "invalid", "shared_with[1]")
	shared := s.call(s.ada, "PATCH", "/tenants/shop/products/orders", `{"visibility":"shared","shared_with":["client"]}`).ok(200)
	with := shared["shared_with"].([]any)[0].(map[string]any)
	if text(with, "slug") != "client" || text(with, "name") != "The client" || with["subscribers"] != 2.0 {
		t.Errorf("shared with %v", with)
	}

	s.call(s.cem, "GET", "/tenants/client/offers/shop/orders", nil).ok(200)
	for _, c := range [][3]string{
		{"GET", "/tenants/other/offers/shop/orders", ""},
		{"POST", "/tenants/other/subscriptions", `{"application":"bot","plan":"` + s.trial + `"}`},
	} {
		a := s.call(otto, c[0], c[1], c[2])
		a.refused(404, "not_found")
		if body := string(a.Body); strings.Contains(strings.ToLower(body), "place orders") || strings.Contains(body, "trial") {
			t.Errorf("%s %s gives away %s", c[0], c[1], body)
		}
	}
	for _, query := range []string{"", "?search=orders"} {
		if found := items(s.call(otto, "GET", "/tenants/other/offers"+query, nil).ok(200)); len(found) != 0 {
			t.Errorf("found %v", found)
		}
	}

	off := s.call(s.ada, "PATCH", "/tenants/shop/products/orders", `{"shared_with":["other"]}`).ok(200)
	kept := off["still_subscribed"].([]any)[0].(map[string]any)
	if text(kept, "slug") != "client" || kept["subscribers"] != 2.0 {
		t.Errorf("still subscribed %v", kept)
	}
	s.call(s.cem, "GET", "/tenants/client/offers/shop/orders", nil).refused(404, "not_found")
	s.call(s.cem, "GET", "/tenants/client/subscriptions/"+s.subscription, nil).ok(200)
}

// A plan bounds the life of keys, and both sides are told.
func TestPlanBoundsTheLifeOfKeys(t *testing.T) { postgres.Both(t, testPlanBoundsTheLifeOfKeys) }

func testPlanBoundsTheLifeOfKeys(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.ada, "PATCH", "/tenants/shop/plans/"+s.business, `{"max_key_life_ms":1000}`).refused(422, "invalid", "max_key_life_ms")
	const days30 = 30 * 24 * 60 * 60 * 1000.0
	if got := s.call(s.ada, "PATCH", "/tenants/shop/plans/"+s.business, map[string]any{"max_key_life_ms": days30}).ok(200); got["max_key_life_ms"] != days30 {
		t.Errorf("got %v", got)
	}
	keys := "/tenants/client/applications/till/credentials"
	s.call(s.cem, "POST", keys, `{"name":"endless"}`).refused(422, "invalid", "expires_at")
	s.call(s.cem, "POST", keys, map[string]any{"name": "monthly", "expires_at": s.clock().Add(29 * 24 * time.Hour)}).ok(201)
	app := s.call(s.cem, "GET", "/tenants/client/applications/till", nil).ok(200)
	if limit := app["key_limits"].([]any)[0].(map[string]any); limit["max_key_life_ms"] != days30 || text(limit, "plan") != "business" || text(limit, "environment") != "production" {
		t.Errorf("got %v", limit)
	}
	if got := s.call(s.ada, "GET", "/tenants/shop/subscriptions/"+s.pending, nil).ok(200); got["long_keys"] != 1.0 {
		t.Errorf("the provider sees %v", got["long_keys"])
	}
	for _, plan := range s.call(s.ada, "GET", "/tenants/shop/products/orders", nil).ok(200)["plans"].([]any) {
		if p := plan.(map[string]any); text(p, "id") == s.business && p["long_keys"] != 1.0 {
			t.Errorf("the product's plan says %v", p["long_keys"])
		}
	}
	rotated := s.call(s.cem, "POST", "/tenants/client/credentials/"+s.credential+"/rotate", `{"grace_ms":0}`).ok(200)
	if end := text(rotated["secrets"].([]any)[0].(map[string]any), "expires_at"); !strings.HasPrefix(end, s.clock().Add(30*24*time.Hour).Format("2006-01-02")) {
		t.Errorf("the rotated key ends at %q", end)
	}
}

// Closing a plan says first who loses access, then gives it a date, takes that
// back, and closes it.
func TestPlanIsClosedWithItsSubscribersNamedFirst(t *testing.T) {
	postgres.Both(t, testPlanIsClosedWithItsSubscribersNamedFirst)
}

func testPlanIsClosedWithItsSubscribersNamedFirst(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/plans/" + s.trial
	s.call(s.ada, "POST", at+"/close", nil).refused(409, "has_subscribers")
	s.call(s.ada, "PATCH", at, `{"state":"deprecated"}`).ok(200)

	date := s.clock().Add(48 * time.Hour).Truncate(time.Second)
	body := map[string]any{"closes_at": date}
	asked := s.call(s.ada, "POST", at+"/close?dry_run=true", body).ok(200)
	losing := asked["losing"].([]any)
	if len(losing) != 1 || asked["closes_at"] != nil || text(asked, "state") != "deprecated" {
		t.Fatalf("asked what would happen: %v", asked)
	}
	one := losing[0].(map[string]any)
	if text(one, "subscription") != s.subscription || text(one["application"].(map[string]any), "tenant") != "The client" {
		t.Errorf("losing %v", one)
	}
	s.call(s.ada, "POST", at+"/close?dry_run=yes", nil).refused(422, "invalid", "dry_run")
	s.call(s.ada, "POST", at+"/close", `{"closes_at":"2020-01-01T00:00:00Z"}`).refused(422, "invalid", "closes_at")

	set := s.call(s.ada, "POST", at+"/close", body)
	if got := set.ok(200); text(got, "state") != "deprecated" || text(got, "closes_at") != date.Format(time.RFC3339) || len(got["losing"].([]any)) != 1 {
		t.Errorf("with a date: %v", got)
	}
	s.call(s.ada, "POST", at+"/close", body, "If-Match", `"1"`).refused(412, "changed_meanwhile")
	mine := s.call(s.cem, "GET", "/tenants/client/subscriptions/"+s.subscription, nil).ok(200)
	if text(mine, "plan_closes_at") != date.Format(time.RFC3339) || text(mine, "state") != "active" {
		t.Errorf("the consumer sees %v", mine)
	}
	if kept := s.call(s.ada, "POST", at+"/keep", nil, "If-Match", set.Header.Get("ETag")).ok(200); kept["closes_at"] != nil {
		t.Errorf("kept: %v", kept)
	}

	closed := s.call(s.ada, "POST", at+"/close?wait=applied", nil).ok(200)
	if text(closed, "state") != "closed" || closed["applied"].(map[string]any)["done"] != true {
		t.Errorf("closed: %v", closed)
	}
	mine = s.call(s.cem, "GET", "/tenants/client/subscriptions/"+s.subscription, nil).ok(200)
	if text(mine, "state") != "expired" || !strings.Contains(text(mine, "note"), "was closed on") {
		t.Errorf("the consumer sees %v", mine)
	}
	s.call(s.ada, "POST", at+"/keep", nil).refused(409, "plan_state")
}

// An environment is deleted when nothing stands in the way, and the refusal
// names what does.
func TestEnvironmentIsDeletedWhenNothingIsInTheWay(t *testing.T) {
	postgres.Both(t, testEnvironmentIsDeletedWhenNothingIsInTheWay)
}

func testEnvironmentIsDeletedWhenNothingIsInTheWay(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.pass(time.Second)
	made := s.call(s.operator, "POST", "/environments", `{"slug":"sandbox","kind":"sandbox","gateway_url":"https://sandbox.example"}`)
	made.ok(201)
	version := "/tenants/shop/versions/" + s.version
	s.call(s.ada, "POST", version+"/take-off", `{"environment":"production"}`).refused(409, "last_deployment")
	s.call(s.ada, "POST", version+"/publish", `{"environment":"sandbox"}`).ok(200)
	p := s.call(s.operator, "DELETE", "/environments/sandbox", nil).refused(409, "environment_in_use", "deployments")
	if got := p.Errors[0].Detail; !strings.Contains(got, "v1 of The shop: take it off sandbox first") {
		t.Errorf("got %q", got)
	}
	if got := s.call(s.ada, "POST", version+"/take-off?wait=applied", `{"environment":"sandbox"}`).ok(200); len(got["live"].([]any)) != 1 {
		t.Errorf("taken off: %v", got["live"])
	}
	s.call(s.ada, "POST", version+"/take-off", `{"environment":"sandbox"}`).refused(409, "not_deployed")
	s.call(s.ada, "DELETE", "/environments/sandbox", nil).refused(403, "forbidden")
	s.call(s.operator, "DELETE", "/environments/sandbox", nil, "If-Match", `"9"`).refused(412, "changed_meanwhile")
	s.call(s.operator, "DELETE", "/environments/sandbox", nil, "If-Match", made.Header.Get("ETag")).ok(204)
	s.call(s.operator, "GET", "/environments/sandbox", nil).refused(404, "not_found")
	s.call(s.operator, "DELETE", "/environments/production", nil).refused(409, "environment_in_use", "environment", "deployments")
	s.call(s.operator, "POST", "/environments", `{"slug":"sandbox","kind":"sandbox","gateway_url":"https://sandbox.example"}`).ok(201)
}

func TestTenantChoosesItsKeyPrefix(t *testing.T) { postgres.Both(t, testTenantChoosesItsKeyPrefix) }

func testTenantChoosesItsKeyPrefix(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.cem, "PATCH", "/tenants/client", `{"key_prefix":"portico"}`).refused(422, "invalid", "key_prefix")
	chosen := s.call(s.cem, "PATCH", "/tenants/client", `{"key_prefix":"acme"}`)
	if got := chosen.ok(200); text(got, "key_prefix") != "acme" {
		t.Errorf("got %v", got)
	}
	s.call(s.cem, "PATCH", "/tenants/client", `{"key_prefix":"beta"}`, "If-Match", `"1"`).refused(412, "changed_meanwhile")
	s.call(s.ada, "PATCH", "/tenants/shop", `{"key_prefix":"acme"}`).refused(422, "invalid", "key_prefix")
	made := s.call(s.cem, "POST", "/tenants/client/applications/till/credentials", `{"name":"own"}`).ok(201)
	if !strings.HasPrefix(text(made, "key"), "acme_live_") {
		t.Errorf("got %q", text(made, "key")[:16])
	}
	if got := s.call(s.cem, "PATCH", "/tenants/client", `{"key_prefix":""}`).ok(200); got["key_prefix"] != nil {
		t.Errorf("got %v", got)
	}
}

// TestPlansPoliciesAreSetThroughTheAPI, and who subscribes sees those that are in
// force.
func TestPlansPoliciesAreSetThroughTheAPI(t *testing.T) {
	postgres.Both(t, testPlansPoliciesAreSetThroughTheAPI)
}

func testPlansPoliciesAreSetThroughTheAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/plans/" + s.trial
	policies := func(plan map[string]any) string {
		raw, _ := json.Marshal(plan["policies"])
		return string(raw)
	}
	if got := policies(s.call(s.ada, "GET", at, nil).ok(200)); got != "[]" {
		t.Errorf("got %s, want none", got)
	}
	const window = `{"kind":"rate_limit","config":{"requests":9,"period_ms":60000,"algorithm":"sliding_window","by":"subscription","queue":{"length":3,"wait_ms":500}}}`
	set := s.call(s.ada, "PATCH", at+"?wait=applied", `{"policies":[{"kind":"concurrency","config":{"calls":3,"by":"subscription"}},`+window+`,{"kind":"spike_arrest","config":{"requests":9,"per":"second","by":"credential"},"off":true}]}`).ok(200)
	const want = `[{"config":{"by":"subscription","calls":3},"kind":"concurrency"},{"config":{"algorithm":"sliding_window","by":"subscription","period_ms":60000,"queue":{"length":3,"wait_ms":500},"requests":9},"kind":"rate_limit"},` +
		`{"config":{"by":"credential","per":"second","requests":9},"kind":"spike_arrest","off":true}]`
	if got := policies(set); got != want || set["change"] == nil {
		t.Errorf("got  %s\nwant %s, on its way to the nodes", got, want)
	}
	if got := policies(s.call(s.ada, "PATCH", at, `{"price":"one"}`).ok(200)); got != want {
		t.Errorf("another change made it %s", got)
	}
	offer := s.call(s.cem, "GET", "/tenants/client/offers/shop/orders", nil).ok(200)
	offered := ""
	for _, p := range offer["plans"].([]any) {
		if p := p.(map[string]any); p["id"] == s.trial {
			offered = policies(p)
		}
	}
	if !strings.Contains(offered, `"concurrency"`) || !strings.Contains(offered, `"sliding_window"`) || strings.Contains(offered, "spike_arrest") {
		t.Errorf("offered with %s, want those that are in force", offered)
	}
	for _, c := range []struct{ body, field string }{
		{`{"policies":[{"kind":"concurrency","config":{"calls":0,"by":"subscription"}}]}`, "policies[0].config.calls"},
		{`{"policies":[{"kind":"concurrency","config":{"colour":"red"}}]}`, "policies[0].config.colour"},
		{`{"policies":[{"kind":"cors","config":{"origins":["https://a.example"]}}]}`, "policies[0].kind"},
		{`{"policies":[{"kind":"magic","config":{}}]}`, "policies[0].kind"},
		{`{"policies":[{"kind":"concurrency","config":{},"on":true}]}`, "policies[0].on"},
	} {
		s.call(s.ada, "PATCH", at, c.body).refused(422, "invalid", c.field)
	}
	made := s.call(s.ada, "POST", "/tenants/shop/products/orders/plans", `{"name":"Gold","policies":[`+window+`]}`).ok(201)
	if got := policies(made); !strings.Contains(got, "sliding_window") {
		t.Errorf("made with %s", got)
	}
	chain := s.call(s.ada, "GET", "/tenants/shop/versions/"+s.version+"/chain", nil).ok(200)
	told := false
	for _, one := range chain["items"].([]any) {
		one := one.(map[string]any)
		raw, _ := json.Marshal(one["config"])
		told = told || one["kind"] == "plan_limit" && strings.Contains(string(raw), s.trial) && strings.Contains(string(raw), `"calls":3`) && !strings.Contains(string(raw), "spike_arrest")
	}
	if !told {
		t.Errorf("the chain does not tell of the plan's: %v", chain["items"])
	}
	if got := policies(s.call(s.ada, "PATCH", at, `{"policies":[]}`).ok(200)); got != "[]" {
		t.Errorf("got %s, want none", got)
	}
}
