package fake

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Consul is an agent that knows one service: it holds an answer back until
// something changes, as long as it is asked to.
type Consul struct {
	URL   string
	Token string

	mu       sync.Mutex // guards what follows
	rows     []any
	index    uint64
	changed  chan struct{}
	down     bool
	asked    int
	blocking int
	query    url.Values
}

// NewConsul starts one that serves a service, to who asks for what passes.
func NewConsul(t testing.TB, service string) *Consul {
	c := &Consul{Token: "agent-token", index: 10, rows: []any{}, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health/service/"+service, c.serve)
	server := httptest.NewServer(mux)
	c.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return c
}

// Instance returns one of a service; an address of "" is the node's.
func Instance(node, address string, port, weight int) any {
	return map[string]any{
		"Node":    map[string]any{"Node": node, "Address": node},
		"Service": map[string]any{"Address": address, "Port": port, "Weights": map[string]any{"Passing": weight, "Warning": 1}},
	}
}

// Set replaces the instances.
func (c *Consul) Set(instances ...any) {
	c.to(func() { c.index++; c.rows = append([]any{}, instances...) })
}

// Restart makes the agent begin anew, with a lower index.
func (c *Consul) Restart(instances ...any) {
	c.to(func() { c.index, c.rows = 1, append([]any{}, instances...) })
}

// Down makes the agent fail every request, or serve again.
func (c *Consul) Down(down bool) { c.to(func() { c.down = down }) }

// Asked returns how often it was asked, and how often to hold the answer back.
func (c *Consul) Asked() (all, blocking int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, c.blocking
}

// Query returns what it was asked last.
func (c *Consul) Query() url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.query
}

func (c *Consul) to(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Consul) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Header.Get("X-Consul-Token") != c.Token || q.Get("passing") != "true" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	since, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(q.Get("wait"))
	limit := time.NewTimer(wait)
	defer limit.Stop()
	c.mu.Lock()
	c.asked++
	c.query = q
	if since > 0 {
		c.blocking++
	}
	for c.index == since && !c.down {
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-limit.C:
			since = 0
		case <-r.Context().Done():
			return
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Consul-Index", strconv.FormatUint(c.index, 10))
	_ = json.NewEncoder(w).Encode(c.rows)
}
