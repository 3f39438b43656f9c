package fake

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer issues tokens, and publishes its keys at URL. A key's id is that of its
// algorithm and a number: "ES256-1".
type Issuer struct {
	URL    string // of its key set
	Name   string // its claim iss
	server *httptest.Server
	calls  atomic.Int64

	mu       sync.Mutex // guards what follows
	keys     map[string]crypto.Signer
	hidden   map[string]bool // keys that are not published
	answer   http.HandlerFunc
	lifetime string // Cache-Control
	found    bool   // its configuration says where its keys are
}

// NewIssuer starts an issuer with a key "<algorithm>-1" for each algorithm, and
// stops it when the test ends.
func NewIssuer(t testing.TB, algorithms ...string) *Issuer {
	t.Helper()
	i := &Issuer{keys: map[string]crypto.Signer{}, hidden: map[string]bool{}}
	for _, a := range algorithms {
		i.Add(t, a, a+"-1")
	}
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	i.URL, i.Name = i.server.URL+"/jwks", "https://id.example.com/"
	return i
}

// Discover makes the issuer one whose keys are found by its name, which is its
// address then.
func (i *Issuer) Discover() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.Name, i.found = i.server.URL+"/realm", true
}

// Add makes a key.
func (i *Issuer) Add(t testing.TB, algorithm, id string) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch algorithm[:2] {
	case "RS", "PS":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "Ed":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[algorithm]
		key, err = ecdsa.GenerateKey(curve, rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[id] = key
}

// Hide takes a key out of the set, or puts it back; it goes on signing.
func (i *Issuer) Hide(id string, hidden bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hidden[id] = hidden
}

// Answers makes another answer take the place of the key set; nil gives it back.
func (i *Issuer) Answers(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// Lives sets the Cache-Control of the key set.
func (i *Issuer) Lives(control string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lifetime = control
}

// Calls returns how often the key set was asked for.
func (i *Issuer) Calls() int { return int(i.calls.Load()) }

// ServeHTTP publishes the key set, and where it is.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.calls.Add(1)
	i.mu.Lock()
	answer, lifetime, found := i.answer, i.lifetime, i.found
	i.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if found && r.URL.Path != "/jwks" {
		if r.URL.Path != "/realm/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.Name, i.URL)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	if lifetime != "" {
		w.Header().Set("Cache-Control", lifetime)
	}
	fmt.Fprint(w, i.Set())
}

// Set returns the key set as it is published.
func (i *Issuer) Set() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := []map[string]string{}
	for id, key := range i.keys {
		if !i.hidden[id] {
			list = append(list, published(id, key.Public()))
		}
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	if err != nil { // texts always encode
		return ""
	}
	return string(text)
}

func published(id string, public crypto.PublicKey) map[string]string {
	text := base64.RawURLEncoding.EncodeToString
	out := map[string]string{"kid": id, "use": "sig"}
	switch k := public.(type) {
	case *rsa.PublicKey:
		out["kty"], out["n"], out["e"] = "RSA", text(k.N.Bytes()), "AQAB"
	case *ecdsa.PublicKey:
		point, _ := k.Bytes() // of a curve that is known
		half := len(point) / 2
		out["kty"], out["crv"], out["x"], out["y"] = "EC", k.Params().Name, text(point[1:1+half]), text(point[1+half:])
	case ed25519.PublicKey:
		out["kty"], out["crv"], out["x"] = "OKP", "Ed25519", text(k)
	}
	return out
}

// Public returns a key's public part.
func (i *Issuer) Public(id string) crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[id].Public()
}

// Claims returns those of a good token: of this issuer, for "orders", in time,
// with azp "client". Others take their place, and nil takes one away.
func (i *Issuer) Claims(others map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"iss": i.Name, "aud": "orders", "azp": "client", "iat": now - 10, "exp": now + 300}
	for name, value := range others {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// Token signs Claims with the key "<algorithm>-1".
func (i *Issuer) Token(t testing.TB, algorithm string, others map[string]any) string {
	t.Helper()
	return i.Sign(t, algorithm, map[string]any{"alg": algorithm, "kid": algorithm + "-1", "typ": "JWT"}, algorithm+"-1", i.Claims(others))
}

// Sign signs any head and claims, texts as they are, with a key by its algorithm.
func (i *Issuer) Sign(t testing.TB, algorithm string, head any, id string, claims any) string {
	t.Helper()
	i.mu.Lock()
	key := i.keys[id]
	i.mu.Unlock()
	return Signed(t, algorithm, head, key, claims)
}

// Signed signs any head and claims with a key of any kind.
func Signed(t testing.TB, algorithm string, head, key, claims any) string {
	t.Helper()
	text := Part(t, head) + "." + Part(t, claims)
	sig, err := jwt.GetSigningMethod(algorithm).Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// Part writes a part of a token: a text as it is, anything else as JSON.
func Part(t testing.TB, part any) string {
	t.Helper()
	text, is := part.(string)
	if !is {
		raw, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// Signer returns a key, private part and all.
func (i *Issuer) Signer(id string) crypto.Signer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[id]
}
