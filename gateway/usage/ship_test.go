package usage_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway/usage"
	"portico/internal/entry"
	"portico/test/fake"
)

// The bus is there and the ledger is silent: what was sent is left alone, and
// there is enough beside it to add up.
func TestFullSpoolAddsUpAlsoWhereOnlyTheLedgerIsAway(t *testing.T) {
	var ahead atomic.Int64
	o := small(t.TempDir())
	o.Bytes = 20 * o.SegmentBytes
	o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, l := open(t, o), new(fake.Ledger)
	l.Silent(true)
	s.ships(l, func() {
		s.steadily(3000, 200)
		if got := s.Status(); got.Segments > 20 || got.Folded == 0 {
			t.Errorf("got %+v, want at most 20 segments, and calls added up", got)
		}
		l.Silent(false)
		wait(t, "all of them", func() bool {
			ahead.Add(int64(time.Minute)) // what is not acknowledged is sent again
			return l.ByStatus()[200] == 3000 && s.Status().Waiting == 0
		})
	})
}

// What a ledger has not acknowledged yet is not sent again while it may be busy.
func TestLedgerIsGivenTime(t *testing.T) {
	var ahead atomic.Int64
	o := small(t.TempDir())
	o.Now = func() time.Time { return noon.Add(time.Duration(ahead.Load())) }
	s, l := open(t, o), new(fake.Ledger)
	l.Silent(true)
	s.ships(l, func() {
		s.calls(5, 200)
		const looks = 300 * time.Millisecond // three of them
		wait(t, "the piece", func() bool {
			time.Sleep(looks) // from the first on it waits for a second
			if l.ByStatus()[200] == 5 {
				return true
			}
			ahead.Add(int64(time.Second))
			return false
		})
		ahead.Add(int64(8 * time.Second)) // a ninth may have passed
		time.Sleep(looks)
		if n := l.Again(); n > 0 {
			t.Errorf("%d pieces were sent again within nine seconds", n)
		}
		ahead.Add(int64(2 * time.Second))
		wait(t, "the piece once more", func() bool { return l.Again() > 0 })
		l.Silent(false)
	})
}

// slowLedger takes pieces, and acknowledges them when it is told to.
type slowLedger struct {
	deaf
	mu   sync.Mutex
	came []entry.UsageAck
	acks chan entry.UsageAck
}

func (l *slowLedger) Usage(_ context.Context, _ string, piece []byte) error {
	u, err := entry.DecodeUsage(piece)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came = append(l.came, entry.UsageAck{Spool: u.Spool, Segment: u.Segment, To: u.To})
	return err
}

func (l *slowLedger) UsageAcks(ctx context.Context, _ string, each func(entry.UsageAck)) error {
	for {
		select {
		case ack := <-l.acks:
			each(ack)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *slowLedger) pieces() []entry.UsageAck {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]entry.UsageAck{}, l.came...)
}

// A ledger that is behind says now and then what it has come to: what waits for its
// turn is not sent again, however long that takes. A piece that it has passed over is.
func TestWhatALedgerHasNotComeToIsNotSentAgain(t *testing.T) {
	var ahead atomic.Int64
	o := small(t.TempDir())
	o.Now = func() time.Time { return noon.Add(time.Duration(ahead.Load())) }
	s, l := open(t, o), &slowLedger{acks: make(chan entry.UsageAck)}
	s.ships(l, func() {
		s.steadily(80, 200) // eight segments
		wait(t, "eight pieces", func() bool { return len(l.pieces()) == 8 })
		pieces := l.pieces() // which are on their way side by side, and were sent in the order of their segments
		slices.SortFunc(pieces, func(a, b entry.UsageAck) int { return cmp.Compare(a.Segment, b.Segment) })
		for _, ack := range []entry.UsageAck{pieces[0], pieces[1], pieces[2]} {
			ahead.Add(int64(8 * time.Second))
			l.acks <- ack
			time.Sleep(250 * time.Millisecond) // it looks twice
		}
		if got := len(l.pieces()); got != 8 {
			t.Fatalf("%d pieces came in 24 seconds, in which the ledger took three of eight", got)
		}
		l.acks <- pieces[7]
		wait(t, "those that were passed over", func() bool { return len(l.pieces()) == 12 })
		for _, again := range l.pieces()[8:] {
			if !slices.Contains(pieces[3:7], again) {
				t.Errorf("%v came again, want %v", again, pieces[3:7])
			}
		}
	})
}

// fullBus is a bus that is connected and takes nothing.
type fullBus struct {
	deaf
	mu    sync.Mutex
	tried map[string]int
}

func (f *fullBus) Usage(_ context.Context, _ string, piece []byte) error {
	u, err := entry.DecodeUsage(piece)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried[fmt.Sprint(u.Segment, u.From)]++
	return errors.New("maximum bytes exceeded")
}

func TestFullBusIsNotFlooded(t *testing.T) {
	var ahead atomic.Int64
	o := small(t.TempDir())
	o.Now = func() time.Time { return noon.Add(time.Duration(ahead.Load())) }
	s, bus := open(t, o), &fullBus{tried: map[string]int{}}
	s.ships(bus, func() {
		s.steadily(50, 200)
		for range 30 { // seconds
			ahead.Add(int64(time.Second))
			time.Sleep(110 * time.Millisecond) // it looks once
		}
	})
	bus.mu.Lock()
	defer bus.mu.Unlock()
	if len(bus.tried) == 0 {
		t.Error("nothing was tried")
	}
	for piece, n := range bus.tried {
		if n > 6 {
			t.Errorf("piece %s was tried %d times in half a minute", piece, n)
		}
	}
}

// sizes is a bus that looks how large pieces are.
type sizes struct {
	deaf
	most atomic.Int64
}

func (s *sizes) Usage(ctx context.Context, node string, piece []byte) error {
	s.most.Store(max(s.most.Load(), int64(len(piece))))
	return s.deaf.Usage(ctx, node, piece)
}

// A piece of calls no two of which have anything in common fits in a message.
func TestLargestPieceFitsInAMessage(t *testing.T) {
	s, bus := open(t, usage.Options{Dir: t.TempDir()}), new(sizes)
	for n := range 6000 {
		slot := s.Take(0, &usage.Begin{At: noon.Add(time.Duration(n) * 3 * time.Minute), Method: "BASELINE-CTL", RequestID: strings.Repeat("r", 64), Address: netip.MustParseAddr("2001:db8::7")})
		c := ended(599)
		c.Operation, c.Code = fmt.Sprintf("%064d", n), fmt.Sprintf("%028d", n)
		c.BytesIn, c.BytesOut, c.Took, c.Upstream = 1<<40, 1<<40, time.Hour, time.Hour
		s.Complete(slot, c)
	}
	s.ships(bus, func() { wait(t, "a piece", func() bool { return bus.most.Load() > 0 }) })
	if got := bus.most.Load(); got > 1<<20 || got < 900<<10 {
		t.Errorf("got %d bytes, want nearly as many as a message may have, and not more", got)
	}
}
