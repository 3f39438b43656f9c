package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// someKey is a public key for ES256, and its private part.
const (
	someKey     = `{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	somePrivate = `{"kty":"EC","crv":"P-256","kid":"2","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
)

func goodJWT() *entry.JWTPolicy {
	return &entry.JWTPolicy{Issuer: "https://id.example.com/", JWKSURL: "https://id.example.com/jwks", Algorithms: []string{"ES256"}}
}

func TestBadTokenPoliciesAreRefusedByField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*entry.JWTPolicy)
		want   []string
	}{
		"good":           {func(*entry.JWTPolicy) {}, nil},
		"good, inline":   {func(j *entry.JWTPolicy) { j.JWKSURL, j.JWKS = "", `{"keys":[`+someKey+`]}` }, nil},
		"no issuer":      {func(j *entry.JWTPolicy) { j.Issuer = "" }, []string{"issuer: empty"}},
		"issuer's break": {func(j *entry.JWTPolicy) { j.Issuer = "a\nb" }, []string{"issuer: control"}},
		"no keys":        {func(j *entry.JWTPolicy) { j.JWKSURL = "" }, []string{"jwks_url: needed"}},
		"keys twice":     {func(j *entry.JWTPolicy) { j.JWKS = "{}" }, []string{"jwks: one of them"}},
		"keys by file":   {func(j *entry.JWTPolicy) { j.JWKSURL = "file:///etc/passwd" }, []string{"jwks_url: scheme"}},
		"password":       {func(j *entry.JWTPolicy) { j.JWKSURL = "https://a:b@id.example.com/" }, []string{"jwks_url: password"}},
		"no set":         {func(j *entry.JWTPolicy) { j.JWKSURL, j.JWKS = "", "hello" }, []string{"jwks: not a JSON Web Key Set"}},
		"no key":         {func(j *entry.JWTPolicy) { j.JWKSURL, j.JWKS = "", `{"keys":[{"kty":"oct","k":"AAAA"}]}` }, []string{"jwks: no public key"}},
		"private key":    {func(j *entry.JWTPolicy) { j.JWKSURL, j.JWKS = "", `{"keys":[`+someKey+`,`+somePrivate+`]}` }, []string{"jwks: private"}},
		"no algorithm":   {func(j *entry.JWTPolicy) { j.Algorithms = nil }, []string{"algorithms: none"}},
		"algorithms": {
			func(j *entry.JWTPolicy) { j.Algorithms = []string{"ES256", "none", "HS256", "ES256", "RS1"} },
			[]string{"algorithms[1]: none", "algorithms[2]: shared secret", "algorithms[3]: twice", "algorithms[4]: RS1"},
		},
		"places":      {func(j *entry.JWTPolicy) { j.In = "query" }, []string{"in: query"}},
		"bearer":      {func(j *entry.JWTPolicy) { j.Name = "X" }, []string{"name: no other name"}},
		"header":      {func(j *entry.JWTPolicy) { j.In, j.Name = "header", "Host" }, []string{"name: another meaning"}},
		"cookie":      {func(j *entry.JWTPolicy) { j.In, j.Name = "cookie", "a b" }, []string{"name: not a cookie"}},
		"audiences":   {func(j *entry.JWTPolicy) { j.Audiences = []string{"", "a", "a"} }, []string{"audiences[0]: empty", "audiences[2]: twice"}},
		"required":    {func(j *entry.JWTPolicy) { j.Required = []entry.RequiredClaim{{}} }, []string{"required[0].name: empty"}},
		"times":       {func(j *entry.JWTPolicy) { j.SkewMS, j.KeysMaxStaleMS = -1, 1e12 }, []string{"skew_ms: 0 to", "keys_max_stale_ms: 0 to"}},
		"long claims": {func(j *entry.JWTPolicy) { j.Claim, j.Scopes = strings.Repeat("x", 600), "\x00" }, []string{"claim: longer", "scopes: control"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := goodJWT()
			c.change(j)
			want(t, check.Policy(entry.Policy{Config: j}), c.want...)
		})
	}
}

func TestIdentifyPoliciesFitBesideOneAnother(t *testing.T) {
	key := func(k entry.KeyPolicy) entry.Policy { return entry.Policy{Config: &k} }
	jwt := func(change func(*entry.JWTPolicy)) entry.Policy {
		j := goodJWT()
		change(j)
		return entry.Policy{Config: j}
	}
	bearer := func(*entry.JWTPolicy) {}
	header := func(j *entry.JWTPolicy) { j.In, j.Name = "header", "X-Token" }
	cookie := func(j *entry.JWTPolicy) { j.In, j.Name = "cookie", "session" }
	anonymous := entry.Policy{Config: &entry.AnonymousPolicy{}}
	for name, c := range map[string]struct {
		policies []entry.Policy
		want     []string
	}{
		"each at its place": {[]entry.Policy{key(entry.KeyPolicy{Bearer: true, Header: "X-Key"}), key(entry.KeyPolicy{Header: "X-Other"}), jwt(bearer), jwt(header), jwt(cookie), anonymous}, nil},
		"two keys":          {[]entry.Policy{key(entry.KeyPolicy{Header: "X-Key"}), key(entry.KeyPolicy{Header: "x-key"})}, []string{"policies[1]: the header x-key"}},
		"two of tokens":     {[]entry.Policy{jwt(bearer), jwt(bearer)}, []string{"policies[1]: Authorization"}},
		"key and token":     {[]entry.Policy{key(entry.KeyPolicy{Header: "X-Token"}), jwt(header)}, []string{"policies[1]: the header x-token"}},
		"anonymous first":   {[]entry.Policy{anonymous, key(entry.KeyPolicy{Bearer: true})}, []string{"policies[0]: public", "policies[0]: last"}},
		"anonymous between": {[]entry.Policy{jwt(bearer), anonymous, key(entry.KeyPolicy{Header: "X-Key"})}, []string{"policies[1]: last"}},
		"anonymous twice":   {[]entry.Policy{jwt(bearer), anonymous, anonymous}, []string{"policies[1]: last"}},
		"anonymous alone":   {[]entry.Policy{anonymous}, []string{"policies[0]: public"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			a.Policies = c.policies
			want(t, check.API(a), c.want...)
		})
	}
	a := goodAPI()
	a.Routes[0].Public = true
	a.Routes[0].Policies = []entry.Policy{{Config: &entry.ScopesPolicy{All: []string{"read"}}}}
	want(t, check.API(a), "routes[0].public: scopes")
	env := goodEnv()
	env.Policies = []entry.Policy{jwt(bearer), {Config: &entry.ExpressionPolicy{Expression: "true"}}}
	want(t, check.Env(env), "policies[0]: identify", "policies[1]: authorize")
}

func TestBadScopesAndExpressionsAreRefusedByField(t *testing.T) {
	want(t, check.Policy(entry.Policy{Config: &entry.ScopesPolicy{}}), ": no scope")
	want(t, check.Policy(entry.Policy{Config: &entry.ScopesPolicy{All: []string{"a b", "a\"b"}, Any: []string{"x", "x"}}}),
		"all[0]: spaces", "all[1]: quotes", "any[1]: twice")
	want(t, check.Policy(entry.Policy{Config: &entry.ExpressionPolicy{Expression: "request.method", Detail: "a\nb"}}),
		"expression: bool", "detail: control")
	want(t, check.Policy(entry.Policy{Config: &entry.ExpressionPolicy{Expression: `env("HOME") == ""`}}), "expression: no such function")
}
