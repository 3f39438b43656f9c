package console

import (
	"net/http"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// applicationsPage lists the tenant's own applications. Consumers work on them
// in the portal.
type applicationsPage struct {
	shell
	Rows   []applicationRow
	Portal string
	Later  string
	First  string
}

type applicationRow struct{ Name, Slug, Href, Subscriptions, Keys, Made string }

func (h *Console) applications(v *visit) error {
	list, err := h.Access.Applications(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := applicationsPage{shell: v.shell("Applications", link{"Applications", ""}), Portal: h.PortalURL}
	for _, a := range list.Items {
		live, keys := 0, 0
		for _, s := range a.Subscriptions {
			if s.Subscription.Live() {
				live++
			}
		}
		for _, c := range a.Credentials {
			if c.RevokedAt.IsZero() {
				keys++
			}
		}
		p.Rows = append(p.Rows, applicationRow{
			Name: a.Application.Name, Slug: a.Application.Slug, Href: portalApplication(h.PortalURL, a.Application.Slug),
			Subscriptions: number(live), Keys: number(keys), Made: day(a.Application.CreatedAt),
		})
	}
	p.Later, p.First = v.pages(v.links.applications(), list.NextCursor)
	return v.render(http.StatusOK, applicationsList(p))
}

// membersPage lists who is in the tenant.
type membersPage struct {
	shell
	Rows  []memberRow
	Later string
	First string
}

type memberRow struct {
	Name, Email, Joined string
	Roles               []string
	You                 bool
}

func (h *Console) members(v *visit) error {
	list, err := h.Tenants.Members(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := membersPage{shell: v.shell("Members", link{"Members", ""})}
	for _, m := range list.Items {
		row := memberRow{Name: m.Name, Email: m.Email, Joined: day(m.JoinedAt), You: m.Person == v.actor.Person}
		for _, r := range m.Roles {
			row.Roles = append(row.Roles, string(r))
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(v.links.members(), list.NextCursor)
	return v.render(http.StatusOK, membersList(p))
}

// tokensPage lists the reader's API tokens and makes new ones.
type tokensPage struct {
	shell
	Rows   []tokenRow
	Form   form
	Action string
	Fresh  string // the text of a new token, on this page alone
	Name   string // of the new token
	API    string // address of the management API
	Later  string
	First  string
}

type tokenRow struct {
	Name, Hint, Made, Ends, Used, Revoke string
	Expired                              bool
}

func (h *Console) tokens(v *visit) error {
	return h.tokensPage(v, http.StatusOK, filled("expires", "90"), "", "")
}

func (h *Console) tokensPage(v *visit, status int, f form, fresh, name string) error {
	list, err := h.Tenants.Tokens(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	p := tokensPage{
		shell: v.shell("API tokens", link{"API tokens", ""}), Form: f, Action: v.links.tokens(),
		Fresh: fresh, Name: name, API: h.ConsoleURL + "/api/v1/tenants/" + v.tenant.Slug,
	}
	for _, t := range list.Items {
		row := tokenRow{
			Name: t.Name, Hint: "…" + t.Hint, Made: day(t.CreatedAt), Ends: "never", Used: agoPhrase(v.now, t.LastUsed),
			Revoke: v.links.revokeToken(t.ID), Expired: t.Expired(v.now),
		}
		if !t.ExpiresAt.IsZero() {
			row.Ends = day(t.ExpiresAt)
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(v.links.tokens(), list.NextCursor)
	return v.render(status, tokensList(p))
}

func expiryChoices() []choice {
	return []choice{{"30", "30 days"}, {"90", "90 days"}, {"365", "one year"}, {"never", "never"}}
}

// createToken shows the new token in this answer and never again, so it cannot
// redirect; the same post again leads to the list.
func (h *Console) createToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := f.text("name")
	if name == "" {
		f.fail("name", "needs a name, so that you know it again: “CI of orders”")
	}
	var expires time.Time
	if days, ok := map[string]int{"30": 30, "90": 90, "365": 365}[f.value("expires")]; ok {
		expires = v.now.AddDate(0, 0, days)
	} else if f.value("expires") != "never" {
		f.fail("expires", "choose when it ends")
	}
	if f.failed() {
		return h.tokensPage(v, v.status(f), f, "", "")
	}
	text := ""
	to, again, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		_, minted, err := h.Tenants.CreateToken(v.ctx(), v.actor, v.tenant.ID, manager.NewToken{Name: name, ExpiresAt: expires, Never: f.value("expires") == "never"})
		text = minted
		return v.links.tokens(), err
	})
	if err != nil {
		if f.refuse(err, []string{"name", "expires"}, map[string]string{"expires_at": "expires"}) {
			return h.tokensPage(v, v.status(f), f, "", "")
		}
		return err
	}
	if again {
		return v.redirect(to)
	}
	v.c.Header("Cache-Control", "no-store")
	return h.tokensPage(v, http.StatusOK, filled("expires", "90"), text, name)
}

func (h *Console) revokeToken(v *visit) error {
	id, err := apim.ParseID(apim.PrefixToken, v.param("token"))
	if err != nil {
		return err
	}
	if err := h.Tenants.RevokeToken(v.ctx(), v.actor, v.tenant.ID, id); err != nil && apim.KindOf(err) != apim.NotFound {
		return err // what is not there any more was revoked before
	}
	v.flash(toneOK, "The token is revoked. Calls with it are refused from now on.")
	return v.redirect(v.links.tokens())
}

// auditPage lists who changed what.
type auditPage struct {
	shell
	Rows  []auditRow
	Later string
	First string
}

type auditRow struct{ Time, Full, Who, What, Action, Object, From string }

func (h *Console) audit(v *visit) error {
	list, err := h.Tenants.AuditLog(v.ctx(), v.actor, v.tenant.ID, apim.AuditFilter{}, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := auditPage{shell: v.shell("Audit log", link{"Audit log", ""})}
	for _, a := range list.Items {
		row := auditRow{
			Time: clock(v.now, a.At), Full: moment(a.At), Who: a.Actor.Name, What: a.Summary, Action: a.Action,
			Object: string(a.Object), From: a.Actor.Address,
		}
		if row.Who == "" {
			row.Who = "Portico"
		}
		if row.From == "" {
			row.From = "portico"
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(v.links.audit(), list.NextCursor)
	return v.render(http.StatusOK, auditList(p))
}

// settingsPage shows where things are.
type settingsPage struct {
	shell
	Facts        []fact
	Environments []environmentRow
	Add          string // "" when the reader may not
	Live         liveView
}

type environmentRow struct{ Name, Slug, Kind, Gateway, Sequence, Edit string }

func (h *Console) settings(v *visit) error {
	p := settingsPage{
		shell: v.shell("Settings", link{"Settings", ""}),
		Facts: []fact{
			{"Name", v.tenant.Name},
			{"Slug", v.tenant.Slug},
			{"Made", moment(v.tenant.CreatedAt)},
			{"Portal", h.PortalURL},
			{"Console", h.ConsoleURL},
			{"Management API", strings.TrimSuffix(h.ConsoleURL, "/") + "/api/v1"},
		},
	}
	p.Live = h.liveFromQuery(v, "The change", "in force")
	for _, e := range v.environments {
		row := environmentRow{e.Name, e.Slug, string(e.Kind), e.GatewayURL, sequence(e.Sequence), ""}
		if v.actor.Operator {
			row.Edit = v.links.editEnvironment(e.Slug)
		}
		p.Environments = append(p.Environments, row)
	}
	if v.actor.Operator {
		p.Add = v.links.editEnvironment(newEnvironmentSlug)
	}
	return v.render(http.StatusOK, settingsView(p))
}
