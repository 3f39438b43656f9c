package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// teamsPage lists the tenant's teams.
type teamsPage struct {
	peopleHead
	Rows  []teamRow
	Add   string // "" for who may not
	Later string
	First string
}

type teamRow struct {
	Name, Slug, Href, Owns string
	Roles, Members         []string
}

func (h *Console) teams(v *visit) error {
	list, err := h.Tenants.Teams(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := teamsPage{peopleHead: h.peopleHead(v, "Teams")}
	if v.can(apim.Write, apim.ObjectTeam, "") {
		p.Add = v.links.newTeam()
	}
	for _, d := range list.Items {
		row := teamRow{Name: d.Team.Name, Slug: d.Team.Slug, Href: v.links.team(d.Team.Slug), Owns: ownsText(d), Roles: roleWords(d.Team.Roles)}
		for _, m := range d.Members {
			row.Members = append(row.Members, m.Name)
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(v.links.teams(), list.NextCursor)
	return v.render(http.StatusOK, teamsList(p))
}

func roleWords(roles []apim.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = title(r)
	}
	return out
}

func ownsText(d manager.TeamDetail) string {
	var parts []string
	for _, one := range []struct {
		n         int
		word, all string
	}{{d.Owns.APIs, "API", "APIs"}, {d.Owns.Products, "product", "products"}, {d.Owns.Applications, "application", "applications"}} {
		if one.n > 0 {
			parts = append(parts, count(one.n, one.word, one.all))
		}
	}
	if len(parts) == 0 {
		return "nothing yet"
	}
	return strings.Join(parts, ", ")
}

// teamPage shows a team.
type teamPage struct {
	peopleHead
	Team         apim.Team
	Roles        []string
	Owns         []link
	Members      []teamMemberRow
	Edit, Delete string // "" for who may not
	Add          string
	InviteInto   string   // asks for somebody new
	Others       []choice // who could be added
	Form         form
}

type teamMemberRow struct{ Name, Email, Joined, Remove string }

func (h *Console) teamOf(v *visit) (manager.TeamDetail, error) {
	return h.Tenants.Team(v.ctx(), v.actor, v.tenant.ID, v.param("team"))
}

func (h *Console) team(v *visit) error {
	d, err := h.teamOf(v)
	if err != nil {
		return err
	}
	return h.teamPage(v, http.StatusOK, d, form{})
}

func (h *Console) teamPage(v *visit, status int, d manager.TeamDetail, f form) error {
	p := teamPage{peopleHead: h.peopleHead(v, "Teams"), Team: d.Team, Roles: roleWords(d.Team.Roles), Owns: v.owns(d), Form: f}
	p.Frame.Crumbs = v.shell(d.Team.Name, link{"Members & audit", v.links.members()}, link{"Teams", v.links.teams()}, link{d.Team.Name, ""}).Frame.Crumbs
	p.Frame.Title = d.Team.Name
	manages := v.can(apim.Manage, apim.ObjectMember, d.Team.ID)
	in := map[apim.ID]bool{}
	for _, m := range d.Members {
		row := teamMemberRow{Name: m.Name, Email: m.Email, Joined: day(m.JoinedAt)}
		if manages || m.Person == v.actor.Person {
			row.Remove = v.links.team(d.Team.Slug, "members", string(m.Person), "remove")
		}
		in[m.Person] = true
		p.Members = append(p.Members, row)
	}
	if v.can(apim.Write, apim.ObjectTeam, d.Team.ID) {
		p.Edit = v.links.team(d.Team.Slug, "edit")
	}
	if v.can(apim.Write, apim.ObjectTeam, "") {
		p.Delete = v.links.team(d.Team.Slug, "delete")
	}
	if manages {
		p.Add = v.links.team(d.Team.Slug, "members")
		p.InviteInto = with(v.links.invite(), "team", string(d.Team.ID))
		all, err := h.Tenants.Members(v.ctx(), v.actor, v.tenant.ID, apim.Page{Limit: mostPlaces})
		if err != nil {
			return err
		}
		for _, m := range all.Items {
			if !in[m.Person] {
				p.Others = append(p.Others, choice{string(m.Person), m.Name + " · " + m.Email})
			}
		}
	}
	return v.render(status, teamView(p))
}

// owns are what a team owns, as links to lists that the reader may see.
func (v *visit) owns(d manager.TeamDetail) []link {
	var out []link
	for _, one := range []struct {
		n              int
		word, all, url string
		object         apim.Object
	}{
		{d.Owns.APIs, "API", "APIs", with(v.links.apis(), "team", d.Team.Slug), apim.ObjectAPI},
		{d.Owns.Products, "product", "products", with(v.links.products(), "team", d.Team.Slug), apim.ObjectProduct},
		{d.Owns.Applications, "application", "applications", v.links.applications(), apim.ObjectApplication},
	} {
		if one.n == 0 {
			continue
		}
		if !v.can(apim.Read, one.object, d.Team.ID) {
			one.url = ""
		}
		out = append(out, link{count(one.n, one.word, one.all), one.url})
	}
	return out
}

// teamForm asks for a team's name and roles.
type teamForm struct {
	askPage
	New   bool
	Roles []roleOption
}

func (h *Console) newTeam(v *visit) error {
	return v.render(http.StatusOK, teamDialog(h.newTeamForm(v, filled("role", "provider"))))
}

func (h *Console) newTeamForm(v *visit, f form) teamForm {
	p := teamForm{askPage: h.ask(v, "New team", v.links.teams(), f), New: true, Roles: roleOptions()[1:]}
	p.Submit, p.Intro = "Make team", "Its members have its roles on the APIs, products and applications that it owns, and on no others."
	return p
}

func teamInput(f form) manager.TeamInput {
	name, description, roles := f.text("name"), f.text("description"), []apim.Role{}
	for _, r := range f.values["role"] {
		roles = append(roles, apim.Role(r))
	}
	return manager.TeamInput{Slug: f.text("slug"), Name: &name, Description: &description, Roles: &roles, Lock: lockOf(f)}
}

func (h *Console) createTeam(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		t, err := h.Tenants.CreateTeam(v.ctx(), v.actor, v.tenant.ID, teamInput(f))
		return v.links.team(t.Slug), err
	})
	if err == nil {
		return v.redirect(to)
	}
	if !refusePeople(&f, err, []string{"name", "slug", "description", "role"}, map[string]string{"roles": "role"}) {
		return err
	}
	return v.again(f, teamDialog(h.newTeamForm(v, f)))
}

