package portal_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/fake"
)

func TestCredentialsOfEveryKindAreMadeInThePortal(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	actor, tenant := b.actor("Ines Aguilar")
	ca, key := fake.NewAuthority(t, "Clients"), fake.NewKey(t)
	id := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout")).Application.ID
	proof := fake.Signature(t, key, manager.ProofText(id))
	certificateOf := func() (pem, fingerprint string) {
		issued := ca.IssueWith(t, key, func(*x509.Certificate) {})
		sum := sha256.Sum256(issued.Pair.Certificate[0])
		return issued.Chain, hex.EncodeToString(sum[:])
	}
	firstPEM, first := certificateOf()
	secondPEM, second := certificateOf()
	b.get(app).wants(t, http.StatusOK, "Add credential")
	b.get(app+"/keys/new").wants(t, http.StatusOK, "API key", "User name and password", "Signing secret", "Token identity", "Client certificate", "Issuer", "see once", "of "+string(id)+"'", "openssl dgst -sha256 -sign", "openssl pkeyutl -sign -rawin")

	// What another kind's fields hold is left out: they are not seen.
	b.post(app+"/keys", "nonce", "a", "kind", "basic", "user", "till", "issuer", "left over", "name", "Desk").
		wants(t, http.StatusOK, "Copy your new password now", "User name", "till", "portico_live_password_", "Desk")
	b.get(app).lacks(t, "Copy your new password now")
	b.post(app+"/keys", "nonce", "b", "kind", "signature", "name", "Signs").
		wants(t, http.StatusOK, "Copy your new signing secret now", "Key id", "sig_", "We keep it sealed", "portico_live_signing_")
	b.post(app+"/keys", "nonce", "c", "kind", "jwt", "issuer", "https://issuer.example/", "subject", "till", "name", "Tokens", "token", fake.Proof("https://issuer.example/", "till")).
		wants(t, http.StatusOK, "Tokens is registered.", "till of https://issuer.example/")
	b.post(app+"/keys", "nonce", "d", "kind", "certificate", "certificate", firstPEM, "signature", proof, "name", "Terminal").
		wants(t, http.StatusOK, "Terminal is registered.", "SHA-256 "+first[:16], "Client certificate")

	stolen := b.post(app+"/keys", "nonce", "k", "kind", "jwt", "name", "Stolen", "issuer", "https://issuer.example/", "subject", "other", "token", "eyJ-stolen")
	stolen.wants(t, http.StatusUnprocessableEntity, "Is a token of another client")
	stolen.lacks(t, "eyJ-stolen")
	b.post(app+"/keys", "nonce", "l", "kind", "certificate", "certificate", secondPEM, "name", "Unsigned").
		wants(t, http.StatusUnprocessableEntity, "Is missing; sign the text")
	half := b.post(app+"/keys", "nonce", "e", "kind", "jwt", "name", "Half", "issuer", "https://issuer.example/")
	half.wants(t, http.StatusUnprocessableEntity, "Is missing")
	if !strings.Contains(half.body, `value="https://issuer.example/"`) || !strings.Contains(half.body, `<option value="jwt" selected`) {
		t.Error("the form has lost what was filled in")
	}
	b.post(app+"/keys", "nonce", "f", "kind", "certificate", "certificate", firstPEM, "signature", proof, "name", "Twice").
		wants(t, http.StatusUnprocessableEntity, "is registered for Production already")
	b.post(app+"/keys", "nonce", "g", "kind", "magic").wants(t, http.StatusUnprocessableEntity, "Is none of")

	pages := map[apim.CredentialKind]string{}
	for _, c := range must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout")).Credentials {
		pages[c.Kind] = app + "/keys/" + string(c.ID)
	}
	b.get(pages[apim.CredentialJWT]).wants(t, http.StatusOK, "Token identity of Checkout for Production", "till of https://issuer.example/")
	b.get(pages[apim.CredentialJWT]).lacks(t, "Rotate", "Next certificate")
	b.post(pages[apim.CredentialJWT]+"/rotate", "days", "30").wants(t, http.StatusOK, "Tokens is renewed.", "ends in")
	b.post(pages[apim.CredentialJWT]+"/rotate", "days", "").wants(t, http.StatusOK, "Tokens is renewed.", "does not end")
	b.get(pages[apim.CredentialBasic]).wants(t, http.StatusOK, "User name and password of Checkout", "Rotate")
	b.post(pages[apim.CredentialSignature]+"/rotate", "nonce", "h", "grace", "24").wants(t, http.StatusOK, "Copy your new signing secret now", "Two work now")
	b.get(pages[apim.CredentialCertificate]).wants(t, http.StatusOK, "Next certificate")
	b.post(pages[apim.CredentialCertificate]+"/rotate", "nonce", "i", "certificate", "nothing").wants(t, http.StatusUnprocessableEntity, "neither PEM nor a SHA-256")
	b.post(pages[apim.CredentialCertificate]+"/rotate", "nonce", "j", "certificate", secondPEM, "signature", proof, "grace", "24").
		wants(t, http.StatusOK, "Terminal has its next certificate.", "SHA-256 "+first[:16], "SHA-256 "+second[:16], "End now")
	keyPEM := "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"
	for name, p := range map[string]page{
		"a new one's":           b.post(app+"/keys", "nonce", "m", "kind", "certificate", "certificate", keyPEM, "signature", proof),
		"in place of the proof": b.post(app+"/keys", "nonce", "n", "kind", "certificate", "certificate", secondPEM, "signature", keyPEM),
		"left over":             b.post(app+"/keys", "nonce", "o", "kind", "magic", "certificate", keyPEM),
		"very long":             b.post(app+"/keys", "nonce", "p", "kind", "certificate", "certificate", keyPEM+strings.Repeat("\n", 100<<10)),
		"the next one's":        b.post(pages[apim.CredentialCertificate]+"/rotate", "nonce", "q", "certificate", keyPEM, "signature", keyPEM),
	} {
		if p.status != http.StatusUnprocessableEntity || strings.Contains(p.body, "canary") {
			t.Errorf("%s: a private key is sent back, with %d: %s", name, p.status, p.text())
		}
	}
	b.post(pages[apim.CredentialJWT]+"/revoke").wants(t, http.StatusOK, "Tokens is revoked.")
}

