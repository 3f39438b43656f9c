package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// asking is a policy that asks an issuer, and registered the grant of the
// application that has registered "client" there.
func asking(i *fake.Introspection) *entry.IntrospectionPolicy {
	return &entry.IntrospectionPolicy{URL: i.URL, Issuer: i.Name, ClientID: "gateway", Audiences: []string{"orders"}}
}

// sealAt seals a secret for a field of a version's policy.
func (s *sealing) sealAt(t testing.TB, operation string, place int, kind entry.PolicyKind, field, plain string) entry.Secret {
	t.Helper()
	sealed := s.seal(t, entry.PolicySecretInfo(demoAPI("").Version, operation, place, kind, field), []byte(plain))
	return entry.Secret{Sealed: &sealed}
}

// introspecting serves an API whose callers are identified by an issuer that is
// asked.
func introspecting(t *testing.T, lane change, i *fake.Introspection, edit func(*entry.API, *entry.IntrospectionPolicy)) *running {
	t.Helper()
	keys := newSealing(t)
	return governed(t, func(c *gateway.Config) {
		fetching(lane)(c)
		c.Box = keys.node
	}, func(api *entry.API) {
		p := asking(i)
		p.ClientSecret = keys.sealAt(t, "", 0, p.Kind(), "client_secret", fake.IntrospectionSecret)
		api.Policies = []entry.Policy{{Config: p}}
		edit(api, p)
	}, keys.item(t, 2, 1), registration(t, 2, &fake.Issuer{Name: i.Name}))
}

