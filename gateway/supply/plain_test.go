package supply_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"portico/gateway/supply"
)

func TestAnErrorSaysNoAddress(t *testing.T) {
	if err := supply.Plain(nil); err != nil {
		t.Errorf("of nothing: got %v", err)
	}
	away := errors.New("away")
	for name, err := range map[string]error{
		"plain":   away,
		"one":     &url.Error{Op: "Get", URL: "https://id/?canary", Err: away},
		"wrapped": fmt.Errorf("at https://id/?canary: %w", &url.Error{Op: "Get", URL: "https://id/?canary", Err: &url.Error{Op: "Get", URL: "https://id/?canary", Err: away}}),
	} {
		if got := supply.Plain(err); !errors.Is(got, away) || strings.Contains(got.Error(), "canary") {
			t.Errorf("%s: got %v", name, got)
		}
	}
	_, err := http.Get("http://127.0.0.1:1/?canary")
	if got := supply.Plain(err); got == nil || strings.Contains(got.Error(), "canary") {
		t.Errorf("of a client: got %v", got)
	}
	if got := supply.Shown("https://id/keys?canary"); got != "https://id/keys" {
		t.Errorf("got %q", got)
	}
}
