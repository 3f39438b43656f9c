package discover_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"portico/gateway/upstream/discover"
	"portico/test/fake"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

// heard is what a source told last.
type heard struct {
	mu    sync.Mutex
	found string // "address×weight …"
	err   string
	times int
}

func listen(t *testing.T, s discover.Source) *heard {
	h := &heard{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(list []discover.Found, err error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.times++
			if err != nil {
				h.err = err.Error()
				return
			}
			var parts []string
			for _, f := range list {
				parts = append(parts, fmt.Sprintf("%s×%d", f.Address, f.Weight))
			}
			h.found, h.err = strings.Join(parts, " "), ""
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// knows waits until the source has told exactly this, and that it cannot be
// asked when err is not empty.
func (h *heard) knows(t *testing.T, found, err string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		gotFound, gotErr := h.found, h.err
		h.mu.Unlock()
		if gotFound == found && (err == "") == (gotErr == "") && strings.Contains(gotErr, err) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %q and error %q, want %q and %q", gotFound, gotErr, found, err)
		}
	}
}

func resolver(servers ...string) *discover.Resolver {
	return &discover.Resolver{Servers: servers, Dots: 1, Dial: (&net.Dialer{}).DialContext}
}

func TestNameIsFollowedAsLongAsItsAnswersHold(t *testing.T) {
	d := fake.NewDNS(t)
	d.Set("orders.example.", 1, fake.A(10, 0, 0, 2), fake.A(10, 0, 0, 1), &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 1}})
	h := listen(t, &discover.DNS{Resolver: resolver(d.Address), Host: "orders.example", Port: "8080"})
	h.knows(t, "10.0.0.1:8080×1 10.0.0.2:8080×1 [fd00::1]:8080×1", "")
	before := d.Asked("udp", "orders.example.")
	d.Set("orders.example.", 1, fake.A(10, 0, 0, 3))
	h.knows(t, "10.0.0.3:8080×1", "")
	if n := d.Asked("udp", "orders.example.") - before; n > 6 {
		t.Errorf("asked %d times within one or two seconds of one that holds", n)
	}
	// What was found holds while the server fails, and while the name is gone.
	d.Break(true)
	h.knows(t, "10.0.0.3:8080×1", "ServerFailure")
	d.Break(false)
	d.Set("orders.example.", 1)
	h.knows(t, "10.0.0.3:8080×1", "no such name")
	d.Set("orders.example.", 300, fake.A(10, 0, 0, 4))
	h.knows(t, "10.0.0.4:8080×1", "")
}

func TestOneFamilyOfAddressesIsEnough(t *testing.T) {
	for name, c := range map[string]struct {
		kind   dnsmessage.Type // that is not told
		failed bool
		want   string
	}{
		"IPv6 fails":            {dnsmessage.TypeAAAA, true, "10.0.0.1:80×1"},
		"IPv6 is not answered":  {dnsmessage.TypeAAAA, false, "10.0.0.1:80×1"},
		"IPv4 fails":            {dnsmessage.TypeA, true, "[fd00::1]:80×1"},
		"services are not told": {dnsmessage.TypeSRV, true, "10.0.0.1:80×1 [fd00::1]:80×1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fake.NewDNS(t)
			d.Unsaid(c.kind, c.failed)
			d.Set("orders.example.", 300, fake.A(10, 0, 0, 1), &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 1}})
			d.Set("_http._tcp.orders.example.", 300, fake.SRV(1, 1, 80, "orders.example."))
			d.Set("six.example.", 300, &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 2}})
			listen(t, &discover.DNS{Resolver: resolver(d.Address), Host: "orders.example", Port: "80"}).knows(t, c.want, "")
			if c.kind == dnsmessage.TypeAAAA && c.failed { // nothing at all: it says why
				listen(t, &discover.DNS{Resolver: resolver(d.Address), Host: "six.example", Port: "80"}).knows(t, "", "ServerFailure")
			}
			if c.kind != dnsmessage.TypeSRV && c.failed {
				listen(t, &discover.SRV{Resolver: resolver(d.Address), Service: "_http._tcp.orders.example"}).knows(t, c.want, "")
			}
		})
	}
}

func TestAnswersTooLongForUDPComeByTCP(t *testing.T) {
	d := fake.NewDNS(t)
	var many []dnsmessage.ResourceBody
	for i := range 200 {
		many = append(many, fake.A(10, 0, 1, byte(i)))
	}
	d.Set("many.example.", 60, many...)
	h := listen(t, &discover.DNS{Resolver: resolver(d.Address), Host: "MANY.example", Port: "80"})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		n := len(strings.Fields(h.found))
		h.mu.Unlock()
		if n == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %d addresses, want 200", n)
		}
	}
	if d.Asked("tcp", "many.example.") == 0 {
		t.Error("TCP was not asked")
	}
}

func TestNextServerIsAskedWhenOneIsSilent(t *testing.T) {
	mute, well := fake.NewDNS(t), fake.NewDNS(t)
	mute.Silence(true)
	well.Set("a.example.", 60, fake.A(10, 0, 0, 1))
	h := listen(t, &discover.DNS{Resolver: resolver(mute.Address, well.Address), Host: "a.example", Port: "80"})
	h.knows(t, "10.0.0.1:80×1", "")
}

