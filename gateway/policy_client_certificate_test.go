package gateway_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

func clientCertificateCase(t *testing.T, lane change) {
	config := gateway.Config{}
	lane(&config)
	h2 := config.Build != ""
	s := startSecure(t, lane)
	partners := fake.NewAuthority(t, "Partners")
	s.add(t, 1, s.ca.Issue(t, "may.test"), func(c *entry.Cert) {
		c.Clients = &entry.Clients{Mode: entry.ClientsOptional, Roots: partners.PEM}
	}, "may.test")
	s.add(t, 2, s.ca.Issue(t, "free.test"), nil, "free.test")
	good, stranger, over := partners.Issue(t), partners.Issue(t), partners.Issue(t)
	registered := func(i fake.Issued, expires int64) entry.Item {
		grant := demoGrant()
		grant.ExpiresAt = expires
		return hashItem(t, s.next, entry.CertificateHash(sha256.Sum256(i.Pair.Leaf.Raw)), grant)
	}
	api := demoAPI(s.upstream.URL)
	api.Policies = []entry.Policy{{Config: &entry.KeyPolicy{Header: "X-Key"}}, {Config: &entry.ClientCertificatePolicy{}}}
	s.put(t, registered(good, 0), registered(over, 1), item(t, s.next, api))
	call := func(host string, shown *fake.Issued, path string, headers ...string) reply {
		t.Helper()
		config := s.config(host)
		if shown != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown.Pair, nil }
		}
		client := s.client(config, h2)
		defer client.CloseIdleConnections()
		req, err := http.NewRequest("GET", "https://"+host+"/demo/orders/v1/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return reply{res.StatusCode, res.Header, string(text), res.Close}
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Pair.Leaf.Raw})[28:60])
	for name, c := range map[string]struct {
		host    string
		shown   *fake.Issued
		path    string
		headers []string
		status  int
		code    string
	}{
		"registered":                  {"may.test", &good, "orders", nil, 200, ""},
		"beyond its plan":             {"may.test", &good, "hidden", nil, 403, "operation_not_in_plan"},
		"not registered":              {"may.test", &stranger, "orders", nil, 401, "credential_invalid"},
		"its registration is over":    {"may.test", &over, "orders", nil, 401, "credential_expired"},
		"none":                        {"may.test", nil, "orders", nil, 401, "credential_missing"},
		"a header in its place":       {"may.test", nil, "orders", []string{"X-Client-Cert", text, "Client-Cert", ":" + text + ":"}, 401, "credential_missing"},
		"a key in its place":          {"may.test", nil, "orders", []string{"X-Key", goodKey}, 200, ""},
		"a host that asks for none":   {"free.test", &good, "orders", nil, 401, "credential_missing"},
		"not registered, but public":  {"may.test", &stranger, "open", nil, 200, ""},
		"a bad key before a good one": {"may.test", &good, "orders", []string{"X-Key", "x"}, 401, "credential_invalid"},
	} {
		if got := call(c.host, c.shown, c.path, c.headers...); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, c.status, c.code)
		}
	}
	s.put(t, entry.Tombstone(registered(good, 0).Key, at(s.next)))
	if got := call("may.test", &good, "orders"); got.status != 401 || got.code() != "credential_invalid" {
		t.Errorf("after it was revoked: got %d %s", got.status, got.body)
	}
}

// TestACertificateEndsOnOpenConnectionsToo has a certificate expire while its
// connection lives.
func TestACertificateEndsOnOpenConnectionsToo(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		clock := &atomicClock{}
		s := startSecure(t, lane, func(c *gateway.Config) { c.Now = clock.now })
		partners := fake.NewAuthority(t, "Partners")
		s.add(t, 1, s.ca.Issue(t, "may.test"), func(c *entry.Cert) {
			c.Clients = &entry.Clients{Mode: entry.ClientsOptional, Roots: partners.PEM}
		}, "may.test")
		shown := partners.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
		api := demoAPI(s.upstream.URL)
		api.Policies = []entry.Policy{{Config: &entry.ClientCertificatePolicy{}}}
		s.put(t, hashItem(t, s.next, entry.CertificateHash(sha256.Sum256(shown.Pair.Leaf.Raw)), demoGrant()), item(t, s.next, api))
		config := s.config("may.test")
		config.Certificates = []tls.Certificate{shown.Pair}
		client := s.client(config, true)
		defer client.CloseIdleConnections()
		const url = "https://may.test/demo/orders/v1/orders"
		if status, _, body, err := get(t, client, url); err != nil || status != 200 {
			t.Fatalf("got %d %s %v", status, body, err)
		}
		clock.move(2 * time.Minute)
		if status, _, body, err := get(t, client, url); err != nil || status != 401 {
			t.Errorf("after it has expired: got %d %s %v", status, body, err)
		}
	})
}
