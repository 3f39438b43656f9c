package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portico/test/postgres"
	"portico/test/process"
)

// How the fleet is loaded: calls per second on each node, and the applications
// whose access changes.
const (
	steadyRate = 100
	movingRate = 50
	movers     = 8
	probePause = 500 * time.Microsecond
	patience   = 15 * time.Second
)

// inForce measures changes on two managers and three gateways in processes of
// their own, on PostgreSQL, while all gateways are called.
//
// A change is *acknowledged* when the answer of the management API has been
// read, which was asked not to wait. It is *in force* on a node at the end of
// the first call of that node whose answer shows it; each node is called again
// and again from the acknowledgement on. It is *confirmed* when the management
// API, asked beside that, answers that all three nodes have it.
//
// An answer is *wrong* that shows what was before the change, and is of a call
// that began after the confirmation, or after a call of the same node that
// showed the change; and any answer that is neither of the two. A steady call
// has a key that nobody changes and has to be answered 200, by a revision that
// is not older than the one before on that node.
func inForce(ctx context.Context, bin string, changes int, seed uint64) (rows []row, err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	own, err := postgres.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer own.Stop()
	database, err := own.Database(ctx)
	if err != nil {
		return nil, err
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer up.Close()
	a, err := process.StartApart(ctx, bin, database, token, gateway, 2)
	if a != nil {
		defer a.Close()
	}
	if err != nil {
		return nil, err
	}
	f := &fleet{upstream: up.URL, random: rand.New(rand.NewPCG(seed, 0)), wrong: &findings{}, client: &http.Client{
		Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	defer f.client.CloseIdleConnections()
	for _, m := range a.Managers {
		f.managers = append(f.managers, m.API(token))
	}
	for i := range 3 {
		node, err := a.Gateway(ctx, fmt.Sprintf("gw-%d", i+1), "production")
		if err != nil {
			return nil, err
		}
		f.nodes = append(f.nodes, node.Gateway)
	}
	if err := f.prepare(ctx); err != nil {
		return nil, err
	}
	stop := f.load(ctx)
	began := time.Now()
	err = f.changes(ctx, changes)
	took := time.Since(began)
	stop()
	if err != nil {
		return nil, err
	}
	return f.rows(changes, seed, took), nil
}

// kinds are the changes that are counted.
func kinds() []string { return []string{"approve", "suspend", "rotate", "revoke", "publish"} }

type fleet struct {
	managers []*process.API
	nodes    []string // http://127.0.0.1:port
	client   *http.Client
	upstream string
	random   *rand.Rand
	market   process.Market
	movers   []*mover
	revision revisions

	took      map[string][]time.Duration // acknowledged → in force, by kind: one for each node
	confirmed []time.Duration            // acknowledged → confirmed
	wrong     *findings
	steady    atomic.Int64
	failed    atomic.Int64
	moving    atomic.Int64
}

// findings are answers that ought not to be: how many, and the first few.
type findings struct {
	mu    sync.Mutex
	count int
	first []string
}

func (f *findings) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if len(f.first) < 5 {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

// mover is an application whose access changes.
type mover struct {
	slug, application        string
	credential, subscription string
	pending, active, two     bool
	mu                       sync.Mutex
	told                     []saying // guarded by mu; the last one holds now
	key                      string
}

// saying is which answers a key may have from a moment on.
type saying struct {
	key string
	may []int
}

func (m *mover) say(key string, may ...int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.key = key
	m.told = append(m.told, saying{key, may})
}

func (m *mover) now() (at int, key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.told) - 1, m.key
}

// allowed reports whether a call of a key that began when told[from] held could
// be answered so by now.
func (m *mover) allowed(from int, key string, status int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.told[from:] {
		if s.key != key || slices.Contains(s.may, status) { // another key: nothing is known of this one any more
			return true
		}
	}
	return false
}

// revisions are what the steady calls may see.
type revisions struct {
	least  atomic.Int64 // confirmed by all nodes
	newest atomic.Int64 // asked for
}

// do asks one of the managers.
func (f *fleet) do(ctx context.Context, method, path string, body, into any) error {
	return f.managers[f.random.IntN(len(f.managers))].Do(ctx, method, "/tenants/"+f.market.Tenant+path, body, into)
}

// call calls a node with a key.
func (f *fleet) call(ctx context.Context, node int, key string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.nodes[node]+f.market.Path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("X-API-Key", key)
	res, err := f.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// prepare makes the API, and the applications. The market's own is the steady one.
func (f *fleet) prepare(ctx context.Context) (err error) {
	f.took = map[string][]time.Duration{}
	if f.market, err = f.managers[0].Market(ctx, "acme", f.upstream+"/0"); err != nil {
		return err
	}
	sub, err := f.managers[0].Request(ctx, f.market)
	if err != nil {
		return err
	}
	if err := f.do(ctx, http.MethodPost, "/subscriptions/"+sub+"/approve?wait=applied", nil, nil); err != nil {
		return err
	}
	for i := range movers {
		m := &mover{slug: fmt.Sprintf("mover-%d", i)}
		var app process.Object
		if err := f.do(ctx, http.MethodPost, "/applications", map[string]any{"slug": m.slug, "name": m.slug}, &app); err != nil {
			return err
		}
		m.application = app.ID
		if err := f.mint(ctx, m); err != nil {
			return err
		}
		f.movers = append(f.movers, m)
	}
	return nil
}

// mint gives a mover a key; it must have none.
func (f *fleet) mint(ctx context.Context, m *mover) error {
	var c process.Object
	if err := f.do(ctx, http.MethodPost, "/applications/"+m.slug+"/credentials?wait=applied", map[string]any{"name": "k"}, &c); err != nil {
		return err
	}
	m.credential, m.two = c.ID, false
	m.say(c.Key, m.status())
	return nil
}

// status is the answer to the mover's key, while nothing changes.
func (m *mover) status() int {
	if m.active {
		return http.StatusOK
	}
	return http.StatusForbidden
}

// request makes a mover's subscription wait for its approval, which no node
// answers 200 to.
func (f *fleet) request(ctx context.Context, m *mover) error {
	if m.pending {
		return nil
	}
	_, key := m.now()
	if m.subscription != "" {
		m.say(key, m.status(), http.StatusForbidden)
		if err := f.do(ctx, http.MethodPost, "/subscriptions/"+m.subscription+"/cancel?wait=applied", nil, nil); err != nil {
			return err
		}
		m.active = false
		m.say(key, http.StatusForbidden)
	}
	var s process.Object
	err := f.do(ctx, http.MethodPost, "/subscriptions?wait=applied", map[string]any{"application": m.application, "plan": f.market.Plan, "reason": "to move"}, &s)
	m.subscription, m.pending = s.ID, true
	return err
}

// activate makes a mover's subscription active, whatever it is now.
func (f *fleet) activate(ctx context.Context, m *mover) error {
	if m.active {
		return nil
	}
	verb := "resume"
	if m.subscription == "" || m.pending {
		if err := f.request(ctx, m); err != nil {
			return err
		}
		verb = "approve"
	}
	_, key := m.now()
	m.say(key, http.StatusOK, http.StatusForbidden)
	err := f.do(ctx, http.MethodPost, "/subscriptions/"+m.subscription+"/"+verb+"?wait=applied", nil, nil)
	m.active, m.pending = true, false
	m.say(key, http.StatusOK)
	return err
}

// changed is a change as it was acknowledged.
type changed struct {
	ID      string `json:"id"`
	Key     string `json:"key"`
	Secrets []struct {
		ID string `json:"id"`
	} `json:"secrets"`
	Change struct {
		Environment string `json:"environment"`
		Sequence    uint64 `json:"sequence"`
	} `json:"change"`
}

// changes makes n changes in random order, as many of each kind as there are of
// any other.
func (f *fleet) changes(ctx context.Context, n int) error {
	order := make([]string, n)
	for i := range order {
		order[i] = kinds()[i%len(kinds())]
	}
	f.random.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	for i, kind := range order {
		m := f.movers[f.random.IntN(len(f.movers))]
		if err := f.change(ctx, kind, m); err != nil {
			return fmt.Errorf("change %d, %s: %w", i+1, kind, err)
		}
	}
	return nil
}

func (f *fleet) change(ctx context.Context, kind string, m *mover) error {
	if kind == "publish" {
		return f.publish(ctx)
	}
	// What has to be so before is not counted, and waited for.
	var err error
	if kind == "approve" {
		err = f.request(ctx, m)
	} else {
		err = f.activate(ctx, m)
	}
	if err != nil {
		return err
	}
	_, key := m.now()
	before, after, path, body := http.StatusOK, http.StatusForbidden, "/subscriptions/"+m.subscription+"/"+kind, any(nil)
	switch kind {
	case "approve":
		before, after = after, before
	case "suspend":
		body = map[string]any{"reason": "to move"}
	case "rotate":
		if m.two { // the one of before ends first: there are two at the most
			if err := f.endOld(ctx, m); err != nil {
				return err
			}
		}
		before, after, path, body = http.StatusUnauthorized, http.StatusOK, "/credentials/"+m.credential+"/rotate", map[string]any{"grace_ms": 3_600_000}
	case "revoke":
		after, path = http.StatusUnauthorized, "/credentials/"+m.credential+"/revoke"
	}
	if kind != "rotate" { // where the old key goes on, as before
		m.say(key, before, after)
	}
	var made changed
	if err := f.do(ctx, http.MethodPost, path, body, &made); err != nil {
		return err
	}
	probed := key
	if kind == "rotate" {
		probed = made.Key
	}
	err = f.watch(ctx, kind, made, func(node int) (string, error) {
		status, _, err := f.call(ctx, node, probed)
		return strconv.Itoa(status), err
	}, strconv.Itoa(before), strconv.Itoa(after))
	if err != nil {
		return err
	}
	switch kind {
	case "approve":
		m.active, m.pending = true, false
	case "suspend":
		m.active = false
	case "rotate":
		m.two = true
		if status, _, err := f.call(ctx, 0, key); err != nil || status != http.StatusOK {
			f.wrong.add("rotate: the old key was answered %d within its grace, %v", status, err)
		}
	case "revoke":
		m.say(key, after)
		return f.mint(ctx, m)
	}
	m.say(probed, m.status())
	return nil
}

// endOld ends the older of a credential's two secrets.
func (f *fleet) endOld(ctx context.Context, m *mover) error {
	var all struct{ Items []changed }
	if err := f.do(ctx, http.MethodGet, "/applications/"+m.slug+"/credentials", nil, &all); err != nil {
		return err
	}
	for _, c := range all.Items {
		if c.ID == m.credential && len(c.Secrets) == 2 {
			old := min(c.Secrets[0].ID, c.Secrets[1].ID) // ids are in the order of time
			if err := f.do(ctx, http.MethodDelete, "/credentials/"+m.credential+"/secrets/"+old+"?wait=applied", nil, nil); err != nil {
				return err
			}
		}
	}
	m.two = false
	return nil
}

// publish makes a revision live that leads elsewhere.
func (f *fleet) publish(ctx context.Context) error {
	old := f.revision.newest.Load()
	path := "/versions/" + f.market.Version
	if err := f.do(ctx, http.MethodPatch, path+"/draft", map[string]any{"upstream_urls": []string{fmt.Sprintf("%s/%d", f.upstream, old+1)}}, nil); err != nil {
		return err
	}
	f.revision.newest.Store(old + 1)
	var made changed
	if err := f.do(ctx, http.MethodPost, path+"/publish", map[string]any{}, &made); err != nil {
		return err
	}
	err := f.watch(ctx, "publish", made, func(node int) (string, error) {
		status, body, err := f.call(ctx, node, f.market.Key)
		if status == http.StatusOK && err == nil {
			return strconv.FormatInt(revisionOf(body), 10), nil
		}
		return strconv.Itoa(status), err
	}, strconv.FormatInt(old, 10), strconv.FormatInt(old+1, 10))
	f.revision.least.Store(old + 1)
	return err
}

// revisionOf reads which revision answered: the upstream says the path that it
// was called by. -1 is none.
func revisionOf(body string) int64 {
	n, err := strconv.ParseInt(strings.Split(strings.TrimPrefix(body, "/"), "/")[0], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// watch calls every node until it has shown the change and all have confirmed
// it, and once more.
func (f *fleet) watch(ctx context.Context, kind string, made changed, probe func(node int) (string, error), before, after string) error {
	acknowledged := time.Now()
	var confirmed atomic.Int64 // nanoseconds after that; 0: not yet
	asked := make(chan error, 1)
	manager := f.managers[f.random.IntN(len(f.managers))]
	go func() {
		var out struct {
			Done  bool  `json:"done"`
			Nodes []any `json:"nodes"`
		}
		err := manager.Do(ctx, http.MethodGet, fmt.Sprintf("/environments/%s/changes/%d?wait=applied&timeout_ms=10000", made.Change.Environment, made.Change.Sequence), nil, &out)
		if err == nil && (!out.Done || len(out.Nodes) != len(f.nodes)) {
			err = fmt.Errorf("not confirmed by all nodes: %+v", out)
		}
		confirmed.Store(int64(time.Since(acknowledged)))
		asked <- err
	}()
	took := make([]time.Duration, len(f.nodes))
	failed := make([]error, len(f.nodes))
	var all sync.WaitGroup
	for node := range f.nodes {
		all.Go(func() {
			shown := false
			for last := false; !last; {
				told := confirmed.Load()
				last = shown && told != 0
				got, err := probe(node)
				at := time.Since(acknowledged)
				switch {
				case err != nil:
					f.wrong.add("%s: node %d did not answer: %v", kind, node+1, err)
				case got == after:
					if !shown {
						shown, took[node] = true, at
					}
				case got != before:
					f.wrong.add("%s: node %d answered %s, neither %s nor %s", kind, node+1, got, before, after)
				case shown || told != 0:
					f.wrong.add("%s: node %d answered %s after %v, shown %v, confirmed after %v", kind, node+1, got, at, shown, time.Duration(told))
				}
				if at > patience {
					failed[node] = fmt.Errorf("node %d did not show it within %v", node+1, patience)
					return
				}
				time.Sleep(probePause)
			}
		})
	}
	all.Wait()
	err := errors.Join(append(failed, <-asked)...)
	if err == nil {
		f.took[kind] = append(f.took[kind], took...)
		f.confirmed = append(f.confirmed, time.Duration(confirmed.Load()))
	}
	return err
}

// load calls all nodes, by the steady key and by those of the movers, until it
// is stopped.
func (f *fleet) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	every := func(rate int, do func()) {
		all.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					do()
				}
			}
		})
	}
	for node := range f.nodes {
		last := int64(0)
		every(steadyRate, func() {
			least := max(last, f.revision.least.Load())
			status, body, err := f.call(context.WithoutCancel(ctx), node, f.market.Key)
			f.steady.Add(1)
			seen := revisionOf(body)
			if err != nil || status != http.StatusOK || seen < least || seen > f.revision.newest.Load() {
				f.failed.Add(1)
				f.wrong.add("steady: node %d answered %d %.60q, %v; at least revision %d was expected", node+1, status, body, err, least)
				return
			}
			last = seen
		})
		i := node
		every(movingRate, func() {
			i++
			m := f.movers[i%len(f.movers)]
			from, key := m.now()
			status, _, err := f.call(context.WithoutCancel(ctx), node, key)
			f.moving.Add(1)
			if err != nil || !m.allowed(from, key, status) {
				f.wrong.add("moving: node %d answered %d, %v, to %s", node+1, status, err, m.slug)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

func (f *fleet) rows(n int, seed uint64, took time.Duration) []row {
	var every []time.Duration
	rows := []row{{}, {}}
	for _, kind := range kinds() {
		every = append(every, f.took[kind]...)
		t := f.took[kind]
		rows = append(rows, row{"    " + kind + ": p50, p99, max", spread(t), "", true})
	}
	ms := 100 * time.Millisecond
	p99 := percentile(every, 99)
	rows[0] = row{fmt.Sprintf("3 gateways, 2 managers, PostgreSQL: %d changes, seed %d, in", n, seed), took.Round(time.Second).String(), "", true}
	rows[1] = under("  acknowledged → in force on each node, p99", p99, ms, 100*time.Microsecond)
	return append(rows,
		row{"    all: p50, p99, max", spread(every), "", true},
		row{"    acknowledged → confirmed by all three: p50, p99, max", spread(f.confirmed), "", true},
		row{"  wrong answers after an acknowledgement", fmt.Sprint(f.wrong.count) + strings.Join(append([]string{""}, f.wrong.first...), "\n      "), "0", f.wrong.count == 0},
		row{"  failed calls of the steady caller, of", fmt.Sprintf("%d of %d", f.failed.Load(), f.steady.Load()), "0", f.failed.Load() == 0},
		row{"    calls by keys that change, beside the probes", fmt.Sprint(f.moving.Load()), "", true},
	)
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%v, %v, %v", percentile(all, 50).Round(100*time.Microsecond), percentile(all, 99).Round(100*time.Microsecond), slices.Max(all).Round(100*time.Microsecond))
}
