package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
	"portico/test/process"
)

// behind runs Portico with an API whose one document leads to an upstream that
// does as paths say, public or not as asked, and returns its base address and
// a key for it.
func behind(t *testing.T, upstream string, env ...string) (p *process.Process, base, key string) {
	t.Helper()
	p = start(t, process.Options{Demo: true, Env: env})
	a := apiOf(t, p)
	if _, err := a.Live(t.Context(), "demo", "backend", backendDocument(upstream)); err != nil {
		t.Fatal(err)
	}
	version := a.do("GET", "/tenants/demo/apis/backend", nil).Versions[0].ID
	a.do("POST", "/tenants/demo/products", map[string]any{"slug": "backend", "name": "Backend", "listed": true, "visibility": "public", "versions": []string{version}})
	plan := a.do("POST", "/tenants/demo/products/backend/plans", map[string]any{"slug": "free", "name": "Free", "approval": "automatic", "state": "published", "limits": []any{}})
	app := a.do("POST", "/tenants/demo/applications", map[string]any{"slug": "caller", "name": "Caller"})
	a.do("POST", "/tenants/demo/subscriptions?wait=applied", map[string]any{"application": app.ID, "plan": plan.ID})
	return p, p.Gateway + "/demo/backend/v1", a.do("POST", "/tenants/demo/applications/caller/credentials?wait=applied", map[string]any{"name": "k"}).Key
}

// backendDocument has every behaviour of fake.Upstream below /do/.
func backendDocument(upstream string) string {
	return fmt.Sprintf(`{"openapi":"3.0.0","info":{"title":"Backend","version":"1"},"servers":[{"url":%q}],"paths":{"/do/{what}":{
		"get":{"operationId":"get","responses":{"200":{"description":"x"}}},"post":{"operationId":"post","responses":{"200":{"description":"x"}}}},
		"/files/{name}":{"get":{"operationId":"file","responses":{"200":{"description":"x"}}}}}}`, upstream)
}

// raw sends bytes and reads one answer, and whether the connection ended then.
func raw(t *testing.T, address, bytes string) (answer *http.Response, body string, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, bytes); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err = http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("read the answer's body: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = in.ReadByte()
	return answer, string(text), err == io.EOF
}

// TestAmbiguousRequestsAreRefusedAndClosed sends the binary what two servers
// could read differently. Nothing of it may reach the upstream.
func TestAmbiguousRequestsAreRefusedAndClosed(t *testing.T) {
	up := fake.NewUpstream(t)
	p, _, key := behind(t, up.URL)
	address := strings.TrimPrefix(p.Gateway, "http://")
	auth := "X-API-Key: " + key + "\r\n"
	post := "POST /demo/backend/v1/do/echo HTTP/1.1\r\nHost: x\r\n" + auth
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n" }
	if answer, body, _ := raw(t, address, post+"Content-Length: 2\r\nConnection: close\r\n\r\nab"); answer.StatusCode != 200 || !strings.Contains(body, `"body":"ab"`) {
		t.Fatalf("a good request: got %d %s", answer.StatusCode, body)
	}
	const smuggled = "GET /demo/backend/v1/do/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	calls := up.Calls()
	for name, bytes := range map[string]string{
		"CL and TE":                  post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE and CL":                  post + "Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n" + smuggled,
		"two equal lengths":          post + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"two lengths":                post + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + smuggled,
		"a list of lengths":          post + "Content-Length: 0, 60\r\n\r\n" + smuggled,
		"a signed length":            post + "Content-Length: +0\r\n\r\n" + smuggled,
		"TE of another kind":         post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"TE with a tab":              post + "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n" + smuggled,
		"TE under another name":      post + "Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"a folded field":             post + "X-A: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bare LF":                    "GET /demo/backend/v1/do/echo HTTP/1.1\nHost: x\n\n",
		"bare LF between fields":     post + "X-A: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bare CR":                    post + "X-A: 1\rContent-Length: 60\r\n\r\n" + smuggled,
		"NUL in a value":             post + "X-A: a\x00b\r\n\r\n",
		"a name with a space":        post + "Content-Length : 0\r\n\r\n" + smuggled,
		"a name with a bracket":      post + "X(A): 0\r\n\r\n",
		"no name":                    post + ": 0\r\n\r\n",
		"two Hosts":                  post + "Host: y\r\n\r\n",
		"no Host":                    "GET /demo/backend/v1/do/echo HTTP/1.1\r\n" + auth + "\r\n",
		"another host in the target": "GET http://y/demo/backend/v1/do/echo HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"an encoded slash":           get("/demo/backend/v1/do%2fecho"),
		"an encoded slash, again":    get("/demo/backend/v1/do%252fecho"),
		"dot segments":               get("/demo/backend/v1/files/../do/echo"),
		"encoded dot segments":       get("/demo/backend/v1/files/%2e%2e/do/echo"),
		"half encoded dot segments":  get("/demo/backend/v1/files/.%2E/do/echo"),
		"doubly encoded dots":        get("/demo/backend/v1/files/%252e%252e/do/echo"),
		"a backslash":                get("/demo/backend/v1\\do\\echo"),
		"an encoded backslash":       get("/demo/backend/v1/do%5cecho"),
		"NUL":                        get("/demo/backend/v1/do/echo%00"),
		"half an escape":             get("/demo/backend/v1/do/echo%2"),
		"CONNECT":                    "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
		"a chunk size with a sign":   post + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n",
		"a chunk longer than said":   post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
		"a chunk size with bare LF":  post + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer, body, closed := raw(t, address, bytes)
			var p struct{ Code string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code == "" {
				t.Errorf("got %s, want a problem", body)
			}
			if answer.StatusCode != http.StatusBadRequest {
				t.Errorf("got %d %s, want 400", answer.StatusCode, body)
			}
			if !closed && strings.Contains(bytes, smuggled) {
				t.Error("the connection stayed open")
			}
		})
	}
	// Requests whose head is sound reach the upstream before their body is seen
	// to be broken: they must not be answered twice, that is all.
	if got := up.Calls() - calls; got > 3 {
		t.Errorf("%d of them reached the upstream", got)
	}
}

