package console_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

func TestDocumentBecomesALiveAPI(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.get("/t/acme").shows(http.StatusOK, "Import a document", "Publish it", "0 of 0 versions live")

	a := b.upload("/t/acme/import", "orders.yaml", ordersDocument, "from", "upload", "once", "u1")
	a.shows(http.StatusOK, "Import Orders", "orders.yaml", "https://orders.internal.example/v1", "/orders/{id}", "http://gateway.example/acme/orders/v1")
	a = b.post(a.path, "name", "Orders", "slug", "orders", "label", "v1", "server", "https://orders.internal.example/v1", "access", "document", "once", a.hidden("once"))
	a.shows(http.StatusOK, "The draft of Orders v1 is made", "Draft", "Publish r1", "4 operations", "Authorization: Bearer")
	if a.path != "/t/acme/apis/orders/v1" {
		t.Fatalf("got to %s, want the version", a.path)
	}
	ask := b.get("/t/acme/apis/orders/v1/publish").shows(http.StatusOK, "Publish Orders v1 r1", "1 without a key", "this is the first revision", "in no product yet")
	a = b.post("/t/acme/apis/orders/v1/publish", "once", ask.hidden("once"), "next", ask.hidden("next"), "environment", "production", "note", "First one")
	a.shows(http.StatusOK, "v1 r1 is live on 3 of 3 nodes · 38 ms", "Published", "r1 in production")
	b.get("/t/acme/apis/orders/v1/history").shows(http.StatusOK, "r1", "First one", "Ada Byron", "production")
	b.get("/t/acme/apis/orders/v1/definition").shows(http.StatusOK, "OpenAPI 3.1.0", "orders.yaml")
	b.get("/t/acme/apis/orders/v1/versions").shows(http.StatusOK, "v1", "Published")
	b.get("/t/acme/apis/orders/v1/document").has("operationId: listOrders")
	b.get("/t/acme/apis").shows(http.StatusOK, "Orders", "r1 in production")
	b.get("/t/acme/apis?q=nothing").shows(http.StatusOK, "Nothing matches")
	b.get("/t/acme").shows(http.StatusOK, "1 of 1 version live", "live on 3 of 3 nodes")
}

func TestBadDocumentIsNamedByItsLineAndNothingTypedIsLost(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	broken := "openapi: 3.1.0\ninfo:\n  title: Broken\n  version: [\npaths: {}\n"
	a := b.upload("/t/acme/import", "", "", "from", "paste", "paste", broken)
	a.shows(http.StatusUnprocessableEntity)
	if err := a.fieldError("paste"); !regexp.MustCompile(`(?i)line \d`).MatchString(err) {
		t.Errorf("the error %q names no line", err)
	}
	a.has("title: Broken")

	a = b.upload("/t/acme/import", "", "", "from", "url", "url", "ftp://example.com/x").shows(http.StatusUnprocessableEntity).has(`value="ftp://example.com/x"`)
	a.fieldError("url")
	b.upload("/t/acme/import", "", "", "from", "upload").shows(http.StatusUnprocessableEntity).fieldError("file")
	b.upload("/t/acme/import", "notes.txt", "just some words", "from", "upload").shows(http.StatusUnprocessableEntity).fieldError("file")
	b.upload("/t/acme/import", "", "", "from", "paste", "paste", "").shows(http.StatusUnprocessableEntity).fieldError("paste")
}

func TestPreviewAsksForWhatTheDocumentLeavesOut(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	document := strings.Replace(ordersDocument, "servers:\n  - url: https://orders.internal.example/v1\n", "", 1)
	a := b.upload("/t/acme/import", "orders.yaml", document, "from", "upload")
	a.shows(http.StatusOK, "Where is your service")
	path := a.path
	a = b.post(path, "name", "Orders", "slug", "No Slug", "label", "v1", "server", "other", "other", "", "access", "key")
	a.shows(http.StatusUnprocessableEntity).has(`value="No Slug"`).fieldError("other")
	a = b.post(path, "name", "Orders", "slug", "No Slug", "label", "", "server", "other", "other", "ftp://x", "access", "key")
	a.shows(http.StatusUnprocessableEntity).has(`value="ftp://x"`)
	a.fieldError("slug")
	a.fieldError("other")
	b.post(path, "name", "Orders", "slug", "orders", "label", "v1", "server", "other", "other", "https://orders.internal.example", "access", "key").
		shows(http.StatusOK, "The draft of Orders v1 is made", "https://orders.internal.example")
}

