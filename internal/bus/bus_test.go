package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"portico/internal/bus"
	"portico/internal/entry"
)

// The two that are ignored are nats-server's own: a stream that is made while
// its server shuts down leaves its store's ticker behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// patience is how long a test waits for what must happen.
const patience = 15 * time.Second

// start starts a server and a connection to it, which end with the test.
func start(t testing.TB) (*bus.Server, *bus.Bus) {
	t.Helper()
	srv, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return srv, connect(t, srv)
}

func connect(t testing.TB, srv *bus.Server) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(bus.Options{Server: srv, Name: t.Name(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// prepared returns an environment that takes Puts.
func prepared(t testing.TB, b *bus.Bus, slug string) *bus.Environment {
	t.Helper()
	env := b.Environment(slug)
	if _, err := env.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshot(t, env)
	return env
}

func snapshot(t testing.TB, env *bus.Environment) []bus.Found {
	t.Helper()
	var all []bus.Found
	if err := env.Snapshot(t.Context(), func(f bus.Found) error { all = append(all, f); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func put(t testing.TB, env *bus.Environment, items ...entry.Item) {
	t.Helper()
	if err := env.Put(t.Context(), items); err != nil {
		t.Fatal(err)
	}
}

// grant returns a grant entry whose name has the given size.
func grant(t testing.TB, n int, sequence uint64, size int) entry.Item {
	t.Helper()
	key, err := entry.GrantKey(fmt.Sprintf("%064x", n))
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(key, entry.Position{Epoch: 1, Sequence: sequence},
		entry.Grant{Name: strings.Repeat("n", size), Subscriptions: []entry.Subscription{}})
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// raw returns a client of the server that is not ours: a hand in the bucket.
func raw(t testing.TB, srv *bus.Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func byHand(t testing.TB, js jetstream.JetStream, slug, key, value string) {
	t.Helper()
	if _, err := js.Publish(t.Context(), "$KV."+entry.Bucket(slug)+"."+key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// node is a watcher that keeps everything it hears.
type node struct {
	mu     sync.Mutex
	change chan struct{} // closed and replaced at every call
	calls  []call
}

type call struct {
	items    []entry.Item
	caughtUp bool
}

// watching starts a node; it ends with the test.
func watching(t testing.TB, env *bus.Environment) *node {
	t.Helper()
	n := &node{change: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := env.Watch(ctx, n.apply); !errors.Is(err, context.Canceled) {
			t.Errorf("watch ended: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return n
}

func (n *node) apply(items []entry.Item, caughtUp bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, call{items, caughtUp})
	close(n.change)
	n.change = make(chan struct{})
	return nil
}

// until waits until what was heard so far satisfies a condition.
func (n *node) until(t testing.TB, what string, holds func([]call) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		ok, change, calls := holds(n.calls), n.change, len(n.calls)
		n.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-deadline:
			t.Fatalf("waited in vain for %s; heard %d calls", what, calls)
		}
	}
}

func (n *node) heard() []entry.Item {
	n.mu.Lock()
	defer n.mu.Unlock()
	return allItems(n.calls)
}

func allItems(calls []call) []entry.Item {
	var all []entry.Item
	for _, c := range calls {
		all = append(all, c.items...)
	}
	return all
}

func hears(it entry.Item) func([]call) bool {
	return func(calls []call) bool {
		return slices.ContainsFunc(allItems(calls), func(got entry.Item) bool { return same(got, it) })
	}
}

func caughtUp(calls []call) bool { return len(calls) > 0 && calls[len(calls)-1].caughtUp }

func same(a, b entry.Item) bool {
	return a.Key == b.Key && a.Position == b.Position && a.Kind == b.Kind && a.Ended == b.Ended && bytes.Equal(a.Body, b.Body)
}

func isItem(key string) func([]call) bool {
	return func(calls []call) bool {
		return slices.ContainsFunc(allItems(calls), func(it entry.Item) bool { return string(it.Key) == key })
	}
}