func introspectionCase(t *testing.T, lane change) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "good", map[string]any{"level": 3})
	i.Tell(t, "others", map[string]any{"client_id": "other"})
	i.Tell(t, "minimal", map[string]any{"iss": nil, "exp": nil, "iat": nil, "token_type": nil, "scope": nil})
	r := introspecting(t, lane, i, func(api *entry.API, _ *entry.IntrospectionPolicy) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.KeyPolicy{Header: "X-API-Key"}})
		api.Routes[0].Policies = []entry.Policy{
			{Config: &entry.ScopesPolicy{All: []string{"read"}, PassKeys: true}},
			{Config: &entry.ExpressionPolicy{Expression: `caller.by == "key" or caller.by == "introspection" and claims.level >= 3`}},
		}
	})
	for range 2 {
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer good"); got.status != 200 || got.echo(t).Header["Authorization"] != nil {
			t.Errorf("with a token: got %d %s", got.status, got.body)
		}
	}
	if i.Calls() != 1 {
		t.Errorf("asked %d times about one token", i.Calls())
	}
	if got := r.call(t, "POST", "/demo/orders/v1/orders", `{"a":1}`, "Authorization: bearer minimal"); got.status != 200 || !strings.Contains(got.body, `\"a\":1`) && !strings.Contains(got.body, `"a":1`) {
		t.Errorf("with one of which little is told, and a body: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
	calls := i.Calls()
	if got := r.call(t, "POST", "/demo/orders/v1/do/echo", "{}", "Authorization: Bearer whatever"); got.status != 200 || got.echo(t).Header["Authorization"] != nil || i.Calls() != calls {
		t.Errorf("a token on a public operation: got %d %s, %d questions", got.status, got.body, i.Calls()-calls)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", ""); got.status != 401 || got.code() != "credential_missing" || !strings.Contains(got.body, i.Name) {
		t.Errorf("with neither: got %d %s", got.status, got.body)
	}
	for range 2 {
		got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer unknown")
		if got.status != 401 || got.code() != "credential_invalid" || got.header.Get("WWW-Authenticate") != `Bearer realm="portico", error="invalid_token"` {
			t.Errorf("with a token that is not active: got %d %s %q", got.status, got.body, got.header.Get("WWW-Authenticate"))
		}
	}
	if asked := i.Calls() - calls; asked != 1 {
		t.Errorf("asked %d times about a token that is not active", asked)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer others"); got.status != 403 || got.code() != "application_unknown" || !strings.Contains(got.body, "client_id") {
		t.Errorf("of another application: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/hidden", "", "Authorization: Bearer good"); got.status != 403 || got.code() != "operation_not_in_plan" {
		t.Errorf("beyond its plan: got %d %s", got.status, got.body)
	}
	i.Answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer new"); got.status != 503 || got.code() != "introspection_unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("while the issuer is away: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer good"); got.status != 200 {
		t.Errorf("a token that is known, while the issuer is away: got %d %s", got.status, got.body)
	}
	r.serve(t, 3, entry.Tombstone(registration(t, 3, &fake.Issuer{Name: i.Name}).Key, at(3)))
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer good"); got.status != 403 || got.code() != "application_unknown" {
		t.Errorf("after its registration was revoked: got %d %s", got.status, got.body)
	}
}

// TestTokensOfWhichTheIssuerSaysOtherwiseAreRefused has answers that are no good
// ones, each as near to one as can be: never 200.
func TestTokensOfWhichTheIssuerSaysOtherwiseAreRefused(t *testing.T) {
	now := time.Now().Unix()
	i := fake.NewIntrospection(t)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	inEachLane(t, func(t *testing.T, lane change) {
		r := introspecting(t, lane, i, func(_ *entry.API, p *entry.IntrospectionPolicy) {
			p.Required = []entry.RequiredClaim{{Name: "department", Values: []string{"sales"}}}
		})
		for name, c := range map[string]struct {
			members map[string]any
			raw     string
			status  int
			code    string
		}{
			"good":                        {members: map[string]any{}, status: 200},
			"for several":                 {members: map[string]any{"aud": []string{"others", "orders"}}, status: 200},
			"one scope in a list":         {members: map[string]any{"scope": []string{"read"}}, status: 200},
			"not active":                  {members: map[string]any{"active": false}, status: 401, code: "credential_invalid"},
			"expired, and said active":    {members: map[string]any{"exp": now - 1}, status: 401, code: "credential_expired"},
			"not yet valid":               {members: map[string]any{"nbf": now + 60}, status: 401, code: "credential_invalid"},
			"issued later":                {members: map[string]any{"iat": now + 60}, status: 401, code: "credential_invalid"},
			"exp is a text":               {members: map[string]any{"exp": "9999999999"}, status: 401, code: "credential_invalid"},
			"exp is beyond counting":      {members: map[string]any{"exp": 1e300}, status: 401, code: "credential_invalid"},
			"exp is negative":             {members: map[string]any{"exp": -1}, status: 401, code: "credential_invalid"},
			"wrong issuer":                {members: map[string]any{"iss": "https://id.example.com"}, status: 401, code: "credential_invalid"},
			"issuer is a list":            {members: map[string]any{"iss": []string{i.Name}}, status: 401, code: "credential_invalid"},
			"wrong audience":              {members: map[string]any{"aud": "others"}, status: 401, code: "credential_invalid"},
			"no audience":                 {members: map[string]any{"aud": nil}, status: 401, code: "credential_invalid"},
			"audience is an object":       {members: map[string]any{"aud": map[string]any{"orders": true}}, status: 401, code: "credential_invalid"},
			"without what is required":    {members: map[string]any{"department": "support"}, status: 401, code: "credential_invalid"},
			"a refresh token":             {members: map[string]any{"token_type": "refresh_token"}, status: 401, code: "credential_invalid"},
			"a refresh token of Hydra":    {members: map[string]any{"token_use": "refresh_token"}, status: 401, code: "credential_invalid"},
			"a refresh token of Keycloak": {members: map[string]any{"typ": "Refresh"}, status: 401, code: "credential_invalid"},
			"an ID token":                 {members: map[string]any{"typ": "ID"}, status: 401, code: "credential_invalid"},
			"type is a list":              {members: map[string]any{"token_type": []string{"Bearer"}}, status: 401, code: "credential_invalid"},
			"bound to a proof":            {members: map[string]any{"cnf": map[string]any{"jkt": "x"}, "token_type": "DPoP"}, status: 401, code: "credential_invalid"},
			"bound to a proof, Bearer":    {members: map[string]any{"cnf": map[string]any{"jkt": "x"}}, status: 401, code: "credential_invalid"},
			"of nobody":                   {members: map[string]any{"client_id": nil}, status: 403, code: "application_unknown"},
			"client is a number":          {members: map[string]any{"client_id": 7}, status: 403, code: "application_unknown"},
			"active is a text":            {members: map[string]any{"active": "true"}, status: 503, code: "introspection_unavailable"},
			"active is a number":          {members: map[string]any{"active": 1}, status: 503, code: "introspection_unavailable"},
			"active is missing":           {members: map[string]any{"active": nil}, status: 503, code: "introspection_unavailable"},
			"active is null":              {raw: `{"active":null}`, status: 503, code: "introspection_unavailable"},
			"Active":                      {raw: `{"Active":true,"client_id":"client","aud":"orders"}`, status: 503, code: "introspection_unavailable"},
			"active twice":                {raw: `{"active":false,"active":true,"client_id":"client","aud":"orders"}`, status: 503, code: "introspection_unavailable"},
			"empty":                       {raw: ` `, status: 503, code: "introspection_unavailable"},
			"a page":                      {raw: `<html>active</html>`, status: 503, code: "introspection_unavailable"},
			"true":                        {raw: `true`, status: 503, code: "introspection_unavailable"},
			"a list":                      {raw: `[{"active":true}]`, status: 503, code: "introspection_unavailable"},
			"cut off":                     {raw: `{"active":true,"client_id":"client"`, status: 503, code: "introspection_unavailable"},
			"two answers":                 {raw: `{"active":true} {"active":true}`, status: 503, code: "introspection_unavailable"},
			"no UTF-8":                    {raw: "{\"active\":true,\"x\":\"\xff\"}", status: 503, code: "introspection_unavailable"},
			"deep":                        {raw: `{"active":true,"a":` + deep + `}`, status: 503, code: "introspection_unavailable"},
			"huge":                        {raw: `{"active":true,"a":"` + strings.Repeat("x", 16<<10) + `"}`, status: 503, code: "introspection_unavailable"},
		} {
			if c.raw != "" {
				i.Says(name, c.raw)
			} else {
				members := map[string]any{"department": "sales"}
				for member, value := range c.members {
					members[member] = value
				}
				i.Tell(t, name, members)
			}
			got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+name)
			if got.status != c.status || got.code() != c.code {
				t.Errorf("%s: got %d %s", name, got.status, got.body)
			}
		}
		calls := i.Calls()
		for name, token := range map[string]string{"empty": "", "oversized": strings.Repeat("x", 8<<10+1)} {
			if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+token); got.status != 401 || got.code() != "credential_invalid" && got.code() != "credential_missing" {
				t.Errorf("%s: got %d %s", name, got.status, got.body)
			}
		}
		if i.Calls() != calls {
			t.Error("asked about what can be no token")
		}
	})
}

