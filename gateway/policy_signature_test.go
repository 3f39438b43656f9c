package gateway_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

const signingSecret = "a secret of thirty-two bytes ..."

func hmacOf(text string) []byte {
	h := hmac.New(sha256.New, []byte(signingSecret))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// simply signs a call by the simple form.
func simply(method, target, body string) []string {
	digest, stamp := sha256.Sum256([]byte(body)), fmt.Sprint(time.Now().Unix())
	return []string{
		"X-Key-Id: key", "X-Timestamp: " + stamp,
		"X-Signature: " + hex.EncodeToString(hmacOf(stamp+"\n"+method+"\n"+target+"\n"+hex.EncodeToString(digest[:]))),
	}
}

// signed signs a call after RFC 9421.
func signed(method, url, body, nonce string) []string {
	digest := sha256.Sum256([]byte(body))
	field := "sha-256=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"
	covers, base, headers := `"@method" "@target-uri"`, "\"@method\": "+method+"\n\"@target-uri\": "+url+"\n", []string(nil)
	if body != "" {
		covers += ` "content-digest"`
		base += `"content-digest": ` + field + "\n"
		headers = append(headers, "Content-Digest: "+field)
	}
	params := fmt.Sprintf(`(%s);created=%d;keyid="key";nonce="%s"`, covers, time.Now().Unix(), nonce)
	mac := hmacOf(base + `"@signature-params": ` + params)
	return append(headers, "Signature-Input: sig1="+params, "Signature: sig1=:"+base64.StdEncoding.EncodeToString(mac)+":")
}

// signingKey is the grant of a key whose secret is sealed.
func (s *sealing) signingKey(t *testing.T, sequence uint64, secret string) entry.Item {
	t.Helper()
	grant := demoGrant()
	sealed := s.seal(t, entry.GrantSecretInfo(grant.Credential), []byte(secret))
	grant.Secret = &sealed
	return hashItem(t, sequence, entry.SignatureHash("key"), grant)
}

func signatureCase(t *testing.T, lane change) {
	keys := newSealing(t)
	r := governed(t, func(c *gateway.Config) {
		lane(c)
		c.Box = keys.node
	}, func(api *entry.API) {
		api.Policies = []entry.Policy{{Config: &entry.SignaturePolicy{Nonce: "required"}}, {Config: &entry.SignaturePolicy{Form: "simple"}}}
	}, keys.item(t, 2, 1), keys.signingKey(t, 2, signingSecret))
	const orders = "/demo/orders/v1/orders"
	own := func(e map[string][]string) (left []string) {
		for _, name := range []string{"Signature", "Signature-Input", "X-Signature", "X-Timestamp", "X-Key-Id"} {
			left = append(left, e[name]...)
		}
		return left
	}
	const body = `{"order": 7}`
	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
	}{
		"a message":             {"GET", orders + "?a=%20b", "", signed("GET", r.url+orders+"?a=%20b", "", "1")},
		"a message with a body": {"POST", orders, body, signed("POST", r.url+orders, body, "2")},
		"simply":                {"GET", orders + "?a=%20b", "", simply("GET", orders+"?a=%20b", "")},
		"simply, with a body":   {"POST", orders, body, simply("POST", orders, body)},
	} {
		got := r.call(t, c.method, c.target, c.body, c.headers...)
		if got.status != 200 {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
			continue
		}
		if e := got.echo(t); e.Body != c.body || len(own(e.Header)) > 0 {
			t.Errorf("%s: the upstream got %+v", name, e)
		}
		again := r.call(t, c.method, c.target, c.body, c.headers...)
		if once := strings.HasPrefix(name, "a message"); once != (again.status == 401 && again.code() == "credential_invalid") {
			t.Errorf("%s, once more: got %d %s", name, again.status, again.body)
		}
	}
	if got := r.call(t, "HEAD", orders, "", simply("HEAD", orders, "")...); got.status != 200 {
		t.Errorf("HEAD: got %d", got.status)
	}
	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
		status               int
		code                 string
	}{
		"nothing":                     {"GET", orders, "", nil, 401, "credential_missing"},
		"of another path":             {"GET", orders + "/7", "", signed("GET", r.url+orders, "", "3"), 401, "credential_invalid"},
		"of another host":             {"GET", orders, "", signed("GET", "http://other.test"+orders, "", "4"), 401, "credential_invalid"},
		"of another body":             {"POST", orders, body, signed("POST", r.url+orders, "other", "5"), 401, "credential_invalid"},
		"of no body":                  {"POST", orders, body, signed("POST", r.url+orders, "", "6"), 401, "credential_invalid"},
		"of another query, simply":    {"GET", orders + "?a=b", "", simply("GET", orders, ""), 401, "credential_invalid"},
		"of another body, simply":     {"POST", orders, body, simply("POST", orders, "other"), 401, "credential_invalid"},
		"beyond its plan":             {"GET", "/demo/orders/v1/hidden", "", simply("GET", "/demo/orders/v1/hidden", ""), 403, "operation_not_in_plan"},
		"the key id, as an API key":   {"GET", orders, "", []string{"X-API-Key: key"}, 401, "credential_missing"},
		"public, with a bad one":      {"GET", "/demo/orders/v1/open", "", []string{"X-Signature: x", "Signature: x"}, 200, ""},
		"a body that is far too long": {"POST", orders, strings.Repeat("x", 2<<20), simply("POST", orders, ""), 413, "request_too_large"},
	} {
		if got := r.call(t, c.method, c.target, c.body, c.headers...); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s, want %d %s", name, got.status, got.body, c.status, c.code)
		}
	}
	r.serve(t, 3, entry.Tombstone(keys.signingKey(t, 3, signingSecret).Key, at(3)))
	if got := r.call(t, "GET", orders, "", simply("GET", orders, "")...); got.status != 401 || got.code() != "credential_invalid" {
		t.Errorf("after it was revoked: got %d %s", got.status, got.body)
	}
}

