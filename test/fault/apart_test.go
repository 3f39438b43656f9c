package fault_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/postgres"
	"portico/test/process"
)

// ring is an installation with its roles in processes of their own: two
// managers, two gateways, and an application whose key works. Between it and the
// database stands a wire that can be cut.
type ring struct {
	*process.Apart
	t        *testing.T
	wire     *wire
	up       *fake.Upstream
	gateways []*process.Process
	market   process.Market
	sub      string
}

func newRing(t *testing.T) *ring {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	r := &ring{t: t, up: fake.NewUpstream(t), wire: newWire(t, postgres.Database(t))}
	var err error
	r.Apart, err = process.StartApart(ctx, binary, r.wire.URL, token, "http://gateway.example", 2)
	if r.Apart != nil {
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("portico said:\n%.20000s", r.Output())
			}
			r.Close()
		})
	}
	for i := 0; i < 2 && err == nil; i++ {
		var gw *process.Process
		gw, err = r.Gateway(ctx, fmt.Sprintf("gw-%d", i+1), "production")
		r.gateways = append(r.gateways, gw)
	}
	if err == nil {
		r.market, err = r.api(0).Market(ctx, "acme", r.up.URL+"/r0")
	}
	if err == nil {
		r.sub, err = r.api(0).Request(ctx, r.market)
	}
	if err == nil {
		err = r.do(0, "POST", "/subscriptions/"+r.sub+"/approve?wait=applied", nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *ring) api(manager int) *process.API { return r.Managers[manager].API(token) }

func (r *ring) do(manager int, method, path string, body, into any) error {
	return r.api(manager).Do(r.t.Context(), method, "/tenants/acme"+path, body, into)
}

// call returns the status of a call of a gateway with the market's key, 0 when
// it has no answer.
func (r *ring) call(gateway int) int {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.gateways[gateway].Gateway+r.market.Path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", r.market.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// load calls all gateways until it is stopped. Every call must be answered 200.
func (r *ring) load() (stop func()) {
	var calls, failed atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for i := range r.gateways {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				status := r.call(i)
				calls.Add(1)
				if status != http.StatusOK && failed.Add(1) <= 3 {
					r.t.Errorf("%s answered %d", r.gateways[i].Gateway, status)
				}
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
		r.t.Logf("%d calls, %d failed", calls.Load(), failed.Load())
		if failed.Load() > 0 || calls.Load() < 100 {
			r.t.Errorf("%d of %d calls failed", failed.Load(), calls.Load())
		}
	}
}

func (r *ring) again(p *process.Process, unready bool) *process.Process {
	r.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	next, err := r.Again(ctx, p, unready)
	if err != nil {
		r.t.Fatal(err)
	}
	return next
}

// A manager that is killed in the middle of its work leaves nothing behind that
// the other does not deliver, and whatever it acknowledged is in the audit log.
func TestDeliveryPassesToTheOtherManager(t *testing.T) {
	r := newRing(t)
	stop := r.load()
	var acknowledged atomic.Int32
	for round := range 6 {
		one := round % 2 // is killed; the other stays
		gone := make(chan struct{})
		var working sync.WaitGroup
		working.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-gone:
					return
				default:
				}
				draft := map[string]any{"max_body_bytes": 1<<20 + round*1000 + n}
				if r.do(one, "PATCH", "/versions/"+r.market.Version+"/draft", draft, nil) != nil {
					return
				}
				if r.do(one, "POST", "/versions/"+r.market.Version+"/publish", map[string]any{}, nil) != nil {
					return
				}
				acknowledged.Add(1)
			}
		})
		enough := acknowledged.Load() + 2
		eventually(t, "publishes are acknowledged", func() bool { return acknowledged.Load() >= enough })
		r.Managers[one].Kill() // amid the next
		close(gone)
		working.Wait()
		var out process.Object
		began := time.Now()
		for end := began.Add(30 * time.Second); ; {
			err := r.do(1-one, "POST", "/versions/"+r.market.Version+"/publish?wait=applied&timeout_ms=5000", map[string]any{}, &out)
			if err == nil && out.Applied.Done {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("round %d: what was published did not reach the nodes by the other manager: %v %+v", round, err, out)
			}
		}
		t.Logf("round %d: in force by the other manager after %v", round, time.Since(began).Round(time.Millisecond))
		r.again(r.Managers[one], false)
	}
	stop()
	var version struct{ Revision int }
	if err := r.do(0, "GET", "/versions/"+r.market.Version, nil, &version); err != nil {
		t.Fatal(err)
	}
	made := int(acknowledged.Load())
	if version.Revision < made {
		t.Errorf("revision r%d, and %d publishes were acknowledged", version.Revision, made)
	}
	published, cursor := 0, ""
	for {
		var page struct {
			Items      []struct{ Action string }
			NextCursor string `json:"next_cursor"`
		}
		if err := r.do(0, "GET", "/audit?limit=200&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			if row.Action == "version.publish" {
				published++
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if published < made {
		t.Errorf("%d publishes are in the audit log, %d were acknowledged", published, made)
	}
}

// P1: with managers and bus killed and the database away the gateways carry on,
// also one that starts anew; what was changed last before is in force.
func TestGatewaysNeedNobody(t *testing.T) {
	r := newRing(t)
	eventually(t, "both answer", func() bool { return r.call(0) == 200 && r.call(1) == 200 })
	time.Sleep(2 * time.Second) // the copy on disk is written within one
	stop := r.load()
	for _, p := range append([]*process.Process{r.NATS}, r.Managers...) {
		p.Kill()
	}
	r.wire.cut()
	time.Sleep(2 * time.Second)
	stop()
	r.gateways[1].Kill()
	began := time.Now()
	r.gateways[1] = r.again(r.gateways[1], false)
	if status := r.call(1); status != 200 {
		t.Errorf("started alone it answered %d", status)
	}
	t.Logf("started alone and ready after %v", time.Since(began).Round(time.Millisecond))
	r.wire.mend()
	r.again(r.NATS, false)
	for _, m := range r.Managers {
		r.again(m, false)
	}
	var out process.Object
	eventually(t, "a change is in force on both", func() bool {
		err := r.do(0, "POST", "/subscriptions/"+r.sub+"/suspend?wait=applied&timeout_ms=2000", map[string]any{"reason": "to see"}, &out)
		if err != nil { // done before, and not confirmed in time
			_ = r.do(0, "POST", "/subscriptions/"+r.sub+"/resume", nil, nil)
			return false
		}
		return out.Applied.Done
	})
	for i := range r.gateways {
		if status := r.call(i); status != 403 {
			t.Errorf("%s answered %d after the suspension", r.gateways[i].Gateway, status)
		}
	}
}

// databaseAway is how long the database is away; PORTICO_TEST_AWAY=1m is
// RELIABILITY.md's minute.
func databaseAway(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("PORTICO_TEST_AWAY")
	if text == "" {
		return 6 * time.Second
	}
	away, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return away
}

// While the database is away calls go on, changes are refused with a reason,
// console and portal say so, and after it all is as before.
func TestDatabaseAwayStopsChangesAndNoCall(t *testing.T) {
	r := newRing(t)
	ctx, enough := context.WithTimeout(t.Context(), time.Minute)
	defer enough()
	portal, err := r.Portal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := r.load()
	r.wire.cut()
	saysAway(t, "the console", func() (*http.Response, error) {
		return http.PostForm(r.Managers[0].Console+"/sign-in", url.Values{"email": {"ada@acme.example"}, "password": {"a password of hers"}})
	})
	saysAway(t, "the portal", func() (*http.Response, error) { return http.Get(portal.Portal + "/") })
	end := time.Now().Add(databaseAway(t))
	for refused := 0; time.Now().Before(end) || refused == 0; refused++ {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := r.api(0).Do(ctx, "POST", "/tenants/acme/subscriptions/"+r.sub+"/suspend", map[string]any{"reason": "to see"}, nil)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("a change while the database is away: got %v, want 503", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	r.wire.mend()
	var out process.Object
	eventually(t, "the database is there again", func() bool { return r.do(0, "GET", "", nil, nil) == nil && r.do(1, "GET", "", nil, nil) == nil })
	eventually(t, "the portal shows its catalog again", func() bool {
		res, err := http.Get(portal.Portal + "/")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	stop()
	for i, step := range []struct {
		path string
		want int
	}{{"/stop", 403}, {"/start", 200}} {
		if err := r.do(i, "POST", "/subscriptions/"+r.sub+step.path+"?wait=applied&timeout_ms=10000", nil, &out); err != nil || !out.Applied.Done {
			t.Errorf("%s after it: %v %+v", step.path, err, out)
		}
		for gw := range r.gateways {
			if got := r.call(gw); got != step.want {
				t.Errorf("%s: %s answered %d, want %d", step.path, r.gateways[gw].Gateway, got, step.want)
			}
		}
	}
}

// saysAway wants a page for people that says that nothing can be done now.
func saysAway(t *testing.T, what string, ask func() (*http.Response, error)) {
	t.Helper()
	res, err := ask()
	if err != nil {
		t.Errorf("%s without a database: %v", what, err)
		return
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(page), "<main") || !strings.Contains(string(page), "database") {
		t.Errorf("%s without a database: got %d %v %.2000s, want 503 and a page that says so", what, res.StatusCode, err, page)
	}
}

// wire relays connections to a database, until it is cut.
type wire struct {
	URL    string
	target string // a Unix socket

	mu    sync.Mutex // guards what follows
	open  map[net.Conn]bool
	isCut bool
}

func newWire(t *testing.T, address string) *wire {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: u.Query().Get("host") + "/.s.PGSQL.5432", open: map[net.Conn]bool{}}
	network := "unix"
	if u.Query().Get("host") == "" {
		network, w.target = "tcp", u.Host
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); w.cut() })
	q := u.Query()
	q.Del("host")
	u.RawQuery, u.Host = q.Encode(), listener.Addr().String()
	w.URL = u.String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.relay(conn, network)
		}
	}()
	return w
}

func (w *wire) relay(conn net.Conn, network string) {
	defer conn.Close()
	far, err := (&net.Dialer{}).DialContext(context.Background(), network, w.target)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	cut := w.isCut
	if !cut {
		w.open[conn], w.open[far] = true, true
	}
	w.mu.Unlock()
	if cut {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{conn, far}, {far, conn}} {
		go func() { _, _ = io.Copy(way[0], way[1]); done <- struct{}{} }()
	}
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, conn)
	delete(w.open, far)
}

// cut ends all connections, and every new one until mend.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for c := range w.open {
		c.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}
