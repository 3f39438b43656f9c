package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/manager"
	"portico/manager/collect"
)

// The two that are ignored are nats-server's own: a stream that is made while
// its server shuts down leaves its store's ticker behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

var _ manager.Confirmations = (*collect.Collector)(nil)

const (
	env      = "production"
	patience = 15 * time.Second
)

// refusedSpool is one that the store refuses.
var refusedSpool = strings.Repeat("f", 32)

// nodes is a store of enrolled nodes.
type nodes struct {
	mu       sync.Mutex
	all      []apim.Node
	heard    []apim.Node
	asked    int
	uses     []apim.SecretUse
	pieces   []apim.UsagePiece
	twice    int
	together int // pieces at once at most
	swept    time.Time
	refusal  error // of refusedSpool
	most     int   // pieces that it has time for; 0: any number
	failure  error
}

func (n *nodes) EnvironmentSlugs(context.Context) ([]string, error) {
	return []string{"production"}, nil
}

func (n *nodes) EnrolledNodes(context.Context, string) ([]apim.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return append([]apim.Node{}, n.all...), n.failure
}

func (n *nodes) NodeHeard(_ context.Context, node apim.Node) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = append(n.heard, node)
	return n.failure
}

func (n *nodes) SecretsUsed(_ context.Context, uses []apim.SecretUse) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uses = append(n.uses, uses...)
	return nil
}

// CountUsage counts each piece once, as manager/store does, and refuses a spool
// that is called refused.
func (n *nodes) CountUsage(_ context.Context, pieces []apim.UsagePiece, _ time.Time) ([]bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failure != nil {
		return nil, n.failure
	}
	n.together = max(n.together, len(pieces))
	if slices.ContainsFunc(pieces, func(p apim.UsagePiece) bool { return p.Spool == refusedSpool }) {
		return nil, n.refusal
	}
	if n.most > 0 && len(pieces) > n.most {
		return nil, apim.Errorf(apim.Unavailable, "it took too long")
	}
	fresh := make([]bool, len(pieces))
	for i, p := range pieces {
		fresh[i] = !slices.ContainsFunc(n.pieces, func(other apim.UsagePiece) bool {
			return other.Spool == p.Spool && other.Segment == p.Segment && other.From == p.From
		})
		if fresh[i] {
			n.pieces = append(n.pieces, p)
		} else {
			n.twice++
		}
	}
	return fresh, nil
}

func (n *nodes) SweepUsage(_ context.Context, before time.Time, _ int) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.swept = before
	return 0, nil
}

func (n *nodes) with(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
}

// stand is a collector with n enrolled nodes, on a clock of its own.
type stand struct {
	t     *testing.T
	store *nodes
	bus   *bus.Bus
	c     *collect.Collector

	mu      sync.Mutex
	clock   time.Time
	written map[uint64]time.Time
	head    uint64
}

func newStand(t *testing.T, n int) *stand {
	t.Helper()
	srv, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	s := &stand{t: t, store: new(nodes), clock: time.Unix(1_700_000_000, 0), written: map[uint64]time.Time{}}
	for i := range n {
		s.store.all = append(s.store.all, node(i))
	}
	s.bus, err = bus.Connect(bus.Options{Server: srv})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.bus.Close)
	s.c = collect.New(collect.Options{
		Store: s.store, Bus: s.bus, Now: s.now, Head: func(string) uint64 { s.mu.Lock(); defer s.mu.Unlock(); return s.head },
		Written: func(_ string, seq uint64) (time.Time, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			at, ok := s.written[seq]
			return at, ok
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
	})
	// Until it listens, what is said is not heard: a stranger speaks first.
	waitFor(t, "the collector to listen", func() bool {
		s.say(entry.Status{Node: node(99).ID.UUID()})
		s.store.with(func() { s.store.all = append(s.store.all, node(99)) })
		s.c.Invalidate(env)
		all, err := s.c.Nodes(t.Context(), env)
		s.store.with(func() { s.store.all = s.store.all[:n] })
		s.c.Invalidate(env)
		return err == nil && !all[n].HeardAt.IsZero()
	})
	return s
}

func node(i int) apim.Node {
	return apim.Node{ID: apim.ID(fmt.Sprintf("node_%032x", i)), Name: fmt.Sprint("gateway-", i), Environment: env, AppliedMS: -1}
}

