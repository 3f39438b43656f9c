package manager

import (
	"context"
	"fmt"
	"slices"

	"portico/internal/apim"
	"portico/manager/store"
)

// mostShared is how many tenants a product may be shared with.
const mostShared = 200

// Consumer is another tenant as a product's provider may see it. Its name is
// known once it has asked for the product; before that a provider knows a slug
// and is told nothing more.
type Consumer struct {
	Slug        string
	Name        string // "" until it has asked
	Subscribers int    // live subscriptions of its applications to the product
}

// shareWith takes the tenants that a product is to be shared with, by slug.
//
// Why a wrong slug is an error: the slugs of those who offer are in public
// addresses anyway, and a typing mistake that is taken would share with nobody
// in silence, or later with who gets the slug. What is refused says the same of
// every slug that does not lead anywhere, and what is taken says no name.
func (u *unit) shareWith(ctx context.Context, check *apim.Check, p *apim.Product, slugs *[]string) error {
	if slugs != nil {
		before, err := u.sharedWith(ctx, *p)
		if err != nil {
			return err
		}
		if len(*slugs) > mostShared {
			check.Fail("shared_with", "too_many", "has %d organisations, the most is %d", len(*slugs), mostShared)
			return nil
		}
		p.SharedWith = nil
		for i, slug := range *slugs {
			field := fmt.Sprintf("shared_with[%d]", i)
			with, known := before[slug]
			if !known {
				if with, err = u.reachable(ctx, slug); err != nil {
					return err
				}
			}
			switch {
			case with == "":
				check.Fail(field, "unknown", "no such organisation, or it cannot be reached: %q; ask its people for the slug in the address of their console", clipped(slug, 63))
			case with == p.Tenant:
				check.Fail(field, "own", "%s is your own organisation, which finds the product anyway", slug)
			case slices.Contains(p.SharedWith, with):
				check.Fail(field, "twice", "%s is in the list already", slug)
			default:
				p.SharedWith = append(p.SharedWith, with)
			}
		}
	}
	if p.Visibility == apim.VisibleShared && len(p.SharedWith) == 0 && (slugs == nil || len(*slugs) == 0) {
		check.Fail("shared_with", "required", "name at least one organisation, or choose private")
	}
	return nil
}

// sharedWith returns the tenants that a product is shared with, by slug.
func (u *unit) sharedWith(ctx context.Context, p apim.Product) (map[string]apim.ID, error) {
	out := map[string]apim.ID{}
	if len(p.SharedWith) == 0 {
		return out, nil
	}
	tenants, err := u.System().Tenants(ctx, p.SharedWith...)
	for _, t := range tenants {
		out[t.Slug] = t.ID
	}
	return out, err
}

// reachable returns the tenant with a slug, "" where there is none.
func (u *unit) reachable(ctx context.Context, slug string) (apim.ID, error) {
	if apim.CheckSlug(slug) != nil {
		return "", nil
	}
	t, err := u.System().Tenant(ctx, slug)
	if apim.KindOf(err) == apim.NotFound {
		return "", nil
	}
	return t.ID, err
}

// consumers returns the tenants that a product is shared with, in the order
// they were named, and those that have live subscriptions to it though they do
// not find it any more.
func consumers(ctx context.Context, tx *store.Tx, p apim.Product) (shared, kept []Consumer, err error) {
	live, err := tx.Tenant(p.Tenant).Consumers(ctx, p.ID)
	if err != nil {
		return nil, nil, err
	}
	wanted := slices.Clone(p.SharedWith)
	for tenant := range live {
		if !slices.Contains(wanted, tenant) {
			wanted = append(wanted, tenant)
		}
	}
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	tenants, err := tx.System().Tenants(ctx, wanted...)
	if err != nil {
		return nil, nil, err
	}
	byID := map[apim.ID]apim.Tenant{}
	for _, t := range tenants {
		byID[t.ID] = t
	}
	one := func(id apim.ID) Consumer {
		n, asked := live[id]
		c := Consumer{Slug: byID[id].Slug, Subscribers: n}
		if asked {
			c.Name = byID[id].Name
		}
		return c
	}
	for _, id := range p.SharedWith {
		shared = append(shared, one(id))
	}
	for _, t := range tenants { // by slug
		finds := p.Visibility == apim.VisiblePublic || t.ID == p.Tenant || p.Visibility == apim.VisibleShared && slices.Contains(p.SharedWith, t.ID)
		if live[t.ID] > 0 && !finds {
			kept = append(kept, one(t.ID))
		}
	}
	return shared, kept, nil
}
