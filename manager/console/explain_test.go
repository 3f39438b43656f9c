package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// ways are what nodes have told, newest first.
type ways []entry.Explanation

func (w ways) Explanation(_ context.Context, environment, tenant, id string) (entry.Explanation, bool) {
	for _, x := range w.Explanations(environment, tenant) {
		if x.ID == id {
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

// limited is a call that its plan's limit refused.
func (s *site) limited(tenant string) entry.Explanation {
	return entry.Explanation{
		ID: "a1", Environment: "production", Tenant: tenant, NodeName: "gw-1", Sequence: 12, At: s.clock.Now().UnixMilli(), RequestID: "req-7",
		Method: "POST", Path: "/acme/orders/v1/orders", Headers: []string{"X-Api-Key"}, API: "acme/orders v1", Revision: 3, Application: "Checkout <b>",
		Status: 429, Code: "rate_limited", Detail: "Too many calls. Call again in 1 s.", TookNS: 97_000, AnswerBytes: 212,
		Steps: []entry.ExplainedStep{
			{Step: "route", Outcome: entry.ExplainPassed, TookNS: 6_000},
			{Step: "key", Stage: "identify", Outcome: entry.ExplainPassed, AtNS: 6_000, TookNS: 58_000},
			{Step: "plan_limit", Stage: "limit", Outcome: entry.ExplainRefused, Code: "rate_limited", Detail: "100 calls in 1s: 0 left", AtNS: 64_000, TookNS: 19_000},
			{Step: "rate_limit", Stage: "limit", Outcome: entry.ExplainSkipped},
		},
		Candidates: []entry.ExplainedRoute{{API: "acme/orders v1", Route: "POST /orders", Reason: "chosen"}, {API: "acme/orders v1", Route: "GET /orders", Reason: "method", Detail: "this is the method GET"}},
	}
}

func TestExplainShowsTheWayOfACall(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	b.get("/t/acme/explain").shows(http.StatusOK, "Explain", "Nothing is live in Production", "Nothing was explained in Production")
	s.offer(s.tenantID("acme"))
	acme := s.tenantID("acme").UUID()
	other := s.limited(strings.Repeat("7", 32))
	other.ID, other.Path = "o1", "/somebody/else"
	s.catalog.Ways = ways{s.limited(acme), other}

	list := b.get("/t/acme/explain").shows(http.StatusOK, "Try a call and explain it", "429", "/acme/orders/v1/orders", "Limits of the plan", "1 call of the last 30 minutes").hides("/somebody/else")
	list.has(`hx-trigger="load delay:1s"`, `Checkout &lt;b&gt;`)
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK,
		"Stopped at Limits of the plan", "Too many calls. Call again in 1 s.", "Policy chain of acme/orders v1 r3", "0 – 97 µs",
		"API key", "58 µs", "Rate limit", "not reached", "Upstream", "not called", "429, 212 bytes", "14 µs",
		"What would have let it through", "Waiting, or a higher limit: 100 calls in 1s: 0 left", "GET /orders", "this is the method GET", "gw-1", "#12", "req-7")
	b.get("/t/acme/explain?call=o1").shows(http.StatusOK, "This call is not kept any more").hides("/somebody/else")

	b.post("/t/acme/explain", "do", "token", "version", "orders/v1", "method", "GET", "path", "/x").shows(http.StatusConflict, "has no gateway node yet that could explain a call")
	b.post("/t/acme/explain", "do", "call", "version", "orders/v1", "method", "GET", "path", "/x", "headers", "no colon").shows(http.StatusUnprocessableEntity).fieldError("headers")
	b.post("/t/acme/explain", "do", "call", "version", "nothing/v1", "method", "GET", "path", "/x").shows(http.StatusUnprocessableEntity, "There is no version nothing/v1")

	stranger, _, _ := s.consumer("halden")
	stranger.get("/t/acme/explain?call=a1").shows(http.StatusNotFound).hides("rate_limited", "/acme/orders")
}

// What policies make of the answer stands behind the upstream, also where that
// was not called.
func TestExplainShowsTheStepsOfTheAnswer(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	x := s.limited(s.tenantID("acme").UUID())
	x.Steps = append(x.Steps,
		entry.ExplainedStep{Step: "compress", Stage: "answer", Outcome: entry.ExplainPassed, Detail: "sets Content-Encoding", AtNS: 84_000, TookNS: 7_000},
		entry.ExplainedStep{Step: "cors", Stage: "answer", Outcome: entry.ExplainPassed, Detail: "sets Vary", AtNS: 91_000, TookNS: 2_000})
	// What a policy's refusal is about stands on its page.
	refused := s.limited(s.tenantID("acme").UUID())
	refused.ID, refused.Status, refused.Code, refused.Detail = "a2", 415, "media_type_not_supported", "The body is not JSON."
	refused.Steps = []entry.ExplainedStep{{Step: "json_body", Stage: "shape", Outcome: entry.ExplainRefused, Code: refused.Code}}
	s.catalog.Ways = ways{x, refused}
	b.get("/t/acme/explain?call=a2").shows(http.StatusOK, "A body of a media type that is taken here: The body is not JSON.").has(`href="/t/acme/policies/json_body"`)
	text := b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "Compression", "Sets Content-Encoding", "7.0 µs", "CORS, answer", "Sets Vary", "4.0 µs").text()
	if upstream, compress := strings.Index(text, "Upstream not called"), strings.Index(text, "Compression"); upstream < 0 || upstream > compress {
		t.Errorf("the upstream stands at %d and what comes after it at %d: %s", upstream, compress, text)
	}
}

func TestAnExplainedCallIsLinkedComparedAndMadeAgain(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	call := func(id, method, operation, path string, status int) entry.Explanation {
		x := s.limited(s.tenantID("acme").UUID())
		x.ID, x.Method, x.Operation, x.Path, x.Status, x.Headers = id, method, operation, path, status, []string{"Host", "User-Agent", "X-Portico-Explain"}
		x.VersionUUID = strings.Repeat("4", 32)
		return x
	}
	keyed := call("b1", "GET", "get_order", "/acme/orders/v1/orders/7", 200)
	keyed.Headers, keyed.Query = append(keyed.Headers, "X-Api-Key"), []string{"expand", "page"}
	away := call("s1", "GET", "list_orders", "/acme/orders/v1/orders", 200)
	away.Environment = "sandbox"
	s.catalog.Ways = ways{
		call("a1", "GET", "list_orders", "/acme/orders/v1/orders", 429), call("a2", "GET", "list_orders", "/acme/orders/v1/two", 429),
		call("a3", "GET", "list_orders", "/acme/orders/v1/three", 200), call("a4", "POST", "add_order", "/acme/orders/v1/four", 429), keyed, away,
	}
	// Somebody else finds the call by its link, whichever environment they work in.
	open := b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "Copy link", "/t/acme/explain?call=a1&in=production", "Similar 1", "Replay").has("call=a2")
	open.hides("Fill in and call again")
	// Calls like it are those of the same route and status.
	b.get("/t/acme/explain?call=a1&like=a1").shows(http.StatusOK, "Like GET list_orders answered 429", "2 of 5 calls").has("call=a2").hides("/three", "/four", "/orders/7")
	// What is not known of a call, and what changes something, a person fills in.
	b.get("/t/acme/explain?call=b1").shows(http.StatusOK, "Fill in and call again").hides("Replay")
	b.get("/t/acme/explain?call=a4").shows(http.StatusOK, "Fill in and call again").hides("Replay")
	b.get("/t/acme/explain?version=orders%2Fv1&method=GET&path=%2Facme%2Forders%2Fv1%2Forders%2F7%3Fexpand%3D%26page%3D&headers=X-Api-Key%3A+").
		shows(http.StatusOK).has(`value="/acme/orders/v1/orders/7?expand=&amp;page="`).has("X-Api-Key: </textarea>")
}

