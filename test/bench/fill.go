package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/manager/compile"
	"portico/manager/store"
)

// How what a large installation holds beside its APIs and grants hangs together.
const (
	apisInProduct  = 10 // each with one plan
	peopleMost     = 1_000
	auditMost      = 20_000
	applicationsIn = 200 // of one transaction
	apisIn         = 100
	waits          = 50 // every such application's subscription waits for its approval
)

// amount is how much to fill with.
type amount struct {
	from   int // how many APIs were filled in before
	apis   int
	grants int
}

// filling fills a tenant of a database with what is to be many, as the use
// cases leave it: rows by the store, entries by the compiler, each checked as
// nodes check it. Everything is one tenant's, which makes every list as long as
// it can be. It is copied from one API that was imported and published.
type filling struct {
	db       *store.Store
	analyze  func() error
	tenant   apim.Tenant
	template apim.Version
	now      time.Time
	products []apim.Product
	plans    []apim.Plan
	keys     []string
}

// fill makes APIs with the template's routes and applications, each with a key
// and an active subscription, but for every fiftieth, which waits for its
// approval. It returns the keys: number n is for the plan n modulo the number
// of plans, and so for its ten APIs.
//
// analyze, which may be nil, is called after the first transactions and then
// ever less often: a server that has planned for empty tables would go on so.
func fill(ctx context.Context, database, tenant string, template apim.ID, much amount, analyze func() error) (keys []string, err error) {
	db, err := store.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	f := &filling{db: db, analyze: analyze, now: time.Now().UTC().Truncate(time.Microsecond)}
	if f.tenant, err = db.System().Tenant(ctx, tenant); err != nil {
		return nil, err
	}
	if f.template, err = db.Tenant(f.tenant.ID).Version(ctx, template); err != nil {
		return nil, err
	}
	err = f.inTurn(ctx, much.apis, apisIn, func(ctx context.Context, tx *store.Tx, from, to int) error {
		return f.apis(ctx, tx, much.from+from, much.from+to)
	})
	if err != nil {
		return nil, fmt.Errorf("fill with APIs: %w", err)
	}
	if err := f.inTurn(ctx, much.grants, applicationsIn, f.applications); err != nil {
		return nil, fmt.Errorf("fill with grants: %w", err)
	}
	if err := f.inTurn(ctx, min(peopleMost, much.grants), applicationsIn, f.people); err != nil {
		return nil, fmt.Errorf("fill with people: %w", err)
	}
	if err := f.inTurn(ctx, min(auditMost, much.grants), 1000, f.audit); err != nil {
		return nil, fmt.Errorf("fill the audit log: %w", err)
	}
	return f.keys, nil
}

