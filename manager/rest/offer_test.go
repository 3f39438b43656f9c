package rest_test

import (
	"strings"
	"testing"

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
