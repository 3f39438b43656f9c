package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

type ctlOffers struct {
	List ctlOfferList `cmd:"" default:"withargs" help:"List products that you may subscribe to."`
	Show ctlOfferShow `cmd:"" help:"Show a product of the catalog, its versions and plans."`
}

type offerAnswer struct {
	Product  struct{ ID, Slug, Name, Summary string }
	Provider struct{ Slug, Name string }
	Plans    []planAnswer
	Versions []struct{ API, Label, State, URL string }
}

func (o offerAnswer) row() []string {
	plans, versions := make([]string, len(o.Plans)), make([]string, len(o.Versions))
	for i, p := range o.Plans {
		plans[i] = p.Slug
	}
	for i, v := range o.Versions {
		versions[i] = v.API + " " + v.Label
	}
	return []string{o.Provider.Slug + "/" + o.Product.Slug, o.Product.Name, strings.Join(versions, ", "), strings.Join(plans, ", "), o.Product.Summary}
}

type ctlOfferList struct {
	ctlFlags
	Search string `help:"Words in name or summary."`
}

// Run prints the catalog.
func (c *ctlOfferList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/offers")
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Search != "" {
		query.Set("search", c.Search)
	}
	return list(ctx, s, path, query, []string{"PRODUCT", "NAME", "APIS", "PLANS", "SUMMARY"}, offerAnswer.row)
}

type ctlOfferShow struct {
	ctlFlags
	Product string `arg:"" help:"Slug of the product; of another tenant's as tenant/product."`
}

// Run prints an offer.
func (c *ctlOfferShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	provider, product, err := s.offered(ctx, c.Product)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/offers/%s/%s", provider, product)
	if err != nil {
		return err
	}
	var o offerAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &o)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s of %s (%s/%s)", o.Product.Name, o.Provider.Name, o.Provider.Slug, o.Product.Slug)
	if o.Product.Summary != "" {
		s.say("%s", o.Product.Summary)
	}
	for _, v := range o.Versions {
		s.say("%s %s, %s: %s", v.API, v.Label, v.State, v.URL)
	}
	rows := [][]string{planHeading()}
	for _, p := range o.Plans {
		rows = append(rows, p.row())
	}
	if err := s.table(rows); err != nil {
		return err
	}
	s.say("Ask for it with: portico subscribe APPLICATION %s/%s PLAN", o.Provider.Slug, o.Product.Slug)
	return nil
}
