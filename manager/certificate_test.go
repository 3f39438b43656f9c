package manager_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/fake"
	"portico/test/postgres"
)

// issue makes a certificate that is good by the world's clock.
func (w *world) issue(ca *fake.Authority, hosts ...string) fake.Issued {
	w.t.Helper()
	return ca.IssueWith(w.t, fake.NewKey(w.t), w.good(hosts...))
}

func (w *world) good(hosts ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore, c.NotAfter = hosts, w.clock().Add(-time.Hour), w.clock().Add(90*24*time.Hour)
	}
}

// certEntry is the entry of a certificate, and whether it ended.
func (w *world) certEntry(id apim.ID) (body entry.Cert, ended bool) {
	w.t.Helper()
	key := must[entry.Key](w.t)(entry.CertKey(id.UUID()))
	items := must[[]entry.Item](w.t)(w.store.LoadEntries(w.t.Context(), "production", []entry.Key{key}))
	if len(items) == 0 {
		w.t.Fatalf("there is no %s", key)
	}
	if items[0].Ended {
		return body, true
	}
	return must[entry.Cert](w.t)(entry.Decode[entry.Cert](items[0])), false
}

// keyOf opens the key of a certificate as a node does.
func (w *world) keyOf(node apim.Node, key bus.NodeKey, c entry.Cert) []byte {
	w.t.Helper()
	_, raw := w.opened(key, node)
	box := must[*secret.Box](w.t)(secret.NewBox([32]byte(raw)))
	sealed := must[[]byte](w.t)(base64.StdEncoding.DecodeString(c.Key.Box))
	return must[[]byte](w.t)(box.Open(sealed, entry.CertInfo(c.ID)))
}

func TestCertificatesAreAddedReplacedAndRemoved(t *testing.T) {
	postgres.Both(t, testCertificatesAreAddedReplacedAndRemoved)
}

