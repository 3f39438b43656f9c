package manager_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

func raw(kind, config string) apim.Policy {
	return apim.Policy{Kind: kind, Config: json.RawMessage(config)}
}

// TestWrongPolicyIsRefusedAtItsField also says what those that are switched off
// have wrong.
func TestWrongPolicyIsRefusedAtItsField(t *testing.T) {
	postgres.Both(t, testWrongPolicyIsRefusedAtItsField)
}

func testWrongPolicyIsRefusedAtItsField(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	good, bad := limitPolicy(1), raw("rate_limit", `{"requests":0,"period_ms":1000,"by":"moon"}`)
	for _, c := range []struct {
		name, want string
		change     manager.DraftChange
	}{
		{"a value", "policies[1].config.by policies[1].config.requests", manager.DraftChange{Policies: &[]apim.Policy{good, bad}}},
		{"one that is off", "policies[0].config.by policies[0].config.requests", manager.DraftChange{Policies: &[]apim.Policy{switchedOff(bad), good}}},
		{"at operations", "routes[health].policies[1].config.by routes[health].policies[1].config.requests routes[list_orders].policies[0].config.by routes[list_orders].policies[0].config.requests", manager.DraftChange{
			RoutePolicies: map[string][]apim.Policy{"list_orders": {bad}, "health": {good, bad}},
		}},
		{"a field that is not", "policies[0].config.request", manager.DraftChange{Policies: &[]apim.Policy{raw("rate_limit", `{"request":1}`)}}},
		{"several fields that are not", "policies[0].config.By policies[0].config.colour", manager.DraftChange{
			Policies: &[]apim.Policy{raw("rate_limit", `{"colour":1,"requests":1,"period_ms":1,"By":"api"}`)},
		}},
		{"a type", "policies[0].config.period_ms", manager.DraftChange{Policies: &[]apim.Policy{raw("rate_limit", `{"requests":1,"period_ms":"1m"}`)}}},
		{"a kind", "policies[0].kind policies[1].kind", manager.DraftChange{Policies: &[]apim.Policy{raw("magic", `{}`), raw("", `{}`)}}},
		{"no object", "policies[0].config policies[1].config policies[2].config", manager.DraftChange{Policies: &[]apim.Policy{raw("key", `null`), raw("key", `[]`), raw("key", ``)}}},
		{"no JSON", "policies[0].config policies[1].config", manager.DraftChange{Policies: &[]apim.Policy{raw("key", `{"bearer":`), raw("key", `{} {}`)}}},
		{"an operation that is not", "route_policies", manager.DraftChange{RoutePolicies: map[string][]apim.Policy{"nothing": {good}}}},
		{"too many", "policies", manager.DraftChange{Policies: new(slices.Repeat([]apim.Policy{switchedOff(good)}, 101))}},
		{"together with another setting", "policies[0].config.by policies[0].config.requests upstream_urls[0]", manager.DraftChange{
			Policies: &[]apim.Policy{bad}, UpstreamURLs: &[]string{"ftp://x"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, c.change)
			wantFields(t, err, c.want)
		})
	}
	detail := must[manager.VersionDetail](t)(p.catalog.Version(t.Context(), p.provider, p.shop.ID, v.ID))
	if len(detail.Version.Runtime.Policies) > 0 || detail.Version.Lock != v.Lock {
		t.Errorf("a refused change left %+v", detail.Version.Runtime.Policies)
	}
	_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Policies: &[]apim.Policy{raw("magic", `{}`)}})
	if !strings.Contains(fmt.Sprint(err), "magic") || !strings.Contains(fmt.Sprint(err), "rate_limit") {
		t.Errorf("got %v, want the kinds that there are", err)
	}
}

func TestPoliciesArePublishedAndRolledBack(t *testing.T) {
	postgres.Both(t, testPoliciesArePublishedAndRolledBack)
}

