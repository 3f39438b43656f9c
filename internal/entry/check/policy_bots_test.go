package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
)

func TestBotsThatCannotBeFoundAreRefused(t *testing.T) {
	wrong(t, entry.PolicyBots, map[string]string{
		`{"classes": ["empty", "library", "crawler", "headless"]}`:                "",
		`{"mode": "observe", "deny": ["(?i)a", "b"]}`:                             "",
		`{"mode": "maybe", "deny": ["a"]}`:                                        "mode",
		`{"classes": ["humans"]}`:                                                 "classes[0]",
		`{"classes": ["empty", "empty"]}`:                                         "classes[1]",
		`{"deny": ["a", "(b"]}`:                                                   "deny[1]",
		`{"deny": ["a"], "allow": ["(?<!b)a"]}`:                                   "allow[0]",
		`{"deny": [""]}`:                                                          "deny[0]",
		`{"deny": [` + strings.TrimSuffix(strings.Repeat(`"a",`, 51), ",") + `]}`: "deny",
	})
}