func TestExplainedTimesAreRead(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	x := s.limited(s.tenantID("acme").UUID())
	x.Status, x.Code, x.TookNS = 503, "", int64(5*time.Second)
	x.Steps = []entry.ExplainedStep{{Step: "upstream", Stage: "destination", Outcome: entry.ExplainPassed, AtNS: 388_000, TookNS: int64(5*time.Second) - 388_000}}
	s.catalog.Ways = ways{x}
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "The upstream answered 503", "its own share was 388 µs", "5.00 s")
	x.Hidden, x.Steps, x.Status = true, nil, 200
	s.catalog.Ways = ways{x}
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "This call reached nothing of yours", "not yours")
}

// The columns of a chain say what the same steps took in calls that were
// explained, where it is told which is which.
func TestColumnsShowWhatStepsTake(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	const page = "/t/acme/apis/orders/v1"
	b.get(page).shows(http.StatusOK, "a request passes left to right").hides("gateway's share", "µs")
	call := func(id string, key, upstream int64) entry.Explanation {
		x := s.limited(acme.UUID())
		x.ID, x.Revision, x.VersionUUID = id, 1, version.UUID()
		detail, err := s.catalog.Version(t.Context(), system(), acme, version)
		if err != nil {
			t.Fatal(err)
		}
		x.APIUUID = detail.API.ID.UUID()
		x.Steps = []entry.ExplainedStep{
			{Step: "route", Outcome: entry.ExplainPassed, TookNS: 6_000},
			{Step: "key", Stage: "identify", Outcome: entry.ExplainPassed, AtNS: 6_000, TookNS: key},
			{Step: "grant", Stage: "authorize", Outcome: entry.ExplainSkipped},
			{Step: "upstream", Outcome: entry.ExplainPassed, AtNS: upstream, TookNS: 90_000},
			{Step: "key", Stage: "answer", Outcome: entry.ExplainPassed, TookNS: 777_000}, // its word about the answer is another step
		}
		return x
	}
	earlier := call("old", 999_000, 999_000)
	earlier.Revision = 7 // not what is live
	twice := call("twice", 500_000, 40_000)
	twice.Steps = append(twice.Steps, entry.ExplainedStep{Step: "key", Stage: "identify", Outcome: entry.ExplainPassed, TookNS: 1})
	s.catalog.Ways = ways{call("a", 58_000, 30_000), call("b", 61_000, 41_000), call("c", 90_000, 44_000), earlier, twice}
	a := b.get(page).shows(http.StatusOK, "gateway's share 818 µs, the median of 4 explained calls", "61 µs", "authorize").hides("999 µs", "500 µs", "777 µs")
	a.has(`role="listbox" aria-orientation="horizontal"`, `role="option"`, `aria-selected="false"`)
}

