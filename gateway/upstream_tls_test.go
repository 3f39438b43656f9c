package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/test/fake"
)

// secureUpstream is a backend over TLS. It asks for certificates that an
// authority has signed, nil asks for none.
func secureUpstream(t *testing.T, shown fake.Issued, clients *fake.Authority) string {
	t.Helper()
	u := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := ""
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].SerialNumber.String()
		}
		fmt.Fprintf(w, "sni=%s client=%s", r.TLS.ServerName, who)
	}))
	u.Config.ErrorLog = log.New(io.Discard, "", 0)
	u.TLS = &tls.Config{Certificates: []tls.Certificate{shown.Pair}}
	if clients != nil {
		u.TLS.ClientAuth, u.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool
	}
	u.StartTLS()
	t.Cleanup(u.Close)
	return u.URL
}

func TestUpstreamsAreVerifiedAndShownACertificate(t *testing.T) {
	servers, clients, others := fake.NewAuthority(t, "Backends"), fake.NewAuthority(t, "Gateways"), fake.NewAuthority(t, "Others")
	shown := servers.Issue(t, "orders.internal")
	good, wrong := clients.Issue(t), others.Issue(t)
	over := clients.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	open, asking := secureUpstream(t, shown, nil), secureUpstream(t, shown, clients)
	for _, c := range []struct {
		name, url string
		tls       *entry.UpstreamTLS
		client    *fake.Issued
		status    int
	}{
		{"nothing said: the system's authorities do not know it", open, nil, nil, 502},
		{"its authority and name", open, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "orders.internal"}, nil, 200},
		{"its authority, another name", open, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "other.internal"}, nil, 502},
		{"its authority, the target's host", open, &entry.UpstreamTLS{Roots: servers.PEM}, nil, 502},
		{"another authority", open, &entry.UpstreamTLS{Roots: others.PEM, ServerName: "orders.internal"}, nil, 502},
		{"not verified", open, &entry.UpstreamTLS{Unverified: true}, nil, 200},
		{"asks, none is shown", asking, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "orders.internal"}, nil, 502},
		{"asks, a good one is shown", asking, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "orders.internal"}, &good, 200},
		{"asks, one of another authority is shown", asking, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "orders.internal"}, &wrong, 502},
		{"asks, an expired one is shown", asking, &entry.UpstreamTLS{Roots: servers.PEM, ServerName: "orders.internal"}, &over, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startSecure(t)
			s.put(t, s.upstreamItem(t, c.url, c.tls, c.client))
			got := s.call(t, "GET", openPath, "")
			if got.status != c.status {
				t.Fatalf("got %d %s, want %d", got.status, got.body, c.status)
			}
			if c.status == 200 && c.client != nil && !strings.Contains(got.body, "client="+serialOf(*c.client)) {
				t.Errorf("got %q, want the certificate that was to be shown", got.body)
			}
			if c.status == 200 && c.tls.ServerName != "" && !strings.Contains(got.body, "sni="+c.tls.ServerName) {
				t.Errorf("got %q, want the server name", got.body)
			}
		})
	}
	t.Run("rules that are tightened hold for the next call", func(t *testing.T) {
		s := startSecure(t)
		s.put(t, s.upstreamItem(t, open, &entry.UpstreamTLS{Unverified: true}, nil))
		if got := s.call(t, "GET", openPath, ""); got.status != 200 {
			t.Fatalf("got %d", got.status)
		}
		s.put(t, s.upstreamItem(t, open, &entry.UpstreamTLS{Roots: others.PEM, ServerName: "orders.internal"}, nil))
		if got := s.call(t, "GET", openPath, ""); got.status != 502 {
			t.Errorf("got %d, want a connection of before not to be used", got.status)
		}
	})
	t.Run("a key that does not fit is refused", func(t *testing.T) {
		s := startSecure(t)
		mixed := good
		mixed.DER = wrong.DER
		s.put(t, s.upstreamItem(t, asking, &entry.UpstreamTLS{Roots: servers.PEM}, &mixed))
		if r := s.Status().Refused; len(r) != 1 || !strings.Contains(r[0].Reason, "not that of the certificate") {
			t.Errorf("refused: got %v", r)
		}
	})
}

// upstreamItem is the demo's API with another upstream.
func (s *secured) upstreamItem(t *testing.T, url string, how *entry.UpstreamTLS, client *fake.Issued) entry.Item {
	t.Helper()
	api := demoAPI(url)
	if how != nil {
		own := *how
		if client != nil {
			sealed := s.keys.seal(t, entry.UpstreamKeyInfo(api.Version, "main"), client.DER)
			own.Certificate, own.Key = client.Chain, &sealed
		}
		api.Upstreams[0].TLS = &own
	}
	return item(t, s.next, api)
}
