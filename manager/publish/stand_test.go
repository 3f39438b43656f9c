package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"portico/internal/bus"
	"portico/internal/entry"
	"portico/manager/publish"
	"portico/test/fake"
)

// The two that are ignored are nats-server's own: a stream that is made while
// its server shuts down leaves its store's ticker behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

const (
	env      = "production"
	patience = 15 * time.Second
)

// stand is a publisher with its store and bus, and what reached the bucket.
type stand struct {
	t     testing.TB
	store *fake.EntryStore
	srv   *bus.Server
	bus   *bus.Bus
	pub   *publish.Publisher
	stop  func()
	log   *lockedBuffer
	clock *clock
	look  time.Duration
}

type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.off) }

func (c *clock) jump(by time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.off += by }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// newStand has a store with one environment, and a publisher that runs.
func newStand(t testing.TB) *stand {
	t.Helper()
	srv, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	s := &stand{t: t, srv: srv, store: new(fake.EntryStore), log: new(lockedBuffer), clock: new(clock), look: 50 * time.Millisecond}
	s.bus = s.connect()
	s.store.AddEnvironment(env)
	s.run()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *stand) connect() *bus.Bus {
	s.t.Helper()
	b, err := bus.Connect(bus.Options{Server: s.srv})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(b.Close)
	return b
}

// run starts a publisher; stop ends it.
func (s *stand) run() {
	s.pub = publish.New(publish.Options{Store: s.store, Bus: s.bus, Log: slog.New(slog.NewTextHandler(s.log, nil)), Now: s.clock.now, Look: s.look})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.pub.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.t.Errorf("the publisher ended with %v", err)
		}
	})
}

func (s *stand) emit(items ...entry.Item) uint64 {
	seq := s.store.Emit(env, s.clock.now(), items...)
	s.pub.Nudge(env)
	return seq
}

// mirror is a node: it keeps the newest of every key, as gateway nodes do.
type mirror struct {
	mu     sync.Mutex
	change chan struct{}
	state  map[entry.Key]entry.Item
	order  []entry.Item // as applied
	bad    map[entry.Key]bool
}

func (s *stand) mirror() *mirror {
	m := &mirror{change: make(chan struct{}), state: map[entry.Key]entry.Item{}, bad: map[entry.Key]bool{}}
	b := s.connect()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Environment(env).Watch(ctx, m.apply)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return m
}

func (m *mirror) apply(items []entry.Item, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range items {
		if it.Kind == "" {
			m.bad[it.Key] = !it.Ended
			continue
		}
		if old, ok := m.state[it.Key]; ok && !it.After(old.Position) {
			continue
		}
		delete(m.bad, it.Key)
		m.state[it.Key] = it
		m.order = append(m.order, it)
	}
	close(m.change)
	m.change = make(chan struct{})
	return nil
}

// until waits until the node's state satisfies a condition.
func (m *mirror) until(t testing.TB, what string, holds func(*mirror) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		m.mu.Lock()
		ok, change := holds(m), m.change
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-deadline:
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("waited in vain for %s; the node has %d entries, head %v, complete %v, refused %v", what, len(m.state),
				m.state[entry.HeadKey].Position, m.state[entry.CompleteKey].Position, m.bad)
		}
	}
}

// has is true when the node has the body and its head says so.
func has(key entry.Key, body string) func(*mirror) bool {
	return func(m *mirror) bool {
		it := m.state[key]
		return string(it.Body) == body && !it.Ended && !it.After(m.state[entry.HeadKey].Position)
	}
}

func ended(key entry.Key) func(*mirror) bool {
	return func(m *mirror) bool {
		it := m.state[key]
		return it.Ended && !it.After(m.state[entry.HeadKey].Position)
	}
}

func (s *stand) hand() jetstream.JetStream {
	s.t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(s.srv))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

func (s *stand) byHand(key, value string) {
	s.t.Helper()
	if _, err := s.hand().Publish(s.t.Context(), "$KV."+entry.Bucket(env)+"."+key, []byte(value)); err != nil {
		s.t.Fatal(err)
	}
}

// inBucket returns the keys that the bucket holds.
func (s *stand) inBucket() map[string]bus.Found {
	s.t.Helper()
	found := map[string]bus.Found{}
	err := s.connect().Environment(env).Snapshot(s.t.Context(), func(f bus.Found) error { found[f.Key] = f; return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

func grant(n int, name string) entry.Item {
	key, err := entry.GrantKey(fmt.Sprintf("%064x", n))
	if err != nil {
		panic(err)
	}
	return entry.Item{Key: key, Envelope: entry.Envelope{Kind: entry.KindGrant, Body: []byte(`{"name":"` + name + `","subscriptions":[]}`)}}
}

func body(it entry.Item) string { return string(it.Body) }

func environment() entry.Item {
	return entry.Item{Key: entry.EnvKey, Envelope: entry.Envelope{Kind: entry.KindEnv, Body: []byte(`{"name":"production"}`)}}
}
