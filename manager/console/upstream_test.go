package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

func TestTrafficIsSetInTheUpstreamsForm(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	b.post(page+"/upstream", "urls", "https://one.internal.example 3\nhttps://two.internal.example", "balance.algorithm", "hash", "balance.hash_by", "header:X-Tenant",
		"health.kind", "http", "health.path", "/healthz", "health.interval_ms", "5,000", "ejection.any_5xx", "on", "retry.on", "connect, 503", "breaker.error_percent", "50",
		"concurrency.max_requests", "200").
		shows(http.StatusOK, "Upstream saved in the draft", "Upstream targets", "weight 3", "weight 1", "by header X-Tenant", "checked by HTTP", "breaker at 50 %", "200 calls at once")
	shown := b.get(page+"/upstream").shows(http.StatusOK, "Balancing", "2 settings", "Circuit breaker", "Discovery")
	for _, want := range []string{"https://one.internal.example 3\nhttps://two.internal.example 1", `value="/healthz"`, `value="5000"`, `value="connect, 503"`, `value="200"`} {
		shown.has(want)
	}
	// What the form does not send stays: nobody's draft loses what an older page does not show.
	b.post(page+"/upstream", "urls", "https://three.internal.example").shows(http.StatusOK, "https://three.internal.example", "by header X-Tenant")
	// What cannot be is told at its field, and its part of the form is open.
	for name, wrong := range map[string][]string{
		"balance.hash_by":       {"balance.algorithm", "hash"},
		"health.path":           {"balance.algorithm", "", "health.kind", "http", "health.path", "no slash"},
		"breaker.error_percent": {"balance.algorithm", "", "breaker.open_ms", "5"},
		"retry.on":              {"balance.algorithm", "", "retry.on", "418"},
		"discovery.service":     {"balance.algorithm", "", "discovery.kind", "consul"},
		"health.interval_ms":    {"balance.algorithm", "", "health.kind", "tcp", "health.interval_ms", "soon"},
		"urls":                  {"urls", "https://one.example many"},
	} {
		fields := append([]string{"urls", "https://one.internal.example"}, wrong...)
		if name == "urls" {
			fields = wrong
		}
		a := b.post(page+"/upstream", fields...).shows(http.StatusUnprocessableEntity)
		a.fieldError(name)
		if name != "urls" {
			a.has(`<details class="fold" open>`)
		}
	}
}

// publish makes the draft of Orders v1 what is live.
func (s *site) publish(version apim.ID) {
	s.t.Helper()
	if _, err := s.catalog.Publish(s.t.Context(), system(), s.tenantID("acme"), version, "production", ""); err != nil {
		s.t.Fatal(err)
	}
}

func TestTargetsShowWhatNodesSay(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	a := b.post(page+"/upstream", "urls", "https://one.internal.example\nhttps://two.internal.example").
		shows(http.StatusOK, "in the draft, not live", "https://orders.internal.example/v1", "gets calls on 3 nodes · not in the draft", "2 targets")
	if n := strings.Count(a.body, "gets calls on 3 nodes · "); n != 1 || strings.Contains(a.body, `name="target" value="https://one.internal.example"`) {
		t.Errorf("got %d targets with calls, want the live one, and the others not to be asked", n)
	}
	s.publish(version)
	b.get(page).shows(http.StatusOK, "gets calls on 3 nodes").hides("not live", "not in the draft", "https://orders.internal.example/v1")
	s.nodes.see(apim.UpstreamHealth{Name: "main", Targets: 2, Unfit: 1, Open: true, Panic: true, Worst: []apim.TargetHealth{
		{URL: "https://two.internal.example", Why: "check: status 503", Since: time.Unix(1_000_000_000, 0)},
	}}, apim.UpstreamHealth{Name: "other", Targets: 1, Unfit: 1, Worst: []apim.TargetHealth{{URL: "https://one.internal.example", Why: "not this one"}}})
	a = b.get(page).shows(http.StatusOK, "check: status 503", "days ago", "gets calls on", "the circuit breaker is open", "1 of 2 targets are unfit")
	a.has(`class="dot bad"`)
	a.has(`class="dot ok"`)
	a.hides("not this one")
	s.nodes.see(apim.UpstreamHealth{Name: "main", Targets: 1, Found: []string{"10.0.0.7:8080"}, Source: "look up orders: there is no such name"})
	b.post(page+"/upstream", "urls", "http://orders.internal.example", "balance.algorithm", "", "discovery.kind", "dns").
		shows(http.StatusOK, "finds targets by DNS · in the draft, not live", "https://two.internal.example", "not in the draft")
	s.publish(version)
	b.get(page).shows(http.StatusOK, "finds targets by DNS", "10.0.0.7:8080", "targets cannot be looked for").hides("not live", "not in the draft")
}