func testPoliciesArePublishedAndRolledBack(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	kept := []apim.Policy{limitPolicy(1), switchedOff(limitPolicy(2))}
	p.draft(v, manager.DraftChange{
		Policies: &kept, RoutePolicies: map[string][]apim.Policy{"list_orders": {switchedOff(limitPolicy(3)), limitPolicy(4)}},
	})
	p.publish(v)
	if got := live(t, p, v); got != "key rate_limit:1 | list_orders: rate_limit:4" {
		t.Errorf("got %s", got)
	}
	p.draft(v, manager.DraftChange{Policies: &[]apim.Policy{}, RoutePolicies: map[string][]apim.Policy{"list_orders": nil}})
	if got := live(t, p, v); got != "key rate_limit:1 | list_orders: rate_limit:4" {
		t.Errorf("the draft is live before it was published: %s", got)
	}
	p.publish(v)
	if got := live(t, p, v); got != "key" {
		t.Errorf("got %s, want none", got)
	}
	must[manager.PublishResult](t)(p.catalog.RollBack(t.Context(), p.provider, p.shop.ID, v.ID, "production", 1))
	if got := live(t, p, v); got != "key rate_limit:1 | list_orders: rate_limit:4" {
		t.Errorf("rolled back: got %s", got)
	}
	for action, want := range map[string]string{
		"version.publish":   "v1 r2 made live in production: rate_limit removed, rate_limit removed, rate_limit removed at list_orders, rate_limit removed at list_orders",
		"version.roll_back": "v1 r1 made live in production: rate_limit added, rate_limit added, rate_limit added at list_orders, rate_limit added at list_orders",
	} {
		rows := must[apim.List[apim.AuditLink]](t)(p.tenants.AuditLog(t.Context(), system, p.shop.ID, apim.AuditFilter{Action: action}, apim.Page{Limit: 1}))
		if got := rows.Items[0].Summary; got != want {
			t.Errorf("%s: got %q, want %q", action, got, want)
		}
	}
}

// live says which policies the nodes have of a version.
func live(t *testing.T, p *publisher, v apim.Version) string {
	t.Helper()
	one := func(list []entry.Policy) string {
		var out []string
		for _, p := range list {
			name := string(p.Kind())
			if limit, ok := p.Config.(*entry.RateLimit); ok {
				name += fmt.Sprintf(":%d", limit.Requests)
			}
			out = append(out, name)
		}
		return strings.Join(out, " ")
	}
	api, _ := p.live(v)
	out := one(api.Policies)
	for _, r := range api.Routes {
		if len(r.Policies) > 0 {
			out += " | " + r.Operation + ": " + one(r.Policies)
		}
	}
	return out
}

// A configuration's fields keep their order, on both databases.
func TestPolicyIsKeptAsItWasWritten(t *testing.T) {
	postgres.Both(t, testPolicyIsKeptAsItWasWritten)
}

func testPolicyIsKeptAsItWasWritten(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	config := `{"requests":7,"period_ms":1000,"by":"address","burst":2}`
	change := manager.DraftChange{
		Policies:      &[]apim.Policy{raw("rate_limit", "{ \"requests\": 7,\n \"period_ms\":1000, \"by\":\"address\",\"burst\":2}\n")},
		RoutePolicies: map[string][]apim.Policy{"health": {switchedOff(raw("rate_limit", config))}},
	}
	p.draft(v, change)
	detail := must[manager.VersionDetail](t)(p.catalog.Version(t.Context(), p.provider, p.shop.ID, v.ID))
	rt := detail.Version.Runtime
	if got := string(rt.Policies[0].Config); got != config {
		t.Errorf("got %s, want %s", got, config)
	}
	at := slices.IndexFunc(rt.Routes, func(r apim.Route) bool { return r.Operation == "health" })
	if got := rt.Routes[at].Policies; len(got) != 1 || !got[0].Off || string(got[0].Config) != config {
		t.Errorf("got %+v, want it, off", got)
	}
	if again := p.draft(v, change); again.Lock != detail.Version.Lock {
		t.Error("what stands there already is a change")
	}
}

