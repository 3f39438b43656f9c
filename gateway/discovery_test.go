package gateway_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"portico/gateway"
	"portico/gateway/upstream"
	"portico/gateway/upstream/discover"
	"portico/internal/entry"
	"portico/test/fake"
)

// inCluster lets a node look for targets in a cluster, in the namespaces given.
func inCluster(k *fake.Kubernetes, namespaces ...upstream.Namespace) change {
	return func(c *gateway.Config) {
		c.Sources.Kubernetes = &discover.Origin{
			URL: k.URL, Client: &http.Client{Transport: &http.Transport{}}, TokenHeader: "Authorization",
			Token: func() (string, error) { return k.Token, nil },
		}
		c.Sources.Namespaces = namespaces
	}
}

func portOf(o *target) int { return o.Listener.Addr().(*net.TCPAddr).Port }

func TestTargetsAreFoundInKubernetes(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		k := fake.NewKubernetes(t, "shop", "orders")
		s := startSpread(t, 2, entry.Traffic{}, lane, inCluster(k, upstream.Namespace{Name: "shop", Tenant: "demo"}))
		s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://orders.shop"}}
		s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "kubernetes", Namespace: "shop", Service: "orders", Port: "http"}
		k.Put("a", portOf(s.targets[0]), map[string]bool{"127.0.0.1": true})
		s.publish(t)
		wait(t, "the first to be found", func() bool { return s.gets(t, 1)["t0"] == 1 })
		k.Put("b", portOf(s.targets[1]), map[string]bool{"127.0.0.1": true})
		wait(t, "the second to be found", func() bool { return s.gets(t, 4)["t1"] == 2 })
		k.Put("a", portOf(s.targets[0]), map[string]bool{"127.0.0.1": false})
		wait(t, "the first to be left as it is not ready", func() bool { return s.gets(t, 4)["t1"] == 4 })
		// The server is away, and a new revision comes: what was found holds.
		k.Down(true)
		s.api.Upstreams[0].Traffic.Balance.Algorithm = "least_requests"
		s.publish(t)
		if got := s.gets(t, 8); got["t1"] != 8 {
			t.Errorf("without the server: %v", got)
		}
		wait(t, "the status to say why", func() bool {
			h := s.Status().Upstreams
			return len(h) == 1 && strings.Contains(h[0].Source, "the server answered 503")
		})
	})
}

// TestTargetsAreLookedForInNamespacesThatOperatorsName goes by what the node is
// told: what is not there for its tenant is not even asked for.
func TestTargetsAreLookedForInNamespacesThatOperatorsName(t *testing.T) {
	for _, c := range []struct {
		name       string
		namespaces []upstream.Namespace
		asked      string // by the API; "" is default
		found      bool
	}{
		{"none", nil, "shop", false},
		{"another", []upstream.Namespace{{Name: "till", Tenant: "demo"}, {Name: "till"}}, "shop", false},
		{"of another tenant", []upstream.Namespace{{Name: "shop", Tenant: "other"}}, "shop", false},
		{"its own", []upstream.Namespace{{Name: "shop", Tenant: "other"}, {Name: "shop", Tenant: "demo"}}, "shop", true},
		{"of all tenants", []upstream.Namespace{{Name: "shop"}}, "shop", true},
		{"default is none either", []upstream.Namespace{{Name: "shop"}}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := fake.NewKubernetes(t, "shop", "orders")
			s := startSpread(t, 1, entry.Traffic{}, inCluster(k, c.namespaces...))
			k.Put("a", portOf(s.targets[0]), map[string]bool{"127.0.0.1": true})
			s.api.Upstreams[0].Targets = []entry.Target{{URL: "http://orders.shop"}}
			s.api.Upstreams[0].Traffic.Discovery = entry.Discovery{Kind: "kubernetes", Namespace: c.asked, Service: "orders", Port: "http"}
			s.publish(t)
			if c.found {
				wait(t, "it to be found", func() bool { return s.gets(t, 1)["t0"] == 1 })
				return
			}
			wait(t, "the status to say why", func() bool {
				h := s.Status().Upstreams
				return len(h) == 1 && strings.Contains(h[0].Source, "--kubernetes-namespaces")
			})
			if got := s.gets(t, 1); got["503 upstream_unavailable"] != 1 {
				t.Errorf("got %v", got)
			}
			if lists, watches := k.Asked(); lists+watches > 0 {
				t.Errorf("the cluster was asked %d times", lists+watches)
			}
		})
	}
}
