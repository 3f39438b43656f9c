package split_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/gateway/split"
	"portico/internal/entry"
)

func uuid(n int) string { return fmt.Sprintf("%032x", n) }

// backend is a destination that remembers what it was called with.
type backend struct {
	status int
	err    error
	do     func(ctx context.Context, ex *policy.Exchange) error // nil: answers at once

	mu   sync.Mutex
	seen []string // method, path, body, Cookie, X-Portico-Mirror
}

func (b *backend) Call(ctx context.Context, ex *policy.Exchange) error {
	ex.Answer.Status = b.status
	if b.do != nil {
		return b.do(ctx, ex)
	}
	var body []byte
	if ex.Body != nil {
		body, _ = io.ReadAll(ex.Body)
	}
	cookie, _ := ex.Header.Value("Cookie")
	mirrored, _ := ex.Header.Value("X-Portico-Mirror")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", ex.Method, ex.UpstreamPath, body, cookie, mirrored)))
	return b.err
}

func (b *backend) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.seen...)
}

// quick answers and remembers nothing.
type quick struct{ status int }

func (q quick) Call(_ context.Context, ex *policy.Exchange) error {
	ex.Answer.Status = q.status
	return nil
}

func api(s *entry.Split, m *entry.Mirror) entry.API {
	return entry.API{Version: uuid(7), Split: s, Mirror: m}
}

// random draws from a fixed seed.
func random() func() uint64 {
	var mu sync.Mutex
	source := rand.NewPCG(1, 2)
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return source.Uint64()
	}
}

func newSet() *split.Set { return split.NewSet(split.Options{Random: random()}) }

// of compiles a split between two destinations.
func of(set *split.Set, a entry.API, live, candidate policy.Destination) policy.Destination {
	return set.Destinations(a, func(name string) policy.Destination {
		if name == "main" {
			return live
		}
		return candidate
	})("main")
}

func canary(perMille int, sticky string, rules ...entry.SplitRule) *entry.Split {
	return &entry.Split{Run: "run1", Candidates: map[string]string{"main": "next"}, PerMille: perMille, Sticky: sticky, Rules: rules}
}

// goes reports whether a call goes to the candidate.
func goes(t testing.TB, d policy.Destination, ex *policy.Exchange) bool {
	t.Helper()
	if err := d.Call(context.Background(), ex); err != nil {
		t.Fatal(err)
	}
	return ex.Answer.Status == 202
}

