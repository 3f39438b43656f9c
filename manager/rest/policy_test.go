package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/test/postgres"
)

func TestPoliciesAreSetThroughTheAPI(t *testing.T) { postgres.Both(t, testPoliciesAreSetThroughTheAPI) }

func testPoliciesAreSetThroughTheAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/versions/" + s.version
	draft := func(v map[string]any) string {
		d := v["draft"].(map[string]any)
		routes := map[string]any{}
		for _, r := range d["routes"].([]any) {
			if r := r.(map[string]any); r["policies"] != nil {
				routes[r["operation"].(string)] = r["policies"]
			}
		}
		raw, _ := json.Marshal([]any{d["policies"], routes})
		return string(raw)
	}
	if got := draft(s.call(s.ada, "GET", at, nil).ok(200)); got != `[[],{}]` {
		t.Errorf("got %s, want none", got)
	}
	const limit = `{"kind":"rate_limit","config":{"requests":5,"period_ms":1000,"by":"address"}}`
	set := s.call(s.ada, "PATCH", at+"/draft", `{"policies":[`+limit+`],"route_policies":{"list_orders":[{"kind":"key","config":{"header":"X-Own"}},`+strings.Replace(limit, `}}`, `},"off":true}`, 1)+`]}}`).ok(200)
	const want = `[[{"config":{"by":"address","period_ms":1000,"requests":5},"kind":"rate_limit"}],` +
		`{"list_orders":[{"config":{"header":"X-Own"},"kind":"key"},{"config":{"by":"address","period_ms":1000,"requests":5},"kind":"rate_limit","off":true}]}]`
	if got := draft(set); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := draft(s.call(s.ada, "PATCH", at+"/draft", `{"max_body_bytes":7}`).ok(200)); got != want {
		t.Errorf("another change took policies away: %s", got)
	}
	for _, c := range []struct{ body, field string }{
		{`{"policies":[{"kind":"rate_limit","config":{"requests":0,"period_ms":1000,"by":"address"}}]}`, "policies[0].config.requests"},
		{`{"policies":[{"kind":"rate_limit","config":{"colour":"red"}}]}`, "policies[0].config.colour"},
		{`{"policies":[{"kind":"key"}]}`, "policies[0].config"},
		{`{"policies":[{"kind":"key","config":{"header":"A","header":"B"}}]}`, "policies[0].config.header"},
		{`{"policies":[{"kind":"key","config":null}]}`, "policies[0].config"},
		{`{"policies":[{"kind":"key","config":{},"on":true}]}`, "policies[0].on"},
		{`{"route_policies":{"health":[{"kind":"magic","config":{}}]}}`, "routes[health].policies[0].kind"},
		{`{"route_policies":{"nothing":[]}}`, "route_policies"},
	} {
		s.call(s.ada, "PATCH", at+"/draft", c.body).refused(422, "invalid", c.field)
	}
	s.call(s.ada, "POST", at+"/publish", `{"environment":"production"}`).ok(200)
	chain := s.call(s.ada, "GET", at+"/chain?environment=production&operation=list_orders", nil).ok(200)
	var steps []string
	for _, one := range chain["items"].([]any) {
		one := one.(map[string]any)
		raw, _ := json.Marshal([]any{one["stage"], one["kind"], one["from"], one["index"], one["runs"]})
		steps = append(steps, string(raw))
	}
	if got, want := strings.Join(steps, " "), `["admit","size","version",null,true] ["identify","key","version",null,false] ["identify","key","operation",0,true] `+
		`["authorize","grant","gateway",null,true] ["limit","plan_limit","plan",null,true] ["limit","rate_limit","version",0,true] ["limit","rate_limit","operation",1,false]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.call(s.ada, "GET", at+"/chain?operation=nothing", nil).refused(404, "not_found")
	s.call(s.ada, "GET", at+"/chain?environment=moon", nil).refused(422, "invalid", "environment")
	if got := draft(s.call(s.ada, "PATCH", at+"/draft", `{"policies":[],"route_policies":{"list_orders":[]}}`).ok(200)); got != `[[],{}]` {
		t.Errorf("got %s, want them gone", got)
	}
}

func TestEnvironmentsPoliciesAreSetThroughTheAPI(t *testing.T) {
	postgres.Both(t, testEnvironmentsPoliciesAreSetThroughTheAPI)
}

func testEnvironmentsPoliciesAreSetThroughTheAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	const at, limit = "/environments/production", `{"kind":"rate_limit","config":{"requests":5,"period_ms":1000,"by":"address"}}`
	policies := func(e map[string]any) int { return len(e["settings"].(map[string]any)["policies"].([]any)) }
	if n := policies(s.call(s.ada, "GET", at, nil).ok(200)); n != 0 {
		t.Errorf("got %d", n)
	}
	set := s.call(s.operator, "PATCH", at, `{"settings":{"policies":[`+limit+`]}}`).ok(200)
	if policies(set) != 1 || set["change"] == nil {
		t.Errorf("got %v, want one on its way to the nodes", set)
	}
	if n := policies(s.call(s.operator, "PATCH", at, `{"settings":{"max_body_bytes":1000}}`).ok(200)); n != 1 {
		t.Errorf("another setting left %d policies", n)
	}
	s.call(s.operator, "PATCH", at, `{"settings":{"policies":[`+limit+`,{"kind":"key","config":{"header":"X-Key"}}]}}`).refused(422, "invalid", "policies[1]")
	s.call(s.operator, "PATCH", at, `{"settings":{"policies":[`+strings.Replace(limit, "5", "0", 1)+`]}}`).refused(422, "invalid", "policies[0].config.requests")
	s.call(s.ada, "PATCH", at, `{"settings":{"policies":[]}}`).refused(403, "forbidden")
	if n := policies(s.call(s.operator, "PATCH", at, `{"settings":{"policies":[]}}`).ok(200)); n != 0 {
		t.Errorf("got %d, want none", n)
	}
}

func TestEveryKindOfPolicyIsTold(t *testing.T) { postgres.Both(t, testEveryKindOfPolicyIsTold) }

func testEveryKindOfPolicyIsTold(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	items := s.call(s.cem, "GET", "/policy-kinds", nil).ok(200)["items"].([]any)
	if len(items) != len(entry.PolicyKinds()) {
		t.Fatalf("got %d kinds, want %d", len(items), len(entry.PolicyKinds()))
	}
	for i, kind := range entry.PolicyKinds() {
		one := s.call(s.cem, "GET", "/policy-kinds/"+string(kind), nil).ok(200)
		listed, _ := json.Marshal(items[i])
		if got, _ := json.Marshal(one); string(got) != string(listed) {
			t.Errorf("%s is told in two ways:\n%s\n%s", kind, got, listed)
		}
		for _, x := range one["examples"].([]any) { // each can be set as it stands
			config, _ := json.Marshal(x.(map[string]any)["config"])
			if _, err := entry.ParsePolicy(kind, config); err != nil {
				t.Error(err)
			}
		}
	}
	s.call(s.cem, "GET", "/policy-kinds/magic", nil).refused(404, "not_found")
}
