package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"portico/gateway"
	"portico/gateway/upstream/discover"
	"portico/internal/entry"
	"portico/test/fake"
)

// listenAlike returns listeners on addresses of loopback that have one port.
func listenAlike(t *testing.T, hosts ...string) []net.Listener {
	t.Helper()
	for range 20 {
		var list []net.Listener
		port := "0"
		for _, host := range hosts {
			l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(host, port))
			if err != nil {
				break
			}
			_, port, _ = net.SplitHostPort(l.Addr().String())
			list = append(list, l)
		}
		if len(list) == len(hosts) {
			return list
		}
		for _, l := range list {
			_ = l.Close()
		}
	}
	t.Fatal("no port is free on all addresses")
	return nil
}

// namedHost is a backend that says its name, and by which it was called.
func namedHost(t *testing.T, name string, listener net.Listener) {
	o := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name, " as ", r.Host)
	}))
	o.Listener.Close()
	o.Listener = listener
	o.Start()
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
}

// TestTargetsAreFoundByDNS follows a name from no address to one, to two, and to
// servers that fail to tell some or all.
func TestTargetsAreFoundByDNS(t *testing.T) {
	dns := fake.NewDNS(t)
	listeners := listenAlike(t, "127.0.0.1", "127.0.0.2")
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	namedHost(t, "first", listeners[0])
	namedHost(t, "second", listeners[1])
	name := "orders.test:" + port
	s := startSpread(t, 0, entry.Traffic{}, func(c *gateway.Config) {
		c.Sources.Resolver = &discover.Resolver{Servers: []string{dns.Address}, Dots: 1, Dial: (&net.Dialer{}).DialContext}
	})
	s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://" + name}}
	s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "dns"}
	s.publish(t)
	wait(t, "the status to say that there is no such name", func() bool {
		h := s.Status().Upstreams
		return len(h) == 1 && strings.Contains(h[0].Source, "no such name")
	})
	if got := s.gets(t, 1); got["503 upstream_unavailable"] != 1 {
		t.Errorf("nothing is found yet: %v", got)
	}
	dns.Unsaid(dnsmessage.TypeAAAA, true) // as servers that know nothing of IPv6
	dns.Set("orders.test.", 1, fake.A(127, 0, 0, 1))
	wait(t, "the first to be found", func() bool { return s.gets(t, 1)["first as "+name] == 1 })
	dns.Set("orders.test.", 1, fake.A(127, 0, 0, 1), fake.A(127, 0, 0, 2))
	s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{} // it looks anew
	s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://127.0.0.1:" + port}}
	s.publish(t)
	s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "dns"}
	s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://" + name}}
	s.publish(t)
	wait(t, "both to be found", func() bool {
		got := s.gets(t, 10)
		return got["first as "+name] == 5 && got["second as "+name] == 5
	})
	h := s.Status().Upstreams
	if len(h) != 1 || strings.Join(h[0].Found, " ") != "127.0.0.1:"+port+" 127.0.0.2:"+port || h[0].Source != "" {
		t.Errorf("the status says %+v", h)
	}
	dns.Break(true)
	s.api.Upstreams[0].Traffic.Balance.Algorithm = "least_requests"
	s.publish(t)
	wait(t, "the status to say that the server fails", func() bool { return strings.Contains(s.Status().Upstreams[0].Source, "ServerFailure") })
	if got := s.gets(t, 20); got["first as "+name]+got["second as "+name] != 20 {
		t.Errorf("the server fails: %v, want what was found to hold", got)
	}
	// It holds also where only a weight changes, or a target comes beside, or rules of TLS.
	for range 2 {
		s.api.Upstreams[0].Targets = []entry.Target{{URL: "https://other.test"}, {URL: "http://" + name, Weight: 3}}
		s.publish(t)
		if got := s.gets(t, 20); got["first as "+name]+got["second as "+name] != 20 {
			t.Errorf("after a change of the targets: %v, want what was found to hold", got)
		}
		s.api.Upstreams[0].TLS = &entry.UpstreamTLS{ServerName: "orders.test"}
	}
}

// TestTargetsAreFoundByConsul follows a service of an agent, with the weights of
// its instances.
func TestTargetsAreFoundByConsul(t *testing.T) {
	consul := fake.NewConsul(t, "orders")
	s := startSpread(t, 3, entry.Traffic{}, func(c *gateway.Config) {
		token := func() (string, error) { return consul.Token, nil }
		c.Sources.Consul = &discover.Origin{URL: consul.URL, Client: &http.Client{}, Token: token, TokenHeader: "X-Consul-Token"}
	})
	consul.Set(fake.Instance("127.0.0.1", "", portOf(s.targets[0]), 3), fake.Instance("10.9.9.9", "127.0.0.1", portOf(s.targets[1]), 1))
	s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://orders.service.consul"}}
	s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "consul", Service: "orders", Tag: "blue", Datacenter: "dc2"}
	s.publish(t)
	wait(t, "the instances to be found", func() bool { return s.gets(t, 1)["503 upstream_unavailable"] == 0 })
	if got := s.gets(t, 40); got["t0"] < 28 || got["t0"] > 32 || got["t0"]+got["t1"] != 40 {
		t.Errorf("got %v, want three in four from the first", got)
	}
	if q := consul.Query(); q.Get("tag") != "blue" || q.Get("dc") != "dc2" || q.Get("passing") != "true" {
		t.Errorf("the agent was asked %v", q)
	}
	consul.Set(fake.Instance("127.0.0.1", "", portOf(s.targets[2]), 1))
	wait(t, "the other instance to be found", func() bool { return s.gets(t, 4)["t2"] == 4 })
	consul.Down(true)
	wait(t, "the status to say that the agent fails", func() bool { return strings.Contains(s.Status().Upstreams[0].Source, "500") })
	if got := s.gets(t, 4); got["t2"] != 4 {
		t.Errorf("the agent fails: %v, want what was found to hold", got)
	}
}

// TestNodesSayWhichSourceTheyLack gives an upstream to a node that is told of no
// source.
func TestNodesSayWhichSourceTheyLack(t *testing.T) {
	s := startSpread(t, 1, entry.Traffic{})
	for kind, why := range map[string]string{"dns": "/etc/resolv.conf", "srv": "/etc/resolv.conf", "consul": "--consul-url", "kubernetes": "--kubernetes-url"} {
		d := entry.Discovery{Kind: kind}
		if kind != "dns" {
			d.Service = "orders"
		}
		s.api.Upstreams[0].Traffic.Discovery = d
		s.publish(t)
		h := s.Status().Upstreams
		if len(h) != 1 || !strings.Contains(h[0].Source, why) {
			t.Errorf("%s: the status says %+v, want %s", kind, h, why)
		}
	}
}
