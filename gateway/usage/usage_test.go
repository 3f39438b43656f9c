package usage_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"portico/gateway/usage"
	"portico/internal/entry"
	"portico/test/fake"
)

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

// spool is one in a folder, whose log is kept.
type spool struct {
	*usage.Spool
	t    *testing.T
	said *bytes.Buffer
	mu   sync.Mutex
}

func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

func (s *spool) says(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.said.String(), text)
}

func open(t *testing.T, o usage.Options) *spool {
	t.Helper()
	s := &spool{t: t, said: new(bytes.Buffer)}
	o.Log, o.Environment = slog.New(slog.NewTextHandler(s, nil)), "production"
	var err error
	if s.Spool, err = usage.Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some have closed it
	return s
}

// small makes segments of about ten calls.
func small(dir string) usage.Options {
	return usage.Options{Dir: dir, SegmentBytes: 4096 + 10*320, Bytes: 1 << 20}
}

func begin(n int) *usage.Begin {
	return &usage.Begin{At: noon.Add(time.Duration(n) * time.Millisecond), Method: "GET", RequestID: fmt.Sprint("r", n), Address: netip.MustParseAddr("192.0.2.7")}
}

func ended(status int) *usage.Call {
	return &usage.Call{
		Version: [16]byte{1}, Application: [16]byte{2}, Subscription: [16]byte{3}, Plan: [16]byte{4}, Credential: [16]byte{5},
		Operation: "list", Status: status, BytesIn: 10, BytesOut: 20, Took: 3 * time.Millisecond, Upstream: 2 * time.Millisecond,
	}
}

// calls makes n calls of a status.
func (s *spool) calls(n, status int) {
	for i := range n {
		s.Complete(s.Take(uint32(i), begin(i)), ended(status))
	}
}

// ships runs a spool until the function is done, and ends it.
func (s *spool) ships(l usage.Carrier, until func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, "n", l, 2*time.Second) }()
	until()
	cancel()
	if err := <-done; err != nil {
		s.t.Error(err)
	}
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func counts(t *testing.T, l *fake.Ledger, want map[int]uint64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		got := l.ByStatus()
		if _, asked := want[-1]; !asked {
			delete(got, -1) // tries that found no room, and were made again
		}
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestEveryCallIsCountedOnceWithAllThatIsKnownOfIt(t *testing.T) {
	s, l := open(t, usage.Options{Dir: t.TempDir()}), new(fake.Ledger)
	s.Complete(s.Take(0, begin(1)), ended(200))
	refused := usage.Call{Status: 404, Code: "no_route"}
	s.Complete(s.Take(0, begin(2)), &refused)
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 1, 404: 1}) })
	got := l.Usages()[0]
	id := func(n int) string { return fmt.Sprintf("%02x", n) + strings.Repeat("00", 15) }
	if want := []entry.UsageCaller{
		{Version: id(1), Application: id(2), Subscription: id(3), Plan: id(4), Credential: id(5), Operation: "list", Method: "GET", Status: 200},
		{Method: "GET", Status: 404, Code: "no_route"},
	}; !reflect.DeepEqual(got.Callers, want) {
		t.Errorf("got %+v\nwant %+v", got.Callers, want)
	}
	if want := (entry.UsageCall{At: noon.UnixMicro() + 1000, Count: 1, BytesIn: 10, BytesOut: 20, TookUS: 3000, UpstreamUS: 2000, RequestID: "r1", Address: "192.0.2.7"}); got.Calls[0] != want {
		t.Errorf("got %+v\nwant %+v", got.Calls[0], want)
	}
}

func TestAddressesAreLeftOutWhereTheyAreNotWanted(t *testing.T) {
	dir := t.TempDir()
	s, l := open(t, usage.Options{Dir: dir, NoAddresses: true}), new(fake.Ledger)
	s.calls(1, 200)
	for _, path := range files(t, dir) {
		if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte{192, 0, 2, 7}) {
			t.Errorf("the address is in %s (%v)", path, err)
		}
	}
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 1}) })
	if got := l.Usages()[0].Calls[0].Address; got != "" {
		t.Errorf("got address %s", got)
	}
}

