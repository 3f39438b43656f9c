package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func goodIntrospection() *entry.IntrospectionPolicy {
	return &entry.IntrospectionPolicy{
		URL: "https://id.example.com/introspect", Issuer: "https://id.example.com/", ClientID: "gateway", ClientSecret: entry.Secret{Ref: "${secret}"},
	}
}

func TestBadIntrospectionIsRefusedByField(t *testing.T) {
	sealed := entry.Secret{Sealed: &entry.Sealed{Key: 1, Box: "eA=="}}
	for name, c := range map[string]struct {
		change func(*entry.IntrospectionPolicy)
		want   []string
	}{
		"good":              {func(*entry.IntrospectionPolicy) {}, nil},
		"good, sealed":      {func(i *entry.IntrospectionPolicy) { i.ClientSecret = sealed }, nil},
		"good, by a token":  {func(i *entry.IntrospectionPolicy) { i.ClientID, i.ClientSecret, i.Token = "", entry.Secret{}, sealed }, nil},
		"no address":        {func(i *entry.IntrospectionPolicy) { i.URL = "" }, []string{"url: empty"}},
		"a file":            {func(i *entry.IntrospectionPolicy) { i.URL = "file:///etc/passwd" }, []string{"url: scheme"}},
		"password":          {func(i *entry.IntrospectionPolicy) { i.URL = "https://a:b@id.example.com/" }, []string{"url: password"}},
		"no issuer":         {func(i *entry.IntrospectionPolicy) { i.Issuer = "" }, []string{"issuer: empty"}},
		"nobody asks":       {func(i *entry.IntrospectionPolicy) { i.ClientID, i.ClientSecret = "", entry.Secret{} }, []string{"client_id: prove who asks"}},
		"no secret":         {func(i *entry.IntrospectionPolicy) { i.ClientSecret = entry.Secret{} }, []string{"client_secret: empty"}},
		"no client":         {func(i *entry.IntrospectionPolicy) { i.ClientID = "" }, []string{"client_id: empty"}},
		"both":              {func(i *entry.IntrospectionPolicy) { i.Token = sealed }, []string{"token: one of them"}},
		"a literal":         {func(i *entry.IntrospectionPolicy) { i.ClientSecret.Ref = "canary" }, []string{"client_secret: never written here"}},
		"part of a literal": {func(i *entry.IntrospectionPolicy) { i.ClientSecret.Ref = "canary-${secret}" }, []string{"client_secret: never written here"}},
		"no box":            {func(i *entry.IntrospectionPolicy) { i.ClientSecret.Sealed = &entry.Sealed{Key: 1, Box: "?"} }, []string{"client_secret: not a sealed value"}},
		"no key of a box":   {func(i *entry.IntrospectionPolicy) { i.ClientSecret.Sealed = &entry.Sealed{Box: "eA=="} }, []string{"client_secret: not a sealed value"}},
		"another way":       {func(i *entry.IntrospectionPolicy) { i.ClientAuth = "jwt" }, []string{"client_auth: basic"}},
		"a way for no token": {func(i *entry.IntrospectionPolicy) {
			i.ClientID, i.ClientSecret, i.Token, i.ClientAuth = "", entry.Secret{}, sealed, "post"
		}, []string{"client_auth: token"}},
		"places": {func(i *entry.IntrospectionPolicy) { i.In = "query" }, []string{"in: query"}},
		"header": {func(i *entry.IntrospectionPolicy) { i.In, i.Name = "header", "Host" }, []string{"name: another meaning"}},
		"lists": {
			func(i *entry.IntrospectionPolicy) {
				i.Audiences, i.Required = []string{"a", "a"}, []entry.RequiredClaim{{}}
			},
			[]string{"audiences[1]: twice", "required[0].name: empty"},
		},
		"times": {
			func(i *entry.IntrospectionPolicy) {
				i.SkewMS, i.CacheMS, i.TimeoutMS, i.Concurrency = -1, 10, 20_000, 1000
			},
			[]string{"skew_ms: 0 to", "cache_ms: 1000 to", "timeout_ms: 100 to", "concurrency: 1 to"},
		},
		"texts": {func(i *entry.IntrospectionPolicy) {
			i.ClientID, i.Claim, i.Scopes = "a\nb", strings.Repeat("x", 600), "\x00"
		}, []string{"client_id: control", "claim: longer", "scopes: control"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := goodIntrospection()
			c.change(i)
			got := check.Policy(entry.Policy{Config: i})
			want(t, got, c.want...)
			for _, p := range got {
				if strings.Contains(p.Reason, "canary") {
					t.Errorf("%s says what may be a secret: %s", p.Field, p.Reason)
				}
			}
		})
	}
}

// TestTokensOfAnyFormShareTheirPlaceWithNothing has other policies that read
// Authorization: Bearer.
func TestTokensOfAnyFormShareTheirPlaceWithNothing(t *testing.T) {
	own := goodIntrospection()
	own.In, own.Name = "header", "X-Token"
	for name, c := range map[string]struct {
		policies []entry.Policy
		want     []string
	}{
		"a place of its own": {[]entry.Policy{{Config: own}, {Config: goodJWT()}, {Config: &entry.KeyPolicy{Bearer: true}}}, nil},
		"beside a key":       {[]entry.Policy{{Config: &entry.KeyPolicy{Bearer: true}}, {Config: goodIntrospection()}}, []string{"policies[1]: Authorization: Bearer"}},
		"before a key":       {[]entry.Policy{{Config: goodIntrospection()}, {Config: &entry.KeyPolicy{Bearer: true}}}, []string{"policies[1]: Authorization: Bearer"}},
		"beside a JWT":       {[]entry.Policy{{Config: goodJWT()}, {Config: goodIntrospection()}}, []string{"policies[1]: Authorization: Bearer"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			a.Policies = c.policies
			want(t, check.API(a), c.want...)
		})
	}
}

func TestSecretsAreOfATenantAndNotOfAnEnvironment(t *testing.T) {
	e := goodEnv()
	e.Policies = []entry.Policy{{Config: goodIntrospection()}}
	want(t, check.Env(e), "policies[0].client_secret: attach the policy to a version", "policies[0]: identify")
}