// A portal that runs apart holds no installation key: it offers what it can make,
// and says what makes the rest.
func TestPortalWithoutTheInstallationsKeyMakesNoSigningSecrets(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	made := must[manager.MintedKey](t)(w.access.CreateKey(t.Context(), actor, tenant.ID, detail.Application.ID, manager.NewKey{Kind: apim.CredentialSignature, Name: "Signs"}))
	page := app + "/keys/" + string(made.Credential.ID)
	b.get(app+"/keys/new").lacks(t, "portico keys")
	b.get(page).wants(t, http.StatusOK, "Rotate")

	w.access.Box = nil
	form := b.get(app + "/keys/new")
	form.wants(t, http.StatusOK, "API key", "Token identity", "portico keys create checkout --kind signature --tenant "+tenant.Slug)
	form.lacks(t, `<option value="signature"`)
	b.get(page).wants(t, http.StatusOK, "Signing secret of Checkout", "portico keys rotate "+string(made.Credential.ID)+" --tenant "+tenant.Slug)
	b.get(page).lacks(t, "/rotate")
	b.post(app+"/keys", "nonce", "a", "kind", "signature").wants(t, http.StatusServiceUnavailable, "made by a manager")
	b.post(page+"/rotate", "nonce", "b").wants(t, http.StatusServiceUnavailable, "made by a manager")
	b.post(app+"/keys", "nonce", "c", "kind", "basic", "user", "till").wants(t, http.StatusOK, "Copy your new password now")
	b.post(page+"/revoke").wants(t, http.StatusOK, "Signs is revoked.")
}
