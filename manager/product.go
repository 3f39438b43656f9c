package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// ProductInput makes or changes a product. On change nil fields stay.
type ProductInput struct {
	Slug                       string // on making only
	Name, Summary, Description *string
	Visibility                 *apim.Visibility
	SharedWith                 *[]string // slugs of the tenants that find it while it is shared
	Listed                     *bool
	Versions                   *[]apim.ID
	Team                       *apim.ID // that is to own it; "" is nobody in particular
	Lock                       int64
}

// ProductQuery filters a list of products.
type ProductQuery struct {
	Team apim.ID // that owns them, by id or slug; apim.NoTeam: no team
	Page apim.Page
}

// PlanInput makes or changes a plan. On change nil fields stay.
type PlanInput struct {
	Slug                     string // on making only
	Name, Description, Price *string
	Approval                 *apim.Approval
	Limits                   *[]apim.RateLimit
	Policies                 *[]apim.Policy
	MaxKeyLife               *time.Duration // 0 is no bound
	State                    *apim.PlanState
	Lock                     int64
}

// ProductDetail is a product with its plans and versions.
type ProductDetail struct {
	Product     apim.Product
	Owner       string // name of the team that owns it, "" for none
	Plans       []apim.Plan
	Versions    []ProductVersion
	Subscribers int // live subscriptions

	// Of one product, not in lists: the tenants that it is shared with, and those
	// that have live subscriptions though they do not find it any more.
	Shared, Kept []Consumer
	LongKeys     map[apim.ID]int // that live longer than a plan allows, by plan
}

// ProductVersion is an API version in a product.
type ProductVersion struct {
	API     apim.API
	Version VersionSummary
}

// CreateProduct makes a product of the tenant.
func (c *Catalog) CreateProduct(ctx context.Context, actor apim.Actor, tenant apim.ID, in ProductInput) (apim.Product, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Product{}, err
	}
	var p apim.Product
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		p = apim.Product{
			ID: apim.NewID(apim.PrefixProduct, u.now), Tenant: tenant, Slug: in.Slug, Visibility: apim.VisiblePrivate,
			CreatedAt: u.now, UpdatedAt: u.now, Lock: 1,
		}
		if p.Slug == "" {
			p.Slug = apim.Slugify(value(in.Name))
		}
		var check apim.Check
		if p.Team, err = u.ownerOfNew(ctx, &check, tenant, apim.ObjectProduct, value(in.Team)); err != nil {
			return err
		}
		if err := u.fillProduct(ctx, &check, &p, in); err != nil {
			return err
		}
		check.Slug("slug", p.Slug)
		switch _, err := t.Product(ctx, p.Slug); {
		case err == nil:
			check.Fail("slug", "taken", "you have a product %q already", p.Slug)
		case apim.KindOf(err) != apim.NotFound:
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := t.InsertProduct(ctx, p); err != nil {
			return err
		}
		return u.record(ctx, tenant, "product.create", p.ID, "product %s made", p.Name)
	})
	return p, err
}

// UpdateProduct changes a product. Its versions are in its plans' terms, so
// the change may reach the nodes; Change is zero when it does not.
func (c *Catalog) UpdateProduct(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in ProductInput) (apim.Product, apim.Change, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return apim.Product{}, apim.Change{}, err
	}
	var p apim.Product
	var change apim.Change
	err := c.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if p, err = t.Product(ctx, string(id)); err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectProduct, p.ID, p.Team); err != nil {
			return err
		}
		if err := apim.CheckLock("product", p.Lock, in.Lock); err != nil {
			return err
		}
		before := p
		if err := u.handOver(ctx, tenant, apim.ObjectProduct, &p.Team, in.Team); err != nil {
			return err
		}
		var check apim.Check
		if err := u.fillProduct(ctx, &check, &p, in); err != nil {
			return err
		}
		if in.Slug != "" && in.Slug != p.Slug {
			check.Fail("slug", "immutable", "a slug stays as it was made: %q", p.Slug)
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := noSecondAccess(ctx, u, before, p); err != nil {
			return err
		}
		p.UpdatedAt = u.now
		if err := t.UpdateProduct(ctx, &p); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, "product.change", p.ID, productFacts(before), productFacts(p), "product %s changed", p.Name); err != nil {
			return err
		}
		if slices.Equal(before.Versions, p.Versions) && before.Name == p.Name {
			return nil
		}
		plans, err := t.Plans(ctx, []apim.ID{p.ID})
		if err != nil {
			return err
		}
		var items []entry.Item
		for _, plan := range plans {
			if plan.State == apim.PlanDraft || plan.State == apim.PlanClosed {
				continue
			}
			it, err := termsItem(plan, p)
			if err != nil {
				return err
			}
			items = append(items, it)
		}
		if len(items) > 0 {
			change, err = u.emitEverywhere(ctx, items)
		}
		return err
	})
	return p, change, err
}

