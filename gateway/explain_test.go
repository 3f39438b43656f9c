package gateway_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/test/fake"
)

// explaining is a node that takes explain tokens.
type explaining struct {
	*running
	key [32]byte // signs tokens
}

func startExplaining(t *testing.T, more ...func(*gateway.Config)) *explaining {
	t.Helper()
	box, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	environmentKey := [32]byte{1, 2, 3}
	signs, err := secret.Derive(environmentKey, entry.ExplainKeyUse)
	if err != nil {
		t.Fatal(err)
	}
	r := &explaining{startDemo(t, append(more, func(c *gateway.Config) { c.Box = box })...), signs}
	sealed, err := secret.SealFor(base64.StdEncoding.EncodeToString(box.PublicKey().Bytes()), environmentKey[:], entry.KeyInfo("production", 1))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := entry.Encode(entry.KeysKey, at(2), entry.Keys{Number: 1, Sealed: map[string]string{uuid(1): sealed}})
	if err != nil {
		t.Fatal(err)
	}
	r.put(t, 2, keys)
	return r
}

func (r *explaining) put(t *testing.T, sequence uint64, items ...entry.Item) {
	t.Helper()
	r.carrier.Put(append(items, entry.Mark(entry.HeadKey, at(sequence)))...)
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
}

func token() entry.ExplainToken {
	return entry.ExplainToken{ID: uuid(7), Environment: "production", Tenant: uuid(102), ExpiresAt: time.Now().Add(time.Minute).Unix()}
}

func (r *explaining) sign(t *testing.T, token entry.ExplainToken) string {
	t.Helper()
	text, err := token.Sign(r.key)
	if err != nil {
		t.Fatal(err)
	}
	return entry.ExplainHeader + ": " + text
}

// explain makes a call with a token and returns the answer and its way.
func (r *explaining) explain(t *testing.T, as entry.ExplainToken, method, path, body string, headers ...string) (reply, entry.Explanation) {
	t.Helper()
	got := r.call(t, method, path, body, append(headers, r.sign(t, as))...)
	id := got.header.Get(entry.ExplainIDHeader)
	if id == "" {
		t.Fatalf("the answer names no explanation: %d %s", got.status, got.body)
	}
	var way entry.Explanation
	wait(t, "the explanation to be sent", func() bool {
		for _, x := range r.carrier.Explanations() {
			if x.ID == id {
				way = x
				return true
			}
		}
		return false
	})
	return got, way
}

