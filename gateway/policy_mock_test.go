package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

func mockContract() *entry.Contract {
	orders := func(examples ...entry.ContractExample) []entry.ContractContent {
		return []entry.ContractContent{{Type: "application/json", Examples: examples}}
	}
	return &entry.Contract{Answers: []entry.ContractAnswer{
		{
			Status: "200", Headers: []entry.ContractParameter{{Name: "X-Total", In: "header", Sample: "2"}, {Name: "Connection", In: "header", Sample: "close"}},
			Content: append(orders(entry.ContractExample{Name: "two", Body: `[1,2]`}, entry.ContractExample{Name: "none", Body: `[]`}),
				entry.ContractContent{Type: "text/csv", Examples: []entry.ContractExample{{Body: "1\n2\n"}}}),
		},
		{Status: "404", Content: orders(entry.ContractExample{Body: `{"error":"gone"}`})},
		{Status: "204"},
		{Status: "5XX", Content: orders(entry.ContractExample{Name: "broken", Body: `{"error":"broken"}`})},
	}}
}

// mocked puts a mock before the route "list", GET /orders.
func mocked(m entry.Mock, more ...entry.Policy) func(*entry.API) {
	return func(api *entry.API) {
		api.Routes[0].Contract, api.Routes[0].Policies = mockContract(), append([]entry.Policy{{Config: &m}}, more...)
	}
}

func mockCase(t *testing.T, lane change) {
	r := governed(t, lane, mocked(entry.Mock{}))
	for _, c := range []struct {
		name          string
		headers       []string
		status        int
		body, applied string
	}{
		{"no wish", nil, 200, `[1,2]`, ""},
		{"status", []string{"Prefer: code=404"}, 404, `{"error":"gone"}`, "code=404"},
		{"class", []string{"Prefer: code=503"}, 503, `{"error":"broken"}`, "code=503"},
		{"example", []string{"Prefer: example=none"}, 200, `[]`, "example=none"},
		{"both", []string{`Prefer: respond-async, code=500; x=1`, `Prefer: example="broken"`}, 500, `{"error":"broken"}`, "code=500, example=broken"},
		{"example of another status", []string{"Prefer: example=broken"}, 500, `{"error":"broken"}`, "example=broken"},
		{"wishes that cannot be met", []string{"Prefer: code=418, example=nothing"}, 200, `[1,2]`, ""},
		{"media type", []string{"Accept: application/json;q=0.5, text/*"}, 200, "1\n2\n", ""},
		{"no body", []string{"Prefer: code=204"}, 204, "", "code=204"},
	} {
		got := r.call(t, "GET", "/demo/orders/v1/orders", "", append(c.headers, "X-API-Key: "+goodKey)...)
		if got.status != c.status || got.body != c.body || got.header.Get("Preference-Applied") != c.applied || got.header.Get("X-Portico-Mock") != "true" {
			t.Errorf("%s: got %d %q, applied %q", c.name, got.status, got.body, got.header.Get("Preference-Applied"))
		}
		if c.status == 200 && (got.header.Get("X-Total") != "2" || got.closes) {
			t.Errorf("%s: got headers %v", c.name, got.header)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey, "Accept: image/png"); got.status != 406 || got.code() != "not_acceptable" {
		t.Errorf("a media type that there is none of: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", ""); got.status != 401 {
		t.Errorf("without a key: got %d", got.status)
	}
	if n := r.upstream.Calls(); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
}

// TestCallersThatWaitReachTheMockAlone: a subscription that waits for approval is
// answered by the mock where there is one, and by nothing else.
func TestCallersThatWaitReachTheMockAlone(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		waiting := demoGrant()
		waiting.Subscriptions[0].State = entry.Pending
		other := mint(2)
		r := governed(t, lane, mocked(entry.Mock{Pending: true}), grantItem(t, 2, other, waiting))
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+other); got.status != 200 || got.body != `[1,2]` {
			t.Errorf("who waits: got %d %s", got.status, got.body)
		}
		if n := r.upstream.Calls(); n != 0 {
			t.Fatalf("%d of the calls reached the upstream", n)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders/7", "", "X-API-Key: "+other); got.status != 403 || got.code() != "subscription_pending" {
			t.Errorf("where no mock is: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 || got.echo(t).Target != "/orders" {
			t.Errorf("who is approved: got %d %s", got.status, got.body)
		}
		suspended := demoGrant()
		suspended.Subscriptions[0].State = entry.Suspended
		r.serve(t, 3, grantItem(t, 3, other, suspended))
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+other); got.status != 403 {
			t.Errorf("who is suspended: got %d %s", got.status, got.body)
		}
	})
}

