package fault_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

// What P8 says of an upstream that swallows calls, and what it is measured with.
const (
	holeCallers = 500
	holeTimeout = time.Second // of connecting, and until an answer begins
	holeCost    = 10 * time.Millisecond
	holeMemory  = holeCallers * 0.2      // MB, so 200 KB each
	holeStep    = 250 * time.Millisecond // of the gateway's timeouts
)

// P8: 500 callers, who come again and again, are on an upstream that never
// answers, or that cannot even be connected to. Calls of another API are made of
// that gateway and, by turns, of a second one which has no such callers: the
// machine is as busy for the one as for the other, so what the callers cost is
// the difference. Each of them is told 504 in time, and what they hold is
// bounded and given back.
func TestBlackHoleHarmsOnlyItself(t *testing.T) {
	up := fake.NewUpstream(t)
	beside, alone := newSite(t, up.URL), newSite(t, up.URL)
	beside.live("silent", up.URL, map[string]int{"header_timeout_ms": int(holeTimeout.Milliseconds())})
	beside.live("unreachable", "http://"+unreachable(t), map[string]int{"connect_timeout_ms": int(holeTimeout.Milliseconds())})
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	for _, lane := range []struct {
		name      string
		protocols *http.Protocols
	}{{"HTTP1", nil}, {"h2c", h2c}} {
		for _, hole := range []struct{ api, what string }{{"silent", "slow"}, {"unreachable", "echo"}} {
			t.Run(lane.name+" "+hole.api, func(t *testing.T) {
				client := func() *http.Client {
					transport := &http.Transport{Protocols: lane.protocols, MaxIdleConnsPerHost: holeCallers}
					t.Cleanup(transport.CloseIdleConnections)
					return &http.Client{Transport: transport, Timeout: 20 * time.Second}
				}
				with, without := beside.url("orders", "echo"), alone.url("orders", "echo")
				ours := client()
				for range 100 { // connections, and buffers
					ask(ours, with)
					ask(ours, without)
				}
				before := beside.p.ResidentMB()
				crowd := newCrowd(client(), beside.url(hole.api, hole.what))
				eventually(t, "500 calls hang", func() bool { return beside.inFlight() >= holeCallers })
				cost, most := time.Duration(0), 0.0
				// A harm is there in every round; a round in which somebody else had the
				// machine says nothing.
				for round := range 5 {
					took := byTurns(t, ours, with, without)
					cost = p99(took[0]) - p99(took[1])
					most = max(most, beside.p.ResidentMB())
					t.Logf("round %d: p99 %v beside the callers, %v without; resident %.0f to %.0f MB", round, p99(took[0]), p99(took[1]), before, most)
					if cost <= holeCost {
						break
					}
				}
				kinds, took := crowd.leave()
				t.Logf("the callers got %v after %v, p50 %v, p99 %v", kinds, took[0], took[len(took)/2], p99(took))
				if cost > holeCost {
					t.Errorf("the callers cost another API's p99 %v, want at most %v", cost, holeCost)
				}
				if len(kinds) != 1 || kinds["504 upstream_timeout"] < holeCallers {
					t.Errorf("the callers got %v, want 504 upstream_timeout alone", kinds)
				}
				if half, late := took[len(took)/2], p99(took); half > holeTimeout+2*holeStep || late > 3*holeTimeout {
					t.Errorf("half of the callers were told after %v, 99 of 100 after %v, want about %v", half, late, holeTimeout)
				}
				if most > before+holeMemory {
					t.Errorf("resident %.0f MB, then %.0f, want at most %.0f more", before, most, float64(holeMemory))
				}
				eventually(t, "nothing is held for those who have left", func() bool { return beside.inFlight() == 0 })
			})
		}
	}
}

// site is an installation in one process, whose API orders is at an upstream
// that answers.
type site struct {
	t *testing.T
	p *process.Process
}

