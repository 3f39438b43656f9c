package portal_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

// signsIn is another browser of somebody who has an account.
func (w *world) signsIn(email, agent string) *browser {
	w.t.Helper()
	b := w.anonymous()
	b.agent = agent
	b.post("/sign-in", "email", email, "password", password).wants(w.t, http.StatusOK)
	return b
}

func TestAccountListsSessionsAndEndsThem(t *testing.T) {
	w := newWorld(t)
	b := w.consumer("Ines Aguilar")
	b.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	alone := b.get("/account")
	alone.wants(t, http.StatusOK, "Ines Aguilar", "ines.aguilar@halden.example", "Sessions", "this one", "127.0.0.1", "now")
	alone.lacks(t, "Sign out everywhere else")
	soundness(t, "the account", alone)

	w.pass(20 * time.Minute)
	evil := w.signsIn("ines.aguilar@halden.example", `<script>alert("agent")</script>`)
	phone := w.signsIn("ines.aguilar@halden.example", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1")
	w.pass(5 * time.Minute)
	p := b.get("/account")
	p.wants(t, http.StatusOK, "Firefox on Linux this one", "Safari on iPhone", "5 min ago", "Sign out everywhere else")
	soundness(t, "the account with a hostile browser", p)
	row := p.body[strings.Index(p.body, "Safari on iPhone"):]
	end := regexp.MustCompile(`action="(/account/sessions/ses_[0-9a-f]+)"`).FindStringSubmatch(row)[1]

	// Nobody else ends it.
	w.consumer("Bo Lund").post(end).wants(t, http.StatusOK)
	phone.get("/account").wants(t, http.StatusOK, "Safari on iPhone this one")
	for range 2 {
		b.post(end).wants(t, http.StatusOK, "Sessions")
		if b.last != "/account" {
			t.Errorf("ending a session led to %s", b.last)
		}
	}
	if phone.get("/account"); !strings.HasPrefix(phone.last, "/sign-in") {
		t.Errorf("the ended session still sees %s", phone.last)
	}
	evil.get("/account").wants(t, http.StatusOK)
	b.post("/account/sessions").wants(t, http.StatusOK, "Firefox on Linux this one")
	if evil.get("/account"); !strings.HasPrefix(evil.last, "/sign-in") {
		t.Errorf("a session that ended with all others still sees %s", evil.last)
	}
	b.get("/account").lacks(t, "Sign out everywhere else", "<script>alert")
	if p := b.post("/account/sessions/no-id"); p.status != http.StatusNotFound {
		t.Errorf("a made-up session: got %d, want 404", p.status)
	}
	// The one that is used is signed out of as anywhere.
	b.post("/sign-out")
	if b.get("/account"); !strings.HasPrefix(b.last, "/sign-in") {
		t.Errorf("signed out, the account leads to %s", b.last)
	}
}

func TestAccountIsThereForWhoBelongsNowhere(t *testing.T) {
	w := newWorld(t)
	b := w.consumer("Ines Aguilar")
	actor, _ := b.actor("Ines Aguilar")
	path := w.invites("bo@new.example", consumers())
	bo := w.anonymous()
	p := bo.get(path)
	bo.post(path, "nonce", p.nonce(t), "name", "Bo", "email", "bo@new.example", "password", password).wants(t, http.StatusOK)
	person := must[apim.Person](t)(w.tenants.SignIn(t.Context(), "bo@new.example", password, "127.0.0.1"))
	if err := w.tenants.RemoveMember(t.Context(), w.provider, w.providerTenant.ID, person.ID); err != nil {
		t.Fatal(err)
	}
	bo.get("/applications").wants(t, http.StatusForbidden, "You belong to no organisation yet")
	bo.get("/account").wants(t, http.StatusOK, "bo@new.example", "this one")
	if actor.Person == person.ID {
		t.Fatal("two people are one")
	}
}
