package manager_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// underWay is a limit of calls that are under way.
func underWay(calls int) apim.Policy {
	return raw("concurrency", fmt.Sprintf(`{"calls":%d,"by":"subscription"}`, calls))
}

// setPolicies changes the policies of a plan.
func (m *market) setPolicies(plan apim.ID, list ...apim.Policy) (apim.Plan, error) {
	m.t.Helper()
	out, _, err := m.catalog.UpdatePlan(m.t.Context(), m.provider, m.shop.ID, plan, manager.PlanInput{Policies: &list})
	return out, err
}

// terms is what the nodes of production have of a plan.
func (m *market) terms(plan apim.ID) entry.Terms {
	m.t.Helper()
	key := must[entry.Key](m.t)(entry.TermsKey(plan.UUID()))
	items := must[[]entry.Item](m.t)(m.store.LoadEntries(m.t.Context(), "production", []entry.Key{key}))
	return must[entry.Terms](m.t)(entry.Decode[entry.Terms](items[0]))
}

func TestPlansPoliciesAreOnTheNodes(t *testing.T) { postgres.Both(t, testPlansPoliciesAreOnTheNodes) }

func testPlansPoliciesAreOnTheNodes(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, id := t.Context(), m.offer.manual.ID
	list := []apim.Policy{
		switchedOff(underWay(1)), underWay(2), raw("rate_limit", `{"period_ms":60000,"requests":9,"algorithm":"sliding_window","by":"subscription","queue":{"length":3,"wait_ms":500}}`),
		raw("spike_arrest", `{"requests":10,"per":"second","by":"credential"}`),
	}
	plan, err := m.setPolicies(id, list...)
	if err != nil {
		t.Fatal(err)
	}
	got := m.terms(id)
	if len(got.Policies) != 3 || got.Policies[0].Config.(*entry.ConcurrencyLimit).Calls != 2 || got.Policies[1].Config.(*entry.RateLimit).Queue.Length != 3 || got.Policies[2].Kind() != "spike_arrest" {
		t.Errorf("nodes get %+v, want those that are on, in their order", got.Policies)
	}
	if len(got.Limits) != 1 {
		t.Errorf("the plan's own numbers became %+v", got.Limits)
	}
	kept := must[apim.Plan](t)(m.catalog.Plan(ctx, m.provider, m.shop.ID, id))
	if diff := cmp.Diff(list, kept.Policies); diff != "" || cmp.Diff(plan.Policies, kept.Policies) != "" {
		t.Errorf("they are kept as they were written:\n%s", diff)
	}
	if other, _, err := m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, id, manager.PlanInput{Price: new("€ 5")}); err != nil || len(other.Policies) != 4 {
		t.Errorf("another change left %d, %v", len(other.Policies), err)
	}
	row := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(ctx, system, m.shop.ID, apim.AuditFilter{Action: "plan.change"}, apim.Page{Limit: 5}))
	if first := row.Items[1]; !strings.HasSuffix(first.Summary, ": concurrency added, concurrency added, rate_limit added, spike_arrest added") || !strings.Contains(first.After, "spike_arrest") {
		t.Errorf("got %q, %s", first.Summary, first.After)
	}
	// A new environment gets them with the plan.
	if _, _, err := m.fleet.CreateEnvironment(ctx, system, apim.Environment{Slug: "eu", Name: "EU", Kind: apim.Production, GatewayURL: "http://eu.example", Settings: apim.DefaultEnvironmentSettings()}); err != nil {
		t.Fatal(err)
	}
	key := must[entry.Key](t)(entry.TermsKey(id.UUID()))
	items := must[[]entry.Item](t)(m.store.LoadEntries(ctx, "eu", []entry.Key{key}))
	if terms := must[entry.Terms](t)(entry.Decode[entry.Terms](items[0])); len(terms.Policies) != 3 {
		t.Errorf("a new environment gets %+v", terms.Policies)
	}
	if _, err := m.setPolicies(id); err != nil || len(m.terms(id).Policies) != 0 {
		t.Errorf("taken away: %v, %+v", err, m.terms(id).Policies)
	}
}

// TestWhatIsWrongWithAPlansPoliciesIsSaidAtItsPlace, for drafts too.
func TestWhatIsWrongWithAPlansPoliciesIsSaidAtItsPlace(t *testing.T) {
	postgres.Both(t, testWhatIsWrongWithAPlansPoliciesIsSaidAtItsPlace)
}

