package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"portico/internal/entry"
)

// fickle answers the first request of each connection, reads the second, and
// breaks the connection without a word. It counts what it has read by body.
type fickle struct {
	mu   sync.Mutex
	seen map[string]int
}

func (f *fickle) serve(t *testing.T) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for range 2 {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					text, _ := io.ReadAll(req.Body)
					f.mu.Lock()
					f.seen[req.Method+" "+string(text)]++
					again := f.seen[" "+c.RemoteAddr().String()]
					f.seen[" "+c.RemoteAddr().String()]++
					f.mu.Unlock()
					if again == 0 {
						fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestPostIsNeverSentTwice(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		f := &fickle{seen: map[string]int{}}
		r := startDemo(t, lane)
		r.carrier.Put(item(t, 2, demoAPI(f.serve(t))), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		statuses := map[int]int{}
		for i := range 100 {
			statuses[r.call(t, "POST", do+"x", fmt.Sprint("order ", i)).status]++
		}
		if statuses[200] == 0 || statuses[502] == 0 || len(statuses) != 2 {
			t.Errorf("got statuses %v, want some 200 and, where the upstream broke off, 502", statuses)
		}
		f.mu.Lock()
		for i := range 100 {
			if n := f.seen[fmt.Sprint("POST order ", i)]; n != 1 {
				t.Errorf("order %d arrived %d times", i, n)
			}
		}
		f.mu.Unlock()
		// What may be repeated is: every GET is answered.
		for i := range 100 {
			if got := r.call(t, "GET", do+"x", ""); got.status != 200 {
				t.Fatalf("GET %d: got %d %s", i, got.status, got.body)
			}
		}
	})
}

func TestBlackHoleHarmsOnlyItself(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		other := demoAPI(r.upstream.URL)
		other.Version, other.Name = uuid(400), "demo/other v1"
		other.Mounts[0].BasePath = "/demo/other/v1"
		other.Upstreams[0].HeaderTimeoutMS = 1500
		r.carrier.Put(item(t, 2, other), entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })
		var group sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		client := &http.Client{Transport: r.client, Timeout: 20 * time.Second}
		for range 300 {
			group.Go(func() {
				status := 0
				if res, err := client.Get(r.url + "/demo/other/v1/do/slow"); err == nil {
					status = res.StatusCode
					res.Body.Close()
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
		}
		wait(t, "the callers to hang", func() bool { // on a slow machine the time of some is over before they get there
			mu.Lock()
			defer mu.Unlock()
			return int(r.upstream.Calls())+statuses[504] >= 300
		})
		var worst time.Duration
		for range 50 {
			begin := time.Now()
			if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
				t.Errorf("beside it: got %d %s", got.status, got.body)
			}
			worst = max(worst, time.Since(begin))
		}
		if worst > time.Second {
			t.Errorf("a call beside it took %v", worst)
		}
		group.Wait()
		client.CloseIdleConnections()
		if statuses[504] != 300 {
			t.Errorf("got statuses %v, want 300 times 504", statuses)
		}
	})
}