func (s *stand) now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.clock }

func (s *stand) pass(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.clock = s.clock.Add(d) }

func (s *stand) write(seq uint64) apim.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[seq], s.head = s.clock, seq
	return apim.Change{Environment: env, Sequence: seq}
}

func (s *stand) say(st entry.Status) {
	s.t.Helper()
	st.Environment = env
	if err := s.bus.Environment(env).Report(s.t.Context(), st); err != nil {
		s.t.Fatal(err)
	}
}

// applies makes a node say that it has applied a sequence, and waits until that
// was heard.
func (s *stand) applies(i int, seq uint64, refused ...entry.Refusal) {
	s.t.Helper()
	s.says(entry.Status{Node: node(i).ID.UUID(), Ready: true, Build: "v1", Applied: entry.Position{Epoch: 1, Sequence: seq}, Refused: refused})
}

func (s *stand) says(st entry.Status) {
	s.t.Helper()
	st.APIs = int(time.Now().UnixNano()) // tells this one from others
	s.say(st)
	waitFor(s.t, "the status to be heard", func() bool {
		all, err := s.c.Nodes(s.t.Context(), env)
		for _, n := range all {
			if err == nil && n.ID.UUID() == st.Node && n.APIs == st.APIs {
				return true
			}
		}
		return false
	})
}

