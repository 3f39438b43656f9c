package compile_test

import (
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/compile"
)

// A program sends its key with every call. A public operation does not ask for
// it, and must still take it away: the upstream could replay it against another
// tenant's product.
func TestPublicOperationsTakeKeysAwayToo(t *testing.T) {
	api := compile.API("demo", apim.API{ID: id("api", 1), Tenant: id("ten", 1), Slug: "orders"}, apim.Version{ID: id("ver", 1), Label: "v1"},
		apim.Revision{Number: 1, Runtime: apim.Runtime{
			Limits:      []apim.RateLimit{{Requests: 1, By: "api"}},
			Credentials: apim.DefaultCredentialPlaces(),
			Routes:      []apim.Route{{Operation: "open", Public: true}, {Operation: "closed"}},
		}})
	for _, r := range api.Routes {
		found := false
		for _, p := range append(api.Policies, r.Policies...) {
			key, ok := p.Config.(*entry.KeyPolicy)
			found = found || ok && *key == (entry.KeyPolicy{Bearer: true, Header: "X-API-Key", Query: "api_key"})
		}
		if !found {
			t.Errorf("%s, public %v: no policy says where its callers' keys stand", r.Operation, r.Public)
		}
	}
}