func productFacts(p apim.Product) any {
	return map[string]any{
		"name": p.Name, "summary": p.Summary, "description": p.Description, "visibility": p.Visibility, "shared_with": p.SharedWith, "listed": p.Listed,
		"versions": p.Versions, "team": p.Team,
	}
}

// noSecondAccess refuses to add versions that would give an application a
// second live subscription to one of them, naming the applications.
func noSecondAccess(ctx context.Context, u *unit, before, after apim.Product) error {
	var added []apim.ID
	for _, v := range after.Versions {
		if !slices.Contains(before.Versions, v) {
			added = append(added, v)
		}
	}
	if len(added) == 0 {
		return nil
	}
	live, err := u.Tenant(after.Tenant).LiveTo(ctx, after.ID)
	if err != nil {
		return err
	}
	byApplication := map[apim.ID][]apim.Subscription{} // one application may have one for each environment
	for _, s := range live {
		byApplication[s.Application] = append(byApplication[s.Application], s)
	}
	overlaps, err := u.System().Overlaps(ctx, ids(live, func(s apim.Subscription) apim.ID { return s.Application }), added, after.ID)
	if err != nil {
		return err
	}
	var twice []apim.ID
	for _, o := range overlaps {
		both := func(here apim.Subscription) bool { return overlap(here.Environments, o.Subscription.Environments) }
		if o.Subscription.Tenant == after.Tenant && slices.ContainsFunc(byApplication[o.Subscription.Application], both) {
			twice = append(twice, o.Subscription.Application)
		}
	}
	if len(twice) == 0 {
		return nil
	}
	names, err := u.System().ApplicationNames(ctx, twice)
	if err != nil {
		return err
	}
	var list []string
	for _, id := range twice {
		if !slices.Contains(list, names[id]) {
			list = append(list, names[id])
		}
	}
	return apim.Errorf(apim.Conflict, "this would give applications the same API twice, by two products: %s; they have to leave one of them first", strings.Join(list, ", ")).WithCode("second_access")
}

// overlap reports whether two lists of environments, where none is all, have
// one in common.
func overlap(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(e string) bool { return slices.Contains(b, e) })
}

func (u *unit) fillProduct(ctx context.Context, check *apim.Check, p *apim.Product, in ProductInput) error {
	t := u.Tenant(p.Tenant)
	set(&p.Name, in.Name)
	set(&p.Summary, in.Summary)
	set(&p.Description, in.Description)
	set(&p.Visibility, in.Visibility)
	set(&p.Listed, in.Listed)
	checkName(check, p.Name)
	check.Length("summary", p.Summary, 200)
	check.Length("description", p.Description, 20_000)
	if p.Visibility != apim.VisiblePrivate && p.Visibility != apim.VisibleShared && p.Visibility != apim.VisiblePublic {
		check.Fail("visibility", "unknown", "is %q; use private, shared or public", p.Visibility)
	}
	if err := u.shareWith(ctx, check, p, in.SharedWith); err != nil {
		return err
	}
	if in.Versions == nil {
		return nil
	}
	before := p.Versions
	p.Versions = nil
	if len(*in.Versions) > 100 {
		check.Fail("versions", "too_many", "has %d versions, the most is 100", len(*in.Versions))
		return nil
	}
	known, err := t.VersionLinesByID(ctx, *in.Versions)
	if err != nil {
		return err
	}
	for i, id := range *in.Versions {
		field := fmt.Sprintf("versions[%d]", i)
		at := slices.IndexFunc(known, func(v store.VersionLine) bool { return v.ID == id })
		mayOffer := at >= 0 && slices.Contains(before, id)
		if at >= 0 && !mayOffer {
			err := u.core.allowVersion(ctx, t, u.actor, apim.Publish, known[at].API)
			switch apim.KindOf(err) {
			case apim.NotFound:
				at = -1
			case "":
				if err != nil {
					return err
				}
				mayOffer = true
			}
		}
		switch {
		case at < 0:
			check.Fail(field, "unknown", "you have no version %q", id)
		case !mayOffer:
			check.Fail(field, "not_yours", "you may not offer %s of that API; ask the people who publish it", known[at].Label)
		case slices.Contains(p.Versions, id):
			check.Fail(field, "twice", "the version is in the list already")
		case known[at].State == apim.Retired:
			check.Fail(field, "retired", "version %s is retired", known[at].Label)
		default:
			p.Versions = append(p.Versions, id)
		}
	}
	return nil
}

