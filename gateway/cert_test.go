package gateway_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/test/fake"
)

// A host that lets nobody in without a certificate does not do so either where
// its own cannot be shown.
func TestAHostWhoseCertificateCannotBeOpenedLetsNobodyIn(t *testing.T) {
	s := startSecure(t)
	partners := fake.NewAuthority(t, "Partners")
	s.add(t, 1, s.ca.Issue(t, "free.test"), func(c *entry.Cert) { c.Default = true }, "free.test")
	issued := s.ca.Issue(t, "must.test")
	required := func(c *entry.Cert) { c.Clients = &entry.Clients{Mode: entry.ClientsRequired, Roots: partners.PEM} }
	s.add(t, 2, issued, func(c *entry.Cert) { required(c); c.Key.Key = 7 }, "must.test")
	if r := s.Status().Refused; len(r) != 1 {
		t.Fatalf("refused: got %v", r)
	}
	if got := s.call(t, "GET", openPath, "", "Host: must.test"); got.status != 403 {
		t.Errorf("in plain: got %d, want 403", got.status)
	}
	if got := s.call(t, "GET", openPath, "", "Host: free.test"); got.status != 200 {
		t.Errorf("another host: got %d, want 200", got.status)
	}
	if serial, err := s.shown(t, "must.test"); err == nil {
		t.Errorf("shown %s for it", serial)
	}
	c, err := s.shake(t, s.config("free.test"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: must.test\r\n\r\n", openPath)
	if raw, _ := io.ReadAll(c); !strings.HasPrefix(string(raw), "HTTP/1.1 421 ") {
		t.Errorf("on another host's connection: got %.200q, want 421", raw)
	}
	s.add(t, 2, issued, required, "must.test")
	config, pair := s.config("must.test"), partners.Issue(t)
	config.Certificates = []tls.Certificate{pair.Pair}
	if status, _, _, err := get(t, s.client(config, false), "https://must.test"+openPath); err != nil || status != 200 {
		t.Errorf("once it can be opened: got %d %v, want 200", status, err)
	}
	// One that was never opened goes with its entry.
	s.add(t, 3, s.ca.Issue(t, "gone.test"), func(c *entry.Cert) { required(c); c.Key.Key = 7 }, "gone.test")
	key, _ := entry.CertKey(uuid(3))
	s.put(t, entry.Tombstone(key, at(s.next)))
	if got := s.call(t, "GET", openPath, "", "Host: gone.test"); got.status != 200 {
		t.Errorf("a host of no certificate any more: got %d, want 200", got.status)
	}
}