func TestTargetWithAValueIsTheOneThatNodesCall(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	b.post("/t/acme/values", "name", "backend", "value", "one.internal.example").shows(http.StatusOK, "${backend} is set")
	b.post(page+"/upstream", "urls", "https://${backend}").shows(http.StatusOK, "in the draft, not live")
	s.publish(version)
	const known = "https://one.internal.example"
	s.nodes.look(apim.UpstreamTargets{Name: "main", Targets: []apim.TargetState{{URL: known, Median: 41 * time.Millisecond, Calls: 9, Check: apim.TargetCheck{At: time.Unix(1_000_000_000, 0), Took: time.Millisecond}}}})
	b.get(page).shows(http.StatusOK, "https://${backend}", "gets calls on 3 nodes", "41 ms")
	s.nodes.see(apim.UpstreamHealth{Name: "main", Targets: 1, Unfit: 1, Worst: []apim.TargetHealth{{URL: known, Why: "check: status 503"}}})
	b.get(page).shows(http.StatusOK, "check: status 503", "Check now").hides("gets calls on", "one.internal.example").has(`class="dot bad"`)
	b.post(page+"/targets/check", "target", "https://${backend}").shows(http.StatusOK, "well, in 1.0 ms").hides("one.internal.example")
	if got := s.nodes.target(); got != known {
		t.Errorf("the nodes are asked about %q, want what they know", got)
	}
}

// A status tells of ten unfit targets, and of so many upstreams.
func TestTargetsThatAStatusDoesNotTellOfAreNotWell(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	seen := apim.UpstreamHealth{Name: "main", Targets: 12, Unfit: 11}
	var urls []string
	for i := range 12 {
		urls = append(urls, "https://t"+string(rune('a'+i))+".internal.example")
		if i < 10 {
			seen.Worst = append(seen.Worst, apim.TargetHealth{URL: urls[i], Why: "check: status 503"})
		}
	}
	b.post(page+"/upstream", "urls", strings.Join(urls, "\n"))
	s.publish(version)
	s.nodes.see(seen)
	b.get(page).shows(http.StatusOK, "no node says how it is").hides("gets calls on")
	s.nodes.look(apim.UpstreamTargets{Name: "main", Targets: []apim.TargetState{{URL: urls[10], Why: "check: no route"}, {URL: urls[11]}}})
	a := b.get(page).shows(http.StatusOK, "check: no route", "gets calls on 3 nodes").hides("no node says")
	if bad, well := strings.Count(a.body, `class="dot bad"`), strings.Count(a.body, `class="dot ok" title="gets calls`); bad != 11 || well != 1 {
		t.Errorf("got %d bad and %d well, want 11 and 1", bad, well)
	}
	s.nodes.see()
	s.nodes.look()
	s.nodes.hideSome()
	b.get(page).shows(http.StatusOK, "no node says how it is").hides("gets calls on")
}

