package balance_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

const second = int64(time.Second)

// pool is a group with its endpoints, in their order.
type pool struct {
	*balance.Group
	list    []*balance.Endpoint
	members []balance.Member
}

func newPool(s balance.Settings, weights ...int) *pool {
	p := &pool{Group: balance.NewGroup(s, nil)}
	for i, w := range weights {
		e := balance.NewEndpoint(fmt.Sprintf("http://10.0.0.%d:80", i+1), nil)
		p.list = append(p.list, e)
		p.members = append(p.members, balance.Member{Endpoint: e, Weight: w})
	}
	p.Set(0, p.members)
	return p
}

func ones(n int) []int { return slices.Repeat([]int{1}, n) }

// spread makes n calls that end at once and counts where they went.
func (p *pool) spread(t *testing.T, now int64, n int, key func(i int) uint64) []int {
	t.Helper()
	got := make([]int, len(p.list))
	for i := range n {
		k := uint64(0)
		if key != nil {
			k = key(i)
		}
		e, err := p.Pick(now, k, nil)
		if err != nil {
			t.Fatalf("pick %d: %v", i, err)
		}
		got[slices.Index(p.list, e)]++
		p.End(e)
	}
	return got
}

func TestRoundRobinGivesEachItsTurn(t *testing.T) {
	if got, want := newPool(balance.Settings{}, 1, 1, 1).spread(t, 0, 3000, nil), []int{1000, 1000, 1000}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWeightsHoldInEveryStretch(t *testing.T) {
	p := newPool(balance.Settings{}, 5, 1, 3)
	for stretch := range 20 {
		got := p.spread(t, 0, 90, nil)
		for i, want := range []int{50, 10, 30} {
			if d := got[i] - want; d < -2 || d > 2 {
				t.Errorf("stretch %d: got %v, want about [50 10 30]", stretch, got)
			}
		}
	}
	// Smooth: the heavy one is not called in one long run.
	run, longest := 0, 0
	for range 900 {
		e, _ := p.Pick(0, 0, nil)
		if run++; e != p.list[0] {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest > 4 {
		t.Errorf("%d calls in a row went to the one with 5 of 9", longest)
	}
}

func TestRandomAlgorithmsKeepToWeightsAtRest(t *testing.T) {
	for name, a := range map[string]balance.Algorithm{"least requests": balance.LeastRequests, "ewma": balance.EWMA} {
		p := newPool(balance.Settings{Algorithm: a}, 2, 1, 1)
		got := p.spread(t, 0, 40_000, nil)
		chi := 0.0
		for i, want := range []float64{20_000, 10_000, 10_000} {
			chi += math.Pow(float64(got[i])-want, 2) / want
		}
		if chi > 30 { // one run in three million
			t.Errorf("%s: got %v, χ² %.1f", name, got, chi)
		}
	}
}

func TestLeastRequestsEvensOutWhatIsUnderWay(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.LeastRequests}, ones(10)...)
	for range 1000 {
		if _, err := p.Pick(0, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range p.list {
		if n := e.Under(); n < 90 || n > 110 {
			t.Errorf("endpoint %d has %d of 1000 calls, want about 100", i, n)
		}
	}
}

func TestEWMAPrefersTheFasterAndForgivesInTime(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.EWMA}, 1, 1)
	p.Done(p.list[0], 0, balance.Answered, 100*time.Millisecond)
	p.Done(p.list[1], 0, balance.Answered, time.Millisecond)
	if got := p.spread(t, 0, 1000, nil); got[0] > 0 {
		t.Errorf("the slower got %d of 1000", got[0])
	}
	// The fast one goes on answering; what the slow one did is forgotten.
	for at := int64(0); at < 120*second; at += second {
		p.Done(p.list[1], at, balance.Answered, time.Millisecond)
	}
	if got := p.spread(t, 120*second, 1000, nil); got[0] == 0 {
		t.Error("the slower was never tried again")
	}
	// Failing fast is not being fast.
	p.Done(p.list[0], 120*second, balance.Unavailable, time.Microsecond)
	if got := p.spread(t, 120*second, 1000, nil); got[0] > 0 {
		t.Errorf("the failing one got %d of 1000", got[0])
	}
}

func keyed(i int) uint64 { return balance.KeyOf(fmt.Sprint("caller-", i)) }

func TestHashMovesNoMoreThanItMust(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.Hash}, ones(10)...)
	const keys = 20_000
	where := func() []*balance.Endpoint {
		out := make([]*balance.Endpoint, keys)
		for i := range out {
			out[i], _ = p.Pick(0, keyed(i), nil)
		}
		return out
	}
	before := where()
	share := map[*balance.Endpoint]int{}
	for _, e := range before {
		share[e]++
	}
	for _, e := range p.list {
		if share[e] < keys/10*70/100 || share[e] > keys/10*130/100 {
			t.Errorf("%s has %d of %d keys", e.Name, share[e], keys)
		}
	}
	// One that is sick, and one that is gone, moves its own keys alone.
	for name, leave := range map[string]func(){
		"sick": func() { p.SetHealth(p.list[3], 0, "check failed") },
		"gone": func() { p.Set(0, slices.Delete(slices.Clone(p.members), 3, 4)) },
	} {
		leave()
		for i, e := range where() {
			if before[i] != p.list[3] && e != before[i] {
				t.Fatalf("%s: key %d moved from %s to %s", name, i, before[i].Name, e.Name)
			} else if e == p.list[3] {
				t.Fatalf("%s: key %d is still on it", name, i)
			}
		}
		p.SetHealth(p.list[3], 0, "")
		p.Set(0, p.members)
		if !slices.Equal(where(), before) {
			t.Errorf("%s: when it is back the keys are not where they were", name)
		}
	}
}

