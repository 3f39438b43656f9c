package fault_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

// revoke revokes an application's only key.
func (w *world) revoke(app apim.Application) apim.Change {
	w.t.Helper()
	detail := must(w.access.Application(w.t.Context(), operator, w.tenant.ID, string(app.ID)))(w.t)
	_, change, err := w.access.RevokeKey(w.t.Context(), operator, w.tenant.ID, detail.Credentials[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return change
}

// P3: a node that is cut off is not among those that confirm, and says itself
// that it may be behind; what it missed holds as soon as it is back.
func TestNodeThatIsCutOffIsNamedAndNotCounted(t *testing.T) {
	w := newWorld(t)
	one := w.readyNode("gw-1")
	line := w.connect()
	two := w.node("gw-2", line)
	two.eventually("it serves", func() bool { return two.status("orders", w.key) == http.StatusOK })
	line.Close()
	change := w.revoke(w.app)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	got, err := w.fleet.WaitApplied(ctx, operator, change)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, n := range got.Nodes {
		states[n.Name] = n.State
	}
	if got.Done || states["gw-1"] != "applied" || states["gw-2"] == "applied" || states["gw-2"] == "" {
		t.Errorf("got done %v with %v, want gw-2 named as not applied", got.Done, states)
	}
	if got := one.status("orders", w.key); got != http.StatusUnauthorized {
		t.Errorf("on the node that confirmed: got %d, want 401", got)
	}
	if code, body := two.ready(); code != http.StatusOK || !strings.Contains(body, "stale_since") {
		t.Errorf("/readyz of the node that is cut off: got %d %s, want 200 and stale_since", code, body)
	}
	eventually(t, "it is called unreachable", func() bool {
		for _, n := range must(w.fleet.Nodes(t.Context(), operator, "production"))(t) {
			if n.Name == "gw-2" {
				return string(n.State) == "unreachable"
			}
		}
		return false
	})
	if err := two.end(); err != nil {
		t.Fatal(err)
	}
	back := w.node("gw-2", w.connect())
	back.eventually("the revocation holds on it", func() bool { return back.status("orders", w.key) == http.StatusUnauthorized })
	w.applied(change)
}

// A node that was killed right after it confirmed a revocation may find an
// older copy on its disk. It follows the bus within a second of its start.
func TestRevocationHoldsOnANodeThatStartsFromAnOldCopy(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	w.settled(n)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(w.copyDir("gw-1"))); err != nil {
		t.Fatal(err)
	}
	w.applied(w.revoke(w.app))
	if got := n.status("orders", w.key); got != http.StatusUnauthorized {
		t.Errorf("confirmed: got %d, want 401", got)
	}
	if err := n.end(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.copyDir("gw-1")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.copyDir("gw-1"), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	began, passed := time.Now(), 0
	again := w.node("gw-1", w.connect())
	again.eventually("the key is refused", func() bool {
		status := again.status("orders", w.key)
		if status == http.StatusOK {
			passed++
		}
		return status == http.StatusUnauthorized
	})
	took := time.Since(began)
	t.Logf("refused %v after the start; %d calls passed before", took, passed)
	if took > time.Second {
		t.Errorf("refused %v after the start, want at most 1 s", took)
	}
}
