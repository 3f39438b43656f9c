package collect_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/manager/collect"
)

var _ manager.UpstreamHealths = (*collect.Collector)(nil)

// looksAs answers looks in the place of a node, until the test ends.
func (s *stand) looksAs(n int, answer func(entry.Look) []entry.UpstreamTargets) {
	s.t.Helper()
	id, ctx, done := node(n).ID.UUID(), s.t.Context(), make(chan struct{})
	go func() {
		defer close(done)
		_ = s.bus.Environment(env).Commands(ctx, id, func(c entry.Command) {
			if c.Look != nil {
				_ = s.bus.Environment(env).Looked(ctx, entry.Targets{Node: id, Environment: env, Look: c.Look.ID, Upstreams: answer(*c.Look)})
			}
		})
	}()
	s.t.Cleanup(func() { <-done })
}

func TestNodesAreAskedHowTargetsAre(t *testing.T) {
	s := newStand(t, 3)
	version := node(70).ID.UUID()
	for i := range 2 { // the third is away
		s.says(entry.Status{Node: node(i).ID.UUID(), Ready: true})
	}
	asked := make(chan entry.Look, 100)
	s.looksAs(0, func(l entry.Look) []entry.UpstreamTargets {
		asked <- l
		return []entry.UpstreamTargets{{Upstream: "main", Targets: []entry.TargetState{{
			URL: "http://a", Address: "10.0.0.1:80", Why: "check: status 503", MedianUS: 41_000, Calls: 7, Recent: []entry.TargetCall{{60, 39_000}, {2, 41_000}},
			Checked: &entry.TargetCheck{At: 1000, TookUS: 2500, Why: "check: status 503", Connected: true},
		}, {URL: "http://b"}}}}
	})
	var got []apim.NodeTargets
	waitFor(t, "the node to be asked", func() (ok bool) { // until it hears
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		if got, err = s.c.Targets(ctx, env, entry.Look{Version: version, Check: true, Target: "http://a"}); err != nil {
			t.Fatal(err)
		}
		return got[0].Answered
	})
	if l := <-asked; l.Version != version || !l.Check || l.Target != "http://a" || l.ID == "" {
		t.Errorf("the node was told %+v", l)
	}
	want := apim.TargetState{
		URL: "http://a", Address: "10.0.0.1:80", Why: "check: status 503", Median: 41 * time.Millisecond, Calls: 7, Recent: []apim.TargetCall{{Ago: time.Minute, Took: 39 * time.Millisecond}, {Ago: 2 * time.Second, Took: 41 * time.Millisecond}},
		Check: apim.TargetCheck{At: time.UnixMilli(1000).UTC(), Took: 2500 * time.Microsecond, Why: "check: status 503", Connected: true},
	}
	if len(got) != 3 || !got[0].Reachable || len(got[0].Upstreams) != 1 || got[0].Upstreams[0].Name != "main" || !reflect.DeepEqual(got[0].Upstreams[0].Targets, []apim.TargetState{want, {URL: "http://b"}}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// One that can be reached and says nothing is waited for, one that is away is not.
	if !got[1].Reachable || got[1].Answered || got[2].Reachable || got[2].Answered {
		t.Errorf("got %+v of the others", got[1:])
	}
	s.looksAs(1, func(entry.Look) []entry.UpstreamTargets { return nil })
	waitFor(t, "both to answer", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := s.c.Targets(ctx, env, entry.Look{Version: version})
		return err == nil && got[0].Answered && got[1].Answered && ctx.Err() == nil
	})
}
