package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

const token = "fault-bootstrap-token-0123456789-0123456789"

// binary is built once for all tests, by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portico-fault-")
	if err == nil {
		binary, err = process.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// killed is an installation whose process is killed again and again, and a
// ledger of what it acknowledged.
type killed struct {
	t    *testing.T
	up   *fake.Upstream
	p    *process.Process
	opts process.Options

	plan, version string
	apps          int

	mu       sync.Mutex      // guards what follows
	works    map[string]bool // by key: it must work, or must not
	revision int             // newest that was acknowledged
	tried    int             // newest that was asked for
}

func (k *killed) start() {
	k.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	var err error
	if k.p, err = process.Start(ctx, binary, k.opts); err != nil {
		k.t.Fatal(err)
	}
	k.opts.Ports = &k.p.Ports
	k.t.Cleanup(k.p.Close)
}

// do returns whether the request was acknowledged.
func (k *killed) do(method, path string, body, into any) bool {
	return k.p.API(token).Do(context.Background(), method, "/tenants/demo"+path, body, into) == nil
}

// work approves, revokes and publishes until the process is gone, and writes
// down what was acknowledged.
func (k *killed) work(gone <-chan struct{}) {
	for {
		select {
		case <-gone:
			return
		default:
		}
		var app, key, sub process.Object
		k.apps++
		slug := fmt.Sprintf("app-%d", k.apps)
		if !k.do("POST", "/applications", map[string]any{"slug": slug, "name": slug}, &app) ||
			!k.do("POST", "/applications/"+slug+"/credentials", map[string]any{"name": "k"}, &key) ||
			!k.do("POST", "/subscriptions", map[string]any{"application": app.ID, "plan": k.plan, "reason": "to try"}, &sub) {
			return
		}
		if !k.do("POST", "/subscriptions/"+sub.ID+"/approve", nil, nil) {
			return
		}
		k.note(key.Key, true)
		if k.apps%3 == 0 {
			k.forget(key.Key)
			if !k.do("POST", "/credentials/"+key.ID+"/revoke", nil, nil) {
				return
			}
			k.note(key.Key, false)
		}
		k.mu.Lock()
		next := k.tried + 1
		k.tried = next
		k.mu.Unlock()
		if !k.do("PATCH", "/versions/"+k.version+"/draft", map[string]any{"upstream_urls": []string{fmt.Sprintf("%s/r%d", k.up.URL, next)}}, nil) ||
			!k.do("POST", "/versions/"+k.version+"/publish", map[string]any{"environment": "production"}, nil) {
			return
		}
		k.mu.Lock()
		k.revision = next
		k.mu.Unlock()
	}
}

func (k *killed) note(key string, works bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.works[key] = works
}

func (k *killed) forget(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.works, key)
}

// call returns the status, and which revision answered, 0 for none.
func (k *killed) call(key string) (status, revision int) {
	req, err := http.NewRequest(http.MethodGet, k.p.Gateway+"/demo/orders/v1/things0/1", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	var saw fake.Echo
	if json.Unmarshal(raw, &saw) == nil {
		_, _ = fmt.Sscanf(saw.Target, "/r%d/", &revision)
	}
	return res.StatusCode, revision
}

// TestKillAtAnyMomentLosesNothingAcknowledged kills the process at a random
// moment of work, twenty times, and looks after each restart whether all that
// was ever acknowledged is in force.
func TestKillAtAnyMomentLosesNothingAcknowledged(t *testing.T) {
	k := &killed{
		t: t, up: fake.NewUpstream(t), works: map[string]bool{},
		opts: process.Options{Demo: true, Data: t.TempDir(), Env: []string{"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=error"}},
	}
	k.start()
	version, err := k.p.API(token).Live(t.Context(), "demo", "orders", process.MinimalDocument("Orders", k.up.URL+"/r0", 1))
	if err != nil {
		t.Fatal(err)
	}
	k.version = version
	var plan process.Object
	if !k.do("POST", "/products", map[string]any{"slug": "orders", "name": "Orders", "listed": true, "visibility": "public", "versions": []string{version}}, nil) ||
		!k.do("POST", "/products/orders/plans", map[string]any{"slug": "all", "name": "All", "approval": "manual", "state": "published", "limits": []any{}}, &plan) {
		t.Fatal("the offer was not made")
	}
	k.plan = plan.ID
	late, slowest := 0, time.Duration(0)
	for cycle := range 20 {
		gone := make(chan struct{})
		var working sync.WaitGroup
		working.Go(func() { k.work(gone) })
		time.Sleep(time.Duration(20+rand.N(400)) * time.Millisecond) // the random moment
		k.p.Kill()
		close(gone)
		working.Wait()
		k.start()
		began := time.Now()
		late += k.inForce(cycle)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("%d applications, %d keys in the ledger, %d revisions acknowledged of %d tried; %d answers were old at first, all right after %v",
		k.apps, len(k.works), k.revision, k.tried, late, slowest)
	if len(k.works) < 20 || k.revision < 10 {
		t.Errorf("too little was done to say anything")
	}
}

// inForce waits until all that is in the ledger holds, and returns how many
// answers were not right at once.
func (k *killed) inForce(cycle int) (late int) {
	k.t.Helper()
	for key, works := range k.works {
		want := http.StatusOK
		if !works {
			want = http.StatusUnauthorized
		}
		right := func() bool {
			status, revision := k.call(key)
			return status == want && (!works || revision >= k.revision && revision <= k.tried)
		}
		if right() {
			continue
		}
		late++
		eventually(k.t, fmt.Sprintf("in cycle %d, what was acknowledged is in force (key works: %v)", cycle, works), right)
	}
	return late
}
