package manager_test

import (
	"context"
	"slices"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// heard is what one node says of upstreams.
type heard struct {
	sees  []apim.UpstreamHealth
	looks []apim.UpstreamTargets
	asked string // target of the last look
}

func (h *heard) Upstreams(context.Context, string, string) ([]apim.NodeUpstreams, error) {
	return []apim.NodeUpstreams{{Node: "gw-1", Reachable: true, Upstreams: h.sees}}, nil
}

func (h *heard) Targets(_ context.Context, _ string, look entry.Look) ([]apim.NodeTargets, error) {
	h.asked = look.Target
	return []apim.NodeTargets{{Node: "gw-1", Reachable: true, Answered: true, Upstreams: h.looks}}, nil
}

func TestAddressesThatNodesNameAreAsTheRevisionHasThem(t *testing.T) {
	postgres.Both(t, testAddressesThatNodesNameAreAsTheRevisionHasThem)
}

func testAddressesThatNodesNameAreAsTheRevisionHasThem(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, shop, version := t.Context(), m.shop.ID, m.offer.version.ID
	node := &heard{}
	m.catalog.Health = node
	if _, _, err := m.catalog.SetValue(ctx, m.provider, shop, manager.ValueInput{Environment: "production", Name: "host", Value: secret.Text("one.example")}); err != nil {
		t.Fatal(err)
	}
	urls := []string{"https://${host}", "https://one.example", "https://two.example"}
	must[apim.Version](t)(m.catalog.UpdateDraft(ctx, m.provider, shop, version, manager.DraftChange{UpstreamURLs: &urls}))
	must[manager.PublishResult](t)(m.catalog.Publish(ctx, m.provider, shop, version, "production", ""))
	candidate := apim.SplitCandidate{URLs: []string{"https://next.${host}"}}
	must[apim.Change](t)(m.catalog.SetSplit(ctx, m.provider, shop, version, "production", manager.SplitChange{Candidate: &candidate}))
	later := []string{"https://draft.example"}
	must[apim.Version](t)(m.catalog.UpdateDraft(ctx, m.provider, shop, version, manager.DraftChange{UpstreamURLs: &later}))

	bad := func(urls ...string) (out []apim.TargetHealth) {
		for _, url := range urls {
			out = append(out, apim.TargetHealth{URL: url, Why: "check: status 503"})
		}
		return out
	}
	node.sees = []apim.UpstreamHealth{{Name: "main", Worst: bad("https://one.example", "https://two.example", "https://before.example")}, {Name: "candidate:main", Worst: bad("https://next.one.example")}}
	node.looks = []apim.UpstreamTargets{{Name: "main", Targets: []apim.TargetState{{URL: "https://one.example", Why: "check: status 503"}}}}
	seen := must[manager.LiveUpstreams](t)(m.catalog.Upstreams(ctx, m.provider, shop, version, "production"))
	if len(seen.Live) != 1 || !slices.Equal(seen.Live[0].URLs, urls) {
		t.Errorf("got %+v, want what is live", seen.Live)
	}
	var got []string
	for _, u := range seen.Nodes[0].Upstreams {
		for _, one := range u.Worst {
			got = append(got, u.Name+" "+one.URL)
		}
	}
	want := []string{"main https://${host}", "main https://one.example", "main https://two.example", "main https://before.example", "candidate:main https://next.${host}"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	targets := must[[]apim.NodeTargets](t)(m.catalog.CheckTargets(ctx, m.provider, shop, version, "production", urls[0]))
	if list := targets[0].Upstreams[0].Targets; node.asked != urls[1] || len(list) != 2 || list[0].URL != urls[0] || list[1].URL != urls[1] {
		t.Errorf("asked about %q and got %+v", node.asked, list)
	}
	must[[]apim.NodeTargets](t)(m.catalog.CheckTargets(ctx, m.provider, shop, version, "production", "10.0.0.7:8080"))
	if node.asked != "10.0.0.7:8080" {
		t.Errorf("asked about %q, want what was found", node.asked)
	}
}
