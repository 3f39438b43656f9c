package manager_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

type publisher struct {
	*world
	shop     apim.Tenant
	provider apim.Actor
}

func newPublisher(t testing.TB, place postgres.Place) *publisher {
	t.Helper()
	w := newWorld(t, place)
	p := &publisher{world: w, shop: w.tenant("shop")}
	p.provider = w.person(p.shop, "Petra", apim.RoleProvider)
	return p
}

func (p *publisher) publish(v apim.Version) manager.PublishResult {
	p.t.Helper()
	return must[manager.PublishResult](p.t)(p.catalog.Publish(p.t.Context(), p.provider, p.shop.ID, v.ID, "production", ""))
}

// live is the entry of a version on the nodes.
func (p *publisher) live(v apim.Version) (entry.API, bool) {
	p.t.Helper()
	key := must[entry.Key](p.t)(entry.APIKey(v.ID.UUID()))
	items := must[[]entry.Item](p.t)(p.store.LoadEntries(p.t.Context(), "production", []entry.Key{key}))
	if len(items) == 0 || items[0].Ended {
		return entry.API{}, false
	}
	return must[entry.API](p.t)(entry.Decode[entry.API](items[0])), true
}

func (p *publisher) draft(v apim.Version, change manager.DraftChange) apim.Version {
	p.t.Helper()
	return must[apim.Version](p.t)(p.catalog.UpdateDraft(p.t.Context(), p.provider, p.shop.ID, v.ID, change))
}

func TestPublishedRevisionIsOnTheNodes(t *testing.T) {
	postgres.Both(t, testPublishedRevisionIsOnTheNodes)
}

