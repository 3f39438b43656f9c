package portal

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/ui"
)

// accountView is the reader's own: who they are, and where they have signed in.
type accountView struct {
	frame
	Facts    []fact
	Sessions []sessionRow
	EndAll   string // "" when there is no other
}

type sessionRow struct {
	Browser, Use, Address, Started, Seen string
	End                                  string
	Current                              bool
}

func (p *portal) account(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	person, err := p.Tenants.Person(ctx, r.Actor.Person)
	if err != nil {
		return err
	}
	sessions, err := p.Tenants.Sessions(ctx, r.Actor)
	if err != nil {
		return err
	}
	v := accountView{
		frame: r.frame("Account", nowhere),
		Facts: []fact{{Label: "Name", Value: person.Name}, {Label: "E-mail", Value: person.Email}, {Label: "Made", Value: shortDay(person.CreatedAt)}},
	}
	for i, m := range r.Memberships {
		if i >= mostTenants {
			break // an operator's are all there are
		}
		words := make([]string, len(m.Roles))
		for n, role := range m.Roles {
			words[n] = string(role)
		}
		if len(words) == 0 {
			words = []string{"no role on all of it"}
		}
		v.Facts = append(v.Facts, fact{Label: "In " + m.Tenant.Name, Value: strings.Join(words, ", ")})
	}
	current, now := p.Sessions.ID(ctx), p.Now()
	for _, s := range sessions {
		row := sessionRow{
			Browser: web.Browser(s.Agent), Use: use(s.Use), Address: s.Address, Started: shortDay(s.StartedAt), Seen: ago(s.SeenAt, now),
			Current: s.ID == current, End: endSessionLink(s.ID),
		}
		if row.Current { // what is stored of it is from the request before
			row.Browser, row.Address, row.Seen = web.Browser(c.Request.UserAgent()), r.Actor.Address, "now"
			row.End = signOutPath
		} else {
			v.EndAll = sessionsPath
		}
		v.Sessions = append(v.Sessions, row)
	}
	return p.render(c, http.StatusOK, accountPageOf(v))
}

// use says which pages a session is of.
func use(of string) string {
	if of == "portal" {
		return "This portal"
	}
	return strings.ToUpper(of[:min(1, len(of))]) + of[min(1, len(of)):]
}

// endSession signs the reader out in one other browser.
func (p *portal) endSession(c *gin.Context, r *reader) error {
	id, err := apim.ParseID(apim.PrefixSession, c.Param("session"))
	if err != nil {
		return err
	}
	if err := p.Tenants.EndSession(c.Request.Context(), r.Actor, id); err != nil && apim.KindOf(err) != apim.NotFound {
		return err // what is not there any more has ended before
	}
	p.Sessions.Flash(c.Request.Context(), "Signed out there.")
	return p.seeOther(c, accountPath)
}

// endSessions signs the reader out everywhere but here.
func (p *portal) endSessions(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	n, err := p.Tenants.EndSessions(ctx, r.Actor, p.Sessions.ID(ctx))
	if err != nil {
		return err
	}
	p.Sessions.Flash(ctx, "Signed out of "+count(n, "other session", "other sessions")+".")
	return p.seeOther(c, accountPath)
}

func (s sessionRow) look() ui.Look {
	return ui.Look{Kind: ui.Danger, Small: true, Title: "Sign out of " + s.Browser}
}
