package console

import (
	"net/http"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/ui"
)

// peopleHead is what the pages about people have above them.
type peopleHead struct {
	shell
	Tabs   []ui.TabItem
	Invite string // "" for who may not
}

func (h *Console) peopleHead(v *visit, tab string) peopleHead {
	p := peopleHead{shell: v.shell("Members and audit", link{"Members & audit", ""})}
	l := v.links
	for _, t := range []struct {
		label, href string
		see         bool
	}{
		{"Members", l.members(), true},
		{"Teams", l.teams(), v.can(apim.Read, apim.ObjectTeam)},
		{"Roles", l.roles(), true},
		{"Audit log", l.audit(), v.can(apim.Read, apim.ObjectAudit)},
	} {
		if t.see {
			p.Tabs = append(p.Tabs, ui.TabItem{Label: t.label, Href: t.href, Current: t.label == tab})
		}
	}
	if v.can(apim.Manage, apim.ObjectMember) {
		p.Invite = l.invite()
	}
	return p
}

// membersPage lists who is in the tenant and who is invited.
type membersPage struct {
	peopleHead
	Rows    []memberRow
	Invited []invitedRow
	Fresh   string // a new link, on this page alone
	FreshTo string // whom it is for
	Later   string
	First   string
}

type memberRow struct {
	Name, Email, Seen string
	Roles             []roleLine
	You               bool
	Change, Remove    string // "" for who may not
}

// roleLine is a role and where it holds.
type roleLine struct {
	Role, Where string
	Owner       bool
}

type invitedRow struct{ Email, Text, Resend, Revoke string }

func (h *Console) members(v *visit) error { return h.membersPage(v, http.StatusOK, "", "") }

