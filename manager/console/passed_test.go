package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

var column = regexp.MustCompile(`(?s)<a class="col[ "].*?<span>(\d+)</span>.*?<b>([^<]*)</b>.*?<span class="us">([^<]*)</span>`)

// columnsOf are the columns of a page's colonnade, as "3 · Rate limit".
func columnsOf(a answer) (out []string) {
	for _, c := range column.FindAllStringSubmatch(a.body, -1) {
		out = append(out, c[1]+" · "+entity.Replace(c[2]))
	}
	return out
}

// timesOf are what they took, as "3 · 58 µs"; those of which that is told.
func timesOf(a answer) (out []string) {
	for _, c := range column.FindAllStringSubmatch(a.body, -1) {
		if regexp.MustCompile(`^[\d.]+ [µm]?s$`).MatchString(c[3]) {
			out = append(out, c[1]+" · "+c[3])
		}
	}
	return out
}

// walked are the steps of the way that is open, without what is said of them.
func walked(a answer) (out []string) {
	_, trace, _ := strings.Cut(a.body, `<ol class="trace"`)
	trace, _, _ = strings.Cut(trace, `</ol>`)
	for _, s := range regexp.MustCompile(`<b>([^<]*)</b>`).FindAllStringSubmatch(trace, -1) {
		out = append(out, entity.Replace(s[1]))
	}
	return out
}

