package openapi_test

import (
	"strings"
	"testing"
)

// TestWhatIsInTheWildIsRead: what public documents do that a strict reader
// stumbles over, and where it is shown what becomes of each.
func TestWhatIsInTheWildIsRead(t *testing.T) {
	for _, row := range []struct{ what, fixture, shows string }{
		{"server variables take their defaults", "scan/servers", `server "https://eu.example.com:8443/v1" of "https://{region}.example.com:{port}/{base}"`},
		{"of several servers the first https one is the upstream", "scan/servers", "info server_several"},
		{"an operation's own server is its own upstream", "scan/servers", "info server_of_operation"},
		{"a relative server starts where the document came from", "scan/servers_from_source", "upstream https://"},
		{"without a server, it is where the document came from", "scan/server_of_source", "info server_from_source"},
		{"with neither, it is asked for", "scan/server_missing", "warning server_missing"},
		{"a static path beside a template", "scan/paths", "GET /users/me = me"},
		{"a parameter that is part of a segment", "scan/paths", "GET /reports/{id}.json = partial"},
		{"two parameters in a segment", "scan/paths", "GET /compare/{base}...{head} = compare"},
		{"the same template with other names merges by method", "scan/paths", "DELETE /users/{name} = byName input line"},
		{"the same method twice keeps the first", "scan/paths", "warning same_route"},
		{"a predicate in a path's key", "scan/predicates", "if:header:X-Amz-Target=Certs.Add"},
		{"a fragment that no request shows", "scan/predicates", "warning path_fragment"},
		{"no leading slash", "scan/paths", "warning path_slash_added"},
		{"a trailing slash", "scan/paths", "info path_trailing_slash"},
		{"a body where none is usual", "scan/bodies", "info body_unusual"},
		{"references to other files, alone", "scan/references", "error external_ref"},
		{"references to other files, together", "files/files", "GET /orders/{id} = oneOrder"},
		{"references that lead only to one another", "scan/references", "error ref_ring"},
		{"3.1 and 3.2", "scan/newer", "warning version_newer"},
		{"webhooks alone", "scan/webhooks_only", "info webhooks_only"},
		{"Swagger 2.0", "scan/swagger", "info swagger_2"},
		{"a collection format without counterpart", "scan/swagger", "warning swagger_collection_format"},
		{"security: all of several", "scan/security", "security=[[{key []} {token [read write]}]]"},
		{"security: one of several", "scan/security", "security=[[{key []}] [{token []}]]"},
		{"security: optional", "scan/security", "= optional public"},
		{"security: none", "scan/security", "= open public"},
		{"an operation id that is missing", "scan/operation_ids", "GET /users/{id} = get_users_id synthesised"},
		{"a pattern that is not enforced", "scan/invalid_and_patterns", "info pattern_not_enforced"},
	} {
		t.Run(row.what, func(t *testing.T) {
			source, document, _ := sections(t, readFile(t, "testdata/"+row.fixture+".txt"))
			if got := describe(document, source); !strings.Contains(got, row.shows) {
				t.Errorf("%s does not show %q:\n%s", row.fixture, row.shows, got)
			}
		})
	}
}
