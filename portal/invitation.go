package portal

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/ui"
)

// invitationView is what an invitation's link leads to: a form that joins the
// reader, or why it cannot.
type invitationView struct {
	frame
	Invited       manager.InvitationView
	Action        string
	Nonce         string
	Name          string
	Joining       bool   // the reader has signed in with the invited address
	As            string // the address with which the reader has signed in instead
	SignIn        string // for who has an account
	Errors        fieldErrors
	Ended         string // why the link leads nowhere any more
	Button, Leads string // and where to go then
}

// invitation is the page of an invitation's link.
func (p *portal) invitation(c *gin.Context, r *reader) error {
	invited, err := p.Tenants.CheckInvitation(c.Request.Context(), secret.Text(c.Query("token")))
	if err != nil {
		return p.invitationOver(c, r, err)
	}
	return p.showInvitation(c, r, http.StatusOK, invitationView{Invited: invited})
}

func (p *portal) showInvitation(c *gin.Context, r *reader, status int, v invitationView) error {
	c.Header("Referrer-Policy", "no-referrer") // the address holds the token
	v.frame = r.frame("Invitation", nowhere)
	v.Action = with(invitationPath, "token", c.Query("token"))
	v.SignIn = signInTo(v.Action)
	if v.Nonce == "" {
		v.Nonce = newNonce()
	}
	if !r.Actor.Anonymous() && v.Ended == "" {
		person, err := p.Tenants.Person(c.Request.Context(), r.Actor.Person)
		if err != nil {
			return err
		}
		v.Joining = person.Email == v.Invited.Invitation.Email
		if !v.Joining {
			v.As = person.Email
		}
	}
	return p.render(c, status, invitationPageOf(v))
}

// invitationOver says that a link leads nowhere any more.
func (p *portal) invitationOver(c *gin.Context, r *reader, err error) error {
	var over *apim.Error
	if !errors.As(err, &over) || over.Kind != apim.NotFound {
		return err
	}
	v := invitationView{Ended: sentence(over.Message), Button: "Sign in", Leads: signInPath}
	if !r.Actor.Anonymous() {
		v.Button, v.Leads = "To your applications", applicationsPath
	}
	return p.showInvitation(c, r, http.StatusGone, v)
}

// acceptInvitation joins the reader, or makes an account that joins. The second
// press of the button is led where the first was.
func (p *portal) acceptInvitation(c *gin.Context, r *reader) error {
	ctx, token := c.Request.Context(), secret.Text(c.Query("token"))
	v := invitationView{Name: strings.TrimSpace(c.PostForm("name")), Nonce: c.PostForm("nonce")}
	var person apim.Person
	_, again, err := p.once.Do("invitation "+string(r.Actor.Person), v.Nonce, func() (string, error) {
		var err error
		if v.Invited, err = p.Tenants.CheckInvitation(ctx, token); err != nil {
			return "", err
		}
		if r.Actor.Anonymous() {
			person, err = p.Tenants.JoinByInvitation(ctx, token, v.Name, c.PostForm("password"), r.Actor.Address)
		} else {
			_, err = p.Tenants.AcceptInvitation(ctx, r.Actor, token)
		}
		return applicationsPath, err
	})
	if err == nil && again && r.Actor.Anonymous() { // a double click: the account is there, and this post knows its password
		person, err = p.Tenants.SignIn(ctx, c.PostForm("email"), c.PostForm("password"), r.Actor.Address)
	}
	if errs, ok := fieldsOf(err, "name", "password"); ok {
		v.Errors = errs
		return p.showInvitation(c, r, http.StatusUnprocessableEntity, v)
	}
	switch apim.KindOf(err) {
	case "":
		if err != nil {
			return err
		}
	case apim.NotFound:
		return p.invitationOver(c, r, err)
	case apim.Forbidden: // the page says with which address the reader has signed in
		return p.showInvitation(c, r, http.StatusForbidden, v)
	default:
		return err
	}
	if person.ID != "" {
		if err := p.Sessions.SignIn(ctx, person.ID); err != nil {
			return err
		}
	}
	if tenant := v.Invited.Tenant; tenant.ID != "" {
		p.keepTenant(c, tenant.ID)
		p.Sessions.Flash(ctx, "You have joined "+tenant.Name+".")
	}
	return p.seeOther(c, applicationsPath)
}

func (v invitationView) dialog() ui.DialogView {
	d := ui.DialogView{
		ID: "invitation", Title: "Join " + v.Invited.Tenant.Name, Action: v.Action, Submit: "Join",
		Text: v.Invited.Invitation.Inviter + " invites " + v.Invited.Invitation.Email + ".",
	}
	if !v.Joining {
		d.Submit = "Make account and join"
	}
	return d
}
