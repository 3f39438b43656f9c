package console

import (
	"net/http"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/ui"
)

// gatePage is a form before anybody is signed in.
type gatePage struct {
	Frame   ui.Frame
	Form    form
	Joins   string // first run: the tenant that the operator joins
	Action  string
	Next    string
	Expired bool // first run: the link is not the current one
	Message string
}

func (h *Console) gate(v *visit, name string, f form) gatePage {
	p := gatePage{
		Frame: ui.Frame{
			Head: ui.Head{Title: name, Theme: v.theme()}, Brand: ui.Brand{Name: "Portico", Sub: "Console"}, Toasts: v.flashes(),
		},
		Form: f,
	}
	if h.PortalURL != "" {
		p.Frame.Foot = []ui.Link{{Label: "Developer portal", Href: h.PortalURL}}
	}
	return p
}

// firstRun is the page of the one-time link that was printed at start.
func (h *Console) firstRun(v *visit) error {
	joins, err := h.Tenants.CheckFirstRun(v.ctx(), v.query("token"))
	if err != nil {
		return h.firstRunOver(v, err)
	}
	return v.render(http.StatusOK, firstRunForm(h.firstRunPage(v, form{}, joins)))
}

func (h *Console) firstRunPage(v *visit, f form, joins apim.Tenant) gatePage {
	p := h.gate(v, "First run", f)
	p.Joins, p.Action = joins.Name, with(firstRunPath, "token", v.query("token"))
	v.c.Header("Referrer-Policy", "no-referrer") // the address holds the token
	return p
}

// firstRunOver says that a link cannot be used, and what to do then.
func (h *Console) firstRunOver(v *visit, err error) error {
	if apim.KindOf(err) == "" {
		return err
	}
	p := h.gate(v, "First run", form{})
	p.Expired, p.Message = true, sentence(message(err))
	return v.render(http.StatusGone, firstRunForm(p))
}

func (h *Console) saveFirstRun(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	joins, err := h.Tenants.CheckFirstRun(v.ctx(), v.query("token"))
	if err != nil {
		return h.firstRunOver(v, err)
	}
	in := manager.FirstRun{Name: f.text("name"), Email: f.text("email"), Password: f.value("password")}
	if joins.ID == "" {
		in.TenantName, in.TenantSlug = f.text("tenant_name"), f.text("tenant_slug")
		if in.TenantName == "" {
			f.fail("tenant_name", "needs the name of your organisation")
		}
		if in.TenantSlug == "" {
			in.TenantSlug = apim.Slugify(in.TenantName)
		}
	}
	for _, name := range []string{"name", "email", "password"} {
		if f.text(name) == "" {
			f.fail(name, "needs a value")
		}
	}
	var person apim.Person
	if !f.failed() {
		person, err = h.Tenants.FirstRun(v.ctx(), v.query("token"), in)
		if err != nil && !f.refuse(err, []string{"name", "email", "password", "tenant_name", "tenant_slug"}, nil) {
			return err
		}
	}
	if f.failed() {
		return v.again(f, firstRunForm(h.firstRunPage(v, f, joins)))
	}
	if err := v.signIn(person); err != nil {
		return err
	}
	v.flash(toneOK, "You are the operator of this Portico. The link is used up.")
	return v.redirect(rootPath)
}

func (h *Console) signInForm(v *visit) error {
	if !v.actor.Anonymous() {
		return v.redirect(web.ReturnTo(v.c, rootPath))
	}
	p := h.gate(v, "Sign in", form{})
	p.Next = v.query("return_to")
	return v.render(http.StatusOK, signInForm(p))
}

func (h *Console) signIn(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	person, err := h.Tenants.SignIn(v.ctx(), f.text("email"), f.value("password"), v.address())
	if err == nil {
		if err := v.signIn(person); err != nil {
			return err
		}
		return v.redirect(web.ReturnTo(v.c, rootPath))
	}
	switch apim.KindOf(err) {
	case apim.TooMany:
		f.refused = err
	case apim.SignIn, apim.Forbidden, apim.Invalid, apim.NotFound, apim.Conflict:
	default:
		return err
	}
	f.message = sentence(message(err))
	f.values.Del("password")
	p := h.gate(v, "Sign in", f)
	p.Next = f.value("return_to")
	return v.again(f, signInForm(p))
}

func (h *Console) signOut(v *visit) error {
	if err := h.Sessions.SignOut(v.ctx()); err != nil {
		return err
	}
	return v.redirect(signInPath)
}

// setTheme keeps light or dark in a cookie, and with the person who is signed in.
func (h *Console) setTheme(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	theme := f.value("theme")
	if theme != "light" && theme != "dark" {
		theme = ""
	}
	web.SetTheme(v.c, theme)
	if !v.actor.Anonymous() {
		if err := h.Tenants.SetTheme(v.ctx(), v.actor, theme); err != nil {
			return err
		}
	}
	return v.redirect(back(f))
}

// setEnvironment chooses the environment that the pages speak of.
func (h *Console) setEnvironment(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	for _, e := range v.environments {
		if e.Slug == f.value("environment") {
			v.keepEnvironment(e.Slug)
			return v.redirect(back(f))
		}
	}
	return apim.Errorf(apim.NotFound, "there is no environment %q", f.value("environment"))
}

// root sends the reader to a tenant of theirs.
func (h *Console) root(v *visit) error {
	if len(v.memberships) > 0 {
		return v.redirect(links{v.memberships[0].Tenant.Slug}.overview())
	}
	if v.actor.Operator {
		return v.redirect(newTenantPath)
	}
	p := h.gate(v, "No tenant", form{})
	p.Message = "You are signed in as " + v.actor.Name + " and belong to no tenant. Ask an owner of one to add you, or use the developer portal."
	return v.render(http.StatusForbidden, noTenant(p))
}

func (h *Console) newTenant(v *visit) error {
	if !v.actor.Operator {
		return apim.Errorf(apim.Forbidden, "only an operator makes tenants")
	}
	f := form{once: h.receipts.mint()}
	return v.render(http.StatusOK, tenantForm(h.gate(v, "New tenant", f)))
}

func (h *Console) createTenant(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name, slug := f.text("name"), f.text("slug")
	if name == "" {
		f.fail("name", "needs a value")
	}
	if slug == "" {
		slug = apim.Slugify(name)
	}
	if !f.failed() {
		to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
			t, err := h.Tenants.CreateTenant(v.ctx(), v.actor, slug, name)
			return links{t.Slug}.overview(), err
		})
		if err == nil {
			return v.redirect(to)
		}
		if !f.refuse(err, []string{"name", "slug"}, nil) {
			return err
		}
	}
	return v.again(f, tenantForm(h.gate(v, "New tenant", f)))
}

// back is where a form wants to return to, when that is a page of this site.
func back(f form) string {
	if to := web.LocalPath(f.value("back")); to != "" {
		return to
	}
	return rootPath
}