// TestNoTokenIsTakenWhileItsIssuerCannotBeAsked has it away, slow, redirecting and
// talking without end: 503, never 200.
func TestNoTokenIsTakenWhileItsIssuerCannotBeAsked(t *testing.T) {
	good := `{"active":true,"client_id":"client","aud":"orders"}`
	elsewhere := fake.NewIntrospection(t)
	elsewhere.Says("canary-token", good)
	inEachLane(t, func(t *testing.T, lane change) {
		for name, answer := range map[string]http.HandlerFunc{
			"away":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			"forbidden": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); _, _ = io.WriteString(w, good) },
			"created":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = io.WriteString(w, good) },
			"slow":      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			"drips": func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, " ")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(10 * time.Millisecond)
				}
			},
			"endless": func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
						return
					}
				}
			},
			"breaks off": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "200")
				_, _ = io.WriteString(w, good)
				panic(http.ErrAbortHandler)
			},
			"redirects":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, 307) },
			"redirects, 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, 302) },
			"gzip": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write([]byte{31, 139, 8})
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				i := fake.NewIntrospection(t)
				i.Answers(answer)
				var logged bytes.Buffer
				var mu sync.Mutex
				r := introspecting(t, func(c *gateway.Config) {
					lane(c)
					c.Log = slog.New(slog.NewTextHandler(guarded{&mu, &logged}, nil))
				}, i, func(api *entry.API, p *entry.IntrospectionPolicy) {
					p.TimeoutMS, p.URL = 300, i.URL+"?key=canary-query"
					api.Policies = append(api.Policies, entry.Policy{Config: &entry.AnonymousPolicy{}})
				})
				began := time.Now()
				got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer canary-token")
				if got.status != 503 || got.code() != "introspection_unavailable" {
					t.Errorf("got %d %s", got.status, got.body)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("took %v", took)
				}
				wait(t, "a word in the log", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return strings.Contains(logged.String(), "an issuer cannot be asked")
				})
				mu.Lock()
				defer mu.Unlock()
				for _, canary := range []string{"canary", fake.IntrospectionSecret} {
					if strings.Contains(logged.String()+got.body, canary) {
						t.Errorf("told: %s %s", logged.String(), got.body)
					}
				}
			})
		}
	})
	if elsewhere.Calls() != 0 {
		t.Error("a token went where a redirect says")
	}
}

