package portal

import (
	"net/http"
	"slices"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/ui"
	"portico/ui/icon"
)

// frame is what stands around every page.
type frame = ui.Frame

// reader is who reads a page, and the tenant they act for.
type reader struct {
	Actor       apim.Actor
	Tenant      apim.Tenant // zero when anonymous or in none
	Memberships []manager.Membership
	theme       string
	here        string // path and query of the page
	portal      *portal
	said        string // what the form before has done, to be shown once
}

// worksInConsole reports whether the console has anything for the reader.
func (r *reader) worksInConsole() bool {
	if r.Actor.Operator {
		return true
	}
	for _, m := range r.Memberships {
		if slices.ContainsFunc(m.Roles, func(role apim.Role) bool { return role != apim.RoleConsumer }) ||
			slices.ContainsFunc(m.Grants, func(g apim.RoleGrant) bool { return g.Role != apim.RoleConsumer }) {
			return true
		}
	}
	return false
}

// section is an entry of the portal's navigation.
type section int

const (
	nowhere section = iota
	atCatalog
	atApplications
	atProblems
)

// mostTenants is how many tenants the reader's menu lists.
const mostTenants = 20

const tenantCookie = "portico_tenant"

// reader finds out who reads and which of their tenants they act for: the one
// they chose last in this browser, else the first.
func (p *portal) reader(c *gin.Context) (*reader, error) {
	r := &reader{Actor: web.Actor(c.Request.Context()), theme: web.Theme(c), here: "/", portal: p}
	if c.Request.Method == http.MethodGet {
		r.here = c.Request.URL.RequestURI()
		if !web.HX(c) {
			r.said = p.Sessions.TakeFlash(c.Request.Context())
		}
	}
	if r.Actor.Anonymous() {
		return r, nil
	}
	var err error
	if r.Memberships, err = p.Tenants.Memberships(c.Request.Context(), r.Actor); err != nil {
		return r, err
	}
	if len(r.Memberships) == 0 {
		return r, nil
	}
	chosen, _ := c.Cookie(tenantCookie) // "" when there is none
	i := slices.IndexFunc(r.Memberships, func(m manager.Membership) bool { return string(m.Tenant.ID) == chosen })
	r.Tenant = r.Memberships[max(i, 0)].Tenant
	return r, nil
}

// frame returns the frame of a page.
func (r *reader) frame(title string, at section) frame {
	p := r.portal
	f := frame{
		Head:     ui.Head{Title: title, Roomy: true, Theme: ui.Theme{Chosen: r.theme, Action: themePath, Back: r.here}},
		Brand:    ui.Brand{Name: p.Brand, Sub: "Developers", Href: catalogPath},
		NavLabel: "Portal",
		Nav: []ui.NavGroup{{Items: []ui.NavItem{
			{Label: "Catalog", Href: catalogPath, Current: at == atCatalog},
			{Label: "Applications", Href: applicationsPath, Current: at == atApplications},
			{Label: "Error codes", Href: problemsPath, Current: at == atProblems},
		}}},
		Search: ui.Search{Label: "Search APIs and operations", Href: catalogPath, URL: searchPath},
		Foot:   []ui.Link{{Label: "Error codes", Href: problemsPath}},
	}
	if p.Brand != "Portico" {
		f.FootNote = "Runs on Portico"
	}
	if r.Actor.Anonymous() {
		f.SignIn = ui.Link{Label: "Sign in", Href: signInTo(r.here)}
		return f
	}
	if r.said != "" {
		f.Toasts = []ui.Toast{{Tone: ui.OK, Title: r.said}}
	}
	if p.ConsoleURL != "" && r.worksInConsole() {
		f.Foot = append(f.Foot, ui.Link{Label: "Console", Href: p.ConsoleURL})
	}
	f.User = ui.User{Name: r.Actor.Name, Sub: r.Tenant.Name, Items: r.menu()}
	return f
}

// signInTo is the sign-in page that leads back to an address.
func signInTo(here string) string {
	if here == catalogPath {
		return signInPath
	}
	return with(signInPath, "return_to", here)
}

// menu is the reader's own: the tenants to act for, and signing out.
func (r *reader) menu() []ui.MenuItem {
	var items []ui.MenuItem
	if len(r.Memberships) > 1 {
		for i, m := range r.Memberships {
			if i >= mostTenants && m.Tenant.ID != r.Tenant.ID {
				continue // an operator's are all there are
			}
			items = append(items, ui.MenuItem{
				Label: m.Tenant.Name, Post: tenantPath, Current: m.Tenant.ID == r.Tenant.ID,
				Hidden: []ui.Pair{{Key: "tenant", Value: string(m.Tenant.ID)}, {Key: "back", Value: applicationsPath}},
			})
		}
	}
	return append(items,
		ui.MenuItem{Label: "Applications", Href: applicationsPath, Icon: icon.AppWindow(), Divider: len(items) > 0},
		ui.MenuItem{Label: "Account and sessions", Href: accountPath, Icon: icon.User()},
		ui.MenuItem{Label: "Sign out", Post: signOutPath, Icon: icon.LogOut(), Divider: true})
}

// keepTenant remembers, in this browser, the tenant that the reader acts for.
// The cookie decides nothing: it is looked up among the reader's own.
func (p *portal) keepTenant(c *gin.Context, tenant apim.ID) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: tenantCookie, Value: string(tenant), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Request.TLS != nil,
	})
}

func (p *portal) render(c *gin.Context, status int, page templ.Component) error {
	web.Render(c, status, page)
	return nil
}

func (p *portal) seeOther(c *gin.Context, location string) error {
	web.Redirect(c, location)
	return nil
}

// noTenant answers somebody who belongs to no tenant and can have no
// application.
func (p *portal) noTenant(c *gin.Context, r *reader) error {
	v := failureView{
		frame: r.frame("No organisation", nowhere), Heading: "You belong to no organisation yet", Art: string(ui.ArtLocked),
		Text:   "Applications and keys belong to an organisation. Ask an owner or admin of yours to add you as a member.",
		Button: "To the catalog", URL: catalogPath,
	}
	return p.render(c, http.StatusForbidden, failurePageOf(v))
}
