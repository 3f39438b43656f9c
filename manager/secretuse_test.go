package manager_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// till is an API whose own people have no role on the rest of the shop, which
// has a secret of another API's.
type till struct {
	*market
	version apim.ID
	own     apim.Actor // a role on the API alone
}

func newTill(t *testing.T, place postgres.Place) *till {
	t.Helper()
	m := newMarket(t, place)
	ctx := t.Context()
	l := &till{market: m, version: m.offer.version.ID, own: m.person(m.shop, "Nora")}
	owner := m.person(m.shop, "Olga", apim.RoleOwner)
	must[apim.Member](t)(m.tenants.UpdateMember(ctx, owner, m.shop.ID, l.own.Person, manager.MemberChange{Grants: &[]apim.RoleGrant{{Role: apim.RoleProvider, On: m.offer.version.API}}}))
	if _, _, err := m.fleet.CreateEnvironment(ctx, system, apim.Environment{
		Slug: "sandbox", Kind: apim.Sandbox, GatewayURL: "https://sandbox.example", Settings: apim.DefaultEnvironmentSettings(),
	}); err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{"production", "sandbox"} {
		for name, hidden := range map[string]bool{"payments_key": true, "other_key": true, "stage": false} {
			in := manager.ValueInput{Environment: env, Name: name, Value: secret.Text("canary"), Secret: hidden}
			if _, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, in); err != nil {
				t.Fatal(err)
			}
			_, _, err := m.catalog.SetValue(ctx, l.own, m.shop.ID, in)
			refused(t, err, apim.Forbidden)
		}
	}
	return l
}

// header makes the draft send what is given to an address of the API's people.
func (l *till) header(text string) {
	l.t.Helper()
	l.change(manager.DraftChange{UpstreamURLs: &[]string{"https://mine.example"}, Headers: &[]apim.UpstreamHeader{{Name: "X-Sent", Value: text}}})
}

func (l *till) change(change manager.DraftChange) {
	l.t.Helper()
	must[apim.Version](l.t)(l.catalog.UpdateDraft(l.t.Context(), l.own, l.shop.ID, l.version, change))
}

func (l *till) publish(actor apim.Actor, environment string) error {
	_, err := l.catalog.Publish(l.t.Context(), actor, l.shop.ID, l.version, environment, "")
	return err
}

// wantUse holds an error to the refusal of the first use of secrets.
func wantUse(t *testing.T, err error, names ...string) {
	t.Helper()
	refused(t, err, apim.Forbidden)
	var e *apim.Error
	if !errors.As(err, &e) || e.Code != manager.CodeSecretUse {
		t.Fatalf("got %v, want the code %s", err, manager.CodeSecretUse)
	}
	for _, part := range append(names, "provider, admin or owner on the whole organisation") {
		if !strings.Contains(e.Message, part) {
			t.Errorf("got %q, want it to name %s", e.Message, part)
		}
	}
	if strings.Contains(e.Message, "canary") {
		t.Errorf("the refusal tells the secret: %q", e.Message)
	}
}

func TestFirstUseOfASecretIsPublishedByWhoMaySetIt(t *testing.T) {
	postgres.Both(t, testFirstUseOfASecretIsPublishedByWhoMaySetIt)
}

func testFirstUseOfASecretIsPublishedByWhoMaySetIt(t *testing.T, place postgres.Place) {
	key := "${payments_key}"
	for what, draft := range map[string]manager.DraftChange{
		"in a header": {Headers: &[]apim.UpstreamHeader{{Name: "X-Sent", Value: "Bearer " + key}}},
		"in a policy": {Policies: &[]apim.Policy{asking(`"` + key + `"`)}},
		"as a key":    {TLS: &apim.UpstreamTLS{Certificate: "${stage}", Key: key}},
		// Where it may not stand at all is not told either, until somebody may use it.
		"in an address": {UpstreamURLs: &[]string{"https://mine.example/" + key}},
	} {
		t.Run(what, func(t *testing.T) {
			l := newTill(t, place)
			l.change(draft)
			wantUse(t, l.publish(l.own, "production"), key, "production", "Orders")
			if got := must[manager.VersionDetail](t)(l.catalog.Version(t.Context(), l.own, l.shop.ID, l.version)).Version.Revision; got != 1 {
				t.Errorf("the refused draft became r%d", got)
			}
			if what == "in a header" || what == "in a policy" {
				if err := l.publish(l.provider, "production"); err != nil {
					t.Errorf("who may set values: %v", err)
				}
			} else {
				refused(t, l.publish(l.provider, "production"), apim.Invalid)
			}
		})
	}
	t.Run("both named", func(t *testing.T) {
		l := newTill(t, place)
		l.header("${stage} ${other_key} " + key + " ${other_key}")
		wantUse(t, l.publish(l.own, "production"), "${other_key}, ${payments_key} are secrets", "ask them to publish it, or publish without")
		want := []manager.FirstUse{{Environment: "production", Name: "other_key"}, {Environment: "production", Name: "payments_key"}, {Environment: "sandbox", Name: "other_key"}, {Environment: "sandbox", Name: "payments_key"}}
		got := must[[]manager.FirstUse](t)(l.catalog.FirstUses(t.Context(), l.own, l.shop.ID, l.version))
		slices.SortFunc(got, func(a, b manager.FirstUse) int { return strings.Compare(a.Environment+a.Name, b.Environment+b.Name) })
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, err := l.catalog.FirstUses(t.Context(), l.consumer, l.shop.ID, l.version); apim.KindOf(err) != apim.NotFound {
			t.Errorf("a stranger: %v", err)
		}
	})
	t.Run("a plain value is free", func(t *testing.T) {
		l := newTill(t, place)
		l.header("${stage}")
		if err := l.publish(l.own, "production"); err != nil {
			t.Error(err)
		}
	})
	t.Run("trusted from then on", func(t *testing.T) {
		l := newTill(t, place)
		l.header("Bearer " + key)
		if err := l.publish(l.provider, "production"); err != nil {
			t.Fatal(err)
		}
		wantUse(t, l.publish(l.own, "sandbox"), "sandbox") // a secret of another environment is another
		l.change(manager.DraftChange{UpstreamURLs: &[]string{"https://moved.example"}, Policies: &[]apim.Policy{asking(`"` + key + `"`)}})
		if err := l.publish(l.own, "production"); err != nil {
			t.Errorf("the API's own people change what they do with its secret: %v", err)
		}
		l.header("Bearer " + key + " ${other_key}")
		err := l.publish(l.own, "production")
		if wantUse(t, err, "${other_key} is a secret"); strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want only what is new", err)
		}
		// Another version of the API is the API's own too.
		staged := l.stage(l.provider, l.shop.ID, ordersDocument)
		v2 := must[apim.Version](t)(l.catalog.AcceptImport(t.Context(), l.provider, l.shop.ID, staged.ID, manager.AcceptImport{API: l.offer.version.API, Label: "v2", Access: "document"}))
		must[apim.Version](t)(l.catalog.UpdateDraft(t.Context(), l.own, l.shop.ID, v2.ID, manager.DraftChange{
			UpstreamURLs: &[]string{"https://mine.example"}, Headers: &[]apim.UpstreamHeader{{Name: "X-Sent", Value: key}}, Policies: &[]apim.Policy{},
		}))
		if _, err := l.catalog.Publish(t.Context(), l.own, l.shop.ID, v2.ID, "production", ""); err != nil {
			t.Errorf("another version: %v", err)
		}
	})
}

