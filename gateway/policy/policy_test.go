package policy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/entry/expression"
	"portico/internal/secret"
)

func uuid(n int) string { return fmt.Sprintf("%032x", n) }

// known is a set of grants by hash.
type known map[[32]byte]*policy.Grant

func (known) Saw(*policy.Grant) {}

func (k known) Grant(hash *[32]byte) *policy.Grant { return k[*hash] }

func scope() *policy.Scope {
	version, _ := policy.ParseID(uuid(1))
	return &policy.Scope{Version: version, Name: "demo/orders v1", Operation: "list", MaxBodyBytes: 10}
}

func grantFor(limits ...entry.RateLimit) *policy.Grant {
	slot := &policy.TermsSlot{}
	slot.Store(policy.NewTerms(entry.Terms{Plan: uuid(2), APIs: []entry.TermsAPI{{Version: uuid(1)}}, Limits: limits}, nil))
	return policy.NewGrant(entry.Position{}, entry.Grant{
		Credential: uuid(3), Application: uuid(4), Tenant: uuid(5),
		Subscriptions: []entry.Subscription{{ID: uuid(6), Terms: uuid(2), State: entry.Active}},
	}, func(string) *policy.TermsSlot { return slot })
}

func chainOf(tools policy.Tools, policies ...entry.Policy) *policy.Chain {
	if tools.Limiter == nil {
		tools.Limiter = policy.NewLimiter(1024)
	}
	public := true
	for _, p := range policies {
		public = public && p.Kind() != entry.PolicyKey
	}
	return policy.NewCompiler(entry.API{Version: uuid(1), Policies: policies}, tools).Route(entry.Route{Operation: "list", Public: public})
}

func code(err error) string {
	if denied := (*policy.Denied)(nil); errors.As(err, &denied) {
		return denied.Code
	}
	return fmt.Sprint(err)
}

var everywhere = entry.Policy{Config: &entry.KeyPolicy{Bearer: true, Header: "X-API-Key", Query: "api_key"}}

func TestMintedKeysAreAcceptedAndEveryMistypingIsNot(t *testing.T) {
	key, err := secret.MintKey("portico_live")
	if err != nil {
		t.Fatal(err)
	}
	text := key.Reveal()
	grants := known{sha256.Sum256([]byte(text)): grantFor()}
	chain := chainOf(policy.Tools{Grants: grants}, everywhere)
	present := func(text string) error {
		ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1}
		ex.Header.Add("X-API-Key", text)
		return chain.Run(context.Background(), ex)
	}
	if err := present(text); err != nil {
		t.Fatalf("as minted: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(text)
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "mistake") {
		case 0:
			b[at] = rapid.Byte().Draw(t, "byte")
		case 1:
			b = append(b[:at], b[at+1:]...)
		case 2:
			b = append(b[:at+1], b[at:]...)
		case 3:
			b = b[:at]
		}
		if string(b) != text && code(present(string(b))) != "credential_invalid" {
			t.Fatalf("%q: got %v", b, present(string(b)))
		}
	})
}

