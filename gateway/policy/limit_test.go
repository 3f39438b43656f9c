package policy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/test/fake"
)

// limited is a chain of limits, with calls at a time of the test's.
type limited struct {
	*policy.Chain
	limiter *policy.Limiter
}

func limits(configs ...entry.PolicyConfig) limited {
	limiter := policy.NewLimiter(4096)
	var list []entry.Policy
	for _, c := range configs {
		list = append(list, entry.Policy{Config: c})
	}
	return limited{chainOf(policy.Tools{Limiter: limiter}, list...), limiter}
}

// at makes a call; headers are "Name: value".
func (l limited) at(now int64, headers ...string) (*policy.Exchange, string) {
	ex := &policy.Exchange{Scope: scope(), Mono: now, Client: netip.MustParseAddr("192.0.2.1")}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		ex.Header.Add(name, value)
	}
	err := l.Run(context.Background(), ex)
	if err != nil {
		return ex, code(err)
	}
	return ex, "ok"
}

const epoch = int64(1) << 40

// TestSlidingWindowNeverAdmitsMoreInAnyPeriod draws arrivals and compares with
// the definition, and with the bound of what a window forgets too late.
func TestSlidingWindowNeverAdmitsMoreInAnyPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quota, periodMS := rapid.IntRange(1, 20).Draw(t, "requests"), int64(rapid.IntRange(1, 2000).Draw(t, "period"))
		l := limits(&entry.RateLimit{Requests: quota, PeriodMS: periodMS, Algorithm: entry.AlgorithmSlidingWindow, By: "api"})
		period := periodMS * int64(time.Millisecond)
		var admitted []int64
		since := func(start int64) (n int) {
			for _, at := range admitted {
				if at > start {
					n++
				}
			}
			return n
		}
		now := epoch + rapid.Int64Range(0, period).Draw(t, "start")
		for range 150 {
			now += rapid.Int64Range(0, period/int64(rapid.SampledFrom([]int{1, 3, 20}).Draw(t, "haste"))).Draw(t, "gap")
			switch _, got := l.at(now); got {
			case "ok":
				admitted = append(admitted, now)
				if n := since(now - period); n > quota {
					t.Fatalf("%d were admitted in a period, at most %d", n, quota)
				}
			case "rate_limited":
				if n := since(now - period - period/10 - 1); n < quota {
					t.Fatalf("refused after %d of %d in a period and a tenth", n, quota)
				}
			default:
				t.Fatal(got)
			}
		}
	})
}

func TestSlidingWindowAdmitsAgainWhenItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quota := rapid.IntRange(1, 5).Draw(t, "requests")
		l := limits(&entry.RateLimit{Requests: quota, PeriodMS: 100_000, Algorithm: entry.AlgorithmSlidingWindow, By: "api"})
		now := epoch
		for range 30 {
			now += rapid.Int64Range(0, int64(60*time.Second)).Draw(t, "gap")
			ex := &policy.Exchange{Scope: scope(), Mono: now}
			err := l.Run(context.Background(), ex)
			if err == nil {
				continue
			}
			denied := (*policy.Denied)(nil)
			if !errors.As(err, &denied) {
				t.Fatal(err)
			}
			if denied.RetryAfter > 110*time.Second {
				t.Fatalf("is to wait for %v", denied.RetryAfter)
			}
			if now += int64(denied.RetryAfter); l.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: now}) != nil {
				t.Fatalf("refused again after the %v", denied.RetryAfter)
			}
		}
	})
}

func TestSlidingWindowHoldsUnderContention(t *testing.T) {
	const quota, callers = 500, 16
	l := limits(&entry.RateLimit{Requests: quota, PeriodMS: 3_600_000, Algorithm: entry.AlgorithmSlidingWindow, By: "address"})
	for round := range 10 {
		var admitted atomic.Int64
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for i := range quota / 8 { // by clocks that differ, over the edge of a slice
					now := epoch + int64(caller*i)*int64(time.Second)
					client := netip.AddrFrom4([4]byte{10, 0, 0, byte(round)})
					if l.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: now, Client: client}) == nil {
						admitted.Add(1)
					}
				}
			})
		}
		group.Wait()
		if got := admitted.Load(); got != quota {
			t.Fatalf("round %d: %d were admitted, want %d", round, got, quota)
		}
	}
}

