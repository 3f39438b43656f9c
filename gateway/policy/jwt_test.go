package policy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"portico/gateway/policy"
	"portico/gateway/token"
	"portico/internal/entry"
	"portico/internal/entry/keyset"
	"portico/internal/secret"
	"portico/test/fake"
)

// taking is a policy for an issuer's tokens, by its keys as they are now.
func taking(i *fake.Issuer, algorithms ...string) *entry.JWTPolicy {
	return &entry.JWTPolicy{Issuer: i.Name, JWKS: i.Set(), Algorithms: algorithms, Audiences: []string{"orders"}}
}

// registered are tools in which an application has registered "client".
func registered(i *fake.Issuer) policy.Tools {
	return policy.Tools{
		Grants:  known{entry.TokenHash(i.Name, "client"): grantFor()},
		Limiter: policy.NewLimiter(1024), Tokens: token.NewTables(64),
	}
}

// routeOf compiles a route that is not public.
func routeOf(tools policy.Tools, policies ...entry.Policy) *policy.Chain {
	return policy.NewCompiler(entry.API{Version: uuid(1), Tenant: uuid(9), Policies: policies}, tools).Route(entry.Route{Operation: "list"})
}

// calling is a request with headers "Name: value".
func calling(fields ...string) *policy.Exchange {
	ex := &policy.Exchange{Scope: scope(), Now: time.Now(), Mono: 1}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		ex.Header.Add(name, value)
	}
	return ex
}

func TestTokensOfEachAlgorithmAreTaken(t *testing.T) {
	algorithms := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	i := fake.NewIssuer(t, algorithms...)
	for _, a := range algorithms {
		chain := routeOf(registered(i), entry.Policy{Config: taking(i, a)})
		for range 2 { // verified, and known
			ex := calling("Authorization: Bearer " + i.Token(t, a, map[string]any{"scope": "read write", "level": 3}))
			if err := chain.Run(context.Background(), ex); err != nil {
				t.Fatalf("%s: %v", a, err)
			}
			c := ex.Caller
			if c.Grant == nil || c.By != entry.PolicyJWT || fmt.Sprint(c.Scopes) != "[read write]" || c.Claims.Text("azp") != "client" {
				t.Errorf("%s: got caller %+v", a, c)
			}
			if level, ok := c.Claims.Value("level"); !ok || level != 3 {
				t.Errorf("%s: got level %v", a, level)
			}
			if len(ex.Header.Fields()) != 0 {
				t.Errorf("%s: the token goes on to the upstream", a)
			}
		}
		other := map[bool]string{true: "RS512", false: "ES256"}[a == "ES256" || a == "RS256"]
		if got := code(chain.Run(context.Background(), calling("Authorization: Bearer "+i.Token(t, other, nil)))); got != "credential_invalid" {
			t.Errorf("%s takes a token by %s: %s", a, other, got)
		}
	}
}