func TestHashedEndpointIsNotOverrun(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.Hash, BoundPercent: 125}, ones(4)...)
	for range 400 { // everybody is the same caller
		if _, err := p.Pick(0, keyed(1), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range p.list {
		if e.Under() > 126 {
			t.Errorf("%s has %d of 400 calls, want at most 125 in 100 of the average", e.Name, e.Under())
		}
	}
}

var ejecting = balance.Ejection{Failures: 3, Base: 10 * time.Second, Max: 30 * time.Second, MaxPercent: 50}

func (p *pool) fail(i, times int, now int64, o balance.Outcome) {
	for range times {
		p.Done(p.list[i], now, o, 0)
	}
}

func TestFailingEndpointIsEjectedAndComesBack(t *testing.T) {
	p := newPool(balance.Settings{Ejection: ejecting}, 1, 1, 1)
	p.fail(1, 2, 0, balance.Unreachable)
	p.Done(p.list[1], 0, balance.Answered, 0) // not in a row
	p.fail(1, 2, 0, balance.Unavailable)
	p.fail(0, 9, 0, balance.Failed) // the service's own 500
	p.fail(0, 9, 0, balance.Abandoned)
	if got := p.spread(t, 0, 30, nil); !slices.Equal(got, []int{10, 10, 10}) {
		t.Fatalf("too early: got %v", got)
	}
	p.fail(1, 1, 0, balance.Late)
	if got := p.spread(t, 0, 30, nil); got[1] != 0 {
		t.Errorf("the ejected one got %d", got[1])
	}
	h := p.Health(0)
	if h.Total != 3 || h.Fit != 2 || len(h.Unfit) != 1 || h.Unfit[0].Until != 10*second || h.Unfit[0].Why != "did not answer in time" {
		t.Errorf("health is %+v", h)
	}
	if p.Settle(9 * second); p.spread(t, 9*second, 30, nil)[1] != 0 {
		t.Error("it came back before its time")
	}
	if more := p.Settle(10 * second); more || p.spread(t, 10*second, 30, nil)[1] != 10 {
		t.Error("it did not come back")
	}
	// After its return one failure is enough, and it stays out for longer.
	p.fail(1, 1, 11*second, balance.Broken)
	if h := p.Health(11 * second); len(h.Unfit) != 1 || h.Unfit[0].Until != 31*second {
		t.Errorf("the second time: %+v", h)
	}
	for at := 31 * second; at < 300*second; at += 40 * second {
		p.Settle(at)
		p.fail(1, 1, at, balance.Broken)
		if h := p.Health(at); h.Unfit[0].Until > at+30*second {
			t.Errorf("out until %d at %d, longer than the most", h.Unfit[0].Until, at)
		}
	}
}

func TestNeverMoreAreEjectedThanMayBe(t *testing.T) {
	p := newPool(balance.Settings{Ejection: ejecting}, ones(5)...)
	for i := range p.list {
		p.fail(i, 5, 0, balance.Unreachable)
	}
	if h := p.Health(0); len(h.Unfit) != 3 {
		t.Errorf("%d of 5 are out, want half rounded up", len(h.Unfit))
	}
	one := newPool(balance.Settings{Ejection: ejecting}, 1)
	one.fail(0, 100, 0, balance.Unreachable)
	if h := one.Health(0); len(h.Unfit) != 0 {
		t.Error("the only one was ejected")
	}
}

func TestPanicUsesAll(t *testing.T) {
	p := newPool(balance.Settings{PanicPercent: 50}, ones(4)...)
	p.SetHealth(p.list[0], 0, "refused")
	p.SetHealth(p.list[1], 0, "refused")
	if got := p.spread(t, 0, 40, nil); !slices.Equal(got, []int{0, 0, 20, 20}) || p.Health(0).Panic {
		t.Errorf("half are fit: got %v", got)
	}
	p.SetHealth(p.list[2], 0, "refused")
	if got := p.spread(t, 0, 40, nil); !slices.Equal(got, []int{10, 10, 10, 10}) || !p.Health(0).Panic {
		t.Errorf("a quarter is fit: got %v", got)
	}
	none := newPool(balance.Settings{}, 1, 1)
	none.SetHealth(none.list[0], 0, "refused")
	none.SetHealth(none.list[1], 0, "refused")
	if got := none.spread(t, 0, 40, nil); !slices.Equal(got, []int{20, 20}) {
		t.Errorf("none is fit: got %v", got)
	}
}

func TestSlowStartGrowsToTheFullShare(t *testing.T) {
	p := newPool(balance.Settings{SlowStart: 10 * time.Second}, 1, 1)
	late := balance.NewEndpoint("http://10.0.0.9:80", nil)
	p.list, p.members = append(p.list, late), append(p.members, balance.Member{Endpoint: late, Weight: 1})
	p.Set(second, p.members)
	last := 0
	for _, c := range []struct {
		after   int64
		percent float64 // of a full share
	}{{0, 10}, {2, 20}, {5, 50}, {9, 90}, {10, 100}} {
		now := second + c.after*second
		p.Settle(now)
		got := p.spread(t, now, 3000, nil)
		want := 3000 * c.percent / (200 + c.percent)
		if math.Abs(float64(got[2])-want) > 12 || got[2] < last {
			t.Errorf("after %d s: got %d of 3000, want %.0f", c.after, got[2], want)
		}
		last = got[2]
	}
	if p.Settle(30 * second) {
		t.Error("there is nothing more to do")
	}
	// One that a check finds well again starts slowly too.
	p.SetHealth(p.list[0], 30*second, "refused")
	p.SetHealth(p.list[0], 31*second, "")
	if got := p.spread(t, 31*second, 2100, nil); got[0] > 120 {
		t.Errorf("back from a failed check: got %v", got)
	}
}

func TestEndpointsThatStayKeepTheirState(t *testing.T) {
	p := newPool(balance.Settings{Ejection: ejecting}, 1, 1, 1)
	p.fail(0, 3, 0, balance.Unreachable)
	next := balance.NewGroup(balance.Settings{Ejection: ejecting, Algorithm: balance.LeastRequests}, nil)
	next.Set(second, p.members[:2])
	if h := next.Health(second); h.Total != 2 || len(h.Unfit) != 1 || h.Unfit[0].Endpoint != p.list[0] {
		t.Errorf("after the move: %+v", h)
	}
	if next.Settle(10 * second); len(next.Health(10*second).Unfit) != 0 {
		t.Error("it does not come back in the new group")
	}
}

func TestTriedEndpointsAreNotChosenAgain(t *testing.T) {
	for name, a := range map[string]balance.Algorithm{"round robin": balance.RoundRobin, "least": balance.LeastRequests, "ewma": balance.EWMA, "hash": balance.Hash} {
		p := newPool(balance.Settings{Algorithm: a}, 1, 1, 1)
		var tried []*balance.Endpoint
		for range 3 {
			e, err := p.Pick(0, keyed(7), tried)
			if err != nil || slices.Contains(tried, e) {
				t.Fatalf("%s: got %v, %v after %d", name, e, err, len(tried))
			}
			tried = append(tried, e)
		}
		if _, err := p.Pick(0, keyed(7), tried); !errors.Is(err, balance.ErrNone) {
			t.Errorf("%s: all were tried: %v", name, err)
		}
	}
	if _, err := newPool(balance.Settings{}).Pick(0, 0, nil); !errors.Is(err, balance.ErrNone) {
		t.Errorf("an empty group: %v", err)
	}
}

func TestConnectionLimitOfAnEndpointHolds(t *testing.T) {
	p := newPool(balance.Settings{MaxConnections: 2}, 1, 1)
	for range 4 {
		if _, err := p.Pick(0, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Pick(0, 0, nil); !errors.Is(err, balance.ErrFull) {
		t.Errorf("the fifth: %v", err)
	}
	p.End(p.list[1])
	if e, err := p.Pick(0, 0, nil); err != nil || e != p.list[1] {
		t.Errorf("got %v, %v, want the one that is free", e, err)
	}
}

// TestHashedPoolThatIsFullCostsWhatOthersCost compares with round robin, which
// asks each endpoint once.
func TestHashedPoolThatIsFullCostsWhatOthersCost(t *testing.T) {
	const n = 1000
	full := func(a balance.Algorithm) *pool {
		p := newPool(balance.Settings{Algorithm: a, MaxConnections: 1}, ones(n)...)
		for i := range n {
			if _, err := p.Pick(0, keyed(i), nil); err != nil {
				t.Fatalf("call %d of %d: %v", i, n, err)
			}
		}
		return p
	}
	hashed, plain := full(balance.Hash), full(balance.RoundRobin)
	took := func(p *pool) time.Duration {
		began := time.Now()
		for i := range 100 {
			if _, err := p.Pick(0, keyed(i), nil); !errors.Is(err, balance.ErrFull) {
				t.Fatalf("all are full: %v", err)
			}
		}
		return time.Since(began)
	}
	least := func(p *pool) time.Duration { // of some, since others use the machine too
		best := took(p)
		for range 9 {
			best = min(best, took(p))
		}
		return best
	}
	if h, r := least(hashed), least(plain); h > 10*r {
		t.Errorf("100 calls by hash over %d that are full cost %v, by round robin %v", n, h, r)
	}
	// Whichever is free, or well, is found by every key.
	hashed.End(hashed.list[7])
	for i := range 50 {
		e, err := hashed.Pick(0, keyed(i), nil)
		if err != nil || e != hashed.list[7] {
			t.Fatalf("key %d: got %v, %v, want the only one that is free", i, e, err)
		}
		hashed.End(e)
	}
	sick := newPool(balance.Settings{Algorithm: balance.Hash}, ones(n)...)
	for _, e := range sick.list[1:] {
		sick.SetHealth(e, 0, "refused")
	}
	for i := range 50 {
		if e, err := sick.Pick(0, keyed(i), nil); err != nil || e != sick.list[0] {
			t.Fatalf("key %d: got %v, %v, want the only one that is well", i, e, err)
		}
	}
}

func TestRetriesKeepToTheirBudget(t *testing.T) {
	p := newPool(balance.Settings{BudgetPercent: 20, BudgetMin: 1}, 1, 1)
	p.spread(t, second, 1000, nil)
	retries := func(now int64) (n int) {
		for p.MayRetry(now) {
			n++
		}
		return n
	}
	if n := retries(second); n < 10 {
		t.Errorf("got %d at first, want at least those that are always allowed", n)
	}
	p.spread(t, 2*second, 1000, nil)
	if n := retries(2 * second); n < 190 || n > 210 {
		t.Errorf("got %d retries for 1000 calls, want 200", n)
	}
	p.spread(t, 12*second, 100, nil)
	if n := retries(12 * second); n < 180 || n > 240 { // the stretch before counts
		t.Errorf("got %d in the next stretch", n)
	}
	if n := retries(200 * second); n > 20 {
		t.Errorf("got %d when hardly anybody calls", n)
	}
}

func TestPickingAllocatesNothing(t *testing.T) {
	for name, s := range everySetting() {
		p := newPool(s, 3, 1, 1, 1, 1)
		tried := p.list[:1]
		if n := testing.AllocsPerRun(1000, func() {
			e, err := p.Pick(second, 12345, tried)
			if err != nil {
				t.Fatal(err)
			}
			p.Done(e, second, balance.Answered, time.Millisecond)
			p.End(e)
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func everySetting() map[string]balance.Settings {
	return map[string]balance.Settings{
		"round robin": {Ejection: ejecting}, "least requests": {Algorithm: balance.LeastRequests, Ejection: ejecting},
		"ewma": {Algorithm: balance.EWMA, Ejection: ejecting}, "hash": {Algorithm: balance.Hash, Ejection: ejecting},
		"hash bound": {Algorithm: balance.Hash, BoundPercent: 125, Ejection: ejecting},
	}
}

func TestManyGoroutinesLoseNoCount(t *testing.T) {
	p := newPool(balance.Settings{Algorithm: balance.LeastRequests, MaxConnections: 50, MaxRequests: 100, Ejection: ejecting}, ones(4)...)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				if _, err := p.Enter(context.Background(), 0, 0); err != nil {
					t.Error(err)
					return
				}
				e, err := p.Pick(int64(i), 0, nil)
				if err != nil {
					t.Error(err)
					return
				}
				o := balance.Answered
				if (i+w)%7 == 0 {
					o = balance.Broken
				}
				p.Done(e, int64(i), o, 0)
				p.End(e)
				p.Leave()
			}
		})
	}
	all.Wait()
	for _, e := range p.list {
		if e.Under() != 0 {
			t.Errorf("%s has %d calls under way when all have ended", e.Name, e.Under())
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for name, s := range everySetting() {
		for _, n := range []int{1, 3, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				p := newPool(s, ones(n)...)
				b.ReportAllocs()
				for i := range b.N {
					e, err := p.Pick(second, uint64(i)*0x9E3779B97F4A7C15|1, nil)
					if err != nil {
						b.Fatal(err)
					}
					p.Done(e, second, balance.Answered, time.Millisecond)
					p.End(e)
				}
			})
		}
	}
}