// TestWhoWaitsGetsTheMockOfPlannedOperationsOnly holds the plan's operations.
func TestWhoWaitsGetsTheMockOfPlannedOperationsOnly(t *testing.T) {
	waiting := demoGrant()
	waiting.Subscriptions[0].State = entry.Pending
	r := governed(t, func(*gateway.Config) {}, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.Mock{}})
		for i := range api.Routes {
			api.Routes[i].Contract = mockContract()
		}
	}, grantItem(t, 2, goodKey, waiting))
	for path, want := range map[string]int{"orders": 200, "orders/7": 200, "hidden": 403, "open": 200} {
		if got := r.call(t, "GET", "/demo/orders/v1/"+path, "", "X-API-Key: "+goodKey); got.status != want {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	if n := r.upstream.Calls(); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
}

// TestAnActivePlanWithoutTheOperationLeavesTheMockToTheRequestedOne gives an
// application two subscriptions to one API.
func TestAnActivePlanWithoutTheOperationLeavesTheMockToTheRequestedOne(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		small := demoTerms()
		small.Plan = uuid(201)
		small.APIs[0].Operations = []string{"show"}
		both := demoGrant()
		requested := both.Subscriptions[0]
		requested.ID, requested.State = uuid(304), entry.Pending
		both.Subscriptions[0].Terms = uuid(201)
		other := mint(2)
		for name, order := range map[string][]entry.Subscription{
			"active first": {both.Subscriptions[0], requested}, "pending first": {requested, both.Subscriptions[0]},
		} {
			both.Subscriptions = order
			r := governed(t, lane, func(api *entry.API) {
				api.Policies = append(api.Policies, entry.Policy{Config: &entry.Mock{Pending: true}})
				for i := range api.Routes {
					api.Routes[i].Contract = mockContract()
				}
			}, item(t, 2, small), grantItem(t, 2, other, both))
			key := "X-API-Key: " + other
			if got := r.call(t, "GET", "/demo/orders/v1/orders", "", key); got.status != 200 || got.body != `[1,2]` {
				t.Errorf("%s: what the requested plan alone holds: got %d %s", name, got.status, got.body)
			}
			if n := r.upstream.Calls(); n != 0 {
				t.Errorf("%s: %d calls of it reached the upstream", name, n)
			}
			if got := r.call(t, "GET", "/demo/orders/v1/orders/7", "", key); got.status != 200 || got.echo(t).Target != "/orders/7" {
				t.Errorf("%s: what the active plan holds: got %d %s", name, got.status, got.body)
			}
			if got := r.call(t, "GET", "/demo/orders/v1/hidden", "", key); got.status != 403 || got.code() != "operation_not_in_plan" {
				t.Errorf("%s: what none holds: got %d %s", name, got.status, got.body)
			}
		}
	})
}

// TestMocksAreHeldToTheDocumentToo refuses a bad request before the mock answers,
// and answers HEAD without a body.
func TestMocksAreHeldToTheDocumentToo(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			mocked(entry.Mock{DelayMS: 30}, entry.Policy{Config: &entry.Validate{Answer: "refuse"}})(api)
			api.Routes[0].Contract.Parameters = []entry.ContractParameter{{Name: "limit", In: "query", Required: true, Style: "form", Schema: json.RawMessage(`{"type":"integer"}`)}}
			api.Routes[0].Contract.Answers[0].Content[0].Schema = json.RawMessage(`{"type":"array","minItems":1}`)
			head := api.Routes[0]
			head.Operation, head.Method, head.Public = "head", "HEAD", true
			api.Routes = append(api.Routes, head)
		})
		key := "X-API-Key: " + goodKey
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", key); got.status != 400 || !strings.Contains(got.body, "is missing") {
			t.Errorf("without the parameter: got %d %s", got.status, got.body)
		}
		began := time.Now()
		if got := r.call(t, "GET", "/demo/orders/v1/orders?limit=1", "", key); got.status != 200 || time.Since(began) < 30*time.Millisecond {
			t.Errorf("got %d after %s", got.status, time.Since(began))
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders?limit=1", "", key, "Prefer: example=none"); got.status != 502 || got.code() != "answer_invalid" {
			t.Errorf("an example that its own schema refuses: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "HEAD", "/demo/orders/v1/orders?limit=1", ""); got.status != 200 || got.body != "" {
			t.Errorf("HEAD: got %d %q", got.status, got.body)
		}
	})
}
