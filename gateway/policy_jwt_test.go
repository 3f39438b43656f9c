package gateway_test

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// fetching lets a node fetch keys of issuers.
func fetching(lane change) change {
	return func(c *gateway.Config) {
		lane(c)
		c.Fetch = &http.Client{Transport: http.DefaultTransport}
	}
}

// registration is the grant of an application that has registered "client" of an
// issuer.
func registration(t *testing.T, sequence uint64, i *fake.Issuer) entry.Item {
	t.Helper()
	hash := entry.TokenHash(i.Name, "client")
	key, err := entry.GrantKey(hex.EncodeToString(hash[:]))
	if err != nil {
		t.Fatal(err)
	}
	grant := demoGrant()
	grant.Credential = uuid(310)
	it, err := entry.Encode(key, at(sequence), grant)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// atomicClock is a time that a test moves.
type atomicClock struct{ ahead atomic.Int64 }

func (c *atomicClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *atomicClock) move(d time.Duration) { c.ahead.Add(int64(d)) }

func tokensOf(i *fake.Issuer) *entry.JWTPolicy {
	return &entry.JWTPolicy{Issuer: i.Name, JWKSURL: i.URL, Algorithms: []string{"ES256"}, Audiences: []string{"orders"}}
}

func jwtCase(t *testing.T, lane change) {
	i := fake.NewIssuer(t, "ES256")
	r := governed(t, fetching(lane), func(api *entry.API) {
		api.Policies = []entry.Policy{{Config: &entry.KeyPolicy{Header: "X-API-Key"}}, {Config: tokensOf(i)}}
	}, registration(t, 2, i))
	good := "Authorization: Bearer " + i.Token(t, "ES256", nil)
	for range 2 {
		if got := r.call(t, "GET", "/demo/orders/v1/orders/echo", "", good); got.status != 200 || got.echo(t).Header["Authorization"] != nil {
			t.Errorf("with a token: got %d %s", got.status, got.body)
		}
	}
	if got := r.call(t, "POST", "/demo/orders/v1/orders", "{}", "X-API-Key: "+goodKey); got.status != 200 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", "/demo/orders/v1/do/echo", "{}", good); got.status != 200 || got.echo(t).Header["Authorization"] != nil {
		t.Errorf("a token on a public operation: got %d %s", got.status, got.body)
	}
	got := r.call(t, "GET", "/demo/orders/v1/orders", "")
	if want := []string{`ApiKey realm="portico"`, `Bearer realm="portico"`}; got.status != 401 || got.code() != "credential_missing" ||
		!slices.Equal(got.header.Values("WWW-Authenticate"), want) || !strings.Contains(got.body, "X-API-Key") || !strings.Contains(got.body, i.Name) {
		t.Errorf("with neither: got %d %s %q", got.status, got.body, got.header.Values("WWW-Authenticate"))
	}
	got = r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+i.Token(t, "ES256", map[string]any{"exp": time.Now().Unix() - 1}))
	if got.status != 401 || got.code() != "credential_expired" || got.header.Get("WWW-Authenticate") != `Bearer realm="portico", error="invalid_token"` {
		t.Errorf("with one that has expired: got %d %s %q", got.status, got.body, got.header.Get("WWW-Authenticate"))
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+i.Token(t, "ES256", map[string]any{"azp": "other"})); got.status != 403 || got.code() != "application_unknown" {
		t.Errorf("of another application: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/hidden", "", good); got.status != 403 || got.code() != "operation_not_in_plan" {
		t.Errorf("beyond its plan: got %d %s", got.status, got.body)
	}
	r.serve(t, 3, entry.Tombstone(registration(t, 3, i).Key, at(3)))
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", good); got.status != 403 || got.code() != "application_unknown" {
		t.Errorf("after its registration was revoked: got %d %s", got.status, got.body)
	}
}

func anonymousCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.AnonymousPolicy{}})
	})
	if got := r.call(t, "GET", "/demo/orders/v1/hidden", ""); got.status != 200 {
		t.Errorf("without a credential: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: x"); got.status != 401 || got.code() != "credential_invalid" {
		t.Errorf("with a bad one: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/hidden", "", "X-API-Key: "+goodKey); got.status != 403 || got.code() != "operation_not_in_plan" {
		t.Errorf("with a good one, beyond its plan: got %d %s", got.status, got.body)
	}
}

func scopesCase(t *testing.T, lane change) {
	i := fake.NewIssuer(t, "ES256")
	inline := tokensOf(i)
	inline.JWKSURL, inline.JWKS, inline.Unregistered = "", i.Set(), true
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: inline}, entry.Policy{Config: &entry.AnonymousPolicy{}})
		api.Routes[0].Policies = []entry.Policy{{Config: &entry.ScopesPolicy{All: []string{"read"}, Any: []string{"eu", "us"}}}}
		api.Routes[1].Policies = []entry.Policy{{Config: &entry.ScopesPolicy{All: []string{"write"}, PassKeys: true}}}
	})
	token := func(scope any) string {
		return "Authorization: Bearer " + i.Token(t, "ES256", map[string]any{"scope": scope})
	}
	for _, c := range []struct {
		method, header string
		status         int
		code           string
	}{
		{"GET", token("eu read"), 200, ""},
		{"GET", token([]string{"us", "read"}), 200, ""},
		{"GET", token("read"), 403, "insufficient_scope"},
		{"GET", token("eu us"), 403, "insufficient_scope"},
		{"GET", token("reading eu"), 403, "insufficient_scope"},
		{"GET", token(nil), 403, "insufficient_scope"},
		{"GET", "X-API-Key: " + goodKey, 403, "insufficient_scope"},
		{"GET", "A: b", 401, "credential_missing"},
		{"POST", "X-API-Key: " + goodKey, 200, ""},
		{"POST", token("read"), 403, "insufficient_scope"},
	} {
		got := r.call(t, c.method, "/demo/orders/v1/orders", "", c.header)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s %.40s: got %d %s", c.method, c.header, got.status, got.body)
		}
		if want := `Bearer realm="portico", error="insufficient_scope", scope="read eu us"`; c.method == "GET" && c.status == 403 && got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s %.40s: got challenge %q", c.method, c.header, got.header.Get("WWW-Authenticate"))
		}
	}
}

func expressionCase(t *testing.T, lane change) {
	i := fake.NewIssuer(t, "ES256")
	inline := tokensOf(i)
	inline.JWKSURL, inline.JWKS = "", i.Set()
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: inline})
		api.Routes[0].Policies = []entry.Policy{{Config: &entry.ExpressionPolicy{
			Expression: `request.query.page != "2" and (caller.by == "key" and caller.application == "app_` + uuid(301) + `" and caller.plan == "plan_` + uuid(200) + `" or claims.level >= 3)`,
			Detail:     "Ask for level 3.",
		}}}
		api.Routes[2].Policies = []entry.Policy{{Config: &entry.ExpressionPolicy{
			Expression: `request.params["id"] == request.headers["X-Order"] and request.method == "GET" and request.operation == "show" and request.path endsWith "/7 8" and request.address startsWith "127."`,
		}}}
	}, registration(t, 2, i))
	level := func(n any) string {
		return "Authorization: Bearer " + i.Token(t, "ES256", map[string]any{"level": n})
	}
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		detail  string
	}{
		{"orders", []string{"X-API-Key: " + goodKey}, 200, ""},
		{"orders", []string{level(3)}, 200, ""},
		{"orders", []string{level(2)}, 403, "Ask for level 3."},
		{"orders", []string{level("3")}, 403, "Ask for level 3."},
		{"orders", []string{level(nil)}, 403, "Ask for level 3."},
		{"orders?page=%32", []string{level(3)}, 403, "Ask for level 3."},
		{"orders?page=1&page=2", []string{level(3)}, 200, ""},
		{"orders/7%208", []string{level(3), "x-order: 7 8"}, 200, ""},
		{"orders/7%208", []string{level(3), "x-order: 7 8", "X-Order: 9"}, 403, "The API's provider does not allow this call."},
		{"orders/9", []string{level(3), "x-order: 9"}, 403, "The API's provider does not allow this call."},
	} {
		got := r.call(t, "GET", "/demo/orders/v1/"+c.path, "", c.headers...)
		if got.status != c.status || c.status == 403 && (got.code() != "not_allowed" || !strings.Contains(got.body, c.detail)) {
			t.Errorf("%s %.60q: got %d %s", c.path, c.headers, got.status, got.body)
		}
	}
}

func TestAKeyThatTheIssuerHasJustMadeIsTaken(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	ahead := &atomicClock{}
	r := governed(t, func(c *gateway.Config) {
		fetching(func(*gateway.Config) {})(c)
		c.Now = ahead.now
	}, func(api *entry.API) { api.Policies = []entry.Policy{{Config: tokensOf(i)}} }, registration(t, 2, i))
	call := func(id string) reply {
		return r.call(t, "GET", "/demo/orders/v1/orders", "",
			"Authorization: Bearer "+i.Sign(t, "ES256", map[string]any{"alg": "ES256", "kid": id}, id, i.Claims(map[string]any{"exp": time.Now().Unix() + 200_000})))
	}
	if got := call("ES256-1"); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	i.Add(t, "ES256", "ES256-2")
	ahead.move(6 * time.Second)
	if got := call("ES256-2"); got.status != 200 {
		t.Errorf("the new key: got %d %s", got.status, got.body)
	}
	// A token that is known already ends with its key.
	i.Hide("ES256-1", true)
	ahead.move(time.Hour)
	wait(t, "the old key to be refused", func() bool { return call("ES256-1").status == 401 })
	if got := call("ES256-2"); got.status != 200 {
		t.Errorf("the new key, later: got %d %s", got.status, got.body)
	}
	// The issuer goes away: its keys are good for a day.
	i.Answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	ahead.move(20 * time.Hour)
	if got := call("ES256-2"); got.status != 200 {
		t.Errorf("the issuer is away: got %d %s", got.status, got.body)
	}
	ahead.move(4*time.Hour + time.Minute)
	if got := call("ES256-2"); got.status != 503 || got.code() != "issuer_unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("the issuer is away too long: got %d %s", got.status, got.body)
	}
	i.Answers(nil)
	ahead.move(time.Minute)
	wait(t, "the issuer to be back", func() bool { return call("ES256-2").status == 200 })
}

