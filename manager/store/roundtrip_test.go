package store_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

// Whatever a domain struct holds comes back as it was: a field that somebody
// adds and no row keeps fails here.
func TestEverythingComesBackAsItWasStored(t *testing.T) {
	postgres.Both(t, testEverythingComesBackAsItWasStored)
}

func testEverythingComesBackAsItWasStored(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	f := populate(t, s, "a")
	ctx, ten, sys := t.Context(), s.Tenant(f.tenant.ID), s.System()
	page := apim.Page{}
	first := func(list any, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		v := reflect.ValueOf(list)
		if v.Kind() == reflect.Struct {
			v = v.FieldByName("Items")
		}
		if v.Len() == 0 {
			return nil, nil
		}
		return v.Index(0).Interface(), nil
	}
	everywhere := apim.Reach{All: true}
	revisionLine := f.revision
	revisionLine.Runtime = apim.Runtime{}
	versionLine := store.VersionLine{Version: f.version, Operations: f.version.Runtime.Served()}
	versionLine.Runtime = apim.Runtime{}

	for _, c := range []struct {
		name    string
		want    any
		partial bool // the list is known not to show all
		load    func() (any, error)
	}{
		{"tenant", f.tenant, false, func() (any, error) { return sys.Tenant(ctx, "a") }},
		{"tenant by id", f.tenant, false, func() (any, error) { return sys.Tenant(ctx, string(f.tenant.ID)) }},
		{"person", f.person, false, func() (any, error) { return sys.Person(ctx, f.person.ID) }},
		{"member", f.member, false, func() (any, error) { l, err := ten.Members(ctx, page); return first(l, err) }},
		{"token", f.token, false, func() (any, error) { return sys.TokenByHash(ctx, "hash of token of a") }},
		{"tokens", f.token, false, func() (any, error) {
			l, err := sys.Tokens(ctx, f.person.ID, f.tenant.ID, page)
			return first(l, err)
		}},
		{"everybody's tokens", apim.MadeToken{Token: f.token, Maker: f.person.Name}, false, func() (any, error) { l, err := ten.Tokens(ctx, page); return first(l, err) }},
		{"one member", f.member, false, func() (any, error) { return ten.Member(ctx, f.person.ID) }},
		{"member by address", f.member, false, func() (any, error) { return ten.MemberByEmail(ctx, f.person.Email) }},
		{"team", f.team, false, func() (any, error) { return ten.Team(ctx, "team-a") }},
		{"teams", f.team, false, func() (any, error) { l, err := ten.Teams(ctx, page); return first(l, err) }},
		{"member of a team", f.teamMember, false, func() (any, error) {
			l, err := ten.TeamMembers(ctx, []apim.ID{f.team.ID})
			return first(l, err)
		}},
		{"invitation", f.invitation, false, func() (any, error) { return ten.Invitation(ctx, f.invitation.ID) }},
		{"invitation by hash", f.invitation, false, func() (any, error) {
			return sys.InvitationByHash(ctx, "hash of invitation of a")
		}},
		{"invitations", f.invitation, false, func() (any, error) { l, err := ten.Invitations(ctx, page); return first(l, err) }},
		{"session", f.session, false, func() (any, error) { l, err := sys.SessionsOf(ctx, f.person.ID, start); return first(l, err) }},
		{"document", f.document, false, func() (any, error) { return ten.Document(ctx, f.document.ID) }},
		{"finding", f.finding, false, func() (any, error) {
			l, err := ten.Findings(ctx, f.document.ID, page)
			return first(l, err)
		}},
		{"import", f.imported, false, func() (any, error) { i, _, err := ten.Import(ctx, f.imported.ID, start); return i, err }},
		{"API", f.api, false, func() (any, error) { return ten.API(ctx, "api-a") }},
		{"APIs", f.api, false, func() (any, error) { l, err := ten.APIs(ctx, everywhere, "", "", "", "", page); return first(l, err) }},
		{"APIs that are live", f.api, false, func() (any, error) {
			l, err := ten.APIs(ctx, everywhere, "", "", f.deployment.Environment, "", page)
			return first(l, err)
		}},
		{"version", f.version, false, func() (any, error) { return ten.Version(ctx, f.version.ID) }},
		{"version by label", f.version, false, func() (any, error) { return ten.VersionByLabel(ctx, f.api.ID, f.version.Label) }},
		{"version lines", versionLine, true, func() (any, error) {
			l, err := ten.VersionLines(ctx, []apim.ID{f.api.ID})
			return first(l, err)
		}},
		{"revision", f.revision, false, func() (any, error) { return ten.Revision(ctx, f.version.ID, 3) }},
		{"revisions", revisionLine, true, func() (any, error) {
			l, err := ten.Revisions(ctx, f.version.ID, page)
			return first(l, err)
		}},
		{"deployment", f.deployment, false, func() (any, error) {
			m, err := ten.Deployments(ctx, []apim.ID{f.version.ID})
			return first(m[f.version.ID], err)
		}},
		{"split", f.split, false, func() (any, error) { return ten.Split(ctx, f.version.ID, "production") }},
		{"stepping splits", f.split, false, func() (any, error) { l, err := sys.SteppingSplits(ctx); return first(l, err) }},
		{"event", f.event, false, func() (any, error) {
			l, err := sys.DueEvents(ctx, f.event.DueAt, 1)
			return first(l, err)
		}},
		{"value", f.value, false, func() (any, error) { l, err := ten.Values(ctx, "production"); return first(l, err) }},
		{"product", f.product, false, func() (any, error) { return ten.Product(ctx, f.product.Slug) }},
		{"products", f.product, false, func() (any, error) { l, err := ten.Products(ctx, everywhere, "", page); return first(l, err) }},
		{"plan", f.plan, false, func() (any, error) { return ten.Plan(ctx, f.plan.ID) }},
		{"application", f.application, false, func() (any, error) { return ten.Application(ctx, "app-a") }},
		{"credential", f.credential, false, func() (any, error) { return ten.Credential(ctx, f.credential.ID) }},
		{"subscription", f.subscription, false, func() (any, error) { return ten.SubscriptionTo(ctx, f.subscription.ID) }},
		{"subscription of", f.subscription, false, func() (any, error) { return ten.SubscriptionOf(ctx, f.subscription.ID) }},
		{"usage", f.usage, false, func() (any, error) {
			l, err := sys.Usage(ctx, apim.UsageFilter{}, page)
			return first(l, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if z := zero(reflect.ValueOf(c.want), c.name); z != "" && !c.partial {
				t.Fatalf("the test does not fill %s", z)
			}
			got, err := c.load()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("stored (-) and loaded (+) differ:\n%s", diff)
			}
		})
	}
	t.Run("audit", func(t *testing.T) {
		got, err := ten.AuditLog(ctx, apim.AuditFilter{}, page)
		if err != nil || len(got.Items) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		if diff := cmp.Diff(f.audit, got.Items[0].Audit); diff != "" {
			t.Errorf("stored (-) and loaded (+) differ:\n%s", diff)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		n := 0
		want := filled(&n, func(c *apim.Certificate) {
			c.ID, c.Environment = apim.NewID(apim.PrefixCertificate, start), "production"
		})
		insertCertificate := func(tx *store.Tx) error { return tx.System().InsertCertificate(ctx, want) }
		write(t, s, insertCertificate)
		held, err := sys.CertificateHosts(ctx, "production", append([]string{"free.test"}, want.Hosts...))
		if err != nil || len(held) != len(want.Hosts) || held[want.Hosts[0]] != want.ID {
			t.Errorf("hosts: got %v, %v", held, err)
		}
		for name, load := range map[string]func() (any, error){
			"one":     func() (any, error) { return sys.Certificate(ctx, "production", want.ID) },
			"page":    func() (any, error) { l, err := sys.Certificates(ctx, "production", page); return first(l, err) },
			"every":   func() (any, error) { l, err := sys.EveryCertificate(ctx, "production"); return first(l, err) },
			"default": func() (any, error) { l, err := sys.DefaultCertificates(ctx, "production"); return first(l, err) },
		} {
			got, err := load()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("%s: stored (-) and loaded (+) differ:\n%s", name, diff)
			}
		}
		empty := apim.Certificate{ID: want.ID, Environment: "production", Hosts: []string{"a.test"}, Sealed: []byte{0}, CreatedAt: want.CreatedAt, Lock: want.Lock}
		write(t, s, func(tx *store.Tx) error { return tx.System().UpdateCertificate(ctx, &empty) })
		got, err := sys.Certificate(ctx, "production", want.ID)
		if diff := cmp.Diff(empty, got); err != nil || diff != "" {
			t.Errorf("updated (-) and loaded (+) differ: %v\n%s", err, diff)
		}
		if held, err := sys.CertificateHosts(ctx, "production", append(want.Hosts, "a.test")); err != nil || len(held) != 1 {
			t.Errorf("hosts after an update: got %v, %v", held, err)
		}
		if n, err := sys.CountCertificates(ctx, "production"); err != nil || n != 1 {
			t.Errorf("got %d, %v", n, err)
		}
		if _, err := sys.Certificate(ctx, "sandbox", want.ID); apim.KindOf(err) != apim.NotFound {
			t.Errorf("found in another environment: %v", err)
		}
		write(t, s, func(tx *store.Tx) error { return tx.System().DeleteCertificate(ctx, empty) })
		if n, err := sys.CountCertificates(ctx, "production"); err != nil || n != 0 {
			t.Errorf("deleted: got %d, %v", n, err)
		}
	})
	t.Run("body", func(t *testing.T) {
		if got, err := ten.DocumentBody(ctx, f.document.Digest); err != nil || string(got) != "document of a" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// Every update writes every field that it is for, false and empty ones too.
func TestUpdatesWriteEmptyValues(t *testing.T) { postgres.Both(t, testUpdatesWriteEmptyValues) }

func testUpdatesWriteEmptyValues(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	f := populate(t, s, "a")
	ctx := t.Context()

	api := apim.API{ID: f.api.ID, Tenant: f.tenant.ID, Slug: f.api.Slug, CreatedAt: f.api.CreatedAt, Lock: f.api.Lock}
	product := apim.Product{ID: f.product.ID, Tenant: f.tenant.ID, Slug: f.product.Slug, CreatedAt: f.product.CreatedAt, Lock: f.product.Lock}
	plan := apim.Plan{ID: f.plan.ID, Tenant: f.tenant.ID, Product: f.product.ID, Slug: f.plan.Slug, CreatedAt: f.plan.CreatedAt, Lock: f.plan.Lock}
	sub := f.subscription
	sub.Stopped, sub.Note, sub.DecidedBy, sub.Decider = false, "", "", ""
	version := f.version
	version.Unpublished, version.StateReason, version.Document, version.Runtime = false, "", "", apim.Runtime{}
	split := apim.Split{Tenant: f.tenant.ID, Version: f.version.ID, Environment: "production", Lock: f.split.Lock}
	write(t, s, func(tx *store.Tx) error {
		ten := tx.Tenant(f.tenant.ID)
		for _, err := range []error{
			ten.UpdateAPI(ctx, &api), ten.UpdateProduct(ctx, &product), ten.UpdatePlan(ctx, &plan),
			ten.UpdateSubscription(ctx, &sub), ten.UpdateVersion(ctx, &version, true), ten.UpdateSplit(ctx, &split),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	ten := s.Tenant(f.tenant.ID)
	for name, c := range map[string]struct {
		want any
		load func() (any, error)
	}{
		"API":          {api, func() (any, error) { return ten.API(ctx, string(f.api.ID)) }},
		"product":      {product, func() (any, error) { return ten.Product(ctx, string(f.product.ID)) }},
		"plan":         {plan, func() (any, error) { return ten.Plan(ctx, f.plan.ID) }},
		"subscription": {sub, func() (any, error) { return ten.SubscriptionTo(ctx, f.subscription.ID) }},
		"split":        {split, func() (any, error) { return ten.Split(ctx, f.version.ID, "production") }},
		"version":      {version, func() (any, error) { return ten.Version(ctx, f.version.ID) }},
	} {
		got, err := c.load()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: wanted (-) and loaded (+) differ:\n%s", name, diff)
		}
	}
}
