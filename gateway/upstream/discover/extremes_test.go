package discover_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"portico/gateway/upstream/discover"
	"portico/test/fake"
)

// TestAgentThatAlwaysHasNewsIsNotAskedWithoutAPause has answers come at once: the
// index of a service that is not there moves with every change of any other, and
// that of agents behind one address goes to and fro.
func TestAgentThatAlwaysHasNewsIsNotAskedWithoutAPause(t *testing.T) {
	for name, index := range map[string]func(asked int64) int64{
		"moving on":   func(asked int64) int64 { return asked },
		"to and fro":  func(asked int64) int64 { return 100 - asked%2 },
		"going back":  func(asked int64) int64 { return 1_000_000 - asked },
		"always zero": func(int64) int64 { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Consul-Index", fmt.Sprint(index(asked.Add(1))))
				fmt.Fprint(w, `[{"Node":{"Address":"10.0.0.1"},"Service":{"Port":80}}]`)
			}))
			t.Cleanup(agent.Close)
			origin := &discover.Origin{URL: agent.URL, Client: &http.Client{}, Token: func() (string, error) { return "", nil }}
			listen(t, &discover.Consul{Origin: origin, Service: "orders"}).knows(t, "10.0.0.1:80×1", "")
			before := asked.Load()
			time.Sleep(time.Second)
			if n := asked.Load() - before; n > 12 {
				t.Errorf("it is asked %d times a second", n)
			}
		})
	}
}

// TestFamilyOfAddressesThatCannotBeAskedForStays has one of two questions fail for a
// while, when both were answered before.
func TestFamilyOfAddressesThatCannotBeAskedForStays(t *testing.T) {
	for name, kind := range map[string]dnsmessage.Type{"IPv4": dnsmessage.TypeA, "IPv6": dnsmessage.TypeAAAA} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fake.NewDNS(t)
			six := func(n byte) dnsmessage.ResourceBody { return &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: n}} }
			d.Set("orders.example.", 1, fake.A(10, 0, 0, 1), six(1))
			d.Set("_http._tcp.orders.example.", 1, fake.SRV(1, 1, 80, "orders.example."))
			name := listen(t, &discover.DNS{Resolver: resolver(d.Address), Host: "orders.example", Port: "80"})
			service := listen(t, &discover.SRV{Resolver: resolver(d.Address), Service: "_http._tcp.orders.example"})
			for _, h := range []*heard{name, service} {
				h.knows(t, "10.0.0.1:80×1 [fd00::1]:80×1", "")
			}
			d.Unsaid(kind, true)
			for _, h := range []*heard{name, service} {
				h.knows(t, "10.0.0.1:80×1 [fd00::1]:80×1", "ServerFailure")
			}
			other := "[fd00::1]:80×1"
			if kind == dnsmessage.TypeAAAA {
				other = "10.0.0.1:80×1"
			}
			for _, h := range []*heard{name, service} { // it may be for good
				h.knows(t, other, "")
			}
			d.Unsaid(dnsmessage.TypeSOA, true)
			d.Set("orders.example.", 1, fake.A(10, 0, 0, 2))
			for _, h := range []*heard{name, service} {
				h.knows(t, "10.0.0.2:80×1", "")
			}
		})
	}
}