func TestImportIntoAnAPIThatIsThere(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	a := b.upload("/t/acme/import?api=orders&label=v1", "orders.yaml", strings.Replace(ordersDocument, "1.4.0", "1.5.0", 1), "from", "upload")
	a.shows(http.StatusOK, "Replaces the draft of Orders v1")
	check := b.post(strings.Split(a.path, "?")[0]+"/check", "slug", "orders", "label", "v2", "name", "Orders")
	check.shows(http.StatusOK, "There is an API orders already")
	id := regexp.MustCompile(`value="(api_[0-9a-f]+)"`).FindStringSubmatch(a.body)
	if id == nil {
		t.Fatal("the API is not among the choices")
	}
	b.post(strings.Split(a.path, "?")[0]+"/check", "api", id[1], "label", "v2").shows(http.StatusOK, "Adds a draft v2 to Orders", "/acme/orders/v2")
	b.post(a.path, "api", id[1], "label", "v1", "server", "https://orders.internal.example/v1", "access", "document").
		shows(http.StatusOK, "1 unpublished change", "Publish r2", "r1 in production")
}

func TestPublishPressedTwiceIsOneRevision(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://two.internal.example", "protocol", "http2").shows(http.StatusOK, "Upstream saved in the draft", "https://two.internal.example", "HTTP/2 · times of the environment")
	ask := b.get("/t/acme/apis/orders/v1/publish").shows(http.StatusOK, "Publish r2")
	var wait sync.WaitGroup
	results := make([]answer, 4)
	for i := range results {
		wait.Add(1)
		go func() {
			defer wait.Done()
			results[i] = b.post("/t/acme/apis/orders/v1/publish", "once", ask.hidden("once"), "next", "2", "environment", "production")
		}()
	}
	wait.Wait()
	for _, a := range results {
		a.shows(http.StatusOK, "v1 r2 is live on 3 of 3 nodes")
	}
	b.get("/t/acme/apis/orders/v1/history").shows(http.StatusOK, "r2").hides("r3 ")
	// A form that was open since before is told, not obeyed.
	b.post("/t/acme/apis/orders/v1/publish", "once", "stale", "next", "2", "environment", "production").
		shows(http.StatusConflict, "Revision r2 was published meanwhile")
}

func TestPublishShowsWhoHasNotConfirmed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	s.nodes.set("gw-2", "waiting")
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://two.internal.example")
	a := b.post("/t/acme/apis/orders/v1/publish", "next", "2", "environment", "production")
	a.shows(http.StatusOK, "v1 r2 is live on 2 of 3 nodes", "gw-2 has not confirmed yet", "Look again")
	again := a.path
	s.nodes.set("gw-2", "refused")
	b.get(again).shows(http.StatusOK, "gw-2 refuses it: two routes clash")
	s.nodes.set("gw-2", "unreachable")
	b.get(again).shows(http.StatusOK, "gw-2 is unreachable")
	b.get("/t/acme/nodes").shows(http.StatusOK, "gw-2", "Unreachable", "3 behind")
	s.nodes.set("gw-2", "")
	b.get(again).shows(http.StatusOK, "v1 r2 is live on 3 of 3 nodes · 38 ms")
	poll := regexp.MustCompile(`hx-get="([^"]*/change[^"]*)"`).FindStringSubmatch(a.body)
	if poll == nil {
		t.Fatal("the page does not follow the change by itself")
	}
	b.get(entity.Replace(poll[1])).shows(http.StatusOK, "v1 r2 is live on 3 of 3 nodes · 38 ms")
}