func TestKeysAreRemovedWhereverTheyStand(t *testing.T) {
	key, err := secret.MintKey("portico_test")
	if err != nil {
		t.Fatal(err)
	}
	text := key.Reveal()
	grants := known{sha256.Sum256([]byte(text)): grantFor()}
	for _, c := range []struct {
		query, wantQuery string
		fields, want     []string
		code             string
	}{
		{"a=1&api_key=" + text, "a=1", nil, nil, ""},
		{"api_key=" + text + "&b=%26", "b=%26", nil, nil, ""},
		{"a&api_key=" + text + "&&c=", "a&&c=", nil, nil, ""},
		{"ap%69_key=" + text, "", nil, nil, ""},
		{"api_key=" + text + "&api_key=" + text, "", nil, nil, ""},
		{"api_key=x&api_key=" + text, "", nil, nil, "credential_invalid"},
		{"API_KEY=" + text, "API_KEY=" + text, nil, nil, "credential_missing"},
		{"", "", []string{"authorization: bearer  " + text}, nil, ""},
		{"", "", []string{"AUTHORIZATION: BEARER " + text, "Authorization: Basic eA=="}, []string{"Authorization: Basic eA=="}, ""},
		{"", "", []string{"Authorization: Bearer " + text, "X-Api-Key: " + text, "A: b"}, []string{"A: b"}, ""},
		{"", "", []string{"Authorization: Bearer " + text, "X-Api-Key: other", "A: b"}, []string{"A: b"}, "credential_invalid"},
		{"", "", []string{"Authorization: Bearer"}, nil, "credential_invalid"},
		{"", "", []string{"Authorization: Bearer "}, nil, "credential_invalid"},
		{"", "", []string{"X-Api-Key: " + strings.Repeat("a", 10_000)}, nil, "credential_invalid"},
	} {
		ex := &policy.Exchange{Scope: scope(), Query: c.query, Now: time.Now(), Mono: 1}
		for _, f := range c.fields {
			name, value, _ := strings.Cut(f, ": ")
			ex.Header.Add(name, value)
		}
		err := chainOf(policy.Tools{Grants: grants}, everywhere).Run(context.Background(), ex)
		if got := code(err); err == nil && c.code != "" || err != nil && got != c.code {
			t.Errorf("%q %.60q: got %v, want %q", c.query, c.fields, err, c.code)
		}
		var left []string
		for _, f := range ex.Header.Fields() {
			left = append(left, f.Name+": "+f.Value)
		}
		if ex.Query != c.wantQuery || fmt.Sprint(left) != fmt.Sprint(c.want) {
			t.Errorf("%q %.60q: left %q %q", c.query, c.fields, ex.Query, left)
		}
	}
}

func TestStagesRunInTheirOrderHoweverDeclared(t *testing.T) {
	limiter := policy.NewLimiter(1024)
	chain := chainOf(policy.Tools{Grants: known{}, Limiter: limiter},
		entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: "address"}}, everywhere)
	for range 5 { // a call without a key must not use up the limit
		ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1, Client: netip.MustParseAddr("192.0.2.1"), Explain: &policy.Explain{Began: time.Now()}}
		if got := code(chain.Run(context.Background(), ex)); got != "credential_missing" {
			t.Fatalf("got %s", got)
		}
		if s := ex.Explain.Steps[:ex.Explain.Count]; len(s) != 5 || s[0].Step != "size" || s[1].Code != "credential_missing" || s[2].Outcome != entry.ExplainSkipped {
			t.Errorf("explained as %+v", s)
		}
	}
}

func TestLimitsCountByWhatTheySay(t *testing.T) {
	limit := func(by string) *policy.Chain {
		return chainOf(policy.Tools{}, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: by}})
	}
	call := func(c *policy.Chain, address string) string {
		ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1, Client: netip.MustParseAddr(address)}
		if err := c.Run(context.Background(), ex); err != nil {
			return code(err)
		}
		return "ok"
	}
	byAddress := limit("address")
	for _, c := range []struct{ address, want string }{
		{"192.0.2.1", "ok"},
		{"192.0.2.2", "ok"},
		{"192.0.2.1", "rate_limited"},
		{"::ffff:192.0.2.2", "rate_limited"},
		{"2001:db8::1", "ok"},
		{"2001:db8::2", "rate_limited"},
		{"2001:db8:0:1::2", "ok"},
	} {
		if got := call(byAddress, c.address); got != c.want {
			t.Errorf("by address, %s: got %s, want %s", c.address, got, c.want)
		}
	}
	byAPI := limit("api")
	if got := call(byAPI, "192.0.2.1") + " " + call(byAPI, "192.0.2.2"); got != "ok rate_limited" {
		t.Errorf("by api: got %s", got)
	}
}