func TestLongOperationsStayApart(t *testing.T) {
	s, l := open(t, usage.Options{Dir: t.TempDir()}), new(fake.Ledger)
	for _, end := range []string{"a", "b", "a"} {
		c := ended(200)
		c.Operation = strings.Repeat("x", 100) + end
		s.Complete(s.Take(0, begin(1)), c)
	}
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 3}) })
	if got := l.Usages()[0].Callers; len(got) != 2 || got[0].Operation == got[1].Operation || len(got[0].Operation) != 64 {
		t.Errorf("got %+v", got)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "segment-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The test of a real kill -9 is in test/fault; this one leaves a spool as that
// does, without a word of goodbye.
func TestAbandonedCallsAreFoundAfterARestartAndCountAsInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, small(dir))
	s.calls(25, 200)
	for n := range 3 {
		s.Take(uint32(n), begin(n))
	}
	_ = s.Close()
	s, l := open(t, small(dir)), new(fake.Ledger)
	s.calls(5, 201)
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 25, 201: 5, 0: 3}) })
	for _, u := range l.Usages() {
		for _, c := range u.Callers {
			if c.Status == 0 && (c.Code != entry.Interrupted || c.Method != "GET") {
				t.Errorf("got %+v", c)
			}
		}
	}
}

func TestWhatTheLedgerHasIsNotSentAgainAfterARestart(t *testing.T) {
	dir, l := t.TempDir(), new(fake.Ledger)
	s := open(t, small(dir))
	s.calls(35, 200)
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 35}) })
	_ = s.Close()
	s = open(t, small(dir))
	s.ships(l, func() { s.calls(1, 201); counts(t, l, map[int]uint64{200: 35, 201: 1}) })
	if got := l.Again(); got > 0 {
		t.Errorf("%d pieces were sent again", got)
	}
}

// The acknowledgement is lost, the node is killed, and what it sends again is
// cut where it was cut before: the ledger counts it once.
func TestPieceThatIsSentAgainHasTheBoundsThatItHad(t *testing.T) {
	dir, l := t.TempDir(), new(fake.Ledger)
	l.Silent(true)
	s := open(t, usage.Options{Dir: dir})
	s.calls(10, 200)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, "n", l, 0) }()
	counts(t, l, map[int]uint64{200: 10})
	s.calls(10, 200) // behind it, in the same segment
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	l.Silent(false)
	s = open(t, usage.Options{Dir: dir})
	s.ships(l, func() { counts(t, l, map[int]uint64{200: 20}) })
	if l.Again() == 0 {
		t.Error("nothing came twice: the test has shown nothing")
	}
}

// Nothing is given up before the ledger's own word.
func TestSegmentsAreKeptUntilTheLedgerHasThem(t *testing.T) {
	dir, l := t.TempDir(), new(fake.Ledger)
	l.Silent(true)
	s := open(t, small(dir))
	s.ships(l, func() { s.steadily(100, 200); counts(t, l, map[int]uint64{200: 100}) })
	if got := s.Status().Waiting; got != 100 {
		t.Errorf("got %d calls that wait, want all 100", got)
	}
}