func testPublishedRevisionIsOnTheNodes(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	r := p.publish(v)
	api, ok := p.live(v)
	if !ok || api.Revision != 1 || api.Name != "shop/orders v1" || len(api.Routes) != 4 || api.Mounts[0].BasePath != "/shop/orders/v1" {
		t.Fatalf("got %+v, want r1", api)
	}
	for _, route := range api.Routes {
		if route.Public != (route.Operation == "health") {
			t.Errorf("%s: public %v", route.Operation, route.Public)
		}
	}
	if len(api.Policies) != 1 || api.Policies[0].Kind() != entry.PolicyKey {
		t.Errorf("got policies %+v, want the key's", api.Policies)
	}
	if got := api.Upstreams[0].Targets[0].URL; got != "https://orders.upstream.example/base" {
		t.Errorf("got upstream %s", got)
	}
	if r.Version.State != apim.Published || r.Change.Environment != "production" {
		t.Errorf("got %+v", r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.nudged[len(p.nudged)-1]; last != "production" {
		t.Errorf("the publisher was not told: %v", p.nudged)
	}
}

func TestDoublePublishIsOneRevision(t *testing.T) { postgres.Both(t, testDoublePublishIsOneRevision) }

func testDoublePublishIsOneRevision(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	first, second := p.publish(v), p.publish(v)
	if first.Revision.Number != 1 || second.Revision.Number != 1 || first.Change != second.Change {
		t.Errorf("got r%d %v and r%d %v, want one revision", first.Revision.Number, first.Change, second.Revision.Number, second.Change)
	}
	if n := p.audited(p.shop.ID, "version.publish"); n != 1 {
		t.Errorf("got %d audit rows, want 1", n)
	}
}

func TestDraftIsNotLiveBeforePublishAndRollBackBringsItBack(t *testing.T) {
	postgres.Both(t, testDraftIsNotLiveBeforePublishAndRollBackBringsItBack)
}

func testDraftIsNotLiveBeforePublishAndRollBackBringsItBack(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	changed := p.draft(v, manager.DraftChange{
		UpstreamURLs: &[]string{"http://two.example"}, Public: map[string]bool{"list_orders": true}, Off: map[string]bool{"create_order": true},
		Limits: &[]apim.RateLimit{{Requests: 5, Period: time.Second, By: "address"}}, Timeouts: &manager.UpstreamTimeouts{HeaderMS: 1500},
	})
	if !changed.Unpublished {
		t.Error("the draft does not say that it differs")
	}
	if api, _ := p.live(v); api.Upstreams[0].Targets[0].URL != "https://orders.upstream.example/base" {
		t.Error("the draft is live before it was published")
	}
	second := p.publish(v)
	api, _ := p.live(v)
	if second.Revision.Number != 2 || api.Upstreams[0].Targets[0].URL != "http://two.example" || len(api.Routes) != 3 || len(api.Policies) != 2 || api.Upstreams[0].HeaderTimeoutMS != 1500 {
		t.Fatalf("got r%d, %+v, want the draft", second.Revision.Number, api)
	}
	back := must[manager.PublishResult](t)(p.catalog.RollBack(ctx, p.provider, p.shop.ID, v.ID, "production", 1))
	api, _ = p.live(v)
	if api.Revision != 1 || len(api.Routes) != 4 || back.Change.Sequence <= second.Change.Sequence {
		t.Fatalf("got r%d at %d, want r1 under a new sequence", api.Revision, back.Change.Sequence)
	}
	detail := must[manager.VersionDetail](t)(p.catalog.VersionByLabel(ctx, p.provider, p.shop.ID, "orders", "v1"))
	if detail.Version.Revision != 2 || len(detail.Deployments) != 1 || detail.Deployments[0].Revision != 1 || detail.URL != "http://gateway.example/shop/orders/v1" {
		t.Errorf("got %+v %+v", detail.Version.Revision, detail.Deployments)
	}
	_, err := p.catalog.RollBack(ctx, p.provider, p.shop.ID, v.ID, "production", 9)
	refused(t, err, apim.NotFound)
	list := must[apim.List[apim.Revision]](t)(p.catalog.Revisions(ctx, p.provider, p.shop.ID, v.ID, apim.Page{}))
	if len(list.Items) != 2 || list.Items[0].Number != 2 || list.Items[0].By != "Petra" {
		t.Errorf("got %+v, want r2 and r1", list.Items)
	}
}

func TestDeprecationIsAnnouncedAndRetirementEnds(t *testing.T) {
	postgres.Both(t, testDeprecationIsAnnouncedAndRetirementEnds)
}

func testDeprecationIsAnnouncedAndRetirementEnds(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	p := &publisher{world: m.world, shop: m.shop, provider: m.provider}
	ctx, v := t.Context(), m.offer.version
	m.active()
	_, _, err := m.catalog.Retire(ctx, m.provider, m.shop.ID, v.ID, "")
	refused(t, err, apim.Conflict) // somebody uses it
	sunset := m.clock().Add(30 * 24 * time.Hour)
	_, _, err = m.catalog.Deprecate(ctx, m.provider, m.shop.ID, v.ID, m.clock().Add(-time.Hour), "old")
	refused(t, err, apim.Invalid)
	dep, change, err := m.catalog.Deprecate(ctx, m.provider, m.shop.ID, v.ID, sunset, "use v2")
	if err != nil || dep.State != apim.Deprecated || change.Sequence == 0 {
		t.Fatalf("got %+v, %+v, %v", dep.State, change, err)
	}
	if api, _ := p.live(v); api.SunsetAt != sunset.Unix() || api.DeprecatedAt != m.clock().Unix() {
		t.Errorf("got %+v, want both dates on the nodes", api)
	}
	offered, _, err := m.catalog.OfferedVersion(ctx, apim.Actor{}, "", "shop", "orders", "v1")
	if err != nil || offered.State != apim.Deprecated || offered.StateReason != "use v2" {
		t.Errorf("got %+v, %v", offered, err)
	}
	retired, _, err := m.catalog.Retire(ctx, m.provider, m.shop.ID, v.ID, "over")
	if err != nil || retired.State != apim.Retired {
		t.Fatalf("got %v, %v", retired.State, err)
	}
	if _, ok := p.live(v); ok {
		t.Error("a retired version is live")
	}
	_, _, err = m.catalog.OfferedVersion(ctx, apim.Actor{}, "", "shop", "orders", "v1")
	refused(t, err, apim.NotFound)
	_, err = m.catalog.Publish(ctx, m.provider, m.shop.ID, v.ID, "production", "")
	refused(t, err, apim.Conflict)
	// Its mount is free again.
	other := m.version(m.provider, m.shop, "orders2")
	p.draft(other, manager.DraftChange{Mount: &apim.Mount{BasePath: "/shop/orders/v1"}})
}

func TestTakenMountIsRefusedByName(t *testing.T) { postgres.Both(t, testTakenMountIsRefusedByName) }

func testTakenMountIsRefusedByName(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	p.publish(p.version(p.provider, p.shop, "orders"))
	staged := p.stage(p.provider, p.shop.ID, ordersDocument)
	_, err := p.catalog.AcceptImport(ctx, p.provider, p.shop.ID, staged.ID, manager.AcceptImport{Name: "Other", MountPath: "/shop/orders/v1"})
	wantFields(t, err, "mount_path")
	if !strings.Contains(err.Error(), "taken by Orders v1") {
		t.Errorf("got %q, want the holder named", err)
	}
	if list := must[apim.List[manager.APISummary]](t)(p.catalog.APIs(ctx, p.provider, p.shop.ID, manager.APIQuery{})); len(list.Items) != 1 {
		t.Errorf("got %d APIs: a refused import left something", len(list.Items))
	}
	other := p.version(p.provider, p.shop, "other")
	_, err = p.catalog.UpdateDraft(ctx, p.provider, p.shop.ID, other.ID, manager.DraftChange{Mount: &apim.Mount{BasePath: "/shop/orders/v1"}})
	wantFields(t, err, "mount.base_path")

	// Another tenant is refused for what it does not hold, whoever is there.
	next := p.tenant("next")
	neighbour := p.person(next, "Nina", apim.RoleProvider)
	v := p.version(neighbour, next, "orders")
	for _, path := range []string{"/shop/orders/v1", "/shop/free", "/", "/nextdoor/x"} {
		_, err = p.catalog.UpdateDraft(ctx, neighbour, next.ID, v.ID, manager.DraftChange{Mount: &apim.Mount{BasePath: path}})
		wantFields(t, err, "mount.base_path")
		if strings.Contains(err.Error(), "taken") {
			t.Errorf("%s: got %q, which tells of another tenant", path, err)
		}
	}
}

// A live mount stays held while the draft has moved on.
func TestLiveMountIsHeldWhileTheDraftMoves(t *testing.T) {
	postgres.Both(t, testLiveMountIsHeldWhileTheDraftMoves)
}

func testLiveMountIsHeldWhileTheDraftMoves(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	p.draft(v, manager.DraftChange{Mount: &apim.Mount{BasePath: "/shop/moved"}})
	other := p.version(p.provider, p.shop, "other")
	for _, path := range []string{"/shop/orders/v1", "/shop/moved"} {
		_, err := p.catalog.UpdateDraft(ctx, p.provider, p.shop.ID, other.ID, manager.DraftChange{Mount: &apim.Mount{BasePath: path}})
		wantFields(t, err, "mount.base_path")
	}
	p.publish(v)
	p.draft(other, manager.DraftChange{Mount: &apim.Mount{BasePath: "/shop/orders/v1"}})
	_, err := p.catalog.RollBack(ctx, p.provider, p.shop.ID, v.ID, "production", 1)
	refused(t, err, apim.Invalid) // its old mount is another's by now
}

func TestDraftThatNodesCouldNotServeIsRefusedWithEverythingWrong(t *testing.T) {
	postgres.Both(t, testDraftThatNodesCouldNotServeIsRefusedWithEverythingWrong)
}

func testDraftThatNodesCouldNotServeIsRefusedWithEverythingWrong(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{
		UpstreamURLs: &[]string{"ftp://x", "http://user:pw@x"}, Limits: &[]apim.RateLimit{{Requests: 0, Period: time.Second, By: "moon"}},
		Public: map[string]bool{"nothing": true},
	})
	wantFields(t, err, "limits[0].by limits[0].requests public upstream_urls[0] upstream_urls[1]")
	_, err = p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Credentials: &apim.CredentialPlaces{}})
	wantFields(t, err, "routes[create_order] routes[get_order] routes[list_orders]")
	// Two spellings of one limit would count each call twice. What is off, and the
	// API's own limits, stand in the draft elsewhere than in the entry.
	_, err = p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Limits: &[]apim.RateLimit{{Requests: 3, Period: time.Second, By: "api"}}, Policies: &[]apim.Policy{
		switchedOff(limitPolicy(5)), raw("rate_limit", `{"requests":10,"period_ms":60000,"by":"subscription"}`),
		raw("rate_limit", `{"requests":10,"period_ms":60000,"burst":10,"algorithm":"gcra","by":"subscription"}`),
	}})
	wantFields(t, err, "policies[2]")
	if !strings.Contains(err.Error(), "is the same limit as another rate_limit before it") {
		t.Errorf("got %v", err)
	}
	_, err = p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Lock: 99, MaxBodyBytes: new(int64(5))})
	refused(t, err, apim.Conflict)
}

