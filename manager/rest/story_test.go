package rest_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/manager/rest"
	"portico/test/postgres"
)

// From a document to a governed call, as a program does it.
func TestDocumentBecomesAGovernedCall(t *testing.T) {
	postgres.Both(t, testDocumentBecomesAGovernedCall)
}

func testDocumentBecomesAGovernedCall(t *testing.T, place postgres.Place) {
	s := newScene(t, place)

	version := s.call(s.ada, "GET", "/tenants/shop/apis/orders/versions/v1", nil).ok(200)
	if got := text(version, "url"); got != "http://localhost:8080/shop/orders/v1" {
		t.Errorf("url %q", got)
	}
	if got := text(version, "state"); got != "published" {
		t.Errorf("state %q", got)
	}
	draft := version["draft"].(map[string]any)
	public := map[string]bool{}
	for _, r := range draft["routes"].([]any) {
		route := r.(map[string]any)
		public[text(route, "operation")] = route["public"].(bool)
	}
	if len(public) != 3 || !public["health"] || public["list_orders"] {
		t.Errorf("routes %v", public)
	}

	inbox := items(s.call(s.ada, "GET", "/tenants/shop/subscriptions", nil).ok(200))
	if len(inbox) != 1 || text(inbox[0], "id") != s.pending || text(inbox[0], "reason") != "to sell" || inbox[0]["can_decide"] != true {
		t.Fatalf("inbox %v", inbox)
	}
	approved := s.call(s.ada, "POST", "/tenants/shop/subscriptions/"+s.pending+"/approve?wait=applied", `{"note":"welcome"}`).ok(200)
	if text(approved, "state") != "active" || text(approved, "decider") != "Ada" || text(approved, "note") != "welcome" {
		t.Errorf("approved %v", approved)
	}
	applied := approved["applied"].(map[string]any)
	if applied["done"] != true || len(applied["nodes"].([]any)) != 2 || applied["took_ms"] != 3.0 {
		t.Errorf("applied %v", applied)
	}
	app := s.call(s.cem, "GET", "/tenants/client/applications/till", nil).ok(200)
	if len(app["subscriptions"].([]any)) != 1 || len(app["credentials"].([]any)) != 1 {
		t.Errorf("application %v", app)
	}

	revoked := s.call(s.cem, "POST", "/tenants/client/credentials/"+s.credential+"/revoke?wait=applied&timeout_ms=1000", nil).ok(200)
	if text(revoked, "revoked_by") != "Cem" || revoked["applied"].(map[string]any)["done"] != true {
		t.Errorf("revoked %v", revoked)
	}
	actions := map[string]bool{}
	for _, row := range items(s.call(s.ada, "GET", "/tenants/shop/audit?limit=200", nil).ok(200)) {
		actions[text(row, "action")] = true
	}
	for _, want := range []string{"import.stage", "api.create", "version.publish", "product.create", "plan.create", "subscription.approve"} {
		if !actions[want] {
			t.Errorf("the audit log lacks %s: %v", want, actions)
		}
	}
}

func TestVersionGoesThroughItsLife(t *testing.T) { postgres.Both(t, testVersionGoesThroughItsLife) }

