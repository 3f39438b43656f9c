package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// wrong checks configurations of one kind, each against the field that is to be
// refused; "" for one that passes.
func wrong(t *testing.T, kind entry.PolicyKind, cases map[string]string) {
	t.Helper()
	for config, field := range cases {
		pol, err := entry.ParsePolicy(kind, []byte(config))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		found := check.Policy(pol)
		switch {
		case field == "" && len(found) > 0:
			t.Errorf("%s: got %v", config, found)
		case field != "" && (len(found) != 1 || found[0].Field != field):
			t.Errorf("%s: got %v, want %s refused alone", config, found, field)
		}
	}
}

func TestCORSThatWouldOpenTooMuchIsRefused(t *testing.T) {
	cases := map[string]string{}
	for _, c := range []struct{ config, field string }{
		{`{"origins": ["*"]}`, ""},
		{`{"origins": ["*"], "credentials": true}`, "origins[0]"},
		{`{"origins": []}`, "origins"},
		{`{"origins": ["*", "https://a.example.com"]}`, "origins[0]"},
		{`{"origins": ["https://a.com"], "exposed_headers": ["*"]}`, ""},
		{`{"origins": ["https://a.com"], "exposed_headers": ["*"], "credentials": true}`, "exposed_headers[0]"},
		{`{"origins": ["https://a.com"], "headers": ["*"], "credentials": true}`, ""},
		{`{"origins": ["https://a.com"], "headers": ["*", "x-a"]}`, "headers[0]"},
		{`{"origins": ["https://a.com"], "headers": ["a b"]}`, "headers[0]"},
		{`{"origins": ["https://a.com"], "methods": ["get"]}`, "methods[0]"},
		{`{"origins": ["https://a.com"], "methods": ["*"]}`, "methods[0]"},
		{`{"origins": ["https://a.com"], "max_age_ms": 1500}`, "max_age_ms"},
		{`{"origins": ["https://a.com"], "max_age_ms": 86401000}`, "max_age_ms"},
		{`{"origins": ["https://a.com", "https://a.com"]}`, "origins[1]"},
	} {
		cases[c.config] = c.field
	}
	for origin, good := range map[string]bool{
		"https://a.example.com": true, "http://localhost:3000": true, "https://*.example.com": true, "https://*.example.com:8443": true,
		"capacitor://localhost": true, "http://[::1]:8080": true, "http://127.0.0.1:5173": true,
		"null": false, "https://*": false, "https://*.com": false, "https://a.*.com": false, "https://*a.example.com": false, "https://*.*.com": false,
		"https://A.example.com": false, "https://a.example.com/": false, "https://a.example.com/x": false, "a.example.com": false, "https://": false,
		"https://a.example.com:443": false, "http://a.example.com:80": false, "https://a.example.com:0": false, "https://a.example.com:x": false,
		"https://u@a.example.com": false, "HTTPS://a.example.com": false, "https://a.example.com\\r\\nX: y": false, "https://[::1": false,
	} {
		field := ""
		if !good {
			field = "origins[0]"
		}
		cases[`{"origins": ["`+origin+`"]}`] = field
	}
	wrong(t, entry.PolicyCORS, cases)
	many := `{"origins": ["` + strings.Repeat(`https://a.com","`, 201) + `https://b.com"]}`
	if pol, err := entry.ParsePolicy(entry.PolicyCORS, []byte(many)); err != nil || len(check.Policy(pol)) == 0 {
		t.Errorf("two hundred and two origins: got %v", err)
	}
}
