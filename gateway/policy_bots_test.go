package gateway_test

import (
	"testing"

	"portico/internal/entry"
)

const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

func botsCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.BotsPolicy{
			Classes: []string{"empty", "library", "crawler", "headless"}, Deny: []string{`(?i)\bscrape`}, Allow: []string{`^curl/9\.`},
		}})
		for i := range api.Routes {
			if api.Routes[i].Operation == "open" {
				api.Routes[i].Policies = []entry.Policy{{Config: &entry.BotsPolicy{Mode: "observe", Deny: []string{"Firefox"}}}}
			}
		}
	})
	const do = "/demo/orders/v1/do/echo"
	for agent, status := range map[string]int{
		browser:                    200,
		"User-Agent: ":             403,
		"User-Agent: curl/8.5.0":   403,
		"User-Agent: CURL/8.5.0":   403,
		"User-Agent: curl/9.0.0":   200,
		"User-Agent: xcurl/8.5.0":  200,
		"User-Agent: MyScraper/1":  200,
		"User-Agent: Scrapemaster": 403,
		"User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 403,
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/141.0.0.0 Safari/537.36":   403,
	} {
		got := r.call(t, "GET", do, "", agent)
		if got.status != status || status == 403 && got.code() != "bot_refused" {
			t.Errorf("%s: got %d %s", agent, got.status, got.body)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/open", "", "User-Agent: Firefox"); got.status != 200 {
		t.Errorf("observed: got %d %s", got.status, got.body)
	}
	counted := scrape(t, r.Collector())
	for name, want := range map[string]float64{
		"bot_calls_total empty refused": 1, "bot_calls_total library refused": 2, "bot_calls_total crawler refused": 1, "bot_calls_total headless refused": 1,
		"bot_calls_total pattern refused": 1, "bot_calls_total pattern observed": 1, "bot_calls_total library observed": 0,
	} {
		if counted[name] != want {
			t.Errorf("%s: got %v, want %v", name, counted[name], want)
		}
	}
}
