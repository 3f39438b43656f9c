package portal

import (
	"context"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
	"portico/ui/icon"
)

// catalogView is the page of everything that a reader may find.
type catalogView struct {
	frame
	Query      string
	Products   []productRow
	APIs       []apiCard
	Operations []operationHit
	MoreHits   bool
	Next       string // address of the next page, "" on the last
	Sample     *sampleView
	Start      string // where the hero's button leads
}

type productRow struct {
	Name, Summary, URL, Provider string
	Contains, Plans, From        string
	Mine, MineTone               string
}

type apiCard struct {
	Name, Provider, URL, Summary string
	Label                        string
	Operations                   string
	State, StateTone             string // of the lifecycle, "" when published
	Retires                      string
	Mine, MineTone               string
	Plans                        string
}

type operationHit struct {
	Method, Path, Title, API, URL string
	Deprecated                    bool
}

const (
	catalogPage = 50
	// mostHits and mostSearched bound how much of the operations one search
	// shows and reads.
	mostHits     = 12
	mostSearched = 12
)

func (p *portal) catalog(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	query := strings.TrimSpace(c.Query("q"))
	offers, err := p.Catalog.Offers(ctx, r.Actor, r.Tenant.ID, manager.OfferQuery{
		Search: query, Page: apim.Page{Limit: catalogPage, Cursor: c.Query("after")},
	})
	if err != nil {
		return err
	}
	v := catalogView{frame: r.frame("Catalog", atCatalog), Query: query}
	for _, o := range offers.Items {
		v.Products = append(v.Products, p.productRow(o))
	}
	v.APIs = p.apiCards(offers.Items)
	if offers.NextCursor != "" {
		v.Next = with(catalogPath, "q", query, "after", offers.NextCursor)
	}
	if len(query) > 1 {
		if v.Operations, v.MoreHits, err = p.operationHits(ctx, r, offers.Items, query); err != nil {
			return err
		}
	}
	if query == "" && len(offers.Items) > 0 {
		v.Start = subscribeLink(offers.Items[0].Provider.Slug, offers.Items[0].Product.Slug)
		v.Sample = p.heroSample(ctx, r, offers.Items)
	}
	return p.render(c, 200, catalogPageOf(v))
}

func (p *portal) productRow(o manager.Offer) productRow {
	row := productRow{
		Name: o.Product.Name, Summary: o.Product.Summary, Provider: o.Provider.Name,
		URL:  productLink(o.Provider.Slug, o.Product.Slug),
		From: from(o.Plans),
	}
	var apis, plans []string
	for _, v := range o.Versions {
		if !slices.Contains(apis, v.API.Name) {
			apis = append(apis, v.API.Name)
		}
	}
	for _, plan := range o.Plans {
		if plan.State == apim.PlanPublished {
			plans = append(plans, plan.Name)
		}
	}
	row.Contains, row.Plans = strings.Join(apis, ", "), strings.Join(plans, ", ")
	row.Mine, row.MineTone = ownState(o.Mine)
	return row
}

// apiCards returns one card for each version that the offers hold, with the
// reader's state over all the products that it is in.
func (p *portal) apiCards(offers []manager.Offer) []apiCard {
	type held struct {
		version manager.OfferedVersion
		offer   manager.Offer
		mine    []manager.SubscriptionView
		plans   int
	}
	var order []apim.ID
	byVersion := map[apim.ID]*held{}
	for _, o := range offers {
		for _, v := range o.Versions {
			h, ok := byVersion[v.Version]
			if !ok {
				h = &held{version: v, offer: o}
				byVersion[v.Version] = h
				order = append(order, v.Version)
			}
			h.mine = append(h.mine, o.Mine...)
			for _, plan := range o.Plans {
				if plan.State == apim.PlanPublished {
					h.plans++
				}
			}
		}
	}
	var cards []apiCard
	for _, id := range order {
		h := byVersion[id]
		card := apiCard{
			Name: h.version.API.Name, Provider: h.offer.Provider.Name, Label: h.version.Label,
			URL:        versionLink(h.offer.Provider.Slug, h.version.API.Slug, h.version.Label),
			Summary:    p.markdown.Sentence(h.version.API.Description),
			Operations: count(h.version.Operations, "operation", "operations"),
			Plans:      count(h.plans, "plan", "plans"),
		}
		if h.version.State == apim.Deprecated {
			card.State, card.StateTone = "Deprecated", "warn"
			if !h.version.SunsetAt.IsZero() {
				card.Retires = "retires " + shortDay(h.version.SunsetAt)
			}
		}
		card.Mine, card.MineTone = ownState(h.mine)
		cards = append(cards, card)
	}
	return cards
}

