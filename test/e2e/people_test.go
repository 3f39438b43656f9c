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

// stranger signs up in the portal, which makes a tenant of their own, and
// returns the management API as they may use it, and the tenant's slug.
func stranger(t *testing.T, p *process.Process, organisation string) (api, string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	email, password := organisation+"@stranger.example", "correct horse battery staple"
	post := func(address string, form url.Values) {
		res, err := browser.PostForm(address, form)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %d", address, res.StatusCode)
		}
	}
	post(p.Portal+"/sign-up", url.Values{"name": {"Sam Stranger"}, "email": {email}, "password": {password}, "organisation": {organisation}, "nonce": {"n-" + organisation}})
	post(p.Console+"/sign-in", url.Values{"email": {email}, "password": {password}})
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