// inTurn makes n things, some in each transaction.
func (f *filling) inTurn(ctx context.Context, n, some int, make func(ctx context.Context, tx *store.Tx, from, to int) error) error {
	for from, next := 0, some; from < n; from += some {
		if from == next && f.analyze != nil {
			if err := f.analyze(); err != nil {
				return err
			}
			next *= 3
		}
		err := f.db.Write(ctx, func(tx *store.Tx) error { return make(ctx, tx, from, min(n, from+some)) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) emit(ctx context.Context, tx *store.Tx, items []entry.Item) (apim.Change, error) {
	for _, it := range items {
		if wrong := check.Item(it); len(wrong) > 0 {
			return apim.Change{}, fmt.Errorf("%s: %v", it.Key, wrong)
		}
	}
	return tx.System().Emit(ctx, "production", items, f.now)
}

// apis makes APIs, and a product with a plan of every ten.
func (f *filling) apis(ctx context.Context, tx *store.Tx, from, to int) error {
	t := tx.Tenant(f.tenant.ID)
	var items []entry.Item
	var made []apim.Version
	for n := from; n < to; n++ {
		slug := fmt.Sprintf("api-%06d", n)
		api := apim.API{
			ID: apim.NewID(apim.PrefixAPI, f.now), Tenant: f.tenant.ID, Slug: slug, Name: "API " + fmt.Sprint(n),
			Description: "One of many.", Tags: []string{"many"}, CreatedAt: f.now, UpdatedAt: f.now, Lock: 1,
		}
		v := f.template
		v.ID, v.API, v.State, v.Revision, v.Unpublished = apim.NewID(apim.PrefixVersion, f.now), api.ID, apim.Published, 1, false
		v.Runtime.Mounts = []apim.Mount{{BasePath: "/" + f.tenant.Slug + "/" + slug + "/v1"}}
		v.CreatedAt, v.UpdatedAt, v.Lock = f.now, f.now, 1
		rev := apim.Revision{
			ID: apim.NewID(apim.PrefixRevision, f.now), Tenant: v.Tenant, Version: v.ID, Number: 1, Document: v.Document,
			Runtime: v.Runtime, By: "bench", CreatedAt: f.now,
		}
		key, err := entry.APIKey(v.ID.UUID())
		if err != nil {
			return err
		}
		it, err := entry.Encode(key, entry.Position{}, compile.API(f.tenant.Slug, api, v, rev))
		if err != nil {
			return err
		}
		items, made = append(items, it), append(made, v)
		for _, step := range []func() error{
			func() error { return t.InsertAPI(ctx, api) },
			func() error { return t.InsertVersion(ctx, v) },
			func() error { return t.InsertRevision(ctx, rev) },
			func() error { return t.SetMounts(ctx, v.ID, v.Runtime.Mounts) },
			func() error { return t.SetOperations(ctx, v.ID, v.Runtime.Routes) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	for some := 0; some < len(made); some += apisInProduct {
		it, err := f.product(ctx, t, from+some, made[some:min(len(made), some+apisInProduct)])
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	change, err := f.emit(ctx, tx, items)
	if err != nil {
		return err
	}
	for _, v := range made {
		if err := t.Deploy(ctx, apim.Deployment{Version: v.ID, Environment: change.Environment, Revision: 1, Sequence: change.Sequence, At: f.now}); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) product(ctx context.Context, t store.Tenant, n int, versions []apim.Version) (entry.Item, error) {
	p := apim.Product{
		ID: apim.NewID(apim.PrefixProduct, f.now), Tenant: f.tenant.ID, Slug: fmt.Sprintf("product-%06d", n), Name: "Product " + fmt.Sprint(n),
		Summary: "Ten of many.", Visibility: apim.VisiblePublic, Listed: true, CreatedAt: f.now, UpdatedAt: f.now, Lock: 1,
	}
	for _, v := range versions {
		p.Versions = append(p.Versions, v.ID)
	}
	plan := apim.Plan{
		ID: apim.NewID(apim.PrefixPlan, f.now), Tenant: f.tenant.ID, Product: p.ID, Slug: "all", Name: "All", Approval: apim.Manual,
		Limits: []apim.RateLimit{{Requests: 1_000_000, Period: time.Second}}, State: apim.PlanPublished, CreatedAt: f.now, UpdatedAt: f.now, Lock: 1,
	}
	if err := t.InsertProduct(ctx, p); err != nil {
		return entry.Item{}, err
	}
	if err := t.InsertPlan(ctx, plan); err != nil {
		return entry.Item{}, err
	}
	f.products, f.plans = append(f.products, p), append(f.plans, plan)
	key, err := entry.TermsKey(plan.ID.UUID())
	if err != nil {
		return entry.Item{}, err
	}
	return entry.Encode(key, entry.Position{}, compile.Terms(plan, p))
}

// applications makes applications with a key and a subscription each.
func (f *filling) applications(ctx context.Context, tx *store.Tx, from, to int) error {
	t := tx.Tenant(f.tenant.ID)
	var items []entry.Item
	for n := from; n < to; n++ {
		app := apim.Application{
			ID: apim.NewID(apim.PrefixApplication, f.now), Tenant: f.tenant.ID, Slug: fmt.Sprintf("app-%06d", n),
			Name: "Application " + fmt.Sprint(n), CreatedAt: f.now, UpdatedAt: f.now, Lock: 1,
		}
		minted, err := secret.MintKey(secret.PrefixLive)
		if err != nil {
			return err
		}
		f.keys = append(f.keys, minted.Reveal())
		hash := minted.Hash()
		cred := apim.Credential{
			ID: apim.NewID(apim.PrefixCredential, f.now), Tenant: f.tenant.ID, Application: app.ID, Environment: "production", Kind: apim.CredentialKey, Name: "Key",
			Secrets: []apim.Secret{{
				ID: apim.NewID(apim.PrefixSecret, f.now), Hash: hex.EncodeToString(hash[:]), Prefix: minted.String(), LastFour: minted.LastFour(), CreatedAt: f.now,
			}},
			Addresses: []string{}, Referrers: []string{}, CreatedAt: f.now, Lock: 1,
		}
		which := n % len(f.plans)
		sub := apim.Subscription{
			ID: apim.NewID(apim.PrefixSubscription, f.now), Tenant: f.tenant.ID, ApplicationTenant: f.tenant.ID, Application: app.ID,
			Product: f.products[which].ID, Plan: f.plans[which].ID, Environments: []string{"production"}, State: apim.Active, Reason: "to fill", Requester: "bench",
			RequestedAt: f.now.Add(time.Duration(n) * time.Microsecond), UpdatedAt: f.now.Add(time.Duration(n) * time.Microsecond), Lock: 1,
		}
		if n%waits == waits-1 {
			sub.State = apim.Pending
		}
		key, err := entry.GrantKey(cred.Secrets[0].Hash)
		if err != nil {
			return err
		}
		it, err := entry.Encode(key, entry.Position{}, compile.Grant(cred, cred.Secrets[0], app, []apim.Subscription{sub}))
		if err != nil {
			return err
		}
		items = append(items, it)
		for _, step := range []func() error{
			func() error { return t.InsertApplication(ctx, app) },
			func() error { return t.InsertCredential(ctx, cred) },
			func() error { return t.InsertSubscription(ctx, sub) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	_, err := f.emit(ctx, tx, items)
	return err
}

func (f *filling) people(ctx context.Context, tx *store.Tx, from, to int) error {
	for n := from; n < to; n++ {
		p := apim.Person{
			ID: apim.NewID(apim.PrefixPerson, f.now), Email: fmt.Sprintf("person-%06d@bench.example", n), Name: "Person " + fmt.Sprint(n), CreatedAt: f.now, Lock: 1,
		}
		if err := tx.System().InsertPerson(ctx, p, ""); err != nil {
			return err
		}
		m := apim.Member{Tenant: f.tenant.ID, Person: p.ID, Roles: []apim.Role{apim.RoleConsumer}, JoinedAt: f.now, Lock: 1}
		if err := tx.Tenant(f.tenant.ID).InsertMember(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (f *filling) audit(ctx context.Context, tx *store.Tx, from, to int) error {
	for n := from; n < to; n++ {
		err := tx.System().Audit(ctx, apim.Audit{
			ID: apim.NewID(apim.PrefixAudit, f.now), Tenant: f.tenant.ID, At: f.now, Actor: apim.Actor{System: true, Name: "bench"},
			Action: "bench.fill", Object: f.products[n%len(f.products)].ID, Summary: "filled",
		})
		if err != nil {
			return err
		}
	}
	return nil
}
