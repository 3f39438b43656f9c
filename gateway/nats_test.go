package gateway_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/test/fake"
)

// TestNodeFollowsTheRealBus runs a node on internal/bus, stops the bus under
// it, and measures how long a change takes from the write to its first effect.
func TestNodeFollowsTheRealBus(t *testing.T) {
	server, err := bus.StartServer(bus.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	line, err := bus.Connect(bus.Options{Server: server, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	ctx := t.Context()
	publisher := line.Environment("production")
	if _, err := publisher.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	put := func(items ...entry.Item) {
		t.Helper()
		if err := publisher.Snapshot(ctx, func(bus.Found) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := publisher.Put(ctx, items); err != nil {
			t.Fatal(err)
		}
	}
	up := fake.NewUpstream(t)
	put(demo(t, up.URL)...)
	r := start(t, fake.NewCarrier(), func(c *gateway.Config) { c.Carrier = line.Environment("production") })
	wait(t, "ready", func() bool { return r.Status().Ready && r.Status().Applied.Sequence == 1 })
	call := func() int { return r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey).status }
	if got := call(); got != 200 {
		t.Fatalf("got %d", got)
	}

	var took []time.Duration
	for sequence := uint64(2); sequence < 102; sequence += 2 {
		put(entry.Tombstone(grantKey(t, goodKey), at(sequence)), entry.Mark(entry.HeadKey, at(sequence)))
		wait(t, "the key to be refused", func() bool { return call() == 401 })
		begin := time.Now()
		put(grantItem(t, sequence+1, goodKey, demoGrant()), entry.Mark(entry.HeadKey, at(sequence+1)))
		wait(t, "the key to be accepted", func() bool { return call() == 200 })
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("from write to accepted key: median %v, worst %v of %d", took[len(took)/2], took[len(took)-1], len(took))

	server.Stop()
	wait(t, "the node to notice", func() bool { _, body := r.ready(); return body.StaleSince != "" })
	for range 20 {
		if got := call(); got != 200 {
			t.Fatalf("without the bus: got %d", got)
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the node to hear again", func() bool { _, body := r.ready(); return body.StaleSince == "" })
	writing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	wait(t, "the write", func() bool {
		if err := publisher.Snapshot(writing, func(bus.Found) error { return nil }); err != nil {
			return false
		}
		return publisher.Put(writing, []entry.Item{entry.Tombstone(grantKey(t, goodKey), at(200)), entry.Mark(entry.HeadKey, at(200))}) == nil
	})
	wait(t, "the key to be refused", func() bool { return call() == 401 })
}
