package manager_test

import (
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// share makes the market's product visible to these tenants alone.
func (m *market) share(slugs ...string) {
	m.t.Helper()
	_, _, err := m.catalog.UpdateProduct(m.t.Context(), m.provider, m.shop.ID, m.offer.product.ID, manager.ProductInput{
		Visibility: new(apim.VisibleShared), SharedWith: &slugs,
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// finds tries every way to a shared product: list, search, address, ids, and a
// request for its plans. It returns what worked.
func (m *market) finds(actor apim.Actor, tenant apim.Tenant, app apim.ID) []string {
	m.t.Helper()
	ctx, o := m.t.Context(), m.offer
	var found []string
	note := func(way string, there bool, err error) {
		m.t.Helper()
		if err != nil && apim.KindOf(err) != apim.NotFound {
			m.t.Errorf("%s: got %v, want it or not found", way, err)
		}
		if err != nil && strings.Contains(err.Error(), "rders") {
			m.t.Errorf("%s: the refusal %q gives something away", way, err)
		}
		if err == nil && there {
			found = append(found, way)
		}
	}
	list, err := m.catalog.Offers(ctx, actor, tenant.ID, manager.OfferQuery{})
	note("list", len(list.Items) > 0, err)
	list, err = m.catalog.Offers(ctx, actor, tenant.ID, manager.OfferQuery{Search: "create an order"})
	note("search", len(list.Items) > 0, err)
	_, err = m.catalog.Offer(ctx, actor, tenant.ID, "shop", "orders")
	note("address", true, err)
	_, _, err = m.catalog.OfferedVersion(ctx, actor, tenant.ID, "shop", "orders", "v1")
	note("version", true, err)
	_, err = m.catalog.OfferedOperations(ctx, actor, tenant.ID, o.version.ID)
	note("operations", true, err)
	_, _, err = m.catalog.OfferedReference(ctx, actor, tenant.ID, o.version.ID, "list_orders")
	note("reference", true, err)
	_, _, err = m.catalog.OfferedDocument(ctx, actor, tenant.ID, o.version.ID)
	note("document", true, err)
	if app != "" {
		_, _, err = m.access.Request(ctx, actor, tenant.ID, manager.RequestAccess{Application: app, Plan: o.automatic.ID, Reason: "to try"})
		note("request", true, err)
	}
	return found
}

func TestSharedProductIsFoundByWhoIsNamedAndNobodyElse(t *testing.T) {
	postgres.Both(t, testSharedProductIsFoundByWhoIsNamedAndNobodyElse)
}

func testSharedProductIsFoundByWhoIsNamedAndNobodyElse(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	other := m.tenant("other")
	stranger := m.person(other, "Otto", apim.RoleConsumer)
	theirs := m.application(stranger, other, "bot")
	m.share("client")
	ways := []string{"list", "search", "address", "version", "operations", "reference", "document", "request"}
	if got := m.finds(m.consumer, m.client, m.app.ID); !slices.Equal(got, ways) {
		t.Errorf("who is named: found by %v, want %v", got, ways)
	}
	if got := m.finds(stranger, other, theirs.ID); len(got) != 0 {
		t.Errorf("another tenant: found by %v, want nothing", got)
	}
	if got := m.finds(apim.Actor{}, apim.Tenant{}, ""); len(got) != 0 {
		t.Errorf("nobody: found by %v, want nothing", got)
	}
	if got := m.finds(m.provider, m.shop, ""); len(got) != len(ways)-1 {
		t.Errorf("its own tenant: found by %v, want all", got)
	}
}

func TestTenantTakenOffKeepsItsSubscriptionsAndGetsNoNewOnes(t *testing.T) {
	postgres.Both(t, testTenantTakenOffKeepsItsSubscriptionsAndGetsNoNewOnes)
}

func testTenantTakenOffKeepsItsSubscriptionsAndGetsNoNewOnes(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.tenant("other")
	m.share("client")
	key, s := m.key(), m.active()
	m.share("other")
	if got := m.state(key); got != "active" {
		t.Errorf("the nodes hold the subscription as %q, want active", got)
	}
	second := m.application(m.consumer, m.client, "second")
	if got := m.finds(m.consumer, m.client, second.ID); len(got) != 0 {
		t.Errorf("found by %v, want nothing", got)
	}
	_, _, err := m.access.ChangePlan(ctx, m.consumer, m.client.ID, s.ID, m.offer.automatic.ID, "")
	refused(t, err, apim.NotFound)
	view := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.consumer, m.client.ID, s.ID))
	if view.Product.Name != m.offer.product.Name {
		t.Errorf("its own subscription is shown to %q, want its product's name", view.Product.Name)
	}
	d := must[manager.ProductDetail](t)(m.catalog.Product(ctx, m.provider, m.shop.ID, "orders"))
	if want := (manager.Consumer{Slug: "client", Name: "Client", Subscribers: 1}); len(d.Kept) != 1 || d.Kept[0] != want {
		t.Errorf("got kept %+v, want %+v", d.Kept, want)
	}
	if want := (manager.Consumer{Slug: "other"}); len(d.Shared) != 1 || d.Shared[0] != want {
		t.Errorf("got shared with %+v, want %+v, without a name", d.Shared, want)
	}
}

func TestProductIsSharedBySlugsThatLeadSomewhere(t *testing.T) {
	postgres.Both(t, testProductIsSharedBySlugsThatLeadSomewhere)
}

func testProductIsSharedBySlugsThatLeadSomewhere(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	for name, c := range map[string]struct {
		slugs []string
		want  string
	}{
		"nobody":     {nil, "shared_with: name at least one"},
		"unknown":    {[]string{"client", "nobody"}, "shared_with[1]: no such organisation, or it cannot be reached"},
		"an id":      {[]string{string(m.client.ID)}, "shared_with[0]: no such organisation, or it cannot be reached"},
		"own":        {[]string{"shop"}, "your own organisation"},
		"twice":      {[]string{"client", "client"}, "shared_with[1]: client is in the list already"},
		"everything": {make([]string, 201), "the most is 200"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := m.catalog.UpdateProduct(t.Context(), m.provider, m.shop.ID, m.offer.product.ID, manager.ProductInput{
				Visibility: new(apim.VisibleShared), SharedWith: &c.slugs,
			})
			refused(t, err, apim.Invalid)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
