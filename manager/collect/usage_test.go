package collect_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

const spoolID = "0123456789abcdef0123456789abcdef"

// usage is a piece of three calls: two that ended alike in one minute, and one
// that did not.
func (s *stand) usage(from uint32) entry.Usage {
	at := s.now().UnixMicro()
	return entry.Usage{
		Spool: spoolID, Segment: 1, From: from, To: from + 3, Lost: 4,
		Callers: []entry.UsageCaller{{Version: strings.Repeat("1", 32), Application: strings.Repeat("2", 32), Operation: "list", Method: "GET", Status: 200}, {Method: "GET", Code: entry.Interrupted}},
		Calls: []entry.UsageCall{
			{At: at, Count: 1, BytesOut: 10, TookUS: 3000, UpstreamUS: 1},
			{At: at, Count: 1, BytesOut: 10, TookUS: 7000, UpstreamUS: 1},
			{Caller: 1, At: s.now().Add(100 * time.Hour).UnixMicro(), Count: 1},
		},
	}
}

// acks hears what a node is told of its usage, from now on.
func (s *stand) acks() func() []entry.UsageAck {
	s.t.Helper()
	var mu sync.Mutex
	var heard []entry.UsageAck
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.bus.Environment(env).UsageAcks(ctx, node(0).ID.UUID(), func(a entry.UsageAck) { mu.Lock(); defer mu.Unlock(); heard = append(heard, a) })
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	const hello = "hello"
	waitFor(s.t, "the node to listen", func() bool {
		if err := s.bus.Environment(env).AckUsage(node(0).ID.UUID(), entry.UsageAck{Spool: hello}); err != nil {
			s.t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return len(heard) > 0
	})
	return func() []entry.UsageAck {
		mu.Lock()
		defer mu.Unlock()
		return slices.DeleteFunc(slices.Clone(heard), func(a entry.UsageAck) bool { return a.Spool == hello })
	}
}

// send sends a piece once the stream is there.
func (s *stand) send(u entry.Usage) {
	s.t.Helper()
	waitFor(s.t, "the stream of usage", func() bool {
		return s.bus.Environment(env).Usage(s.t.Context(), node(0).ID.UUID(), entry.AppendUsage(nil, u)) == nil
	})
}

func TestUsageIsAddedUpByTheMinuteAndAcknowledged(t *testing.T) {
	s := newStand(t, 1)
	acks := s.acks()
	waitFor(t, "an acknowledgement", func() bool { s.send(s.usage(0)); time.Sleep(20 * time.Millisecond); return len(acks()) > 0 })
	if got, want := acks()[0], (entry.UsageAck{Spool: spoolID, Segment: 1, To: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.store.with(func() {
		if len(s.store.pieces) != 1 || len(s.store.pieces[0].Lines) != 3 {
			t.Fatalf("got %+v, want one piece of three lines", s.store.pieces)
		}
		p := s.store.pieces[0]
		ok := p.Lines[0]
		if p.Node != node(0).ID.UUID() || p.Environment != env || ok.Version != apim.ID("ver_"+strings.Repeat("1", 32)) || ok.Application != apim.ID("app_"+strings.Repeat("2", 32)) {
			t.Errorf("got %+v", p)
		}
		if ok.Calls != 2 || ok.BytesOut != 20 || ok.TookUS != 10_000 || ok.Took[2] != 1 || ok.Took[3] != 1 || !ok.Minute.Equal(s.now().UTC().Truncate(time.Minute)) {
			t.Errorf("got %+v", ok)
		}
		if broken := p.Lines[1]; broken.Status != 0 || broken.Code != entry.Interrupted || broken.Minute.After(s.now()) {
			t.Errorf("a call of a node whose clock is days ahead: got %+v", broken)
		}
		if lost := p.Lines[2]; lost.Code != apim.UsageLost || lost.Calls != 4 {
			t.Errorf("got %+v", lost)
		}
	})
}

// While the store is away nothing is acknowledged, and after it all is counted
// once, however often it was sent.
func TestUsageWaitsForTheStore(t *testing.T) {
	s := newStand(t, 1)
	acks := s.acks()
	s.store.with(func() { s.store.failure = errors.New("away") })
	for range 3 {
		s.send(s.usage(0))
	}
	s.send(s.usage(3))
	time.Sleep(100 * time.Millisecond) // it is asked for meanwhile
	if got := acks(); len(got) > 0 {
		t.Errorf("got %v, want nothing acknowledged", got)
	}
	s.store.with(func() { s.store.failure = nil })
	waitFor(t, "all acknowledgements", func() bool { return len(acks()) >= 4 })
	s.store.with(func() {
		if len(s.store.pieces) != 2 || s.store.twice != 2 {
			t.Errorf("got %d pieces, and %d that were counted before", len(s.store.pieces), s.store.twice)
		}
	})
}

// TestUsageThatComesTogetherIsCountedTogether: pieces that came while others
// were counted are one transaction, and one that is refused, or that the database
// cannot add, takes none of the others with it.
func TestUsageThatComesTogetherIsCountedTogether(t *testing.T) {
	for name, err := range map[string]error{"refused": apim.Errorf(apim.Invalid, "no spool sent this"), "impossible": errors.New("out of range")} {
		t.Run(name, func(t *testing.T) { testUsageThatComesTogetherIsCountedTogether(t, err) })
	}
}

func testUsageThatComesTogetherIsCountedTogether(t *testing.T, refusal error) {
	s := newStand(t, 1)
	s.store.with(func() { s.store.refusal = refusal })
	acks := s.acks()
	n, together := 0, 0
	for together < 3 && n < 70 { // what is sent is there a moment later
		s.store.mu.Lock() // counting takes long
		for range 6 {
			s.send(s.usage(uint32(3 * n)))
			n++
		}
		refused := s.usage(0)
		refused.Spool = refusedSpool
		s.send(refused)
		time.Sleep(20 * time.Millisecond)
		s.store.mu.Unlock()
		waitFor(t, "all acknowledgements", func() bool { return len(acks()) == n })
		s.store.with(func() { together = s.store.together })
	}
	for _, a := range acks() {
		if a.Spool == refusedSpool {
			t.Errorf("got %+v acknowledged, which was not counted", a)
		}
	}
	s.store.with(func() {
		if len(s.store.pieces) != n || s.store.twice > 0 || together < 3 {
			t.Errorf("got %d pieces, %d of them twice, %d at once at most; want %d, and some together", len(s.store.pieces), s.store.twice, together, n)
		}
	})
}

// TestUsageIsCountedInSmallerPartsWhereMuchIsTooMuch: a database may have no time
// for as much at once as came.
func TestUsageIsCountedInSmallerPartsWhereMuchIsTooMuch(t *testing.T) {
	s := newStand(t, 1)
	acks := s.acks()
	s.store.with(func() { s.store.most = 1 })
	s.store.mu.Lock() // counting takes long
	for n := range 6 {
		s.send(s.usage(uint32(3 * n)))
	}
	time.Sleep(20 * time.Millisecond)
	s.store.mu.Unlock()
	waitFor(t, "all acknowledgements", func() bool { return len(acks()) == 6 })
	s.store.with(func() {
		if len(s.store.pieces) != 6 || s.store.twice > 0 {
			t.Errorf("got %d pieces, %d of them twice", len(s.store.pieces), s.store.twice)
		}
	})
}

func TestUsageThatCannotBeReadIsDroppedAndTheNextCounts(t *testing.T) {
	s := newStand(t, 1)
	waitFor(t, "the stream", func() bool {
		return s.bus.Environment(env).Usage(t.Context(), node(0).ID.UUID(), []byte("nonsense")) == nil
	})
	s.send(s.usage(0))
	waitFor(t, "the next", func() bool { n := 0; s.store.with(func() { n = len(s.store.pieces) }); return n == 1 })
}

func TestUsageIsKeptForNinetyDays(t *testing.T) {
	s := newStand(t, 0)
	var swept time.Time
	waitFor(t, "a look at what is old", func() bool { s.store.with(func() { swept = s.store.swept }); return !swept.IsZero() })
	if want := s.now().Add(-90 * 24 * time.Hour); !swept.Equal(want) {
		t.Errorf("got %v, want %v", swept, want)
	}
}
