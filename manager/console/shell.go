package console

import (
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/ui"
	"portico/ui/icon"
)

// The tones of flash messages.
const (
	toneOK  = ui.OK
	toneBad = ui.Bad
)

// link is a word that leads somewhere; without an address it is a word.
type link struct{ Label, Href string }

// shell is what every page inside a tenant has around it.
type shell struct {
	Frame   ui.Frame
	Waiting int // requests in the inbox
	Links   links
	Tenant  apim.Tenant
}

// shell makes the frame of a page. The crumbs are those below the tenant.
func (v *visit) shell(name string, crumbs ...link) shell {
	s := shell{Links: v.links, Tenant: v.tenant, Waiting: v.waiting}
	s.Frame = ui.Frame{
		Head:    ui.Head{Title: name, Theme: v.theme()},
		Brand:   ui.Brand{Name: v.tenant.Name, Sub: "Console", Href: v.links.overview()},
		Places:  v.places(),
		Nav:     v.nav(),
		NavFoot: v.navFoot(),
		Crumbs:  []ui.Crumb{{Label: v.tenant.Name, Href: v.links.overview()}},
		Search:  ui.Search{Label: "Search or jump to…", Href: v.links.palette(), URL: v.links.palette()},
		Chips:   chips(v.chip(), v.environmentMenu()),
		User: ui.User{Name: v.actor.Name, Sub: v.rolesText(), Items: []ui.MenuItem{
			{Label: "Account and sessions", Href: v.links.account(), Icon: icon.User()},
			{Label: "API tokens", Href: v.links.tokens(), Icon: icon.KeyRound()},
			{Label: "Sign out", Post: signOutPath, Icon: icon.LogOut(), Divider: true},
		}},
		Toasts: v.flashes(),
	}
	for _, c := range crumbs {
		s.Frame.Crumbs = append(s.Frame.Crumbs, ui.Crumb{Label: c.Label, Href: c.Href})
	}
	return s
}

// places are the reader's other tenants.
func (v *visit) places() []ui.MenuItem {
	var out []ui.MenuItem
	for _, m := range v.memberships {
		out = append(out, ui.MenuItem{
			Label: m.Tenant.Name, Href: links{m.Tenant.Slug}.overview(), Current: m.Tenant.ID == v.tenant.ID,
		})
	}
	if v.actor.Operator {
		out = append(out, ui.MenuItem{Label: "New tenant", Href: newTenantPath, Icon: icon.Plus(), Divider: true})
	}
	return out
}

// nav has the groups of the design, with the entries that exist. Nothing is
// only in a menu.
func (v *visit) nav() []ui.NavGroup {
	l, path := v.links, v.url().Path
	item := func(label, href string, i icon.Icon) ui.NavItem {
		current := path == href || href != l.overview() && len(path) > len(href) && path[:len(href)+1] == href+"/"
		return ui.NavItem{Label: label, Href: href, Icon: i, Current: current}
	}
	apis := item("APIs", l.apis(), icon.Waypoints())
	apis.Current = apis.Current || path == l.importSource() || len(path) > len(l.importSource()) && path[:len(l.importSource())+1] == l.importSource()+"/"
	products := item("Products & plans", l.products(), icon.Package())
	products.Current = products.Current || path == l.newProduct()
	inbox := item("Approvals", l.approvals(), icon.Inbox())
	if v.waiting > 0 {
		inbox.Count, inbox.Hot = strconv.Itoa(v.waiting), true
	}
	nodes := item("Gateway nodes", l.nodes(), icon.Server())
	if n := len(v.applied.Nodes); n > 0 {
		nodes.Count = strconv.Itoa(n)
	}
	policies := item("Policies", l.policies(), icon.Columns3())
	people := item("Members & audit", l.members(), icon.Users())
	for _, href := range []string{l.invite(), l.teams(), l.newTeam(), l.roles(), l.audit()} {
		people.Current = people.Current || item("", href, icon.Users()).Current
	}
	return []ui.NavGroup{
		{Label: "Operate", Items: append(append([]ui.NavItem{item("Overview", l.overview(), icon.LayoutDashboard())},
			v.readable([]ui.NavItem{item("Explain", l.explain(), icon.Route())}, apim.ObjectAPI)...), nodes)},
		{Label: "Publish", Items: v.readable([]ui.NavItem{apis, products, policies, item("Values", l.values(), icon.Braces())}, apim.ObjectAPI, apim.ObjectProduct, apim.ObjectAPI, apim.ObjectAPI)},
		{Label: "Consumers", Items: v.consumersNav(inbox, item("Applications", l.applications(), icon.AppWindow()), item("Subscriptions", l.subscriptions(), icon.Repeat()))},
		{Label: "Organisation", Items: v.readable([]ui.NavItem{
			people, item("API tokens", l.tokens(), icon.KeyRound()), item("Settings", l.settings(), icon.Settings2()),
		}, apim.ObjectMember, apim.ObjectToken, apim.ObjectEnvironment)},
	}
}

func (v *visit) consumersNav(inbox, applications, subscriptions ui.NavItem) []ui.NavItem {
	own := v.readable([]ui.NavItem{applications}, apim.ObjectApplication)
	if !v.readsRequests() {
		return own
	}
	return append(append([]ui.NavItem{inbox}, own...), subscriptions)
}

// readsRequests reports whether the reader sees what is asked of any of the
// tenant's products.
func (v *visit) readsRequests() bool {
	return v.can(apim.Read, apim.ObjectSubscription) && (v.can(apim.Read, apim.ObjectProduct) || v.can(apim.Read, apim.ObjectAPI))
}

// readable leaves out the entries whose kind of object the reader may not read.
func (v *visit) readable(items []ui.NavItem, kinds ...apim.Object) []ui.NavItem {
	var out []ui.NavItem
	for i, item := range items {
		if v.can(apim.Read, kinds[i]) {
			out = append(out, item)
		}
	}
	return out
}

func (v *visit) navFoot() []ui.NavItem {
	if v.h.PortalURL == "" {
		return nil
	}
	return []ui.NavItem{{Label: "Open portal", Href: v.h.PortalURL, Icon: icon.ExternalLink()}}
}

// environmentMenu chooses the environment that the pages speak of.
func (v *visit) environmentMenu() ui.MenuView {
	m := ui.MenuView{Label: v.environment.Name, Look: ui.Look{Small: true, Icon: icon.Box()}, End: true}
	for _, e := range v.environments {
		m.Items = append(m.Items, ui.MenuItem{
			Label: e.Name, Post: v.links.environment(), Current: e.Slug == v.environment.Slug, Note: string(e.Kind),
			Hidden: []ui.Pair{{Key: "environment", Value: e.Slug}, {Key: "back", Value: v.url().Path}},
		})
	}
	return m
}

func (v *visit) rolesText() string {
	var words []string
	for _, r := range v.roles {
		words = append(words, string(r))
	}
	if v.actor.Operator {
		words = append(words, "operator")
	}
	return strings.Join(words, ", ")
}
