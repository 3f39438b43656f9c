package console

import (
	"net/http"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/ui"
)

// invitationPage is what an invitation's link leads to.
type invitationPage struct {
	gatePage
	Invited manager.InvitationView
	SignIn  string // for who has an account
	Joining bool   // who is signed in has only to say yes
	Gives   string // what the invited will be
}

func (h *Console) invitationPage(v *visit, f form, invited manager.InvitationView) invitationPage {
	v.c.Header("Referrer-Policy", "no-referrer") // the address holds the token
	p := invitationPage{gatePage: h.gate(v, "Invitation", f), Invited: invited, Joining: !v.actor.Anonymous(), Gives: invited.Gives()}
	p.Action = with(invitationPath, "token", v.query("token"))
	p.SignIn = with(signInPath, "return_to", p.Action)
	return p
}

// invitation is the page of an invitation's link.
func (h *Console) invitation(v *visit) error {
	invited, err := h.Tenants.CheckInvitation(v.ctx(), secret.Text(v.query("token")))
	if err != nil {
		return h.invitationOver(v, err)
	}
	return v.render(http.StatusOK, invitationForm(h.invitationPage(v, form{}, invited)))
}

// invitationOver says that a link leads nowhere any more.
func (h *Console) invitationOver(v *visit, err error) error {
	if apim.KindOf(err) != apim.NotFound {
		return err
	}
	p := h.invitationPage(v, form{}, manager.InvitationView{})
	p.Expired, p.Message = true, sentence(message(err))
	return v.render(http.StatusGone, invitationForm(p))
}

// acceptInvitation joins who is signed in, or makes an account that joins.
func (h *Console) acceptInvitation(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	token := secret.Text(v.query("token"))
	invited, err := h.Tenants.CheckInvitation(v.ctx(), token)
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
		v.flash(toneOK, "You have joined "+invited.Tenant.Name+".")
		return v.redirect(links{invited.Tenant.Slug}.overview())
	case apim.KindOf(err) == apim.Forbidden: // signed in with another address
		f.refused, f.message = err, sentence(message(err))
	case !f.refuse(err, []string{"name", "password"}, nil):
		return err
	}
	f.values.Del("password")
	return v.again(f, invitationForm(h.invitationPage(v, f, invited)))
}

func (p invitationPage) dialog() ui.DialogView {
	d := ui.DialogView{
		ID: "invitation", Title: "Join " + p.Invited.Tenant.Name, Action: p.Action, Submit: "Join",
		Text: p.Invited.Invitation.Inviter + " invites " + p.Invited.Invitation.Email + ".",
	}
	if !p.Joining {
		d.Submit = "Make account and join"
	}
	return d
}