func caller(n int) *policy.Exchange {
	ex := &policy.Exchange{Method: "GET", UpstreamPath: "/", Client: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
	id, _ := policy.ParseID(fmt.Sprintf("0190%028x", n))
	ex.Caller.Grant = &policy.Grant{Application: id}
	return ex
}

func TestShareIsKeptWithinBounds(t *testing.T) {
	const calls = 100_000
	for _, sticky := range []string{"", "caller", "address"} {
		for _, perMille := range []int{0, 1, 5, 100, 500, 999, 1000} {
			set, n := newSet(), 0
			d := of(set, api(canary(perMille, sticky), nil), quick{200}, quick{202})
			for i := range calls {
				if goes(t, d, caller(i)) {
					n++
				}
			}
			want, off := calls*perMille/1000, 600 // over five standard deviations at half
			if perMille == 0 || perMille == 1000 {
				off = 0
			} else if perMille <= 5 || perMille == 999 {
				off = 120
			}
			if n < want-off || n > want+off {
				t.Errorf("sticky %q, %d ‰: got %d of %d calls, want %d ± %d", sticky, perMille, n, calls, want, off)
			}
			r := set.Report()[0]
			if r.Run != "run1" || r.Candidate.Calls() != uint64(n) || r.Live.Calls() != uint64(calls-n) {
				t.Errorf("sticky %q, %d ‰: counted %d and %d", sticky, perMille, r.Live.Calls(), r.Candidate.Calls())
			}
		}
	}
}

func TestOnlyTheMovedShareMoves(t *testing.T) {
	for _, sticky := range []string{"caller", "address"} {
		set := newSet()
		before := make([]bool, 20_000)
		for step, perMille := range []int{50, 100, 250, 250, 1000, 100} {
			d := of(set, api(canary(perMille, sticky), nil), quick{200}, quick{202})
			in, out := 0, 0
			for i := range before {
				now := goes(t, d, caller(i))
				switch {
				case now && !before[i]:
					in++
				case !now && before[i]:
					out++
				}
				before[i] = now
			}
			if step > 0 && perMille >= 250 && out > 0 || step == 3 && in > 0 || step == 5 && in > 0 {
				t.Errorf("sticky %s, step %d to %d ‰: %d came and %d left", sticky, step, perMille, in, out)
			}
		}
	}
}

// setCookie is what an answer gives a browser to send back.
func setCookie(ex *policy.Exchange) string {
	value, _ := ex.Answer.Header.Value("Set-Cookie")
	pair, _, _ := strings.Cut(value, ";")
	return pair
}

func TestCookieKeepsACallerOnOneSide(t *testing.T) {
	set := newSet()
	live, next := &backend{status: 200}, &backend{status: 202}
	d := of(set, api(canary(500, "cookie"), nil), live, next)
	for i := range 50 {
		first := caller(i)
		side := goes(t, d, first)
		cookie := setCookie(first)
		if !strings.HasPrefix(cookie, "portico_split_") || !strings.Contains(cookie, "=run1.") {
			t.Fatalf("got cookie %q", cookie)
		}
		full, _ := first.Answer.Header.Value("Set-Cookie")
		if !strings.Contains(full, "HttpOnly") || !strings.Contains(full, "SameSite=Lax") || strings.Contains(full, "Secure") {
			t.Errorf("got %q over plain HTTP", full)
		}
		for range 3 {
			again := caller(1_000 + i)
			again.Header.Add("Cookie", "a=1; "+cookie+"; b=2")
			if goes(t, d, again) != side || setCookie(again) != "" {
				t.Fatalf("the cookie %q did not hold", cookie)
			}
		}
		// To the full share everybody moves, to none nobody is left.
		for perMille, want := range map[int]bool{1000: true, 0: false} {
			moved := of(set, api(canary(perMille, "cookie"), nil), quick{200}, quick{202})
			ex := caller(i)
			ex.Header.Add("Cookie", cookie)
			if goes(t, moved, ex) != want {
				t.Fatalf("at %d ‰ the cookie %q goes elsewhere", perMille, cookie)
			}
		}
	}
	for _, saw := range append(live.calls(), next.calls()...) {
		if strings.Contains(saw, "portico_split") || strings.Contains(saw, "a=1") && saw != "GET /  a=1; b=2" {
			t.Fatalf("an upstream saw %q", saw)
		}
	}
	secure := caller(1)
	secure.Secure = true
	goes(t, d, secure)
	if full, _ := secure.Answer.Header.Value("Set-Cookie"); !strings.HasSuffix(full, "; Secure") {
		t.Errorf("got %q over TLS", full)
	}
	name, _, _ := strings.Cut(setCookie(secure), "=")
	for _, bad := range []string{name + "=run1.1000", name + "=run1.-1", name + "=run1.", name + "=run0.5", name + "=", name + "=run1.0x1"} {
		ex := caller(1)
		ex.Header.Add("Cookie", bad)
		if goes(t, d, ex); setCookie(ex) == "" {
			t.Errorf("%q was taken for a lot", bad)
		}
	}
}

// FuzzCookie: whatever cookies a caller sends, the upstream gets all of them that
// net/http reads but the gateway's own, and only one of this run and of a lot that
// there is counts.
func FuzzCookie(f *testing.F) {
	own := "portico_split_" + uuid(7)[20:]
	for _, s := range []string{"a=1; " + own + "=run1.3; b=2", own + "=run1.9999;;  c=\"d;\" ", "a=1;" + own + "=run2.3;\tb", own, " ; " + own + "x=1, " + own + "=run1.1"} {
		f.Add(s, own+"=run1.7")
		f.Add("x=y", s)
	}
	d := of(newSet(), api(canary(500, "cookie"), nil), quick{200}, quick{202})
	read := func(values []string) (all, others []string) {
		for _, c := range (&http.Request{Header: http.Header{"Cookie": values}}).Cookies() {
			if all = append(all, c.String()); c.Name != own {
				others = append(others, c.String())
			}
		}
		return all, others
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if len(one)+len(two) > 4096 || strings.ContainsAny(one+two, "\r\n") {
			return
		}
		ex := caller(1)
		ex.Header.Add("Cookie", one)
		ex.Header.Add("Cookie", two)
		side := goes(t, d, ex)
		var left []string
		for _, field := range ex.Header.Fields() {
			left = append(left, field.Value)
		}
		_, want := read([]string{one, two})
		if got, _ := read(left); !slices.Equal(got, want) {
			t.Fatalf("%q, %q: the upstream gets %q, want %q", one, two, got, want)
		}
		if given := setCookie(ex); given != "" {
			again := caller(1)
			again.Header.Add("Cookie", one)
			again.Header.Add("Cookie", two+"; "+given)
			if goes(t, d, again) != side || setCookie(again) != "" {
				t.Fatalf("%q, %q: the cookie %q did not hold", one, two, given)
			}
		}
	})
}

