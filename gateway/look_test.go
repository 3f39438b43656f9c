package gateway_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"portico/internal/entry"
)

// looks tells the node to look, and waits for what it says.
func (s *spread) looks(t *testing.T, l entry.Look) entry.Targets {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.carrier.TellWhole(ctx, entry.Command{Do: entry.LookAtTargets, Look: &l}); err != nil {
		t.Fatal(err)
	}
	var out entry.Targets
	wait(t, "the node to say how targets are", func() bool {
		for _, said := range s.carrier.Looks() {
			if said.Look == l.ID {
				out = said
				return true
			}
		}
		return false
	})
	return out
}

func TestANodeSaysHowLongEachTargetTakes(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		s := startSpread(t, 2, entry.Traffic{}, lane)
		if said := s.looks(t, entry.Look{ID: "a", Version: s.api.Version}); len(said.Upstreams) != 1 || len(said.Upstreams[0].Targets) != 2 || said.Upstreams[0].Targets[0].Calls != 0 || said.Upstreams[0].Targets[0].Checked != nil {
			t.Errorf("got %+v before any call, want two targets of which nothing is known", said)
		}
		s.gets(t, 20)
		said := s.looks(t, entry.Look{ID: "b", Version: s.api.Version})
		for _, one := range said.Upstreams[0].Targets {
			if one.Calls < 1 || one.Calls > 5 || one.MedianUS <= 0 || one.MedianUS > 5_000_000 || one.Why != "" || one.Checked != nil {
				t.Errorf("got %+v, want the median of a few calls", one)
			}
			if len(one.Recent) != one.Calls || one.Recent[0][0] < one.Recent[len(one.Recent)-1][0] || one.Recent[0][0] > 60 || one.Recent[0][1] <= 0 {
				t.Errorf("got %v, want these calls, the oldest first", one.Recent)
			}
		}
		if s.targets[0].calls.Load() != 10 {
			t.Errorf("the target got %d calls, want those of callers alone", s.targets[0].calls.Load())
		}
		if said := s.looks(t, entry.Look{ID: "c", Version: uuid(77)}); len(said.Upstreams) != 0 {
			t.Errorf("got %+v of a version that nobody knows", said)
		}
	})
}

func TestTargetsAreAskedAtOnceWhenToldTo(t *testing.T) {
	// A check comes once an hour: what is found meanwhile was asked for.
	s := startSpread(t, 3, entry.Traffic{Health: entry.HealthCheck{Kind: "http", Path: "/demo", IntervalMS: 3_600_000, TimeoutMS: 300, Healthy: 1, Unhealthy: 1}})
	wait(t, "the first checks", func() bool {
		return s.targets[0].calls.Load() == 1 && s.targets[1].calls.Load() == 1 && s.targets[2].calls.Load() == 1
	})
	s.targets[1].status.Store(503)
	s.targets[2].hangs.Store(true)
	said := s.looks(t, entry.Look{ID: "a", Version: s.api.Version, Check: true})
	want := map[string]string{s.targets[0].URL: "", s.targets[1].URL: "check: status 503", s.targets[2].URL: "check: no answer within 300ms"}
	for _, one := range said.Upstreams[0].Targets {
		if one.Checked == nil || one.Checked.Why != want[one.URL] || one.Checked.TookUS <= 0 || one.Checked.Connected || one.Why != want[one.URL] {
			t.Errorf("%s: got %+v and %+v, want %q", one.URL, one, one.Checked, want[one.URL])
		}
	}
	if got := s.gets(t, 10); got["t0"] != 10 {
		t.Errorf("calls go to %v, want the one that is well", got)
	}
	s.targets[1].status.Store(0)
	said = s.looks(t, entry.Look{ID: "b", Version: s.api.Version, Check: true})
	for _, one := range said.Upstreams[0].Targets {
		if one.URL == s.targets[1].URL && (one.Checked.Why != "" || one.Why != "") {
			t.Errorf("got %+v, want it to be well again by what was asked for", one)
		}
	}
	// What the last check found is told also when none is asked for.
	said = s.looks(t, entry.Look{ID: "c", Version: s.api.Version})
	if c := said.Upstreams[0].Targets[0].Checked; c == nil || c.At == 0 {
		t.Errorf("got %+v, want what was found last", c)
	}
}

