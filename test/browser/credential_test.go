package browser_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"portico/test/fake"
)

// takers offers an API that takes the given credentials, and returns its hours'
// address on the gateway. Its product has the plan Free.
func (w *town) takers(t *testing.T, slug, name string, policies ...map[string]any) string {
	t.Helper()
	id := w.version(t, w.museum.document, map[string]any{"name": name, "slug": slug, "label": "v1", "upstream": w.museum.upstream})
	if len(policies) > 0 {
		w.do(t, "PATCH", "/versions/"+id+"/draft", map[string]any{"credentials": map[string]any{}, "policies": policies})
	}
	w.do(t, "POST", "/versions/"+id+"/publish?wait=applied", map[string]any{})
	w.do(t, "POST", "/products", map[string]any{"slug": slug, "name": name, "summary": "For programs.", "listed": true, "visibility": "public", "versions": []string{id}})
	w.do(t, "POST", "/products/"+slug+"/plans", map[string]any{"slug": "free", "name": "Free", "approval": "automatic", "state": "published", "limits": []any{}})
	return w.portico.Gateway + "/demo/" + slug + "/v1/museum-hours"
}

// A credential of each kind is made where a person looks for it: which one to
// choose is said, what is secret is shown once with the line that sends it, and
// it is rotated, ended and revoked.
func TestCredentialsOfEveryKindAreMadeAndUsed(t *testing.T) {
	w := inTown(t)
	tokens := fake.NewIssuer(t, "ES256")
	tokens.Discover()
	hours := w.takers(t, "turnstile", "Turnstile", map[string]any{"kind": "basic", "config": map[string]any{}}, map[string]any{"kind": "signature", "config": map[string]any{}},
		map[string]any{"kind": "jwt", "config": map[string]any{"issuer": tokens.Name, "jwks": tokens.Set(), "algorithms": []string{"ES256"}}})
	b := w.signsUp(t, person{"Tilda Gate", "tilda@gate.example", "another long password", "Gate Keepers"})
	w.asks(b, "turnstile", "Free", "Gate one", "")
	const app = "/applications/gate-one"
	takes := "Turnstile takes a user name and password, a signing secret or a token of " + tokens.Name + "."
	shoot := func(name string) {
		t.Helper()
		if folder := shotsFolder(); folder != "" {
			b.shot(folder, "credential-"+name)
		}
	}
	open := func() {
		t.Helper()
		b.visit(app)
		b.press("Add credential")
		b.until("the dialog is open", `document.querySelector('dialog:modal')`)
	}
	status := func(user, password string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hours, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		res, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}}).Do(req) //nolint:forbidigo // a caller of the gateway
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	secret := func() string { t.Helper(); return b.run(`document.querySelector('#fresh-secret').innerText`) }

	b.visit(app)
	b.sees("No credentials yet", takes, "Add the first")
	b.hides("PORTICO_KEY")
	shoot("none")
	open()
	b.sees(takes)
	b.until("what it takes is chosen", `document.querySelector('[name=kind]').value === 'basic' && document.querySelector('[name=user]').checkVisibility() && !document.querySelector('[name=issuer]').checkVisibility()`)
	b.accessible()
	shoot("dialog")
	b.fill("User name", "gate one")
	b.fill("Name", "Desk")
	b.follow("Add it")
	b.sees("Holds a space, a colon, or a character that is not ASCII")
	shoot("wrong")
	b.fill("User name", "gate-1")
	b.choose("Expires", "90 days")
	b.follow("Add it")
	b.sees("Copy your new password now", "User name gate-1", "Ends in", "Works as it stands")
	password := secret()
	b.until("the line holds it", `document.querySelector('#sample-code').innerText.includes('-u "gate-1:'+`+js(password)+`+'"')`)
	b.accessible()
	shoot("password")
	if got := status("gate-1", password); got != http.StatusOK {
		t.Errorf("got %d with the password", got)
	}
	b.visit(app)
	if strings.Contains(b.run(`document.documentElement.outerHTML`), password) {
		t.Error("the password is shown again")
	}
	b.follow("Desk")
	b.sees("User name and password of Gate one", "Set PORTICO_SECRET to the password.", `-u "gate-1:$PORTICO_SECRET"`)
	b.choose("The old one works on", "for an hour")
	b.follow("Rotate")
	b.sees("Copy your new password now", "Two work now")
	next := secret()
	shoot("rotated")
	if was, is := status("gate-1", password), status("gate-1", next); was != http.StatusOK || is != http.StatusOK {
		t.Errorf("got %d with the old password and %d with the new one", was, is)
	}
	b.script(`window.confirm = () => true`)
	b.follow("End now")
	b.sees("has ended")
	if was, is := status("gate-1", password), status("gate-1", next); was != http.StatusUnauthorized || is != http.StatusOK {
		t.Errorf("got %d with the ended password and %d with the new one", was, is)
	}
	b.follow("Revoke it")
	b.sees("stops working on every gateway node")
	b.follow("Revoke user name")
	b.sees("is revoked")
	if got := status("gate-1", next); got != http.StatusUnauthorized {
		t.Errorf("got %d with the revoked password", got)
	}

	open()
	b.choose("Kind", "Signing secret")
	shoot("dialog-signature")
	b.follow("Add it")
	b.sees("Copy your new signing secret now", "Key id sig_", "openssl dgst -sha256 -hmac", "Signature-Input: sig=$signed")
	b.accessible()
	shoot("signature")

	open()
	b.choose("Kind", "Token identity")
	b.until("the one issuer is filled in", `document.querySelector('[name=issuer]').value === `+js(tokens.Name))
	shoot("dialog-token")
	b.follow("Add it")
	b.sees("Is missing; it is compared with what the token says")
	b.fill("Client", "gate-client")
	b.fill("A token of it", tokens.Token(t, "ES256", map[string]any{"azp": "somebody", "sub": "somebody"}))
	b.follow("Add it")
	b.sees("Is a token of another client")
	shoot("token-wrong")
	b.fill("A token of it", tokens.Token(t, "ES256", map[string]any{"azp": "gate-client", "sub": "gate-client"}))
	b.follow("Add it")
	b.sees("is registered", "Token identity of Gate one", "Set TOKEN to an access token of "+tokens.Name+" whose claim azp is gate-client.", `-H "Authorization: Bearer $TOKEN"`)
	b.accessible()
	shoot("token")

	open()
	b.choose("Kind", "Client certificate")
	shoot("dialog-certificate")
	key := fake.NewKey(t)
	b.fill("Certificate", fake.NewAuthority(t, "Clients").IssueWith(t, key, func(*x509.Certificate) {}).Chain)
	b.fill("Signature", "bm90IGl0")
	b.follow("Add it")
	b.sees("Is not the signature of the text")
	b.accessible()
	shoot("certificate-wrong")
	command := b.run(`document.querySelector('#proof-command').innerText.match(/printf %s '([^']+)' > proof/)[1]`)
	b.fill("Signature", fake.Signature(t, key, command))
	b.follow("Add it")
	b.sees("is registered", "No API that Gate one may call takes it for all operations.", "Turnstile takes a user name and password")
	shoot("certificate")

	open()
	b.choose("Kind", "API key")
	b.fill("Name", "Unused")
	b.follow("Add it")
	b.sees("Copy your new key now")
	b.visit(app)
	for _, size := range [][2]int64{{390, 844}, {1440, 900}} {
		b.sized(size[0], size[1])
		if got := b.run(sideways); got != "" {
			t.Errorf("%d wide: scrolls sideways because of %s", size[0], got)
		}
	}
	b.accessible()
	shoot("all")
	b.theme("dark")
	b.visit(app)
	b.readable()
	shoot("all-dark")
	b.quiet("status of 422")
}