func testVersionGoesThroughItsLife(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/versions/" + s.version
	changed := s.call(s.ada, "PATCH", at+"/draft", `{"upstream_urls":["https://new.upstream.example"],"public":{"list_orders":true},"off":{"create_order":true},
		"timeouts":{"header_timeout_ms":1500},"credentials":{"bearer":true,"header":"X-Key"},"limits":[{"requests":5,"period_ms":1000,"by":"address"}],
		"max_body_bytes":1000,"mount":{"base_path":"/shop/orders/next"}}`).ok(200)
	draft, _ := json.Marshal(changed["draft"])
	for _, want := range []string{`"https://new.upstream.example"`, `"header_timeout_ms":1500`, `"max_body_bytes":1000`, `"period_ms":1000`, `"by":"address"`, `"base_path":"/shop/orders/next"`, `"header":"X-Key"`} {
		if !bytes.Contains(draft, []byte(want)) {
			t.Errorf("the draft lacks %s: %s", want, draft)
		}
	}
	if changed["unpublished"] != true {
		t.Error("the draft is not told apart from what is live")
	}
	second := s.call(s.ada, "POST", at+"/publish?wait=applied", `{"note":"second"}`).ok(200)
	if second["number"] != 2.0 || text(second, "by") != "Ada" || second["applied"] == nil {
		t.Errorf("published %v", second)
	}
	back := s.call(s.ada, "POST", at+"/roll-back", `{"environment":"production","revision":1}`).ok(200)
	if back["number"] != 1.0 || back["change"] == nil || back["applied"] != nil {
		t.Errorf("rolled back %v", back)
	}
	if got := items(s.call(s.ada, "GET", at+"/revisions", nil).ok(200)); len(got) != 2 || got[0]["number"] != 2.0 {
		t.Errorf("revisions %v", got)
	}
	s.call(s.ada, "POST", at+"/roll-back", `{"environment":"production","revision":9}`).refused(404, "not_found")
	s.call(s.ada, "POST", at+"/publish", `{"environment":"moon"}`).refused(422, "invalid", "environment")
	sunset := s.clock().Add(48 * time.Hour).Format(time.RFC3339)
	gone := s.call(s.ada, "POST", at+"/deprecate", map[string]string{"sunset_at": sunset, "reason": "v2 is better"}).ok(200)
	if text(gone, "state") != "deprecated" || text(gone, "state_reason") != "v2 is better" || text(gone, "sunset_at") == "" {
		t.Errorf("deprecated %v", gone)
	}
	if got := s.call(s.ada, "POST", at+"/retire", nil).ok(200); text(got, "state") != "retired" || len(got["live"].([]any)) != 0 {
		t.Errorf("retired %v", got)
	}
	s.call(s.ada, "POST", at+"/publish", `{"environment":"production"}`).refused(409, "version_retired")
}

func TestTrafficOfAnUpstreamIsSetAndSeen(t *testing.T) {
	postgres.Both(t, testTrafficOfAnUpstreamIsSetAndSeen)
}

