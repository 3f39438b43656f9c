package rest_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/fake"
	"portico/test/postgres"
)

func TestCredentialsOfEveryKindAreManagedByAPI(t *testing.T) {
	postgres.Both(t, testCredentialsOfEveryKindAreManagedByAPI)
}

func testCredentialsOfEveryKindAreManagedByAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	const path, one = "/tenants/client/applications/till/credentials", "/tenants/client/credentials/"
	ca, key := fake.NewAuthority(t, "Clients"), fake.NewKey(t)
	app := apim.ID(text(s.call(s.cem, "GET", "/tenants/client/applications/till", nil).ok(200), "id"))
	proof := fake.Signature(t, key, manager.ProofText(app))
	certificateOf := func() (pem, fingerprint string) {
		issued := ca.IssueWith(t, key, func(*x509.Certificate) {})
		sum := sha256.Sum256(issued.Pair.Certificate[0])
		return issued.Chain, hex.EncodeToString(sum[:])
	}
	first, fingerprint := certificateOf()
	second, next := certificateOf()
	registration := `{"kind":"jwt","issuer":"https://issuer.example/","subject":"till","proof":"` + fake.Proof("https://issuer.example/", "till") + `"}`
	secretOf := func(c map[string]any) map[string]any {
		all := c["secrets"].([]any)
		return all[len(all)-1].(map[string]any)
	}

	basic := s.call(s.cem, "POST", path, `{"kind":"basic","user":"till"}`).ok(201)
	if text(basic, "user") != "till" || len(text(basic, "key")) < 43 || text(basic, "name") != "till" {
		t.Errorf("basic: got %v", basic)
	}
	signature := s.call(s.cem, "POST", path, `{"kind":"signature","name":"signs"}`).ok(201)
	id := text(secretOf(signature), "key_id")
	if !strings.HasPrefix(id, "sig_") || text(signature, "key") == "" {
		t.Errorf("signature: got %v", signature)
	}
	jwt := s.call(s.cem, "POST", path, registration).ok(201)
	if text(jwt, "issuer") != "https://issuer.example/" || text(jwt, "subject") != "till" || text(jwt, "key") != "" {
		t.Errorf("jwt: got %v", jwt)
	}
	certificate := s.call(s.cem, "POST", path, map[string]any{"kind": "certificate", "certificate": first, "proof": proof, "name": "cert"}).ok(201)
	if text(secretOf(certificate), "fingerprint") != fingerprint || text(certificate, "key") != "" {
		t.Errorf("certificate: got %v", certificate)
	}
	kinds := map[string]int{}
	for _, c := range items(s.call(s.cem, "GET", path, nil).ok(200)) {
		kinds[text(c, "kind")]++
		if text(c, "key") != "" {
			t.Errorf("the list shows %q", text(c, "key"))
		}
	}
	for _, kind := range []string{"key", "basic", "signature", "jwt", "certificate"} {
		if kinds[kind] == 0 {
			t.Errorf("the list has %v, want each kind", kinds)
		}
	}

	rotated := s.call(s.cem, "POST", one+text(signature, "id")+"/rotate", nil).ok(200)
	if text(secretOf(rotated), "key_id") == id || text(rotated, "key") == text(signature, "key") || text(rotated, "key") == "" {
		t.Errorf("signature rotated: got %v", rotated)
	}
	followed := s.call(s.cem, "POST", one+text(certificate, "id")+"/rotate", map[string]any{"certificate": second, "proof": proof}).ok(200)
	if text(secretOf(followed), "fingerprint") != next || len(followed["secrets"].([]any)) != 2 {
		t.Errorf("certificate followed: got %v", followed)
	}

	s.call(s.cem, "POST", path, registration).refused(409, "registered_already")
	s.call(s.cem, "POST", path, `{"kind":"magic"}`).refused(422, "invalid", "kind")
	s.call(s.cem, "POST", path, `{"kind":"jwt"}`).refused(422, "invalid", "issuer", "subject", "proof")
	s.call(s.cem, "POST", path, `{"kind":"jwt","issuer":"https://issuer.example/","subject":"other","proof":"stolen"}`).refused(422, "invalid", "proof")
	s.call(s.cem, "POST", path, map[string]any{"kind": "certificate", "certificate": fingerprint}).refused(422, "invalid", "certificate")
	s.call(s.cem, "POST", path, map[string]any{"kind": "certificate", "certificate": second}).refused(422, "invalid", "proof")
	renewed := s.call(s.cem, "POST", one+text(jwt, "id")+"/rotate", `{"expires_at":"2100-01-01T00:00:00Z"}`).ok(200)
	if text(secretOf(renewed), "expires_at") != "2100-01-01T00:00:00Z" {
		t.Errorf("jwt renewed: got %v", renewed)
	}
	s.call(s.cem, "POST", one+text(basic, "id")+"/rotate", `{"expires_at":"2100-01-01T00:00:00Z"}`).refused(409, "no_renewal")
	s.call(s.cem, "POST", path, `{"user":"till"}`).refused(422, "invalid", "user")
	s.call(s.cem, "POST", path, `{"kind":"certificate","certificate":"x"}`).refused(422, "invalid", "certificate")
	s.call(s.cem, "POST", one+text(jwt, "id")+"/rotate", nil).refused(409, "no_secret")
	s.call(s.cem, "POST", one+text(basic, "id")+"/rotate", map[string]any{"certificate": second, "proof": proof}).refused(409, "no_certificate")

	s.call(s.cem, "POST", one+text(jwt, "id")+"/revoke", nil).ok(200)
	s.call(s.cem, "POST", path, registration).ok(201)
}
