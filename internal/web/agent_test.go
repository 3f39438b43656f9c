package web_test

import (
	"strings"
	"testing"

	"portico/internal/web"
)

func TestBrowserIsToldInTwoWords(t *testing.T) {
	for agent, want := range map[string]string{
		"": "A program that does not say",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"curl/8.5.0":                "curl",
		"reports \n\t 1.0":          "reports 1.0",
		strings.Repeat("long ", 40): strings.Repeat("long ", 11) + "long…",
	} {
		if got := web.Browser(agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}
