package collect_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/manager"
	"portico/manager/collect"
)

var _ manager.Explanations = (*collect.Collector)(nil)

func (s *stand) explains(x entry.Explanation) {
	s.t.Helper()
	x.Environment, x.Node = env, node(0).ID.UUID()
	if err := s.bus.Environment(env).Explained(s.t.Context(), x); err != nil {
		s.t.Fatal(err)
	}
}

// listens waits until ways of calls are heard.
func (s *stand) listens() {
	s.t.Helper()
	waitFor(s.t, "the collector to listen", func() bool {
		s.explains(entry.Explanation{ID: "first", Tenant: "nobody"})
		return len(s.c.Explanations(env, "nobody")) > 0
	})
}

func TestTheWayOfACallIsThereAsSoonAsItsNodeTells(t *testing.T) {
	s := newStand(t, 1)
	s.listens()
	got := make(chan entry.Explanation, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		x, _ := s.c.Explanation(ctx, env, "shop", "a")
		got <- x
	}()
	s.explains(entry.Explanation{ID: "a", Tenant: "other", Status: 500})
	s.explains(entry.Explanation{ID: "a", Tenant: "shop", Status: 200, Steps: []entry.ExplainedStep{{Step: "route", TookNS: 7}}})
	if x := <-got; x.Status != 200 || len(x.Steps) != 1 || x.Steps[0].TookNS != 7 {
		t.Errorf("got %+v", x)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range [][3]string{{env, "stranger", "a"}, {"sandbox", "shop", "a"}, {env, "shop", "b"}} {
		if x, ok := s.c.Explanation(ended, c[0], c[1], c[2]); ok {
			t.Errorf("%v: got %+v", c, x)
		}
	}
}

func TestWaysOfCallsAreKeptForAWhileAndBounded(t *testing.T) {
	s := newStand(t, 1)
	s.listens()
	for i := range 600 {
		s.explains(entry.Explanation{ID: fmt.Sprint(i), Tenant: "shop"})
	}
	waitFor(t, "all of them", func() bool { all := s.c.Explanations(env, "shop"); return len(all) > 0 && all[0].ID == "599" })
	if n := len(s.c.Explanations(env, "shop")); n != 500 {
		t.Errorf("got %d, want the newest 500", n)
	}
	s.pass(31 * time.Minute)
	if n := len(s.c.Explanations(env, "shop")); n != 0 {
		t.Errorf("after half an hour there are %d", n)
	}
}