// The time that bodies take is no share of the gateway's: neither the upstream's, nor
// that of an answer which never ends.
func TestTheGatewaysShareIsWithoutBodies(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	x := s.limited(s.tenantID("acme").UUID())
	x.Status, x.Code, x.TookNS, x.UpstreamNS = 200, "", int64(30*time.Second), int64(50*time.Millisecond)
	x.Steps = []entry.ExplainedStep{
		{Step: "route", Outcome: entry.ExplainPassed, TookNS: 6_000},
		{Step: "upstream", Stage: "destination", Outcome: entry.ExplainPassed, AtNS: 390_000, TookNS: int64(50 * time.Millisecond)},
		{Step: "cors", Stage: "answer", Outcome: entry.ExplainPassed, AtNS: 50_390_000, TookNS: 10_000},
	}
	s.catalog.Ways = ways{x}
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "The gateway's own share was 400 µs of 30.00 s")
	b.get("/t/acme/explain").shows(http.StatusOK).has(`<td class="num hide-m">400 µs</td>`, `<td class="num hide-m">50 ms</td>`)
}

// A node records so many steps of a call and no more. What is not told is not
// guessed.
func TestStepsThatWereNotRecordedAreNotGuessed(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	x := s.limited(s.tenantID("acme").UUID())
	x.Status, x.Code, x.TookNS, x.Dropped, x.Steps = 200, "", int64(40*time.Millisecond), 3, nil
	for i := range int64(32) {
		x.Steps = append(x.Steps, entry.ExplainedStep{Step: "headers", Stage: "shape", Outcome: entry.ExplainPassed, AtNS: i * 1000, TookNS: 1000})
	}
	unknown := x
	unknown.ID = "a2"
	x.Tries = []entry.ExplainedTry{{Target: "orders:443", Outcome: "answered", Status: 200, AtNS: 70_000, TookNS: int64(30 * time.Millisecond)}}
	hit := unknown
	hit.ID, hit.Steps = "a3", append([]entry.ExplainedStep{{Step: "cache", Stage: "shape", Outcome: entry.ExplainPassed}}, unknown.Steps[:31]...)
	for i := range hit.Steps[1:] {
		hit.Steps[1+i].Outcome = entry.ExplainSkipped
	}
	refused := unknown
	refused.ID, refused.Status, refused.Code, refused.Detail = "a4", 403, "not_allowed", "The policy says no."
	s.catalog.Ways = ways{x, unknown, hit, refused}

	list := b.get("/t/acme/explain").shows(http.StatusOK).has(`<td class="num hide-m">70 µs</td>`, `<td class="num hide-m">30 ms</td>`)
	_, rows, _ := strings.Cut(list.body, `id="calls"`)
	var decided []string
	for _, badge := range regexp.MustCompile(`<span class="badge[^>]*>([^<]*)<`).FindAllStringSubmatch(rows, -1) {
		decided = append(decided, badge[1])
	}
	if want := []string{"Upstream", "not recorded", "Response cache", "not recorded"}; !slices.Equal(decided, want) {
		t.Errorf("decided by %q, want %q", decided, want)
	}
	b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "Let through; the upstream answered 200", "own share was 70 µs", "Upstream called 30 ms", "3 more steps ran").hides("not called", "Answered at")
	b.get("/t/acme/explain?call=a2").shows(http.StatusOK, "Answered with 200", "What answered was not recorded").hides("not called", "Answered at", "the upstream answered")
	b.get("/t/acme/explain?call=a3").shows(http.StatusOK, "Answered at Response cache, with 200").hides("not called")
	b.get("/t/acme/explain?call=a4").shows(http.StatusOK, "Refused with 403", "The policy says no.").hides("not called")
}