func (h *Console) editTeam(v *visit) error {
	d, err := h.teamOf(v)
	if err != nil {
		return err
	}
	f := filled("name", d.Team.Name, "description", d.Team.Description, "lock", lockText(d.Team.Lock))
	for _, r := range d.Team.Roles {
		f.values.Add("role", string(r))
	}
	return v.render(http.StatusOK, teamDialog(h.editTeamForm(v, d, f)))
}

func (h *Console) editTeamForm(v *visit, d manager.TeamDetail, f form) teamForm {
	p := teamForm{askPage: h.ask(v, "Edit "+d.Team.Name, v.links.team(d.Team.Slug), f), Roles: roleOptions()[1:]}
	p.Submit, p.Intro = "Save team", "A change of roles holds at once, for all of its members."
	return p
}

func (h *Console) saveTeam(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.teamOf(v)
	if err != nil {
		return err
	}
	if _, err = h.Tenants.UpdateTeam(v.ctx(), v.actor, v.tenant.ID, d.Team.ID, teamInput(f)); err == nil {
		v.flash(toneOK, d.Team.Name+" is saved.")
		return v.redirect(v.links.team(d.Team.Slug))
	}
	if !refusePeople(&f, err, []string{"name", "description", "role"}, map[string]string{"roles": "role"}) {
		return err
	}
	return v.again(f, teamDialog(h.editTeamForm(v, d, f)))
}