func testWhatIsWrongWithAPlansPoliciesIsSaidAtItsPlace(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	for fields, list := range map[string][]apim.Policy{
		"policies[0].config.calls policies[1].kind policies[2].config.colour policies[3].kind": {
			switchedOff(underWay(0)), keyPolicy("X-Own"), raw("rate_limit", `{"colour":"red"}`), raw("magic", `{}`),
		},
		"policies[2]": {underWay(1), switchedOff(underWay(2)), underWay(1)},
		"policies":    {underWay(1), underWay(2), underWay(3), underWay(4), underWay(5), underWay(6), underWay(7), underWay(8), underWay(9)},
	} {
		_, err := m.setPolicies(m.offer.manual.ID, list...)
		wantFields(t, err, fields)
		_, _, err = m.catalog.CreatePlan(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.PlanInput{Name: new("Draft"), Policies: &list})
		wantFields(t, err, fields)
	}
	if got := m.terms(m.offer.manual.ID); len(got.Policies) != 0 {
		t.Errorf("what was refused is on the nodes: %+v", got.Policies)
	}
}

// TestPlanThatALiveNodeCouldNotServeIsRefused with a node from before the kind came.
func TestPlanThatALiveNodeCouldNotServeIsRefused(t *testing.T) {
	postgres.Both(t, testPlanThatALiveNodeCouldNotServeIsRefused)
}

func testPlanThatALiveNodeCouldNotServeIsRefused(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	m.catalog.Live = nodesThatSay{{Name: "gw-old", Build: "0.9", Kinds: []entry.PolicyKind{entry.PolicyRateLimit}}}
	_, err := m.setPolicies(m.offer.manual.ID, underWay(1))
	refused(t, err, apim.Conflict)
	if !strings.Contains(fmt.Sprint(err), "gw-old (build 0.9) does not know concurrency") {
		t.Errorf("got %v, want the node named", err)
	}
	if _, err := m.setPolicies(m.offer.manual.ID, switchedOff(underWay(1))); err != nil {
		t.Errorf("one that is off: %v", err)
	}
	draft, _, err := m.catalog.CreatePlan(ctx, m.provider, m.shop.ID, m.offer.product.ID, manager.PlanInput{Name: new("Later"), Policies: &[]apim.Policy{underWay(1)}})
	if err != nil {
		t.Fatalf("a draft is on no node: %v", err)
	}
	_, _, err = m.catalog.UpdatePlan(ctx, m.provider, m.shop.ID, draft.ID, manager.PlanInput{State: new(apim.PlanPublished)})
	refused(t, err, apim.Conflict)
}

// TestChainShowsWhatItsPlansAdd, of products that the reader may see.
func TestChainShowsWhatItsPlansAdd(t *testing.T) { postgres.Both(t, testChainShowsWhatItsPlansAdd) }

func testChainShowsWhatItsPlansAdd(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	if _, err := m.setPolicies(m.offer.manual.ID, underWay(7), switchedOff(underWay(8))); err != nil {
		t.Fatal(err)
	}
	for _, s := range must[[]manager.ChainStep](t)(m.catalog.Chain(ctx, m.provider, m.shop.ID, m.offer.version.ID, "production", "")) {
		if s.From != manager.FromPlan {
			continue
		}
		var config struct {
			Plans []struct {
				Plan     apim.ID
				Name     string
				Limits   []struct{ Requests int }
				Policies []struct {
					Kind   string
					Config struct{ Calls int }
				}
			}
		}
		if err := json.Unmarshal(s.Policy.Config, &config); err != nil {
			t.Fatal(err)
		}
		found := false
		for i, p := range config.Plans {
			if s.Plans[i].Plan.ID != p.Plan {
				t.Errorf("plan %d is told in two ways", i)
			}
			if p.Plan != m.offer.manual.ID {
				continue
			}
			found = true
			if len(p.Limits) != 1 || p.Limits[0].Requests == 0 || len(p.Policies) != 1 || p.Policies[0].Kind != "concurrency" || p.Policies[0].Config.Calls != 7 {
				t.Errorf("got %s", s.Policy.Config)
			}
		}
		if !found {
			t.Errorf("the plan is not in %s", s.Policy.Config)
		}
		return
	}
	t.Error("the chain has no step of plans")
}
