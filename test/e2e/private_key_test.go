package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

// canaries are the forms in which a private key would be known again.
func canaries(t *testing.T, of fake.Issued) map[string][]byte {
	t.Helper()
	secret := of.Pair.PrivateKey.(*ecdsa.PrivateKey)
	number, err := secret.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{
		"the number": number, "the number in hexadecimal": []byte(hex.EncodeToString(number)), "the number in capital hexadecimal": []byte(strings.ToUpper(hex.EncodeToString(number))),
		"its DER":           of.DER,
		"a line of its PEM": []byte(strings.Split(of.Key, "\n")[2]), // the one before it says which kind it is
	}
	for shift := range 3 { // as it may stand within something larger
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), number...))
		out["base64, at "+string(rune('0'+shift))] = []byte(text[4 : len(text)-4])
	}
	return out
}

// ask makes a request of the management API.
func (a api) ask(method, path string, body any, headers ...string) (*http.Response, []byte) {
	a.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.Base+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res, text
}

// TestPrivateKeysAreNowhereToBeFound uses two private keys, a gateway's and one
// that is shown to an upstream, and looks for them in everything that Portico
// says and keeps.
func TestPrivateKeysAreNowhereToBeFound(t *testing.T) {
	p := start(t, process.Options{Demo: true, Data: t.TempDir(), Env: []string{"PORTICO_GATEWAY_TLS_ADDR=127.0.0.1:0", "PORTICO_LOG_LEVEL=debug"}})
	a := apiOf(t, p)
	authority, host := fake.NewAuthority(t, "authority"), "api.example.com"
	own, client := authority.Issue(t, host), authority.Issue(t, "gateway")
	found := map[string]map[string][]byte{"the certificate's key": canaries(t, own), "the client's key": canaries(t, client)}
	clean := func(where string, data []byte) {
		t.Helper()
		for which, forms := range found {
			for form, canary := range forms {
				if bytes.Contains(data, canary) {
					t.Errorf("%s: holds %s, as %s", where, which, form)
				}
			}
		}
	}
	answers := func(status int, method, path string, body any, headers ...string) *http.Response {
		t.Helper()
		res, text := a.ask(method, path, body, headers...)
		if res.StatusCode != status {
			t.Fatalf("%s %s: got %d %s", method, path, res.StatusCode, text)
		}
		clean(method+" "+path, text)
		return res
	}
	const production, demo = "/environments/production", "/tenants/demo"
	certificate := func(chain, key string) map[string]any {
		return map[string]any{"chain": chain, "private_key": key, "hosts": []string{host}}
	}
	// Refusals do not repeat what they refuse.
	answers(422, "POST", production+"/certificates", certificate(client.Chain, own.Key))
	answers(422, "POST", production+"/certificates", certificate(own.Chain, own.Key[:len(own.Key)/2]))
	answers(422, "POST", production+"/certificates", map[string]any{"private_keys": own.Key})
	answers(201, "POST", production+"/certificates?wait=applied", certificate(own.Chain, own.Key))
	answers(200, "GET", production+"/certificates", nil)

	version, err := a.Live(t.Context(), "demo", "guarded", process.MinimalDocument("Guarded", "https://127.0.0.1:1", 1))
	if err != nil {
		t.Fatal(err)
	}
	answers(200, "PUT", demo+production+"/values/client_key", map[string]any{"value": client.Key, "secret": true})
	tag := answers(200, "GET", demo+"/versions/"+version, nil).Header.Get("ETag")
	answers(200, "PATCH", demo+"/versions/"+version+"/draft", map[string]any{"upstream_tls": map[string]any{"certificate": client.Chain, "key": "${client_key}"}}, "If-Match", tag)
	answers(200, "POST", demo+"/versions/"+version+"/publish?wait=applied", map[string]any{"environment": "production"})
	for _, path := range []string{
		demo + production + "/values", demo + "/versions/" + version, demo + "/versions/" + version + "/revisions", demo + "/versions/" + version + "/upstreams",
		demo + "/versions/" + version + "/targets", demo + "/audit?limit=200", demo + "/audit/export?format=ndjson", production, production + "/nodes",
	} {
		answers(200, "GET", path, nil)
	}

	// A call by the certificate, whose way is explained.
	var token struct{ Token string }
	if err := a.Do(t.Context(), "POST", demo+production+"/explain-tokens", map[string]any{}, &token); err != nil {
		t.Fatal(err)
	}
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(p.Secure, "https://"))
	}}
	defer secure.CloseIdleConnections()
	for path, status := range map[string]int{"/demo/parcels/v1/parcels": 200, "/demo/guarded/v1/things0/1": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Portico-Explain", token.Token)
		if status == 200 {
			req.Header.Set("X-API-Key", p.Key)
		}
		res, err := secure.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		id := res.Header.Get("X-Portico-Explain-Id")
		if res.StatusCode != status || id == "" {
			t.Fatalf("%s: got %d %s, explained as %q", path, res.StatusCode, text, id)
		}
		clean("the answer of "+path, text)
		// The node tells of the call once it is over, which is after its answer.
		explanation := demo + production + "/explanations/" + id
		for end := time.Now().Add(10 * time.Second); a.Do(t.Context(), "GET", explanation, nil, nil) != nil && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		answers(200, "GET", explanation, nil)
	}
	_, metrics := call(t, p.Ops+"/metrics", "")
	clean("the metrics", []byte(metrics))

	// What is on the disk: the database, the bus's store with all that nodes are
	// sent, the node's copy, the spool. That there is something to find is shown by
	// what is no secret.
	public := []byte(strings.Split(own.Chain, "\n")[1])
	in := map[string]bool{}
	look := func() {
		err := filepath.WalkDir(p.Data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // it is gone meanwhile, or holds nothing
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			name, _ := filepath.Rel(p.Data, path)
			in[name] = in[name] || bytes.Contains(raw, public)
			clean(name, raw)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the bus's store and the database hold the certificate", 20*time.Second, func() bool {
		look()
		bus, database := false, false
		for name, holds := range in {
			bus = bus || holds && strings.HasSuffix(name, ".blk")
			database = database || holds && strings.Contains(name, ".db")
		}
		return bus && database
	})
	clean("the log", []byte(p.Output()))
	p.Close()
	look() // what was written at the end
	clean("the log", []byte(p.Output()))
}
