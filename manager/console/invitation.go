package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
)

// invitationPage is what the link of an invitation leads to.
type invitationPage struct {
	gatePage
	Tenant  string
	Email   string
	Inviter string
	Gives   []string
	Account bool   // there is one: sign in
	Me      string // who is signed in, "" for nobody
	Other   bool   // and that is somebody else
	SignIn  string
}

// invitation shows what somebody is invited to.
func (h *Console) invitation(v *visit) error {
	view, err := h.Tenants.CheckInvitation(v.ctx(), secret.Text(v.query("token")))
	if err != nil {
		return h.invitationOver(v, err)
	}
	return h.invitationPage(v, http.StatusOK, view, form{})
}

func (h *Console) invitationOver(v *visit, err error) error {
	if apim.KindOf(err) != apim.NotFound {
		return err
	}
	p := invitationPage{gatePage: h.gate(v, "Invitation", form{})}
	p.Expired, p.Message = true, sentence(message(err))
	return v.render(http.StatusGone, invitationView(p))
}

func (h *Console) invitationPage(v *visit, status int, view manager.InvitationView, f form) error {
	v.c.Header("Referrer-Policy", "no-referrer") // the address holds the token
	self := with(invitationPath, "token", v.query("token"))
	p := invitationPage{
		gatePage: h.gate(v, "Invitation", f), Tenant: view.Tenant.Name, Email: view.Invitation.Email, Inviter: view.Invitation.Inviter,
		Account: view.Account, SignIn: with(signInPath, "return_to", self),
	}
	p.Action = self
	for _, g := range view.Invitation.Grants {
		kind, _, _ := strings.Cut(string(g.On), "_")
		p.Gives = append(p.Gives, title(g.Role)+map[string]string{
			apim.PrefixTeam: " on a team", apim.PrefixAPI: " on an API", apim.PrefixProduct: " on a product", apim.PrefixApplication: " on an application",
		}[kind])
	}
	for _, t := range view.TeamNames {
		p.Gives = append(p.Gives, "in the team "+t)
	}
	if v.actor.Person != "" {
		person, err := h.Tenants.Person(v.ctx(), v.actor.Person)
		if err != nil {
			return err
		}
		p.Me, p.Other = person.Email, person.Email != view.Invitation.Email
	}
	return v.render(status, invitationView(p))
}

// acceptInvitation joins who is signed in, or makes an account for who is not.
func (h *Console) acceptInvitation(v *visit) error {
	token := secret.Text(v.query("token"))
	f, err := v.form()
	if err != nil {
		return err
	}
	view, err := h.Tenants.CheckInvitation(v.ctx(), token)
	if err != nil {
		return h.invitationOver(v, err)
	}
	if v.actor.Anonymous() {
		var person apim.Person
		person, err = h.Tenants.JoinByInvitation(v.ctx(), token, f.text("name"), f.value("password"), v.address())
		if err == nil {
			err = v.signIn(person)
		}
	} else {
		_, err = h.Tenants.AcceptInvitation(v.ctx(), v.actor, token)
	}
	switch {
	case err == nil:
		v.flash(toneOK, "Welcome to "+view.Tenant.Name+".")
		return v.redirect(links{view.Tenant.Slug}.overview())
	case !refusePeople(&f, err, []string{"name", "email", "password"}, nil):
		return err
	}
	f.values.Del("password")
	return h.invitationPage(v, v.status(f), view, f)
}