// TestLimitNeverExceedsRateAndBurst draws arrivals and compares with the
// definition: in no window of any length more than burst + rate × length.
func TestLimitNeverExceedsRateAndBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := entry.RateLimit{
			Requests: rapid.IntRange(1, 20).Draw(t, "requests"), PeriodMS: int64(rapid.IntRange(1, 2000).Draw(t, "period")),
			Burst: rapid.IntRange(0, 10).Draw(t, "burst"), By: "api",
		}
		chain := chainOf(policy.Tools{}, entry.Policy{Config: &l})
		burst := float64(l.Burst)
		if burst == 0 {
			burst = float64(l.Requests)
		}
		var admitted []int64
		refusedAt, now := int64(-1), int64(1)<<40
		for range 200 {
			now += int64(rapid.IntRange(0, int(l.PeriodMS)*300_000).Draw(t, "gap"))
			ex := &policy.Exchange{Scope: scope(), Mono: now}
			switch got := code(chain.Run(context.Background(), ex)); got {
			case "<nil>":
				admitted = append(admitted, now)
			case "rate_limited":
				refusedAt = now
			default:
				t.Fatal(got)
			}
		}
		for i := range admitted {
			for j := i; j < len(admitted); j++ {
				most := burst + float64(admitted[j]-admitted[i])*float64(l.Requests)/float64(l.PeriodMS*1_000_000)
				if n := float64(j - i + 1); n > most+0.000001 {
					t.Fatalf("%v admitted in %v, at most %v", n, time.Duration(admitted[j]-admitted[i]), most)
				}
			}
		}
		if len(admitted) < int(min(burst, 200)) {
			t.Fatalf("the burst was not admitted: %d of %v, refused at %d", len(admitted), burst, refusedAt)
		}
	})
}

func TestLimitHoldsUnderContention(t *testing.T) {
	const burst, callers = 500, 16
	limiter := policy.NewLimiter(64)
	chain := chainOf(policy.Tools{Limiter: limiter}, entry.Policy{Config: &entry.RateLimit{Requests: burst, PeriodMS: 3_600_000, By: "address"}})
	for round := range 20 { // each begins with a key that nobody has used
		client := netip.AddrFrom4([4]byte{10, 0, 0, byte(round)})
		var admitted atomic.Int64
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range burst / 8 {
					if chain.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: 1 << 40, Client: client}) == nil {
						admitted.Add(1)
					}
				}
			})
		}
		group.Wait()
		if got := admitted.Load(); got != burst {
			t.Fatalf("round %d: %d were admitted, want %d", round, got, burst)
		}
	}
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	limiter := policy.NewLimiter(64)
	chain := chainOf(policy.Tools{Limiter: limiter}, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 1000, By: "address"}})
	call := func(n uint32, now int64) error {
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		return chain.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: now, Client: a})
	}
	for n := range uint32(10_000) {
		if err := call(n, 1<<40); err != nil {
			t.Fatal(err)
		}
	}
	if limiter.Evicted() == 0 {
		t.Error("10,000 live keys fit into 64 cells")
	}
	before := limiter.Evicted()
	// All earlier keys are at rest: nobody is forgotten. Four fit even where the
	// random seed puts all of them into one set.
	for n := range uint32(4) {
		if err := call(n, 1<<40+int64(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if limiter.Evicted() != before {
		t.Error("keys at rest count as forgotten")
	}
}

func TestClockThatRunsBackwardsLocksNobodyOut(t *testing.T) {
	chain := chainOf(policy.Tools{}, entry.Policy{Config: &entry.RateLimit{Requests: 2, PeriodMS: 1000, By: "api"}})
	run := func(now int64) string {
		return code(chain.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: now}))
	}
	start := int64(1) << 50
	run(start)
	run(start)
	back := start - int64(time.Hour)
	run(back)
	if got := run(back + int64(time.Second)); got != "<nil>" {
		t.Errorf("a second later: got %s", got)
	}
}