// All times are told in one zone, also where the server is in another.
func TestExplainedCallsAreToldInUTC(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	s.clock.now = s.clock.Now().In(time.FixedZone("away", 2*60*60))
	s.catalog.Ways = ways{s.limited(s.tenantID("acme").UUID())}
	for _, page := range []string{"/t/acme/explain", "/t/acme/explain?call=a1"} {
		b.get(page).shows(http.StatusOK, "14:05:00.000").hides("16:05:00.000")
	}
}

// Making a call again calls the same resource: its path is told decoded, and is
// encoded for that. One of which a part is missing is not called.
func TestACallIsMadeAgainByItsWholePath(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	if _, err := s.fleet.EnsureEnvironment(t.Context(), "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.Publish(t.Context(), system(), s.tenantID("acme"), version, "sandbox", ""); err != nil {
		t.Fatal(err)
	}
	const page = "/t/acme/explain?in=production&call=a1"
	for _, c := range []struct{ path, again string }{
		{"/acme/orders/v1/a?b", "/acme/orders/v1/a%3Fb"},
		{"/acme/orders/v1/%41", "/acme/orders/v1/%2541"},
		{"/acme/orders/v1/50%", "/acme/orders/v1/50%25"},
		{"/acme/orders/v1/a b", "/acme/orders/v1/a%20b"},
		{"/acme/orders/v1/orders", "/acme/orders/v1/orders"},
	} {
		x := s.limited(s.tenantID("acme").UUID())
		x.Method, x.Path, x.Headers = "GET", c.path, nil
		s.catalog.Ways = ways{x}
		if got := b.get(page).shows(http.StatusOK, "Replay").hidden("path"); got != c.again {
			t.Errorf("%s is called again as %s, want %s", c.path, got, c.again)
		}
		x.Headers = []string{"X-Api-Key"}
		s.catalog.Ways = ways{x}
		b.get(page).shows(http.StatusOK, "Fill in and call again").has(url.Values{"path": {c.again}}.Encode())
	}
	early := s.limited(s.tenantID("acme").UUID())
	early.Method, early.Path, early.Headers, early.Steps = "GET", "/acme/orders/v1/a%3Fb", nil, nil // refused before its path was read
	s.catalog.Ways = ways{early}
	if got := b.get(page).hidden("path"); got != early.Path {
		t.Errorf("got %s", got)
	}
	for _, path := range []string{"/acme/orders/v1/" + strings.Repeat("x", 1008) + "…", "/acme/orders/v1/\ufffd"} {
		x := s.limited(s.tenantID("acme").UUID())
		x.Method, x.Path, x.VersionUUID, x.Revision = "GET", path, version.UUID(), 1
		for _, headers := range [][]string{nil, {"X-Api-Key"}} {
			x.Headers = headers
			s.catalog.Ways = ways{x}
			b.get(page).shows(http.StatusOK, "Copy link").hides("Replay", "Fill in")
		}
	}
}

