package console

import (
	"net/http"
	"strings"
	"unicode"

	"portico/internal/apim"
	"portico/manager"
)

// productsPage lists what is offered.
type productsPage struct {
	shell
	Rows  []productRow
	New   string // "" when the reader may not
	Teams teamFilter
	Self  string
	Later string
	First string
}

type productRow struct {
	Name, Href, Summary string
	Owner               string
	Listed              bool
	Finds               string // who, where that is not everybody
	Versions            []string
	Plans               string
	Subscribers         string
}

func (h *Console) products(v *visit) error {
	teams, err := h.teamFilter(v, apim.ObjectProduct)
	if err != nil {
		return err
	}
	list, err := h.Catalog.Products(v.ctx(), v.actor, v.tenant.ID, manager.ProductQuery{Team: teams.asked, Page: apim.Page{Cursor: v.query("cursor")}})
	if err != nil {
		return err
	}
	p := productsPage{shell: v.shell("Products & plans", link{"Products", ""}), Teams: teams, Self: v.links.products()}
	p.Teams.link(p.Self)
	if v.can(apim.Write, apim.ObjectProduct) {
		p.New = v.links.newProduct()
	}
	for _, d := range list.Items {
		p.Teams.exist = p.Teams.exist || d.Owner != ""
		row := productRow{
			Name: d.Product.Name, Href: v.links.product(d.Product.Slug), Summary: d.Product.Summary, Owner: d.Owner,
			Listed: d.Product.Listed, Subscribers: number(d.Subscribers),
		}
		switch d.Product.Visibility {
		case apim.VisiblePrivate:
			row.Finds = "this tenant"
		case apim.VisibleShared:
			row.Finds = count(len(d.Product.SharedWith), "organisation", "organisations")
		}
		for _, pv := range d.Versions {
			row.Versions = append(row.Versions, pv.API.Name+" "+pv.Version.Label)
		}
		names := make([]string, 0, len(d.Plans))
		for _, plan := range d.Plans {
			if plan.State == apim.PlanPublished {
				names = append(names, plan.Name)
			}
		}
		row.Plans = strings.Join(names, ", ")
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(with(p.Self, "team", teams.value), list.NextCursor)
	return v.render(http.StatusOK, productsList(p))
}

// productPage is one product: what is in it, on which terms.
type productPage struct {
	shell
	Product   apim.Product
	Note      string
	Live      liveView
	Plans     []planColumn
	Versions  []productVersionRow
	CanWrite  bool
	Edit      string
	NewPlan   string
	List      string // posts the listing switch
	Portal    string
	Next      []string // what is missing before anybody can subscribe
	Shared    []consumerRow
	Kept      string // who does not find it any more and keeps subscriptions
	OnceList  string
	Subscribe int
}

// consumerRow is an organisation that a product is shared with.
type consumerRow struct{ Slug, Name, Subscribers string }

type productVersionRow struct {
	Name, Href string
	State      apim.VersionState
	Live       string
	Operations string
}

type planColumn struct {
	Name, Description, Price string
	Facts                    []fact
	LongKeys                 string // how many keys live longer than it allows
	State                    apim.PlanState
	Edit                     string
	Policies                 string // where those of the stage limit are set
	Moves                    []planMove
	Closes                   string // the date that is set, or that it closed at
	Close, Keep              string // the question, and what takes the date back; "" where there is none
}

type planMove struct{ Label, Action, To, Confirm string }

func (h *Console) product(v *visit) error {
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, productView(h.productPage(v, d)))
}

func (h *Console) productPage(v *visit, d manager.ProductDetail) productPage {
	l, slug := v.links, d.Product.Slug
	p := productPage{
		shell:   v.shell(d.Product.Name, link{"Products", l.products()}, link{d.Product.Name, ""}),
		Product: d.Product, Note: visibilityText(d.Product) + " · " + count(d.Subscribers, "live subscription", "live subscriptions"),
		Live: h.liveFromQuery(v, d.Product.Name, "in force"), CanWrite: v.can(apim.Write, apim.ObjectProduct, d.Product.ID, d.Product.Team),
		Edit: l.product(slug, "edit"), NewPlan: l.product(slug, "new-plan"), List: l.product(slug, "listing"),
		Subscribe: d.Subscribers,
	}
	if d.Product.Visibility == apim.VisibleShared {
		for _, c := range d.Shared {
			p.Shared = append(p.Shared, consumerRow{c.Slug, c.Name, count(c.Subscribers, "live subscription", "live subscriptions")})
		}
	}
	p.Kept = keptText(d.Kept)
	if d.Product.Listed {
		p.Portal = portalProduct(h.PortalURL, v.tenant.Slug, slug)
	}
	for _, pv := range d.Versions {
		row := versionRowOf(v, pv.API.Slug, pv.Version)
		p.Versions = append(p.Versions, productVersionRow{pv.API.Name + " " + row.Label, row.Href, row.State, row.Live, row.Operations})
	}
	open := false
	for _, plan := range d.Plans {
		open = open || plan.State == apim.PlanPublished
		column := planOf(l, slug, plan)
		if n := d.LongKeys[plan.ID]; n > 0 {
			column.LongKeys = count(n, "key lives", "keys live") + " longer than that: made before, and not cut."
		}
		p.Plans = append(p.Plans, column)
	}
	if d.Owner != "" {
		p.Note = d.Owner + " · " + p.Note
	}
	p.Next = missing(d, open)
	return p
}

