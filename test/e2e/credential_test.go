package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// TestCredentialsOfOtherKindsOpenWhatTheyAreFor makes a password and a signing
// secret, calls with them, and revokes them.
func TestCredentialsOfOtherKindsOpenWhatTheyAreFor(t *testing.T) {
	p, base, _ := behind(t, named(t, "backend"))
	a := apiOf(t, p)
	version := "/tenants/demo/versions/" + a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	const made = "/tenants/demo/applications/caller/credentials?wait=applied"
	type credential struct {
		ID, Key, User string
		Secrets       []struct {
			KeyID string `json:"key_id"`
		}
	}
	var basic, signature credential
	for kind, into := range map[string]*credential{"basic": &basic, "signature": &signature} {
		if err := a.Do(t.Context(), "POST", made, map[string]any{"kind": kind}, into); err != nil {
			t.Fatal(err)
		}
	}
	policies := func(policy map[string]any) {
		a.do("PATCH", version+"/draft", map[string]any{"policies": []any{policy}})
		a.do("POST", version+"/publish?wait=applied", map[string]any{"environment": "production"})
	}
	want := func(when string, status int, sign func(*http.Request)) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/files/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		sign(req)
		if got := roundTrip(t, req); got.status != status {
			t.Errorf("%s: got %d %s, want %d", when, got.status, got.body, status)
		}
	}
	password := func(text string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(basic.User, text) }
	}
	signed := func(secret string) func(*http.Request) {
		return func(r *http.Request) {
			stamp, body := strconv.FormatInt(time.Now().Unix(), 10), sha256.Sum256(nil)
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(stamp + "\nGET\n" + r.URL.RequestURI() + "\n" + hex.EncodeToString(body[:])))
			r.Header.Set("X-Key-Id", signature.Secrets[0].KeyID)
			r.Header.Set("X-Timestamp", stamp)
			r.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
		}
	}
	policies(map[string]any{"kind": "basic", "config": map[string]any{}})
	want("the password", 200, password(basic.Key))
	want("another password", 401, password(basic.Key+"x"))
	a.do("POST", "/tenants/demo/credentials/"+basic.ID+"/revoke?wait=applied", nil)
	want("the password after its end", 401, password(basic.Key))
	policies(map[string]any{"kind": "signature", "config": map[string]any{"form": "simple"}})
	want("the signature", 200, signed(signature.Key))
	want("of another secret", 401, signed(signature.Key+"x"))
	a.do("POST", "/tenants/demo/credentials/"+signature.ID+"/revoke?wait=applied", nil)
	want("the signature after its end", 401, signed(signature.Key))
}
