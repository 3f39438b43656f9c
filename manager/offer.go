package manager

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
	"portico/openapi"
)

// reader is the tenant for which somebody reads the catalog: "" for nobody in
// particular. A tenant that the actor does not belong to is refused.
func (c *Catalog) reader(ctx context.Context, actor apim.Actor, tenant apim.ID) error {
	if tenant == "" {
		return nil
	}
	return c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectTenant)
}

// Offers lists the listed products that the reader may see. actor may be
// anonymous, tenant empty.
func (c *Catalog) Offers(ctx context.Context, actor apim.Actor, tenant apim.ID, q OfferQuery) (apim.List[Offer], error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return apim.List[Offer]{}, err
	}
	var check apim.Check
	check.Length("search", q.Search, 200)
	if err := check.Err(); err != nil {
		return apim.List[Offer]{}, err
	}
	var out apim.List[Offer]
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		page, err := tx.Catalog(tenant).Offers(ctx, strings.TrimSpace(q.Search), q.Page)
		if err != nil {
			return err
		}
		out.NextCursor = page.NextCursor
		out.Items, err = c.offers(ctx, tx, actor, tenant, page.Items)
		return err
	})
	return out, err
}

// Offer returns one visible product by the slugs of its tenant and itself.
func (c *Catalog) Offer(ctx context.Context, actor apim.Actor, tenant apim.ID, provider, product string) (Offer, error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return Offer{}, err
	}
	var out Offer
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		p, err := tx.Catalog(tenant).Offer(ctx, provider, product)
		if err != nil {
			return err
		}
		all, err := c.offers(ctx, tx, actor, tenant, []apim.Product{p})
		if err != nil {
			return err
		}
		out = all[0]
		for i, v := range out.Versions {
			if out.Versions[i].Siblings, err = siblings(ctx, tx.Catalog(tenant), v); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// offers adds to products what the catalog shows of them.
func (c *Catalog) offers(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, products []apim.Product) ([]Offer, error) {
	if len(products) == 0 {
		return nil, nil
	}
	cat := tx.Catalog(tenant)
	productIDs := ids(products, func(p apim.Product) apim.ID { return p.ID })
	providers, err := cat.Providers(ctx, ids(products, func(p apim.Product) apim.ID { return p.Tenant }))
	if err != nil {
		return nil, err
	}
	plans, err := cat.Plans(ctx, productIDs)
	if err != nil {
		return nil, err
	}
	var versionIDs []apim.ID
	for _, p := range products {
		versionIDs = append(versionIDs, p.Versions...)
	}
	versions, err := cat.Versions(ctx, versionIDs)
	if err != nil {
		return nil, err
	}
	mine, err := c.mine(ctx, tx, actor, tenant, productIDs)
	if err != nil {
		return nil, err
	}
	shown := map[apim.ID]OfferedVersion{}
	for _, v := range versions {
		shown[v.Version.ID] = offered(v)
	}
	out := make([]Offer, len(products))
	for i, p := range products {
		o := Offer{Product: p, Provider: providers[p.Tenant], Mine: mine[p.ID]}
		for _, plan := range plans {
			if plan.Product == p.ID {
				o.Plans = append(o.Plans, plan)
			}
		}
		var seen []apim.ID
		for _, id := range p.Versions {
			if v, ok := shown[id]; ok {
				o.Versions, seen = append(o.Versions, v), append(seen, id)
			}
		}
		o.Product.Team = ""
		o.Product.Versions = seen // others are the provider's alone to know
		out[i] = o
	}
	return out, nil
}

// mine returns the reader's own subscriptions to products, if it may see them.
func (c *Catalog) mine(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant apim.ID, products []apim.ID) (map[apim.ID][]SubscriptionView, error) {
	out := map[apim.ID][]SubscriptionView{}
	if tenant == "" {
		return out, nil
	}
	reach, err := c.Authz.Reach(ctx, actor, tenant, apim.Read, apim.ObjectSubscription)
	if apim.KindOf(err) != "" { // nowhere
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	subscriptions, err := tx.Tenant(tenant).SubscriptionsToProducts(ctx, products)
	if err != nil {
		return nil, err
	}
	if !reach.All {
		teams, err := tx.Tenant(tenant).TeamsOfApplications(ctx, ids(subscriptions, func(s apim.Subscription) apim.ID { return s.Application }))
		if err != nil {
			return nil, err
		}
		subscriptions = slices.DeleteFunc(subscriptions, func(s apim.Subscription) bool { return !reach.Covers(s.Application, teams[s.Application]) })
	}
	views, err := c.views(ctx, tx, actor, tenant, subscriptions)
	for _, v := range views {
		out[v.Product.ID] = append(out[v.Product.ID], v)
	}
	return out, err
}

func offered(v store.OfferedVersion) OfferedVersion {
	out := OfferedVersion{
		API: v.API, Version: v.Version.ID, Label: v.Version.Label, State: v.Version.State, StateReason: v.Version.StateReason,
		SunsetAt: v.Version.SunsetAt, Revision: v.Revision, Document: v.Document, Operations: v.Operations, Credentials: v.Credentials,
		Takes: identifiedBy(v.Credentials, v.Policies),
	}
	for _, p := range v.Places {
		if len(p.Mounts) > 0 {
			place := OfferedPlace{Environment: p.Environment, Name: p.Name, Kind: p.Kind, Ways: ways(p)}
			place.URL, place.Asks = place.Ways[0].URL, place.Ways[0].Asks
			out.Places = append(out.Places, place)
		}
	}
	if len(out.Places) > 0 {
		out.URL, out.Asks, out.Ways = out.Places[0].URL, out.Places[0].Asks, out.Places[0].Ways
	}
	return out
}

// identifiedBy says how a version identifies its callers. What this build cannot read is
// left out: it is not served either.
func identifiedBy(places apim.CredentialPlaces, policies []apim.Policy) (out []OfferedCredential) {
	add := func(c OfferedCredential) {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if places != (apim.CredentialPlaces{}) {
		add(OfferedCredential{Kind: apim.CredentialKey})
	}
	for _, p := range policies {
		if p.Off || entry.PolicyKind(p.Kind).Stage() != entry.Identify {
			continue
		}
		config, err := entry.ParsePolicy(entry.PolicyKind(p.Kind), p.Config)
		if err != nil {
			continue
		}
		switch c := config.Config.(type) {
		case *entry.KeyPolicy:
			add(OfferedCredential{Kind: apim.CredentialKey})
		case *entry.BasicPolicy:
			add(OfferedCredential{Kind: apim.CredentialBasic})
		case *entry.SignaturePolicy:
			add(OfferedCredential{Kind: apim.CredentialSignature, Form: cmp.Or(c.Form, "message")})
		case *entry.JWTPolicy:
			add(OfferedCredential{Kind: apim.CredentialJWT, Issuer: c.Issuer, Claim: cmp.Or(c.Claim, "azp"), In: cmp.Or(c.In, "bearer"), Name: c.Name})
		case *entry.IntrospectionPolicy:
			add(OfferedCredential{Kind: apim.CredentialJWT, Issuer: c.Issuer, Claim: cmp.Or(c.Claim, "client_id"), In: cmp.Or(c.In, "bearer"), Name: c.Name})
		case *entry.ClientCertificatePolicy:
			add(OfferedCredential{Kind: apim.CredentialCertificate})
		}
	}
	return out
}

// ways returns the addresses of a version in an environment, those first where a
// call has to say nothing more.
func ways(p store.OfferedPlace) []OfferedWay {
	out := make([]OfferedWay, len(p.Mounts))
	for i, m := range p.Mounts {
		out[i] = OfferedWay{URL: m.URL(p.GatewayURL), Asks: m.Select}
	}
	slices.SortStableFunc(out, func(a, b OfferedWay) int { return asking(a) - asking(b) })
	return out
}

func asking(w OfferedWay) int {
	if w.Asks == (apim.Selector{}) {
		return 0
	}
	return 1
}

func siblings(ctx context.Context, cat store.Catalog, v OfferedVersion) ([]string, error) {
	labels, err := cat.Siblings(ctx, v.API.ID)
	if err != nil {
		return nil, fmt.Errorf("list versions of %s: %w", v.API.Slug, err)
	}
	var out []string
	for _, l := range labels {
		if l != v.Label {
			out = append(out, l)
		}
	}
	return out, nil
}

// OfferedVersion returns a visible version: of a listed product that the
// reader may see, and published or deprecated.
func (c *Catalog) OfferedVersion(ctx context.Context, actor apim.Actor, tenant apim.ID, provider, api, label string) (OfferedVersion, []Offer, error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return OfferedVersion{}, nil, err
	}
	var out OfferedVersion
	var in []Offer
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		cat := tx.Catalog(tenant)
		v, err := cat.VersionByLabel(ctx, provider, api, label)
		if err != nil {
			return err
		}
		out = offered(v)
		if out.Siblings, err = siblings(ctx, cat, out); err != nil {
			return err
		}
		products, err := cat.OffersWith(ctx, out.Version)
		if err != nil {
			return err
		}
		in, err = c.offers(ctx, tx, actor, tenant, products)
		return err
	})
	return out, in, err
}

