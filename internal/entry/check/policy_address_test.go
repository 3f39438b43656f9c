package check_test

import (
	"testing"

	"portico/internal/entry"
)

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	wrong(t, entry.PolicyAddress, map[string]string{
		`{"allow": ["203.0.113.7", "10.0.0.0/8", "::1", "2001:db8::/32", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "0.0.0.0/0", "::/0"]}`: "",
		`{"allow": ["10.0.0.1/8"]}`:        "allow[0]",
		`{"allow": ["10.0.0.0/33"]}`:       "allow[0]",
		`{"allow": ["10.0.0"]}`:            "allow[0]",
		`{"allow": ["example.com"]}`:       "allow[0]",
		`{"deny": [""]}`:                   "deny[0]",
		`{"deny": ["fe80::1%eth0"]}`:       "deny[0]",
		`{"deny": ["::ffff:0.0.0.0/90"]}`:  "deny[0]",
		`{"deny": ["::1", "10.0.0.0-10"]}`: "deny[1]",
		`{"deny": ["010.0.0.1"]}`:          "deny[0]",
	})
}