// line is a way in one line: outcomes by step.
func line(x entry.Explanation) string {
	var parts []string
	for _, s := range x.Steps {
		text := s.Step + " " + s.Outcome
		if s.Code != "" {
			text += "=" + s.Code
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestTheWayOfACallIsExplained(t *testing.T) { inEachLane(t, wayCase) }

func wayCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	const base = "/demo/orders/v1"
	key := "X-API-Key: " + goodKey
	sequence := uint64(2)
	change := func(t *testing.T, items ...entry.Item) {
		sequence++
		for i := range items {
			items[i].Position = at(sequence)
		}
		r.put(t, sequence, items...)
	}
	for _, c := range []struct {
		name, method, path string
		headers            []string
		before             func(t *testing.T)
		status             int
		steps              string
		candidate          string // "reason: route" of the first
		says               string // somewhere in the details
	}{
		{
			"success", "GET", base + "/orders/7",
			[]string{key},
			nil, 200,
			"route passed, size passed, key passed, grant passed, plan_limit passed, upstream passed", "chosen: GET /orders/{id}", "under the plan Orders, Trial",
		},
		{"near miss", "GET", base + "/order", []string{key}, nil, 404, "route refused=no_route", "path: GET /orders", "segment 1 is “order”, the route wants “orders”"},
		{"trailing slash", "GET", base + "/hidden/", []string{key}, nil, 404, "route refused=no_route", "path: GET /hidden", "ends with a slash"},
		{"method", "DELETE", base + "/hidden", []string{key}, nil, 405, "route refused=method_not_allowed", "method: GET /hidden", "this is the method GET and the call's is DELETE"},
		{"no such base path", "GET", "/demo/orders/v2/orders", []string{key}, nil, 404, "", "base_path: ", "it is mounted at /demo/orders/v1"},
		{
			"no key", "GET", base + "/orders", nil, nil, 401,
			"route passed, size passed, key refused=credential_missing, grant skipped, plan_limit skipped", "chosen: GET /orders", "an API key is read from",
		},
		{
			"operation not in plan", "GET", base + "/hidden",
			[]string{key},
			nil, 403,
			"route passed, size passed, key passed, grant refused=operation_not_in_plan, plan_limit skipped", "chosen: GET /hidden", "",
		},
		{"not subscribed", "GET", base + "/orders", []string{key}, func(t *testing.T) {
			g := demoGrant()
			g.Subscriptions = nil
			change(t, grantItem(t, 1, goodKey, g))
		}, 403, "route passed, size passed, key passed, grant refused=subscription_missing, plan_limit skipped", "chosen: GET /orders", "no subscription to this version"},
		{"public", "GET", base + "/open", nil, nil, 200, "route passed, size passed, key passed, upstream passed", "chosen: GET /open", "open to everybody"},
		{"rate limited", "GET", base + "/orders", []string{key}, func(t *testing.T) {
			terms := demoTerms()
			terms.Limits = []entry.RateLimit{{Requests: 1, PeriodMS: 3_600_000}}
			change(t, grantItem(t, 1, goodKey, demoGrant()), item(t, 1, terms))
			r.call(t, "GET", base+"/orders", "", key)
		}, 429, "route passed, size passed, key passed, grant passed, plan_limit refused=rate_limited", "chosen: GET /orders", "1 calls in 1h0m0s by subscription, 1 at once: 0 left; the next call is let through in"},
		{"limited by a policy of the plan", "GET", base + "/orders", []string{key}, func(t *testing.T) {
			terms := demoTerms()
			terms.Limits = []entry.RateLimit{{Requests: 100, PeriodMS: 3_600_000}}
			terms.Policies = []entry.Policy{{Config: &entry.ConcurrencyLimit{Calls: 7, By: "subscription"}}, {Config: &entry.RateLimit{Requests: 1, PeriodMS: 3_600_000, Algorithm: "sliding_window", By: "credential"}}}
			change(t, item(t, 1, terms))
			r.call(t, "GET", base+"/orders", "", key)
		}, 429, "route passed, size passed, key passed, grant passed, plan_limit refused=rate_limited", "chosen: GET /orders", "99 left; 7 calls at a time by subscription: 1 are under way; 1 calls in 1h0m0s by credential, in a sliding window: 0 left; the next call is let through in"},
		{"predicate", "GET", base + "/open", nil, func(t *testing.T) {
			api := demoAPI(r.upstream.URL)
			for i := range api.Routes {
				if api.Routes[i].Operation == "open" {
					api.Routes[i].Predicates = []entry.Predicate{{In: "header", Name: "X-Amz-Target", Value: "Orders.Open"}}
				}
			}
			change(t, item(t, 1, api))
		}, 404, "route refused=no_route", "predicate: GET /open", "the header X-Amz-Target = “Orders.Open”"},
		{
			"upstream down", "GET", base + "/do/echo", nil, func(t *testing.T) { change(t, item(t, 1, demoAPI("http://127.0.0.1:1"))) }, 502,
			"route passed, size passed, key passed, upstream refused=upstream_unreachable", "chosen: GET /do/{what}", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before(t)
			}
			got, way := r.explain(t, token(), c.method, c.path, "", c.headers...)
			if got.status != c.status || way.Status != c.status || way.Code != got.code() && got.status >= 400 {
				t.Errorf("got %d %q, explained as %d %q, want %d", got.status, got.code(), way.Status, way.Code, c.status)
			}
			if got := line(way); got != c.steps {
				t.Errorf("got steps  %s\nwant       %s", got, c.steps)
			}
			if first := way.Candidates[0]; first.Reason+": "+first.Route != c.candidate {
				t.Errorf("got first candidate %+v, want %s", first, c.candidate)
			}
			raw, err := json.Marshal(way)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.ReplaceAll(string(raw), "\\u003d", "="), c.says) {
				t.Errorf("nothing says %q: %s", c.says, raw)
			}
			if way.TookNS <= 0 || way.Method != c.method || way.Path != c.path || way.Sequence == 0 || way.Node != uuid(1) {
				t.Errorf("got %+v", way)
			}
		})
	}
}