func TestRulesDecideWhateverTheShareIs(t *testing.T) {
	first := fmt.Sprintf("0190%028x", 1)
	rules := []entry.SplitRule{
		{In: "header", Name: "X-Side", Value: "live"},
		{In: "header", Name: "X-Side", Candidate: true},
		{In: "cookie", Name: "beta", Value: "yes", Candidate: true},
		{In: "cookie", Name: "gamma"},
		{In: "caller", Callers: []string{first}, Candidate: true},
	}
	for _, c := range []struct {
		header   string
		caller   int
		perMille int
		want     bool
	}{
		{"", 2, 0, false},
		{"", 2, 1000, true},
		{"x-side: any", 2, 0, true},
		{"X-Side: live", 2, 1000, false},
		{"Cookie: a=b;  beta=yes", 2, 0, true},
		{"Cookie: beta=no", 2, 0, false},
		{"Cookie: gamma=", 2, 1000, false},
		{"", 1, 0, true},
		{"X-Side: live", 1, 0, false}, // the first rule that holds
	} {
		for _, sticky := range []string{"", "cookie", "caller"} {
			ex := caller(c.caller)
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				ex.Header.Add(name, value)
			}
			d := of(newSet(), api(canary(c.perMille, sticky, rules...), nil), quick{200}, quick{202})
			if got := goes(t, d, ex); got != c.want {
				t.Errorf("%q of caller %d at %d ‰, sticky %q: got %v", c.header, c.caller, c.perMille, sticky, got)
			}
		}
	}
	public := caller(1)
	public.Caller.Grant = nil
	if goes(t, of(newSet(), api(canary(0, "caller", rules...), nil), quick{200}, quick{202}), public) {
		t.Error("a call of nobody was taken for a caller's")
	}
}

func TestSidesAreCountedByStatusAndTime(t *testing.T) {
	now := time.Unix(0, 0)
	set := split.NewSet(split.Options{Now: func() time.Time { now = now.Add(20 * time.Millisecond); return now }, Random: random()})
	bad := &backend{status: 0, err: &policy.Denied{Status: 502, Code: "upstream_unreachable"}}
	d := of(set, api(canary(1000, ""), nil), quick{200}, bad)
	for range 3 {
		if err := d.Call(context.Background(), caller(1)); err == nil {
			t.Fatal("the refusal is gone")
		}
	}
	bad.err = &policy.Broken{Cause: io.ErrUnexpectedEOF}
	_ = d.Call(context.Background(), caller(1))
	bad.err, bad.status = nil, 404
	_ = d.Call(context.Background(), caller(1))
	r := set.Report()[0].Candidate
	if r.Classes != [6]uint64{0, 0, 0, 0, 2, 3} || r.Errors() != 0.6 {
		t.Errorf("got %v, %v", r.Classes, r.Errors())
	}
	if p := r.Quantile(0.5); p < 16*time.Millisecond || p > 25*time.Millisecond {
		t.Errorf("got a median of %v, want about 20 ms", p)
	}
	// A change of the share goes on counting, another run begins anew.
	of(set, api(canary(500, ""), nil), quick{200}, bad)
	if set.Report()[0].Candidate.Calls() != 5 {
		t.Error("a change of the share forgot what was counted")
	}
	next := canary(500, "")
	next.Run = "run2"
	of(set, api(next, nil), quick{200}, bad)
	if r := set.Report()[0]; r.Candidate.Calls() != 0 || r.Run != "run2" {
		t.Errorf("got %+v of a new run", r)
	}
	set.Destinations(api(nil, nil), func(string) policy.Destination { return nil })
	if len(set.Report()) != 0 {
		t.Error("a split that ended is still reported")
	}
}