func TestNoOtherWayPutsTheFirstUseOfASecretIntoForce(t *testing.T) {
	postgres.Both(t, testNoOtherWayPutsTheFirstUseOfASecretIntoForce)
}

func testNoOtherWayPutsTheFirstUseOfASecretIntoForce(t *testing.T, place postgres.Place) {
	// r1 is plain; r2 was live with the secret, and is not any more: r3 is.
	l := newTill(t, place)
	ctx, shop := t.Context(), l.shop.ID
	key := "${payments_key}"
	l.header(key)
	if err := l.publish(l.provider, "production"); err != nil {
		t.Fatal(err)
	}
	l.header("plain")
	if err := l.publish(l.own, "production"); err != nil {
		t.Fatal(err)
	}
	_, err := l.catalog.RollBack(ctx, l.own, shop, l.version, "production", 2)
	wantUse(t, err, key, "ask them to make r2 live, or choose a revision that does without")
	_, err = l.catalog.RollBack(ctx, l.own, shop, l.version, "sandbox", 2) // a promotion
	wantUse(t, err, key, "sandbox")
	_, err = l.catalog.SetSplit(ctx, l.own, shop, l.version, "production", manager.SplitChange{Candidate: &apim.SplitCandidate{Revision: 2}})
	wantUse(t, err, key, "ask them to share the calls, or do without")
	l.header(key + " again")
	_, err = l.catalog.OfferCandidate(ctx, l.own, shop, l.version, "production", "", 10)
	wantUse(t, err, key)
	if d := must[manager.SplitDetail](t)(l.catalog.Split(ctx, l.own, shop, l.version, "production")); !d.Split.Empty() || d.Live != 3 {
		t.Errorf("got %+v, want no split and r3", d)
	}
	// A candidate of somebody who may is in force, and its secret trusted.
	if _, err := l.catalog.OfferCandidate(ctx, l.provider, shop, l.version, "production", "", 10); err != nil {
		t.Fatal(err)
	}
	if _, err := l.catalog.SwitchSplit(ctx, l.own, shop, l.version, "production", "candidate"); err != nil {
		t.Errorf("the share of a candidate: %v", err)
	}
	if _, err := l.catalog.TakeCandidate(ctx, l.own, shop, l.version, "production"); err != nil {
		t.Errorf("the candidate: %v", err)
	}
	if d := must[manager.SplitDetail](t)(l.catalog.Split(ctx, l.own, shop, l.version, "production")); len(d.FirstUses) != 0 {
		t.Errorf("without a candidate the split tells the first use of %v", d.FirstUses)
	}
	// But a candidate's upstreams alone are in force, not its policies: what taking it
	// will need is told beforehand.
	l.change(manager.DraftChange{Policies: &[]apim.Policy{asking(`"${other_key}"`)}})
	if _, err := l.catalog.OfferCandidate(ctx, l.own, shop, l.version, "production", "", 10); err != nil {
		t.Errorf("a candidate whose policies are not in force: %v", err)
	}
	if d := must[manager.SplitDetail](t)(l.catalog.Split(ctx, l.own, shop, l.version, "production")); !slices.Equal(d.FirstUses, []string{"other_key"}) {
		t.Errorf("taking the candidate is the first use of %v, says the split, want other_key", d.FirstUses)
	}
	_, err = l.catalog.TakeCandidate(ctx, l.own, shop, l.version, "production")
	wantUse(t, err, "${other_key} is a secret")
}
