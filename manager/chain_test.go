package manager_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func limitPolicy(requests int) apim.Policy {
	return apim.Policy{Kind: "rate_limit", Config: json.RawMessage(fmt.Sprintf(`{"requests":%d,"period_ms":1000,"by":"address"}`, requests))}
}

func keyPolicy(header string) apim.Policy {
	return apim.Policy{Kind: "key", Config: json.RawMessage(fmt.Sprintf(`{"header":%q}`, header))}
}

// switchedOff returns a policy that is not in force.
func switchedOff(p apim.Policy) apim.Policy {
	p.Off = true
	return p
}

func TestChainIsShownInRunningOrderWithWhereEachStepIsFrom(t *testing.T) {
	postgres.Both(t, testChainIsShownInRunningOrderWithWhereEachStepIsFrom)
}

func testChainIsShownInRunningOrderWithWhereEachStepIsFrom(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	settings := apim.DefaultEnvironmentSettings()
	settings.Policies = []apim.Policy{limitPolicy(100)}
	if _, _, err := p.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings}); err != nil {
		t.Fatal(err)
	}
	v := p.version(p.provider, p.shop, "orders")
	v = p.draft(v, manager.DraftChange{
		Limits:   &[]apim.RateLimit{{Requests: 50, Period: time.Second, By: "api"}},
		Policies: &[]apim.Policy{switchedOff(limitPolicy(40)), limitPolicy(30)},
		RoutePolicies: map[string][]apim.Policy{
			"list_orders": {limitPolicy(20), keyPolicy("X-Own")}, "health": {limitPolicy(10)},
		},
	})
	for _, c := range []struct{ name, environment, operation, want string }{
		{"an operation", "production", "list_orders", `
admit size environment -1 max_body_bytes inherited
identify key version -1 credentials inherited replaced
identify key operation 1 routes[list_orders].policies[1]
authorize grant gateway -1 
limit rate_limit environment 0 policies[0] inherited
limit plan_limit plan -1 
limit rate_limit version -1 limits[0] inherited
limit rate_limit version 0 policies[0] inherited off
limit rate_limit version 1 policies[1] inherited
limit rate_limit operation 0 routes[list_orders].policies[0]`},
		{"a public one", "production", "health", `
admit size environment -1 max_body_bytes inherited
identify key version -1 credentials inherited
limit rate_limit environment 0 policies[0] inherited
limit rate_limit version -1 limits[0] inherited
limit rate_limit version 0 policies[0] inherited off
limit rate_limit version 1 policies[1] inherited
limit rate_limit operation 0 routes[health].policies[0]`},
		{"the version, anywhere", "", "", `
admit size gateway -1 max_body_bytes
identify key version -1 credentials
authorize grant gateway -1 
limit plan_limit plan -1 
limit rate_limit version -1 limits[0]
limit rate_limit version 0 policies[0] off
limit rate_limit version 1 policies[1]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := must[[]manager.ChainStep](t)(p.catalog.Chain(ctx, p.provider, p.shop.ID, v.ID, c.environment, c.operation))
			var got strings.Builder
			for _, s := range steps {
				fmt.Fprintf(&got, "\n%s %s %s %d %s", s.Stage, s.Policy.Kind, s.From, s.Index, s.Field)
				if s.Inherited {
					got.WriteString(" inherited")
				}
				if s.Policy.Off {
					got.WriteString(" off")
				}
				if s.Replaced {
					got.WriteString(" replaced")
				}
				if s.Runs() == (s.Policy.Off || s.Replaced) {
					t.Errorf("%+v: runs %v", s, s.Runs())
				}
				var object map[string]any
				if err := json.Unmarshal(s.Policy.Config, &object); err != nil {
					t.Errorf("%s: its configuration is no object: %v", s.Field, err)
				}
			}
			if got.String() != c.want {
				t.Errorf("got%s\nwant%s", got.String(), c.want)
			}
		})
	}
	// A revision keeps the chain that it was published with.
	p.publish(v)
	v = p.draft(v, manager.DraftChange{Policies: &[]apim.Policy{}, Limits: &[]apim.RateLimit{}})
	kinds := func(steps []manager.ChainStep) (out []string) {
		for _, s := range steps {
			out = append(out, s.Policy.Kind)
		}
		return out
	}
	if draft, first := kinds(must[[]manager.ChainStep](t)(p.catalog.Chain(ctx, p.provider, p.shop.ID, v.ID, "", ""))),
		kinds(must[[]manager.ChainStep](t)(p.catalog.RevisionChain(ctx, p.provider, p.shop.ID, v.ID, 1, "", ""))); len(draft) != 4 || len(first) != 7 {
		t.Errorf("the draft has %v, want 4; its first revision %v, want 7", draft, first)
	}
	refused(t, last(p.catalog.RevisionChain(ctx, p.provider, p.shop.ID, v.ID, 9, "", "")), apim.NotFound)

	_, err := p.catalog.Chain(ctx, p.provider, p.shop.ID, v.ID, "production", "nothing")
	refused(t, err, apim.NotFound)
	_, err = p.catalog.Chain(ctx, p.provider, p.shop.ID, v.ID, "moon", "")
	refused(t, err, apim.Invalid)
}

// The order that is shown is the one in which the entry has them.
func TestChainIsWhatIsPublished(t *testing.T) { postgres.Both(t, testChainIsWhatIsPublished) }

func testChainIsWhatIsPublished(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	v = p.draft(v, manager.DraftChange{
		Limits:   &[]apim.RateLimit{{Requests: 50, Period: time.Second, By: "address"}},
		Policies: &[]apim.Policy{limitPolicy(40), switchedOff(limitPolicy(35)), limitPolicy(30)},
	})
	p.publish(v)
	api, _ := p.live(v)
	var published, shown []string
	for _, one := range api.Policies {
		raw := must[[]byte](t)(json.Marshal(one.Config))
		if one.Kind() == "rate_limit" {
			published = append(published, string(raw))
		}
	}
	for _, s := range must[[]manager.ChainStep](t)(p.catalog.Chain(t.Context(), p.provider, p.shop.ID, v.ID, "", "")) {
		if s.From == manager.FromVersion && s.Policy.Kind == "rate_limit" && s.Runs() {
			shown = append(shown, string(s.Policy.Config))
		}
	}
	if len(published) != 3 || strings.Join(shown, "\n") != strings.Join(published, "\n") {
		t.Errorf("got %v, want what is published: %v", shown, published)
	}
}

// TestOperationsCompositionRunsInThePlaceOfItsVersions shows the one that runs.
func TestOperationsCompositionRunsInThePlaceOfItsVersions(t *testing.T) {
	postgres.Both(t, testOperationsCompositionRunsInThePlaceOfItsVersions)
}

func testOperationsCompositionRunsInThePlaceOfItsVersions(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	composed := apim.Policy{Kind: "composition", Config: json.RawMessage(`{"calls":[{"name":"one","path":"/one"}],"answer":{"one":"${calls.one.body}"}}`)}
	v := p.version(p.provider, p.shop, "orders")
	v = p.draft(v, manager.DraftChange{
		Policies:      &[]apim.Policy{composed},
		RoutePolicies: map[string][]apim.Policy{"list_orders": {composed}},
	})
	for operation, want := range map[string]string{"list_orders": manager.FromOperation, "health": manager.FromVersion} {
		var runs []string
		for _, s := range must[[]manager.ChainStep](t)(p.catalog.Chain(t.Context(), p.provider, p.shop.ID, v.ID, "", operation)) {
			if s.Policy.Kind == composed.Kind && s.Runs() {
				runs = append(runs, s.From)
			}
		}
		if len(runs) != 1 || runs[0] != want {
			t.Errorf("%s: got those of %v, want the one of the %s", operation, runs, want)
		}
	}
}