func TestSplitAllocatesNothing(t *testing.T) {
	first := fmt.Sprintf("0190%028x", 1)
	for _, sticky := range []string{"", "cookie", "caller", "address"} {
		d := of(split.NewSet(split.Options{}), api(canary(500, sticky, entry.SplitRule{In: "header", Name: "X-Beta"}, entry.SplitRule{In: "caller", Callers: []string{first}}), nil), quick{200}, quick{202})
		ex := new(policy.Pool).Take()
		grant := caller(2).Caller.Grant
		call := func(cookie string) {
			ex.Reset()
			ex.Method, ex.Client, ex.Caller.Grant = "GET", netip.AddrFrom4([4]byte{10}), grant
			ex.Header.Add("User-Agent", "x")
			if cookie != "" {
				ex.Header.Add("Cookie", cookie)
			}
			if err := d.Call(context.Background(), ex); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			call("")
		}
		cookie := "a=b; " + strings.Clone(setCookie(ex)) + "; c=d"
		for name, with := range map[string]string{"none": "", "own": cookie} {
			if n := testing.AllocsPerRun(1000, func() { call(with) }); n != 0 {
				t.Errorf("sticky %q, cookie %s: got %v allocations", sticky, name, n)
			}
		}
	}
	own := func(string) policy.Destination { return quick{200} }
	if got := newSet().Destinations(api(nil, nil), own)("main"); got != (quick{200}) {
		t.Errorf("an API without split and mirror calls %T", got)
	}
}

// copies makes an API of which every call is copied to a mirror.
func copies(change ...func(*entry.Mirror)) entry.API {
	m := &entry.Mirror{Run: "m1", Upstream: "next", PerMille: 1000, MaxBodyBytes: 10, Concurrency: 2, AllMethods: true}
	for _, c := range change {
		c(m)
	}
	return api(nil, m)
}

func posted(body string) *policy.Exchange {
	ex := caller(1)
	ex.Method, ex.UpstreamPath = "POST", "/orders"
	ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader(body)), int64(len(body))
	return ex
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out waiting: " + what)
		}
	}
}

func TestMirrorGetsWhatTheUpstreamGot(t *testing.T) {
	set := newSet()
	live, next := &backend{status: 200}, &backend{status: 500}
	d := of(set, copies(), live, next)
	ex := posted("0123456789")
	if err := d.Call(context.Background(), ex); err != nil || ex.Answer.Status != 200 {
		t.Fatalf("got %d, %v", ex.Answer.Status, err)
	}
	until(t, "copy", func() bool { return len(next.calls()) == 1 })
	if got, want := next.calls()[0], "POST /orders 0123456789  1"; got != want {
		t.Errorf("the mirror saw %q, want %q", got, want)
	}
	if got := live.calls()[0]; got != "POST /orders 0123456789" {
		t.Errorf("the upstream saw %q", got)
	}
	if !ex.Body.Ended() {
		t.Error("the caller's body is not known to have ended")
	}
	set.Close()
	if r := set.Report()[0]; r.MirrorRun != "m1" || r.Mirrored.Classes != [6]uint64{0, 0, 0, 0, 0, 1} {
		t.Errorf("got %+v", r)
	}
	if err := d.Call(context.Background(), caller(1)); err != nil || len(next.calls()) != 1 {
		t.Error("something was copied after the end")
	}
}