func (h *Console) deleteTeam(v *visit) error {
	d, err := h.teamOf(v)
	if apim.KindOf(err) == apim.NotFound {
		return v.redirect(v.links.teams()) // deleted before
	}
	if err != nil {
		return err
	}
	var f form
	err = h.Tenants.DeleteTeam(v.ctx(), v.actor, v.tenant.ID, d.Team.ID)
	switch {
	case err == nil:
		v.flash(toneOK, "The team "+d.Team.Name+" is deleted.")
		return v.redirect(v.links.teams())
	case !refusePeople(&f, err, nil, nil):
		return err
	}
	return h.teamPage(v, v.status(f), d, f)
}

func (h *Console) addToTeam(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.teamOf(v)
	if err != nil {
		return err
	}
	id, err := apim.ParseID(apim.PrefixPerson, f.value("person"))
	if err != nil {
		f.fail("person", "choose somebody")
		return h.teamPage(v, v.status(f), d, f)
	}
	if err := h.Tenants.AddTeamMember(v.ctx(), v.actor, v.tenant.ID, d.Team.ID, id); err != nil {
		return err
	}
	return v.redirect(v.links.team(d.Team.Slug))
}

func (h *Console) takeFromTeam(v *visit) error {
	d, err := h.teamOf(v)
	if err != nil {
		return err
	}
	id, err := apim.ParseID(apim.PrefixPerson, v.param("person"))
	if err != nil {
		return err
	}
	err = h.Tenants.RemoveTeamMember(v.ctx(), v.actor, v.tenant.ID, d.Team.ID, id)
	if err != nil && apim.KindOf(err) != apim.NotFound {
		return err // who is not there any more was taken out before
	}
	return v.redirect(v.links.team(d.Team.Slug))
}

// matrixPage shows what each role may.
type matrixPage struct {
	peopleHead
	Roles []string
	Rows  []matrixRow
}

type matrixRow struct {
	Label string
	May   []bool
}

func (h *Console) rolesMatrix(v *visit) error {
	p := matrixPage{peopleHead: h.peopleHead(v, "Roles")}
	for _, r := range apim.Roles() {
		p.Roles = append(p.Roles, title(r))
	}
	for _, line := range []struct {
		label  string
		verb   apim.Verb
		object apim.Object
	}{
		{"See APIs and their drafts", apim.Read, apim.ObjectAPI},
		{"Import and change APIs", apim.Write, apim.ObjectAPI},
		{"Publish, roll back, deprecate and retire", apim.Publish, apim.ObjectAPI},
		{"Change products and plans", apim.Write, apim.ObjectProduct},
		{"See products, and who asks for and uses them", apim.Read, apim.ObjectProduct},
		{"Answer access requests, suspend and resume", apim.Approve, apim.ObjectSubscription},
		{"See applications and their subscriptions", apim.Read, apim.ObjectApplication},
		{"Make applications and ask for access", apim.Write, apim.ObjectApplication},
		{"Make, rotate and revoke keys", apim.Write, apim.ObjectCredential},
		{"See gateway nodes", apim.Read, apim.ObjectNode},
		{"See members and teams", apim.Read, apim.ObjectMember},
		{"Make teams", apim.Write, apim.ObjectTeam},
		{"Invite, remove, give roles", apim.Manage, apim.ObjectMember},
		{"Read the audit log", apim.Read, apim.ObjectAudit},
		{"Make API tokens of their own", apim.Write, apim.ObjectToken},
		{"See and revoke everybody's API tokens", apim.Manage, apim.ObjectToken},
	} {
		row := matrixRow{Label: line.label}
		for _, r := range apim.Roles() {
			row.May = append(row.May, manager.RoleMay(r, line.verb, line.object))
		}
		p.Rows = append(p.Rows, row)
	}
	return v.render(http.StatusOK, matrixView(p))
}
