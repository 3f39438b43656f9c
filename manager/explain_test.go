package manager_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// ways are explanations that nodes have told.
type ways []entry.Explanation

func (w ways) Explanation(_ context.Context, environment, tenant, id string) (entry.Explanation, bool) {
	for _, x := range w {
		if x.Environment == environment && x.Tenant == tenant && x.ID == id {
			return x, true
		}
	}
	return entry.Explanation{}, false
}

func (w ways) Explanations(environment, tenant string) (out []entry.Explanation) {
	for _, x := range w {
		if x.Environment == environment && x.Tenant == tenant {
			out = append(out, x)
		}
	}
	return out
}

// explains enrols a node and returns the key with which it checks tokens.
func (w *world) explains() [32]byte {
	w.t.Helper()
	key := bus.NodeKey{7}
	node := must[apim.Node](w.t)(w.fleet.EnsureNode(w.t.Context(), "production", "gateway-1", must[string](w.t)(key.BoxPublic())))
	_, raw := w.opened(key, node)
	return must[[32]byte](w.t)(secret.Derive([32]byte(raw), entry.ExplainKeyUse))
}

func TestExplainTokensAreForWhoMaySeeTheAPI(t *testing.T) {
	postgres.Both(t, testExplainTokensAreForWhoMaySeeTheAPI)
}

func testExplainTokensAreForWhoMaySeeTheAPI(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	_, err := y.catalog.MintExplainToken(ctx, y.owner, shop, "production", "east")
	if apim.KindOf(err) != apim.Conflict {
		t.Fatalf("without a node: got %v", err)
	}
	key := y.explains()
	made := must[manager.ExplainToken](t)(y.catalog.MintExplainToken(ctx, y.works, shop, "production", "east"))
	got, ok := entry.OpenExplainToken(made.Text.Reveal(), key, y.clock())
	if !ok || got.Tenant != shop.UUID() || got.API != y.ofEast.version.API.UUID() || got.Environment != "production" || got.ID != made.ID {
		t.Errorf("the node reads %+v, %v", got, ok)
	}
	if _, ok := entry.OpenExplainToken(made.Text.Reveal(), key, y.clock().Add(entry.ExplainFor+time.Second)); ok {
		t.Error("it is taken after five minutes")
	}
	if text := fmt.Sprint(made); strings.Contains(text, made.Text.Reveal()) {
		t.Error("printed, it shows its text")
	}
	refused(t, last(y.catalog.MintExplainToken(ctx, y.works, shop, "production", "west")), apim.NotFound)
	refused(t, last(y.catalog.MintExplainToken(ctx, y.works, shop, "production", "")), apim.Forbidden)
	refused(t, last(y.catalog.MintExplainToken(ctx, y.owner, shop, "production", "nothing")), apim.NotFound)
	if all := must[manager.ExplainToken](t)(y.catalog.MintExplainToken(ctx, y.owner, shop, "production", "")); all.API != "" {
		t.Errorf("got %+v", all)
	}
	wantFields(t, last(y.catalog.MintExplainToken(ctx, y.owner, shop, "moon", "")), "environment")

	// And who may see what came of them.
	east, west, other := y.ofEast.version.API.UUID(), y.ofWest.version.API.UUID(), strings.Repeat("9", 32)
	y.catalog.Ways = ways{
		{ID: "e", Environment: "production", Tenant: shop.UUID(), TokenAPI: east, APIUUID: east, Status: 200},
		{ID: "w", Environment: "production", Tenant: shop.UUID(), TokenAPI: west, Status: 404, Code: "no_route"},
		{ID: "a", Environment: "production", Tenant: shop.UUID(), APIUUID: east, Status: 401, Code: "credential_missing"},
		{ID: "o", Environment: "production", Tenant: other, TokenAPI: other, Status: 200},
	}
	for _, c := range []struct {
		who  string
		as   apim.Actor
		api  string
		want []string
	}{{"the owner", y.owner, "", []string{"e", "w", "a"}}, {"the owner, of one", y.owner, "east", []string{"e", "a"}}, {"a member of the east", y.works, "", []string{"e"}}} {
		var ids []string
		for _, x := range must[[]manager.Explained](t)(y.catalog.Explanations(ctx, c.as, shop, "production", c.api)) {
			ids = append(ids, x.ID)
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s sees %v, want %v", c.who, ids, c.want)
		}
	}
	for id, kind := range map[string]apim.ErrorKind{"w": apim.NotFound, "a": apim.NotFound, "o": apim.NotFound, "nothing": apim.NotFound} {
		refused(t, last(y.catalog.Explanation(ctx, y.works, shop, "production", id, 0)), kind)
	}
	if x := must[manager.Explained](t)(y.catalog.Explanation(ctx, y.owner, shop, "production", "w", 0)); len(x.Remedies) != 1 || !strings.Contains(x.Remedies[0].Text, "mounted at this address") {
		t.Errorf("got %+v", x.Remedies)
	}
}