// A call's steps have the numbers and the names that the chain has on the version's
// page: with policies of the environment, of the version and of the operation, with
// one that is off, one that the operation replaces, and what they make of the answer.
func TestStepsOfACallHaveTheNumbersAndNamesOfTheChain(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	policy := func(kind, config string) apim.Policy { return apim.Policy{Kind: kind, Config: json.RawMessage(config)} }
	limit := func(n int) apim.Policy {
		return policy("rate_limit", fmt.Sprintf(`{"requests":%d,"period_ms":1000,"by":"api"}`, n))
	}
	off := limit(1)
	off.Off = true
	settings := apim.DefaultEnvironmentSettings()
	settings.Policies = []apim.Policy{policy("headers", `{"set":[{"name":"X-Edge","value":"1"}]}`), limit(500), policy("answer_headers", `{"set":[{"name":"X-Edge","value":"1"}]}`)}
	if _, _, err := s.fleet.UpdateEnvironment(t.Context(), system(), "production", manager.EnvironmentChange{Settings: &settings}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{
		Credentials: &apim.CredentialPlaces{Header: "X-Key"},
		Policies:    &[]apim.Policy{off, limit(50), policy("cors", `{"origins":["https://a.example"]}`), policy("cache", `{}`), policy("answer_headers", `{"set":[{"name":"X-Own","value":"1"}]}`)},
		RoutePolicies: map[string][]apim.Policy{
			"createOrder": {policy("key", `{"header":"X-Mine"}`), policy("headers", `{"set":[{"name":"X-Op","value":"1"}]}`)},
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.Publish(t.Context(), system(), acme, version, "production", ""); err != nil {
		t.Fatal(err)
	}
	detail, err := s.catalog.Version(t.Context(), system(), acme, version)
	if err != nil {
		t.Fatal(err)
	}
	x := s.limited(acme.UUID())
	x.APIUUID, x.VersionUUID, x.Revision, x.Operation, x.Status, x.Code = detail.API.ID.UUID(), version.UUID(), 2, "createOrder", 200, ""
	x.Steps = nil
	ran := func(stage string, steps ...string) {
		for _, step := range steps {
			x.Steps = append(x.Steps, entry.ExplainedStep{Step: step, Stage: stage, Outcome: entry.ExplainPassed})
		}
	}
	ran("", "route")
	ran("admit", "size", "cors")
	ran("identify", "key", "key") // the operation's, then the version's, which is only taken away
	ran("authorize", "grant")
	ran("limit", "rate_limit", "plan_limit", "rate_limit")
	ran("shape", "headers", "cache", "headers")
	ran("destination", "upstream")
	ran("answer", "cache", "answer_headers", "answer_headers", "cors") // the version's, then the environment's
	s.catalog.Ways = ways{x}

	chain := columnsOf(b.get("/t/acme/apis/orders/v1?operation=createOrder").shows(http.StatusOK))
	want := []string{
		"1 · Request size", "2 · CORS", "3 · API key", "4 · API key", "5 · Subscription", "6 · Rate limit", "7 · Limits of the plan", "8 · Rate limit", "9 · Rate limit",
		"10 · Headers", "11 · Response cache", "12 · Headers", "13 · Answer headers", "14 · Answer headers",
	}
	if !slices.Equal(chain, want) {
		t.Fatalf("the chain is %q, want %q", chain, want)
	}
	way := b.get("/t/acme/explain?call=a1").shows(http.StatusOK, "Let through; the upstream answered 200")
	way.has(`href="/t/acme/apis/orders/v1?operation=createOrder#policy"`)
	got, expect := walked(way), []string{
		"Route", "1 · Request size", "2 · CORS", "4 · API key", "3 · API key", "5 · Subscription", "6 · Rate limit", "7 · Limits of the plan", "9 · Rate limit",
		"10 · Headers", "11 · Response cache", "12 · Headers", "Upstream",
		"11 · Response cache, answer", "14 · Answer headers", "13 · Answer headers", "2 · CORS, answer", "Answer",
	}
	if !slices.Equal(got, expect) {
		t.Errorf("the steps are\n%q, want\n%q", got, expect)
	}
	for _, label := range got {
		if n, _, ok := strings.Cut(label, " · "); ok {
			if at, err := strconv.Atoi(n); err != nil || chain[at-1] != strings.TrimSuffix(label, ", answer") {
				t.Errorf("%q is not what the chain has there", label)
			}
		}
	}
	// The times that steps took stand at the columns of these.
	for i, one := range x.Steps {
		x.Steps[i].TookNS = int64(i+1) * 1000
		if one.Step == "answer_headers" {
			x.Steps[i].TookNS = map[bool]int64{true: 5_000, false: 50_000}[x.Steps[i-1].Step == "cache"]
		}
	}
	s.catalog.Ways = ways{x}
	times := []string{
		"1 · 2.0 µs", "2 · 3.0 µs", "4 · 4.0 µs", "5 · 6.0 µs", "6 · 7.0 µs", "7 · 8.0 µs", "9 · 9.0 µs", "10 · 10 µs", "11 · 11 µs", "12 · 12 µs",
		"13 · 50 µs", "14 · 5.0 µs",
	}
	if got := timesOf(b.get("/t/acme/apis/orders/v1?operation=createOrder").shows(http.StatusOK)); !slices.Equal(got, times) {
		t.Errorf("the times are\n%q, want\n%q", got, times)
	}
	// What has been published since has no say in a call of before.
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{Policies: &[]apim.Policy{}}); err != nil {
		t.Fatal(err)
	}
	if again := walked(b.get("/t/acme/explain?call=a1")); !slices.Equal(again, expect) {
		t.Errorf("after a change of the draft the steps are %q", again)
	}
}

// What decided is said in words, also where it was no policy.
func TestWhatDecidedIsSaidInWords(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	step := func(name, stage, outcome, code string) entry.ExplainedStep {
		return entry.ExplainedStep{Step: name, Stage: stage, Outcome: outcome, Code: code}
	}
	route := step("route", "", entry.ExplainPassed, "")
	for _, c := range []struct {
		name   string
		status int
		code   string
		steps  []entry.ExplainedStep
		want   string // the badge
		says   string
	}{
		{"timeout", 504, "upstream_timeout", []entry.ExplainedStep{route, step("upstream", "destination", entry.ExplainRefused, "upstream_timeout")}, `<span class="badge bad">Upstream timeout</span>`, "Stopped at Upstream"},
		{"busy", 503, "upstream_busy", []entry.ExplainedStep{route, step("upstream", "destination", entry.ExplainRefused, "upstream_busy")}, `<span class="badge bad">Upstream busy</span>`, ""},
		{"pending", 403, "subscription_pending", []entry.ExplainedStep{route, step("grant", "authorize", entry.ExplainRefused, "subscription_pending")}, `<span class="badge warn">Subscription pending</span>`, "Stopped at Subscription"},
		{"policy", 429, "rate_limited", []entry.ExplainedStep{route, step("rate_limit", "limit", entry.ExplainRefused, "rate_limited")}, `<span class="badge warn">Rate limit</span>`, ""},
		{"no route", 404, "no_route", []entry.ExplainedStep{step("route", "", entry.ExplainRefused, "no_route")}, `<span class="badge warn">No route</span>`, "Stopped at Route"},
		{"validation", 400, "request_invalid", []entry.ExplainedStep{route, step("validate", "shape", entry.ExplainRefused, "request_invalid")}, `<span class="badge warn">Validation</span>`, ""},
		{"head", 400, "request_invalid", nil, `<span class="badge warn">Invalid request</span>`, "Refused with 400"},
		{"upstream", 404, "", []entry.ExplainedStep{route, step("upstream", "destination", entry.ExplainPassed, "")}, `<span class="badge">Upstream</span>`, "the upstream answered 404"},
		{"upstream's fault", 500, "", []entry.ExplainedStep{route, step("upstream", "destination", entry.ExplainPassed, "")}, `<span class="badge bad">Upstream</span>`, "The upstream answered 500"},
		{"hit", 200, "", []entry.ExplainedStep{route, step("cache", "shape", entry.ExplainPassed, ""), step("headers", "shape", entry.ExplainSkipped, "")}, `<span class="badge">Response cache</span>`, "Answered at Response cache, with 200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := s.limited(s.tenantID("acme").UUID())
			x.Status, x.Code, x.Steps = c.status, c.code, c.steps
			s.catalog.Ways = ways{x}
			a := b.get("/t/acme/explain?call=a1").shows(http.StatusOK, c.says)
			if a.body = strings.ReplaceAll(a.body, `class="badge "`, `class="badge"`); !strings.Contains(a.body, c.want) {
				t.Errorf("no %s in %s", c.want, a.text())
			}
		})
	}
}

// Times go with the policy that took them, wherever the draft has it by now; one that
// was written anew has none yet.
func TestTimesGoWithTheirPolicies(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	set := func(name string) apim.Policy {
		return apim.Policy{Kind: "headers", Config: json.RawMessage(`{"set":[{"name":"` + name + `","value":"1"}]}`)}
	}
	draft := func(policies ...apim.Policy) {
		if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{Policies: &policies}); err != nil {
			t.Fatal(err)
		}
	}
	draft(set("X-Quick"), set("X-Slow"))
	if _, err := s.catalog.Publish(t.Context(), system(), acme, version, "production", ""); err != nil {
		t.Fatal(err)
	}
	x := s.limited(acme.UUID())
	x.VersionUUID, x.Revision, x.Operation, x.Status, x.Code = version.UUID(), 2, "getOrder", 200, ""
	detail, err := s.catalog.Version(t.Context(), system(), acme, version)
	if err != nil {
		t.Fatal(err)
	}
	x.APIUUID = detail.API.ID.UUID()
	x.Steps = []entry.ExplainedStep{
		{Step: "headers", Stage: "shape", Outcome: entry.ExplainPassed, TookNS: 5_000}, {Step: "headers", Stage: "shape", Outcome: entry.ExplainPassed, TookNS: 50_000},
		{Step: "upstream", Stage: "destination", Outcome: entry.ExplainPassed, AtNS: 60_000, TookNS: 1_000_000},
	}
	s.catalog.Ways = ways{x}
	for _, c := range []struct {
		name  string
		draft []apim.Policy
		want  []string
	}{
		{"as it is live", []apim.Policy{set("X-Quick"), set("X-Slow")}, []string{"5.0 µs", "50 µs"}},
		{"swapped", []apim.Policy{set("X-Slow"), set("X-Quick")}, []string{"50 µs", "5.0 µs"}},
		{"one written anew", []apim.Policy{set("X-New"), set("X-Slow")}, []string{"50 µs"}},
		{"one alone", []apim.Policy{set("X-Slow")}, []string{"50 µs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			draft(c.draft...)
			for _, page := range []string{"/t/acme/apis/orders/v1", "/t/acme/apis/orders/v1?operation=getOrder"} {
				var got []string
				for _, took := range timesOf(b.get(page).shows(http.StatusOK)) {
					_, took, _ = strings.Cut(took, " · ")
					got = append(got, took)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: the times are %q, want %q", page, got, c.want)
				}
			}
		})
	}
}