func TestEmptyDraftIsNotPublished(t *testing.T) { postgres.Both(t, testEmptyDraftIsNotPublished) }

func testEmptyDraftIsNotPublished(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	p.draft(v, manager.DraftChange{Public: map[string]bool{}, Off: map[string]bool{}})
	_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{
		Off: map[string]bool{"list_orders": true, "create_order": true, "get_order": true, "health": true},
	})
	wantFields(t, err, "routes")
}

func TestAPIInUseIsNotDeleted(t *testing.T) { postgres.Both(t, testAPIInUseIsNotDeleted) }

func testAPIInUseIsNotDeleted(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	_, _, err := m.catalog.Retire(ctx, m.provider, m.shop.ID, m.offer.version.ID, "gone")
	if err != nil {
		t.Fatal(err)
	}
	api := must[manager.APISummary](t)(m.catalog.API(ctx, m.provider, m.shop.ID, "orders"))
	err = m.catalog.DeleteAPI(ctx, m.provider, m.shop.ID, api.API.ID)
	refused(t, err, apim.Conflict) // it is in a product
	other := m.version(m.provider, m.shop, "other")
	if err := m.catalog.DeleteAPI(ctx, m.provider, m.shop.ID, other.API); err != nil {
		t.Fatal(err)
	}
	_, err = m.catalog.Version(ctx, m.provider, m.shop.ID, other.ID)
	refused(t, err, apim.NotFound)
	m.version(m.provider, m.shop, "other") // slug and mount are free again
	if err := m.catalog.DeleteProduct(ctx, m.provider, m.shop.ID, m.offer.product.ID); err != nil {
		t.Fatal(err)
	}
	if err := m.catalog.DeleteAPI(ctx, m.provider, m.shop.ID, api.API.ID); err != nil {
		t.Fatal(err)
	}
}

func TestProductWithAHistoryIsNotDeleted(t *testing.T) {
	postgres.Both(t, testProductWithAHistoryIsNotDeleted)
}

func testProductWithAHistoryIsNotDeleted(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	s := m.active()
	if _, _, err := m.access.Cancel(t.Context(), m.approver, m.shop.ID, s.ID, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, m.catalog.DeleteProduct(t.Context(), m.provider, m.shop.ID, m.offer.product.ID), apim.Conflict)
}

// wantFields fails the test unless err is Invalid with exactly these fields.
func wantFields(t testing.TB, err error, want string) {
	t.Helper()
	refused(t, err, apim.Invalid)
	var e *apim.Error
	errors.As(err, &e)
	seen := map[string]bool{}
	for _, f := range e.Fields {
		seen[f.Field] = true
		if f.Code == "" || f.Detail == "" {
			t.Errorf("%s: no code or detail: %+v", f.Field, f)
		}
	}
	got, _ := json.Marshal(seen)
	expected := map[string]bool{}
	for _, f := range strings.Fields(want) {
		expected[f] = true
	}
	if wanted, _ := json.Marshal(expected); string(got) != string(wanted) {
		t.Errorf("got fields %s, want %s (%v)", got, wanted, err)
	}
}
