package bus_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"portico/internal/bus"
	"portico/internal/entry"
)

func TestConnectionIsMadeBeforeTheServerIsThere(t *testing.T) {
	srv, _ := start(t)
	srv.Stop()
	b := connect(t, srv)
	if since, ok := b.Connected(); ok || !since.IsZero() {
		t.Errorf("got since %v, %v, want never", since, ok)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the connection", func() bool { since, ok := b.Connected(); return ok && !since.IsZero() })
}

func TestConnectedTellsSinceWhen(t *testing.T) {
	srv, _ := start(t)
	var mu sync.Mutex
	now := time.Unix(1000, 0)
	b, err := bus.Connect(bus.Options{Server: srv, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	waitFor(t, "the connection", func() bool { since, ok := b.Connected(); return ok && since.Equal(time.Unix(1000, 0)) })
	mu.Lock()
	now = time.Unix(2000, 0)
	mu.Unlock()
	srv.Stop()
	waitFor(t, "the loss", func() bool { since, ok := b.Connected(); return !ok && since.Equal(time.Unix(2000, 0)) })
}

func TestServerListensOnlyWhereToldAndOnlyToWhoKnowsTheToken(t *testing.T) {
	quiet, _ := start(t)
	if got := quiet.URL(); got != "" {
		t.Errorf("it listens at %s", got)
	}
	if _, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"}); err == nil {
		t.Error("it listens without a token")
	}
	srv, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "a-token", Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	env := prepared(t, connect(t, srv), "production")
	it := grant(t, 1, 1, 10)
	put(t, env, it)
	far, err := bus.Connect(bus.Options{URL: srv.URL(), Token: "a-token"})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	n := watching(t, far.Environment("production"))
	n.until(t, "the entry over the network", hears(it))
	stranger, err := bus.Connect(bus.Options{URL: srv.URL(), Token: "another"})
	if err == nil {
		defer stranger.Close()
		if err := stranger.Environment("production").Report(t.Context(), entry.Status{}); err == nil {
			t.Error("a stranger may speak")
		}
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]bus.ServerOptions{
		"a file in place of the folder": {Dir: file},
		"a port that is taken":          {Dir: t.TempDir(), Listen: taken.Addr().String(), Token: "t"},
		"no port":                       {Dir: t.TempDir(), Listen: "127.0.0.1", Token: "t"},
		"a port out of range":           {Dir: t.TempDir(), Listen: "127.0.0.1:99999", Token: "t"},
	} {
		if srv, err := bus.StartServer(o); err == nil {
			srv.Stop()
			t.Errorf("%s: it started", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

func TestConnectNeedsExactlyOnePlace(t *testing.T) {
	srv, _ := start(t)
	for _, o := range []bus.Options{{}, {Server: srv, URL: "nats://127.0.0.1:1"}} {
		if b, err := bus.Connect(o); err == nil {
			b.Close()
			t.Errorf("%+v: it connected", o)
		}
	}
}

func TestStatusesReachTheManagerAndForgedOnesDoNot(t *testing.T) {
	srv, b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan entry.Status, 10)
	done := make(chan error, 1)
	go func() { done <- b.Environment("production").Statuses(ctx, func(s entry.Status) { got <- s }) }()
	js := raw(t, srv)
	node := connect(t, srv).Environment("production")
	want := entry.Status{Node: "n1", Environment: "production", Schema: 1, Applied: entry.Position{Epoch: 1, Sequence: 7}, Ready: true}
	hear := func() entry.Status {
		t.Helper()
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			if err := node.Report(t.Context(), want); err != nil && ctx.Err() == nil {
				t.Log(err)
			}
			select {
			case s := <-got:
				tick.Stop()
				return s
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatal("no status came")
			}
		}
	}
	if s := hear(); s.Applied != want.Applied || !s.Ready {
		t.Errorf("got %+v", s)
	}
	for _, c := range []struct{ subject, value string }{
		{"status.production.n1", `{"node":"n2","environment":"production"}`},
		{"status.production.n1", `{"node":"n1","environment":"sandbox"}`},
		{"status.production.n1", `{"node":"n1","environment":"production","colour":"red"}`},
		{"status.production.n1", `garbage`},
		{"status.sandbox.n1", `{"node":"n1","environment":"production"}`},
	} {
		if err := js.Conn().Publish(c.subject, []byte(c.value)); err != nil {
			t.Fatal(err)
		}
	}
	srv.Stop()
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // whatever comes after the forged ones and a restart is ours
		if s := hear(); s.Node != "n1" || s.Applied != want.Applied {
			t.Errorf("got %+v", s)
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("it ended without an error")
	}
}

func TestNudgesReachOtherProcesses(t *testing.T) {
	srv, b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan string, 100), make(chan error, 1)
	go func() { done <- b.Nudges(ctx, func(env string) { got <- env }) }()
	other := connect(t, srv)
	waitFor(t, "the nudge", func() bool {
		other.Nudge("sandbox")
		select {
		case env := <-got:
			return env == "sandbox"
		default:
			return false
		}
	})
	cancel()
	<-done
}