func TestSlidingWindowSurvivesAClockThatRunsBackwards(t *testing.T) {
	l := limits(&entry.RateLimit{Requests: 2, PeriodMS: 1000, Algorithm: entry.AlgorithmSlidingWindow, By: "api"})
	start := int64(1) << 50
	l.at(start)
	l.at(start)
	if _, got := l.at(start - int64(time.Second)); got != "rate_limited" {
		t.Errorf("a call that comes late: got %s", got)
	}
	if _, got := l.at(start - int64(time.Hour)); got != "ok" {
		t.Errorf("after the clock was set back: got %s", got)
	}
}

func TestSlidingWindowsMemoryIsBounded(t *testing.T) {
	limiter := policy.NewLimiter(512) // 64 windows
	chain := chainOf(policy.Tools{Limiter: limiter}, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 1000, Algorithm: entry.AlgorithmSlidingWindow, By: "address"}})
	call := func(n int, now int64) {
		a := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
		if err := chain.Run(context.Background(), &policy.Exchange{Scope: scope(), Mono: now, Client: a}); err != nil {
			t.Fatal(err) // a cell that was somebody else's must not count for its new owner
		}
	}
	for n := range 5000 {
		call(n, epoch)
	}
	before := limiter.Evicted()
	if before == 0 {
		t.Error("5,000 live keys fit into 64 cells")
	}
	for n := range 4 {
		call(n, epoch+int64(time.Hour))
	}
	if limiter.Evicted() != before {
		t.Error("keys at rest count as forgotten")
	}
}

// TestWhatARefusedCallTookIsGivenBackExactly compares a limit that sees calls
// which another one refuses with a limit that never sees those.
func TestWhatARefusedCallTookIsGivenBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := entry.RateLimit{
			Requests: rapid.IntRange(1, 10).Draw(t, "requests"), PeriodMS: int64(rapid.IntRange(1, 2000).Draw(t, "period")), By: "api",
			Algorithm: rapid.SampledFrom([]string{"", entry.AlgorithmGCRA, entry.AlgorithmSlidingWindow}).Draw(t, "algorithm"),
		}
		if l.Algorithm != entry.AlgorithmSlidingWindow {
			l.Burst = rapid.IntRange(0, 10).Draw(t, "burst")
		}
		period := l.PeriodMS * int64(time.Millisecond)
		refuses := []entry.PolicyConfig{
			&entry.RateLimit{Requests: 1, PeriodMS: 300 * 24 * 3_600_000, By: "header", Name: "Refused"},
			&entry.ConcurrencyLimit{Calls: 1, By: "header", Name: "Refused"},
		}[rapid.IntRange(0, 1).Draw(t, "refused by")]
		all, model := limits(&l, refuses), limits(&l)
		now, calls := epoch, 0
		all.at(now, "Refused: yes")
		model.at(now)
		for range 100 {
			now += rapid.Int64Range(0, period/2).Draw(t, "gap")
			calls++
			if rapid.Bool().Draw(t, "refused") {
				if _, got := all.at(now, "Refused: yes"); got == "ok" {
					t.Fatal("the other limit does not refuse")
				}
				continue
			}
			_, got := all.at(now, fmt.Sprintf("Refused: no %d", calls))
			if _, want := model.at(now); got != want {
				t.Fatalf("got %s, want %s as without the refused calls", got, want)
			}
		}
	})
}

// left is what RateLimit says.
func left(ex *policy.Exchange) string {
	ex.Limits.SetHeaders(ex)
	value, _ := ex.Answer.Header.Value("RateLimit")
	return value
}