func TestPoliciesAreKeptOverReimport(t *testing.T) { postgres.Both(t, testPoliciesAreKeptOverReimport) }

func testPoliciesAreKeptOverReimport(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	first := p.stage(p.provider, p.shop.ID, reimported)
	v := must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, first.ID, manager.AcceptImport{Name: "Stock", Label: "v1"}))
	p.draft(v, manager.DraftChange{
		Policies: &[]apim.Policy{limitPolicy(1), switchedOff(limitPolicy(2))},
		RoutePolicies: map[string][]apim.Policy{
			"list_items": {limitPolicy(3)}, "get_item": {switchedOff(limitPolicy(4))}, "drop_item": {limitPolicy(5)}, "add_item": {limitPolicy(6)},
		},
	})
	staged := p.stage(p.provider, p.shop.ID, newDocument)
	compared := must[manager.ImportChanges](t)(p.catalog.CompareImport(ctx, p.provider, p.shop.ID, staged.ID, v.ID))
	if got := strings.Join(compared.Kept, " "); got != "list_items add_item read_item" {
		t.Errorf("kept: got %s", got)
	}
	v = must[apim.Version](t)(p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, staged.ID, manager.AcceptImport{API: v.API, Label: "v1"}))
	got := map[string][]apim.Policy{"": v.Runtime.Policies}
	for _, r := range v.Runtime.Routes {
		if len(r.Policies) > 0 {
			got[r.Operation] = r.Policies
		}
	}
	want := map[string][]apim.Policy{
		"": {limitPolicy(1), switchedOff(limitPolicy(2))}, "list_items": {limitPolicy(3)}, "read_item": {switchedOff(limitPolicy(4))}, "add_item": {limitPolicy(6)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAuditSaysHowPoliciesChanged asks for the sentence, and for what was there
// before and after.
func TestAuditSaysHowPoliciesChanged(t *testing.T) { postgres.Both(t, testAuditSaysHowPoliciesChanged) }

func testAuditSaysHowPoliciesChanged(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	own := raw("key", `{"header":"X-Own"}`)
	at := func(list ...apim.Policy) manager.DraftChange {
		return manager.DraftChange{RoutePolicies: map[string][]apim.Policy{"list_orders": list}}
	}
	for _, c := range []struct {
		change manager.DraftChange
		want   string
	}{
		{manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(1)}}, ": rate_limit added"},
		{manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(2)}}, ": rate_limit changed"},
		{manager.DraftChange{Policies: &[]apim.Policy{switchedOff(limitPolicy(2))}}, ": rate_limit switched off"},
		{manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(3)}}, ": rate_limit changed, rate_limit switched on"},
		{manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(4), limitPolicy(3)}}, ": rate_limit added"},
		{manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(3), limitPolicy(4)}}, ": rate_limit moved"},
		{manager.DraftChange{Policies: &[]apim.Policy{}}, ": rate_limit removed, rate_limit removed"},
		{at(limitPolicy(1), own), ": rate_limit added at list_orders, key added at list_orders"},
		{at(own, limitPolicy(1)), ": rate_limit moved at list_orders"},
		{at(limitPolicy(1), switchedOff(own)), ": key switched off at list_orders, key moved at list_orders"},
		{at(limitPolicy(1)), ": key removed at list_orders"},
		{manager.DraftChange{MaxBodyBytes: new(int64(5))}, ""},
	} {
		p.draft(v, c.change)
		rows := must[apim.List[apim.AuditLink]](t)(p.tenants.AuditLog(t.Context(), system, p.shop.ID, apim.AuditFilter{Action: "version.draft"}, apim.Page{Limit: 1}))
		if got := rows.Items[0].Summary; got != "draft of v1 changed"+c.want {
			t.Errorf("got %q, want it to end %q", got, c.want)
		}
	}
	p.draft(v, at(limitPolicy(9)))
	row := must[apim.List[apim.AuditLink]](t)(p.tenants.AuditLog(t.Context(), system, p.shop.ID, apim.AuditFilter{Action: "version.draft"}, apim.Page{Limit: 1})).Items[0]
	if !strings.Contains(row.Before, `"requests":1,`) || !strings.Contains(row.After, `"requests":9,`) || !strings.Contains(row.After, "list_orders") {
		t.Errorf("got %s → %s, want both policies at their operation", row.Before, row.After)
	}
}