// operationHits finds the operations that a search was about, in the versions
// that it found.
func (p *portal) operationHits(ctx context.Context, r *reader, offers []manager.Offer, query string) (hits []operationHit, more bool, err error) {
	seen := map[apim.ID]bool{}
	for _, o := range offers {
		for _, v := range o.Versions {
			if seen[v.Version] {
				continue
			}
			if len(seen) == mostSearched {
				return hits, true, nil
			}
			seen[v.Version] = true
			lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
			if err != nil {
				return nil, false, err
			}
			for _, line := range filterOperations(lines, query) {
				if len(hits) == mostHits {
					return hits, true, nil
				}
				hits = append(hits, operationHit{
					Method: line.Method, Path: line.Path, Title: title(line), API: v.API.Name + " " + v.Label,
					URL:        operationLink(o.Provider.Slug, v.API.Slug, v.Label, slug(line)),
					Deprecated: line.Deprecated,
				})
			}
		}
	}
	return hits, false, nil
}

// filterOperations returns the operations that hold every word of the query in
// their summary, path, method, id or tag.
func filterOperations(lines []manager.OperationLine, query string) []manager.OperationLine {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return lines
	}
	var found []manager.OperationLine
	for _, line := range lines {
		text := strings.ToLower(line.Summary + "\x00" + line.Method + " " + line.Path + "\x00" + line.Operation + "\x00" + line.Tag)
		all := true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// title is what an operation is called: its summary, else its method and path.
func title(line manager.OperationLine) string {
	if s := strings.TrimSpace(line.Summary); s != "" {
		return s
	}
	return line.Method + " " + line.Path
}

// search answers the palette: products, APIs and operations that fit.
func (p *portal) search(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	query := strings.TrimSpace(c.Query("q"))
	var groups []ui.PaletteGroup
	if query != "" {
		offers, err := p.Catalog.Offers(ctx, r.Actor, r.Tenant.ID, manager.OfferQuery{Search: query, Page: apim.Page{Limit: 8}})
		if err != nil {
			return err
		}
		products := ui.PaletteGroup{Label: "Products"}
		for _, o := range offers.Items {
			products.Items = append(products.Items, paletteItem(o.Product.Name, query, productLink(o.Provider.Slug, o.Product.Slug), o.Provider.Name, icon.Package()))
		}
		apis := ui.PaletteGroup{Label: "APIs"}
		for _, card := range p.apiCards(offers.Items) {
			apis.Items = append(apis.Items, paletteItem(card.Name, query, card.URL, card.Label, icon.Waypoints()))
		}
		hits, _, err := p.operationHits(ctx, r, offers.Items, query)
		if err != nil {
			return err
		}
		operations := ui.PaletteGroup{Label: "Operations"}
		for _, h := range hits {
			operations.Items = append(operations.Items, paletteItem(h.Title, query, h.URL, h.API, icon.FileText()))
		}
		for _, g := range []ui.PaletteGroup{products, apis, operations} {
			if len(g.Items) > 0 {
				groups = append(groups, g)
			}
		}
	}
	return p.render(c, 200, ui.PaletteResults(groups))
}

// paletteItem marks where a name holds the query.
func paletteItem(name, query, href, note string, i icon.Icon) ui.PaletteItem {
	item := ui.PaletteItem{Before: name, Href: href, Note: note, Icon: i}
	lower := strings.ToLower(name)
	if at := strings.Index(lower, strings.ToLower(query)); at >= 0 && len(lower) == len(name) && at+len(query) <= len(name) {
		item.Before, item.Match, item.After = name[:at], name[at:at+len(query)], name[at+len(query):]
	}
	return item
}