func testTrafficOfAnUpstreamIsSetAndSeen(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/versions/" + s.version
	traffic := `{"balance":{"algorithm":"hash","hash_by":"caller","bound_percent":150,"slow_start_ms":1000,"panic_percent":20},` +
		`"health":{"kind":"http","method":"HEAD","path":"/healthz","status":"200-204","body":"ok","interval_ms":1000,"timeout_ms":500,"healthy":1,"unhealthy":2},` +
		`"ejection":{"failures":2,"any_5xx":true,"for_ms":100,"longest_ms":1000,"most_percent":40},` +
		`"breaker":{"error_percent":30,"window_ms":1000,"min_requests":5,"open_ms":700,"probes":2},` +
		`"concurrency":{"max_requests":10,"queue":5,"queue_ms":100,"max_connections":4},` +
		`"retry":{"attempts":2,"on":["connect","503"],"try_timeout_ms":300,"budget_percent":5,"budget_min":1},` +
		`"discovery":{"kind":"dns"},"total_timeout_ms":5000}`
	changed := s.call(s.ada, "PATCH", at+"/draft", `{"upstream_urls":["https://one.example","https://two.example"],"upstream_weights":[3,1],"upstream_protocol":"auto","traffic":`+traffic+`}`).ok(200)
	up := changed["draft"].(map[string]any)["upstreams"].([]any)[0].(map[string]any)
	var want any
	if err := json.Unmarshal([]byte(traffic), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, up["traffic"]); d != "" {
		t.Errorf("the traffic came back otherwise:\n%s", d)
	}
	if up["protocol"] != "auto" {
		t.Errorf("got protocol %v", up["protocol"])
	}
	if d := cmp.Diff([]any{3.0, 1.0}, up["weights"]); d != "" {
		t.Errorf("weights:\n%s", d)
	}
	s.call(s.ada, "POST", at+"/publish?wait=applied", `{}`).ok(200)
	// Something else is changed, and all of this stays; new addresses have no weights.
	s.call(s.ada, "PATCH", at+"/draft", `{"max_body_bytes":5}`).ok(200)
	kept := s.call(s.ada, "PATCH", at+"/draft", `{"upstream_urls":["https://three.example"]}`).ok(200)
	up = kept["draft"].(map[string]any)["upstreams"].([]any)[0].(map[string]any)
	if up["weights"] != nil || cmp.Diff(want, up["traffic"]) != "" {
		t.Errorf("after new addresses: %v", up)
	}
	for body, field := range map[string]string{
		`{"upstream_protocol":"spdy"}`:                           "upstream_protocol",
		`{"upstream_protocol":"h2c"}`:                            "upstream_protocol",
		`{"upstream_weights":[1,2]}`:                             "upstream_weights",
		`{"upstream_weights":[1001]}`:                            "upstreams[0].weights[0]",
		`{"traffic":{"balance":{"algorithm":"dice"}}}`:           "upstreams[0].traffic.balance.algorithm",
		`{"traffic":{"health":{"kind":"http","path":"x"}}}`:      "upstreams[0].traffic.health.path",
		`{"traffic":{"breaker":{"open_ms":5}}}`:                  "upstreams[0].traffic.breaker.error_percent",
		`{"traffic":{"retry":{"on":["418"]}}}`:                   "upstreams[0].traffic.retry.on[0]",
		`{"traffic":{"discovery":{"kind":"srv"}}}`:               "upstreams[0].traffic.discovery.service",
		`{"traffic":{"balance":{"algorithm":"ewma","speed":1}}}`: "",
	} {
		got := s.call(s.ada, "PATCH", at+"/draft", body)
		if got.Status != 422 && got.Status != 400 {
			t.Errorf("%s: status %d", body, got.Status)
		} else if !bytes.Contains(got.Body, []byte(field)) {
			t.Errorf("%s: %s, want %s named", body, got.Body, field)
		}
	}
	nodes := items(s.call(s.ada, "GET", at+"/upstreams", nil).ok(200))
	if len(nodes) != 2 || nodes[0]["upstreams"].([]any)[0].(map[string]any)["unfit"] != 1.0 || nodes[1]["reachable"] != false {
		t.Errorf("nodes say %v", nodes)
	}
	targets := items(s.call(s.ada, "GET", at+"/targets?environment=production", nil).ok(200))
	if first := targets[0]["upstreams"].([]any)[0].(map[string]any)["targets"].([]any)[0].(map[string]any); first["median_us"] != 41000.0 || first["calls"] != 7.0 || first["check"] != nil || targets[1]["answered"] != false {
		t.Errorf("the targets are %v", targets)
	}
	targets = items(s.call(s.ada, "POST", at+"/environments/production/targets/check", nil).ok(200))
	if first := targets[0]["upstreams"].([]any)[0].(map[string]any)["targets"].([]any)[0].(map[string]any)["check"].(map[string]any); first["well"] != false || first["why"] != "check: status 503" || first["took_us"] != 2000.0 {
		t.Errorf("the targets are %v", targets)
	}
	s.call(s.ada, "GET", at+"/upstreams?environment=moon", nil).refused(404, "not_found")
	s.call(s.cem, "GET", "/tenants/client/versions/"+s.version+"/upstreams", nil).refused(404, "not_found")
}

func TestSubscriptionGoesThroughItsLife(t *testing.T) {
	postgres.Both(t, testSubscriptionGoesThroughItsLife)
}