// A segment that is used again still holds the records of before: a node that is
// killed then finds those of the segment that it is now, and no others.
func TestWhatASegmentHeldBeforeIsNotFoundAfterAKill(t *testing.T) {
	o, left := small(t.TempDir()), small(t.TempDir())
	s, l := open(t, o), new(fake.Ledger)
	s.ships(l, func() {
		s.steadily(200, 200)
		wait(t, "the ledger's word", func() bool { return s.Status().Waiting == 0 })
		l.Down(true)
		s.steadily(13, 201)
		for range 3 {
			s.Take(0, begin(0)) // and under way
		}
		for _, path := range files(t, o.Dir) {
			raw, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(filepath.Join(left.Dir, filepath.Base(path)), raw, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	again, heard := open(t, left), new(fake.Ledger)
	again.ships(heard, func() { counts(t, heard, map[int]uint64{201: 13, 0: 3}) })
	if got := again.Status(); got.Lost > 0 {
		t.Errorf("%d calls were lost", got.Lost)
	}
}

// New files and pages cost the node more than all else that it keeps of calls.
func TestSegmentsAreUsedAgain(t *testing.T) {
	var made atomic.Int64
	o := small(t.TempDir())
	o.Allocate = func(f *os.File, n int64) error {
		made.Add(1)
		return f.Truncate(n)
	}
	s, l := open(t, o), new(fake.Ledger)
	s.ships(l, func() {
		for round := range 30 { // each fills eight segments before one is given up
			l.Down(true)
			s.steadily(80, 200)
			l.Down(false)
			counts(t, l, map[int]uint64{200: uint64(80 * (round + 1))})
			wait(t, "the ledger's word", func() bool { return s.Status().Waiting == 0 })
		}
	})
	if made.Load() > 30 {
		t.Errorf("%d files were made for 240 segments", made.Load())
	}
}

func TestUsageWaitsWhileTheBusIsAway(t *testing.T) {
	dir, l := t.TempDir(), new(fake.Ledger)
	l.Down(true)
	s := open(t, small(dir))
	s.ships(l, func() {
		s.steadily(500, 200)
		l.Down(false)
		counts(t, l, map[int]uint64{200: 500})
		wait(t, "room", func() bool { return s.Status().Waiting == 0 })
	})
	if got := len(files(t, dir)); got > 20 {
		t.Errorf("%d files are left", got)
	}
}

// steadily calls no faster than room is made.
func (s *spool) steadily(n, status int) {
	s.t.Helper()
	for i := range n {
		var slot usage.Slot
		wait(s.t, "a slot", func() bool { slot = s.Take(uint32(i), begin(i)); return slot != usage.Slot{} })
		s.Complete(slot, ended(status))
	}
}

// A call that goes on for hours holds nobody up.
func TestLongCallDoesNotKeepOthersFromBeingCounted(t *testing.T) {
	var ahead atomic.Int64
	o := small(t.TempDir())
	o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, l := open(t, o), new(fake.Ledger)
	s.ships(l, func() {
		long := s.Take(0, begin(0))
		s.steadily(40, 200)
		wait(t, "the slot to be moved", func() bool {
			ahead.Add(int64(time.Second))
			return l.ByStatus()[200] == 40
		})
		wait(t, "its segment to be given up", func() bool { return s.Status().Waiting == 1 })
		for range 3 { // and again
			s.steadily(40, 200)
			ahead.Add(int64(10 * time.Second))
			time.Sleep(250 * time.Millisecond) // the shipper looks ten times a second
			ahead.Add(int64(10 * time.Second))
		}
		s.Complete(long, ended(299))
		counts(t, l, map[int]uint64{200: 160, 299: 1})
	})
}

func TestFullSpoolAddsUpBeforeItGivesAnythingUp(t *testing.T) {
	o := small(t.TempDir())
	o.Bytes = 20 * o.SegmentBytes
	s, l := open(t, o), new(fake.Ledger)
	l.Down(true)
	s.ships(l, func() {
		s.steadily(3000, 200) // 300 segments' worth
		s.steadily(3000, 404)
		if got := s.Status(); got.Segments > 20 || got.Folded == 0 {
			t.Errorf("got %+v, want at most 20 segments, and calls added up", got)
		}
		given := s.Status().Lost // steadily tried again
		l.Down(false)
		wait(t, "all of them", func() bool { n := l.ByStatus(); return n[200] == 3000 && n[404] == 3000 && n[-1] >= given })
	})
	var bytesOut, took, bucket uint64
	for _, u := range l.Usages() {
		for _, c := range u.Calls {
			bytesOut += c.BytesOut
			took += c.TookUS
			if c.Count > 1 {
				bucket += uint64(c.Took[entry.UsageBucket(3000)])
			} else {
				bucket++
			}
		}
	}
	if bytesOut != 6000*20 || took != 6000*3000 || bucket != 6000 {
		t.Errorf("added up to %d bytes, %d µs, %d durations", bytesOut, took, bucket)
	}
}

// Where nothing can be added up calls are given up, and each of them is counted.
func TestWhatAFullSpoolGivesUpIsCounted(t *testing.T) {
	o := small(t.TempDir())
	o.Bytes = 5 * o.SegmentBytes
	s, l := open(t, o), new(fake.Ledger)
	l.Down(true)
	const all = 500
	s.ships(l, func() {
		for n := range all { // no two are alike
			c := ended(200)
			c.Application = [16]byte{byte(n), byte(n >> 8)}
			s.Complete(s.Take(uint32(n), begin(n)), c)
		}
		lost := s.Status().Lost
		if lost == 0 || lost >= all {
			t.Errorf("got %d calls given up of %d", lost, all)
		}
		l.Down(false)
		wait(t, "what is left", func() bool { return l.ByStatus()[200] == all-lost })
		s.calls(1, 201) // what was given up goes with the next piece
		wait(t, "what was given up", func() bool { return l.ByStatus()[-1] == lost })
	})
}

// After a fold that was cut off by a kill calls count where they were added up,
// or where they were, and not in both.
func TestKilledAmidAddingUpCountsOnce(t *testing.T) {
	dir := t.TempDir()
	o := small(dir)
	o.Bytes = 6 * o.SegmentBytes
	s, l := open(t, o), new(fake.Ledger)
	l.Down(true)
	var before map[string][]byte
	all := uint64(0)
	s.ships(l, func() {
		for s.Status().Folded == 0 {
			now := map[string][]byte{}
			for _, path := range files(t, dir) {
				if raw, err := os.ReadFile(path); err == nil { // else it was added up just now
					now[path] = raw
				}
			}
			if s.Status().Folded > 0 { // while they were read
				break
			}
			before = now
			s.steadily(1, 200)
			all++
		}
	})
	_ = s.Close()
	back := 0
	// The files that were added up are there once more, as if they had not been
	// removed yet.
	for path, raw := range before {
		if _, err := os.Stat(path); err != nil {
			back++
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if back < 2 {
		t.Fatalf("%d files came back, want those that were added up", back)
	}
	s = open(t, o)
	l.Down(false)
	s.ships(l, func() {
		counts(t, l, map[int]uint64{200: all})
	})
}

func TestSegmentThatIsTornCostsOnlyItself(t *testing.T) {
	spoil := map[string]func(raw []byte) []byte{
		"cut in half":          func(raw []byte) []byte { return raw[:4096+5*320] },
		"cut to nothing":       func([]byte) []byte { return nil },
		"cut amid a record":    func(raw []byte) []byte { return raw[:4096+2*320+7] },
		"a header of nonsense": func(raw []byte) []byte { return append(bytes.Repeat([]byte{7}, 4096), raw[4096:]...) },
		"a bit in a record":    func(raw []byte) []byte { raw[4096+320+140] ^= 1; return raw },
		"made ready again":     func(raw []byte) []byte { clear(raw[:8]); return raw }, // killed amid it: these calls count elsewhere
	}
	lost := map[string]uint64{"cut in half": 0, "cut to nothing": 0, "cut amid a record": 0, "a header of nonsense": 1, "a bit in a record": 1, "made ready again": 0}
	kept := map[string]uint64{"cut in half": 5, "cut to nothing": 0, "cut amid a record": 2, "a header of nonsense": 0, "a bit in a record": 9, "made ready again": 0}
	for name, do := range spoil {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, small(dir))
			for n := range 30 { // one after another in one lane
				s.Complete(s.Take(0, begin(n)), ended(200))
			}
			_ = s.Close()
			var spoiled bool
			for _, path := range files(t, dir) {
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if len(bytes.Trim(raw[4096:], "\x00")) == 0 || spoiled {
					continue
				}
				spoiled = true
				if err := os.WriteFile(path, do(raw), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, l := open(t, small(dir)), new(fake.Ledger)
			want := map[int]uint64{200: 20 + kept[name]}
			if n := lost[name]; n > 0 {
				want[-1] = n
			}
			s.ships(l, func() { counts(t, l, want) })
		})
	}
}

func TestFullDiskCostsNoCallButItsRecord(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	o := small(t.TempDir())
	o.Allocate = func(file *os.File, bytes int64) error {
		if full.Load() {
			return syscall.ENOSPC
		}
		return file.Truncate(bytes)
	}
	s, l := open(t, o), new(fake.Ledger)
	s.ships(l, func() {
		s.calls(100, 200)
		if got := s.Status().Lost; got != 100 {
			t.Errorf("got %d calls given up, want all", got)
		}
		if !s.says("no room for usage on the disk") {
			t.Error("nobody was told")
		}
		full.Store(false)
		s.steadily(1, 201)
		wait(t, "the ledger to know", func() bool { n := l.ByStatus(); return n[201] == 1 && n[-1] >= 100 })
	})
}

func TestDrainSendsWhatIsLeft(t *testing.T) {
	s, l := open(t, usage.Options{Dir: t.TempDir()}), new(fake.Ledger)
	s.ships(l, func() { s.calls(50, 200) }) // and ends at once
	if got := l.ByStatus(); got[200] != 50 {
		t.Errorf("got %v at the end of the run", got)
	}
}

func TestFolderIsOneProcesss(t *testing.T) {
	dir := t.TempDir()
	open(t, small(dir))
	if _, err := usage.Open(small(dir)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsKeptWithoutASpool(t *testing.T) {
	var s *usage.Spool
	s.Complete(s.Take(0, begin(1)), ended(200))
	if got := s.Status(); got != (usage.Status{}) {
		t.Errorf("got %+v", got)
	}
}

func TestTakeAndCompleteAllocateNothing(t *testing.T) {
	s := open(t, usage.Options{Dir: t.TempDir()})
	b, c := begin(1), ended(200)
	c.Operation = strings.Repeat("x", 100)
	if n := testing.AllocsPerRun(1000, func() { s.Complete(s.Take(0, b), c) }); n != 0 {
		t.Errorf("got %v allocations per call", n)
	}
}

// deaf takes pieces, looks at none and says nothing.
type deaf struct{ bytes atomic.Int64 }

func (d *deaf) Usage(_ context.Context, _ string, piece []byte) error {
	d.bytes.Add(int64(len(piece)))
	return nil
}

func (*deaf) UsageAcks(ctx context.Context, _ string, _ func(entry.UsageAck)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (*deaf) Connected() (time.Time, bool) { return time.Time{}, true }

// The node's own processor time counts per call: what is shipped is encoded
// where it lies.
func TestShippingAllocatesByThePieceAndNotByTheCall(t *testing.T) {
	const calls = 3270 // one piece
	s, d := open(t, usage.Options{Dir: t.TempDir()}), new(deaf)
	for n := range calls {
		s.Complete(s.Take(0, begin(n)), ended(200))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, "n", d, 0) }()
	wait(t, "the piece", func() bool { return d.bytes.Load() > 0 })
	runtime.ReadMemStats(&after)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := after.Mallocs - before.Mallocs; n > calls/4 {
		t.Errorf("got %d allocations for %d calls", n, calls)
	}
	t.Logf("%d bytes a call", d.bytes.Load()/calls)
}

// Many goroutines at once: everything is there once.
func TestCallsFromManyGoroutinesAreCountedOnce(t *testing.T) {
	o := usage.Options{Dir: t.TempDir(), SegmentBytes: 4096 + 1000*320}
	s, l := open(t, o), new(fake.Ledger)
	const each = 5000
	s.ships(l, func() {
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range each {
					slot := s.Take(uint32(g), begin(i))
					for slot == (usage.Slot{}) {
						time.Sleep(time.Millisecond)
						slot = s.Take(uint32(g), begin(i))
					}
					s.Complete(slot, ended(200+g))
				}
			})
		}
		all.Wait()
		wait(t, "all of them", func() bool {
			n := l.ByStatus()
			for g := range 8 {
				if n[200+g] != each {
					return false
				}
			}
			return true
		})
	})
}

// BenchmarkTakeAndComplete is what a call pays, on every core at once, in
// segments that the shipper has made ready; it works in the pauses. The figure
// is ns/call.
func BenchmarkTakeAndComplete(b *testing.B) {
	const calls = (2<<20 - 4096) / 320 // a segment, so that nothing waits for more
	s, err := usage.Open(usage.Options{Dir: b.TempDir(), Environment: "production"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, "n", new(fake.Ledger), 0) }()
	defer func() { cancel(); <-done }()
	cores := runtime.GOMAXPROCS(0)
	var took atomic.Int64
	rounds := 0
	for b.Loop() {
		var all sync.WaitGroup
		for core := range cores {
			all.Go(func() {
				first, last := begin(1), ended(200)
				start := time.Now()
				for range calls {
					s.Complete(s.Take(uint32(core), first), last)
				}
				took.Add(int64(time.Since(start)))
			})
		}
		all.Wait()
		for s.Status().Waiting > 0 {
			time.Sleep(time.Millisecond)
		}
		rounds++
	}
	if lost := s.Status().Lost; lost > 0 {
		b.Errorf("%d calls were given up", lost)
	}
	b.ReportMetric(float64(took.Load())/float64(rounds*cores*calls), "ns/call")
}
