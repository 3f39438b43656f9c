package gateway_test

import (
	"maps"
	"slices"
	"testing"

	"portico/internal/entry"
)

// policyCases has a test for every kind of policy, which drives it through each
// lane; it stands in policy_*_test.go.
func policyCases() map[entry.PolicyKind]func(*testing.T, change) {
	return map[entry.PolicyKind]func(*testing.T, change){
		entry.PolicyAddress:           addressCase,
		entry.PolicyAnswerHeaders:     answerHeadersCase,
		entry.PolicyBots:              botsCase,
		entry.PolicyCORS:              corsCase,
		entry.PolicyHeaders:           headersCase,
		entry.PolicyCache:             cacheCase,
		entry.PolicyDecompress:        decompressCase,
		entry.PolicyCompress:          compressCase,
		entry.PolicyIdentityToken:     identityTokenCase,
		entry.PolicyKey:               keyCase,
		entry.PolicyPath:              pathCase,
		entry.PolicyQuery:             queryCase,
		entry.PolicyRateLimit:         rateLimitCase,
		entry.PolicyValidate:          validateCase,
		entry.PolicyMock:              mockCase,
		entry.PolicySpikeArrest:       spikeArrestCase,
		entry.PolicyConcurrency:       concurrencyCase,
		entry.PolicyJSONBody:          jsonBodyCase,
		entry.PolicyErrorPage:         errorPageCase,
		entry.PolicyGraphQL:           graphQLCase,
		entry.PolicyXMLJSON:           xmlJSONCase,
		entry.PolicyJSONAnswer:        jsonAnswerCase,
		entry.PolicyWAF:               wafCase,
		entry.PolicyJWT:               jwtCase,
		entry.PolicyIntrospection:     introspectionCase,
		entry.PolicyAnonymous:         anonymousCase,
		entry.PolicyScopes:            scopesCase,
		entry.PolicyExpression:        expressionCase,
		entry.PolicySize:              sizeCase,
		entry.PolicyComposition:       compositionCase,
		entry.PolicyBasic:             basicCase,
		entry.PolicySignature:         signatureCase,
		entry.PolicyClientCertificate: clientCertificateCase,
		entry.PolicyUpstreamBasic:     upstreamBasicCase,
		entry.PolicyUpstreamOAuth:     upstreamOAuthCase,
		entry.PolicyUpstreamSigV4:     upstreamSigV4Case,
	}
}

// TestEveryPolicyInEachLane drives all policies through all lanes.
func TestEveryPolicyInEachLane(t *testing.T) {
	cases := policyCases()
	for _, kind := range entry.PolicyKinds() {
		test := cases[kind]
		if test == nil {
			t.Errorf("%s has no case", kind)
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			inEachLane(t, test)
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(cases)) {
		if kind.Stage() == "" {
			t.Errorf("there is a case for %s, which is no kind", kind)
		}
	}
}

// governed starts a demo whose API is changed before it is served.
func governed(t *testing.T, lane change, edit func(*entry.API), more ...entry.Item) *running {
	t.Helper()
	r := startDemo(t, lane)
	api := demoAPI(r.upstream.URL)
	edit(&api)
	r.serve(t, 2, append(more, item(t, 2, api))...)
	return r
}

// serve brings items, and waits until the node has them.
func (r *running) serve(t *testing.T, sequence uint64, items ...entry.Item) {
	t.Helper()
	r.carrier.Put(append(items, entry.Mark(entry.HeadKey, at(sequence)))...)
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
	if refused := r.Status().Refused; len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
}

func keyCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = []entry.Policy{{Config: &entry.KeyPolicy{Header: "X-Key"}}}
	})
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-Key: "+goodKey); got.status != 200 {
		t.Errorf("with a key: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 401 || got.code() != "credential_missing" {
		t.Errorf("with a key elsewhere: got %d %s", got.status, got.body)
	}
}

// TestEnvironmentsPoliciesHoldForEveryAPI puts one at the environment.
func TestEnvironmentsPoliciesHoldForEveryAPI(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		env := environment()
		env.Policies = []entry.Policy{{Config: &entry.RateLimit{Requests: 2, PeriodMS: 3_600_000, By: "address"}}}
		r.serve(t, 2, item(t, 2, env))
		for _, path := range []string{"open", "do/echo"} {
			if got := r.call(t, "GET", "/demo/orders/v1/"+path, ""); got.status != 200 || got.header.Get("RateLimit") == "" {
				t.Errorf("%s: got %d, RateLimit %q", path, got.status, got.header.Get("RateLimit"))
			}
		}
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 429 {
			t.Errorf("the third: got %d %s", got.status, got.body)
		}
		env.Policies = nil
		r.serve(t, 3, item(t, 3, env))
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Errorf("without it: got %d %s", got.status, got.body)
		}
	})
}