func TestRollBackMakesAnEarlierRevisionLive(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.post("/t/acme/apis/orders/v1/upstream", "urls", "https://two.internal.example")
	b.post("/t/acme/apis/orders/v1/publish", "next", "2", "environment", "production").shows(http.StatusOK, "r2 in production")
	ask := b.get("/t/acme/apis/orders/v1/roll-back/1").shows(http.StatusOK, "Roll back Orders v1 to r1", "Live now: r2 in production")
	b.post("/t/acme/apis/orders/v1/roll-back/1", "once", ask.hidden("once"), "environment", "production").
		shows(http.StatusOK, "v1 r1 is live on 3 of 3 nodes", "r1 in production")
	b.get("/t/acme/apis/orders/v1/roll-back/7").shows(http.StatusNotFound, "Nothing here")
}

func TestDraftChangesAreNotLive(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	a := b.get(page).shows(http.StatusOK, "Shop", "4")
	a = b.post(page+"/routes", "lock", a.hidden("lock"), "operation", "listOrders", "operation", "createOrder", "on", "listOrders", "public", "listOrders")
	a.shows(http.StatusOK, "Saved 2 route switches", "unpublished changes", "2 public routes")
	a.has(`struck mute`)

	key := b.get(page+"?policy=key").shows(http.StatusOK, "2 · API key", "Save in the draft")
	b.post(page+"/policies/key", "lock", key.hidden("lock"), "header", "X-Orders-Key").shows(http.StatusOK, "header X-Orders-Key")
	b.post(page+"/policies/key", "header", "not a header").shows(http.StatusUnprocessableEntity).has(`value="not a header"`).fieldError("header")
	b.post(page+"/policies/limit", "requests", "many", "period", "minute", "by", "caller").shows(http.StatusUnprocessableEntity).has(`value="many"`).fieldError("requests")
	b.post(page+"/policies/limit", "requests", "500", "period", "minute", "burst", "50", "by", "api").shows(http.StatusOK, "500 requests per minute, burst 50 for all callers together")

	b.post(page+"/upstream", "urls", "", "connect_ms", "soon").shows(http.StatusUnprocessableEntity).has(`value="soon"`).fieldError("urls")
	b.post(page+"/upstream", "urls", "https://x.example", "protocol", "h2c").shows(http.StatusUnprocessableEntity).has("Does not fit").fieldError("protocol")
	b.post(page+"/upstream", "urls", "https://x.example", "connect_ms", "60001").shows(http.StatusUnprocessableEntity).has("1 to 60,000").fieldError("connect_ms")
	b.post(page+"/upstream", "urls", "gopher://x").shows(http.StatusUnprocessableEntity).has("gopher://x").fieldError("urls")
	b.post(page+"/mount", "base_path", "no slash").shows(http.StatusUnprocessableEntity).has(`value="no slash"`).fieldError("base_path")
	b.post(page+"/mount", "base_path", "/acme/shop/orders").shows(http.StatusOK, "http://gateway.example/acme/shop/orders")

	stale := b.get(page + "/upstream").hidden("lock")
	b.post(page+"/upstream", "lock", stale, "urls", "https://one.example")
	b.post(page+"/upstream", "lock", stale, "urls", "https://two.example").shows(http.StatusConflict, "changed meanwhile").has("https://two.example")
}