func TestEnvironmentsPoliciesAreOnTheNodes(t *testing.T) {
	postgres.Both(t, testEnvironmentsPoliciesAreOnTheNodes)
}

func testEnvironmentsPoliciesAreOnTheNodes(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	settings := apim.DefaultEnvironmentSettings()
	settings.Policies = []apim.Policy{switchedOff(limitPolicy(1)), limitPolicy(2)}
	env, change, err := w.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings})
	if err != nil || change.Sequence == 0 {
		t.Fatalf("got %+v, %v", change, err)
	}
	items := must[[]entry.Item](t)(w.store.LoadEntries(ctx, "production", []entry.Key{entry.EnvKey}))
	body := must[entry.Env](t)(entry.Decode[entry.Env](items[0]))
	if len(body.Policies) != 1 || body.Policies[0].Config.(*entry.RateLimit).Requests != 2 {
		t.Errorf("got %+v, want the one that is on", body.Policies)
	}
	if diff := cmp.Diff(settings.Policies, env.Settings.Policies); diff != "" {
		t.Error(diff)
	}
	row := must[apim.List[apim.AuditLink]](t)(w.tenants.AuditLog(ctx, system, "", apim.AuditFilter{Action: "environment.change"}, apim.Page{Limit: 1})).Items[0]
	if !strings.HasSuffix(row.Summary, ": rate_limit added, rate_limit added") || strings.Contains(row.Before, "rate_limit") || !strings.Contains(row.After, "rate_limit") {
		t.Errorf("got %q, %s → %s", row.Summary, row.Before, row.After)
	}
	// Everything wrong is said, each at its place in the list, that of those that
	// are off included.
	settings.Policies = []apim.Policy{
		switchedOff(limitPolicy(0)), raw("magic", `{}`), raw("key", `{"header":"X-Key"}`), limitPolicy(1), raw("rate_limit", `{"requests":1,"by":"api"}`),
	}
	settings.MaxBodyBytes = 0
	_, _, err = w.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings})
	wantFields(t, err, "max_body_bytes policies[0].config.requests policies[1].kind policies[2] policies[4].config.period_ms")
	if !strings.Contains(fmt.Sprint(err), "identify") {
		t.Errorf("got %v, want the stage named", err)
	}
	_, _, err = w.fleet.CreateEnvironment(ctx, system, apim.Environment{
		Slug: "eu", Kind: apim.Production, GatewayURL: "http://eu.example", Settings: settings,
	})
	wantFields(t, err, "max_body_bytes policies[0].config.requests policies[1].kind policies[2] policies[4].config.period_ms")
}

// nodesThatSay are the nodes that can be reached.
type nodesThatSay []entry.Status

func (n nodesThatSay) Reachable(string) []entry.Status { return n }

// What only a version as a whole can get wrong is said at the policy's place in
// the draft, where limits, keys and what is switched off count otherwise than
// in the entry.
func TestWhatPoliciesGetWrongTogetherIsSaidAtTheirPlace(t *testing.T) {
	postgres.Both(t, testWhatPoliciesGetWrongTogetherIsSaidAtTheirPlace)
}

