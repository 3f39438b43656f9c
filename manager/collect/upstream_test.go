package collect_test

import (
	"testing"
	"time"

	"portico/internal/entry"
)

func TestUpstreamsAreToldByVersionAndNode(t *testing.T) {
	s := newStand(t, 3)
	mine, other := node(70).ID.UUID(), node(71).ID.UUID()
	s.says(entry.Status{Node: node(0).ID.UUID(), Ready: true, MoreUpstreams: 4, Upstreams: []entry.UpstreamHealth{
		{Version: mine, Upstream: "main", Targets: 3, Unfit: 1, Panic: true, Open: true, Source: "away", Found: []string{"10.0.0.1:80"}, Worst: []entry.TargetHealth{
			{URL: "http://a", Address: "10.0.0.1:80", Why: "check: status 503", Since: 1000, Until: 2000},
		}},
		{Version: other, Upstream: "secret", Targets: 1},
	}})
	s.says(entry.Status{Node: node(1).ID.UUID(), Ready: true})
	s.pass(2 * time.Second)
	got, err := s.c.Upstreams(t.Context(), env, mine)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	first := got[0]
	if first.Node != "gateway-0" || !first.Reachable || !first.Partial || len(first.Upstreams) != 1 {
		t.Fatalf("the first says %+v", first)
	}
	u := first.Upstreams[0]
	if u.Name != "main" || u.Targets != 3 || u.Unfit != 1 || !u.Panic || !u.Open || u.Source != "away" || len(u.Found) != 1 || len(u.Worst) != 1 ||
		u.Worst[0].URL != "http://a" || u.Worst[0].Address != "10.0.0.1:80" || u.Worst[0].Why != "check: status 503" || u.Worst[0].Since.UnixMilli() != 1000 || u.Worst[0].Until.UnixMilli() != 2000 {
		t.Errorf("the upstream is %+v", u)
	}
	if !got[1].Reachable || len(got[1].Upstreams) != 0 || got[2].Reachable {
		t.Errorf("the others say %+v", got[1:])
	}
	s.pass(10 * time.Second)
	if got, err = s.c.Upstreams(t.Context(), env, mine); err != nil || got[0].Reachable {
		t.Errorf("a node that is not heard: %+v, %v", got, err)
	}
}