func TestOneTargetAloneIsAskedWhenItIsNamed(t *testing.T) {
	s := startSpread(t, 2, entry.Traffic{Health: entry.HealthCheck{Kind: "http", Path: "/demo", IntervalMS: 3_600_000, TimeoutMS: 5000, Healthy: 1, Unhealthy: 1}})
	wait(t, "the first checks", func() bool { return s.targets[0].calls.Load() == 1 && s.targets[1].calls.Load() == 1 })
	said := s.looks(t, entry.Look{ID: "a", Version: s.api.Version, Check: true, Target: s.targets[1].URL})
	if first, second := s.targets[0].calls.Load(), s.targets[1].calls.Load(); first != 1 || second != 2 || len(said.Upstreams[0].Targets) != 2 {
		t.Errorf("got %d and %d checks, want the second target alone asked again, and both told of", first, second)
	}
	s.looks(t, entry.Look{ID: "b", Version: s.api.Version, Check: true, Target: "http://nobody.example"})
	if first, second := s.targets[0].calls.Load(), s.targets[1].calls.Load(); first != 1 || second != 2 {
		t.Errorf("got %d and %d checks, want none for a target that is not there", first, second)
	}
}

func TestTargetsWithoutACheckAreConnectedTo(t *testing.T) {
	s := startSpread(t, 2, entry.Traffic{})
	dead, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.api.Upstreams[0].Targets[1].URL = "http://" + dead.Addr().String()
	_ = dead.Close()
	s.publish(t)
	said := s.looks(t, entry.Look{ID: "a", Version: s.api.Version, Check: true})
	for _, one := range said.Upstreams[0].Targets {
		well := one.URL == s.targets[0].URL
		if one.Checked == nil || !one.Checked.Connected || (one.Checked.Why == "") != well || one.Why != "" {
			t.Errorf("got %+v and %+v", one, one.Checked)
		}
	}
	if s.targets[0].calls.Load() != 0 {
		t.Error("a request was made, want a connection alone")
	}
}

// TestChecksOfOneTenantLeaveThoseOfOthersAnswered, however silent its targets are.
func TestChecksOfOneTenantLeaveThoseOfOthersAnswered(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // it never shakes hands
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := startSpread(t, 1, entry.Traffic{})
	mine := s.api
	s.api.Version, s.api.API, s.api.Tenant = uuid(500), uuid(501), uuid(502)
	s.api.Mounts = []entry.Mount{{BasePath: "/silent"}}
	s.api.Upstreams = []entry.Upstream{{Name: "main", ConnectTimeoutMS: 60_000, Targets: []entry.Target{{URL: "https://" + silent.Addr().String()}}}}
	s.publish(t)
	for i := range 40 { // more than a node has under way
		if err := s.carrier.TellWhole(t.Context(), entry.Command{Do: entry.LookAtTargets, Look: &entry.Look{ID: fmt.Sprint(i), Version: s.api.Version, Check: true}}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if said := s.looks(t, entry.Look{ID: "theirs", Version: s.api.Version}); len(said.Upstreams) != 1 {
		t.Errorf("got %+v of the silent ones, which are not asked", said)
	}
	if said := s.looks(t, entry.Look{ID: "look", Version: mine.Version}); len(said.Upstreams) != 1 || len(said.Upstreams[0].Targets) != 1 {
		t.Errorf("got %+v", said)
	}
	if said := s.looks(t, entry.Look{ID: "check", Version: mine.Version, Check: true}); len(said.Upstreams) != 1 || said.Upstreams[0].Targets[0].Checked == nil || said.Upstreams[0].Targets[0].Checked.Why != "" {
		t.Errorf("got %+v", said)
	}
	if took := time.Since(began); took > 4*time.Second { // a look with checks waits for five
		t.Errorf("others waited %v", took)
	}
}
