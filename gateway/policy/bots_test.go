package policy_test

import (
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// TestBrowsersAreNoBots holds the list of names to what people call by.
func TestBrowsersAreNoBots(t *testing.T) {
	chain := chainOf(policy.Tools{Bots: policy.NewBots()}, entry.Policy{Config: &entry.BotsPolicy{Classes: entry.BotClasses()}})
	refused := func(agents ...string) bool {
		ex := new(policy.Pool).Take()
		ex.Scope = scope()
		for _, agent := range agents {
			ex.Header.Add("User-Agent", agent)
		}
		return chain.Run(t.Context(), ex) != nil
	}
	for _, agent := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
		"Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/125.0.0.0",
		"Opera/9.80 (Windows NT 6.1; U; en) Presto/2.12.388 Version/12.18", "acme-orders/2.3 (+https://acme.example)", "Javascript/1", "Curly/1",
	} {
		if refused(agent) {
			t.Errorf("%q is refused", agent)
		}
	}
	for _, agent := range []string{
		"python-requests/2.32.3", "Go-http-client/1.1", "okhttp/4.12.0", "Java/21.0.1", "Wget/1.21.4", "node-fetch", "axios/1.7.2", "PostmanRuntime/7.43.0",
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "CCBot/2.0 (https://commoncrawl.org/faq/)",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Mozilla/5.0 (Unknown; Linux) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1", " ",
	} {
		if !refused(agent) {
			t.Errorf("%q is let in", agent)
		}
	}
	if !refused() || !refused("Firefox/143.0", "curl/8.5.0") {
		t.Error("no name, or one behind another, is let in")
	}
}

func TestWhatIsRememberedOfBotsIsOfOnePolicyAlone(t *testing.T) {
	tools := policy.Tools{Bots: policy.NewBots()}
	strict := chainOf(tools, entry.Policy{Config: &entry.BotsPolicy{Classes: []string{"library"}, Deny: []string{"scrape"}}})
	lenient := chainOf(tools, entry.Policy{Config: &entry.BotsPolicy{Classes: []string{"empty"}}})
	for range 3 {
		for _, agent := range []string{"curl/8.5.0", "scraper"} {
			for want, chain := range map[bool]*policy.Chain{true: strict, false: lenient} {
				ex := new(policy.Pool).Take()
				ex.Scope = scope()
				ex.Header.Add("User-Agent", agent)
				if got := chain.Run(t.Context(), ex) != nil; got != want {
					t.Errorf("%s: got refused %v, want %v", agent, got, want)
				}
			}
		}
	}
}
