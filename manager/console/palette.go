package console

import (
	"net/http"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry/describe"
	"portico/manager"
	"portico/ui"
	"portico/ui/icon"
)

// palettePage is the same search without a script.
type palettePage struct {
	shell
	Query  string
	Groups []ui.PaletteGroup
	Self   string
}

const paletteMost = 6 // results of one sort

// palette answers the box that opens on ⌘K: pages, APIs, products and
// applications whose names hold what was typed.
func (h *Console) palette(v *visit) error {
	q := clip(v.query("q"), 100)
	groups, err := h.find(v, q)
	if err != nil {
		return err
	}
	if v.c.GetHeader("HX-Request") == "true" {
		return v.fragment(ui.PaletteResults(groups))
	}
	return v.render(http.StatusOK, paletteView(palettePage{
		shell: v.shell("Search", link{"Search", ""}), Query: q, Groups: groups, Self: v.links.palette(),
	}))
}

func (h *Console) find(v *visit, q string) ([]ui.PaletteGroup, error) {
	var out []ui.PaletteGroup
	add := func(label string, items []ui.PaletteItem) {
		if len(items) > 0 {
			out = append(out, ui.PaletteGroup{Label: label, Items: items[:min(len(items), paletteMost)]})
		}
	}
	if q != "" && v.can(apim.Read, apim.ObjectAPI) {
		items, err := h.searchAPIs(v, q, "", paletteMost)
		if err != nil {
			return nil, err
		}
		var found []ui.PaletteItem
		for _, a := range items {
			inUseFirst(a.Versions)
			for _, s := range a.Versions[:min(len(a.Versions), 3)] {
				found = append(found, hit(a.API.Name, q, v.links.version(a.API.Slug, s.Label), icon.Waypoints(), s.Label+" · "+string(s.State)))
			}
		}
		add("APIs", found)
	}
	if q != "" && v.can(apim.Read, apim.ObjectProduct) {
		found, err := h.findProducts(v, q)
		if err != nil {
			return nil, err
		}
		add("Products", found)
	}
	if q != "" && v.can(apim.Read, apim.ObjectApplication) {
		found, err := h.findApplications(v, q)
		if err != nil {
			return nil, err
		}
		add("Applications", found)
	}
	if q != "" {
		var found []ui.PaletteItem
		for _, p := range describe.Policies() {
			if holds(p.Title, q) || holds(string(p.Kind), q) {
				found = append(found, hit(p.Title, q, v.links.policyKind(p.Kind), icon.Columns3(), string(p.Stage)))
			}
		}
		add("Policies", found)
	}
	var pages []ui.PaletteItem
	for _, group := range v.nav() {
		for _, item := range group.Items {
			if holds(item.Label, q) {
				pages = append(pages, hit(item.Label, q, item.Href, item.Icon, group.Label))
			}
		}
	}
	if holds("Import OpenAPI", q) && v.can(apim.Write, apim.ObjectAPI) {
		pages = append(pages, hit("Import OpenAPI", q, v.links.importSource(), icon.Upload(), "Publish"))
	}
	if holds("New product", q) && v.can(apim.Write, apim.ObjectProduct) {
		pages = append(pages, hit("New product", q, v.links.newProduct(), icon.Plus(), "Publish"))
	}
	if q == "" {
		out = append(out, ui.PaletteGroup{Label: "Pages", Items: pages})
		return out, nil
	}
	add("Pages", pages)
	return out, nil
}

// searchAPIs finds APIs in whose names, slugs or tags is what was typed, live those
// that are live in an environment. Whose slug was typed is what was meant.
func (h *Console) searchAPIs(v *visit, q, live string, most int) ([]manager.APISummary, error) {
	list, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Search: q, Live: live, Page: apim.Page{Limit: most}})
	if err != nil || q == "" {
		return list.Items, err
	}
	exact, err := h.Catalog.API(v.ctx(), v.actor, v.tenant.ID, strings.ToLower(q))
	switch kind := apim.KindOf(err); {
	case err == nil:
		items := slices.DeleteFunc(list.Items, func(a manager.APISummary) bool { return a.API.ID == exact.API.ID })
		return slices.Insert(items, 0, exact), nil
	case kind != apim.NotFound && kind != apim.Forbidden:
		return nil, err
	}
	return list.Items, nil
}

// inUseFirst puts the versions that callers should use before drafts, and
// those before the ones that are going or gone; the newest first in each.
func inUseFirst(all []manager.VersionSummary) {
	rank := func(s manager.VersionSummary) int {
		return slices.Index([]apim.VersionState{apim.Published, apim.Draft, apim.Deprecated, apim.Retired}, s.State)
	}
	slices.SortStableFunc(all, func(a, b manager.VersionSummary) int { return rank(a) - rank(b) })
}

func (h *Console) findProducts(v *visit, q string) ([]ui.PaletteItem, error) {
	list, err := h.Catalog.Products(v.ctx(), v.actor, v.tenant.ID, manager.ProductQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return nil, err
	}
	var found []ui.PaletteItem
	for _, d := range list.Items {
		if holds(d.Product.Name, q) || holds(d.Product.Slug, q) {
			found = append(found, hit(d.Product.Name, q, v.links.product(d.Product.Slug), icon.Package(), count(len(d.Plans), "plan", "plans")))
		}
	}
	return found, nil
}

func (h *Console) findApplications(v *visit, q string) ([]ui.PaletteItem, error) {
	list, err := h.Access.Applications(v.ctx(), v.actor, v.tenant.ID, apim.Page{Limit: 200})
	if err != nil {
		return nil, err
	}
	var found []ui.PaletteItem
	for _, a := range list.Items {
		if holds(a.Application.Name, q) || holds(a.Application.Slug, q) {
			found = append(found, hit(a.Application.Name, q, v.links.applications(), icon.AppWindow(), v.tenant.Name))
		}
	}
	return found, nil
}

func holds(s, q string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(q)) }

// hit marks the part of a label that was searched for.
func hit(label, q, href string, i icon.Icon, note string) ui.PaletteItem {
	item := ui.PaletteItem{Before: label, Href: href, Icon: i, Note: note}
	at := strings.Index(strings.ToLower(label), strings.ToLower(q))
	if q == "" || at < 0 || len(strings.ToLower(label)) != len(label) || len(strings.ToLower(q)) != len(q) {
		return item
	}
	item.Before, item.Match, item.After = label[:at], label[at:at+len(q)], label[at+len(q):]
	return item
}