// What a form of the version's page answers with is that page, as it was left.
func TestVersionPageIsShownAgainAsItWas(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	if _, err := s.fleet.EnsureEnvironment(t.Context(), "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	const page = "/t/acme/apis/orders/v1"
	const from = page + "?q=post"
	left := b.get(from).shows(http.StatusOK, "Create an order").hides("Read an order")
	again := func(a answer, back string) {
		t.Helper()
		a.shows(a.status, "Create an order", "Traffic split").hides("Read an order")
		a.has(`name="back" value="`+back+`"`, `name="back" value="`+page+`"`) // of the theme, and of the environment
	}
	again(b.post(page+"/targets/check", "back", from), from)
	b.post(page+"/targets/check", "back", "/t/acme/apis?q=post").shows(http.StatusOK, "Read an order") // another page's

	b.post(page+"/upstream", "urls", "https://one.example").shows(http.StatusOK, "Upstream saved")
	a := b.post(page+"/routes", "lock", left.hidden("lock"), "back", from, "operation", "createOrder", "public", "createOrder").shows(http.StatusConflict, "changed meanwhile")
	again(a, from)
	a.has(`name="public" value="createOrder" checked`) // what was chosen is there still
	if strings.Contains(a.body, `name="on" value="createOrder" checked`) {
		t.Error("the route is on again")
	}
	b.post(page+"/policies/limit", "requests", "many", "period", "minute", "by", "caller").shows(http.StatusUnprocessableEntity, "Traffic split").
		has(`name="back" value="` + page + `?policy=limit"`)
	for path, want := range map[string]string{"/targets/check": page, "/routes": page, "/policies/limit": page + "?policy=limit", "/traffic/share": page + "/traffic"} {
		if a := b.get(page + path).shows(http.StatusOK); a.path != want {
			t.Errorf("%s leads to %s, want %s", path, a.path, want)
		}
	}
	b.post(page+"/traffic/settings", "urls", "ftp://x").shows(http.StatusUnprocessableEntity).has(`name="back" value="` + page + `/traffic"`)
}

func TestRoutesAreFiltered(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.get("/t/acme/apis/orders/v1?q=post").shows(http.StatusOK, "Create an order").hides("Read an order")
	b.get("/t/acme/apis/orders/v1?q=zzz").shows(http.StatusOK, "Nothing matches")
}

func TestDeprecateAndRetire(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	sub := s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	if _, _, err := s.access.Approve(t.Context(), system(), s.tenantID("acme"), sub, manager.Decision{}); err != nil {
		t.Fatal(err)
	}
	page := "/t/acme/apis/orders/v1"
	b.get(page+"/deprecate").shows(http.StatusOK, "1 subscription")
	b.post(page+"/deprecate", "sunset_at", "2020-01-01", "reason", "Use v2").shows(http.StatusUnprocessableEntity).has("Use v2").fieldError("sunset_at")
	b.post(page+"/deprecate", "sunset_at", "soon").shows(http.StatusUnprocessableEntity).fieldError("sunset_at")
	b.post(page+"/deprecate", "sunset_at", "2027-03-31", "reason", "Use v2").shows(http.StatusOK, "is deprecated and ends on 31 Mar 2027", "Use v2", "Deprecated")
	b.post(page + "/retire").shows(http.StatusUnprocessableEntity).fieldError("reason")
	for range 2 { // a second press changes nothing
		b.post(page+"/retire", "reason", "v2 has everything").shows(http.StatusOK, "retired", "No gateway node serves it")
	}
	b.get(page + "/publish").shows(http.StatusOK)
	b.post(page+"/publish", "next", "2", "environment", "production").shows(http.StatusConflict, "retired")
}

func TestLiveVersionShowsALineThatCallsIt(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	b.get(page).shows(http.StatusOK, "Call it", "curl 'http://gateway.example/acme/orders/v1/health'", "needs no key").hides("PORTICO_KEY")
	b.post(page+"/routes", "operation", "health", "on", "health")
	b.post(page+"/publish", "next", "2", "environment", "production").shows(http.StatusOK, "r2 in production")
	b.get(page).shows(http.StatusOK, "curl 'http://gateway.example/acme/orders/v1/orders'", "X-API-Key: $PORTICO_KEY", "Get one in the portal")
}

func TestAPIIsEditedAndDeleted(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	form := b.get(page+"/about").shows(http.StatusOK, "Edit Orders")
	b.post(page+"/about", "name", "", "contact", "orders@acme.example").shows(http.StatusUnprocessableEntity).has(`value="orders@acme.example"`).fieldError("name")
	b.post(page+"/about", "lock", form.hidden("lock"), "name", "Orders and returns", "tags", "shop, orders").shows(http.StatusOK, "Orders and returns is saved")
	b.post(page+"/about", "lock", form.hidden("lock"), "name", "Mine").shows(http.StatusConflict, "changed meanwhile").has(`value="Mine"`)
	b.get(page + "/about").has(`value="shop, orders"`)
	b.post(page+"/delete").shows(http.StatusConflict, "Delete Orders and returns")

	a := b.upload("/t/acme/import", "other.yaml", strings.Replace(ordersDocument, "title: Orders", "title: Other", 1), "from", "upload")
	b.post(a.path, "name", "Other", "slug", "other", "label", "v1", "server", "https://orders.internal.example/v1", "access", "key").shows(http.StatusOK, "Draft")
	for range 2 {
		b.post("/t/acme/apis/other/v1/delete").shows(http.StatusOK, "APIs").hides("other")
	}
}

func TestOversizedFormsAreRefused(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.post("/t/acme/products", "name", strings.Repeat("x", 2<<20)).shows(http.StatusRequestEntityTooLarge, "larger than")
	b.upload("/t/acme/import", "", "", "from", "paste", "paste", strings.Repeat("x", 30<<20)).
		shows(http.StatusRequestEntityTooLarge, "too large for a form; upload it as a file")
	b.upload("/t/acme/import", "big.json", strings.Repeat(" ", 66<<20), "from", "upload").
		shows(http.StatusRequestEntityTooLarge, "larger than").fieldError("file")
}

func TestUnpublishedChangesAreReviewed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	const page = "/t/acme/apis/orders/v1"
	b.get(page).shows(http.StatusOK, "r1 in production").hides("unpublished change", "Review")
	b.get(page+"/review").shows(http.StatusOK, "The draft is the same as r1")
	b.post(page+"/upstream", "urls", "https://next.internal.example").shows(http.StatusOK, "1 unpublished change", "Review")
	b.post(page+"/policies/limit", "requests", "5", "period", "second", "by", "address").shows(http.StatusOK, "2 unpublished changes")
	b.get(page+"/review").shows(http.StatusOK, "What Publish r2 changes", "beside r1", "Upstream main", "https://orders.internal.example/v1 → https://next.internal.example", "Rate limit")
}