// TestTokensOfAKeyThatWasWithdrawnAreRefused has the issuer publish an empty set,
// while it is asked and may be away for a day otherwise.
func TestTokensOfAKeyThatWasWithdrawnAreRefused(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		i, ahead := fake.NewIssuer(t, "ES256"), &atomicClock{}
		r := governed(t, func(c *gateway.Config) {
			fetching(lane)(c)
			c.Now = ahead.now
		}, func(api *entry.API) { api.Policies = []entry.Policy{{Config: tokensOf(i)}} }, registration(t, 2, i))
		text := i.Token(t, "ES256", map[string]any{"exp": time.Now().Unix() + 200_000})
		call := func() reply {
			return r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+text)
		}
		if got := call(); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		i.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
		ahead.move(11 * time.Minute)
		wait(t, "the token to be refused", func() bool {
			got := call()
			return got.status == 401 && got.code() == "credential_invalid"
		})
		i.Answers(nil)
		ahead.move(6 * time.Second)
		if got := call(); got.status != 200 {
			t.Errorf("when the key is published again: got %d %s", got.status, got.body)
		}
	})
}

// TestTokensThatNameNoKeyAreTakenWhileKeysAreRotated has an issuer that publishes the
// old key and the new one, and then begins one that it did not publish before.
func TestTokensThatNameNoKeyAreTakenWhileKeysAreRotated(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	i.Add(t, "ES256", "ES256-2")
	ahead := &atomicClock{}
	r := governed(t, func(c *gateway.Config) {
		fetching(func(*gateway.Config) {})(c)
		c.Now = ahead.now
	}, func(api *entry.API) { api.Policies = []entry.Policy{{Config: tokensOf(i)}} }, registration(t, 2, i))
	call := func(id string, n int) reply {
		return r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+i.Sign(t, "ES256", map[string]any{"alg": "ES256"}, id, i.Claims(map[string]any{"jti": n})))
	}
	for n := range 5 {
		for _, id := range []string{"ES256-1", "ES256-2"} {
			if got := call(id, n); got.status != 200 {
				t.Errorf("by %s: got %d %s", id, got.status, got.body)
			}
		}
		ahead.move(6 * time.Second)
	}
	if n := i.Calls(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	i.Add(t, "ES256", "ES256-3")
	i.Hide("ES256-1", true)
	if got := call("ES256-3", 1); got.status != 200 {
		t.Errorf("by a key that was just made: got %d %s", got.status, got.body)
	}
	ahead.move(6 * time.Second)
	if got := call("ES256-1", 9); got.status != 401 || got.code() != "credential_invalid" || !strings.Contains(got.body, "does not publish") {
		t.Errorf("by the old one: got %d %s", got.status, got.body)
	}
}

// TestNoTokenIsTakenWithoutKeys has the issuer away, slow and talking garbage from
// the first call on: 503, never 200.
func TestNoTokenIsTakenWithoutKeys(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for name, answer := range map[string]http.HandlerFunc{
			"away":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[{}]}`)) },
			"slow":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				i := fake.NewIssuer(t, "ES256")
				i.Answers(answer)
				r := governed(t, fetching(lane), func(api *entry.API) {
					api.Policies = append(api.Policies, entry.Policy{Config: tokensOf(i)}, entry.Policy{Config: &entry.AnonymousPolicy{}})
				}, registration(t, 2, i))
				began := time.Now()
				got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+i.Token(t, "ES256", nil))
				if got.status != 503 || got.code() != "issuer_unavailable" {
					t.Errorf("got %d %s", got.status, got.body)
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("took %v", took)
				}
				if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
					t.Errorf("with a key: got %d %s", got.status, got.body)
				}
			})
		}
	})
}

func TestAnOperationsOwnWaysTakeThePlaceOfTheAPIs(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	inline := tokensOf(i)
	inline.JWKSURL, inline.JWKS = "", i.Set()
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) { api.Routes[0].Policies = []entry.Policy{{Config: inline}} }, registration(t, 2, i))
		good := "Authorization: Bearer " + i.Token(t, "ES256", nil)
		for _, c := range []struct {
			path, header string
			status       int
		}{
			{"orders", good, 200},
			{"orders", "X-API-Key: " + goodKey, 401},
			{"orders/1", good, 401},
			{"orders/1", "X-API-Key: " + goodKey, 200},
		} {
			if got := r.call(t, "GET", "/demo/orders/v1/"+c.path, "", c.header); got.status != c.status {
				t.Errorf("%s %.30s: got %d %s", c.path, c.header, got.status, got.body)
			}
		}
	})
}