// TestLimitsOfPlanAPIAndOperationCombine lets each of them be the tightest.
func TestLimitsOfPlanAPIAndOperationCombine(t *testing.T) {
	key, err := secret.MintKey("portico_test")
	if err != nil {
		t.Fatal(err)
	}
	const hour = 3_600_000
	for _, c := range []struct {
		env, plan, api, operation int
		tightest                  string
	}{
		{9, 3, 8, 7, `"subscription-3600s";r=0;t=`},
		{9, 8, 3, 7, `"caller-3600s";r=0;t=`},
		{9, 8, 7, 3, `"address-3600s";r=0;t=`},
		{3, 8, 7, 9, `"api-3600s";r=0;t=`},
	} {
		limiter := policy.NewLimiter(1024)
		tools := policy.Tools{
			Grants:  known{sha256.Sum256([]byte(key.Reveal())): grantFor(entry.RateLimit{Requests: c.plan, PeriodMS: hour})},
			Limiter: limiter,
		}
		limit := func(n int, by string) entry.Policy {
			return entry.Policy{Config: &entry.RateLimit{Requests: n, PeriodMS: hour, By: by}}
		}
		shared := policy.Shared([]entry.Policy{limit(c.env, "api")}, tools)
		chain := policy.NewCompiler(entry.API{Version: uuid(1), Policies: []entry.Policy{everywhere, limit(c.api, "caller")}}, tools).
			Route(entry.Route{Operation: "list", Policies: []entry.Policy{limit(c.operation, "address")}})
		call := func() (*policy.Exchange, error) {
			ex := &policy.Exchange{
				Scope: scope(), Now: time.Now(), Mono: epoch, Query: "api_key=" + key.Reveal(), Shared: shared,
				Client: netip.MustParseAddr("192.0.2.1"),
			}
			return ex, chain.Run(context.Background(), ex)
		}
		for i := range 3 {
			if _, err := call(); err != nil {
				t.Fatalf("%+v: call %d: %v", c, i, err)
			}
		}
		for range 20 { // which must not use up the others
			ex, err := call()
			if got := code(err); got != "rate_limited" || !strings.HasPrefix(left(ex), c.tightest) {
				t.Fatalf("%+v: got %s, %s", c, got, left(ex))
			}
		}
	}
}

// TestPlansCountBySlidingWindowsToo beside a limit of the other kind, and what
// either of them takes of a refused call is given back.
func TestPlansCountBySlidingWindowsToo(t *testing.T) {
	key, err := secret.MintKey("portico_test")
	if err != nil {
		t.Fatal(err)
	}
	grants := known{sha256.Sum256([]byte(key.Reveal())): grantFor(
		entry.RateLimit{Requests: 4, PeriodMS: 60_000, Algorithm: entry.AlgorithmSlidingWindow},
		entry.RateLimit{Requests: 1, PeriodMS: 1000},
	)}
	chain := chainOf(policy.Tools{Grants: grants}, everywhere)
	now, ok := epoch, 0
	for range 10 {
		for range 5 {
			ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: now, Query: "api_key=" + key.Reveal()}
			if chain.Run(context.Background(), ex) == nil {
				ok++
			}
		}
		now += int64(time.Second)
	}
	if ok != 4 {
		t.Errorf("%d calls were admitted, want 4", ok)
	}
}

// TestNoLimitIsLost has more limits than an exchange has room for.
func TestNoLimitIsLost(t *testing.T) {
	var configs []entry.PolicyConfig
	for i := range 40 {
		configs = append(configs, &entry.RateLimit{Requests: 100 - i, PeriodMS: 3_600_000, By: "api"})
	}
	configs = append(configs, &entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: "header", Name: "Once"})
	l := limits(configs...)
	for i := range 200 { // if refused calls used something up, the header would show it
		ex, got := l.at(epoch, "Once: x")
		if want := []string{"ok", "rate_limited"}[min(i, 1)]; got != want {
			t.Fatalf("call %d: got %s", i, got)
		}
		if got := left(ex); !strings.HasPrefix(got, `"header-60s";r=0;t=`) {
			t.Fatalf("call %d: RateLimit is %s", i, got)
		}
		if policies, _ := ex.Answer.Header.Value("RateLimit-Policy"); strings.Count(policies, ", ") != 40 {
			t.Fatalf("call %d: RateLimit-Policy is %s", i, policies)
		}
	}
}

func TestLimitsCountByWhatTheCallCarries(t *testing.T) {
	one := func(by, name string) func(address, query string, headers ...string) string {
		l := limits(&entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: by, Name: name})
		return func(address, query string, headers ...string) string {
			ex := &policy.Exchange{Scope: scope(), Mono: epoch, Client: netip.MustParseAddr(address), Query: query}
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				ex.Header.Add(name, value)
			}
			if err := l.Run(context.Background(), ex); err != nil {
				return code(err)
			}
			return "ok"
		}
	}
	byHeader, byQuery := one("header", "X-Customer"), one("query", "customer")
	for i, c := range []struct {
		call           func(address, query string, headers ...string) string
		address, query string
		header, want   string
	}{
		{byHeader, "192.0.2.1", "", "X-Customer: a", "ok"},
		{byHeader, "192.0.2.2", "", "x-customer: a", "rate_limited"},
		{byHeader, "192.0.2.2", "", "X-Customer: A", "ok"},
		{byHeader, "192.0.2.2", "", "Other: a", "ok"}, // by address
		{byHeader, "192.0.2.2", "", "X-Customer: ", "rate_limited"},
		// What an address looks like to a limiter must not stand for it.
		{byHeader, "192.0.2.9", "", "X-Customer: \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x02", "ok"},
		{byQuery, "192.0.2.1", "customer=a%20b", "", "ok"},
		{byQuery, "192.0.2.1", "x=1&customer=a+b", "", "rate_limited"},
		{byQuery, "192.0.2.1", "cust%6fmer=%61%20b&customer=other", "", "rate_limited"},
		{byQuery, "192.0.2.1", "customer=a", "", "ok"},
		{byQuery, "192.0.2.1", "customers=a", "", "ok"}, // by address
		{byQuery, "192.0.2.1", "customer=", "", "rate_limited"},
	} {
		if got := c.call(c.address, c.query, c.header); got != c.want {
			t.Errorf("%d: %s %q %q: got %s, want %s", i, c.address, c.query, c.header, got, c.want)
		}
	}
}