func testSubscriptionGoesThroughItsLife(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	provider, consumer := "/tenants/shop/subscriptions/", "/tenants/client/subscriptions/"
	step := func(token, path, body, state string) map[string]any {
		t.Helper()
		got := s.call(token, "POST", path, body).ok(200)
		if text(got, "state") != state {
			t.Errorf("%s: state %q, want %q", path, text(got, "state"), state)
		}
		return got
	}
	step(s.ada, provider+s.pending+"/approve", ``, "active")
	step(s.ada, provider+s.pending+"/undo", ``, "pending")
	step(s.ada, provider+s.pending+"/approve", `{}`, "active")
	s.pass(apim.UndoFor + time.Second)
	s.call(s.ada, "POST", provider+s.pending+"/undo", nil).refused(409, "too_late")
	step(s.ada, provider+s.pending+"/suspend", `{"reason":"unpaid"}`, "suspended")
	step(s.ada, provider+s.pending+"/resume", ``, "active")
	if got := step(s.cem, consumer+s.pending+"/stop", ``, "active"); got["stopped"] != true {
		t.Errorf("stopped %v", got)
	}
	if got := step(s.cem, consumer+s.pending+"/start", ``, "active"); got["stopped"] != false {
		t.Errorf("started %v", got)
	}
	step(s.cem, consumer+s.pending+"/cancel", `{"note":"no longer needed"}`, "cancelled")
	s.call(s.ada, "POST", provider+s.pending+"/resume", nil).refused(409, "subscription_state")

	ask := map[string]any{"application": "till", "plan": s.business, "reason": "again", "environments": []string{"production"}}
	again := text(s.call(s.cem, "POST", "/tenants/client/subscriptions", ask).ok(201), "id")
	step(s.cem, consumer+again+"/withdraw", ``, "cancelled")
	again = text(s.call(s.cem, "POST", "/tenants/client/subscriptions", ask).ok(201), "id")
	if got := step(s.ada, provider+again+"/reject", `{"reason":"start with trial"}`, "rejected"); text(got, "note") != "start with trial" {
		t.Errorf("rejected %v", got)
	}
	seen := s.call(s.ada, "GET", provider+again, nil).ok(200)
	if history, _ := seen["history"].([]any); len(history) == 0 {
		t.Errorf("what was decided before is not there: %v", seen)
	}
	for show, want := range map[string]int{"waiting": 0, "automatic": 1} {
		if got := items(s.call(s.ada, "GET", "/tenants/shop/subscriptions?show="+show, nil).ok(200)); len(got) != want {
			t.Errorf("%s: %d requests, want %d", show, len(got), want)
		}
	}
}

func TestSubscriptionsAreListedByStateProductAndApplication(t *testing.T) {
	postgres.Both(t, testSubscriptionsAreListedByStateProductAndApplication)
}

func testSubscriptionsAreListedByStateProductAndApplication(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.ada, "POST", "/tenants/shop/products", `{"name":"Empty"}`).ok(201)
	own := text(s.call(s.operator, "POST", "/tenants/shop/applications", `{"name":"House"}`).ok(201), "id")
	asked := text(s.call(s.operator, "POST", "/tenants/shop/subscriptions", map[string]any{"application": "house", "plan": s.business, "reason": "for us"}).ok(201), "id")
	app := s.call(s.cem, "GET", "/tenants/client/applications/till", nil).ok(200)["id"].(string)
	list := func(query string) []string {
		got := []string{}
		for _, i := range items(s.call(s.ada, "GET", "/tenants/shop/subscriptions?show=all&"+query, nil).ok(200)) {
			got = append(got, text(i, "id"))
		}
		slices.Sort(got)
		return got
	}
	for query, want := range map[string][]string{
		"state=pending": {s.pending, asked}, "state=active": {s.subscription}, "state=expired": {},
		"product=empty": {}, "product=nothing": {}, "product=orders": {s.pending, asked, s.subscription}, "state=pending&product=orders&application=" + app: {s.pending},
		"application=" + own: {asked}, "application=house": {asked}, "application=till": {},
	} {
		slices.Sort(want)
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	s.call(s.ada, "GET", "/tenants/shop/subscriptions?state=waiting", nil).refused(422, "invalid", "state")
	s.call(s.ada, "GET", "/tenants/shop/subscriptions?application=%00", nil).refused(422, "invalid")
}

func TestDoubleSubmitsAreOne(t *testing.T) { postgres.Both(t, testDoubleSubmitsAreOne) }

