package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// Kubernetes is an API server that knows the EndpointSlices of one service: it
// lists them and streams what changes since a resource version, as long as it
// remembers it.
type Kubernetes struct {
	URL   string
	Token string

	mu      sync.Mutex // guards what follows
	slices  map[string]any
	version int
	events  []event
	oldest  int // version that is remembered
	changed chan struct{}
	hangUp  chan struct{} // closed to end all watches
	down    bool
	lists   int
	watches int
}

type event struct {
	version int
	text    string
}

// NewKubernetes starts one that serves a service of a namespace.
func NewKubernetes(t testing.TB, namespace, service string) *Kubernetes {
	k := &Kubernetes{Token: "cluster-token", slices: map[string]any{}, version: 100, oldest: 100, changed: make(chan struct{}), hangUp: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+k.Token:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("labelSelector") != "kubernetes.io/service-name="+service:
			_, _ = fmt.Fprint(w, `{"metadata":{"resourceVersion":"1"},"items":[]}`)
		case r.URL.Query().Get("watch") == "1":
			k.watch(w, r)
		default:
			k.list(w)
		}
	})
	server := httptest.NewServer(mux)
	k.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return k
}

// Put makes a slice what is given: addresses, ready or not, behind a port.
func (k *Kubernetes) Put(name string, port int, ready map[string]bool) {
	endpoints := []any{}
	for address, ok := range ready {
		endpoints = append(endpoints, map[string]any{"addresses": []string{address}, "conditions": map[string]any{"ready": ok}})
	}
	k.change(name, map[string]any{
		"metadata": map[string]any{"name": name}, "addressType": "IPv4", "endpoints": endpoints,
		"ports": []any{map[string]any{"name": "metrics", "port": 9}, map[string]any{"name": "http", "port": port}},
	})
}

// Delete takes a slice away.
func (k *Kubernetes) Delete(name string) { k.change(name, nil) }

func (k *Kubernetes) change(name string, slice map[string]any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version++
	kind, object := "MODIFIED", slice
	switch _, known := k.slices[name]; {
	case slice == nil:
		kind, object = "DELETED", map[string]any{"metadata": map[string]any{"name": name}}
		delete(k.slices, name)
	case !known:
		kind = "ADDED"
	}
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(k.version)
	if slice != nil {
		k.slices[name] = slice
	}
	text, _ := json.Marshal(map[string]any{"type": kind, "object": object})
	k.events = append(k.events, event{k.version, string(text)})
	close(k.changed)
	k.changed = make(chan struct{})
}

// HangUp ends all watches; forget makes the server remember nothing of what was
// before, so that a watch from there is answered 410.
func (k *Kubernetes) HangUp(forget bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if forget {
		k.version++
		k.events, k.oldest = nil, k.version
	}
	close(k.hangUp)
	k.hangUp = make(chan struct{})
}

// Down makes the server fail every request, or serve again.
func (k *Kubernetes) Down(down bool) {
	k.mu.Lock()
	k.down = down
	k.mu.Unlock()
	k.HangUp(false)
}

// Asked returns how often there was a list and a watch.
func (k *Kubernetes) Asked() (lists, watches int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lists, k.watches
}

func (k *Kubernetes) list(w http.ResponseWriter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lists++
	if k.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	items := []any{}
	for _, s := range k.slices {
		items = append(items, s)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(k.version)}, "items": items})
}

func (k *Kubernetes) watch(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	k.mu.Lock()
	k.watches++
	down, oldest, hangUp := k.down, k.oldest, k.hangUp
	k.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case err != nil || since < oldest:
		w.WriteHeader(http.StatusGone)
		return
	}
	flush := http.NewResponseController(w)
	_, _ = fmt.Fprintln(w, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"`+strconv.Itoa(since)+`"}}}`)
	_ = flush.Flush()
	for {
		k.mu.Lock()
		changed, events := k.changed, k.events
		k.mu.Unlock()
		for _, e := range events {
			if e.version > since {
				_, _ = fmt.Fprintln(w, e.text)
				since = e.version
			}
		}
		_ = flush.Flush()
		select {
		case <-r.Context().Done():
			return
		case <-hangUp:
			return
		case <-changed:
		}
	}
}