// TestUpstreamSeesNoCredentialAndNoForgedSender: what identifies the caller is
// taken out wherever it stood, and headers that vouch for somebody are ours.
func TestUpstreamSeesNoCredentialAndNoForgedSender(t *testing.T) {
	up := fake.NewUpstream(t)
	_, base, key := behind(t, up.URL)
	forged := http.Header{
		"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"for=6.6.6.6"},
		"X-Real-Ip": {"6.6.6.6"}, "X_Forwarded_For": {"6.6.6.6"}, "X-Portico-Application": {"admin"}, "X-Request-Id": {"forged"},
		"Connection": {"X-Forwarded-For, X-Own"}, "X-Own": {"hop"}, "Te": {"trailers"}, "Proxy-Authorization": {"Basic eA=="}, "X-Mine": {"kept"},
	}
	for _, way := range []string{"header", "bearer", "query", "all"} {
		t.Run(way, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/do/echo?a=1&b=%20x", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = forged.Clone()
			if way == "header" || way == "all" {
				req.Header.Set("X-API-Key", key)
			}
			if way == "bearer" || way == "all" {
				req.Header.Set("Authorization", "Bearer "+key)
			}
			if way == "query" || way == "all" {
				req.URL.RawQuery = "a=1&api%5Fkey=" + key + "&b=%20x"
			}
			var saw fake.Echo
			got := roundTrip(t, req)
			got.into(t, &saw)
			if text := fmt.Sprint(saw); strings.Contains(text, key) || strings.Contains(text, "6.6.6.6") || strings.Contains(text, "evil") || strings.Contains(text, "admin") || strings.Contains(text, "forged") {
				t.Errorf("the upstream saw %s", text)
			}
			if saw.Target != "/do/echo?a=1&b=%20x" {
				t.Errorf("got target %s", saw.Target)
			}
			for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Mine": "kept", "X-Own": "", "Proxy-Authorization": "", "Authorization": "", "X-Api-Key": ""} {
				if got := strings.Join(saw.Header[name], ","); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if id := got.header.Get("X-Request-Id"); id == "" || strings.Join(saw.Header["X-Request-Id"], ",") != id {
				t.Errorf("request id: answered %q, upstream saw %v", id, saw.Header["X-Request-Id"])
			}
			if got.header.Get("X-Secret-Hop") != "" || got.header.Get("Keep-Alive") != "" {
				t.Errorf("the caller got %v, which concerns the upstream's connection", got.header)
			}
		})
	}
}