func testCertificatesAreAddedReplacedAndRemoved(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, ca := t.Context(), fake.NewAuthority(t, "Test CA")
	nodeKey := bus.NodeKey{1}
	node := must[apim.Node](t)(m.fleet.EnsureNode(ctx, "production", "gw-1", must[string](t)(nodeKey.BoxPublic())))
	first := m.issue(ca, "API.example.com", "*.example.org")
	c, change, err := m.fleet.AddCertificate(ctx, system, "production", manager.CertificateInput{Chain: "comment\n" + first.Chain, Key: secret.Text(first.Key), Default: true})
	if err != nil {
		t.Fatal(err)
	}
	if change.Sequence == 0 || c.Sealed != nil || fmt.Sprint(c.Hosts) != "[*.example.org api.example.com]" || c.KeyType != "ECDSA P-256" || c.Issuer != "CN=Test CA" || strings.Contains(c.Chain, "comment") {
		t.Errorf("got %+v, %+v", c, change)
	}
	body, _ := m.certEntry(c.ID)
	if got := m.keyOf(node, nodeKey, body); string(got) != string(first.DER) {
		t.Error("a node cannot open the key")
	}
	if !body.Default || body.Clients != nil {
		t.Errorf("got %+v", body)
	}

	renewed := ca.IssueWith(t, first.Pair.PrivateKey.(*ecdsa.PrivateKey), m.good("api.example.com"))
	_, _, err = m.fleet.ChangeCertificate(ctx, system, "production", c.ID, manager.CertificateChange{Chain: &renewed.Chain})
	if err == nil || !strings.Contains(err.Error(), "*.example.org is not a name") {
		t.Errorf("got %v, want the host that is not covered any more", err)
	}
	hosts := []string{"api.example.com"}
	clients := apim.ClientCertificates{Mode: apim.ClientCertificatesRequired, Roots: ca.PEM}
	c, _, err = m.fleet.ChangeCertificate(ctx, system, "production", c.ID, manager.CertificateChange{Chain: &renewed.Chain, Hosts: &hosts, Clients: &clients})
	if err != nil || !c.Default {
		t.Fatalf("got %+v, %v", c, err)
	}
	body, _ = m.certEntry(c.ID)
	if body.Chain != renewed.Chain || body.Clients == nil || body.Clients.Mode != entry.ClientsRequired || string(m.keyOf(node, nodeKey, body)) != string(first.DER) {
		t.Errorf("renewed: got %+v", body)
	}
	other := m.issue(ca, "api.example.com")
	_, _, err = m.fleet.ChangeCertificate(ctx, system, "production", c.ID, manager.CertificateChange{Chain: &other.Chain})
	if err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("got %v, want that a key is needed", err)
	}

	// One certificate is for a host, and one is the default.
	_, _, err = m.fleet.AddCertificate(ctx, system, "production", manager.CertificateInput{Chain: other.Chain, Key: secret.Text(other.Key)})
	if err == nil || !strings.Contains(err.Error(), string(c.ID)) {
		t.Errorf("got %v, want the certificate that has the host", err)
	}
	second := m.issue(ca, "www.example.com")
	d, _, err := m.fleet.AddCertificate(ctx, system, "production", manager.CertificateInput{Chain: second.Chain, Key: secret.Text(second.Key), Default: true})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := m.certEntry(c.ID); body.Default {
		t.Error("there are two defaults")
	}

	// A node that is removed knows no key any more: all is sealed anew.
	before, _ := m.certEntry(d.ID)
	m.fleet.Users, m.fleet.Commands = signing{}, &told{}
	gone := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, m.enrolment(""), "gw-2", bus.NodeKey{2})))
	if err := m.fleet.RemoveNode(ctx, system, "production", gone.Node.Name); err != nil {
		t.Fatal(err)
	}
	after, _ := m.certEntry(d.ID)
	if after.Key.Key <= before.Key.Key || string(m.keyOf(node, nodeKey, after)) != string(second.DER) {
		t.Errorf("sealed with key %d, then %d", before.Key.Key, after.Key.Key)
	}

	if _, err := m.fleet.RemoveCertificate(ctx, system, "production", c.ID); err != nil {
		t.Fatal(err)
	}
	if _, ended := m.certEntry(c.ID); !ended {
		t.Error("nodes are not told that it ended")
	}
	_, err = m.fleet.Certificate(ctx, system, "production", c.ID)
	refused(t, err, apim.NotFound)
	if _, _, err := m.fleet.AddCertificate(ctx, system, "production", manager.CertificateInput{Chain: other.Chain, Key: secret.Text(other.Key)}); err != nil {
		t.Errorf("the host is not free: %v", err)
	}
	list := must[apim.List[apim.Certificate]](t)(m.fleet.Certificates(ctx, system, "production", apim.Page{Limit: 1}))
	rest := must[apim.List[apim.Certificate]](t)(m.fleet.Certificates(ctx, system, "production", apim.Page{Cursor: list.NextCursor}))
	if len(list.Items) != 1 || len(rest.Items) != 1 || list.Items[0].Sealed != nil {
		t.Errorf("got %d and %d certificates, want one each", len(list.Items), len(rest.Items))
	}
	for action, want := range map[string]int{"certificate.add": 3, "certificate.remove": 1} {
		if got := m.audited("", action); got != want {
			t.Errorf("%s: got %d records, want %d", action, got, want)
		}
	}
	if state := c.State(c.NotAfter.Add(-29 * 24 * time.Hour)); state != apim.CertificateExpiring {
		t.Errorf("29 days before its end: got %s", state)
	}
}

func TestCertificatesThatClientsWouldRefuseAreRefused(t *testing.T) {
	postgres.Both(t, testCertificatesThatClientsWouldRefuseAreRefused)
}