func testDoubleSubmitsAreOne(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	accept := "/tenants/shop/imports/" + s.imported + "/accept"
	if got := s.call(s.ada, "POST", accept, `{"slug":"orders"}`).ok(201); text(got, "id") != s.version {
		t.Errorf("accepting twice made %s beside %s", text(got, "id"), s.version)
	}
	approve := "/tenants/shop/subscriptions/" + s.pending + "/approve"
	first := s.call(s.ada, "POST", approve, nil).ok(200)
	second := s.call(s.ada, "POST", approve, nil).ok(200)
	if first["decided_at"] != second["decided_at"] {
		t.Errorf("two decisions: %v and %v", first["decided_at"], second["decided_at"])
	}
	p := s.call(s.ada, "POST", strings.Replace(approve, "approve", "reject", 1), `{"reason":"no"}`).refused(409, "already_decided")
	if !strings.Contains(p.Detail, "Ada") {
		t.Errorf("who came second is not told who decided: %s", p.Detail)
	}
	s.call(s.ada, "POST", "/tenants/shop/products", `{"slug":"orders","name":"Orders"}`).refused(422, "invalid", "slug")
	s.call(s.ada, "POST", "/tenants/shop/products/orders/plans", `{"slug":"trial","name":"Trial"}`).refused(422, "invalid", "slug")
	s.call(s.cem, "POST", "/tenants/client/applications", `{"slug":"till","name":"Till"}`).refused(422, "invalid", "slug")
	s.call(s.operator, "POST", "/tenants", `{"slug":"shop","name":"Shop"}`).refused(422, "invalid", "slug")
	revoke := "/tenants/client/credentials/" + s.credential + "/revoke"
	once, twice := s.call(s.cem, "POST", revoke, nil).ok(200), s.call(s.cem, "POST", revoke, nil).ok(200)
	if once["revoked_at"] != twice["revoked_at"] {
		t.Errorf("two revocations: %v and %v", once["revoked_at"], twice["revoked_at"])
	}
}

func TestWaitingSaysWhichNodeHasNotConfirmed(t *testing.T) {
	postgres.Both(t, testWaitingSaysWhichNodeHasNotConfirmed)
}

func testWaitingSaysWhichNodeHasNotConfirmed(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.nodes.stick("gw-2", true)
	got := s.call(s.ada, "POST", "/tenants/shop/subscriptions/"+s.pending+"/approve?wait=applied&timeout_ms=20", nil).ok(200)
	applied := got["applied"].(map[string]any)
	states := map[string]string{}
	for _, n := range applied["nodes"].([]any) {
		states[text(n.(map[string]any), "name")] = text(n.(map[string]any), "state")
	}
	if applied["done"] != false || applied["took_ms"] != nil || states["gw-1"] != "applied" || states["gw-2"] != "waiting" {
		t.Errorf("applied %v", applied)
	}
	if text(got, "state") != "active" {
		t.Error("the change was not made")
	}
	change := got["change"].(map[string]any)
	path := "/environments/production/changes/" + jsonText(change["sequence"])
	if now := s.call(s.ada, "GET", path, nil).ok(200); now["done"] != false {
		t.Errorf("asked again: %v", now)
	}
	done := make(chan answer)
	go func() { done <- s.call(s.ada, "GET", path+"?wait=applied&timeout_ms=30000", nil) }()
	s.nodes.stick("gw-2", false)
	if now := (<-done).ok(200); now["done"] != true {
		t.Errorf("waited for: %v", now)
	}
	if got := items(s.call(s.ada, "GET", "/environments/production/nodes", nil).ok(200)); len(got) != 2 {
		t.Errorf("nodes %v", got)
	}
	s.nodes.stick("gw-1", true)
	got = items(s.call(s.ada, "GET", "/environments/production/nodes", nil).ok(200))[0]
	if text(got, "state") != "unreachable" || got["applied_ms"] != nil || len(got["refused"].([]any)) != 1 {
		t.Errorf("node %v", got)
	}
	for path, wants := range map[string]int{
		"/environments/production/changes/999999": 404, "/environments/production/changes/0": 404,
		"/environments/production/changes/x": 404, "/environments/moon/changes/1": 404, "/environments/moon/nodes": 404,
	} {
		s.call(s.ada, "GET", path, nil).refused(wants, "not_found")
	}
}

