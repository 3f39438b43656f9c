package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"portico/test/process"
)

const strangersPassword = "correct horse battery staple"

func strangersEmail(organisation string) string { return organisation + "@stranger.example" }

// signedUp is a browser in which somebody has signed up in the portal, which makes
// a tenant of their own.
func signedUp(t *testing.T, p *process.Process, organisation string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	posted(t, browser, p.Portal+"/sign-up", url.Values{
		"name": {"Sam Stranger"}, "email": {strangersEmail(organisation)}, "password": {strangersPassword}, "organisation": {organisation}, "nonce": {"n-" + organisation},
	})
	return browser
}

func posted(t *testing.T, browser *http.Client, address string, form url.Values) {
	t.Helper()
	res, err := browser.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d", address, res.StatusCode)
	}
}

// stranger signs up in the portal and returns the management API as they may use
// it, and the slug of their tenant.
func stranger(t *testing.T, p *process.Process, organisation string) (api, string) {
	t.Helper()
	browser := signedUp(t, p, organisation)
	posted(t, browser, p.Console+"/sign-in", url.Values{"email": {strangersEmail(organisation)}, "password": {strangersPassword}})
	a := api{t, p.API("")}
	req := a.request(http.MethodPost, "/tenants/"+organisation+"/tokens", "application/json", strings.NewReader(`{"name":"tests"}`))
	made, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Body.Close()
	body, err := io.ReadAll(made.Body)
	if err != nil {
		t.Fatal(err)
	}
	var minted struct{ Token string }
	answer{made.StatusCode, made.Header, string(body)}.into(t, &minted)
	a.Token = minted.Token
	return a, organisation
}

// rival returns the management API with a token that is good for a tenant of
// its own alone, and may do everything there, and the tenant's slug.
func rival(t *testing.T, operator api) (api, string) {
	t.Helper()
	const slug = "rival"
	operator.do("POST", "/tenants", map[string]any{"slug": slug, "name": "Rival"})
	var made struct{ Token string }
	if err := operator.Do(t.Context(), "POST", "/tenants/"+slug+"/tokens", map[string]any{"name": "tests"}, &made); err != nil {
		t.Fatal(err)
	}
	return api{t, &process.API{Base: operator.Base, Token: made.Token}}, slug
}
