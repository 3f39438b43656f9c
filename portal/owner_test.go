package portal_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
)

// buyer is somebody new in the provider's tenant, in teams and with roles.
func (w *world) buyer(name string, roles []apim.Role, teams ...apim.Team) *browser {
	w.t.Helper()
	email := strings.ToLower(name) + "@new.example"
	in := manager.NewInvitation{Roles: roles}
	for _, team := range teams {
		in.Teams = append(in.Teams, team.ID)
	}
	path := w.invites(email, in)
	b := w.anonymous()
	p := b.get(path)
	b.post(path, "nonce", p.nonce(w.t), "name", name, "email", email, "password", password).wants(w.t, http.StatusOK)
	return b
}

// ownersIn are the options of a form's owner, and which is chosen.
func ownersIn(p page) (labels []string, chosen string) {
	box := regexp.MustCompile(`(?s)<select[^>]*name="team"[^>]*>(.*?)</select>`).FindStringSubmatch(p.body)
	if box == nil {
		return nil, ""
	}
	for _, m := range regexp.MustCompile(`<option([^>]*)>([^<]*)</option>`).FindAllStringSubmatch(box[1], -1) {
		label := strings.ReplaceAll(m[2], "&#39;", "'")
		labels = append(labels, label)
		if strings.Contains(m[1], " selected") {
			chosen = label
		}
	}
	return labels, chosen
}

func TestApplicationsSayWhoseTheyAre(t *testing.T) {
	w := newWorld(t)
	tills, kiosks := w.team("Tills", apim.RoleConsumer), w.team("Kiosks", apim.RoleConsumer)
	nina, olaf := w.buyer("Nina", []apim.Role{apim.RoleConsumer}, tills), w.buyer("Olaf", []apim.Role{apim.RoleConsumer})

	form := nina.get("/applications/new")
	labels, chosen := ownersIn(form)
	if want := []string{"No team: the organisation's", "Kiosks", "Tills"}; !slices.Equal(labels, want) || chosen != want[0] {
		t.Errorf("got %v with %q chosen, want %v", labels, chosen, want)
	}
	nina.post("/applications", "nonce", "1", "name", "Mine", "team", "").wants(t, http.StatusOK, "owned by Meridian Logistics, made by you")
	nina.post("/applications", "nonce", "2", "name", "Register", "team", string(tills.ID)).wants(t, http.StatusOK, "owned by the team Tills of Meridian Logistics")
	wrong := nina.post("/applications", "nonce", "3", "name", "Lost", "team", "team_00000000000000000000000000000000")
	wrong.wants(t, http.StatusUnprocessableEntity, "There is no team")
	if !strings.Contains(wrong.body, `id="f-team-note"`) {
		t.Error("the refusal does not stand beside the owner")
	}
	nina.get("/applications").wants(t, http.StatusOK, "Owner", "Mine you", "Register Tills")
	olaf.get("/applications").wants(t, http.StatusOK, "Mine Meridian Logistics", "Register Tills")

	// An application moves to a team, with its name and description.
	edit := nina.get("/applications/mine/edit")
	edit.wants(t, http.StatusOK, "Edit Mine", "Save application")
	soundness(t, "the form of an application", edit)
	lock := regexp.MustCompile(`name="lock" value="([0-9]+)"`).FindStringSubmatch(edit.body)[1]
	nina.post("/applications/mine/edit", "lock", lock, "name", "", "team", string(kiosks.ID)).wants(t, http.StatusUnprocessableEntity, "Edit Mine")
	nina.post("/applications/mine/edit", "lock", lock, "name", "Ours", "description", "Sells snacks.", "team", string(kiosks.ID)).
		wants(t, http.StatusOK, "Ours", "owned by the team Kiosks of Meridian Logistics", "Sells snacks.")
	nina.post("/applications/mine/edit", "lock", lock, "name", "Late", "team", "").wants(t, http.StatusUnprocessableEntity, "changed meanwhile")
	if _, chosen := ownersIn(nina.get("/applications/mine/edit")); chosen != "Kiosks" {
		t.Errorf("the form shows %q", chosen)
	}
	// A form without the field leaves the owner.
	nina.post("/applications/mine/edit", "name", "Ours").wants(t, http.StatusOK, "owned by the team Kiosks of Meridian Logistics")
}

func TestMemberOfTeamsMakesApplicationsOfTheirsAlone(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	tills, kiosks, readers := w.team("Tills", apim.RoleConsumer), w.team("Kiosks", apim.RoleConsumer), w.team("Readers", apim.RoleAuditor)
	must[apim.Application](t)(w.access.CreateApplication(t.Context(), w.provider, w.providerTenant.ID, manager.ApplicationInput{Name: new("Inside")}))
	seen := must[apim.Application](t)(w.access.CreateApplication(t.Context(), w.provider, w.providerTenant.ID, manager.ApplicationInput{Name: new("Seen"), Team: &readers.ID}))

	one := w.buyer("Una", nil, tills)
	if labels, chosen := ownersIn(one.get("/applications/new")); !slices.Equal(labels, []string{"Tills"}) || chosen != "" {
		t.Errorf("got %v, want the one team", labels)
	}
	one.get("/applications").wants(t, http.StatusOK, "No applications yet")
	one.get("/applications/inside").wants(t, http.StatusNotFound)
	one.get("/applications/inside/edit").wants(t, http.StatusNotFound)
	one.post("/applications", "nonce", "1", "name", "Counter").wants(t, http.StatusOK, "owned by the team Tills of Meridian Logistics")

	// Who is in two says which, also where the application is made on the way.
	both := w.buyer("Bea", nil, tills, kiosks)
	form := fmt.Sprintf("/products/meridian/%s/subscribe", o.product.Slug)
	p := both.get(form)
	if labels, _ := ownersIn(p); !slices.Equal(labels, []string{"Kiosks", "Tills"}) {
		t.Errorf("got %v, want both teams", labels)
	}
	soundness(t, "the request with an owner", p)
	both.post(form, "nonce", p.nonce(t), "application", "new", "name", "Snacks", "plan", string(o.automatic.ID)).
		wants(t, http.StatusUnprocessableEntity, "Say which team is to own it: Kiosks, Tills")
	both.post(form, "nonce", p.nonce(t), "application", "new", "name", "Snacks", "team", string(kiosks.ID), "plan", string(o.automatic.ID)).wants(t, http.StatusOK)
	both.get("/applications").wants(t, http.StatusOK, "Snacks Kiosks", "Counter Tills")

	// Who only reads an application is offered no form, and has none.
	if err := w.tenants.AddTeamMember(t.Context(), w.provider, w.providerTenant.ID, readers.ID, memberOf(t, w, "una@new.example")); err != nil {
		t.Fatal(err)
	}
	one.get("/applications/"+seen.Slug).lacks(t, "/applications/seen/edit")
	one.post("/applications/seen/edit", "name", "Mine").wants(t, http.StatusForbidden)
}

func memberOf(t *testing.T, w *world, email string) apim.ID {
	t.Helper()
	return must[apim.Person](t)(w.tenants.SignIn(t.Context(), email, password, "127.0.0.1")).ID
}
