package console_test

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
)

func TestOperatorsKeepCertificatesInTheConsole(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	ca := fake.NewAuthority(t, "Test CA")
	issue := func(end time.Time, hosts ...string) fake.Issued {
		return ca.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore, c.NotAfter = hosts, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), end
		})
	}
	far := time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)
	const page = "/t/acme/environments/production/certificates"
	b.get("/t/acme/environments/production").has(`href="` + page + `"`)
	b.get(page).shows(http.StatusOK, "No certificates in Production yet")

	first := issue(far, "a.example.com")
	wrong := b.post(page, "chain", first.Chain, "private_key", issue(far, "x.test").Key, "mode", "off").shows(http.StatusUnprocessableEntity, "not the key of the certificate")
	wrong.fieldError("private_key")
	wrong.has("BEGIN CERTIFICATE") // what was pasted is kept, but the key
	if strings.Contains(wrong.body, "BEGIN PRIVATE KEY-----\n") {
		t.Error("the form shows the key again")
	}
	b.post(page, "chain", first.Chain, "private_key", first.Key, "mode", "required").shows(http.StatusUnprocessableEntity).fieldError("roots")
	a := b.post(page, "chain", first.Chain, "private_key", first.Key, "mode", "required", "roots", ca.PEM, "default", "on").shows(http.StatusOK, "a.example.com", "CN=Test CA", "default", "required", "good")
	if !strings.HasPrefix(a.path, page+"?") {
		t.Errorf("got to %s", a.path)
	}
	soon := issue(s.clock.Now().Add(10*24*time.Hour), "b.example.com")
	a = b.post(page, "chain", soon.Chain, "private_key", soon.Key, "mode", "off").shows(http.StatusOK, "ends in")
	if strings.Index(a.body, "b.example.com") > strings.LastIndex(a.body, "a.example.com") {
		t.Error("what ends first does not stand first")
	}
	href := page + "/cert_"
	i := strings.Index(a.body, href)
	one := a.body[i : i+len(href)+32]
	form := b.get(one).shows(http.StatusOK, "b.example.com", "Good until", "SHA-256")
	renewed := issue(far, "b.example.com", "c.example.com")
	b.post(one, "lock", form.hidden("lock"), "chain", renewed.Chain, "private_key", renewed.Key, "hosts", "b.example.com c.example.com", "mode", "off").shows(http.StatusOK, "c.example.com")
	b.post(one, "lock", form.hidden("lock"), "hosts", "b.example.com", "mode", "off").shows(http.StatusConflict) // somebody else was faster
	if a := b.post(one + "/delete"); strings.Contains(a.body, "c.example.com") {
		t.Error("it is still there")
	}
	consumer, _, _ := s.consumer("halden")
	consumer.get("/t/halden/environments/production/certificates").shows(http.StatusForbidden)
}