func (s *stand) applied(c apim.Change) apim.Applied {
	s.t.Helper()
	a, err := s.c.Applied(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *stand) node(i int) apim.Node {
	s.t.Helper()
	all, err := s.c.Nodes(s.t.Context(), env)
	if err != nil {
		s.t.Fatal(err)
	}
	return all[i]
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

func TestChangeIsLiveWhenEveryEnrolledNodeHasConfirmed(t *testing.T) {
	s := newStand(t, 3)
	for i := range 3 {
		s.applies(i, 6)
	}
	change := s.write(7)
	for i := range 3 {
		if got := s.applied(change); got.Done || got.Live() != i || got.TookMS != -1 {
			t.Errorf("after %d nodes: got %+v", i, got)
		}
		s.pass(10 * time.Millisecond)
		s.applies(i, 7)
	}
	got := s.applied(change)
	if !got.Done || got.Live() != 3 || got.TookMS != 30 {
		t.Errorf("got %+v, want done in 30 ms", got)
	}
	for i, want := range []int64{10, 20, 30} {
		if n := got.Nodes[i]; n.State != "applied" || n.AppliedMS != want || n.Name != fmt.Sprint("gateway-", i) {
			t.Errorf("got %+v, want applied after %d ms", n, want)
		}
	}
	s.applies(0, 7) // says it again later
	s.pass(time.Second)
	s.applies(1, 9) // and one goes on
	if again := s.applied(change); again.TookMS != 30 {
		t.Errorf("later: got %d ms, want 30", again.TookMS)
	}
}

func TestWaitReturnsWithTheLastConfirmation(t *testing.T) {
	s := newStand(t, 2)
	s.applies(0, 1)
	s.applies(1, 1)
	change := s.write(2)
	got := make(chan apim.Applied, 1)
	go func() {
		a, err := s.c.Wait(t.Context(), change)
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	s.pass(5 * time.Millisecond)
	s.applies(1, 2)
	select {
	case a := <-got:
		t.Fatalf("it returned with %+v", a)
	default:
	}
	s.applies(0, 3) // beyond it
	select {
	case a := <-got:
		if !a.Done || a.Live() != 2 || a.TookMS != 5 {
			t.Errorf("got %+v", a)
		}
	case <-time.After(patience):
		t.Fatal("it did not return")
	}
}

func TestWaitThatRunsOutNamesWhoIsMissing(t *testing.T) {
	s := newStand(t, 3)
	s.applies(0, 1)
	s.applies(1, 1)
	s.pass(6 * time.Second)
	s.applies(1, 1)
	s.applies(2, 2)
	change := s.write(2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	got, err := s.c.Wait(ctx, change)
	if err != nil || got.Done || got.TookMS != -1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, want := range []string{"unreachable", "waiting", "applied"} {
		if got.Nodes[i].State != want {
			t.Errorf("%s: got %s, want %s", got.Nodes[i].Name, got.Nodes[i].State, want)
		}
	}
}

func TestRefusalOfTheChangeIsNamed(t *testing.T) {
	s := newStand(t, 2)
	change := s.write(5)
	s.applies(0, 5, entry.Refusal{Key: "api.1", At: entry.Position{Epoch: 1, Sequence: 5}, Reason: "the mount is taken"})
	s.applies(1, 5, entry.Refusal{Key: "api.2", At: entry.Position{Epoch: 1, Sequence: 4}, Reason: "of another change"})
	got := s.applied(change)
	if !got.Done || got.Live() != 1 {
		t.Errorf("got %+v, want done and one live", got)
	}
	if n := got.Nodes[0]; n.State != "refused" || n.Reason != "api.1: the mount is taken" {
		t.Errorf("got %+v", n)
	}
	if n := got.Nodes[1]; n.State != "applied" || n.Reason != "" {
		t.Errorf("got %+v", n)
	}
	if n := s.node(0); len(n.Refused) != 1 || n.Refused[0] != (apim.NodeRefusal{Key: "api.1", Reason: "the mount is taken"}) {
		t.Errorf("got %+v", n.Refused)
	}
}

func TestNodeThatBeginsAnewHasToConfirmAgain(t *testing.T) {
	s := newStand(t, 1)
	change := s.write(5)
	s.applies(0, 5)
	s.applies(0, 2) // restarted from an older copy
	if got := s.applied(change); got.Done || got.Nodes[0].State != "waiting" {
		t.Errorf("got %+v", got)
	}
	s.pass(40 * time.Millisecond)
	s.applies(0, 5)
	if got := s.applied(change); !got.Done || got.TookMS != 40 {
		t.Errorf("got %+v", got)
	}
}

func TestTimesThatAreNotKnownAreNotMadeUp(t *testing.T) {
	s := newStand(t, 1)
	s.applies(0, 9) // applied before this process began
	got := s.applied(apim.Change{Environment: env, Sequence: 9})
	if !got.Done || got.TookMS != -1 || got.Nodes[0].AppliedMS != -1 {
		t.Errorf("got %+v", got)
	}
	s.write(8) // known when written, but not when applied
	if got := s.applied(apim.Change{Environment: env, Sequence: 8}); !got.Done || got.TookMS != -1 {
		t.Errorf("got %+v", got)
	}
}

func TestNodesShowTheirState(t *testing.T) {
	s := newStand(t, 4)
	s.applies(0, 10)
	s.write(12)
	s.pass(30 * time.Millisecond)
	s.applies(0, 12)
	uuid := func(i int) string { return node(i).ID.UUID() }
	s.says(entry.Status{Node: uuid(1), FromDisk: true, Applied: entry.Position{Epoch: 1, Sequence: 10}})
	s.says(entry.Status{Node: uuid(2), Ready: true, Draining: true})
	if n := s.node(3); n.State != apim.NodeStarting {
		t.Errorf("just after the start: got %s, want starting", n.State)
	}
	s.pass(4 * time.Second)
	for i := range 3 {
		s.says(entry.Status{Node: uuid(i), Ready: i != 1, Draining: i == 2, FromDisk: i == 1, Build: "v1", Applied: entry.Position{Epoch: 1, Sequence: uint64(12 - 2*i)}})
	}
	s.pass(2 * time.Second)
	for i, want := range []apim.Node{
		{State: apim.NodeLive, Applied: 12, Behind: 0, AppliedMS: 30},
		{State: apim.NodeStarting, Applied: 10, Behind: 2, AppliedMS: -1, FromDisk: true},
		{State: apim.NodeDraining, Applied: 8, Behind: 4, AppliedMS: -1},
		{State: apim.NodeUnreachable, Applied: 0, Behind: 12, AppliedMS: -1},
	} {
		n := s.node(i)
		if n.State != want.State || n.Applied != want.Applied || n.Behind != want.Behind || n.AppliedMS != want.AppliedMS || n.FromDisk != want.FromDisk || n.Name != node(i).Name {
			t.Errorf("node %d: got %+v, want %+v", i, n, want)
		}
	}
	s.pass(4 * time.Second)
	if n := s.node(0); n.State != apim.NodeUnreachable {
		t.Errorf("not heard for 6 s: got %s", n.State)
	}
}

func TestStrangersDoNotCountAndNewNodesDo(t *testing.T) {
	s := newStand(t, 1)
	change := s.write(3)
	s.say(entry.Status{Node: node(50).ID.UUID(), Ready: true})
	s.applies(0, 3)
	if got := s.applied(change); !got.Done || len(got.Nodes) != 1 {
		t.Errorf("got %+v", got)
	}
	s.store.with(func() { s.store.all = append(s.store.all, node(1)) })
	s.c.Invalidate(env)
	if got := s.applied(change); got.Done || len(got.Nodes) != 2 {
		t.Errorf("with a new node: got %+v", got)
	}
}

func TestWaitEndsWhenTheMissingNodeIsRemoved(t *testing.T) {
	s := newStand(t, 2)
	change := s.write(3)
	s.applies(0, 3)
	done := make(chan apim.Applied, 1)
	go func() {
		a, err := s.c.Wait(t.Context(), change)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	s.store.with(func() { s.store.all = s.store.all[:1] })
	s.c.Invalidate(env)
	select {
	case a := <-done:
		if !a.Done || len(a.Nodes) != 1 {
			t.Errorf("got %+v", a)
		}
	case <-time.After(patience):
		t.Fatal("it did not return")
	}
}

func TestThousandWaitersReturnTogether(t *testing.T) {
	s := newStand(t, 3)
	change := s.write(3)
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if a, err := s.c.Wait(t.Context(), change); err != nil || !a.Done {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	for i := range 3 {
		s.applies(i, 3)
	}
	all.Wait()
	s.store.with(func() {
		if s.store.asked > 100 {
			t.Errorf("the store was asked %d times", s.store.asked)
		}
	})
}

func TestStoreThatIsAwayIsBridgedFromMemory(t *testing.T) {
	s := newStand(t, 1)
	s.applies(0, 3)
	gone := errors.New("the database is away")
	s.store.with(func() { s.store.failure = gone })
	s.pass(3 * time.Second)
	if got := s.applied(s.write(3)); len(got.Nodes) != 1 {
		t.Errorf("got %+v", got)
	}
	if _, err := s.c.Nodes(t.Context(), "sandbox"); !errors.Is(err, gone) {
		t.Errorf("an environment never asked for: got %v, want %v", err, gone)
	}
	if _, err := s.c.Wait(t.Context(), apim.Change{Environment: "sandbox", Sequence: 1}); !errors.Is(err, gone) {
		t.Errorf("waiting there: got %v, want %v", err, gone)
	}
}

func TestThatANodeWasHeardIsKept(t *testing.T) {
	s := newStand(t, 1)
	s.applies(0, 3)
	waitFor(t, "the store to be told", func() bool {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		return len(s.store.heard) > 0
	})
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if got := s.store.heard[0]; got.ID != node(0).ID || got.Build != "v1" || !got.HeardAt.Equal(s.clock) {
		t.Errorf("got %+v", got)
	}
}

func TestOnlyNodesThatAreHeardCanBeReached(t *testing.T) {
	s := newStand(t, 3)
	stranger := node(7)
	s.applies(0, 1)
	s.says(entry.Status{Node: node(1).ID.UUID(), Name: "old", Kinds: []entry.PolicyKind{entry.PolicyKey}})
	s.say(entry.Status{Node: stranger.ID.UUID(), Name: "stranger"})
	s.pass(3 * time.Second)
	s.says(entry.Status{Node: node(2).ID.UUID(), Name: "leaves", Left: true})
	s.says(entry.Status{Node: node(1).ID.UUID(), Name: "old", Kinds: []entry.PolicyKind{entry.PolicyKey}})
	s.pass(3 * time.Second) // the first was heard six seconds ago
	got := s.c.Reachable(env)
	if len(got) != 1 || got[0].Name != "old" || len(got[0].Kinds) != 1 || got[0].Kinds[0] != entry.PolicyKey {
		t.Errorf("got %+v, want the second node alone", got)
	}
	if got := s.c.Reachable("elsewhere"); len(got) != 0 {
		t.Errorf("got %+v of an environment that is not", got)
	}
}