func TestEachCredentialHasItsLimit(t *testing.T) {
	grants, keys := known{}, []string{}
	for i := range 2 {
		key, err := secret.MintKey("portico_test")
		if err != nil {
			t.Fatal(err)
		}
		slot := &policy.TermsSlot{}
		slot.Store(policy.NewTerms(entry.Terms{Plan: uuid(2), APIs: []entry.TermsAPI{{Version: uuid(1)}}}, nil))
		keys = append(keys, key.Reveal())
		grants[sha256.Sum256([]byte(key.Reveal()))] = policy.NewGrant(entry.Position{}, entry.Grant{
			Credential: uuid(30 + i), Application: uuid(4), Tenant: uuid(5),
			Subscriptions: []entry.Subscription{{ID: uuid(6), Terms: uuid(2), State: entry.Active}},
		}, func(string) *policy.TermsSlot { return slot })
	}
	for by, want := range map[string][]string{
		"credential": {"<nil>", "<nil>", "rate_limited", "rate_limited"},
		"caller":     {"<nil>", "rate_limited", "rate_limited", "rate_limited"},
	} {
		chain := chainOf(policy.Tools{Grants: grants}, everywhere, entry.Policy{Config: &entry.RateLimit{Requests: 1, PeriodMS: 60_000, By: by}})
		var got []string
		for _, key := range slices.Concat(keys, keys) {
			ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: epoch, Query: "api_key=" + key}
			got = append(got, code(chain.Run(context.Background(), ex)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: got %s, want %s", by, got, want)
		}
	}
}

// TestLimitsCountByClaimAndExpression of a verified token, and by what an expression makes of
// it; a call that has neither is counted by its address.
func TestLimitsCountByClaimAndExpression(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	jwt := taking(i, "ES256")
	jwt.Unregistered = true
	one := func(l entry.RateLimit) func(claims map[string]any, method string) string {
		l.Requests, l.PeriodMS = 1, 60_000
		chain := routeOf(registered(i), entry.Policy{Config: jwt}, entry.Policy{Config: &l})
		return func(claims map[string]any, method string) string {
			ex := calling("Authorization: Bearer " + i.Token(t, "ES256", claims))
			ex.Method, ex.Mono, ex.Client = method, epoch, netip.MustParseAddr("192.0.2.1")
			if err := chain.Run(context.Background(), ex); err != nil {
				return code(err)
			}
			return "ok"
		}
	}
	type claims = map[string]any
	byClaim := one(entry.RateLimit{By: "claim", Name: "seat"})
	byExpression := one(entry.RateLimit{By: "expression", Expression: `request.method + " " + string(claims.seat)`})
	byNothing := one(entry.RateLimit{By: "expression", Expression: `claims.seat`})
	for n, c := range []struct {
		call   func(claims, string) string
		claims claims
		method string
		want   string
	}{
		{byClaim, claims{"seat": "a"}, "GET", "ok"},
		{byClaim, claims{"seat": "a"}, "POST", "rate_limited"},
		{byClaim, claims{"seat": []string{"a"}}, "GET", "rate_limited"},
		{byClaim, claims{"seat": "b"}, "GET", "ok"},
		{byClaim, claims{"seat": 7}, "GET", "ok"},
		{byClaim, claims{"seat": 7}, "GET", "rate_limited"},
		{byClaim, claims{"seat": true}, "GET", "ok"},
		{byClaim, claims{}, "GET", "ok"}, // by address
		{byClaim, claims{"seat": map[string]any{"a": 1}}, "GET", "rate_limited"},
		{byClaim, claims{"seat": []string{"a", "b"}}, "GET", "rate_limited"},
		{byExpression, claims{"seat": "a"}, "GET", "ok"},
		{byExpression, claims{"seat": "a"}, "POST", "ok"},
		{byExpression, claims{"seat": "a"}, "GET", "rate_limited"},
		{byNothing, claims{"seat": "a"}, "GET", "ok"},
		{byNothing, claims{}, "GET", "ok"}, // by address
		{byNothing, claims{"seat": ""}, "GET", "rate_limited"},
		{byNothing, claims{"seat": []int{1}}, "GET", "rate_limited"},
	} {
		if got := c.call(c.claims, c.method); got != c.want {
			t.Errorf("%d: %s %v: got %s, want %s", n, c.method, c.claims, got, c.want)
		}
	}
}

// TestSpikeArrestNeverAdmitsTwoSoonerThanItsInterval, and admits whoever keeps
// to it.
func TestSpikeArrestNeverAdmitsTwoSoonerThanItsInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := entry.SpikeArrest{Requests: rapid.IntRange(1, 1000).Draw(t, "requests"), Per: rapid.SampledFrom([]string{"second", "minute"}).Draw(t, "per"), By: "api"}
		per := map[string]time.Duration{"second": time.Second, "minute": time.Minute}[p.Per]
		interval := (int64(per) + int64(p.Requests) - 1) / int64(p.Requests)
		l := limits(&p)
		now, last := epoch, int64(0)
		for range 100 {
			now += rapid.Int64Range(0, 2*interval).Draw(t, "gap")
			ex, got := l.at(now)
			if want := now-last >= interval; want != (got == "ok") {
				t.Fatalf("got %s, %v after the last of one in %v", got, time.Duration(now-last), time.Duration(interval))
			}
			if got == "ok" {
				last = now
			} else if got != "spike_arrested" {
				t.Fatal(got)
			}
			if got := left(ex); got != "" {
				t.Fatalf("RateLimit tells of it: %s", got)
			}
		}
	})
}

