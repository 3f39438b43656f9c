package check_test

import (
	"testing"

	"portico/internal/entry"
)

func TestBoundsThatBoundNothingAreRefused(t *testing.T) {
	wrong(t, entry.PolicySize, map[string]string{
		`{"body_bytes": 1}`:                "",
		`{"body_bytes": -1}`:               "body_bytes",
		`{"body_bytes": 99999999999999}`:   "body_bytes",
		`{"header_bytes": 32769}`:          "header_bytes",
		`{"headers": 101}`:                 "headers",
		`{"path_bytes": -5, "headers": 3}`: "path_bytes",
		`{"query_bytes": 40000}`:           "query_bytes",
		`{"content_types": ["application/json", "image/*", "application/*+json"]}`: "",
		`{"content_types": ["a/b", "A/B"]}`:                                        "content_types[1]",
		`{"content_types": ["*/*"]}`:                                               "content_types[0]",
		`{"content_types": ["application/j*"]}`:                                    "content_types[0]",
		`{"content_types": ["a/*+*"]}`:                                             "content_types[0]",
		`{"content_types": ["application"]}`:                                       "content_types[0]",
		`{"content_types": ["text/html; a=b"]}`:                                    "content_types[0]",
	})
}
