package rest_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/postgres"
)

func TestOperatorsKeepCertificates(t *testing.T) { postgres.Both(t, testOperatorsKeepCertificates) }

func testOperatorsKeepCertificates(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	ca := fake.NewAuthority(t, "Test CA")
	issue := func(hosts ...string) fake.Issued {
		return ca.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore, c.NotAfter = hosts, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
		})
	}
	const path = "/environments/production/certificates"
	first := issue("a.example.com", "b.example.com")
	made := s.call(s.operator, "POST", path, map[string]any{"chain": first.Chain, "private_key": first.Key, "hosts": []string{"a.example.com"}}).ok(201)
	id := text(made, "id")
	if text(made, "state") != "good" || text(made, "key_type") != "ECDSA P-256" || made["change"] == nil {
		t.Errorf("got %v", made)
	}
	one := path + "/" + id
	s.call(s.operator, "POST", path, map[string]any{"chain": first.Chain, "private_key": issue("x.test").Key}).refused(422, "invalid", "private_key")
	s.call(s.operator, "POST", path, map[string]any{"chain": first.Chain, "private_key": first.Key}).refused(422, "invalid", "hosts[0]")
	s.call(s.operator, "PATCH", one, map[string]any{"hosts": []string{"c.example.com"}}).refused(422, "invalid", "hosts[0]")
	s.call(s.operator, "PATCH", one, map[string]any{"private_key": first.Key}).refused(422, "invalid", "chain")
	second := issue("a.example.com")
	changed := s.call(s.operator, "PATCH", one, map[string]any{
		"chain": second.Chain, "private_key": second.Key, "default": true, "clients": map[string]any{"mode": "required", "roots": ca.PEM},
	}).ok(200)
	if text(changed, "fingerprint") == text(made, "fingerprint") || changed["default"] != true {
		t.Errorf("got %v", changed)
	}
	for _, token := range []string{s.ada, s.cem} {
		s.call(token, "GET", path, nil).refused(403, "forbidden")
		s.call(token, "GET", one, nil).refused(403, "forbidden")
		s.call(token, "DELETE", one, nil).refused(403, "forbidden")
	}
	for _, a := range []string{path, one, "/audit?limit=200"} {
		body := string(s.call(s.operator, "GET", a, nil).Body)
		for _, key := range []fake.Issued{first, second} {
			if strings.Contains(body, "PRIVATE KEY") || strings.Contains(body, strings.Split(key.Key, "\n")[1]) {
				t.Errorf("%s gives the private key away", a)
			}
		}
	}
	if got := items(s.call(s.operator, "GET", path, nil).ok(200)); len(got) != 1 {
		t.Errorf("got %d certificates", len(got))
	}
	s.call(s.operator, "DELETE", one, nil).ok(204)
	s.call(s.operator, "GET", one, nil).refused(404, "not_found")
	s.call(s.operator, "DELETE", one, nil).refused(404, "not_found")
	s.call(s.operator, "GET", "/environments/nowhere/certificates", nil).refused(404, "not_found")

	s.call(s.operator, "PATCH", "/environments/production", map[string]any{"settings": map[string]any{"tls_minimum": "1.1"}}).refused(422, "invalid", "tls_minimum")
	env := s.call(s.operator, "PATCH", "/environments/production", map[string]any{"settings": map[string]any{"tls_minimum": "1.3", "trusted_proxies": []string{"10.0.0.0/8"}}}).ok(200)
	if settings := env["settings"].(map[string]any); settings["tls_minimum"] != "1.3" || len(settings["trusted_proxies"].([]any)) != 1 {
		t.Errorf("got %v", env)
	}
	s.call(s.operator, "PATCH", "/environments/production", map[string]any{"settings": map[string]any{"trusted_proxies": []string{"everybody"}}}).refused(422, "invalid", "trusted_proxies[0]")
}
