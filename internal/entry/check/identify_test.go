package check_test

import (
	"fmt"
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

func TestBadPoliciesOfSecretsAreRefusedByField(t *testing.T) {
	want(t, check.Policy(entry.Policy{Config: &entry.BasicPolicy{}}))
	want(t, check.Policy(entry.Policy{Config: &entry.BasicPolicy{Realm: "Orders of Acme"}}))
	want(t, check.Policy(entry.Policy{Config: &entry.BasicPolicy{Realm: `a", charset="x`}}), "realm: quotes")
	want(t, check.Policy(entry.Policy{Config: &entry.BasicPolicy{Realm: "a\r\nB: c"}}), "realm: control")
	want(t, check.Policy(entry.Policy{Config: &entry.BasicPolicy{Realm: "Größe"}}), "realm: ASCII")
	want(t, check.Policy(entry.Policy{Config: &entry.ClientCertificatePolicy{}}))
	for name, c := range map[string]struct {
		config entry.SignaturePolicy
		want   []string
	}{
		"good":         {entry.SignaturePolicy{}, nil},
		"good, all":    {entry.SignaturePolicy{Form: "message", Components: []string{"@authority", "content-type"}, Nonce: "required", UnsignedBody: true, MaxAgeMS: 3_600_000, SkewMS: 300_000, MaxBodyBytes: 64 << 20}, nil},
		"good, simple": {entry.SignaturePolicy{Form: "simple", Nonce: "optional"}, nil},
		"form":         {entry.SignaturePolicy{Form: "aws"}, []string{`form: "aws"`}},
		"nonce":        {entry.SignaturePolicy{Nonce: "once"}, []string{`nonce: "once"`}},
		"what simple is not": {
			entry.SignaturePolicy{Form: "simple", Nonce: "required", UnsignedBody: true, Components: []string{"date"}},
			[]string{"nonce: holds none", "unsigned_body: always", "components: fixed"},
		},
		"components": {
			entry.SignaturePolicy{Components: []string{"date", "date", "Date", "@status", "a b", "", "host", "connection", "x-portico-a", "signature"}},
			[]string{"components[1]: twice", "components[2]: lower case", "components[3]: @target-uri", "components[4]: lower case", "components[5]: lower case", "components[6]: @authority", "components[7]: connection", "components[8]: gateway", "components[9]: gateway"},
		},
		"too many": {entry.SignaturePolicy{Components: strings.Split(strings.Repeat("a", 21), "")}, append([]string{"components: at most"}, repeated(19)...)},
		"bounds":   {entry.SignaturePolicy{MaxAgeMS: -1, SkewMS: 1e9, MaxBodyBytes: 65 << 20}, []string{"max_age_ms: 0 to", "skew_ms: 0 to", "max_body_bytes: 0 to"}},
	} {
		t.Run(name, func(t *testing.T) { want(t, check.Policy(entry.Policy{Config: &c.config}), c.want...) })
	}
	a := goodAPI()
	both := []entry.Policy{{Config: &entry.BasicPolicy{}}, {Config: &entry.SignaturePolicy{}}, {Config: &entry.SignaturePolicy{Form: "simple"}}, {Config: &entry.ClientCertificatePolicy{}}, {Config: &entry.KeyPolicy{Bearer: true}}}
	a.Policies = both
	want(t, check.API(a))
	a.Policies = append(both, both[0], both[1], both[2], both[3], entry.Policy{Config: &entry.KeyPolicy{Header: "X-Key-ID"}})
	want(t, check.API(a), "policies[5]: Authorization: Basic", "policies[6]: the header signature", "policies[6]: the header signature-input",
		"policies[7]: the header x-signature", "policies[7]: the header x-timestamp", "policies[7]: the header x-key-id", "policies[8]: the connection", "policies[9]: the header x-key-id")
}

// repeated is what is said of names that stand there again.
func repeated(times int) (out []string) {
	for i := range times {
		out = append(out, fmt.Sprintf("components[%d]: twice", i+1))
	}
	return out
}

func TestASecretOfAGrantIsSealed(t *testing.T) {
	g := goodGrant()
	g.Secret = &entry.Sealed{Key: 1, Box: "AAAA"}
	want(t, check.Grant(goodGrantKey, g))
	for _, bad := range []entry.Sealed{{}, {Key: 1, Box: "-"}, {Box: "AAAA"}} {
		g.Secret = &bad
		want(t, check.Grant(goodGrantKey, g), "secret: sealed")
	}
}