func newSite(t *testing.T, upstream string) *site {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	p, err := process.Start(ctx, binary, process.Options{Demo: true, Env: []string{
		"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=error", "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8", "PORTICO_SHED_AFTER=0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s := &site{t, p}
	s.live("orders", upstream, map[string]int{})
	return s
}

// live makes an API whose one operation needs no key.
func (s *site) live(slug, upstream string, timeouts map[string]int) {
	s.t.Helper()
	api := s.p.API(token)
	document := fmt.Sprintf(`{"openapi":"3.0.0","info":{"title":"T","version":"1"},"servers":[{"url":%q}],"paths":{"/do/{what}":{"get":{"operationId":"get","responses":{}}}}}`, upstream)
	version, err := api.Live(s.t.Context(), "demo", slug, document)
	if err == nil {
		err = api.Do(s.t.Context(), "PATCH", "/tenants/demo/versions/"+version+"/draft", map[string]any{"public": map[string]bool{"get": true}, "timeouts": timeouts}, nil)
	}
	if err == nil {
		_, err = api.Publish(s.t.Context(), "demo", version, 1)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// url is where an API's operation is called; what it does is its upstream's.
func (s *site) url(slug, what string) string { return s.p.Gateway + "/demo/" + slug + "/v1/do/" + what }

// inFlight is how many calls the gateway says that it has under way.
func (s *site) inFlight() int {
	s.t.Helper()
	res, err := http.Get(s.p.Ops + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	const name = "portico_gateway_requests_in_flight "
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				s.t.Fatal(err)
			}
			return n
		}
	}
	s.t.Fatalf("the metrics hold no %s", name)
	return 0
}

// told is an answer: status and code, and after which time it was there.
type told struct {
	what string
	took time.Duration
}

func ask(client *http.Client, url string) told {
	began := time.Now()
	res, err := client.Get(url)
	if err != nil {
		return told{err.Error(), time.Since(began)}
	}
	defer res.Body.Close()
	var problem struct{ Code string }
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = json.Unmarshal(text, &problem)
	}
	if err != nil {
		return told{fmt.Sprintf("%d %.100q %v", res.StatusCode, text, err), time.Since(began)}
	}
	return told{strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", problem.Code)), time.Since(began)}
}

// byTurns calls two addresses by turns, for as long as every caller on a black
// hole is told so once, and returns how long the calls of each took, in order of
// size.
func byTurns(t *testing.T, client *http.Client, urls ...string) [2][]time.Duration {
	t.Helper()
	var out [2][]time.Duration
	for n, end := 0, time.Now().Add(holeTimeout); n < 500 || time.Now().Before(end); n++ {
		for i := range out {
			i ^= n & 1 // neither is always the first
			got := ask(client, urls[i])
			if got.what != "200" {
				t.Fatalf("%s: got %s", urls[i], got.what)
			}
			out[i] = append(out[i], got.took)
		}
	}
	slices.Sort(out[0])
	slices.Sort(out[1])
	return out
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// crowd is many who call an address until they leave.
type crowd struct {
	leaving atomic.Bool
	all     sync.WaitGroup

	mu      sync.Mutex // guards answers
	answers []told
}

func newCrowd(client *http.Client, url string) *crowd {
	c := &crowd{}
	for n := range holeCallers {
		c.all.Go(func() {
			time.Sleep(time.Duration(n) * holeTimeout / holeCallers) // they do not come all at once
			for !c.leaving.Load() {
				got := ask(client, url)
				c.mu.Lock()
				c.answers = append(c.answers, got)
				c.mu.Unlock()
			}
		})
	}
	return c
}

// leave waits until each has its last answer, and returns how many there were of
// each kind, and how long they took, in order of size.
func (c *crowd) leave() (kinds map[string]int, took []time.Duration) {
	c.leaving.Store(true)
	c.all.Wait()
	kinds = map[string]int{}
	for _, a := range c.answers {
		kinds[a.what]++
		took = append(took, a.took)
	}
	slices.Sort(took)
	return kinds, took
}

// unreachable is an address where a connection is neither taken nor refused: as
// many wait there to be accepted as may.
func unreachable(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("there is always room for one more connection")
	return ""
}