// What was done ahead of the route helps to find a grant, and admits nobody.
func TestWhatWasLookedForAheadAdmitsNobody(t *testing.T) {
	mint := func() string {
		key, err := secret.MintKey("portico_test")
		if err != nil {
			t.Fatal(err)
		}
		return key.Reveal()
	}
	mine, stranger, grant := mint(), mint(), grantFor()
	chain := chainOf(policy.Tools{Grants: known{sha256.Sum256([]byte(mine)): grant}}, entry.Policy{Config: &entry.KeyPolicy{Header: "X-Key"}})
	for _, call := range []struct{ usual, key, want string }{
		{stranger, mine, "<nil>"},
		{mine, mine, "<nil>"},
		{mine, stranger, "credential_invalid"},
		{mine, "", "credential_invalid"},
		{mine, mine[:len(mine)-1] + "!", "credential_invalid"},
	} {
		ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1 << 50}
		ex.Header.Add("X-API-Key", call.usual)
		ex.Header.Add("X-Key", call.key)
		if hash := ex.HashAhead(); hash == nil || *hash != sha256.Sum256([]byte(call.usual)) {
			t.Errorf("%+v: not hashed ahead", call)
		}
		ex.LikelyGrant(grant)
		if got := code(chain.Run(context.Background(), ex)); got != call.want {
			t.Errorf("%+v: got %s", call, got)
		}
	}
}

// Calls read the clock when they begin, and may come to a limit in another order.
func TestCallThatComesLateToALimitGivesNothingBack(t *testing.T) {
	chain := chainOf(policy.Tools{}, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 100, By: "api"}})
	start := int64(1) << 50
	for _, call := range []struct {
		at   time.Duration
		want string
	}{{0, "<nil>"}, {-50 * time.Millisecond, "rate_limited"}, {-5 * time.Second, "rate_limited"}, {99 * time.Millisecond, "rate_limited"}, {100 * time.Millisecond, "<nil>"}} {
		if got := code(chain.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: start + int64(call.at)})); got != call.want {
			t.Errorf("a call of %v: got %s, want %s", call.at, got, call.want)
		}
	}
}

func TestRefusedCallsDoNotUseUpOtherLimits(t *testing.T) {
	key, err := secret.MintKey("portico_test")
	if err != nil {
		t.Fatal(err)
	}
	grants := known{sha256.Sum256([]byte(key.Reveal())): grantFor(entry.RateLimit{Requests: 3, PeriodMS: 3_600_000}, entry.RateLimit{Requests: 1, PeriodMS: 1000})}
	chain := chainOf(policy.Tools{Grants: grants}, everywhere)
	now, ok := int64(1)<<40, 0
	for range 3 {
		for range 5 {
			ex := &policy.Exchange{Scope: scope(), Mono: now, Query: "api_key=" + key.Reveal()}
			if chain.Run(context.Background(), ex) == nil {
				ok++
			}
		}
		now += int64(time.Second)
	}
	if ok != 3 {
		t.Errorf("%d calls were admitted, want 3: one a second", ok)
	}
}

func TestHeaderEdits(t *testing.T) {
	var h policy.Header
	for _, f := range []string{"A", "b", "a", "C", "A"} {
		h.Add(f, strings.ToLower(f)+"1")
	}
	h.Set("a", "new")
	h.Del("c")
	h.Set("D", "d1")
	got := ""
	for _, f := range h.Fields() {
		got += f.Name + "=" + f.Value + " "
	}
	if got != "A=new b=b1 D=d1 " {
		t.Errorf("got %s", got)
	}
	h.Reset()
	for _, f := range []string{"Connection=close, X-A", "x-a=1", "Connection=x-b", "X-B=2", "Keep-Alive=1", "TE=x", "Kept=1", "Transfer-Encoding=chunked", "connection="} {
		name, value, _ := strings.Cut(f, "=")
		h.Add(name, value)
	}
	policy.StripHop(&h)
	if f := h.Fields(); len(f) != 1 || f[0].Name != "Kept" {
		t.Errorf("got %v", f)
	}
}

