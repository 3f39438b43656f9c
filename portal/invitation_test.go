package portal_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// invites returns the path of a new invitation's link, which has to lead here.
func (w *world) invites(email string, in manager.NewInvitation) string {
	w.t.Helper()
	in.Email = email
	_, link, err := w.tenants.Invite(w.t.Context(), w.provider, w.providerTenant.ID, in)
	if err != nil {
		w.t.Fatal(err)
	}
	path, here := strings.CutPrefix(link.Reveal(), "http://localhost:8081")
	if !here {
		w.t.Fatalf("the link of a consumer leads to %s, want the portal", link.Reveal())
	}
	return path
}

func (w *world) team(name string, roles ...apim.Role) apim.Team {
	w.t.Helper()
	return must[apim.Team](w.t)(w.tenants.CreateTeam(w.t.Context(), w.provider, w.providerTenant.ID, manager.TeamInput{Name: &name, Roles: &roles}))
}

func consumers() manager.NewInvitation {
	return manager.NewInvitation{Roles: []apim.Role{apim.RoleConsumer}}
}

func TestInvitedConsumerMakesAnAccountOnTheSpot(t *testing.T) {
	w := newWorld(t)
	w.tenants.OpenSignUp = false // the invitation is the permission
	buyers := w.team("Buyers", apim.RoleConsumer)
	path := w.invites("nina@new.example", manager.NewInvitation{Teams: []apim.ID{buyers.ID}})
	b := w.anonymous()
	p := b.get(path)
	p.wants(t, http.StatusOK, "Join Meridian Logistics", "Ada Provider invites nina@new.example", "You will be: in the team Buyers", "Your name", "Password", "Make account and join")
	soundness(t, "an invitation", p)
	if got := p.header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy: got %q: the address holds the token", got)
	}
	wrong := b.post(path, "nonce", p.nonce(t), "name", "Nina", "email", "other@new.example", "password", "short")
	wrong.wants(t, http.StatusUnprocessableEntity, "Join Meridian Logistics")
	for _, want := range []string{`value="Nina"`, `id="f-password-note"`, `value="nina@new.example"`} {
		if !strings.Contains(wrong.body, want) {
			t.Errorf("the refused form lacks %s", want)
		}
	}
	wrong.lacks(t, `value="short"`, "other@new.example")
	for range 2 { // a double click is one account
		again := w.anonymous()
		again.post(path, "nonce", p.nonce(t), "name", "Nina", "email", "nina@new.example", "password", password).wants(t, http.StatusOK, "Applications")
		if again.last != "/applications" {
			t.Errorf("joining led to %s", again.last)
		}
	}
	b.post("/sign-in", "email", "nina@new.example", "password", password)
	b.post("/applications", "nonce", "n", "name", "Till").wants(t, http.StatusOK, "owned by the team Buyers of Meridian Logistics")
	w.anonymous().get(path).wants(t, http.StatusGone, "This invitation is not valid any more", "was used", "Sign in")
	b.get(path).wants(t, http.StatusGone, "not valid any more", "To your applications")
}

func TestInvitedConsumerWithAnAccountSignsInAndAccepts(t *testing.T) {
	w := newWorld(t)
	b := w.consumer("Ines Aguilar") // has an organisation of her own
	path := w.invites("ines.aguilar@halden.example", consumers())
	fresh := w.anonymous()
	p := fresh.get(path)
	p.wants(t, http.StatusOK, "Join Meridian Logistics", "ines.aguilar@halden.example, which has an account here", "Sign in")
	p.lacks(t, "Your name", `name="password"`)
	to := strings.ReplaceAll(regexp.MustCompile(`href="(/sign-in\?return_to=[^"]*)"`).FindStringSubmatch(p.body)[1], "&amp;", "&")
	back := must[*url.URL](t)(url.Parse(to)).Query().Get("return_to")
	p = fresh.post("/sign-in", "return_to", back, "email", "ines.aguilar@halden.example", "password", password)
	p.wants(t, http.StatusOK, "Join Meridian Logistics", "You will be: Consumer.")
	if fresh.last != path {
		t.Errorf("signing in led to %s, want the invitation", fresh.last)
	}
	// Nobody takes it over by making an account for the same address.
	w.anonymous().post(path, "name", "Eve", "password", password).wants(t, http.StatusUnprocessableEntity, "which has an account here")

	// Somebody else is told so, and the way out leads back.
	other := w.consumer("Bo Lund")
	told := other.get(path)
	told.wants(t, http.StatusOK, "This invitation is for somebody else", "It is for ines.aguilar@halden.example, and you are signed in as bo.lund@halden.example", "Sign out")
	soundness(t, "somebody else's invitation", told)
	other.post(path).wants(t, http.StatusForbidden, "This invitation is for somebody else")
	other.post("/sign-out", "return_to", path).wants(t, http.StatusOK, "which has an account here")
	if other.last != path {
		t.Errorf("signing out led to %s, want the invitation", other.last)
	}
	if other.post("/sign-out", "return_to", "//evil.example"); other.last != "/" {
		t.Errorf("signing out led to %s", other.last)
	}

	for range 2 {
		joined := fresh.post(path, "nonce", p.nonce(t))
		joined.wants(t, http.StatusOK, "No applications yet")
	}
	// She acts for whom she has joined, and can choose.
	fresh.post("/applications", "nonce", "n", "name", "Till").wants(t, http.StatusOK, "owned by Meridian Logistics, made by you")
	b.get("/").wants(t, http.StatusOK)
	if p := b.get("/account"); !strings.Contains(p.body, "In Meridian Logistics") || !strings.Contains(p.body, "In Ines Aguilar Outfitters") {
		t.Errorf("the account does not name both organisations: %s", p.text())
	}
}

func TestEndedInvitationSaysWhy(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"/invitation", "/invitation?token=made-up"} {
		w.anonymous().get(bad).wants(t, http.StatusGone, "not valid any more", "ask who sent it for another")
		w.anonymous().post(bad, "name", "Eve", "password", password).wants(t, http.StatusGone, "not valid any more")
	}
	made, link, err := w.tenants.Invite(t.Context(), w.provider, w.providerTenant.ID, manager.NewInvitation{Email: "a@new.example", Roles: []apim.Role{apim.RoleConsumer}})
	if err != nil {
		t.Fatal(err)
	}
	first := strings.TrimPrefix(link.Reveal(), "http://localhost:8081")
	if _, link, err = w.tenants.ResendInvitation(t.Context(), w.provider, w.providerTenant.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	second := strings.TrimPrefix(link.Reveal(), "http://localhost:8081")
	w.anonymous().get(first).wants(t, http.StatusGone, "has a newer link")
	w.anonymous().get(second).wants(t, http.StatusOK, "Join Meridian Logistics")
	if err := w.tenants.RevokeInvitation(t.Context(), w.provider, w.providerTenant.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	gone := w.anonymous().get(second)
	gone.wants(t, http.StatusGone, "was revoked")
	soundness(t, "an invitation that was revoked", gone)
	gone.lacks(t, "Meridian", "a@new.example")

	late := w.invites("b@new.example", consumers())
	w.pass(8 * 24 * time.Hour)
	over := w.anonymous().get(late)
	over.wants(t, http.StatusGone, "This invitation ended on 30 November 2026", "ask Ada Provider for a new link")
	over.lacks(t, "Meridian", "b@new.example")
	w.anonymous().post(late, "name", "B", "password", password).wants(t, http.StatusGone, "ended on")
}