func testWhatPoliciesGetWrongTogetherIsSaidAtTheirPlace(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	p.draft(v, manager.DraftChange{
		Off: map[string]bool{"list_orders": true}, Limits: &[]apim.RateLimit{{Requests: 5, Period: 1e9, By: "api"}}, Public: map[string]bool{"health": false},
	})
	off, key := switchedOff(limitPolicy(1)), raw("key", `{"bearer":true}`) // where the version's own is read already
	_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Policies: &[]apim.Policy{off, limitPolicy(1), off, key}})
	wantFields(t, err, "policies[3]")
	_, err = p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{
		RoutePolicies: map[string][]apim.Policy{"get_order": {off, key, limitPolicy(2), key}},
	})
	wantFields(t, err, "routes[get_order].policies[3]")
}

// TestPublishThatALiveNodeCouldNotServeIsRefused with a node from before the
// kind came.
func TestPublishThatALiveNodeCouldNotServeIsRefused(t *testing.T) {
	postgres.Both(t, testPublishThatALiveNodeCouldNotServeIsRefused)
}

func testPublishThatALiveNodeCouldNotServeIsRefused(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	nodes := nodesThatSay{
		{Name: "gw-old", Build: "0.9", Kinds: []entry.PolicyKind{entry.PolicyKey}}, {Name: "gw-new", Build: "1.0", Kinds: entry.PolicyKinds()},
	}
	p.catalog.Live, p.fleet.Live = nodes, nodes
	settings := apim.DefaultEnvironmentSettings()
	settings.Policies = []apim.Policy{limitPolicy(1)}
	for name, change := range map[string]manager.DraftChange{
		"at the version":  {Policies: &[]apim.Policy{limitPolicy(1)}},
		"at an operation": {Policies: &[]apim.Policy{}, RoutePolicies: map[string][]apim.Policy{"list_orders": {limitPolicy(1)}}},
		"as a limit":      {Policies: &[]apim.Policy{}, RoutePolicies: map[string][]apim.Policy{"list_orders": nil}, Limits: &[]apim.RateLimit{{Requests: 1, Period: 1e9, By: "api"}}},
	} {
		p.draft(v, change)
		before := p.head()
		_, err := p.catalog.Publish(ctx, p.provider, p.shop.ID, v.ID, "production", "")
		refused(t, err, apim.Conflict)
		if text := fmt.Sprint(err); !strings.Contains(text, "gw-old (build 0.9) does not know rate_limit") || strings.Contains(text, "gw-new") {
			t.Errorf("%s: got %q, want the node named, and the kind", name, text)
		}
		detail := must[manager.VersionDetail](t)(p.catalog.Version(ctx, p.provider, p.shop.ID, v.ID))
		if p.head() != before || detail.Version.Revision != 1 {
			t.Errorf("%s: the refused publish left r%d", name, detail.Version.Revision)
		}
		p.draft(v, manager.DraftChange{Limits: &[]apim.RateLimit{}})
	}
	_, _, err := p.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings})
	refused(t, err, apim.Conflict)
	if !strings.Contains(fmt.Sprint(err), "gw-old") {
		t.Errorf("got %v, want the node named", err)
	}
	settings.Policies[0].Off = true
	if _, _, err := p.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings}); err != nil {
		t.Errorf("one that is off: %v", err)
	}
	p.draft(v, manager.DraftChange{Policies: &[]apim.Policy{switchedOff(limitPolicy(1))}, RoutePolicies: map[string][]apim.Policy{"list_orders": {keyPolicy("X-Own")}}})
	p.publish(v)
	p.draft(v, manager.DraftChange{Policies: &[]apim.Policy{limitPolicy(1)}})
	p.catalog.Live = nodes[1:]
	p.publish(v)
	p.catalog.Live = nodes
	_, err = p.catalog.RollBack(ctx, p.provider, p.shop.ID, v.ID, "production", 1)
	if err != nil {
		t.Errorf("rolled back to what the node knows: %v", err)
	}
	_, err = p.catalog.RollBack(ctx, p.provider, p.shop.ID, v.ID, "production", 3)
	refused(t, err, apim.Conflict)
}
