package manager_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// A token that is limited to one tenant does not carry what its person may do
// for the whole installation: the host or path would be every tenant's.
func TestOperatorsTokenForOneTenantGivesNoMounts(t *testing.T) {
	postgres.Both(t, testOperatorsTokenForOneTenantGivesNoMounts)
}

func testOperatorsTokenForOneTenantGivesNoMounts(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	operator := apim.Actor{Person: "per_op", Name: "Olga", Operator: true}
	limited := operator
	limited.Token, limited.Tenant = "tok_1", p.shop.ID
	for _, m := range []apim.Mount{{BasePath: "/next/orders/v1"}, {Host: "api.example", BasePath: "/"}, {Host: "api.example"}} {
		_, err := p.catalog.UpdateDraft(t.Context(), limited, p.shop.ID, v.ID, manager.DraftChange{Mount: &m})
		wantFields(t, err, "mount.base_path")
	}
	if _, err := p.catalog.UpdateDraft(t.Context(), operator, p.shop.ID, v.ID, manager.DraftChange{Mount: &apim.Mount{BasePath: "/orders"}}); err != nil {
		t.Errorf("the operator: %v", err)
	}
}

// What an operator has given a version is the version's: its provider edits and
// publishes it without asking the operator again.
func TestProviderPublishesBelowAMountThatWasGiven(t *testing.T) {
	postgres.Both(t, testProviderPublishesBelowAMountThatWasGiven)
}

func testProviderPublishesBelowAMountThatWasGiven(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	operator := apim.Actor{Person: "per_op", Name: "Olga", Operator: true}
	if _, err := p.catalog.UpdateDraft(ctx, operator, p.shop.ID, v.ID, manager.DraftChange{Mount: &apim.Mount{Host: "orders.example"}}); err != nil {
		t.Fatal(err)
	}
	p.publish(v)
	p.draft(v, manager.DraftChange{UpstreamURLs: &[]string{"http://two.example"}})
	p.publish(v)
	if api, _ := p.live(v); api.Revision != 2 || api.Mounts[0].Host != "orders.example" {
		t.Errorf("got %+v", api)
	}
	other := p.version(p.provider, p.shop, "other")
	_, err := p.catalog.UpdateDraft(ctx, p.provider, p.shop.ID, other.ID, manager.DraftChange{Mount: &apim.Mount{Host: "orders.example"}})
	wantFields(t, err, "mount.base_path")
	if strings.Contains(err.Error(), "taken") {
		t.Errorf("got %q", err)
	}
}

// A version that is being prepared is the provider's alone to know, also by way
// of a subscription to the product that it is in.
func TestConsumerIsNotToldOfDraftVersions(t *testing.T) {
	postgres.Both(t, testConsumerIsNotToldOfDraftVersions)
}

func testConsumerIsNotToldOfDraftVersions(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, s := t.Context(), m.pending()
	secret := m.version(m.provider, m.shop, "secret")
	name := "Launch 2027"
	if _, err := m.catalog.UpdateAPI(ctx, m.provider, m.shop.ID, secret.API, manager.APIChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.catalog.UpdateProduct(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.ProductInput{Versions: &[]apim.ID{m.offer.version.ID, secret.ID}}); err != nil {
		t.Fatal(err)
	}
	theirs := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	detail := must[manager.ApplicationDetail](t)(m.access.Application(ctx, m.consumer, m.client.ID, string(m.app.ID)))
	for where, v := range map[string]manager.SubscriptionView{"subscription": theirs, "application": detail.Subscriptions[0]} {
		if got := fmt.Sprint(v.APIs); got != "[Orders v1]" || len(v.Product.Versions) != 1 {
			t.Errorf("%s: the consumer sees %s, versions %v", where, got, v.Product.Versions)
		}
	}
	ours := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, m.shop.ID, s.ID))
	if len(ours.APIs) != 2 {
		t.Errorf("the provider sees %v", ours.APIs)
	}
}

func TestVersionIsNotAddedWhereOneOfSeveralSubscriptionsOverlaps(t *testing.T) {
	postgres.Both(t, testVersionIsNotAddedWhereOneOfSeveralSubscriptionsOverlaps)
}

