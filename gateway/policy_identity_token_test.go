package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// echoed is what the fake upstream tells of a request.
type echoed struct{ Header map[string][]string }

// verified reads an identity token as an upstream would, with the keys that the
// gateway shows.
func (r *running) verified(t *testing.T, text, audience string) jwt.MapClaims {
	t.Helper()
	got := r.call(t, "GET", entry.IdentityKeysPath, "")
	var set struct {
		Keys []struct{ Kty, Crv, X, Y, Kid, Alg string }
	}
	if err := json.Unmarshal([]byte(got.body), &set); err != nil || got.status != 200 || len(set.Keys) != 1 || got.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("keys: got %d %s", got.status, got.body)
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) {
		k := set.Keys[0]
		if token.Header["kid"] != k.Kid {
			t.Errorf("signed by %v, shown is %s", token.Header["kid"], k.Kid)
		}
		x, _ := base64.RawURLEncoding.DecodeString(k.X)
		y, _ := base64.RawURLEncoding.DecodeString(k.Y)
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(audience), jwt.WithIssuer("http://127.0.0.1:8080"), jwt.WithExpirationRequired())
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return claims
}

func identityTokenCase(t *testing.T, lane change) {
	r := startExplaining(t, lane)
	api := demoAPI(r.upstream.URL)
	api.Policies = append(api.Policies, entry.Policy{Config: &entry.IdentityToken{Audience: "orders"}})
	for i := range api.Routes {
		if api.Routes[i].Operation == "open" {
			api.Routes[i].Policies = []entry.Policy{{Config: &entry.IdentityToken{Audience: "open", Header: "X-Portico-Identity", LifetimeMS: 10_000}}}
		}
	}
	r.putAPI(t, 3, api)
	call := func(path string, headers ...string) (string, echoed) {
		got := r.call(t, "GET", path, "", headers...)
		var e echoed
		if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		return strings.Join(e.Header["Authorization"], "|"), e
	}
	first, _ := call("/demo/orders/v1/orders", "X-API-Key: "+goodKey, "X-Portico-Identity: forged")
	claims := r.verified(t, strings.TrimPrefix(first, "Bearer "), "orders")
	for name, want := range map[string]any{
		"sub": uuid(301), "application": "App", "tenant": uuid(302), "subscription": uuid(303), "plan": "Orders, Trial", "plan_id": uuid(200), "api": "demo/orders v1",
	} {
		if claims[name] != want {
			t.Errorf("%s: got %v, want %v", name, claims[name], want)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 60 {
		t.Errorf("good for %v s, want 60", life)
	}
	if again, _ := call("/demo/orders/v1/orders", "Authorization: Bearer "+goodKey); again != first {
		t.Errorf("the next call's token: got %s, want the same", again)
	}
	nobody, e := call("/demo/orders/v1/open", "Authorization: Basic Zm9yZ2VkOg==")
	if claims := r.verified(t, strings.TrimPrefix(nobody, "Bearer "), "orders"); claims["sub"] != "anonymous" || claims["application"] != nil {
		t.Errorf("of nobody: got %v", claims)
	}
	if claims := r.verified(t, strings.Join(e.Header["X-Portico-Identity"], "|"), "open"); claims["exp"].(float64)-claims["iat"].(float64) != 10 {
		t.Errorf("got %v", claims)
	}
}

// TestIdentityTokenNamesWhoseTokenWasVerified also where no application has
// registered it.
func TestIdentityTokenNamesWhoseTokenWasVerified(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	r := startExplaining(t, fetching(func(*gateway.Config) {}))
	api := demoAPI(r.upstream.URL)
	tokens := tokensOf(i)
	tokens.Unregistered = true
	api.Policies = []entry.Policy{{Config: tokens}, {Config: &entry.AnonymousPolicy{}}, {Config: &entry.IdentityToken{Audience: "orders", Header: "X-Caller"}}}
	r.putAPI(t, 3, api)
	seen := func(headers ...string) string {
		var e echoed
		if err := json.Unmarshal([]byte(r.call(t, "GET", "/demo/orders/v1/orders", "", headers...).body), &e); err != nil {
			t.Fatal(err)
		}
		return strings.Join(e.Header["X-Caller"], "|")
	}
	bearer := func(claims map[string]any) string { return "Authorization: Bearer " + i.Token(t, "ES256", claims) }
	first := seen(bearer(map[string]any{"sub": "u-1"}))
	for _, c := range []struct{ text, sub, issuer, subject string }{
		{first, i.Name + "|u-1", i.Name, "u-1"},
		{seen(bearer(map[string]any{"sub": "anonymous"})), i.Name + "|anonymous", i.Name, "anonymous"},
		{seen(bearer(map[string]any{"sub": nil})), i.Name + "|client", i.Name, "client"},
		{seen(), "anonymous", "", ""},
	} {
		claims := r.verified(t, c.text, "orders")
		issuer, _ := claims["token_issuer"].(string)
		subject, _ := claims["token_subject"].(string)
		if claims["sub"] != c.sub || issuer != c.issuer || subject != c.subject || claims["application"] != nil {
			t.Errorf("got %v, want %s", claims, c.sub)
		}
	}
	if again := seen(bearer(map[string]any{"sub": "u-1", "jti": "other"})); again != first {
		t.Errorf("of the same subject: got %s, want the same token", again)
	}
}

func TestNoIdentityTokenWithoutAKey(t *testing.T) {
	r := governed(t, func(*gateway.Config) {}, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.IdentityToken{Audience: "orders"}})
	})
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 503 || got.code() != "not_ready" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", entry.IdentityKeysPath, ""); got.status != 404 {
		t.Errorf("keys: got %d %s", got.status, got.body)
	}
}

func TestIdentityTokenIsSignedAnewInTime(t *testing.T) {
	var later atomic.Int64 // by so much the node's clock is ahead
	r := startExplaining(t, func(c *gateway.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	api := demoAPI(r.upstream.URL)
	api.Policies = append(api.Policies, entry.Policy{Config: &entry.IdentityToken{Audience: "orders", LifetimeMS: 60_000}})
	r.putAPI(t, 3, api)
	seen := func() string {
		var e echoed
		if err := json.Unmarshal([]byte(r.call(t, "GET", "/demo/orders/v1/open", "").body), &e); err != nil {
			t.Fatal(err)
		}
		return strings.Join(e.Header["Authorization"], "|")
	}
	first := seen()
	later.Store(int64(29 * time.Second))
	if seen() != first {
		t.Error("after 29 s of 60: another token")
	}
	later.Store(int64(31 * time.Second))
	if seen() == first {
		t.Error("after 31 s of 60: the same token")
	}
}