// keptText names who does not find a product any more and keeps subscriptions
// to it, "" for nobody.
func keptText(kept []manager.Consumer) string {
	names := make([]string, 0, len(kept))
	for _, c := range kept {
		names = append(names, c.Name+" ("+count(c.Subscribers, "live subscription", "live subscriptions")+")")
	}
	return strings.Join(names, ", ")
}

// missing tells what stands between a product and its first subscriber.
func missing(d manager.ProductDetail, open bool) []string {
	var out []string
	if len(d.Versions) == 0 {
		out = append(out, "Choose the API versions that it offers.")
	}
	for _, pv := range d.Versions {
		if len(pv.Version.Live) == 0 {
			out = append(out, "Publish "+pv.API.Name+" "+pv.Version.Label+".")
		}
	}
	if !open {
		out = append(out, "Publish a plan.")
	}
	if !d.Product.Listed {
		out = append(out, "List it in the catalog.")
	}
	return out
}

func planOf(l links, product string, plan apim.Plan) planColumn {
	out := planColumn{
		Name: plan.Name, Description: plan.Description, Price: plan.Price, State: plan.State, Edit: l.plan(product, plan.ID),
	}
	approval := "A person approves"
	if out.Price == "" {
		out.Price = "Free of charge"
	}
	if plan.Approval == apim.Automatic {
		approval = "Access at once"
	}
	out.Facts = append(planFacts(plan), fact{"Approval", approval})
	out.Policies = l.plan(product, plan.ID, "policies")
	if plan.MaxKeyLife > 0 {
		out.Facts = append(out.Facts, fact{"Keys live", "at most " + lifeText(plan.MaxKeyLife)})
	}
	state := l.plan(product, plan.ID, "state")
	switch plan.State {
	case apim.PlanDraft:
		out.Moves = []planMove{{"Publish plan", state, string(apim.PlanPublished), ""}}
	case apim.PlanPublished:
		out.Moves = []planMove{{"Deprecate plan", state, string(apim.PlanDeprecated), "Deprecate " + plan.Name + "? Existing subscriptions work on, new ones are refused."}}
	case apim.PlanDeprecated:
		out.Close = l.plan(product, plan.ID, "close")
	}
	if !plan.ClosesAt.IsZero() {
		out.Closes = "Closes on " + day(plan.ClosesAt)
		if plan.State == apim.PlanClosed {
			out.Closes = "Closed on " + day(plan.ClosesAt)
		} else {
			out.Keep = l.plan(product, plan.ID, "keep")
		}
	}
	return out
}

// setListing lists a product in the catalog, or takes it out.
func (h *Console) setListing(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	listed := f.value("listed") == "yes"
	_, change, err := h.Catalog.UpdateProduct(v.ctx(), v.actor, v.tenant.ID, d.Product.ID, manager.ProductInput{Listed: &listed})
	if err != nil {
		return err
	}
	text := d.Product.Name + " is out of the catalog. Existing subscriptions work on."
	if listed {
		text = d.Product.Name + " is in the catalog."
	}
	v.flash(toneOK, text)
	return v.redirect(withChange(v.links.product(d.Product.Slug), change))
}

// productFormPage makes or changes a product.
type productFormPage struct {
	shell
	Heading  string
	Intro    string
	Action   string
	Back     string
	Submit   string
	New      bool
	Lock     string
	Form     form
	Versions []versionChoice
	Keeps    string // who has subscriptions that taking them off would keep
	Owner    ownerField
}

type versionChoice struct {
	ID, Name, Note string
}

func (h *Console) newProduct(v *visit) error {
	f := filled("visibility", string(apim.VisiblePublic), "versions", v.query("version"), "listed", "on")
	return h.productForm(v, http.StatusOK, f, nil)
}