// guarded is a buffer that several write to.
type guarded struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (g guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(p)
}

// TestTheGatewayProvesWhoAsks asks in each way that there is, with secrets that
// are sealed for the place where they stand and open nowhere else.
func TestTheGatewayProvesWhoAsks(t *testing.T) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "good", nil)
	for name, c := range map[string]struct {
		edit   func(s *sealing, p *entry.IntrospectionPolicy)
		status int
	}{
		"basic": {func(s *sealing, p *entry.IntrospectionPolicy) {}, 200},
		"post":  {func(s *sealing, p *entry.IntrospectionPolicy) { p.ClientAuth = "post" }, 200},
		"token": {func(s *sealing, p *entry.IntrospectionPolicy) {
			p.ClientID, p.ClientSecret = "", entry.Secret{}
			p.Token = s.sealAt(t, "list", 0, p.Kind(), "token", "asker")
		}, 200},
		"another secret": {func(s *sealing, p *entry.IntrospectionPolicy) {
			p.ClientSecret = s.sealAt(t, "list", 0, p.Kind(), "client_secret", "guessed")
		}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			keys := newSealing(t)
			r := governed(t, func(c *gateway.Config) {
				fetching(func(*gateway.Config) {})(c)
				c.Box = keys.node
			}, func(api *entry.API) {
				p := asking(i)
				p.ClientSecret = keys.sealAt(t, "list", 0, p.Kind(), "client_secret", fake.IntrospectionSecret)
				c.edit(keys, p)
				api.Routes[0].Policies = []entry.Policy{{Config: p}}
			}, keys.item(t, 2, 1), registration(t, 2, &fake.Issuer{Name: i.Name}))
			if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer good"); got.status != c.status {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		keys := newSealing(t)
		r := startDemo(t, func(c *gateway.Config) { c.Box = keys.node })
		sequence := uint64(1)
		for name, bad := range map[string]entry.Secret{
			"sealed for another place":     keys.sealAt(t, "", 1, entry.PolicyIntrospection, "client_secret", "x"),
			"sealed for another operation": keys.sealAt(t, "list", 0, entry.PolicyIntrospection, "client_secret", "x"),
			"sealed for another field":     keys.sealAt(t, "", 0, entry.PolicyIntrospection, "token", "x"),
			"sealed for another kind":      keys.sealAt(t, "", 0, entry.PolicyBasic, "client_secret", "x"),
			"not sealed":                   {Ref: "${gateway_secret}"},
			"no box":                       {Sealed: &entry.Sealed{Key: 1, Box: "eA=="}},
			"another key's":                {Sealed: &entry.Sealed{Key: 9, Box: keys.seal(t, "x", []byte("x")).Box}},
		} {
			sequence++
			api := demoAPI(r.upstream.URL)
			p := asking(i)
			p.ClientSecret = bad
			api.Policies = []entry.Policy{{Config: p}}
			r.carrier.Put(keys.item(t, sequence, 1), item(t, sequence, api), entry.Mark(entry.HeadKey, at(sequence)))
			wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
			if refused := r.Status().Refused; len(refused) != 1 || !strings.Contains(refused[0].Reason, "client_secret") {
				t.Errorf("%s: refused %+v", name, refused)
			}
		}
	})
}

