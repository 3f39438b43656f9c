package manager_test

import (
	"context"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// boxKey is the public half of some node's X25519 key.
const boxKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

// confirming is a Confirmations that remembers what it was asked.
type confirming struct{ waited apim.Change }

func (c *confirming) Applied(_ context.Context, change apim.Change) (apim.Applied, error) {
	return apim.Applied{Change: change, TookMS: -1}, nil
}

func (c *confirming) Wait(_ context.Context, change apim.Change) (apim.Applied, error) {
	c.waited = change
	return apim.Applied{Change: change, Done: true}, nil
}

func (c *confirming) Nodes(_ context.Context, environment string) ([]apim.Node, error) {
	return []apim.Node{{Name: "one", Environment: environment}}, nil
}

func (w *world) env() entry.Env {
	w.t.Helper()
	items := must[[]entry.Item](w.t)(w.store.LoadEntries(w.t.Context(), "production", []entry.Key{entry.EnvKey}))
	return must[entry.Env](w.t)(entry.Decode[entry.Env](items[0]))
}

func TestEnvironmentIsMadeOnceAndFollowsItsAddress(t *testing.T) {
	postgres.Both(t, testEnvironmentIsMadeOnceAndFollowsItsAddress)
}

func testEnvironmentIsMadeOnceAndFollowsItsAddress(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	if got := w.env(); got.GatewayURL != "http://gateway.example" || got.ProblemURL != "http://portal.example/docs/problems/" || got.MaxBodyBytes == 0 {
		t.Errorf("got %+v", got)
	}
	before := w.head()
	again := must[apim.Environment](t)(w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "http://gateway.example", false))
	if w.head() != before || again.Sequence != before || w.audited("", "environment.change") != 0 {
		t.Errorf("the second start changed something: %+v", again)
	}
	moved := must[apim.Environment](t)(w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "https://api.example", false))
	if got := w.env(); got.GatewayURL != "https://api.example" || moved.Sequence != before+1 {
		t.Errorf("got %+v at %d, want the new address under a new sequence", got, moved.Sequence)
	}
	if _, _, err := w.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{GatewayURL: new("https://chosen.example")}); err != nil {
		t.Fatal(err)
	}
	for chosen, want := range map[bool]string{false: "https://chosen.example", true: "https://given.example"} {
		must[apim.Environment](t)(w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Production, "https://given.example", chosen))
		if got := w.env(); got.GatewayURL != want {
			t.Errorf("chosen %v: got %s, want %s", chosen, got.GatewayURL, want)
		}
		if chosen { // in either order
			if _, _, err := w.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{GatewayURL: new("https://chosen.example")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := w.fleet.EnsureEnvironment(ctx, "production", "Production", apim.Sandbox, "https://api.example", false)
	refused(t, err, apim.Conflict)
	_, err = w.fleet.EnsureEnvironment(ctx, "Pro duction", "", "moon", "gateway", false)
	wantFields(t, err, "gateway_url kind name slug")
	all := must[[]apim.Environment](t)(w.fleet.Environments(ctx, system))
	if len(all) != 1 || all[0].ID != again.ID {
		t.Errorf("got %+v", all)
	}
	_, err = w.fleet.Environments(ctx, apim.Actor{})
	refused(t, err, apim.SignIn)
}

func TestNodeIsEnrolledOnce(t *testing.T) { postgres.Both(t, testNodeIsEnrolledOnce) }

func testNodeIsEnrolledOnce(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	first := must[apim.Node](t)(w.fleet.EnsureNode(ctx, "production", "gateway-1", boxKey))
	second := must[apim.Node](t)(w.fleet.EnsureNode(ctx, "production", "gateway-1", boxKey))
	if first.ID != second.ID || w.audited("", "node.enrol") != 1 {
		t.Errorf("got %s and %s, want one node", first.ID, second.ID)
	}
	_, err := w.fleet.EnsureNode(ctx, "moon", "gateway-1", boxKey)
	refused(t, err, apim.NotFound)
	_, err = w.fleet.EnsureNode(ctx, "production", "Gateway 1", boxKey)
	wantFields(t, err, "name")
}

func TestConfirmationsArePassedOnToWhoHasSignedIn(t *testing.T) {
	postgres.Both(t, testConfirmationsArePassedOnToWhoHasSignedIn)
}

func testConfirmationsArePassedOnToWhoHasSignedIn(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx, c := t.Context(), &confirming{}
	w.fleet.Confirm = c
	change := apim.Change{Environment: "production", Sequence: 7}
	if got := must[apim.Applied](t)(w.fleet.WaitApplied(ctx, system, change)); !got.Done || c.waited != change {
		t.Errorf("got %+v", got)
	}
	if got := must[apim.Applied](t)(w.fleet.Applied(ctx, system, change)); got.Change != change || got.Done {
		t.Errorf("got %+v", got)
	}
	if got := must[[]apim.Node](t)(w.fleet.Nodes(ctx, system, "production")); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
	_, err := w.fleet.Nodes(ctx, system, "moon")
	refused(t, err, apim.NotFound)
	_, err = w.fleet.WaitApplied(ctx, apim.Actor{}, change)
	refused(t, err, apim.SignIn)
}

// Environments come from addresses of pages: one that is not must not be kept
// in anybody's memory, nor be in force.
func TestChangeOfAnUnknownEnvironmentIsNotAskedOfTheNodes(t *testing.T) {
	postgres.Both(t, testChangeOfAnUnknownEnvironmentIsNotAskedOfTheNodes)
}

func testChangeOfAnUnknownEnvironmentIsNotAskedOfTheNodes(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx, c := t.Context(), &confirming{}
	w.fleet.Confirm = c
	change := apim.Change{Environment: "moon", Sequence: 7}
	_, err := w.fleet.WaitApplied(ctx, system, change)
	refused(t, err, apim.NotFound)
	_, err = w.fleet.Applied(ctx, system, change)
	refused(t, err, apim.NotFound)
	if c.waited != (apim.Change{}) {
		t.Errorf("the nodes were asked for %+v", c.waited)
	}
}
