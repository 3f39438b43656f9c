package manager_test

import (
	"net/url"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// From the first run to a key that the nodes know, through the exported door.
func TestDocumentBecomesAGovernedCall(t *testing.T) {
	postgres.Both(t, testDocumentBecomesAGovernedCall)
}

func testDocumentBecomesAGovernedCall(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()

	link := must[*url.URL](t)(url.Parse(must[string](t)(w.tenants.FirstRunLink(ctx))))
	person := must[apim.Person](t)(w.tenants.FirstRun(ctx, link.Query().Get("token"), manager.FirstRun{
		Name: "Ada", Email: "Ada@Shop.example", Password: password, TenantName: "Shop", TenantSlug: "shop",
	}))
	if !person.Operator || person.Email != "ada@shop.example" {
		t.Fatalf("got %+v, want an operator with a lower-case address", person)
	}
	ada := apim.Actor{Person: person.ID, Name: person.Name, Operator: true}
	shop := must[apim.Tenant](t)(w.tenants.Tenant(ctx, ada, "shop"))

	staged := w.stage(ada, shop.ID, ordersDocument)
	if got := staged.Proposed; got.Slug != "orders" || got.Label != "v1" || got.Upstream != "https://orders.upstream.example/base" || got.Mount.BasePath != "/shop/orders/v1" {
		t.Fatalf("got proposal %+v", got)
	}
	v := must[apim.Version](t)(w.catalog.AcceptImport(ctx, ada, shop.ID, staged.ID, manager.AcceptImport{Access: "document"}))
	published := must[manager.PublishResult](t)(w.catalog.Publish(ctx, ada, shop.ID, v.ID, "production", "first"))
	if published.Revision.Number != 1 || published.Change.Sequence == 0 {
		t.Fatalf("got %+v, want r1 with a sequence", published)
	}
	product := must[apim.Product](t)(w.catalog.CreateProduct(ctx, ada, shop.ID, manager.ProductInput{
		Name: new("Orders"), Visibility: new(apim.VisiblePublic), Listed: new(true), Versions: &[]apim.ID{v.ID},
	}))
	plan := w.plan(ada, product, "business", apim.Manual)

	bob := must[apim.Person](t)(w.tenants.SignUp(ctx, manager.SignUp{Name: "Bob", Email: "bob@client.example", Password: password, Organisation: "Client"}, "192.0.2.1"))
	consumer := apim.Actor{Person: bob.ID, Name: bob.Name}
	client := must[apim.Tenant](t)(w.tenants.Tenant(ctx, consumer, "client"))
	offers := must[apim.List[manager.Offer]](t)(w.catalog.Offers(ctx, consumer, client.ID, manager.OfferQuery{Search: "create an order"}))
	if len(offers.Items) != 1 || len(offers.Items[0].Versions) != 1 || offers.Items[0].Versions[0].URL != "http://gateway.example/shop/orders/v1" {
		t.Fatalf("got %+v, want the product found by its operation", offers.Items)
	}
	app := w.application(consumer, client, "till")
	key := must[manager.MintedKey](t)(w.access.CreateKey(ctx, consumer, client.ID, app.ID, manager.NewKey{Name: "first"}))
	s := w.request(consumer, client, app, plan)
	if g, ok := w.grant(key); !ok || len(g.Subscriptions) != 1 || g.Subscriptions[0].State != entry.Pending {
		t.Fatalf("got %+v, want a grant with a pending subscription", g)
	}

	inbox := must[apim.List[manager.SubscriptionView]](t)(w.access.Inbox(ctx, ada, shop.ID, manager.InboxQuery{}))
	if len(inbox.Items) != 1 || inbox.Items[0].Application != "App till" || inbox.Items[0].Consumer != "Client" || !inbox.Items[0].CanDecide {
		t.Fatalf("got %+v, want one request that Ada can decide", inbox.Items)
	}
	s, change, err := w.access.Approve(ctx, ada, shop.ID, s.ID, manager.Decision{Note: "welcome"})
	if err != nil || s.State != apim.Active || s.Decider != "Ada" {
		t.Fatalf("got %+v, %v, want it active by Ada", s, err)
	}
	g, ok := w.grant(key)
	if !ok || len(g.Subscriptions) != 1 || g.Subscriptions[0].State != entry.Active || g.Subscriptions[0].Terms != plan.ID.UUID() {
		t.Fatalf("got %+v, want an active grant", g)
	}
	items, head, err := w.store.Pending(ctx, "production", 1000)
	if err != nil || head.Sequence != change.Sequence {
		t.Fatalf("got head %v, %v, want %d", head, err, change.Sequence)
	}
	var kinds []entry.Kind
	for _, it := range items {
		kinds = append(kinds, it.Kind)
	}
	if want := []entry.Kind{entry.KindEnv, entry.KindTerms, entry.KindAPI, entry.KindGrant}; len(kinds) != 4 || kinds[0] != want[0] || kinds[1] != want[1] || kinds[2] != want[2] || kinds[3] != want[3] {
		t.Fatalf("got %v, want %v", kinds, want)
	}
	if err := w.store.MarkPublished(ctx, "production", head); err != nil {
		t.Fatal(err)
	}
	if items, again, err := w.store.Pending(ctx, "production", 1000); err != nil || len(items) != 0 || again != head {
		t.Fatalf("got %d items, %v, %v, want none", len(items), again, err)
	}
}