// TestGrantsWhoseSecretCannotBeOpenedAreRefused holds the node to refusing the
// entry, and to taking it when the key is there.
func TestGrantsWhoseSecretCannotBeOpenedAreRefused(t *testing.T) {
	keys := newSealing(t)
	r := startDemo(t, func(c *gateway.Config) { c.Box = keys.node })
	api := demoAPI(r.upstream.URL)
	api.Policies = []entry.Policy{{Config: &entry.SignaturePolicy{Form: "simple"}}}
	put := func(sequence uint64, items ...entry.Item) {
		t.Helper()
		r.carrier.Put(append(items, entry.Mark(entry.HeadKey, at(sequence)))...)
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
	}
	call := func() reply {
		return r.call(t, "GET", "/demo/orders/v1/orders", "", simply("GET", "/demo/orders/v1/orders", "")...)
	}
	put(2, item(t, 2, api), keys.signingKey(t, 2, signingSecret))
	if got := call(); got.status != 401 || len(r.Status().Refused) != 1 {
		t.Errorf("without the environment's key: got %d %s, refused %+v", got.status, got.body, r.Status().Refused)
	}
	put(3, keys.item(t, 3, 1))
	if got := call(); got.status != 200 || len(r.Status().Refused) != 0 {
		t.Errorf("with the environment's key: got %d %s, refused %+v", got.status, got.body, r.Status().Refused)
	}
	other, short := demoGrant(), keys.signingKey(t, 5, "short")
	sealed := keys.seal(t, entry.GrantSecretInfo(uuid(999)), []byte(signingSecret))
	other.Secret = &sealed
	for i, bad := range []entry.Item{hashItem(t, 4, entry.SignatureHash("key"), other), short} {
		put(uint64(4+i), bad)
		if got := call(); got.status != 200 || len(r.Status().Refused) != 1 {
			t.Errorf("bad secret %d: got %d %s, refused %+v", i, got.status, got.body, r.Status().Refused)
		}
	}
}

// TestASignedCallMaySwitchProtocols opens a WebSocket with a signed handshake.
func TestASignedCallMaySwitchProtocols(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		keys, up := newSealing(t), switching(t)
		r := startDemo(t, func(c *gateway.Config) {
			lane(c)
			c.Box = keys.node
		})
		api := demoAPI(up.URL)
		api.Policies = []entry.Policy{{Config: &entry.SignaturePolicy{}}, {Config: &entry.SignaturePolicy{Form: "simple"}}}
		r.serve(t, 2, keys.item(t, 2, 1), keys.signingKey(t, 2, signingSecret), item(t, 2, api))
		const orders = "/demo/orders/v1/orders"
		authority := strings.Replace(r.url, r.address, "x", 1) // as the handshake's Host says
		for _, headers := range [][]string{simply("GET", orders, ""), signed("GET", authority+orders, "", "1")} {
			conn, in := r.connect(t)
			fmt.Fprint(conn, "GET "+orders+" HTTP/1.1\r\n"+upgrade+strings.Join(headers, "\r\n")+"\r\n\r\nsent")
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("got %+v %v", res, err)
			}
			expect(t, in, "hellosent")
		}
	})
}

// TestUnsignedBodiesStream has a gRPC call talk both ways at once behind a
// signature of its head.
func TestUnsignedBodiesStream(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		keys := newSealing(t)
		r := startDemo(t, func(c *gateway.Config) {
			lane(c)
			c.Box = keys.node
		})
		api := demoAPI(serveH2C(t, grpcServer(t, func(*http.Request) {})))
		api.Upstreams[0].Protocol = "h2c"
		api.Policies = []entry.Policy{{Config: &entry.SignaturePolicy{UnsignedBody: true}}}
		r.serve(t, 2, keys.item(t, 2, 1), keys.signingKey(t, 2, signingSecret), item(t, 2, api))
		const orders = "/demo/orders/v1/orders"
		in, out := io.Pipe()
		go out.Write(message("first"))
		res := r.grpc(t, context.Background(), orders, "application/grpc", in, signed("POST", r.url+orders, "", "1")...)
		for _, text := range []string{"first", "second"} {
			if text != "first" {
				go out.Write(message(text))
			}
			if got, err := readMessage(res.Body); err != nil || got != strings.ToUpper(text) {
				t.Fatalf("got %.20q %v, want %.20q", got, err, text)
			}
		}
		out.Close()
		if _, err := io.ReadAll(res.Body); err != nil || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("ended with %v, trailers %v", err, res.Trailer)
		}
	})
}
