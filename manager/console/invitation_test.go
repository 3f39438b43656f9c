package console_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

func TestAnInvitationsLinkJoins(t *testing.T) {
	s := newSite(t)
	owner := s.operator()
	acme, err := s.tenants.Tenant(t.Context(), system(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	invite := func(email string) string {
		t.Helper()
		_, link, err := s.tenants.Invite(t.Context(), system(), acme.ID, manager.NewInvitation{Email: email, Roles: []apim.Role{apim.RoleProvider}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(link.Reveal(), s.server.URL)
	}

	// Somebody new makes an account.
	path, grace := invite("grace@acme.example"), s.browser()
	grace.get(path).shows(http.StatusOK, "Join Acme", "grace@acme.example", "Your name", "Password")
	wrong := grace.post(path, "name", "", "password", "short").shows(http.StatusUnprocessableEntity)
	wrong.fieldError("name")
	wrong.fieldError("password")
	a := grace.post(path, "name", "Grace", "password", password).shows(http.StatusOK, "Overview", "You have joined Acme")
	if a.path != "/t/acme" {
		t.Errorf("got to %s, want /t/acme", a.path)
	}
	s.browser().get(path).shows(http.StatusGone, "not valid any more")
	s.browser().get("/invitation?token=made-up").shows(http.StatusGone, "not valid any more")
	s.browser().post("/invitation?token=made-up", "name", "Eve", "password", password).shows(http.StatusGone, "not valid any more")

	// Who has an account elsewhere signs in first, and is led back.
	other, err := s.tenants.CreateTenant(t.Context(), system(), "other", "Other")
	if err != nil {
		t.Fatal(err)
	}
	_, link, err := s.tenants.Invite(t.Context(), system(), other.ID, manager.NewInvitation{Email: "grace@acme.example", Roles: []apim.Role{apim.RoleAuditor}})
	if err != nil {
		t.Fatal(err)
	}
	path = strings.TrimPrefix(link.Reveal(), s.server.URL)
	s.browser().get(path).shows(http.StatusOK, "Join Other", "Sign in with it to accept").hides("Your name")
	s.browser().post(path, "name", "Eve", "password", password).shows(http.StatusUnprocessableEntity, "Sign in with it to accept")
	back := s.browser()
	back.post("/sign-in", "return_to", path, "email", "grace@acme.example", "password", password).shows(http.StatusOK, "Join Other").hides("Your name")

	// Somebody else's link is not theirs.
	owner.post(path).shows(http.StatusForbidden, "The invitation is for grace@acme.example")
	a = back.post(path).shows(http.StatusOK, "Overview", "You have joined Other")
	if a.path != "/t/other" {
		t.Errorf("got to %s, want /t/other", a.path)
	}
}