// OfferedOperations lists the operations of a visible version in the order of
// its document.
func (c *Catalog) OfferedOperations(ctx context.Context, actor apim.Actor, tenant apim.ID, version apim.ID) ([]OperationLine, error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return nil, err
	}
	cat := c.Store.Catalog(tenant)
	v, err := cat.Version(ctx, version)
	if err != nil {
		return nil, err
	}
	routes, err := cat.Operations(ctx, v)
	if err != nil {
		return nil, err
	}
	out := make([]OperationLine, len(routes))
	for i, r := range routes {
		out[i] = OperationLine{
			Operation: r.Operation, Slug: r.Slug, Method: r.Method, Path: r.Path, Summary: r.Summary, Tag: r.Tag, Deprecated: r.Deprecated, Public: r.Public,
		}
	}
	return out, nil
}

// OfferedReference returns the reference page of one operation of a visible
// version, by its id or slug. Until the second phase has reached it the page
// holds what the scan found, and Partial is true.
func (c *Catalog) OfferedReference(ctx context.Context, actor apim.Actor, tenant, version apim.ID, operation string) (ref openapi.Reference, partial bool, err error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return openapi.Reference{}, false, err
	}
	cat := c.Store.Catalog(tenant)
	v, err := cat.Version(ctx, version)
	if err != nil {
		return openapi.Reference{}, false, err
	}
	r, err := cat.Operation(ctx, v, operation)
	if err != nil {
		return openapi.Reference{}, false, err
	}
	raw, ok, err := cat.Provider(v).ReferenceOf(ctx, v.Document.ID, "operation", r.Operation)
	if err != nil {
		return openapi.Reference{}, false, err
	}
	if !ok {
		return scanned(r), true, nil
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		return openapi.Reference{}, false, fmt.Errorf("read reference of %s: %w", operation, err)
	}
	return ref, false, nil
}