func TestTheUpstreamCallIsExplained(t *testing.T) {
	up := newBoth(t, fake.NewUpstream(t).ServeHTTP)
	inEachLane(t, func(t *testing.T, lane change) {
		r := startExplaining(t, lane)
		for sequence, protocol := range []string{"", "h2c", "http2", "auto"} {
			api := demoAPI("")
			up.calledBy(protocol)(&api)
			url := api.Upstreams[0].Targets[0].URL
			r.put(t, uint64(3+sequence), item(t, uint64(3+sequence), api))
			for i, want := range []bool{false, true} {
				_, way := r.explain(t, token(), "GET", "/demo/orders/v1/open", "")
				if len(way.Tries) != 1 {
					t.Fatalf("%q: got %+v", protocol, way.Tries)
				}
				try := way.Tries[0]
				if !strings.HasSuffix(url, "://"+try.Target) || try.Reused != want || try.Outcome != "answered" || try.Status != 200 || try.TookNS <= 0 || way.UpstreamNS < try.TookNS {
					t.Errorf("%q, call %d: got %+v of %d ns, reused wanted %v", protocol, i, try, way.UpstreamNS, want)
				}
				if last := way.Steps[len(way.Steps)-1]; !strings.Contains(last.Detail, try.Target+" answered 200") {
					t.Errorf("%q: got %+v", protocol, last)
				}
			}
			_, way := r.explain(t, token(), "GET", "/demo/orders/v1/files/reset", "")
			if n := len(way.Tries); n == 0 || way.Tries[n-1].Outcome == "answered" || way.Tries[n-1].Status != 0 || way.Code != "upstream_unreachable" {
				t.Errorf("%q: got %+v, code %s", protocol, way.Tries, way.Code)
			}
		}
	})
}

func TestAnExplainTokenIsTakenOnlyWhereItFits(t *testing.T) { inEachLane(t, explainTokenCase) }

func explainTokenCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	signed := r.sign(t, token())
	other := func(change func(*entry.ExplainToken)) string {
		tok := token()
		change(&tok)
		return r.sign(t, tok)
	}
	forged, err := token().Sign([32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{
		"forged":               entry.ExplainHeader + ": " + forged,
		"changed":              strings.Replace(signed, "x1.e", "x1.f", 1),
		"cut":                  signed[:len(signed)-1],
		"expired":              other(func(tok *entry.ExplainToken) { tok.ExpiresAt = time.Now().Add(-time.Second).Unix() }),
		"for too long":         other(func(tok *entry.ExplainToken) { tok.ExpiresAt = time.Now().Add(time.Hour).Unix() }),
		"of other environment": other(func(tok *entry.ExplainToken) { tok.Environment = "sandbox" }),
		"garbage":              entry.ExplainHeader + ": x1.aaaa.bbbb",
		"empty":                entry.ExplainHeader + ": ",
		"huge":                 entry.ExplainHeader + ": x1." + strings.Repeat("a", 8000),
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, "GET", "/demo/orders/v1/open", "", header)
			if got.status != 200 || got.header.Get(entry.ExplainIDHeader) != "" {
				t.Errorf("got %d with id %q", got.status, got.header.Get(entry.ExplainIDHeader))
			}
		})
	}
	// And the header never goes on, also under its alias.
	for _, header := range []string{signed, strings.Replace(signed, "X-Portico-Explain", "x_portico_explain", 1)} {
		echo := r.call(t, "GET", "/demo/orders/v1/open", "", header).echo(t)
		for name, values := range echo.Header {
			if strings.Contains(strings.ToLower(name), "explain") || strings.Contains(strings.Join(values, " "), "x1.") {
				t.Errorf("the upstream saw %s: %s", name, values)
			}
		}
	}
	wait(t, "the explanations", func() bool { return len(r.carrier.Explanations()) >= 1 })
	for _, x := range r.carrier.Explanations() {
		if x.Token != uuid(7) || x.Status != 200 {
			t.Errorf("a token that does not fit was taken: %+v", x)
		}
	}
}