func (h *Console) membersPage(v *visit, status int, fresh, to string) error {
	list, err := h.Tenants.Members(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := membersPage{peopleHead: h.peopleHead(v, "Members"), Fresh: fresh, FreshTo: to}
	var invited []apim.Invitation
	if p.Invite != "" {
		if invited, err = h.invited(v); err != nil {
			return err
		}
	}
	places, err := h.placesOf(v, list.Items, invited)
	if err != nil {
		return err
	}
	removes := v.can(apim.Manage, apim.ObjectMember, "")
	for _, m := range list.Items {
		row := memberRow{Name: m.Name, Email: m.Email, Seen: agoPhrase(v.now, m.SignedIn), You: m.Person == v.actor.Person}
		for _, r := range m.Roles {
			row.Roles = append(row.Roles, roleLine{title(r), "Everything", r == apim.RoleOwner})
		}
		for _, g := range m.Grants {
			row.Roles = append(row.Roles, roleLine{title(g.Role), places.name(g.On), false})
		}
		for _, team := range m.Teams {
			row.Roles = append(row.Roles, roleLine{"In team", places.name(team), false})
		}
		if p.Invite != "" {
			row.Change = v.links.member(m.Person, "roles")
		}
		if row.You || removes {
			row.Remove = v.links.member(m.Person, "remove")
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(v.links.members(), list.NextCursor)
	p.Invited = invitedRows(v, invited, places)
	return v.render(status, membersList(p))
}

func (h *Console) invited(v *visit) ([]apim.Invitation, error) {
	list, err := h.Tenants.Invitations(v.ctx(), v.actor, v.tenant.ID, apim.Page{Limit: 200})
	return list.Items, err
}

func invitedRows(v *visit, invited []apim.Invitation, places places) []invitedRow {
	var out []invitedRow
	for _, i := range invited {
		row := invitedRow{Email: i.Email, Resend: v.links.invitationDo(i.ID, "resend"), Revoke: v.links.invitationDo(i.ID, "revoke")}
		ends := "the link has ended"
		if !i.Expired(v.now) {
			ends = "the link ends in " + ago(i.ExpiresAt, v.now)
		}
		row.Text = strings.Join(append(places.grants(i.Grants, i.Teams), "invited by "+i.Inviter+" "+agoPhrase(v.now, i.CreatedAt), ends), " · ")
		out = append(out, row)
	}
	return out
}

// placesOf is places, as far as the roles of people and invitations that are
// shown are on any: most are on the tenant.
func (h *Console) placesOf(v *visit, members []apim.Member, invited []apim.Invitation) (places, error) {
	on := func(g apim.RoleGrant) bool { return g.On != "" }
	if slices.ContainsFunc(members, func(m apim.Member) bool { return len(m.Teams) > 0 || slices.ContainsFunc(m.Grants, on) }) ||
		slices.ContainsFunc(invited, func(i apim.Invitation) bool { return len(i.Teams) > 0 || slices.ContainsFunc(i.Grants, on) }) {
		return h.places(v)
	}
	return places{}, nil
}

// places are what roles can be on: their names, and as options.
type places struct {
	names   map[apim.ID]string
	choices []choice
	teams   []choice
}

func (p places) name(id apim.ID) string {
	if name := p.names[id]; name != "" {
		return name
	}
	return string(id)
}

func (p places) grants(grants []apim.RoleGrant, teams []apim.ID) []string {
	var out []string
	for _, g := range grants {
		where := "everything"
		if g.On != "" {
			where = p.name(g.On)
		}
		out = append(out, title(g.Role)+" on "+where)
	}
	for _, t := range teams {
		out = append(out, "team "+p.name(t))
	}
	return out
}

// mostPlaces is how many of each kind a select offers; beyond them the
// management API goes on.
const mostPlaces = 200

// places finds what the reader may see of what roles can be on.
func (h *Console) places(v *visit) (places, error) {
	p := places{names: map[apim.ID]string{}}
	page := apim.Page{Limit: mostPlaces}
	add := func(id apim.ID, kind, name string) {
		p.names[id] = name
		p.choices = append(p.choices, choice{string(id), kind + " · " + name})
	}
	teams, err := h.Tenants.Teams(v.ctx(), v.actor, v.tenant.ID, page)
	if err = unlessForbidden(err); err != nil {
		return p, err
	}
	for _, t := range teams.Items {
		add(t.Team.ID, "Team", t.Team.Name)
		p.teams = append(p.teams, choice{string(t.Team.ID), t.Team.Name})
	}
	apis, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: page})
	if err = unlessForbidden(err); err != nil {
		return p, err
	}
	for _, a := range apis.Items {
		add(a.API.ID, "API", a.API.Name)
	}
	products, err := h.Catalog.Products(v.ctx(), v.actor, v.tenant.ID, manager.ProductQuery{Page: page})
	if err = unlessForbidden(err); err != nil {
		return p, err
	}
	for _, d := range products.Items {
		add(d.Product.ID, "Product", d.Product.Name)
	}
	applications, err := h.Access.Applications(v.ctx(), v.actor, v.tenant.ID, page)
	if err = unlessForbidden(err); err != nil {
		return p, err
	}
	for _, a := range applications.Items {
		add(a.Application.ID, "Application", a.Application.Name)
	}
	return p, nil
}

// unlessForbidden drops a refusal for want of a role: who may not see something
// is shown the rest.
func unlessForbidden(err error) error {
	if apim.KindOf(err) == apim.Forbidden {
		return nil
	}
	return err
}

// askPage is a question about somebody or something of the tenant.
type askPage struct {
	shell
	Dialog                 bool // only the dialog is asked for
	Heading, Intro, Submit string
	Action, Back           string
	Danger                 bool
	Form                   form
}

func (h *Console) ask(v *visit, heading, back string, f form) askPage {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	return askPage{
		shell: v.shell(heading, link{"Members & audit", v.links.members()}, link{heading, ""}), Dialog: v.wantsDialog(),
		Heading: heading, Action: v.c.Request.URL.Path, Back: back, Form: f,
	}
}

func (p askPage) view() ui.DialogView {
	v := ui.DialogView{ID: "ask", Title: p.Heading, Text: p.Intro, Action: p.Action, Submit: p.Submit, Cancel: p.Back}
	if p.Danger {
		v.Look.Kind = ui.DangerSolid
	}
	return v
}

// rolesPage asks for roles: of a member, or of somebody who is invited.
type rolesPage struct {
	askPage
	Email  bool // asks for an address
	Roles  []roleOption
	Held   []choice // on teams and objects
	Places []choice
	Teams  []choice
}

type roleOption struct{ Value, Label, Note string }

// roleOptions are the roles of a tenant with what they mean, the widest first.
func roleOptions() []roleOption {
	return []roleOption{
		{"owner", "Owner", "Everything, also giving the role of owner"},
		{"admin", "Admin", "Everything but owners"},
		{"provider", "Provider", "APIs, products and plans"},
		{"approver", "Approver", "Answers access requests"},
		{"consumer", "Consumer", "Applications, subscriptions and keys"},
		{"auditor", "Auditor", "Reads everything, changes nothing"},
	}
}

// grantsIn reads the roles of a form: those that are ticked, and a new one.
func grantsIn(f *form) (roles []apim.Role, grants []apim.RoleGrant) {
	roles, grants = []apim.Role{}, []apim.RoleGrant{}
	for _, r := range f.values["role"] {
		roles = append(roles, apim.Role(r))
	}
	for _, text := range f.values["grant"] {
		role, on, _ := strings.Cut(text, "@")
		grants = append(grants, apim.RoleGrant{Role: apim.Role(role), On: apim.ID(on)})
	}
	role, on := f.value("new_role"), f.value("new_on")
	switch {
	case role == "" && on != "":
		f.fail("new_role", "choose which role")
	case role != "" && on == "":
		f.fail("new_on", "choose where")
	case role != "":
		grants = append(grants, apim.RoleGrant{Role: apim.Role(role), On: apim.ID(on)})
	}
	return roles, grants
}

func rolesPageOf(ask askPage, places places) rolesPage {
	return rolesPage{askPage: ask, Roles: roleOptions(), Places: places.choices, Teams: places.teams}
}

func (h *Console) memberForm(v *visit) error {
	m, err := h.memberOf(v)
	if err != nil {
		return err
	}
	f := filled("lock", lockText(m.Lock))
	for _, r := range m.Roles {
		f.values.Add("role", string(r))
	}
	for _, g := range m.Grants {
		f.values.Add("grant", string(g.Role)+"@"+string(g.On))
	}
	return h.memberPage(v, http.StatusOK, m, f)
}

func (h *Console) memberOf(v *visit) (apim.Member, error) {
	id, err := apim.ParseID(apim.PrefixPerson, v.param("person"))
	if err != nil {
		return apim.Member{}, err
	}
	return h.Tenants.Member(v.ctx(), v.actor, v.tenant.ID, id)
}

func (h *Console) memberPage(v *visit, status int, m apim.Member, f form) error {
	places, err := h.places(v)
	if err != nil {
		return err
	}
	p := rolesPageOf(h.ask(v, "Roles of "+m.Name, v.links.members(), f), places)
	p.Intro, p.Submit = "What "+m.Name+" may. It holds at once.", "Save roles"
	for _, g := range m.Grants {
		p.Held = append(p.Held, choice{string(g.Role) + "@" + string(g.On), title(g.Role) + " on " + places.name(g.On)})
	}
	return v.render(status, rolesForm(p))
}

func (h *Console) saveMember(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, err := h.memberOf(v)
	if err != nil {
		return err
	}
	roles, grants := grantsIn(&f)
	if !f.failed() {
		_, err = h.Tenants.UpdateMember(v.ctx(), v.actor, v.tenant.ID, m.Person, manager.MemberChange{Roles: &roles, Grants: &grants, Lock: lockOf(f)})
		if err == nil {
			v.flash(toneOK, "The roles of "+m.Name+" are saved.")
			return v.redirect(v.links.members())
		}
		if !refusePeople(&f, err, []string{"role", "new_role", "new_on"}, map[string]string{"roles": "role", "grants": "new_role"}) {
			return err
		}
	}
	return h.memberPage(v, v.status(f), m, f)
}

// refusePeople is form.refuse, which also takes a refusal for want of a role:
// which of the ticked ones may be given is only known when they are.
func refusePeople(f *form, err error, fields []string, rename map[string]string) bool {
	if apim.KindOf(err) == apim.Forbidden {
		f.refused, f.message = err, sentence(message(err))
		return true
	}
	return f.refuse(err, fields, rename)
}

func (h *Console) removeForm(v *visit) error {
	m, err := h.memberOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, removeMemberForm(h.removePage(v, m, form{})))
}