// DeleteProduct removes a product that nobody has ever subscribed to.
func (c *Catalog) DeleteProduct(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectProduct); err != nil {
		return err
	}
	return c.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		p, err := t.Product(ctx, string(id))
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectProduct, p.ID, p.Team); err != nil {
			return err
		}
		plans, err := t.Plans(ctx, []apim.ID{p.ID})
		if err != nil {
			return err
		}
		ever, err := t.EverSubscribed(ctx, p.ID)
		if err != nil {
			return err
		}
		if ever {
			return apim.Errorf(apim.Conflict, "%s has had subscriptions, and what was decided stays on record; take it out of the catalog and close its plans instead", p.Name).WithCode("has_subscriptions")
		}
		if err := t.DeleteProduct(ctx, p.ID); err != nil {
			return err
		}
		if err := u.endGrantsOn(ctx, tenant, p.ID); err != nil {
			return err
		}
		if err := u.record(ctx, tenant, "product.delete", p.ID, "product %s deleted", p.Name); err != nil {
			return err
		}
		var items []entry.Item
		for _, plan := range plans {
			key, err := entry.TermsKey(plan.ID.UUID())
			if err != nil {
				return err
			}
			items = append(items, entry.Tombstone(key, entry.Position{}))
		}
		_, err = u.emitEverywhere(ctx, items)
		return err
	})
}

// Products lists those of the tenant's products that the actor may read, by
// name.
func (c *Catalog) Products(ctx context.Context, actor apim.Actor, tenant apim.ID, q ProductQuery) (apim.List[ProductDetail], error) {
	reach, err := c.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectProduct)
	if err != nil {
		return apim.List[ProductDetail]{}, err
	}
	var out apim.List[ProductDetail]
	err = c.Store.Read(ctx, func(tx *store.Tx) error {
		team, err := filterTeam(ctx, tx.Tenant(tenant), q.Team)
		if err != nil {
			return err
		}
		list, err := tx.Tenant(tenant).Products(ctx, reach, team, q.Page)
		if err != nil {
			return err
		}
		out.NextCursor = list.NextCursor
		out.Items, err = productDetails(ctx, tx.Tenant(tenant), list.Items)
		return err
	})
	return out, err
}

// Product returns a product of the tenant by id or slug.
func (c *Catalog) Product(ctx context.Context, actor apim.Actor, tenant apim.ID, ref string) (ProductDetail, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectProduct); err != nil {
		return ProductDetail{}, err
	}
	var out ProductDetail
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		p, err := tx.Tenant(tenant).Product(ctx, ref)
		if err != nil {
			return err
		}
		if err := c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectProduct, p.ID, p.Team); err != nil {
			return err
		}
		all, err := productDetails(ctx, tx.Tenant(tenant), []apim.Product{p})
		if err != nil {
			return err
		}
		out = all[0]
		if out.Shared, out.Kept, err = consumers(ctx, tx, p); err != nil {
			return err
		}
		long, err := tx.System().LongKeys(ctx, ids(out.Plans, func(p apim.Plan) apim.ID { return p.ID }), c.now())
		out.LongKeys = longKeys(long)
		return err
	})
	return out, err
}

func productDetails(ctx context.Context, t store.Tenant, products []apim.Product) ([]ProductDetail, error) {
	productIDs := ids(products, func(p apim.Product) apim.ID { return p.ID })
	plans, err := t.Plans(ctx, productIDs)
	if err != nil {
		return nil, err
	}
	using, err := t.LiveSubscribers(ctx, productIDs)
	if err != nil {
		return nil, err
	}
	var versionIDs []apim.ID
	for _, p := range products {
		versionIDs = append(versionIDs, p.Versions...)
	}
	versions, err := productVersions(ctx, t, versionIDs)
	if err != nil {
		return nil, err
	}
	owners, err := ownerNames(ctx, t, ids(products, func(p apim.Product) apim.ID { return p.Team }))
	if err != nil {
		return nil, err
	}
	out := make([]ProductDetail, len(products))
	for i, p := range products {
		d := ProductDetail{Product: p, Owner: owners[p.Team], Subscribers: using[p.ID]}
		for _, plan := range plans {
			if plan.Product == p.ID {
				d.Plans = append(d.Plans, plan)
			}
		}
		for _, id := range p.Versions {
			if v, ok := versions[id]; ok {
				d.Versions = append(d.Versions, v)
			}
		}
		out[i] = d
	}
	return out, nil
}

func productVersions(ctx context.Context, t store.Tenant, versionIDs []apim.ID) (map[apim.ID]ProductVersion, error) {
	lines, err := t.VersionLinesByID(ctx, versionIDs)
	if err != nil {
		return nil, err
	}
	summaries, err := versionSummaries(ctx, t, lines)
	if err != nil {
		return nil, err
	}
	apis, err := t.APIsByID(ctx, ids(lines, func(v store.VersionLine) apim.ID { return v.API }))
	if err != nil {
		return nil, err
	}
	byID := map[apim.ID]apim.API{}
	for _, a := range apis {
		byID[a.ID] = a
	}
	out := map[apim.ID]ProductVersion{}
	for i, line := range lines {
		out[line.ID] = ProductVersion{API: byID[line.API], Version: summaries[i]}
	}
	return out, nil
}