func TestServiceRecordsSayPortsAndWeights(t *testing.T) {
	d := fake.NewDNS(t)
	d.Set("_http._tcp.orders.example.", 60, fake.SRV(10, 5, 8001, "a.example."), fake.SRV(10, 0, 8002, "b.example."), fake.SRV(20, 9, 8003, "a.example."), fake.SRV(10, 7, 8004, "gone.example."))
	d.Set("a.example.", 60, fake.A(10, 0, 0, 1))
	d.Set("b.example.", 60, fake.A(10, 0, 0, 2))
	h := listen(t, &discover.SRV{Resolver: resolver(d.Address), Service: "_http._tcp.orders.example"})
	h.knows(t, "10.0.0.1:8001×5 10.0.0.2:8002×1", "")
}

func TestShortNamesAreLookedForInTheirDomains(t *testing.T) {
	d := fake.NewDNS(t)
	d.Set("orders.shop.svc.cluster.local.", 60, fake.A(10, 0, 0, 1))
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("# made by kubelet\nnameserver 127.0.0.1\nnameserver ::1\nsearch shop.svc.cluster.local cluster.local\noptions ndots:5 edns0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := discover.System(path)
	if err != nil || !slices.Equal(r.Servers, []string{"127.0.0.1:53", "[::1]:53"}) || r.Dots != 5 {
		t.Fatalf("read %+v, %v", r, err)
	}
	r.Servers = []string{d.Address}
	listen(t, &discover.DNS{Resolver: r, Host: "orders", Port: "80"}).knows(t, "10.0.0.1:80×1", "")
	if _, err := discover.System(os.DevNull); err == nil {
		t.Error("a file that names no server was taken")
	}
}

func TestEndpointSlicesAreListedAndWatched(t *testing.T) {
	k := fake.NewKubernetes(t, "shop", "orders")
	k.Put("orders-a", 8080, map[string]bool{"10.1.0.1": true, "10.1.0.2": false})
	origin := &discover.Origin{URL: k.URL, Client: &http.Client{}, Token: func() (string, error) { return k.Token, nil }, TokenHeader: "Authorization"}
	h := listen(t, &discover.Kubernetes{Origin: origin, Namespace: "shop", Service: "orders", Port: "http"})
	h.knows(t, "10.1.0.1:8080×1", "")
	byNumber := listen(t, &discover.Kubernetes{Origin: origin, Namespace: "shop", Service: "orders", Port: "9"})
	byNumber.knows(t, "10.1.0.1:9×1", "")
	k.Put("orders-a", 8080, map[string]bool{"10.1.0.1": true, "10.1.0.2": true})
	h.knows(t, "10.1.0.1:8080×1 10.1.0.2:8080×1", "")
	k.Put("orders-b", 8081, map[string]bool{"10.1.0.3": true})
	h.knows(t, "10.1.0.1:8080×1 10.1.0.2:8080×1 10.1.0.3:8081×1", "")
	k.Delete("orders-a")
	h.knows(t, "10.1.0.3:8081×1", "")
	if lists, _ := k.Asked(); lists != 2 {
		t.Errorf("%d lists for two that watch, want 2", lists)
	}
	// A watch from too long ago begins anew; nothing in between is missed.
	k.HangUp(true)
	k.Put("orders-c", 8080, map[string]bool{"10.1.0.4": true})
	h.knows(t, "10.1.0.3:8081×1 10.1.0.4:8080×1", "")
	k.Down(true)
	h.knows(t, "10.1.0.3:8081×1 10.1.0.4:8080×1", "503")
	k.Put("orders-c", 8080, map[string]bool{"10.1.0.5": true})
	k.Down(false)
	h.knows(t, "10.1.0.3:8081×1 10.1.0.5:8080×1", "")
	// A service without a ready endpoint keeps those that it had.
	k.Delete("orders-b")
	k.Delete("orders-c")
	h.knows(t, "10.1.0.5:8080×1", "no instance")
	other := *origin
	other.Token = func() (string, error) { return "stale", nil }
	listen(t, &discover.Kubernetes{Origin: &other, Namespace: "shop", Service: "orders"}).knows(t, "", "401")
}

func TestConsulIsAskedToWait(t *testing.T) {
	c := fake.NewConsul(t, "orders")
	c.Set(fake.Instance("10.2.0.1", "10.3.0.1", 8080, 5), fake.Instance("10.2.0.2", "", 8081, 0))
	origin := &discover.Origin{URL: c.URL, Client: &http.Client{}, Token: func() (string, error) { return c.Token, nil }, TokenHeader: "X-Consul-Token"}
	h := listen(t, &discover.Consul{Origin: origin, Service: "orders"})
	h.knows(t, "10.2.0.2:8081×1 10.3.0.1:8080×5", "")
	c.Set(fake.Instance("10.2.0.3", "", 8080, 1))
	h.knows(t, "10.2.0.3:8080×1", "")
	if all, blocking := c.Asked(); all > 4 || blocking < 1 {
		t.Errorf("asked %d times, %d to wait: it does not wait", all, blocking)
	}
	c.Down(true)
	h.knows(t, "10.2.0.3:8080×1", "500")
	c.Down(false)
	h.knows(t, "10.2.0.3:8080×1", "")
	c.Restart(fake.Instance("10.2.0.4", "", 8080, 1))
	h.knows(t, "10.2.0.4:8080×1", "")
	c.Set()
	h.knows(t, "10.2.0.4:8080×1", "no instance")
}
