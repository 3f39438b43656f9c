package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"portico/internal/apim"
)

func TestSigningInLeadsBackToWhereTheReaderWas(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.anonymous()
	p := b.get("/products/meridian/parcels/subscribe")
	p.wants(t, http.StatusOK, "Sign in", "You come back to where you were.")
	if !strings.HasPrefix(b.last, "/sign-in?") {
		t.Fatalf("a reader who has not signed in is led to %s, want the sign-in page", b.last)
	}
	back := must[*url.URL](t)(url.Parse(b.last)).Query().Get("return_to")
	b.post("/sign-in", "email", "ada@meridian.example", "password", password, "return_to", back).wants(t, http.StatusOK, "Get access to Parcels")
	if b.last != "/products/meridian/parcels/subscribe" {
		t.Errorf("signing in led to %s", b.last)
	}
}

func TestSigningInNeverLeadsElsewhere(t *testing.T) {
	w := newWorld(t)
	for _, evil := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "evil.example"} {
		b := w.anonymous()
		b.post("/sign-in", "email", "ada@meridian.example", "password", password, "return_to", evil).wants(t, http.StatusOK)
		if b.last != "/" {
			t.Errorf("return_to %q led to %s, want the catalog", evil, b.last)
		}
		b.get("/sign-in?return_to=" + url.QueryEscape(evil))
		if b.last != "/" {
			t.Errorf("signed in already, return_to %q led to %s", evil, b.last)
		}
	}
}

func TestWrongPasswordTellsNothingAboutTheAccount(t *testing.T) {
	w := newWorld(t)
	known := w.anonymous().post("/sign-in", "email", "ada@meridian.example", "password", "not the password at all")
	unknown := w.anonymous().post("/sign-in", "email", "nobody@meridian.example", "password", "not the password at all")
	for _, p := range []page{known, unknown} {
		if p.status != http.StatusUnprocessableEntity {
			t.Errorf("got %d, want 422", p.status)
		}
	}
	strip := func(p page) string {
		return strings.NewReplacer("ada@meridian.example", "", "nobody@meridian.example", "").Replace(p.body)
	}
	if strip(known) != strip(unknown) {
		t.Error("the answers for an account that is and one that is not differ")
	}
	if !strings.Contains(known.body, `value="ada@meridian.example"`) {
		t.Error("the e-mail address that was typed is gone")
	}
	known.lacks(t, "not the password at all")
}

func TestSignUpAndSignOut(t *testing.T) {
	w := newWorld(t)
	b := w.consumer("Ines Aguilar")
	b.get("/applications").wants(t, http.StatusOK, "No applications yet")
	b.post("/sign-out").wants(t, http.StatusOK)
	b.get("/applications").wants(t, http.StatusOK, "Password")
	if !strings.HasPrefix(b.last, "/sign-in") {
		t.Errorf("after signing out, the applications lead to %s", b.last)
	}
}

func TestSignUpNamesTheFieldAndKeepsTheRest(t *testing.T) {
	w := newWorld(t)
	b := w.anonymous()
	p := b.post("/sign-up", "name", "Ines Aguilar", "email", "ines@halden.example", "password", "short", "organisation", "Halden")
	if p.status != http.StatusUnprocessableEntity {
		t.Fatalf("got %d, want 422: %s", p.status, p.text())
	}
	for _, want := range []string{`value="Ines Aguilar"`, `value="ines@halden.example"`, `value="Halden"`, `id="f-password-note"`, `aria-invalid="true"`} {
		if !strings.Contains(p.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	p.lacks(t, `value="short"`)
}

func TestSignUpTwiceIsOneAccount(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		b := w.anonymous() // the first answer's cookie never arrived
		p := b.post("/sign-up", "nonce", "one", "name", "Ines Aguilar", "email", "ines@halden.example", "password", password)
		p.wants(t, http.StatusOK)
		if b.last != "/" {
			t.Errorf("signing up led to %s: %s", b.last, p.text())
		}
	}
}

// The number of a form comes from whoever posts it, also from nobody known: a
// long one must not be kept.
func TestLongFormNumbersAreNotKept(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("n", 512<<10)
	kept := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := kept()
	for i := range 40 {
		w.anonymous().post("/sign-up", "nonce", fmt.Sprint(i, long), "name", "", "email", "", "password", "")
	}
	if grown := kept() - before; grown > 8<<20 {
		t.Errorf("40 posts that were refused hold %d KiB", grown>>10)
	}
}

func TestClosedSignUpDoesNotExist(t *testing.T) {
	w := newWorld(t)
	w.tenants.OpenSignUp = false
	b := w.anonymous()
	if p := b.get("/sign-up"); p.status != http.StatusNotFound {
		t.Errorf("GET: got %d, want 404", p.status)
	}
	if p := b.post("/sign-up", "name", "Ines", "email", "ines@halden.example", "password", password); p.status != http.StatusNotFound {
		t.Errorf("POST: got %d, want 404", p.status)
	}
	b.get("/sign-in").wants(t, http.StatusOK, "Accounts are made by invitation here.")
}

func TestThemeIsKeptByTheServer(t *testing.T) {
	w := newWorld(t)
	for name, b := range map[string]*browser{"anonymous": w.anonymous(), "signed in": w.consumer("Ines Aguilar")} {
		t.Run(name, func(t *testing.T) {
			p := b.post("/theme", "theme", "dark", "back", "/docs/problems")
			if !strings.Contains(p.body, `data-theme="dark"`) || b.last != "/docs/problems" {
				t.Errorf("the theme is not dark, or led to %s", b.last)
			}
			if p := b.get("/"); !strings.Contains(p.body, `data-theme="dark"`) {
				t.Error("the theme is forgotten on the next page")
			}
			if b.post("/theme", "theme", "light", "back", "//evil.example"); b.last != "/" {
				t.Errorf("the theme form led to %s", b.last)
			}
		})
	}
}

func TestReaderOfSeveralTenantsChoosesOne(t *testing.T) {
	w := newWorld(t)
	second := must[apim.Tenant](t)(w.tenants.CreateTenant(t.Context(), w.provider, "northfield", "Northfield Retail"))
	b := w.anonymous()
	b.post("/sign-in", "email", "ada@meridian.example", "password", password)
	if p := b.get("/"); !strings.Contains(p.body, "Northfield Retail") {
		t.Fatal("the menu does not offer the other tenant")
	}
	b.post("/tenant", "tenant", string(second.ID))
	b.post("/applications", "nonce", "n", "name", "Checkout").wants(t, http.StatusOK, "owned by Northfield Retail")
	b.post("/tenant", "tenant", string(w.providerTenant.ID)).wants(t, http.StatusOK, "No applications yet")
	stranger := w.consumer("Bo Lund")
	if p := stranger.post("/tenant", "tenant", string(second.ID)); p.status != http.StatusNotFound {
		t.Errorf("choosing somebody else's tenant: got %d, want 404", p.status)
	}
}

func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	b := w.consumer("Ines Aguilar")
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/applications", strings.NewReader("name=Evil")))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := b.do(req); p.status != http.StatusForbidden {
		t.Errorf("got %d, want 403", p.status)
	}
	b.get("/applications").wants(t, http.StatusOK, "No applications yet")
}