func TestMirrorCopiesOnlyWhatItMay(t *testing.T) {
	set := newSet()
	next := &backend{status: 200}
	d := of(set, copies(func(m *entry.Mirror) { m.AllMethods = false }), &backend{status: 200}, next)
	for i, method := range []string{"GET", "HEAD", "POST", "DELETE", "PATCH"} {
		ex := caller(1)
		ex.Method = method
		_ = d.Call(context.Background(), ex)
		until(t, "copy of "+method, func() bool { return len(next.calls()) == min(i+1, 2) })
	}
	for _, ex := range []*policy.Exchange{posted("01234567890"), posted("")} {
		if ex.BodyLength == 0 {
			ex.BodyLength = -1
		}
		if err := of(set, copies(), &backend{status: 200}, next).Call(context.Background(), ex); err != nil {
			t.Fatal(err)
		}
	}
	// An upstream that answers without reading leaves nothing whole to copy.
	early := of(set, copies(), quick{413}, next)
	_ = early.Call(context.Background(), posted("0123"))
	set.Close()
	for _, saw := range next.calls() {
		if !strings.HasPrefix(saw, "GET") && !strings.HasPrefix(saw, "HEAD") {
			t.Errorf("the mirror saw %q", saw)
		}
	}
	if got := set.Report()[0].Skipped; got.Body != 3 || got.Busy != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestMirrorNeverHoldsACallUp(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, ex *policy.Exchange) error{
		"dead": func(context.Context, *policy.Exchange) error { return &policy.Denied{Status: 502} },
		"odd":  func(context.Context, *policy.Exchange) error { return errors.New("odd") },
		"hangs": func(ctx context.Context, _ *policy.Exchange) error {
			<-ctx.Done()
			return &policy.Broken{Cause: ctx.Err()}
		},
		"drips": func(ctx context.Context, ex *policy.Exchange) error {
			ex.Answer.Body = io.NopCloser(stuck{ctx})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := newSet()
			d := of(set, copies(), quick{200}, &backend{status: 200, do: do})
			start := time.Now()
			for range 200 {
				ex := caller(1)
				if err := d.Call(context.Background(), ex); err != nil || ex.Answer.Status != 200 {
					t.Fatalf("got %d, %v", ex.Answer.Status, err)
				}
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("200 calls took %v", took)
			}
			r := set.Report()[0]
			if name == "hangs" || name == "drips" {
				if r.Skipped.Busy != 198 {
					t.Errorf("got %d that were not copied, want all but the two under way", r.Skipped.Busy)
				}
			}
			ended := make(chan struct{})
			go func() { set.Close(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatal("the end waits for a mirror")
			}
			r = set.Report()[0]
			if r.Mirrored.Calls()+r.Skipped.Busy != 200 {
				t.Errorf("got %d copied and %d not, of 200", r.Mirrored.Calls(), r.Skipped.Busy)
			}
			if name != "drips" && r.Mirrored.Classes[5] != r.Mirrored.Calls() {
				t.Errorf("got %v, want failures", r.Mirrored.Classes)
			}
		})
	}
}

// stuck is a body that never comes.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestMirrorCopiesItsShare(t *testing.T) {
	set, n := newSet(), 0
	var mu sync.Mutex
	next := &backend{status: 200, do: func(context.Context, *policy.Exchange) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		return nil
	}}
	d := of(set, copies(func(m *entry.Mirror) { m.PerMille, m.Concurrency = 100, 1000 }), quick{200}, next)
	for range 10_000 {
		_ = d.Call(context.Background(), caller(1))
	}
	set.Close()
	r := set.Report()[0]
	if got := int(r.Mirrored.Calls() + r.Skipped.Busy); got < 850 || got > 1150 {
		t.Errorf("drew %d of 10,000, want about 1,000", got)
	}
}

// TestMirrorHoldsNoPlaceForACallThatPanics calls a destination that panics more often
// than there are places.
func TestMirrorHoldsNoPlaceForACallThatPanics(t *testing.T) {
	set, mirror := newSet(), &backend{status: 200}
	live := &backend{do: func(_ context.Context, ex *policy.Exchange) error {
		if ex.UpstreamPath == "/panic" {
			panic("a fault")
		}
		return nil
	}}
	d := of(set, api(nil, &entry.Mirror{Run: "run1", Upstream: "next", PerMille: 1000, Concurrency: 2}), live, mirror)
	for range 5 {
		ex := caller(1)
		ex.UpstreamPath = "/panic"
		func() {
			defer func() { _ = recover() }()
			_ = d.Call(t.Context(), ex)
		}()
	}
	goes(t, d, caller(1))
	set.Close()
	if got := set.Report()[0]; len(mirror.calls()) != 1 || got.Skipped.Busy != 0 {
		t.Errorf("the mirror got %d calls, and %d found no place", len(mirror.calls()), got.Skipped.Busy)
	}
}

// TestMirrorKeepsOnlyWhatHasCome has callers say that they will send much, and send
// a little.
func TestMirrorKeepsOnlyWhatHasCome(t *testing.T) {
	var kept runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&kept)
	before := kept.HeapAlloc
	live := &backend{do: func(_ context.Context, ex *policy.Exchange) error {
		_, _ = io.ReadFull(ex.Body, make([]byte, 10))
		runtime.GC()
		runtime.ReadMemStats(&kept)
		return nil
	}}
	d := of(newSet(), api(nil, &entry.Mirror{Run: "run1", Upstream: "next", PerMille: 1000, Concurrency: 2, MaxBodyBytes: 64 << 20, AllMethods: true}), live, quick{200})
	ex := caller(1)
	ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader("only a little")), 64<<20
	goes(t, d, ex)
	if kept.HeapAlloc > before+(8<<20) {
		t.Errorf("%d MiB are kept", (kept.HeapAlloc-before)>>20)
	}
}