func (h *Console) removePage(v *visit, m apim.Member, f form) askPage {
	heading := "Remove " + m.Name
	if m.Person == v.actor.Person {
		heading = "Leave " + v.tenant.Name
	}
	p := h.ask(v, heading, v.links.members(), f)
	p.Intro = m.Name + " loses " + v.tenant.Name + " at once, in the browser too. Their API tokens for it and the invitations that they made end. What they did stays in the audit log."
	p.Submit, p.Danger = "Remove member", true
	if m.Person == v.actor.Person {
		p.Intro, p.Submit = "You lose "+v.tenant.Name+" at once. Your API tokens for it and the invitations that you made end.", "Leave"
	}
	return p
}

func (h *Console) removeMember(v *visit) error {
	m, err := h.memberOf(v)
	if apim.KindOf(err) == apim.NotFound {
		return v.redirect(v.links.members()) // removed before
	}
	if err != nil {
		return err
	}
	var f form
	err = h.Tenants.RemoveMember(v.ctx(), v.actor, v.tenant.ID, m.Person)
	switch {
	case err == nil && m.Person == v.actor.Person:
		v.flash(toneOK, "You have left "+v.tenant.Name+".")
		return v.redirect(rootPath)
	case err == nil:
		v.flash(toneOK, m.Name+" is removed.")
		return v.redirect(v.links.members())
	case !refusePeople(&f, err, nil, nil):
		return err
	}
	return v.render(v.status(f), removeMemberForm(h.removePage(v, m, f)))
}