func TestATokenShowsNothingOfOtherTenants(t *testing.T) { inEachLane(t, otherTenantsCase) }

func otherTenantsCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	theirs := demoAPI(r.upstream.URL)
	theirs.Version, theirs.API, theirs.Tenant, theirs.Name = uuid(500), uuid(501), uuid(502), "secretive/payroll v1"
	theirs.Mounts = []entry.Mount{{BasePath: "/secretive/payroll/v1"}}
	ours := demoAPI(r.upstream.URL)
	ours.Version, ours.API, ours.Name = uuid(510), uuid(511), "demo/second v1"
	ours.Mounts = []entry.Mount{{BasePath: "/demo/second/v1"}}
	r.put(t, 3, item(t, 3, theirs), item(t, 3, ours))

	only := token()
	only.API = uuid(101)
	for _, c := range []struct {
		name, path string
		token      entry.ExplainToken
		hidden     bool
		never      string
	}{
		{"another tenant's call", "/secretive/payroll/v1/open", token(), true, "payroll v1"},
		{"another tenant's near miss", "/secretive/payroll/v2/open", token(), true, "payroll v1"},
		{"another API's call", "/demo/second/v1/open", only, true, "second v1"},
		{"another API's near miss", "/demo/second/v9/open", only, true, "second v1"},
		{"own", "/demo/orders/v1/open", only, false, "payroll"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, way := r.explain(t, c.token, "GET", c.path, "")
			raw, err := json.Marshal(way)
			if err != nil {
				t.Fatal(err)
			}
			if way.Hidden != c.hidden || strings.Contains(string(raw), c.never) || c.hidden && (len(way.Steps) > 0 || way.Operation != "") {
				t.Errorf("got %s", raw)
			}
		})
	}
}

func TestAnExplanationHoldsNoSecrets(t *testing.T) { inEachLane(t, noSecretsCase) }

func noSecretsCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	const canary = "c4n4ry-7hQ2"
	_, way := r.explain(t, token(), "GET", "/demo/orders/v1/orders?token="+canary+"&api_key="+goodKey, "",
		"X-API-Key: "+goodKey, "Authorization: Basic "+canary, "Cookie: session="+canary)
	raw, err := json.Marshal(way)
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{canary, goodKey, r.sign(t, token())[20:]} {
		if strings.Contains(string(raw), never) {
			t.Errorf("it holds %q: %s", never, raw)
		}
	}
	for _, want := range []string{`"token","api_key"`, "Cookie", "Authorization"} {
		if !strings.Contains(strings.ReplaceAll(string(raw), "Api-Key", "API-Key"), want) {
			t.Errorf("got %s, want it to name %s", raw, want)
		}
	}
	// Who is not subscribed is not named to the provider.
	stranger := demoGrant()
	stranger.Name, stranger.Subscriptions = "Stranger's own app", nil
	r.put(t, 3, grantItem(t, 3, mint(2), stranger))
	if _, way := r.explain(t, token(), "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+mint(2)); way.Application != "" || way.Code != "subscription_missing" {
		t.Errorf("got %+v", way)
	}
}

func TestExplanationsWaitForTheBusAndAreBounded(t *testing.T) {
	r := startExplaining(t)
	r.carrier.Stop()
	header, taken := r.sign(t, token()), 0
	for range 60 {
		if r.call(t, "GET", "/demo/orders/v1/open", "", header).header.Get(entry.ExplainIDHeader) != "" {
			taken++
		}
	}
	if taken < 20 || taken == 60 {
		t.Errorf("of 60 calls at once %d were explained", taken)
	}
	r.carrier.Start()
	wait(t, "what was kept", func() bool { return len(r.carrier.Explanations()) == taken })
}