func TestWhatWouldHaveLetACallThrough(t *testing.T) {
	postgres.Both(t, testWhatWouldHaveLetACallThrough)
}

func testWhatWouldHaveLetACallThrough(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	near := []entry.ExplainedRoute{{API: "shop/orders v1", Route: "GET /orders", Reason: "method", Detail: "this is the method GET"}, {API: "shop/orders v1", Route: "GET /orders/{id}", Reason: "path", Detail: "the call's path ends"}}
	for code, want := range map[string][]string{
		"":                       nil,
		"no_route":               {"GET /orders: this is the method GET", "GET /orders/{id}: the call's path ends"},
		"method_not_allowed":     {"GET /orders: this is the method GET"},
		"credential_missing":     {"A credential of an application that is subscribed: the step's words"},
		"subscription_missing":   {"An active subscription of Till to a product that offers this version"},
		"subscription_pending":   {"Approving the request of Till"},
		"operation_not_in_plan":  {"A plan that holds the operation list"},
		"rate_limited":           {"Waiting, or a higher limit: the step's words"},
		"spike_arrested":         {"Waiting, or a higher limit: the step's words"},
		"concurrency_limited":    {"Waiting, or a higher limit: the step's words"},
		"upstream_unreachable":   {"An upstream that takes connections from the node gw-1"},
		"application_unknown":    {"Registering the token's client at an application that is subscribed: the step's words"},
		"issuer_unavailable":     {"An issuer whose keys the node gw-1 can fetch: the step's words"},
		"insufficient_scope":     {"A token that has the scope: the step's words"},
		"not_allowed":            {"A call for which the expression is true: what the caller read"},
		"something_of_a_release": {"what the caller read"},

		"request_invalid":           {"what the caller read"}, // by no validation
		"media_type_not_supported":  {"A body of a media type that is taken here: what the caller read"},
		"body_invalid":              {"A body that is well formed, and no deeper or larger than the policy reads: what the caller read"},
		"body_unsuitable":           {"A body that has what the policy changes in it, or a change that can do without: what the caller read"},
		"encoding_unsupported":      {"A body that is not packed, or in a coding that can be read here: what the caller read"},
		"answer_unusable":           {"An upstream whose answer can be read and changed, or a policy that leaves such answers alone: the step's words"},
		"composition_failed":        {"All required parts answering well and in time, or parts that are optional: the step's words"},
		"graphql_too_deep":          {"A smaller call, or a higher limit: what the caller read"},
		"graphql_field_not_allowed": {"A call for what is allowed, or allowing it in the guard: what the caller read"},
		"graphql_introspection_off": {"A call that does not ask for the schema, or the guard letting it be read"},
		"graphql_invalid":           {"A call that is valid GraphQL: what the caller read"},
		"request_blocked":           {"A request in which the rules find less, or an exclusion where they are mistaken: the step's words"},
	} {
		m.catalog.Ways = ways{{
			ID: "x", Environment: "production", Tenant: m.shop.ID.UUID(), NodeName: "gw-1", Application: "Till", Operation: "list", Code: code, Detail: "what the caller read",
			Candidates: near, Steps: []entry.ExplainedStep{{Outcome: entry.ExplainPassed, Detail: "no"}, {Outcome: entry.ExplainRefused, Detail: "the step's words"}},
		}}
		var got []string
		for _, r := range must[manager.Explained](t)(m.catalog.Explanation(t.Context(), m.provider, m.shop.ID, "production", "x", 0)).Remedies {
			got = append(got, r.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", code, got, want)
		}
	}
}

func TestTriedCallsReachTheOwnGatewayAlone(t *testing.T) {
	postgres.Both(t, testTriedCallsReachTheOwnGatewayAlone)
}

func testTriedCallsReachTheOwnGatewayAlone(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, shop, v := t.Context(), m.shop.ID, m.offer.version.ID
	key := m.explains()
	var saw *http.Request
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		saw = r
		if token, ok := entry.OpenExplainToken(r.Header.Get(entry.ExplainHeader), key, m.clock()); ok {
			m.catalog.Ways = ways{{ID: "x1", Environment: "production", Tenant: token.Tenant, TokenAPI: token.API, Status: 200}}
			w.Header().Set(entry.ExplainIDHeader, "x1")
		}
		if r.URL.Path == "/shop/orders/v1/away" {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return
		}
		w.Header().Set("X-Answer", "1")
		fmt.Fprint(w, strings.Repeat("é", 20_000))
	}))
	defer gateway.Close()
	client := gateway.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	m.catalog.Try = client
	address := gateway.URL
	if _, _, err := m.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{GatewayURL: &address}); err != nil {
		t.Fatal(err)
	}
	in := manager.TryInput{Environment: "production", Version: v, Method: "post", Path: "/shop/orders/v1/orders?a=%20b", Headers: []manager.TryHeader{{"X-API-Key", "k"}}, Body: "{}"}
	got := must[manager.Tried](t)(m.catalog.TryCall(ctx, m.provider, shop, in))
	if got.Status != 200 || !got.Cut || len(got.Body) > 16<<10 || !strings.HasPrefix(got.Body, "éé") || got.Explained == nil || got.Explained.ID != "x1" {
		t.Errorf("got %d, cut %v, %d bytes, %+v", got.Status, got.Cut, len(got.Body), got.Explained)
	}
	if saw.Method != "POST" || saw.RequestURI != "/shop/orders/v1/orders?a=%20b" || saw.Header.Get("X-Api-Key") != "k" {
		t.Errorf("the gateway saw %s %s %v", saw.Method, saw.RequestURI, saw.Header)
	}
	in.Path, in.Method, in.Body = "/shop/orders/v1/away", "GET", ""
	if got := must[manager.Tried](t)(m.catalog.TryCall(ctx, m.provider, shop, in)); got.Status != http.StatusFound {
		t.Errorf("a redirect was followed: %d", got.Status)
	}

	for name, c := range map[string]struct {
		change func(*manager.TryInput)
		field  string
	}{
		"another host":          {func(in *manager.TryInput) { in.Path = "//evil.example/shop/orders/v1/orders" }, "path"},
		"an address":            {func(in *manager.TryInput) { in.Path = "http://evil.example/shop/orders/v1/" }, "path"},
		"user information":      {func(in *manager.TryInput) { in.Path = "@evil.example/shop/orders/v1/" }, "path"},
		"outside of the mount":  {func(in *manager.TryInput) { in.Path = "/other/tenant/v1/x" }, "path"},
		"nearly the mount":      {func(in *manager.TryInput) { in.Path = "/shop/orders/v10/x" }, "path"},
		"a host header":         {func(in *manager.TryInput) { in.Headers = []manager.TryHeader{{"Host", "evil.example"}} }, "headers"},
		"a forwarded address":   {func(in *manager.TryInput) { in.Headers = []manager.TryHeader{{"x_forwarded_for", "10.0.0.1"}} }, "headers"},
		"a token of one's own":  {func(in *manager.TryInput) { in.Headers = []manager.TryHeader{{"X-Portico-Explain", "x"}} }, "headers"},
		"a line break":          {func(in *manager.TryInput) { in.Headers = []manager.TryHeader{{"A", "b\r\nHost: evil"}} }, "headers"},
		"no name":               {func(in *manager.TryInput) { in.Headers = []manager.TryHeader{{"a b", "c"}} }, "headers"},
		"a method to tunnel":    {func(in *manager.TryInput) { in.Method = "CONNECT" }, "method"},
		"a body that is a book": {func(in *manager.TryInput) { in.Body = strings.Repeat("a", 1<<20) }, "body"},
	} {
		in := manager.TryInput{Environment: "production", Version: v, Method: "GET", Path: "/shop/orders/v1/orders"}
		c.change(&in)
		saw = nil
		_, err := m.catalog.TryCall(ctx, m.provider, shop, in)
		wantFields(t, err, c.field)
		if saw != nil {
			t.Errorf("%s: the gateway was called", name)
		}
	}
	refused(t, last(m.catalog.TryCall(ctx, m.approver, shop, in)), apim.Forbidden)
	gateway.Close()
	refused(t, last(m.catalog.TryCall(ctx, m.provider, shop, in)), apim.Unavailable)
}