func (h *Console) inviteForm(v *visit) error {
	return h.invitePage(v, http.StatusOK, filled("team", v.query("team")))
}

func (h *Console) invitePage(v *visit, status int, f form) error {
	if !v.can(apim.Manage, apim.ObjectMember) {
		return apim.Errorf(apim.Forbidden, "you may not invite anybody here; it needs the role admin or owner")
	}
	places, err := h.places(v)
	if err != nil {
		return err
	}
	p := rolesPageOf(h.ask(v, "Invite", v.links.members(), f), places)
	p.Email, p.Submit = true, "Make link"
	p.Intro = "You get a link to pass on. It is good once, for seven days, and for that address alone."
	return v.render(status, rolesForm(p))
}

func (h *Console) invite(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	roles, grants := grantsIn(&f)
	in := manager.NewInvitation{Email: f.text("email"), Roles: roles, Grants: grants}
	for _, t := range f.values["team"] {
		if t != "" {
			in.Teams = append(in.Teams, apim.ID(t))
		}
	}
	if f.failed() {
		return h.invitePage(v, v.status(f), f)
	}
	return h.showLink(v, f, func() (apim.Invitation, secret.Text, error) {
		return h.Tenants.Invite(v.ctx(), v.actor, v.tenant.ID, in)
	})
}

// showLink shows a new link in this answer and never again, so it cannot
// redirect; the same post again leads to the list.
func (h *Console) showLink(v *visit, f form, work func() (apim.Invitation, secret.Text, error)) error {
	var made apim.Invitation
	fresh := ""
	to, again, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		i, text, err := work()
		made, fresh = i, text.Reveal()
		return v.links.members(), err
	})
	if err != nil {
		if v.param("invitation") == "" && refusePeople(&f, err, []string{"email", "role", "new_role", "new_on"}, map[string]string{"roles": "role", "grants": "new_role"}) {
			return h.invitePage(v, v.status(f), f)
		}
		return err
	}
	if again {
		return v.redirect(to)
	}
	v.c.Header("Cache-Control", "no-store")
	return h.membersPage(v, http.StatusOK, fresh, made.Email)
}

func (h *Console) moveInvitation(v *visit) error {
	id, err := apim.ParseID(apim.PrefixInvitation, v.param("invitation"))
	if err != nil {
		return err
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	switch v.param("verb") {
	case "resend":
		return h.showLink(v, f, func() (apim.Invitation, secret.Text, error) {
			return h.Tenants.ResendInvitation(v.ctx(), v.actor, v.tenant.ID, id)
		})
	case "revoke":
		err := h.Tenants.RevokeInvitation(v.ctx(), v.actor, v.tenant.ID, id)
		if err != nil && apim.KindOf(err) != apim.NotFound {
			return err // what is not there any more was accepted or revoked before
		}
		v.flash(toneOK, "The invitation is revoked. Its link leads nowhere now.")
		return v.redirect(v.links.members())
	}
	return apim.Errorf(apim.NotFound, "there is no such action")
}