// TestNeverMoreCallsAtATimeThanPlaces begins and ends calls of several keys in
// any order.
func TestNeverMoreCallsAtATimeThanPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(1, 4).Draw(t, "places")
		l := limits(&entry.ConcurrencyLimit{Calls: places, By: "header", Name: "Key"})
		under := map[string][]*policy.Exchange{}
		for range 200 {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			if n := len(under[key]); n > 0 && rapid.Bool().Draw(t, "ends") {
				i := rapid.IntRange(0, n-1).Draw(t, "which")
				under[key][i].Release()
				under[key][i].Release() // a second time is none
				under[key] = slices.Delete(under[key], i, i+1)
				continue
			}
			ex, got := l.at(epoch, "Key: "+key)
			if want := len(under[key]) < places; want != (got == "ok") {
				t.Fatalf("got %s with %d of %d under way", got, len(under[key]), places)
			}
			if got == "ok" {
				under[key] = append(under[key], ex)
			} else if got != "concurrency_limited" {
				t.Fatal(got)
			}
		}
	})
}

func TestPlacesHoldUnderContention(t *testing.T) {
	const places = 3
	l := limits(&entry.ConcurrencyLimit{Calls: places, By: "api"})
	var under, most, refused atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 2000 {
				ex, got := l.at(epoch)
				if got != "ok" {
					refused.Add(1)
					continue
				}
				if n := under.Add(1); n > most.Load() {
					most.Store(n)
				}
				under.Add(-1)
				ex.Release()
			}
		})
	}
	group.Wait()
	if most.Load() > places {
		t.Errorf("%d were under way, at most %d", most.Load(), places)
	}
	for range places { // every place is free again
		if _, got := l.at(epoch); got != "ok" {
			t.Fatalf("got %s after all calls had ended", got)
		}
	}
	if _, got := l.at(epoch); got != "concurrency_limited" {
		t.Errorf("got %s beyond the places", got)
	}
}

// TestACallMayHoldMorePlacesThanThereIsRoomFor holds more than an exchange has
// room for, and gives all back.
func TestACallMayHoldMorePlacesThanThereIsRoomFor(t *testing.T) {
	var configs []entry.PolicyConfig
	for i := range 10 {
		configs = append(configs, &entry.ConcurrencyLimit{Calls: 1, By: "header", Name: fmt.Sprintf("H%d", i)})
	}
	l := limits(configs...)
	for range 3 {
		ex, got := l.at(epoch)
		if got != "ok" {
			t.Fatalf("got %s", got)
		}
		ex.Release()
	}
}