// A version that is asked for and not live here is not exchanged for another.
func TestExplainChoosesNoOtherVersion(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	if _, err := s.fleet.EnsureEnvironment(t.Context(), "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	chosen := func(a answer) string {
		return a.found(`<input [^>]*name="version"[^>]* value="([^"]*)"`)
	}
	const asked = "/t/acme/explain?version=orders%2Fv1&in="
	// Nothing is live in the sandbox, then something else is.
	for _, other := range []string{"", "stock"} {
		if other != "" {
			s.apiID("acme", other)
			second, err := s.catalog.VersionByLabel(t.Context(), system(), acme, other, "v1")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.catalog.Publish(t.Context(), system(), acme, second.Version.ID, "sandbox", ""); err != nil {
				t.Fatal(err)
			}
		}
		away := b.get(asked+"sandbox").shows(http.StatusOK, "Explain it in Production")
		if got := away.fieldError("version"); got != "Orders v1 is not live in Sandbox." {
			t.Errorf("it says %q", got)
		}
		if got := chosen(away); got != "orders/v1" {
			t.Errorf("chosen is %q", got)
		}
		away.has(`href="/t/acme/explain?in=production&amp;version=orders%2Fv1"`)
	}
	if got := chosen(b.get("/t/acme/explain?in=sandbox").shows(http.StatusOK).hides("is not live")); got != "stock/v1" {
		t.Errorf("nothing is asked for: chosen is %q", got)
	}
	if got := chosen(b.get(asked+"production").shows(http.StatusOK).hides("is not live", "Explain it in")); got != "orders/v1" {
		t.Errorf("where it is live: chosen is %q", got)
	}
	if got := chosen(b.post("/t/acme/explain?in=sandbox", "do", "token", "version", "orders/v1", "method", "GET", "path", "/x").shows(http.StatusConflict, "not live in Sandbox")); got != "orders/v1" {
		t.Errorf("after a token was refused: chosen is %q", got)
	}
	s.apiID("acme", "draft")
	if got := b.get("/t/acme/explain?version=draft%2Fv1&in=sandbox").fieldError("version"); got != "Owned v1 is not live in Sandbox, nor anywhere else." {
		t.Errorf("it says %q", got)
	}
	// It is found behind any number of others, too.
	if err := s.core.Store.Write(t.Context(), func(tx *store.Tx) error {
		for i := range 200 {
			api := apim.API{ID: apim.NewID(apim.PrefixAPI, s.clock.Now()), Tenant: acme, Slug: fmt.Sprintf("a-%d", i), Name: fmt.Sprintf("A %d", i), CreatedAt: s.clock.Now()}
			if err := tx.Tenant(acme).InsertAPI(t.Context(), api); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	last := b.get(asked+"production").shows(http.StatusOK).hides("is not live", "Nothing is live")
	if got := chosen(last); got != "orders/v1" {
		t.Errorf("behind 200 others: chosen is %q", got)
	}
	last.has(`value="/acme/orders/v1/`)
	// So is one that nobody asks for, and whoever else is live.
	if got := chosen(b.get("/t/acme/explain?in=production").shows(http.StatusOK)); got != "orders/v1" {
		t.Errorf("behind 200 that are not live: chosen is %q", got)
	}
	gone := b.get("/t/acme/explain?version=nothing%2Fv1&in=sandbox").shows(http.StatusOK)
	if got := gone.fieldError("version"); got != "There is no version nothing/v1." || chosen(gone) != "nothing/v1" {
		t.Errorf("it says %q, and %q is chosen", got, chosen(gone))
	}
}

// The version is searched for among all that are live, however many: while one types,
// and without a script by a button, or by calling what is not there.
func TestExplainFindsAnyVersion(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	v, err := s.core.Store.Tenant(acme).Version(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.core.Store.Write(t.Context(), func(tx *store.Tx) error {
		for i := range 230 {
			api := apim.API{ID: apim.NewID(apim.PrefixAPI, s.clock.Now()), Tenant: acme, Slug: fmt.Sprintf("a-%d", i), Name: fmt.Sprintf("Api %d", i), CreatedAt: s.clock.Now()}
			if err := tx.Tenant(acme).InsertAPI(t.Context(), api); err != nil {
				return err
			}
			if i%2 == 1 {
				continue // not live
			}
			v.ID, v.API = apim.NewID(apim.PrefixVersion, s.clock.Now()), api.ID
			if err := tx.Tenant(acme).InsertVersion(t.Context(), v); err != nil {
				return err
			}
			rev := apim.Revision{ID: apim.NewID(apim.PrefixRevision, s.clock.Now()), Tenant: acme, Version: v.ID, Number: 1, Runtime: v.Runtime, Document: v.Document, CreatedAt: s.clock.Now()}
			if err := tx.Tenant(acme).InsertRevision(t.Context(), rev); err != nil {
				return err
			}
			if err := tx.Tenant(acme).Deploy(t.Context(), apim.Deployment{Version: v.ID, Environment: "production", Revision: 1, At: s.clock.Now()}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	found := func(a answer) (out []string) {
		for _, m := range regexp.MustCompile(`role="option" href="/t/acme/explain\?in=production&amp;version=([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
			out = append(out, strings.ReplaceAll(m[1], "%2F", "/"))
		}
		return out
	}
	finds := func(a answer, want ...string) {
		t.Helper()
		if got := found(a); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", a.path, got, want)
		}
	}
	const search = "/t/acme/explain/versions?chosen=a-0%2Fv1&version="
	page := b.get("/t/acme/explain").shows(http.StatusOK)
	page.has(`role="combobox"`, `hx-get="/t/acme/explain/versions?chosen=a-0%2Fv1"`, `value="a-0/v1"`)
	finds(page)
	finds(b.get(search+"orde").shows(http.StatusOK), "orders/v1")
	finds(b.get(search+"a-228"), "a-228/v1")
	b.get(search + "orde").has(`aria-selected="true"`)                                                                                                                          // Enter takes it
	finds(b.get(search+"a-1/v1"), "a-10/v1", "a-100/v1", "a-102/v1", "a-104/v1", "a-106/v1", "a-108/v1", "a-110/v1", "a-112/v1", "a-114/v1", "a-116/v1", "a-118/v1", "a-12/v1") // not that, which is not live
	finds(b.get(search+"a-10/v"), "a-10/v1", "a-100/v1", "a-102/v1", "a-104/v1", "a-106/v1", "a-108/v1")                                                                        // what is named so comes first
	finds(b.get(search + "a-10/v2"))
	if got := found(b.get(search + "a-0%2Fv1").shows(http.StatusOK)); len(got) != 12 || got[0] != "a-0/v1" {
		t.Errorf("before anything is typed it offers %q", got)
	}
	// A choice loads what is called, and the path of its first operation.
	b.get("/t/acme/explain?in=production&version=orders%2Fv1").has(`value="orders/v1"`, `value="/acme/orders/v1/orders"`, `id="called"`)

	// Without a script.
	typed := []string{"version", "orde", "method", "POST", "path", "/mine", "headers", "X-Mine: 1"}
	page = b.post("/t/acme/explain", append(typed, "do", "find")...).shows(http.StatusOK, "Find versions").has(`value="/mine"`, "X-Mine: 1</textarea>", `value="orde"`)
	finds(page, "orders/v1")
	finds(b.post("/t/acme/explain", "version", "", "method", "GET", "path", "/", "do", "find").shows(http.StatusOK), found(b.get(search+"a-0%2Fv1"))...)
	b.post("/t/acme/explain", "version", "moon", "method", "GET", "path", "/", "do", "find").shows(http.StatusOK).fieldError("version")
	for _, do := range []string{"call", "token"} {
		page = b.post("/t/acme/explain", append(typed, "do", do)...).shows(http.StatusUnprocessableEntity, "There is no version orde").has(`value="/mine"`)
		page.fieldError("version")
		finds(page, "orders/v1")
	}
}