// OfferedSchema returns the page of a named schema of a visible version. Until
// the second phase has reached it there is none.
func (c *Catalog) OfferedSchema(ctx context.Context, actor apim.Actor, tenant, version apim.ID, name string) (openapi.Schema, error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return openapi.Schema{}, err
	}
	cat := c.Store.Catalog(tenant)
	v, err := cat.Version(ctx, version)
	if err != nil {
		return openapi.Schema{}, err
	}
	raw, ok, err := cat.Provider(v).ReferenceOf(ctx, v.Document.ID, "schema", name)
	if err != nil {
		return openapi.Schema{}, err
	}
	if !ok {
		return openapi.Schema{}, apim.Errorf(apim.NotFound, "the document has no schema %q, or is still being read", name)
	}
	var schema openapi.Schema
	if err := json.Unmarshal(raw, &schema); err != nil {
		return openapi.Schema{}, fmt.Errorf("read schema %s: %w", name, err)
	}
	return schema, nil
}

// scanned is what a reference page shows before the document is loaded.
func scanned(r apim.Route) openapi.Reference {
	ref := openapi.Reference{
		ID: r.Operation, Slug: r.Slug, Method: r.Method, Path: r.Path, Summary: r.Summary, Deprecated: r.Deprecated,
	}
	for _, p := range r.Predicates {
		ref.Predicates = append(ref.Predicates, openapi.Predicate{In: p.In, Name: p.Name, Value: p.Value})
	}
	if r.Tag != "" {
		ref.Tags = []string{r.Tag}
	}
	return ref
}

// OfferedDocument returns the document of a visible version's live revision.
func (c *Catalog) OfferedDocument(ctx context.Context, actor apim.Actor, tenant, version apim.ID) (apim.Document, []byte, error) {
	if err := c.reader(ctx, actor, tenant); err != nil {
		return apim.Document{}, nil, err
	}
	cat := c.Store.Catalog(tenant)
	v, err := cat.Version(ctx, version)
	if err != nil {
		return apim.Document{}, nil, err
	}
	if v.Document.ID == "" {
		return apim.Document{}, nil, apim.Errorf(apim.NotFound, "the version has no document")
	}
	raw, err := cat.Provider(v).DocumentBody(ctx, v.Document.Digest)
	if err != nil {
		return v.Document, nil, err
	}
	return oneFile(v.Document, raw)
}
