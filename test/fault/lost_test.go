package fault_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// P1, and what queues meanwhile: calls go on without the bus, an approval that
// was acknowledged meanwhile is in force soon after it is back.
func TestCallsGoOnWithoutTheBusAndChangesFollow(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	app, key := w.caller("second")
	stop := n.load("orders", w.key)
	w.server.Stop()
	change := w.approve(app)
	started := time.Now()
	w.live("later", w.up.URL)
	if got := n.status("orders", key); got == http.StatusOK {
		t.Errorf("an approval reached the node without the bus: %d", got)
	}
	if code, body := n.ready(); code != http.StatusOK {
		t.Errorf("/readyz without the bus: got %d %s, want 200", code, body)
	}
	eventually(t, "/readyz says that it is stale", func() bool {
		_, body := n.ready()
		return strings.Contains(body, "stale_since")
	})
	time.Sleep(3 * time.Second) // of calls without the bus: more than its pings take
	away := time.Since(started)
	if err := w.server.Start(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	w.applied(change)
	eventually(t, "the approval is in force", func() bool { return n.status("orders", key) == http.StatusOK })
	eventually(t, "the API is live", func() bool { return n.status("later", w.key) == http.StatusForbidden })
	took := time.Since(back)
	t.Logf("%d calls, none failed; the bus was away for %v; in force %v after it was back", stop(), away, took)
	if took > 5*time.Second {
		t.Errorf("in force after %v, want at most 5 s", took)
	}
}

func TestBusRestartedTwentyTimesUnderLoadLosesNothing(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	stop := n.load("orders", w.key)
	var keys []string
	for i := range 20 {
		app, key := w.caller("app-" + string(rune('a'+i)))
		w.server.Stop()
		w.approve(app)
		keys = append(keys, key)
		if err := w.server.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys {
		eventually(t, "every approval is in force", func() bool { return n.status("orders", key) == http.StatusOK })
	}
	t.Logf("%d calls", stop())
}

func TestCallsGoOnWithoutTheManagerAndChangesFollow(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	stop := n.load("orders", w.key)
	w.stopManager()
	time.Sleep(300 * time.Millisecond) // for the calls, which are what is tested
	if code, body := n.ready(); code != http.StatusOK || strings.Contains(body, "stale_since") {
		t.Errorf("/readyz without the manager: got %d %s, want 200 and not stale", code, body)
	}
	w.startManager()
	app, key := w.caller("second")
	w.applied(w.approve(app))
	if got, body := n.call("orders", key); got != http.StatusOK {
		t.Errorf("after its acknowledgement: got %d %s", got, body)
	}
	t.Logf("%d calls", stop())
}

// P1: a node that starts when everything else is away serves from its copy, and
// is ready no sooner than it does.
func TestNodeStartedAloneServesFromItsDisk(t *testing.T) {
	w := newWorld(t)
	first := w.readyNode("gw-1")
	w.settled(first)
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	w.stopManager()
	line := w.connect()
	w.server.Stop()
	began := time.Now()
	again := w.node("gw-1", line)
	if code, body := again.ready(); code != http.StatusOK || !strings.Contains(body, `"from_disk":true`) {
		t.Errorf("/readyz: got %d %s, want 200 from disk", code, body)
	}
	if got, body := again.call("orders", w.key); got != http.StatusOK {
		t.Errorf("got %d %s", got, body)
	}
	took := time.Since(began)
	t.Logf("the first answer came %v after the start", took)
	if took > time.Second {
		t.Errorf("the first answer came after %v, want at most 1 s", took)
	}
	if got := again.status("orders", w.key[:len(w.key)-1]); got != http.StatusUnauthorized {
		t.Errorf("half a key: got %d, want 401", got)
	}
	// One that never had a copy is not ready, and says so.
	empty := w.node("gw-2", line)
	if code, body := empty.ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "no configuration") {
		t.Errorf("/readyz of an empty node: got %d %s, want 503", code, body)
	}
	if got, body := empty.call("orders", w.key); got != http.StatusServiceUnavailable || !strings.Contains(body, "not_ready") {
		t.Errorf("a call of an empty node: got %d %s, want 503 not_ready", got, body)
	}
	if err := w.server.Start(); err != nil {
		t.Fatal(err)
	}
	w.startManager()
	eventually(t, "the empty node is ready once there is a bus", func() bool { return empty.status("orders", w.key) == http.StatusOK })
	eventually(t, "the other one has heard from it", func() bool {
		_, body := again.ready()
		return !strings.Contains(body, "stale_since")
	})
}

// P3: a revocation that was confirmed holds on every node that confirmed it,
// and on one that was cut off it holds once that is back.
func TestRevocationHoldsOnEveryNodeThatConfirmsIt(t *testing.T) {
	w := newWorld(t)
	one, two := w.readyNode("gw-1"), w.readyNode("gw-2")
	for range 20 {
		app, key := w.caller("app-" + strings.ToLower(rand.Text()[:10]))
		change := w.approve(app)
		w.applied(change)
		detail := must(w.access.Application(t.Context(), operator, w.tenant.ID, string(app.ID)))(t)
		for _, n := range []*node{one, two} {
			if got, body := n.call("orders", key); got != http.StatusOK {
				t.Fatalf("approved: got %d %s", got, body)
			}
		}
		_, revoked, err := w.access.RevokeKey(t.Context(), operator, w.tenant.ID, detail.Credentials[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		w.applied(revoked)
		for _, n := range []*node{one, two} {
			if got, body := n.call("orders", key); got != http.StatusUnauthorized {
				t.Fatalf("revoked: got %d %s, want 401", got, body)
			}
		}
	}
}

// A node is ready when all that there is has been compiled, not before.
func TestNodeIsReadyOnlyWithEverything(t *testing.T) {
	w := newWorld(t)
	const apis = 60
	for i := range apis {
		w.live(fmt.Sprintf("api-%d", i), w.up.URL)
	}
	w.readyNode("gw-1").eventually("all is delivered", func() bool {
		env := must(w.fleet.Environments(t.Context(), operator))(t)[0]
		nodes := must(w.fleet.Nodes(t.Context(), operator, "production"))(t)
		return len(nodes) == 1 && nodes[0].Applied >= env.Sequence
	})
	for round := range 5 {
		n := w.node(fmt.Sprintf("late-%d", round), w.connect())
		for {
			if code, _ := n.ready(); code == http.StatusOK {
				break
			}
		}
		for i := apis - 1; i >= 0; i-- {
			if got, body := n.call(fmt.Sprintf("api-%d", i), w.key); got != http.StatusForbidden {
				t.Fatalf("ready, and API %d answers %d %s", i, got, body)
			}
		}
		if got, body := n.call("orders", w.key); got != http.StatusOK {
			t.Fatalf("ready, and the known call gets %d %s", got, body)
		}
	}
}