func TestRoutesShowHowMuchTheyAreCalled(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const page = "/t/acme/apis/orders/v1"
	b.get(page).shows(http.StatusOK, "no calls in ten minutes", "Req / s")
	detail, err := s.catalog.Version(t.Context(), system(), acme, version)
	if err != nil {
		t.Fatal(err)
	}
	first := detail.Version.Runtime.Routes[0]
	took := make([]int64, apim.UsageBuckets)
	took[4] = 1200
	if _, err := s.catalog.Store.CountUsage(t.Context(), []apim.UsagePiece{{Environment: "production", Node: "n", Spool: "s", Segment: 1, To: 1, Lines: []apim.Usage{
		{Minute: s.clock.Now().Add(-2 * time.Minute).Truncate(time.Minute), Version: version, Operation: first.Operation, Status: 200, Calls: 1200, Took: took},
	}}}, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	a := b.get(page).shows(http.StatusOK, "req/s", "≤ 25 ms").hides("no calls in ten minutes")
	if n := strings.Count(a.body, ">≤ 25 ms<"); n != 1 {
		t.Errorf("got %d routes with a time, want the one that was called", n)
	}

	for _, step := range []struct {
		own   []apim.Policy
		shown []string
	}{
		{[]apim.Policy{{Kind: "path", Config: json.RawMessage(`{"prefix":"/orders","replacement":"/list"}`)}}, []string{"Upstream path", "/v1/list"}},
		{
			[]apim.Policy{{Kind: "path", Config: json.RawMessage(`{"template":"/whole"}`)}, {Kind: "scopes", Config: json.RawMessage(`{"all":["orders:read"],"any":["a","b"]}`)}},
			[]string{"Scope", "orders:read, a or b", "/v1/whole"},
		},
		{[]apim.Policy{{Kind: "key", Config: json.RawMessage(`{"header":"X-Other"}`)}}, []string{"Overrides 2"}},
	} {
		if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{RoutePolicies: map[string][]apim.Policy{first.Operation: step.own}}); err != nil {
			t.Fatal(err)
		}
		b.get(page).shows(http.StatusOK, step.shown...)
	}
}