func testVersionIsNotAddedWhereOneOfSeveralSubscriptionsOverlaps(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, err := m.fleet.EnsureEnvironment(ctx, "sandbox", "Sandbox", apim.Sandbox, "http://sandbox.example", false); err != nil {
		t.Fatal(err)
	}
	later := must[apim.Product](t)(m.catalog.CreateProduct(ctx, m.provider, m.shop.ID, manager.ProductInput{
		Name: new("Later"), Visibility: new(apim.VisiblePublic), Listed: new(true),
	}))
	trial := m.plan(m.provider, later, "trial", apim.Automatic)
	for _, in := range []manager.RequestAccess{
		{Plan: m.offer.automatic.ID, Environments: []string{"production"}},
		{Plan: trial.ID, Environments: []string{"production"}},
		{Plan: trial.ID, Environments: []string{"sandbox"}},
	} {
		in.Application = m.app.ID
		if _, _, err := m.access.Request(ctx, m.consumer, m.client.ID, in); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := m.catalog.UpdateProduct(ctx, m.provider, m.shop.ID, later.ID, manager.ProductInput{Versions: &[]apim.ID{m.offer.version.ID}})
	refused(t, err, apim.Conflict)
}

func TestNoteOfACancellationIsBoundedOnBothSides(t *testing.T) {
	postgres.Both(t, testNoteOfACancellationIsBoundedOnBothSides)
}

func testNoteOfACancellationIsBoundedOnBothSides(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	s := m.active()
	for _, by := range []struct {
		actor  apim.Actor
		tenant apim.ID
	}{{m.approver, m.shop.ID}, {m.consumer, m.client.ID}} {
		_, _, err := m.access.Cancel(t.Context(), by.actor, by.tenant, s.ID, strings.Repeat("x", 2001))
		refused(t, err, apim.Invalid)
	}
}

// Who has one IPv6 address has 2^64 of them: attempts are counted for them all.
func TestWrongPasswordsAreLimitedByIPv6Network(t *testing.T) {
	postgres.Both(t, testWrongPasswordsAreLimitedByIPv6Network)
}

func testWrongPasswordsAreLimitedByIPv6Network(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	gone, leave := context.WithCancel(t.Context())
	leave() // counted, but not worth hashing a password
	for i := range 100 {
		_, err := w.tenants.SignIn(gone, fmt.Sprintf("p%d@x.example", i), password, fmt.Sprintf("2001:db8:0:1::%x", i+1))
		if kind := apim.KindOf(err); kind == apim.TooMany || err == nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	_, err := w.tenants.SignIn(t.Context(), "last@x.example", password, "2001:db8:0:1:ffff::1")
	refused(t, err, apim.TooMany)
	_, err = w.tenants.SignIn(t.Context(), "last@x.example", password, "2001:db8:0:2::1")
	refused(t, err, apim.SignIn)
}

// A path that an operator has given away is nobody's slug: whoever signs up
// under its name would hold all below it, and get its calls.
func TestNewTenantDoesNotGetPathsThatWereGiven(t *testing.T) {
	postgres.Both(t, testNewTenantDoesNotGetPathsThatWereGiven)
}

func testNewTenantDoesNotGetPathsThatWereGiven(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	operator := apim.Actor{Person: "per_op", Name: "Olga", Operator: true}
	if _, err := p.catalog.UpdateDraft(ctx, operator, p.shop.ID, v.ID, manager.DraftChange{Mount: &apim.Mount{BasePath: "/payments/eu"}}); err != nil {
		t.Fatal(err)
	}
	_, err := p.tenants.CreateTenant(ctx, system, "payments", "Payments")
	wantFields(t, err, "slug")
	mallory := must[apim.Person](t)(p.tenants.SignUp(ctx, manager.SignUp{Name: "Mallory", Email: "m@x.example", Password: password, Organisation: "Payments"}, "192.0.2.1"))
	all := must[[]manager.Membership](t)(p.tenants.Memberships(ctx, apim.Actor{Person: mallory.ID}))
	if len(all) != 1 || all[0].Tenant.Slug != "payments-2" {
		t.Errorf("got %+v", all)
	}
	must[apim.Tenant](t)(p.tenants.CreateTenant(ctx, system, "pay", "Pay"))
}

// Whoever comes in by themselves consumes. Publishing an API makes gateway nodes
// call the addresses that it names, this machine's own among them where serve
// allows loopback: providers are invited.
func TestSignUpMakesNoProvider(t *testing.T) { postgres.Both(t, testSignUpMakesNoProvider) }

func testSignUpMakesNoProvider(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	mallory := must[apim.Person](t)(p.tenants.SignUp(ctx, manager.SignUp{Name: "Mallory", Email: "m@x.example", Password: password}, "192.0.2.1"))
	actor := apim.Actor{Person: mallory.ID, Name: mallory.Name}
	own := must[[]manager.Membership](t)(p.tenants.Memberships(ctx, actor))[0]
	for _, up := range []manager.Upload{{URL: "http://127.0.0.1:8083/metrics"}, {FileName: "x.yaml", Body: strings.NewReader(ordersDocument)}} {
		_, err := p.catalog.StageImport(ctx, actor, own.Tenant.ID, up)
		refused(t, err, apim.Forbidden)
	}
	for _, object := range []apim.Object{apim.ObjectApplication, apim.ObjectSubscription, apim.ObjectCredential} {
		if !p.tenants.Can(ctx, actor, own.Tenant.ID, apim.Write, object) {
			t.Errorf("a consumer cannot write %s", object)
		}
	}
}
