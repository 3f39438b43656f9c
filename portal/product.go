package portal

import (
	"context"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// productView is the page of one product.
type productView struct {
	frame
	Name, Summary, Provider string
	Text                    string // HTML
	APIs                    []apiCard
	Plans                   []planColumn
	Mine                    []subscriptionRow
	Subscribe               string
	CanSubscribe            bool // a plan takes new subscriptions
}

func (p *portal) product(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	offer, err := p.Catalog.Offer(ctx, r.Actor, r.Tenant.ID, c.Param("provider"), c.Param("product"))
	if err != nil {
		return err
	}
	v := productView{
		frame: r.frame(offer.Product.Name, atCatalog),
		Name:  offer.Product.Name, Summary: offer.Product.Summary, Provider: offer.Provider.Name,
		Text:      p.markdown.HTML(offer.Product.Description),
		APIs:      p.apiCards([]manager.Offer{offer}),
		Plans:     planColumns(offer.Plans, offer.Mine),
		Subscribe: subscribeLink(offer.Provider.Slug, offer.Product.Slug),
	}
	v.Crumbs = []ui.Crumb{{Label: "Catalog", Href: catalogPath}, {Label: offer.Provider.Name}}
	for _, plan := range v.Plans {
		v.CanSubscribe = v.CanSubscribe || plan.Open
	}
	if v.Mine, err = p.ownRows(ctx, r, offer.Mine); err != nil {
		return err
	}
	return p.render(c, 200, productPageOf(v))
}

// ownRows lays the reader's own subscriptions out with links to their pages.
func (p *portal) ownRows(ctx context.Context, r *reader, mine []manager.SubscriptionView) ([]subscriptionRow, error) {
	if len(mine) == 0 {
		return nil, nil
	}
	slugs, err := p.applicationSlugs(ctx, r)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	var rows []subscriptionRow
	for _, s := range mine {
		row := newSubscriptionRow(s, slugs[s.Subscription.Application], now)
		row.Title = s.Application
		rows = append(rows, row)
	}
	return rows, nil
}

// applicationSlugs maps the ids of the reader's applications to their slugs.
func (p *portal) applicationSlugs(ctx context.Context, r *reader) (map[apim.ID]string, error) {
	all, err := p.allApplications(ctx, r)
	if err != nil {
		return nil, err
	}
	slugs := map[apim.ID]string{}
	for _, a := range all {
		slugs[a.Application.ID] = a.Application.Slug
	}
	return slugs, nil
}
