package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/test/process"
)

// named answers with its name.
func named(t *testing.T, name string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestVersionLivesFromPublishToRetirement(t *testing.T) {
	p, base, key := behind(t, named(t, "first"))
	a := apiOf(t, p)
	version := "/tenants/demo/versions/" + a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	production := map[string]any{"environment": "production"}
	want := func(when, text string) answer {
		t.Helper()
		got := roundTrip(t, keyed(t, t.Context(), http.MethodGet, base+"/do/x", key, nil))
		if got.status != http.StatusOK || got.body != text {
			t.Errorf("%s: got %d %s, want %s", when, got.status, got.body, text)
		}
		return got
	}
	want("r1", "first")
	a.do("PATCH", version+"/draft", map[string]any{"upstream_urls": []string{named(t, "second")}})
	want("a draft changes nothing", "first")
	a.do("POST", version+"/publish?wait=applied", production)
	want("r2", "second")
	a.do("POST", version+"/roll-back?wait=applied", map[string]any{"environment": "production", "revision": 1})
	want("rolled back to r1", "first")
	a.do("POST", version+"/publish?wait=applied", production)
	want("published again", "second")

	refusal := a.post(version+"/retire", `{}`).problem(t)
	if refusal.Status != http.StatusConflict && refusal.Status != http.StatusUnprocessableEntity || !refusal.says("subscri") {
		t.Errorf("retire while published, with a subscriber and no reason: got %+v", refusal)
	}
	want("still there", "second")

	sunset := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	a.do("POST", version+"/deprecate?wait=applied", map[string]any{"sunset_at": sunset, "reason": "v2 is there"})
	got := want("deprecated", "second")
	if d := got.header.Get("Deprecation"); !strings.HasPrefix(d, "@") {
		t.Errorf("got Deprecation %q, want @ and a time (RFC 9745)", d)
	}
	if s := got.header.Get("Sunset"); s != sunset.Format(http.TimeFormat) {
		t.Errorf("got Sunset %q, want %q (RFC 8594)", s, sunset.Format(http.TimeFormat))
	}
	a.do("POST", version+"/retire?wait=applied", map[string]any{"reason": "it is over"})
	if got := roundTrip(t, keyed(t, t.Context(), http.MethodGet, base+"/do/x", key, nil)); got.status != http.StatusNotFound || got.problem(t).Code != "no_route" {
		t.Errorf("retired: got %d %s, want 404 no_route", got.status, got.body)
	}
	for _, again := range []string{"/publish", "/roll-back", "/deprecate"} {
		body := `{"environment":"production"}`
		switch again {
		case "/roll-back":
			body = `{"environment":"production","revision":1}`
		case "/deprecate":
			body = `{}`
		}
		if refusal := a.post(version+again, body).problem(t); refusal.Status != http.StatusConflict {
			t.Errorf("%s of a retired version: got %+v, want 409", again, refusal)
		}
	}
}

func TestVersionNobodyUsesIsRetiredWithoutAReason(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	id, err := a.Live(t.Context(), "demo", "unused", backendDocument(named(t, "x")))
	if err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/tenants/demo/versions/"+id+"/retire?wait=applied", map[string]any{})
	if status, body := call(t, p.Gateway+"/demo/unused/v1/do/x", ""); status != http.StatusNotFound || !strings.Contains(body, "no_route") {
		t.Errorf("got %d %s, want 404 no_route", status, body)
	}
}

// TestPlansLimitIsKeptAndChanged: the burst passes, what is more is told when to
// come back, and a changed plan is in force with its acknowledgement.
func TestPlansLimitIsKeptAndChanged(t *testing.T) {
	p, base, key := behind(t, named(t, "x"))
	a := apiOf(t, p)
	var plans struct{ Plans []process.Object }
	a.read("/tenants/demo/products/backend", &plans)
	plan := "/tenants/demo/plans/" + plans.Plans[0].ID
	limit := func(requests, burst int) {
		a.do("PATCH", plan+"?wait=applied", map[string]any{"limits": []any{map[string]any{"requests": requests, "period_ms": 60_000, "burst": burst}}})
	}
	once := func() answer { return roundTrip(t, keyed(t, t.Context(), http.MethodGet, base+"/do/x", key, nil)) }
	limit(2, 5)
	for i := range 5 {
		got := once()
		if got.status != http.StatusOK || got.header.Get("RateLimit") == "" || got.header.Get("RateLimit-Policy") == "" {
			t.Errorf("call %d: got %d %s with %v", i, got.status, got.body, got.header)
		}
	}
	refused := once()
	after, err := strconv.Atoi(refused.header.Get("Retry-After"))
	if refused.status != http.StatusTooManyRequests || refused.problem(t).Code != "rate_limited" || err != nil || after < 1 || after > 31 {
		t.Errorf("beyond the burst: got %d %s, Retry-After %q", refused.status, refused.body, refused.header.Get("Retry-After"))
	}
	if !strings.Contains(refused.header.Get("RateLimit"), "r=0") {
		t.Errorf("beyond the burst: got RateLimit %q", refused.header.Get("RateLimit"))
	}
	limit(600_000, 1000)
	if got := once(); got.status != http.StatusOK {
		t.Errorf("with a larger plan: got %d %s", got.status, got.body)
	}
	limit(1, 1)
	passed := 0
	for range 20 {
		if once().status == http.StatusOK {
			passed++
		}
	}
	if passed > 1 {
		t.Errorf("with a smaller plan: %d of 20 calls passed, want 1 at most", passed)
	}
	a.do("PATCH", plan+"?wait=applied", map[string]any{"limits": []any{}})
	if got := once(); got.status != http.StatusOK {
		t.Errorf("without a limit: got %d %s", got.status, got.body)
	}
	if refusal := a.send("PATCH", plan, "application/json", `{"state":"closed"}`).problem(t); refusal.Status != http.StatusConflict {
		t.Errorf("closing a plan in use: got %+v, want 409", refusal)
	}
	a.do("PATCH", plan+"?wait=applied", map[string]any{"state": "deprecated"})
	if got := once(); got.status != http.StatusOK {
		t.Errorf("plan deprecated: got %d %s", got.status, got.body)
	}
	a.do("PATCH", plan+"?wait=applied", map[string]any{"state": "closed"})
	if got := once(); got.status != http.StatusForbidden {
		t.Errorf("plan closed: got %d %s, want 403", got.status, got.body)
	}
}