// TestAnswersAreKeptForATimeAndNeverBeyondTheTokensEnd moves the clock.
func TestAnswersAreKeptForATimeAndNeverBeyondTheTokensEnd(t *testing.T) {
	i, ahead := fake.NewIntrospection(t), &atomicClock{}
	end := time.Now().Add(100 * time.Second)
	i.Tell(t, "long", map[string]any{"exp": nil})
	i.Tell(t, "short", map[string]any{"exp": end.Unix()})
	var policies []entry.Policy
	r := introspecting(t, func(c *gateway.Config) { c.Now = ahead.now }, i, func(api *entry.API, p *entry.IntrospectionPolicy) {
		p.CacheMS = 3_600_000
		policies = api.Policies
	})
	call := func(token string, status int, asked int) {
		t.Helper()
		before := i.Calls()
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+token); got.status != status || i.Calls()-before != asked {
			t.Errorf("%s: got %d %s, asked %d times", token, got.status, got.body, i.Calls()-before)
		}
	}
	call("long", 200, 1)
	call("short", 200, 1)
	call("unknown", 401, 1)
	i.Tell(t, "unknown", nil)
	ahead.move(5 * time.Second)
	call("long", 200, 0)
	call("unknown", 401, 0)
	ahead.move(6 * time.Second)
	call("unknown", 200, 1) // that it was not taken is forgotten soon
	ahead.move(time.Until(end) - time.Duration(ahead.ahead.Load()) + time.Second)
	call("short", 401, 1) // its issuer calls it active
	call("long", 200, 0)
	// A publish that changes nothing of the question asks nothing anew.
	api := demoAPI(r.upstream.URL)
	api.Policies, api.Revision = policies, api.Revision+1
	r.serve(t, 3, item(t, 3, api))
	call("long", 200, 0)
	i.Says("long", `{"active":false}`)
	ahead.move(time.Hour)
	call("long", 401, 1)
}

// TestManyCallsShareOneQuestion brings one token at once, then many tokens.
func TestManyCallsShareOneQuestion(t *testing.T) {
	i := fake.NewIntrospection(t)
	release := make(chan struct{})
	i.Answers(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, `{"active":true,"client_id":"client","aud":"orders"}`)
	})
	r := introspecting(t, func(*gateway.Config) {}, i, func(_ *entry.API, p *entry.IntrospectionPolicy) { p.Concurrency, p.TimeoutMS = 4, 10_000 })
	var group sync.WaitGroup
	many := func(n int, token func(int) string) map[int]int {
		var mu sync.Mutex
		status := map[int]int{}
		for k := range n {
			group.Go(func() {
				got := r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+token(k))
				mu.Lock()
				defer mu.Unlock()
				status[got.status]++
			})
		}
		return status
	}
	status := many(20, func(int) string { return "one" })
	wait(t, "the first question", func() bool { return i.Calls() > 0 })
	time.Sleep(100 * time.Millisecond) // others would ask by now
	close(release)
	group.Wait()
	if i.Calls() != 1 || status[200] != 20 {
		t.Errorf("asked %d times, got %v", i.Calls(), status)
	}
	release = make(chan struct{})
	status = many(60, func(k int) string { return fmt.Sprint("token-", k) })
	wait(t, "as many questions as there may be about new tokens", func() bool { return i.Most() == 3 })
	time.Sleep(100 * time.Millisecond)
	close(release)
	group.Wait()
	if i.Most() != 3 || status[200]+status[503] != 60 || status[200] < 34 || status[200] == 60 {
		t.Errorf("%d questions were open at once, got %v", i.Most(), status)
	}
}

// TestStrangersLockNobodyOutWhoseTokenWasGood has many of them under way when what
// is known of a good token ends.
func TestStrangersLockNobodyOutWhoseTokenWasGood(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		i, ahead, gone := fake.NewIntrospection(t), &atomicClock{}, make(chan struct{})
		release := sync.OnceFunc(func() { close(gone) })
		t.Cleanup(release)
		i.Tell(t, "good", map[string]any{"exp": nil})
		r := introspecting(t, func(c *gateway.Config) { lane(c); c.Now = ahead.now }, i, func(_ *entry.API, p *entry.IntrospectionPolicy) {
			p.Concurrency, p.TimeoutMS = 4, 10_000
		})
		call := func(token string) reply {
			return r.call(t, "GET", "/demo/orders/v1/orders", "", "Authorization: Bearer "+token)
		}
		if got := call("good"); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		i.Answers(func(w http.ResponseWriter, r *http.Request) {
			if r.PostFormValue("token") != "good" {
				<-gone
			}
			_, _ = io.WriteString(w, `{"active":true,"client_id":"client","aud":"orders"}`)
		})
		var strangers sync.WaitGroup
		var refused atomic.Int64
		for n := range 100 {
			strangers.Go(func() {
				if got := call("stranger-" + strconv.Itoa(n)); got.status == 503 {
					refused.Add(1)
				}
			})
		}
		wait(t, "strangers to be refused", func() bool { return refused.Load() == 100-34 })
		for range 3 {
			ahead.move(61 * time.Second)
			if got := call("good"); got.status != 200 {
				t.Errorf("a token that was good a minute ago: got %d %s", got.status, got.body)
			}
		}
		release()
		strangers.Wait()
	})
}