func (h *Console) editProduct(v *visit) error {
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	p := d.Product
	f := filled("name", p.Name, "slug", p.Slug, "summary", p.Summary, "description", p.Description,
		"visibility", string(p.Visibility), "team", string(p.Team), "lock", lockText(p.Lock))
	for _, id := range p.Versions {
		f.values.Add("versions", string(id))
	}
	shared := make([]string, 0, len(d.Shared))
	for _, c := range d.Shared {
		shared = append(shared, c.Slug)
	}
	f.values.Set("shared_with", strings.Join(shared, "\n"))
	if p.Listed {
		f.values.Set("listed", "on")
	}
	return h.productForm(v, http.StatusOK, f, &d)
}

func (h *Console) productForm(v *visit, status int, f form, d *manager.ProductDetail) error {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	l := v.links
	p := productFormPage{
		Heading: "New product", Submit: "Make product", New: true, Action: l.products(), Back: l.products(), Form: f,
		Intro: "A product is what consumers subscribe to: API versions offered together, on terms.",
	}
	crumb := link{"New product", ""}
	var product apim.Product
	if d != nil {
		product = d.Product
		p.Heading, p.Submit, p.New = "Edit "+d.Product.Name, "Save product", false
		p.Intro = "What is changed here is in force as soon as the gateway nodes confirm."
		p.Action, p.Back = l.product(d.Product.Slug, "edit"), l.product(d.Product.Slug)
		crumb = link{d.Product.Name, p.Back}
		var subscribed []manager.Consumer
		for _, c := range d.Shared {
			if c.Subscribers > 0 {
				subscribed = append(subscribed, c)
			}
		}
		p.Keeps = keptText(subscribed)
	}
	p.Lock = f.value("lock")
	p.shell = v.shell(p.Heading, link{"Products", l.products()}, crumb)
	var err error
	if p.Owner, err = h.ownerField(v, apim.ObjectProduct, product.ID, product.Team, f); err != nil {
		return err
	}
	list, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return err
	}
	for _, a := range list.Items {
		for _, version := range a.Versions {
			if version.State == apim.Retired && !f.chosen("versions", string(version.ID)) {
				continue
			}
			p.Versions = append(p.Versions, versionChoice{string(version.ID), a.API.Name + " " + version.Label, string(version.State)})
		}
	}
	return v.render(status, productForm(p))
}

// productInput reads the form of a product.
func productInput(f *form) manager.ProductInput {
	name, summary, description := f.text("name"), f.text("summary"), f.text("description")
	visibility, listed := apim.Visibility(f.value("visibility")), f.checked("listed")
	versions := []apim.ID{}
	for _, id := range f.values["versions"] {
		if id != "" {
			versions = append(versions, apim.ID(id))
		}
	}
	if name == "" {
		f.fail("name", "needs a value")
	}
	in := manager.ProductInput{
		Name: &name, Summary: &summary, Description: &description,
		Visibility: &visibility, Listed: &listed, Versions: &versions, Team: f.owner(), Lock: lockOf(*f),
	}
	if f.has("shared_with") {
		shared := strings.FieldsFunc(strings.ToLower(f.value("shared_with")), func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
		in.SharedWith = &shared
	}
	return in
}

func productFields() []string {
	return []string{"name", "slug", "summary", "description", "visibility", "shared_with", "versions", "listed", "team"}
}

func (h *Console) createProduct(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	in := productInput(&f)
	in.Slug = f.text("slug")
	if in.Slug == "" {
		in.Slug = apim.Slugify(*in.Name)
	}
	if f.failed() {
		return h.productForm(v, v.status(f), f, nil)
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		p, err := h.Catalog.CreateProduct(v.ctx(), v.actor, v.tenant.ID, in)
		if err != nil {
			return "", err
		}
		v.flash(toneOK, p.Name+" is made. Give it a plan next.")
		return v.links.product(p.Slug), nil
	})
	if err != nil {
		if f.refuse(err, productFields(), nil) {
			return h.productForm(v, v.status(f), f, nil)
		}
		return err
	}
	return v.redirect(to)
}

func (h *Console) updateProduct(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, v.param("product"))
	if err != nil {
		return err
	}
	in := productInput(&f)
	v.confirmOwner(&f, apim.ObjectProduct, d.Product.ID, d.Product.Team)
	if f.failed() {
		return h.productForm(v, v.status(f), f, &d)
	}
	p, change, err := h.Catalog.UpdateProduct(v.ctx(), v.actor, v.tenant.ID, d.Product.ID, in)
	if err != nil {
		if f.refuse(err, productFields(), nil) {
			return h.productForm(v, v.status(f), f, &d)
		}
		return err
	}
	text := p.Name + " is saved."
	if after, err := h.Catalog.Product(v.ctx(), v.actor, v.tenant.ID, p.Slug); err == nil && len(after.Kept) > len(d.Kept) {
		text += " It is not found any more by " + keptText(after.Kept) + ", whose subscriptions go on."
	}
	v.flash(toneOK, text)
	return v.redirect(withChange(v.links.product(p.Slug), change))
}