func testCertificatesThatClientsWouldRefuseAreRefused(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, ca := t.Context(), fake.NewAuthority(t, "Test CA")
	good := m.issue(ca, "a.example.com")
	with := func(change func(*x509.Certificate)) fake.Issued {
		return ca.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) { m.good("a.example.com")(c); change(c) })
	}
	expired := with(func(c *x509.Certificate) { c.NotAfter = m.clock().Add(-time.Minute) })
	early := with(func(c *x509.Certificate) { c.NotBefore = m.clock().Add(time.Hour) })
	clientsOnly := with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	nameless := with(func(c *x509.Certificate) { c.DNSNames = nil })
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is to be refused
	if err != nil {
		t.Fatal(err)
	}
	weak := ca.IssueWith(t, short, m.good("a.example.com"))
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := ca.IssueWith(t, small, m.good("a.example.com"))
	stranger := m.issue(fake.NewAuthority(t, "Another CA"), "b.example.com")
	locked := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: good.DER}))
	for _, c := range []struct {
		name       string
		in         manager.CertificateInput
		field, say string
	}{
		{"key of another one", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(expired.Key)}, "private_key", "not the key of the certificate"},
		{"no key", manager.CertificateInput{Chain: good.Chain}, "private_key", "holds no private key"},
		{"key with a passphrase", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(locked)}, "private_key", "passphrase"},
		{"no chain", manager.CertificateInput{Chain: "nothing", Key: secret.Text(good.Key)}, "chain", "holds no certificate"},
		{"key in the chain", manager.CertificateInput{Chain: good.Chain + good.Key, Key: secret.Text(good.Key)}, "chain", "private key"},
		{"expired", manager.CertificateInput{Chain: expired.Chain, Key: secret.Text(expired.Key)}, "chain", "has expired"},
		{"not yet good", manager.CertificateInput{Chain: early.Chain, Key: secret.Text(early.Key)}, "chain", "not good yet"},
		{"for clients alone", manager.CertificateInput{Chain: clientsOnly.Chain, Key: secret.Text(clientsOnly.Key)}, "chain", "server authentication"},
		{"no names", manager.CertificateInput{Chain: nameless.Chain, Key: secret.Text(nameless.Key)}, "chain", "names no host"},
		{"short RSA", manager.CertificateInput{Chain: weak.Chain, Key: secret.Text(weak.Key)}, "private_key", "1024 bits"},
		{"small curve", manager.CertificateInput{Chain: curve.Chain, Key: secret.Text(curve.Key)}, "private_key", "224 bits"},
		{"authority first", manager.CertificateInput{Chain: stranger.Chain + good.Chain, Key: secret.Text(good.Key)}, "chain", "Put it first"},
		{"strange certificate between", manager.CertificateInput{Chain: good.Chain + stranger.Chain, Key: secret.Text(good.Key)}, "chain", "out of order"},
		{"host that is not covered", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(good.Key), Hosts: []string{"b.example.com"}}, "hosts[0]", "not a name of the certificate"},
		{"host that is none", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(good.Key), Hosts: []string{"https://a"}}, "hosts[0]", "host name"},
		{"clients without authorities", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(good.Key), Clients: apim.ClientCertificates{Mode: apim.ClientCertificatesRequired}}, "clients.roots", "authorities"},
		{"authorities that are none", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(good.Key), Clients: apim.ClientCertificates{Mode: apim.ClientCertificatesOptional, Roots: "x"}}, "clients.roots", "no certificate"},
		{"unknown mode", manager.CertificateInput{Chain: good.Chain, Key: secret.Text(good.Key), Clients: apim.ClientCertificates{Mode: "maybe"}}, "clients.mode", "off, optional or required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := m.fleet.AddCertificate(ctx, system, "production", c.in)
			var e *apim.Error
			if !errors.As(err, &e) || e.Kind != apim.Invalid {
				t.Fatalf("got %v, want it refused", err)
			}
			found := false
			for _, f := range e.Fields {
				found = found || f.Field == c.field && strings.Contains(f.Detail, c.say)
			}
			if !found {
				t.Errorf("got %+v, want %s to say %q", e.Fields, c.field, c.say)
			}
			if strings.Contains(err.Error(), good.Key[30:60]) {
				t.Error("the error quotes the key")
			}
		})
	}
	if got := must[apim.List[apim.Certificate]](t)(m.fleet.Certificates(ctx, system, "production", apim.Page{})); len(got.Items) != 0 {
		t.Errorf("got %d certificates, want none", len(got.Items))
	}
	for name, kind := range map[string]string{"RSA 2048": "rsa", "Ed25519": "ed"} {
		issued := ca.IssueWith(t, signer(t, kind), m.good(kind+".example.com"))
		if c, _, err := m.fleet.AddCertificate(ctx, system, "production", manager.CertificateInput{Chain: issued.Chain, Key: secret.Text(issued.Key)}); err != nil || c.KeyType != name {
			t.Errorf("%s: got %q, %v", name, c.KeyType, err)
		}
	}
}

func signer(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	if kind == "rsa" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