// TestPoliciesThatAskOneIssuerShareWhatItBears has two that make different things
// of its answers.
func TestPoliciesThatAskOneIssuerShareWhatItBears(t *testing.T) {
	i, gone, keys := fake.NewIntrospection(t), make(chan struct{}), newSealing(t)
	release := sync.OnceFunc(func() { close(gone) })
	t.Cleanup(release)
	i.Answers(func(w http.ResponseWriter, _ *http.Request) {
		<-gone
		_, _ = io.WriteString(w, `{"active":true,"client_id":"client","aud":"orders"}`)
	})
	r := governed(t, func(c *gateway.Config) {
		fetching(func(*gateway.Config) {})(c)
		c.Box = keys.node
	}, func(api *entry.API) {
		for n, audiences := range [][]string{{"orders"}, {"orders", "others"}} {
			p := asking(i)
			p.ClientSecret = keys.sealAt(t, api.Routes[n].Operation, 0, p.Kind(), "client_secret", fake.IntrospectionSecret)
			p.Audiences, p.Concurrency, p.TimeoutMS = audiences, 4, 10_000
			api.Routes[n].Policies = []entry.Policy{{Config: p}}
		}
	}, keys.item(t, 2, 1), registration(t, 2, &fake.Issuer{Name: i.Name}))
	var calls sync.WaitGroup
	for n := range 24 {
		calls.Go(func() {
			method, body := "GET", ""
			if n%2 == 1 {
				method, body = "POST", "{}"
			}
			if got := r.call(t, method, "/demo/orders/v1/orders", body, "Authorization: Bearer token-"+strconv.Itoa(n)); got.status != 200 {
				t.Errorf("%s: got %d %s", method, got.status, got.body)
			}
		})
	}
	wait(t, "as many questions as there may be", func() bool { return i.Most() >= 3 })
	time.Sleep(100 * time.Millisecond) // others would ask by now
	release()
	calls.Wait()
	if i.Most() != 3 || i.Calls() != 24 {
		t.Errorf("%d questions of %d were open at once", i.Most(), i.Calls())
	}
}

// TestExplainSaysWhetherAnIssuerWasAsked looks at the ways of calls.
func TestExplainSaysWhetherAnIssuerWasAsked(t *testing.T) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "canary-good", nil)
	r := startExplaining(t, fetching(func(*gateway.Config) {}))
	api, p := demoAPI(r.upstream.URL), asking(i)
	p.ClientSecret = (&sealing{raw: [32]byte{1, 2, 3}}).sealAt(t, "", 0, p.Kind(), "client_secret", fake.IntrospectionSecret)
	api.Policies = []entry.Policy{{Config: p}}
	r.put(t, 3, item(t, 3, api), registration(t, 3, &fake.Issuer{Name: i.Name}))
	for _, c := range []struct {
		header string
		status int
		says   string
	}{
		{"Authorization: Bearer canary-good", 200, `its issuer was asked, and answered in [0-9]+ µs`},
		{"Authorization: Bearer canary-good", 200, `the answer is known for [0-9]+ s more`},
		{"Authorization: Bearer canary-bad", 401, `its issuer was asked, and answered in [0-9]+ µs`},
		{"Authorization: Bearer canary-bad", 401, `that the token is not taken is known for [0-9]+ s more`},
		{"A: b", 401, `a token of https://id.example.com/ is read from "Authorization: Bearer …"`},
		{"Authorization: Bearer canary-away", 503, `its issuer was asked in vain, for [0-9]+ µs: the answer is 500 Internal Server Error`},
	} {
		if c.status == 503 {
			i.Answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		}
		got, way := r.explain(t, token(), "GET", "/demo/orders/v1/orders", "", c.header)
		detail := ""
		for _, s := range way.Steps {
			if s.Step == "introspection" {
				detail = s.Detail
			}
		}
		if got.status != c.status || !regexp.MustCompile("^"+c.says+"$").MatchString(detail) {
			t.Errorf("%s: got %d %s: %q", c.header, got.status, got.body, detail)
		}
		if raw, err := json.Marshal(way); err != nil || strings.Contains(string(raw), "canary") || strings.Contains(string(raw), fake.IntrospectionSecret) {
			t.Errorf("%s: the way tells %s, %v", c.header, raw, err)
		}
	}
}
