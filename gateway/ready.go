package gateway

import (
	"encoding/json"
	"net/http"
	"time"

	"portico/internal/entry"
)

const second = time.Second

// defaultMaxStale is how long a node may be without the bus when its
// environment does not say.
const defaultMaxStale = time.Minute

// observe looks whether the bus is there, and whether calls must be refused.
func (n *Node) observe() {
	_, connected := n.config.Carrier.Connected()
	now := n.config.Now()
	n.mu.Lock()
	if connected && n.caughtUp {
		n.heardAt = now
	}
	heard := n.heardAt
	n.mu.Unlock()
	if heard.IsZero() { // it has had no chance yet
		heard = n.started
	}
	if connected && n.copy != nil {
		n.copy.Heard(now)
	}
	env := n.env.Load()
	n.stale.Store(env != nil && env.RefuseStale && now.Sub(heard) > maxStale(env))
}

func maxStale(env *environment) time.Duration {
	if env.MaxStaleMS == 0 {
		return defaultMaxStale
	}
	return time.Duration(env.MaxStaleMS) * time.Millisecond
}

// readiness says whether the node takes calls, and since when it has not heard
// from the bus; the zero time when it hears.
func (n *Node) readiness() (ready bool, staleSince time.Time) {
	n.mu.Lock()
	heard, caughtUp := n.heardAt, n.caughtUp
	n.mu.Unlock()
	if since, connected := n.config.Carrier.Connected(); !connected || !caughtUp {
		if staleSince = heard; staleSince.IsZero() {
			staleSince = n.started
		}
		if !connected && since.After(staleSince) {
			staleSince = since
		}
	}
	return n.whole.Load() && !n.draining.Load() && !n.drained.Load() && !n.stale.Load(), staleSince
}

// readyReport is the body of /readyz.
type readyReport struct {
	Ready      bool           `json:"ready"`
	Reason     string         `json:"reason,omitempty"`
	Applied    entry.Position `json:"applied"`
	StaleSince string         `json:"stale_since,omitempty"`
	Stale      bool           `json:"stale,omitempty"` // for longer than the environment allows
	FromDisk   bool           `json:"from_disk,omitempty"`
	Refused    int            `json:"refused,omitempty"`
}

// Live answers /livez: the process runs.
func (n *Node) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // nobody is left to tell
	})
}

// Ready answers /readyz: 200 from the moment all that there is has been
// compiled, 503 before, while draining, and when the environment says that a stale node must refuse.
func (n *Node) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.observe()
		status := n.Status()
		ready, since := n.readiness()
		report := readyReport{Ready: ready, Applied: status.Applied, FromDisk: status.FromDisk, Refused: len(status.Refused)}
		env := n.env.Load()
		if !since.IsZero() {
			report.StaleSince = since.UTC().Format(time.RFC3339)
			report.Stale = env != nil && n.config.Now().Sub(since) > maxStale(env)
		}
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
			switch {
			case n.draining.Load(), n.drained.Load():
				report.Reason = "draining"
			case env == nil:
				report.Reason = "no configuration yet"
			case !n.whole.Load():
				report.Reason = "no whole configuration yet"
			default:
				report.Reason = "stale"
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(report) // nobody is left to tell
	})
}
