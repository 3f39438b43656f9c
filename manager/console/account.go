package console

import (
	"net/http"

	"portico/internal/apim"
	"portico/internal/web"
)

// accountPage is the reader's own: who they are, and where they have signed in.
type accountPage struct {
	shell
	Facts  []fact
	Rows   []sessionRow
	EndAll string // "" when there is no other
}

type sessionRow struct {
	Browser, Use, Address, Started, Seen, End string
	Current                                   bool
}

func (h *Console) account(v *visit) error {
	person, err := h.Tenants.Person(v.ctx(), v.actor.Person)
	if err != nil {
		return err
	}
	sessions, err := h.Tenants.Sessions(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	here := v.rolesText()
	if here == "" {
		here = "no role on all of it"
	}
	p := accountPage{
		shell: v.shell("Account", link{"Account", ""}),
		Facts: []fact{{"Name", person.Name}, {"E-mail", person.Email}, {"Made", moment(person.CreatedAt)}, {"Last sign-in", moment(person.SignedIn)}, {"In " + v.tenant.Name, here}},
	}
	current := h.Sessions.ID(v.ctx())
	for _, s := range sessions {
		row := sessionRow{
			Browser: web.Browser(s.Agent), Use: title(s.Use), Address: s.Address, Started: moment(s.StartedAt), Seen: agoPhrase(v.now, s.SeenAt),
			End: v.links.endSession(s.ID), Current: s.ID == current,
		}
		if row.Current { // what is stored of it is from the request before
			row.Browser, row.Address, row.Seen = web.Browser(v.c.Request.UserAgent()), v.actor.Address, "now"
		} else {
			p.EndAll = v.links.endSessions()
		}
		p.Rows = append(p.Rows, row)
	}
	return v.render(http.StatusOK, accountView(p))
}

func (h *Console) endSession(v *visit) error {
	id, err := apim.ParseID(apim.PrefixSession, v.param("session"))
	if err != nil {
		return err
	}
	if err := h.Tenants.EndSession(v.ctx(), v.actor, id); err != nil && apim.KindOf(err) != apim.NotFound {
		return err // what is not there any more has ended before
	}
	v.flash(toneOK, "Signed out there.")
	return v.redirect(v.links.account())
}

func (h *Console) endSessions(v *visit) error {
	n, err := h.Tenants.EndSessions(v.ctx(), v.actor, h.Sessions.ID(v.ctx()))
	if err != nil {
		return err
	}
	v.flash(toneOK, "Signed out of "+count(n, "other session", "other sessions")+".")
	return v.redirect(v.links.account())
}