func jsonText(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestStaleChangesAreRefused(t *testing.T) { postgres.Both(t, testStaleChangesAreRefused) }

func testStaleChangesAreRefused(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for path, bodies := range map[string][2]string{
		"/apis/orders":                          {`{"name":"Orders one"}`, `{"name":"Orders two"}`},
		"/versions/" + s.version + "/draft":     {`{"max_body_bytes":1000}`, `{"max_body_bytes":2000}`},
		"/products/orders":                      {`{"summary":"one"}`, `{"summary":"two"}`},
		"/plans/" + s.trial:                     {`{"price":"one"}`, `{"price":"two"}`},
		"/applications/till (of the other one)": {`{"description":"one"}`, `{"description":"two"}`},
	} {
		token, tenant := s.ada, "/tenants/shop"
		if name, other := strings.CutSuffix(path, " (of the other one)"); other {
			token, tenant, path = s.cem, "/tenants/client", name
		}
		get := tenant + strings.TrimSuffix(path, "/draft")
		tag := s.call(token, "GET", get, nil).Header.Get("ETag")
		if tag == "" {
			t.Fatalf("%s has no ETag", get)
		}
		changed := s.call(token, "PATCH", tenant+path, bodies[0], "If-Match", tag)
		changed.ok(200)
		if changed.Header.Get("ETag") == tag {
			t.Errorf("%s: the ETag stayed", path)
		}
		s.call(token, "PATCH", tenant+path, bodies[1], "If-Match", tag).refused(412, "changed_meanwhile")
		for _, odd := range []string{`W/"1"`, `1`, `"x"`, `"0"`, `"1", "2"`} {
			s.call(token, "PATCH", tenant+path, bodies[1], "If-Match", odd).refused(412, "changed_meanwhile")
		}
		s.call(token, "PATCH", tenant+path, bodies[1], "If-Match", "*").ok(200)
	}
	s.call(s.ada, "DELETE", "/tenants/shop/products/orders", nil, "If-Match", `"1"`).refused(422, "invalid", "If-Match")
}

func TestThingsAreChangedAndDeleted(t *testing.T) { postgres.Both(t, testThingsAreChangedAndDeleted) }

func testThingsAreChangedAndDeleted(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	api := s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"name":"Orders 2","description":"**All**","contact":"ada@shop.example","tags":["retail","eu"]}`).ok(200)
	if text(api, "name") != "Orders 2" || len(api["tags"].([]any)) != 2 {
		t.Errorf("api %v", api)
	}
	if got := items(s.call(s.ada, "GET", "/tenants/shop/apis?search=retail&state=published", nil).ok(200)); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	if got := items(s.call(s.ada, "GET", "/tenants/shop/apis?search=nothing-like-it", nil).ok(200)); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	s.call(s.ada, "DELETE", "/tenants/shop/apis/orders", nil).refused(409, refusalCode(t, s.call(s.ada, "DELETE", "/tenants/shop/apis/orders", nil)))
	product := s.call(s.ada, "PATCH", "/tenants/shop/products/"+s.product+"?wait=applied", `{"name":"Orders 2","visibility":"private","listed":false}`).ok(200)
	if text(product, "visibility") != "private" || product["listed"] != false || product["applied"] == nil {
		t.Errorf("product %v", product)
	}
	s.call(s.ada, "DELETE", "/tenants/shop/products/orders", nil).refused(409, refusalCode(t, s.call(s.ada, "DELETE", "/tenants/shop/products/orders", nil)))
	plan := s.call(s.ada, "PATCH", "/tenants/shop/plans/"+s.trial+"?wait=applied", `{"limits":[{"requests":7,"period_ms":1000}],"approval":"manual"}`).ok(200)
	if text(plan, "approval") != "manual" || plan["applied"] == nil {
		t.Errorf("plan %v", plan)
	}
	s.call(s.ada, "PATCH", "/tenants/shop/plans/"+s.trial, `{"state":"draft"}`).refused(409, "plan_state")
	empty := text(s.call(s.ada, "POST", "/tenants/shop/products", `{"name":"Empty"}`).ok(201), "slug")
	s.call(s.ada, "DELETE", "/tenants/shop/products/"+empty, nil).ok(204)
	s.call(s.ada, "GET", "/tenants/shop/products/"+empty, nil).refused(404, "not_found")

	gone := s.call(s.cem, "DELETE", "/tenants/client/applications/till?wait=applied", nil).ok(200)
	if gone["applied"] == nil {
		t.Errorf("deleted with keys, and the nodes are not told: %v", gone)
	}
	s.call(s.cem, "GET", "/tenants/client/applications/till", nil).refused(404, "not_found")
}

// refusalCode returns the code of a refusal.
func refusalCode(t *testing.T, a answer) string {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(a.Body, &p); err != nil || p.Code == "" {
		t.Fatalf("%s: %s", a.call, a.Body)
	}
	return p.Code
}

func TestMadeThingsAreWhereTheAnswerSays(t *testing.T) {
	postgres.Both(t, testMadeThingsAreWhereTheAnswerSays)
}

func testMadeThingsAreWhereTheAnswerSays(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, c := range []struct{ token, path, body string }{
		{s.operator, "/tenants", `{"slug":"third","name":"Third"}`},
		{s.ada, "/tenants/shop/imports", ordersDocument},
		{s.ada, "/tenants/shop/products", `{"name":"Box"}`},
		{s.ada, "/tenants/shop/products/orders/plans", `{"name":"Gold"}`},
		{s.cem, "/tenants/client/applications", `{"name":"Third till"}`},
	} {
		made := s.call(c.token, "POST", c.path, c.body)
		id := text(made.ok(201), "id")
		at, below := strings.CutPrefix(made.Header.Get("Location"), rest.Base)
		if !below {
			t.Fatalf("%s: Location %q", c.path, made.Header.Get("Location"))
		}
		if got := text(s.call(c.token, "GET", at, nil).ok(200), "id"); got != id {
			t.Errorf("%s: made %s, and at %s is %s", c.path, id, at, got)
		}
	}
}

func TestListsComeInPages(t *testing.T) { postgres.Both(t, testListsComeInPages) }

func testListsComeInPages(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, name := range []string{"Echo", "Alpha", "Delta", "Bravo"} {
		s.call(s.cem, "POST", "/tenants/client/applications", map[string]string{"name": name}).ok(201)
	}
	var names []string
	path := "/tenants/client/applications?limit=2"
	for range 10 {
		page := s.call(s.cem, "GET", path, nil).ok(200)
		for _, item := range items(page) {
			names = append(names, text(item, "name"))
		}
		cursor := text(page, "next_cursor")
		if cursor == "" {
			break
		}
		path = "/tenants/client/applications?limit=2&cursor=" + cursor
	}
	if got, want := strings.Join(names, " "), "Alpha Bravo Delta Echo Second till Till"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKeysAndTokensAreShownOnce(t *testing.T) { postgres.Both(t, testKeysAndTokensAreShownOnce) }

func testKeysAndTokensAreShownOnce(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	if !strings.HasPrefix(s.key, "portico_live_") {
		t.Fatalf("key %q", s.key)
	}
	for _, path := range []string{"/applications", "/applications/till", "/applications/till/credentials", "/subscriptions/" + s.pending, "/audit"} {
		if a := s.call(s.cem, "GET", "/tenants/client"+path, nil); bytes.Contains(a.Body, []byte(s.key)) || a.Status != 200 {
			t.Errorf("%s shows the key (%d)", path, a.Status)
		}
	}
	if strings.Contains(s.log.String(), s.key) || strings.Contains(s.log.String(), s.cem) {
		t.Error("the log holds a secret")
	}
}

func TestTokensOpenWhatTheirPersonMay(t *testing.T) {
	postgres.Both(t, testTokensOpenWhatTheirPersonMay)
}

func testTokensOpenWhatTheirPersonMay(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	me := s.call(s.cem, "GET", "/whoami", nil).ok(200)
	if text(me, "name") != "Cem" || me["operator"] != false || len(me["tenants"].([]any)) != 1 {
		t.Errorf("whoami %v", me)
	}
	if all := items(s.call(s.operator, "GET", "/tenants", nil).ok(200)); len(all) != 2 {
		t.Errorf("an operator sees %v", all)
	}
	if mine := items(s.call(s.cem, "GET", "/tenants", nil).ok(200)); len(mine) != 1 || text(mine[0], "slug") != "client" {
		t.Errorf("Cem sees %v", mine)
	}
	s.call(s.cem, "POST", "/tenants/client/tokens", `{"name":"another"}`).refused(403, "token_by_token")
	s.call(s.cem, "POST", "/tenants", `{"slug":"mine","name":"Mine"}`).refused(403, "forbidden")
	if got := items(s.call(s.cem, "GET", "/tenants/client/tokens", nil).ok(200)); len(got) != 1 || got[0]["token"] != nil {
		t.Errorf("tokens %v", got)
	}
	if got := items(s.call(s.cem, "GET", "/tenants/client/members", nil).ok(200)); len(got) != 1 || text(got[0], "email") != "cem@client.example" {
		t.Errorf("members %v", got)
	}
	for _, bad := range []string{"nonsense", s.cem + "x"} {
		s.call(bad, "GET", "/whoami", nil).refused(401, "token_invalid")
	}
	s.pass(91 * 24 * time.Hour)
	s.call(s.cem, "GET", "/whoami", nil).refused(401, "token_expired")
}

func TestTokenIsMadeAndRevokedBySession(t *testing.T) {
	postgres.Both(t, testTokenIsMadeAndRevokedBySession)
}

func testTokenIsMadeAndRevokedBySession(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	cookie := s.session(t, s.cem)
	made := s.call("", "POST", "/tenants/client/tokens", `{"name":"build server"}`, "Cookie", cookie).ok(201)
	fresh := text(made, "token")
	if fresh == "" || !strings.HasSuffix(fresh, text(made, "hint")) {
		t.Fatalf("made %v", made)
	}
	s.call(fresh, "GET", "/tenants/client", nil).ok(200)
	s.call(fresh, "GET", "/tenants/shop", nil).refused(404, "not_found")
	s.call("", "DELETE", "/tenants/client/tokens/"+text(made, "id"), nil, "Cookie", cookie).ok(204)
	s.call(fresh, "GET", "/tenants/client", nil).refused(401, "token_invalid")
	s.call("", "DELETE", "/tenants/client/tokens/"+text(made, "id"), nil, "Cookie", cookie).refused(404, "not_found")
	s.call("", "POST", "/tenants/client/applications", `{"name":"Planted"}`, "Cookie", cookie, "Sec-Fetch-Site", "cross-site").refused(403, "cross_origin")
}

// session returns the cookie of a console session of a token's person.
func (s *scene) session(t *testing.T, token string) string {
	t.Helper()
	me := s.call(token, "GET", "/whoami", nil).ok(200)
	return sessionCookie(t, s.world, apim.ID(text(me, "person")))
}

func TestTheDocumentIsServed(t *testing.T) { postgres.Both(t, testTheDocumentIsServed) }

func testTheDocumentIsServed(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	a := w.call("", "GET", "/openapi.yaml", nil)
	if a.Status != http.StatusOK || !bytes.HasPrefix(a.Body, []byte("openapi: 3.1.0")) {
		t.Errorf("got %d %.40s", a.Status, a.Body)
	}
}

// Whoever is first decides; the others learn who it was. One decision is one
// row of the audit log.
func TestDecisionsAtOnceAreOneDecision(t *testing.T) {
	postgres.Both(t, testDecisionsAtOnceAreOneDecision)
}

func testDecisionsAtOnceAreOneDecision(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/subscriptions/" + s.pending
	answers := make(chan answer)
	const each = 8
	for range each {
		go func() { answers <- s.call(s.ada, "POST", at+"/approve", nil) }()
		go func() { answers <- s.call(s.ada, "POST", at+"/reject", `{"reason":"no"}`) }()
	}
	counts := map[string]int{}
	for range 2 * each {
		a := <-answers
		verb := a.call[strings.LastIndex(a.call, "/")+1:]
		switch a.Status {
		case http.StatusOK:
			counts[verb]++
		case http.StatusConflict:
			if code := refusalCode(t, a); code != "already_decided" {
				t.Errorf("%s: refused with %s", a.call, code)
			}
		default:
			t.Errorf("%s: got %d\n%s", a.call, a.Status, a.Body)
		}
	}
	state := text(s.call(s.ada, "GET", at, nil).ok(200), "state")
	if want := map[string]map[string]int{"active": {"approve": each}, "rejected": {"reject": each}}[state]; len(counts) != 1 || !maps.Equal(counts, want) {
		t.Errorf("taken %v, and it is %s", counts, state)
	}
	rows := 0
	for _, row := range items(s.call(s.ada, "GET", "/tenants/shop/audit?limit=200", nil).ok(200)) {
		if text(row, "object") == s.pending && (text(row, "action") == "subscription.approve" || text(row, "action") == "subscription.reject") {
			rows++
		}
	}
	if rows != 1 {
		t.Errorf("%d decisions in the audit log, want 1", rows)
	}
}