func TestStripHopTakesWhatConcernsOneConnection(t *testing.T) {
	for raw, want := range map[string]string{
		"A B": "A B", "A Connection=keep-alive B": "A B", "Connection=keep-alive Keep-Alive": "", "TE A Upgrade B trailer": "A B",
		"Close A Connection=close": "A", "Keep-Alive A Connection=Keep-Alive,B B": "A", "A Connection=keep-alive Connection=A B": "B",
	} {
		var h policy.Header
		for _, f := range strings.Fields(raw) {
			name, value, _ := strings.Cut(f, "=")
			h.Add(name, value)
		}
		policy.StripHop(&h)
		var got []string
		for _, f := range h.Fields() {
			got = append(got, f.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", raw, got, want)
		}
	}
}

// TestExchangeKeepsWhatWasLeftForItsNextRequest and lets nothing of the last one
// be seen.
func TestExchangeKeepsWhatWasLeftForItsNextRequest(t *testing.T) {
	if new(policy.Exchange).Leave(1) {
		t.Error("an exchange of no pool has no next request")
	}
	ex := new(policy.Pool).Take()
	ex.Method, ex.Query, ex.Answer.Status, ex.Caller.Scopes = "GET", "a=b", 200, []string{"x"}
	ex.Header.Add("A", "1")
	ex.Answer.Header.Add("B", "1")
	if !ex.Leave(1) || ex.Leave(2) {
		t.Error("one thing can be left, and no second")
	}
	ex.Reset()
	if ex.Method != "" || ex.Query != "" || ex.Answer.Status != 0 || ex.Caller.Scopes != nil || len(ex.Header.Fields())+len(ex.Answer.Header.Fields()) != 0 {
		t.Errorf("got %+v", ex)
	}
	if ex.Spare() != 1 || ex.Spare() != nil {
		t.Error("what was left is not there, once")
	}
}

func TestManagedHeadersAndTheirAliases(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "X-Forwarded-For": true, "x_forwarded_for": true, "X-Forwarded-Anything": true, "X_Real-IP": true,
		"X-Request-ID": true, "X-Portico-Caller": true, "X-PORTICO_x": true,
		"X-Forwarded": false, "X-Portico": false, "X-Porticos": false, "X-Api-Key": false, "": false, "X-Real-IPs": false,
	} {
		if got := policy.Managed(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestPublicRouteTakesKeysAwayWithoutAskingWhose(t *testing.T) {
	chain := policy.NewCompiler(entry.API{Version: uuid(1), Policies: []entry.Policy{everywhere}}, policy.Tools{Grants: known{}, Limiter: policy.NewLimiter(8)}).
		Route(entry.Route{Operation: "open", Public: true})
	ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1, Query: "a=1&api_key=one"}
	ex.Header.Add("X-Api-Key", "two")
	ex.Header.Add("Authorization", "Bearer three")
	ex.Header.Add("Accept", "text/plain")
	if err := chain.Run(context.Background(), ex); err != nil {
		t.Fatal(err)
	}
	if got := ex.Header.Fields(); len(got) != 1 || got[0].Name != "Accept" || ex.Query != "a=1" {
		t.Errorf("the upstream would get %v and %q", got, ex.Query)
	}
}

// TestManyParametersOfANameCostNoMoreThanTheyAre reads a query of nothing else.
func TestManyParametersOfANameCostNoMoreThanTheyAre(t *testing.T) {
	program, err := expression.Compile(`request.query.a == "x"`, expression.Bool)
	if err != nil {
		t.Fatal(err)
	}
	ex := &policy.Exchange{Query: strings.Repeat("a&", 8000) + "a"}
	if n := testing.AllocsPerRun(10, func() { program.End(policy.BeginExpression(program, ex)) }); n > 100 {
		t.Errorf("takes %v allocations", n)
	}
	run := policy.BeginExpression(program, &policy.Exchange{Query: "a=1&b=2&a=%32&A=4&a=3"})
	if got := run.Request.Query["a"]; got != "1,2,3" {
		t.Errorf("got %q", got)
	}
}
