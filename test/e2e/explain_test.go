package e2e_test

import (
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

// way is an explanation as the command line prints it.
type way struct {
	Method, Path, API, Code, Application string

	Status   int
	Steps    []struct{ Step, Outcome, Code string }
	Tries    []struct{ Outcome string }
	Remedies []string
	Hidden   bool
	Headers  []string
	TookUS   float64 `json:"took_us"`
}

func (w way) steps() string {
	var out []string
	for _, s := range w.Steps {
		out = append(out, s.Step+" "+s.Outcome)
	}
	return strings.Join(out, ", ")
}

// The command line mints, the gateway's node verifies by itself, and the way
// comes back over the bus.
func TestCallsAreExplainedFromTheCommandLine(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	s := shellOf(t, p)
	var got way
	s.ok(&got, "explain", "get", "/demo/parcels/v1/parcels?limit=1", "-H", "X-API-Key: "+p.Key)
	if got.Status != 200 || got.steps() != "route passed, size passed, key passed, grant passed, plan_limit passed, upstream passed" || len(got.Tries) != 1 || got.TookUS <= 0 {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(strings.Join(got.Headers, " "), p.Key) {
		t.Errorf("the key is told: %v", got.Headers)
	}
	s.ok(&got, "explain", "GET", "/demo/parcels/v1/parcels", "--api", "parcels")
	if got.Status != 401 || got.Code != "credential_missing" || len(got.Remedies) != 1 {
		t.Errorf("got %+v", got)
	}
	out, _, code := s.run("", "explain", "GET", "/demo/parcels/v1/parcel")
	if code != 0 || !strings.Contains(out, "404 GET /demo/parcels/v1/parcel") || !strings.Contains(out, "segment 1 is “parcel”, the route wants “parcels”") {
		t.Errorf("exit %d, got %s", code, out)
	}
	out, _, code = s.run("", "explain", "GET", "/x", "--token-only")
	if code != 0 || !strings.HasPrefix(out, "X-Portico-Explain: x1.") {
		t.Errorf("exit %d, got %s", code, out)
	}
	if _, errs, code := s.run("", "explain", "GET", "x"); code != 2 || !strings.Contains(errs, "begins with a slash") {
		t.Errorf("exit %d, got %s", code, errs)
	}
	if _, errs, code := s.run("", "explain", "GET", "/x", "--api", "nothing"); code != 1 || !strings.Contains(errs, "not_found") {
		t.Errorf("exit %d, got %s", code, errs)
	}
}

// A setting of the process and one of the environment bring spans to a
// collector.
func TestSpansReachTheCollectorThatIsSet(t *testing.T) {
	collector := fake.NewCollector(t)
	p := start(t, process.Options{Demo: true, Env: []string{"PORTICO_OTLP_ENDPOINT=" + collector.URL}})
	s := shellOf(t, p)
	s.ok(nil, "environments", "set", "production", "--tracing", "--trace-per-million", "1000000")
	for deadline := time.Now().Add(20 * time.Second); len(collector.Spans()) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no spans have come")
		}
		call(t, p.Gateway+"/demo/parcels/v1/parcels", "")
	}
	if got := collector.Spans()[0]; got.Attributes["portico.api"] != "demo/parcels v1" || got.Attributes["error.type"] != "credential_missing" {
		t.Errorf("got %+v", got)
	}
}