// TestNoTenantsTokensMakeAnothersBeVerifiedAgain tells a token that is known from one
// that is verified by a clock that goes back to before the token is valid.
func TestNoTenantsTokensMakeAnothersBeVerifiedAgain(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	tools := registered(i)
	tools.Tokens = token.NewTables(1) // four places
	chainOf := func(tenant int) *policy.Chain {
		return policy.NewCompiler(entry.API{Version: uuid(1), Tenant: uuid(tenant), Policies: []entry.Policy{{Config: taking(i, "ES256")}}}, tools).Route(entry.Route{Operation: "list"})
	}
	mine, others := chainOf(9), chainOf(8)
	now := time.Now()
	call := func(chain *policy.Chain, text string, at time.Time) error {
		ex := calling("Authorization: Bearer " + text)
		ex.Now = at
		return chain.Run(context.Background(), ex)
	}
	text := i.Token(t, "ES256", map[string]any{"nbf": now.Unix() - 10})
	if err := call(mine, text, now); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if err := call(others, i.Token(t, "ES256", map[string]any{"jti": n, "exp": now.Unix() + 3000}), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(mine, text, now.Add(-time.Minute)); err != nil {
		t.Errorf("the token is verified again: %v", err)
	}
}

// rotating is an issuer's keys that a test replaces.
type rotating struct{ set *keyset.Set }

func (r *rotating) Keys(policy.ID, string) policy.KeySet { return rotated{r} }

type rotated struct{ *rotating }

func (r rotated) Keys() (*keyset.Set, int64) { return r.set, 0 }
func (rotated) Ask(context.Context)          {}

func TestKnownTokensHoldNoKeysThatTheirIssuerHasReplaced(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	parse := func() *keyset.Set {
		set, err := keyset.Parse([]byte(i.Set()))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	keys, tools, config := &rotating{parse()}, registered(i), taking(i, "ES256")
	tools.KeySets = keys
	config.JWKS, config.JWKSURL = "", i.URL
	chain, text := routeOf(tools, entry.Policy{Config: config}), "Authorization: Bearer "+i.Token(t, "ES256", nil)
	for range 2 {
		if err := chain.Run(context.Background(), calling(text)); err != nil {
			t.Fatal(err)
		}
	}
	old := weak.Make(keys.set)
	keys.set = parse()
	runtime.GC()
	if old.Value() != nil {
		t.Error("the old keys are held")
	}
	i.Hide("ES256-1", true)
	i.Add(t, "ES256", "ES256-2")
	keys.set = parse()
	if got := code(chain.Run(context.Background(), calling(text))); got != "credential_invalid" {
		t.Errorf("a known token whose key is gone: got %s", got)
	}
	runtime.KeepAlive(chain)
}

// TestForgedTokensAreRefused has the attacks that are known against verifiers of
// tokens, each as near to a good token as it can be.
func TestForgedTokensAreRefused(t *testing.T) {
	i, stranger := fake.NewIssuer(t, "ES256", "RS256"), fake.NewIssuer(t, "ES256", "RS256")
	now := time.Now().Unix()
	head := func(others map[string]any) map[string]any {
		h := map[string]any{"alg": "ES256", "kid": "ES256-1", "typ": "JWT"}
		for name, value := range others {
			if h[name] = value; value == nil {
				delete(h, name)
			}
		}
		return h
	}
	signed := func(others map[string]any) string {
		return i.Sign(t, "ES256", head(others), "ES256-1", i.Claims(nil))
	}
	claimed := func(others map[string]any) string { return i.Token(t, "ES256", others) }
	raw := func(claims string) string { return i.Sign(t, "ES256", head(nil), "ES256-1", claims) }
	good := claimed(nil)
	parts := strings.Split(good, ".")
	public := pemOf(t, i.Public("RS256-1"))
	claims, _ := json.Marshal(i.Claims(nil))

	for name, c := range map[string]struct{ token, code string }{
		"alg none":                               {fake.Part(t, head(map[string]any{"alg": "none"})) + "." + fake.Part(t, i.Claims(nil)) + ".", "credential_invalid"},
		"alg none, old signature":                {fake.Part(t, head(map[string]any{"alg": "none"})) + "." + parts[1] + "." + parts[2], "credential_invalid"},
		"alg NoNe":                               {fake.Part(t, head(map[string]any{"alg": "NoNe"})) + "." + parts[1] + ".AA", "credential_invalid"},
		"no alg":                                 {signed(map[string]any{"alg": nil}), "credential_invalid"},
		"alg is a list":                          {signed(map[string]any{"alg": []string{"ES256"}}), "credential_invalid"},
		"HS256 with the public key":              {fake.Signed(t, "HS256", map[string]any{"alg": "HS256", "kid": "RS256-1"}, public, i.Claims(nil)), "credential_invalid"},
		"HS256 said to be RS256":                 {fake.Signed(t, "HS256", map[string]any{"alg": "RS256", "kid": "RS256-1"}, public, i.Claims(nil)), "credential_invalid"},
		"algorithm of the set that is not taken": {i.Token(t, "RS256", nil), "credential_invalid"},
		"ES256 with an RSA key":                  {signed(map[string]any{"kid": "RS256-1"}), "credential_invalid"},
		"another's signature":                    {stranger.Token(t, "ES256", nil), "credential_invalid"},
		"key brought along":                      {fake.Signed(t, "ES256", head(map[string]any{"jwk": json.RawMessage(firstKey(t, stranger))}), signerOf(t, stranger), i.Claims(nil)), "credential_invalid"},
		"keys' address brought along":            {stranger.Sign(t, "ES256", head(map[string]any{"jku": stranger.URL}), "ES256-1", i.Claims(nil)), "credential_invalid"},
		"chain's address brought along":          {stranger.Sign(t, "ES256", head(map[string]any{"x5u": stranger.URL, "kid": nil}), "ES256-1", i.Claims(nil)), "credential_invalid"},
		"unknown key":                            {signed(map[string]any{"kid": "ES256-2"}), "credential_invalid"},
		"kid is a path":                          {signed(map[string]any{"kid": "../../dev/null"}), "credential_invalid"},
		"kid is SQL":                             {signed(map[string]any{"kid": "x' UNION SELECT 'key"}), "credential_invalid"},
		"kid is a number":                        {signed(map[string]any{"kid": 1}), "credential_invalid"},
		"kid is empty":                           {signed(map[string]any{"kid": ""}), "credential_invalid"},
		"crit":                                   {signed(map[string]any{"crit": []string{"exp"}}), "credential_invalid"},
		"b64":                                    {signed(map[string]any{"b64": false}), "credential_invalid"},
		"zip":                                    {signed(map[string]any{"zip": "DEF"}), "credential_invalid"},
		"typ of a logout":                        {signed(map[string]any{"typ": "logout+jwt"}), "credential_invalid"},
		"typ of a proof":                         {signed(map[string]any{"typ": "dpop+jwt"}), "credential_invalid"},
		"typ is a list":                          {signed(map[string]any{"typ": []string{"JWT"}}), "credential_invalid"},
		"nested":                                 {signed(map[string]any{"cty": "JWT"}), "credential_invalid"},
		"alg stands there twice":                 {i.Sign(t, "ES256", `{"alg":"none","alg":"ES256","kid":"ES256-1"}`, "ES256-1", i.Claims(nil)), "credential_invalid"},
		"changed claims":                         {parts[0] + "." + fake.Part(t, i.Claims(map[string]any{"azp": "admin"})) + "." + parts[2], "credential_invalid"},
		"cut signature":                          {parts[0] + "." + parts[1] + "." + parts[2][:80], "credential_invalid"},
		"no signature":                           {parts[0] + "." + parts[1] + ".", "credential_invalid"},
		"signature of zeros":                     {parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86), "credential_invalid"},
		"padded":                                 {good + "==", "credential_invalid"},
		"four parts":                             {good + ".x", "credential_invalid"},
		"five parts":                             {good + ".x.y", "credential_invalid"},
		"two parts":                              {parts[0] + "." + parts[1], "credential_invalid"},
		"no token":                               {"hello", "credential_invalid"},
		"empty":                                  {"", "credential_invalid"},
		"dots":                                   {"..", "credential_invalid"},
		"oversized":                              {claimed(map[string]any{"filler": strings.Repeat("x", 8<<10)}), "credential_invalid"},
		"expired":                                {claimed(map[string]any{"exp": now - 1}), "credential_expired"},
		"no exp":                                 {claimed(map[string]any{"exp": nil}), "credential_invalid"},
		"exp is a text":                          {claimed(map[string]any{"exp": "9999999999"}), "credential_invalid"},
		"exp is null":                            {raw(strings.Replace(string(claims), `"exp":`, `"exp":null,"x":`, 1)), "credential_invalid"},
		"exp is beyond counting":                 {raw(strings.Replace(string(claims), `"exp":`, `"exp":1e300,"x":`, 1)), "credential_invalid"},
		"not yet valid":                          {claimed(map[string]any{"nbf": now + 60}), "credential_invalid"},
		"issued later":                           {claimed(map[string]any{"iat": now + 60}), "credential_invalid"},
		"wrong issuer":                           {claimed(map[string]any{"iss": "https://id.example.com"}), "credential_invalid"},
		"no issuer":                              {claimed(map[string]any{"iss": nil}), "credential_invalid"},
		"issuer in a list":                       {claimed(map[string]any{"iss": []string{i.Name}}), "credential_invalid"},
		"wrong audience":                         {claimed(map[string]any{"aud": "other"}), "credential_invalid"},
		"wrong audiences":                        {claimed(map[string]any{"aud": []string{"other", "orders/"}}), "credential_invalid"},
		"no audience":                            {claimed(map[string]any{"aud": nil}), "credential_invalid"},
		"audience of no text":                    {claimed(map[string]any{"aud": []any{"orders", 1}}), "credential_invalid"},
		"claim stands there twice":               {raw(strings.Replace(string(claims), `"azp":`, `"azp":"admin","azp":`, 1)), "credential_invalid"},
		"deep claim twice":                       {raw(strings.Replace(string(claims), `"azp":`, `"a":[{"b":1,"b":2}],"azp":`, 1)), "credential_invalid"},
		"claims go on":                           {raw(string(claims) + "{}"), "credential_invalid"},
		"claims in a list":                       {raw("[" + string(claims) + "]"), "credential_invalid"},
		"claims are no UTF-8":                    {raw(strings.Replace(string(claims), `"client"`, "\"client\xff\"", 1)), "credential_invalid"},
		"nested deeply":                          {raw(strings.Replace(string(claims), `"azp":`, `"a":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,"azp":`, 1)), "credential_invalid"},
		"many values":                            {raw(strings.Replace(string(claims), `"azp":`, `"a":[`+strings.Repeat("1,", 2000)+`1],"azp":`, 1)), "credential_invalid"},
		"bound to a proof":                       {claimed(map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}), "credential_invalid"},
		"bound to a certificate":                 {claimed(map[string]any{"cnf": map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}), "credential_invalid"},
		"bound to we know not what":              {claimed(map[string]any{"cnf": "x"}), "credential_invalid"},
		"of no application":                      {claimed(map[string]any{"azp": "other"}), "application_unknown"},
		"names no application":                   {claimed(map[string]any{"azp": nil}), "application_unknown"},
		"application in a list":                  {claimed(map[string]any{"azp": []string{"client", "other"}}), "application_unknown"},
		"application with a break":               {claimed(map[string]any{"azp": "\nclient"}), "application_unknown"},
	} {
		chain := routeOf(registered(i), entry.Policy{Config: taking(i, "ES256")})
		for range 2 {
			if got := code(chain.Run(context.Background(), calling("Authorization: Bearer "+c.token))); got != c.code {
				t.Errorf("%s: got %s, want %s", name, got, c.code)
			}
		}
	}
	if stranger.Calls() != 0 {
		t.Error("an address in a token was called")
	}
	// What is only unusual is taken.
	chain := routeOf(registered(i), entry.Policy{Config: taking(i, "ES256")})
	for name, text := range map[string]string{
		"as made": good, "no kid, one key that fits": signed(map[string]any{"kid": nil}), "no typ": signed(map[string]any{"typ": nil}),
		"an access token": signed(map[string]any{"typ": "application/AT+JWT"}), "keys brought along that are ignored": signed(map[string]any{"jku": stranger.URL}),
		"several audiences": claimed(map[string]any{"aud": []string{"x", "orders"}}), "half a second": claimed(map[string]any{"exp": float64(now) + 60.5}),
	} {
		if err := chain.Run(context.Background(), calling("Authorization: Bearer "+text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if stranger.Calls() != 0 {
		t.Error("an address in a token was called")
	}
}

func sum(text string) [32]byte { return sha256.Sum256([]byte(text)) }

func pemOf(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public.(*rsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// firstKey returns the published form of an issuer's key for ES256.
func firstKey(t *testing.T, i *fake.Issuer) []byte {
	t.Helper()
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(i.Set()), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if strings.Contains(string(k), "ES256-1") {
			return k
		}
	}
	t.Fatal("no such key")
	return nil
}

func signerOf(t *testing.T, i *fake.Issuer) any {
	t.Helper()
	key, ok := i.Signer("ES256-1").(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("no such key")
	}
	return key
}

func TestRulesOfATokenPolicyHold(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		edit   func(*entry.JWTPolicy)
		claims map[string]any
		code   string
	}{
		"skew takes one that has just expired": {func(p *entry.JWTPolicy) { p.SkewMS = 60_000 }, map[string]any{"exp": now - 30}, "<nil>"},
		"skew has an end":                      {func(p *entry.JWTPolicy) { p.SkewMS = 60_000 }, map[string]any{"exp": now - 90}, "credential_expired"},
		"required claim is there":              {func(p *entry.JWTPolicy) { p.Required = []entry.RequiredClaim{{Name: "dep"}} }, map[string]any{"dep": ""}, "<nil>"},
		"required claim is not there":          {func(p *entry.JWTPolicy) { p.Required = []entry.RequiredClaim{{Name: "dep"}} }, nil, "credential_invalid"},
		"required value in a list": {func(p *entry.JWTPolicy) {
			p.Required = []entry.RequiredClaim{{Name: "dep", Values: []string{"a", "b"}}}
		}, map[string]any{"dep": []string{"x", "b"}}, "<nil>"},
		"another value": {func(p *entry.JWTPolicy) {
			p.Required = []entry.RequiredClaim{{Name: "dep", Values: []string{"a", "b"}}}
		}, map[string]any{"dep": "c"}, "credential_invalid"},
		"a bool by its text":                  {func(p *entry.JWTPolicy) { p.Required = []entry.RequiredClaim{{Name: "dep", Values: []string{"true"}}} }, map[string]any{"dep": true}, "<nil>"},
		"access tokens only":                  {func(p *entry.JWTPolicy) { p.AccessOnly = true }, nil, "credential_invalid"},
		"any audience":                        {func(p *entry.JWTPolicy) { p.Audiences = nil }, map[string]any{"aud": "other"}, "<nil>"},
		"another claim names the application": {func(p *entry.JWTPolicy) { p.Claim = "client_id" }, map[string]any{"azp": nil, "client_id": "client"}, "<nil>"},
		"unregistered is not taken":           {func(*entry.JWTPolicy) {}, map[string]any{"azp": "other"}, "application_unknown"},
		"unregistered is taken":               {func(p *entry.JWTPolicy) { p.Unregistered = true }, map[string]any{"azp": "other"}, "<nil>"},
	} {
		config := taking(i, "ES256")
		c.edit(config)
		chain := routeOf(registered(i), entry.Policy{Config: config})
		if got := code(chain.Run(context.Background(), calling("Authorization: Bearer "+i.Token(t, "ES256", c.claims)))); got != c.code {
			t.Errorf("%s: got %s, want %s", name, got, c.code)
		}
	}
}

// TestKnownTokensAreGoodForTheirPolicyAlone holds the table of verified tokens to
// what it must forget.
func TestKnownTokensAreGoodForTheirPolicyAlone(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	tools := registered(i)
	text := "Authorization: Bearer " + i.Token(t, "ES256", nil)
	run := func(config *entry.JWTPolicy, at time.Time) string {
		ex := calling(text)
		ex.Now = at
		return code(routeOf(tools, entry.Policy{Config: config}).Run(context.Background(), ex))
	}
	if got := run(taking(i, "ES256"), time.Now()); got != "<nil>" {
		t.Fatalf("got %s", got)
	}
	other := taking(i, "ES256")
	other.Audiences = []string{"other"}
	if got := run(other, time.Now()); got != "credential_invalid" {
		t.Errorf("under another audience: got %s", got)
	}
	if got := run(taking(i, "ES256"), time.Now().Add(301*time.Second)); got != "credential_expired" {
		t.Errorf("after its end: got %s", got)
	}
	clear(tools.Grants.(known))
	if got := run(taking(i, "ES256"), time.Now()); got != "application_unknown" {
		t.Errorf("after its registration has ended: got %s", got)
	}
	i.Add(t, "ES256", "ES256-2")
	i.Hide("ES256-1", true)
	if got := run(taking(i, "ES256"), time.Now()); got != "credential_invalid" {
		t.Errorf("after its key was withdrawn: got %s", got)
	}
}

func TestIdentifyPoliciesAreAskedInOrder(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	key, err := secret.MintKey("portico_live")
	if err != nil {
		t.Fatal(err)
	}
	tools := registered(i)
	tools.Grants.(known)[sum(key.Reveal())] = grantFor()
	good, bad := i.Token(t, "ES256", nil), i.Token(t, "ES256", map[string]any{"aud": "x"})
	keys, tokens, cookie, last := everywhere, entry.Policy{Config: taking(i, "ES256")}, *taking(i, "ES256"), entry.Policy{Config: &entry.AnonymousPolicy{}}
	cookie.In, cookie.Name = "cookie", "session"
	for name, c := range map[string]struct {
		policies []entry.Policy
		fields   []string
		code, by string
		left     string
	}{
		"a key in Authorization":          {[]entry.Policy{keys, tokens}, []string{"Authorization: Bearer " + key.Reveal()}, "<nil>", "key", ""},
		"a token in Authorization":        {[]entry.Policy{keys, tokens}, []string{"Authorization: Bearer " + good}, "<nil>", "jwt", ""},
		"tokens first":                    {[]entry.Policy{tokens, keys}, []string{"Authorization: Bearer " + key.Reveal()}, "<nil>", "key", ""},
		"both: the first decides":         {[]entry.Policy{keys, tokens}, []string{"X-API-Key: " + key.Reveal(), "Authorization: Bearer " + bad}, "<nil>", "key", ""},
		"both, the first is bad":          {[]entry.Policy{keys, tokens}, []string{"X-API-Key: x", "Authorization: Bearer " + good}, "credential_invalid", "", ""},
		"a bad token does not fall back":  {[]entry.Policy{tokens, keys, last}, []string{"Authorization: Bearer " + bad}, "credential_invalid", "", ""},
		"none":                            {[]entry.Policy{keys, tokens}, []string{"A: b"}, "credential_missing", "", "A: b"},
		"none, but anonymous":             {[]entry.Policy{keys, tokens, last}, []string{"A: b"}, "<nil>", "anonymous", "A: b"},
		"a bad key is not anonymous":      {[]entry.Policy{keys, last}, []string{"X-API-Key: x"}, "credential_invalid", "", ""},
		"a good key is not anonymous":     {[]entry.Policy{keys, last}, []string{"X-API-Key: " + key.Reveal()}, "<nil>", "key", ""},
		"a cookie, and others that stay":  {[]entry.Policy{{Config: &cookie}}, []string{"Cookie: a=1; session=" + good + "; b=2"}, "<nil>", "jwt", "Cookie: a=1; b=2"},
		"a cookie alone":                  {[]entry.Policy{{Config: &cookie}}, []string{"Cookie: session=" + good}, "<nil>", "jwt", ""},
		"a cookie of a longer name":       {[]entry.Policy{{Config: &cookie}}, []string{"Cookie: xsession=" + good}, "credential_missing", "", "Cookie: xsession=" + good},
		"two different cookies":           {[]entry.Policy{{Config: &cookie}}, []string{"Cookie: session=" + good, "Cookie: session=" + bad}, "credential_invalid", "", ""},
		"Authorization of another scheme": {[]entry.Policy{keys, tokens, last}, []string{"Authorization: Basic eA=="}, "<nil>", "anonymous", "Authorization: Basic eA=="},
	} {
		ex := calling(c.fields...)
		err := routeOf(tools, c.policies...).Run(context.Background(), ex)
		if got := code(err); got != c.code || err == nil && string(ex.Caller.By) != c.by {
			t.Errorf("%s: got %s by %q, want %s by %q", name, got, ex.Caller.By, c.code, c.by)
		}
		var left []string
		for _, f := range ex.Header.Fields() {
			left = append(left, f.Name+": "+f.Value)
		}
		if (err == nil || c.left != "") && strings.Join(left, "|") != c.left {
			t.Errorf("%s: left %q, want %q", name, left, c.left)
		}
	}
}

func TestATokenOfACertificateIsTakenWithItAlone(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	mine, other := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("other")}
	thumb := sha256.Sum256(mine.Raw)
	text := "Authorization: Bearer " + i.Token(t, "ES256", map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(thumb[:])}})
	chain := routeOf(registered(i), entry.Policy{Config: taking(i, "ES256")})
	for range 2 { // verified, and known
		for _, c := range []struct {
			shown *x509.Certificate
			want  string
		}{{mine, "<nil>"}, {other, "credential_invalid"}, {nil, "credential_invalid"}} {
			ex := calling(text)
			ex.ClientCertificate = c.shown
			if got := code(chain.Run(context.Background(), ex)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		}
	}
}

func TestCredentialsOfOtherRoutesAreTakenAway(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	cookie := *taking(i, "ES256")
	cookie.In, cookie.Name = "cookie", "session"
	api := entry.API{Version: uuid(1), Policies: []entry.Policy{everywhere, {Config: &cookie}}}
	chain := policy.NewCompiler(api, registered(i)).Route(entry.Route{Operation: "list", Policies: []entry.Policy{{Config: taking(i, "ES256")}}})
	ex := calling("X-API-Key: some", "Authorization: Bearer "+i.Token(t, "ES256", nil), "Cookie: session=x; a=b")
	ex.Query = "api_key=some&a=b"
	if err := chain.Run(context.Background(), ex); err != nil {
		t.Fatal(err)
	}
	if f := ex.Header.Fields(); len(f) != 1 || f[0].Value != "a=b" || ex.Query != "a=b" {
		t.Errorf("left %q and %q", f, ex.Query)
	}
}