func TestTargetsAreCheckedNow(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	b.post(page+"/upstream", "urls", "https://one.internal.example\nhttps://two.internal.example").shows(http.StatusOK, "Upstream saved")
	s.publish(version)
	b.get(page).shows(http.StatusOK, "round robin", "Check all now", "Every node asks").hides("41 ms", "well, in")
	s.nodes.look(apim.UpstreamTargets{Name: "main", Targets: []apim.TargetState{
		{URL: "https://one.internal.example", Median: 41 * time.Millisecond, Calls: 9, Recent: timed(39, 44, 41), Check: apim.TargetCheck{At: time.Unix(1_000_000_000, 0), Took: 2300 * time.Microsecond}},
		{URL: "https://two.internal.example", Check: apim.TargetCheck{At: time.Unix(1_000_000_000, 0), Took: 800 * time.Microsecond, Why: "check: status 503"}},
	}}, apim.UpstreamTargets{Name: "other", Targets: []apim.TargetState{{URL: "https://one.internal.example", Median: time.Minute, Calls: 1}}})
	b.get(page).shows(http.StatusOK, "41 ms").hides("well, in", "status 503", "60")
	if n := s.nodes.checked(); n != 0 {
		t.Errorf("got %d checks by looking at the page", n)
	}
	asked := s.nodes.asks()
	a := b.post(page+"/targets/check").shows(http.StatusOK, "Upstream targets", "Traffic split", "well, in 2.3 ms", "status 503, after 0.8 ms", "41 ms").hides("did not answer")
	if n := s.nodes.asks(); n != asked+1 {
		t.Errorf("the nodes are asked %d times for one press", n-asked)
	}
	a.has(`class="dot warn" title="gets calls on`) // it gets calls, and has just failed
	a.has(`class="dot ok"`)
	for _, name := range s.nodes.names {
		a.has(name + ": well, in 2.3 ms")
	}
	if n := s.nodes.checked(); n != 1 {
		t.Errorf("got %d checks, want one", n)
	}
	// One alone: what was found of others before is not said again.
	b.post(page+"/targets/check", "target", "https://two.internal.example").shows(http.StatusOK, "status 503, after 0.8 ms").hides("well, in")
	if n, target := s.nodes.checked(), s.nodes.target(); n != 2 || target != "https://two.internal.example" {
		t.Errorf("got %d checks, the last of %q", n, target)
	}
	s.nodes.see(apim.UpstreamHealth{Name: "main", Targets: 2, Unfit: 1, Worst: []apim.TargetHealth{{URL: "https://two.internal.example", Why: "check: status 503"}}})
	b.get(page).shows(http.StatusOK, "Check now").has(`name="target" value="https://two.internal.example"`)
	s.nodes.silence(s.nodes.names[0])
	b.post(page+"/targets/check").shows(http.StatusOK, s.nodes.names[0]+" did not answer in time")
	stranger, _, _ := s.consumer("halden")
	stranger.post(page + "/targets/check").shows(http.StatusNotFound).hides("well, in")
	if n := s.nodes.checked(); n != 3 {
		t.Errorf("got %d checks, want none for a stranger", n)
	}
}

// timed are calls that took so many milliseconds, one each ten seconds.
func timed(ms ...int) (out []apim.TargetCall) {
	for i, n := range ms {
		out = append(out, apim.TargetCall{Ago: time.Duration(len(ms)-i) * 10 * time.Second, Took: time.Duration(n) * time.Millisecond})
	}
	return out
}

func TestTargetsShowHowTheirTimesGo(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	page := "/t/acme/apis/orders/v1"
	urls := []string{"https://one.internal.example", "https://two.internal.example"}
	b.post(page+"/upstream", "urls", strings.Join(urls, "\n"), "balance.algorithm", "least_requests").shows(http.StatusOK, "least requests")
	s.publish(version)
	s.nodes.look(apim.UpstreamTargets{Name: "main", Targets: []apim.TargetState{
		{URL: urls[0], Median: 20 * time.Millisecond, Calls: 3, Recent: timed(10, 20, 40)},
		{URL: urls[1]},
	}})
	a := b.get(page).shows(http.StatusOK, "20 ms", "no traffic")
	if n := strings.Count(a.body, `class="spark`); n != 1 {
		t.Errorf("got %d trends, want that of the target with calls", n)
	}
	// Three nodes say the same: nine points, the oldest first, the highest last.
	a.has(`d="M0 76.19L12.5 76.19L25 76.19L37.5 52.38L50 52.38L62.5 52.38L75 4.76L87.5 4.76L100 4.76"`)
}
