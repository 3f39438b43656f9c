package gateway_test

import (
	"fmt"
	"net/http"
	"testing"

	"portico/internal/entry"
)

// TestCacheTellsACandidateFromWhatIsLive tries a candidate by a header, behind a
// cache, with a copy of each call.
func TestCacheTellsACandidateFromWhatIsLive(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		named := func(name string) string {
			return answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				fmt.Fprint(w, name)
			})
		}
		r := startDemo(t, lane)
		api := splitAPI(named("live"), named("candidate"), 0)
		api.Split.Rules = []entry.SplitRule{{In: "header", Name: "X-Try", Candidate: true}}
		api.Mirror = &entry.Mirror{Run: "m", Upstream: "main", PerMille: 1000, Concurrency: 10}
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.CachePolicy{}})
		r.putAPI(t, 2, api)
		for i, c := range []struct{ header, want string }{
			{"X-Try: 1", "candidate"}, {"A: b", "live"}, {"X-Try: 1", "candidate"}, {"A: b", "live"},
		} {
			got := r.call(t, "GET", cachedPath, "", c.header)
			if got.body != c.want {
				t.Errorf("call %d: got %q, want %q", i+1, got.body, c.want)
			}
			if hit := got.header.Get("Age") != ""; hit != (i >= 2) {
				t.Errorf("call %d: got %v", i+1, got.header)
			}
		}
	})
}