func TestExplainTokensAreReadStrictly(t *testing.T) {
	key := [32]byte{4}
	tok := token()
	text, err := tok.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := entry.OpenExplainToken(text, key, time.Now()); !ok || got != tok {
		t.Fatalf("got %+v %v", got, ok)
	}
	for i := range text {
		changed := text[:i] + string(text[i]^1) + text[i+1:]
		if _, ok := entry.OpenExplainToken(changed, key, time.Now()); ok {
			t.Fatalf("taken with byte %d changed", i)
		}
	}
}

// BenchmarkRefusedExplainToken is what a token that is not ours costs.
func BenchmarkRefusedExplainToken(b *testing.B) {
	text := "x1." + strings.Repeat("a", 160) + "." + strings.Repeat("b", 43)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := entry.OpenExplainToken(text, [32]byte{1}, time.Now()); ok {
			b.Fatal(fmt.Errorf("taken"))
		}
	}
}

// What policies make of the answer is told in the order in which it passes them,
// with names of headers and no values.
func TestStepsOfTheAnswerAreExplained(t *testing.T) { inEachLane(t, answerStepsCase) }

func answerStepsCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	api := demoAPI(r.upstream.URL)
	for _, p := range []entry.PolicyConfig{
		&entry.CORSPolicy{Origins: []string{"https://shop.example.com"}},
		&entry.CachePolicy{Public: true, DefaultTTLMS: 60_000},
		&entry.CompressPolicy{MinBytes: 1},
		&entry.AnswerHeadersPolicy{Set: []entry.NamedValue{{Name: "X-Shown", Value: "unseen-value"}}},
		&entry.ErrorPage{Statuses: []string{"401"}, Text: "who calls?"},
	} {
		api.Policies = append(api.Policies, entry.Policy{Config: p})
	}
	r.put(t, 3, item(t, 3, api))
	const path = "/demo/orders/v1/open"
	headers := []string{"Origin: https://shop.example.com", "Accept-Encoding: gzip", "Accept: text/plain"}
	after := func(x entry.Explanation) (line string, says []string) {
		t.Helper()
		last := int64(0)
		for _, s := range x.Steps {
			if s.Stage != string(entry.Answer) {
				continue
			}
			if s.AtNS < last || s.TookNS <= 0 {
				t.Errorf("%s at %d ns took %d ns, after %d", s.Step, s.AtNS, s.TookNS, last)
			}
			last, says = s.AtNS, append(says, s.Step+": "+s.Detail)
			line += s.Step + " " + s.Outcome + ", "
		}
		return line, says
	}
	for name, c := range map[string]struct {
		path, want string
		says       []string
	}{
		"stored": {path, "cache passed, answer_headers passed, error_page passed, compress passed, cors passed, ", []string{
			"cache: the answer is stored as far as it arrives whole", "error_page: changes nothing", "answer_headers: sets X-Shown", "cors: sets", "Access-Control-Allow-Origin",
		}},
		"refused": {"/demo/orders/v1/orders", "answer_headers passed, error_page passed, compress passed, cors passed, ", []string{"error_page: sets", "makes the body anew", "answer_headers: changes nothing"}},
	} {
		_, way := r.explain(t, token(), "GET", c.path, "", headers...)
		got, says := after(way)
		if got != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
		for _, want := range c.says {
			if !strings.Contains(strings.Join(says, "\n"), want) {
				t.Errorf("%s: nothing says %q: %q", name, want, says)
			}
		}
		if strings.Contains(fmt.Sprint(says), "unseen-value") {
			t.Errorf("%s: a header's value is told: %q", name, says)
		}
	}
	_, way := r.explain(t, token(), "GET", path, "", headers...)
	if got, _ := after(way); strings.Contains(got, "cache") || !strings.Contains(line(way), "cache passed") {
		t.Errorf("a hit: got %s", line(way))
	}
}
