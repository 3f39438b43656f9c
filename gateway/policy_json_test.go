package gateway_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/internal/entry"
)

// answering starts an upstream of one's own.
func answering(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// shaped starts a demo with one policy more, on an upstream of one's own where
// handler is not nil.
func shaped(t *testing.T, lane change, handler http.HandlerFunc, configs ...entry.PolicyConfig) *running {
	t.Helper()
	return governed(t, lane, func(api *entry.API) {
		if handler != nil {
			api.Upstreams[0].Targets[0].URL = answering(t, handler)
		}
		for _, c := range configs {
			api.Policies = append(api.Policies, entry.Policy{Config: c})
		}
	})
}

const asJSON = "Content-Type: application/json"

func jsonBodyCase(t *testing.T, lane change) {
	r := shaped(t, lane, nil, &entry.JSONBody{
		Template: json.RawMessage(`{"id":"${body.id}","who":"${request.params.what}/${request.headers['x-who']}","n":"${body.n * 2}"}`),
		Patch:    []entry.JSONPatch{{Op: "add", Path: "/added", Value: json.RawMessage(`"${body.id} again"`)}, {Op: "test", Path: "/n", Value: json.RawMessage(`4`)}},
		Merge:    json.RawMessage(`{"n":null,"merged":[1.50]}`),
		Omit:     []string{"/nothing"},
		MaxBytes: 10_000,
	})
	const path = "/demo/orders/v1/do/echo"
	got := r.call(t, "POST", path, `{"n":2,"id":12345678901234567890}`, asJSON+"; charset=utf-8", "X-Who: me", "Digest: sha-256=x")
	want := `{"added":"12345678901234567890 again","id":12345678901234567890,"merged":[1.50],"who":"echo/me"}`
	echo := got.echo(t)
	if echo.Body != want || echo.Header["Digest"] != nil {
		t.Errorf("the upstream saw %s %v, want %s", echo.Body, echo.Header, want)
	}
	for name, c := range map[string]struct {
		body, header string
		status       int
		code         string
	}{
		"no JSON":          {`{"n":`, asJSON, 400, "body_invalid"},
		"deep":             {strings.Repeat("[", 5000), asJSON, 400, "body_invalid"},
		"a test fails":     {`{"n":3}`, asJSON, 400, "body_unsuitable"},
		"another type":     {`n=2`, "Content-Type: text/plain", 415, "media_type_not_supported"},
		"no type":          {`{"n":2}`, "X-No: type", 415, "media_type_not_supported"},
		"too large":        {`{"n":2,"x":"` + strings.Repeat("x", 10_000) + `"}`, asJSON, 413, "request_too_large"},
		"a type beside it": {`{"n":2,"id":0}`, "Content-Type: application/vnd.order+json", 200, ""},
	} {
		if got := r.call(t, "POST", path, c.body, c.header); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
	if got := r.call(t, "POST", path, `{"n":2}`, asJSON, "Content-Encoding: gzip"); got.code() != "encoding_unsupported" {
		t.Errorf("encoded: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", path, ""); got.status != 200 {
		t.Errorf("without a body: got %d %s", got.status, got.body)
	}
}

func TestBodyOfAnotherTypePassesWhereItMay(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, &entry.JSONBody{Omit: []string{"/a"}, OtherTypes: "pass"})
		large := strings.Repeat("x", 100_000)
		if got := r.call(t, "POST", "/demo/orders/v1/do/echo", large, "Content-Type: text/plain"); got.echo(t).Body != large {
			t.Error("the body did not pass as it was")
		}
		body := `{"a":1,"b":"` + large + `"}`
		if got := r.call(t, "POST", "/demo/orders/v1/do/echo", body, asJSON); got.echo(t).Body != `{"b":"`+large+`"}` {
			t.Error("the body was not changed")
		}
	})
}

// serveDocument is an upstream whose answer is as its path says.
func serveDocument(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", `"1"`)
	h.Set("Content-MD5", "x")
	h.Set("X-Asked", r.Header.Get("Accept-Encoding")+r.Header.Get("Range"))
	switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
	case "bad":
		io.WriteString(w, `{"secret":1`)
	case "gzip":
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `{"secret":1}`)
		z.Close()
	case "large":
		w.(http.Flusher).Flush()
		io.WriteString(w, `{"secret":"`+strings.Repeat("x", 20_000)+`"}`)
	case "cut":
		h.Set("Content-Length", "100")
		io.WriteString(w, `{"secret":1`)
	case "failed":
		w.WriteHeader(500)
		io.WriteString(w, `{"secret":1}`)
	case "text":
		h.Set("Content-Type", "text/plain")
		io.WriteString(w, `{"secret":1}`)
	case "none":
		w.WriteHeader(204)
	default:
		io.WriteString(w, `{"secret":1,"items":[{"n":1.50,"secret":2}]}`)
	}
}

func jsonAnswerCase(t *testing.T, lane change) {
	r := shaped(t, lane, serveDocument, &entry.JSONAnswer{
		Omit: []string{"/secret", "/items/*/secret"}, Merge: json.RawMessage(`{"status":"${answer.status}","tag":"${answer.headers.etag}"}`), MaxBytes: 10_000,
	})
	const path = "/demo/orders/v1/do/"
	got := r.call(t, "GET", path+"document", "", "Accept-Encoding: gzip", "Range: bytes=0-3")
	if want := `{"items":[{"n":1.50}],"status":200,"tag":"\"1\""}`; got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
	if h := got.header; h.Get("ETag") != `W/"1"` || h.Get("Content-MD5") != "" || h.Get("X-Asked") != "identity" {
		t.Errorf("got %v", h)
	}
	for what, want := range map[string]struct {
		status int
		code   string
	}{
		"bad": {502, "answer_unusable"}, "gzip": {502, "answer_unusable"}, "large": {502, "answer_unusable"},
		"cut": {502, ""}, "failed": {500, ""}, "text": {200, ""}, "none": {204, ""},
	} {
		got := r.call(t, "GET", path+what, "")
		if got.status != want.status || want.code != "" && got.code() != want.code {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
		if want.status == 502 && strings.Contains(got.body, "secret") {
			t.Errorf("%s: got %s", what, got.body)
		}
	}
	head := r.call(t, "HEAD", path+"document", "")
	if head.status != 200 || head.header.Get("Content-Length") != "" || head.header.Get("ETag") != `W/"1"` {
		t.Errorf("HEAD: got %d %v", head.status, head.header)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders", ""); got.code() != "credential_missing" {
		t.Errorf("a refusal of the gateway's own: got %d %s", got.status, got.body)
	}
}

func TestAnswerThatCannotBeChangedPassesWhereItMay(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, serveDocument, &entry.JSONAnswer{Omit: []string{"/secret"}, Unreadable: "pass", MaxBytes: 10_000})
		const path = "/demo/orders/v1/do/"
		if got := r.call(t, "GET", path+"bad", ""); got.status != 200 || got.body != `{"secret":1` {
			t.Errorf("bad: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "GET", path+"large", ""); got.status != 200 || len(got.body) != 20_013 {
			t.Errorf("large: got %d, %d bytes", got.status, len(got.body))
		}
		if got := r.call(t, "GET", path+"gzip", "", "Accept-Encoding: gzip"); got.status != 200 || got.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("gzip: got %d %v", got.status, got.header)
		}
		if got := r.call(t, "GET", path+"cut", ""); got.status != 502 {
			t.Errorf("cut: got %d", got.status)
		}
	})
}

// TestStreamsPassPoliciesAboutBodies has all of them on an API with streams.
func TestStreamsPassPoliciesAboutBodies(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, bodyPolicies()...)
		res, err := r.get("/demo/orders/v1/do/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		event := make([]byte, len("data: 0\n\n"))
		for i := range 3 {
			r.upstream.Release()
			if _, err := io.ReadFull(res.Body, event); err != nil || event[6] != byte('0'+i) {
				t.Fatalf("event %d: got %q, %v", i, event, err)
			}
		}
	})
}

// bodyPolicies are all policies that read bodies.
func bodyPolicies() []entry.PolicyConfig {
	return []entry.PolicyConfig{
		&entry.JSONBody{Omit: []string{"/a"}}, &entry.JSONAnswer{Omit: []string{"/a"}},
		&entry.XMLJSON{Request: entry.ToXML, Answer: entry.ToJSON, Root: "r"},
		&entry.ErrorPage{Statuses: []string{"4xx", "5xx"}, Upstream: true, HTML: "<p>"},
	}
}

// withBodyPolicies puts all of them on an API that is served already.
func (r *running) withBodyPolicies(t *testing.T, upstream, protocol string) {
	t.Helper()
	api := demoAPI(upstream)
	api.Upstreams[0].Protocol = protocol
	for _, c := range bodyPolicies() {
		api.Policies = append(api.Policies, entry.Policy{Config: c})
	}
	r.serve(t, 9, item(t, 9, api))
}

func TestTunnelsPassPoliciesAboutBodies(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		up := switching(t)
		r := onUpstream(t, up.URL, lane)
		r.withBodyPolicies(t, up.URL, "")
		_, in := r.open(t, `{"a":1}`)
		expect(t, in, "")
	})
}

func TestGRPCPassesPoliciesAboutBodies(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		up := serveH2C(t, grpcServer(t, func(*http.Request) {}))
		r := onProtocol(t, up, "h2c", lane)
		r.withBodyPolicies(t, up, "h2c")
		in, out := io.Pipe()
		go out.Write(message("first"))
		res := r.grpc(t, t.Context(), do+"talk", "application/grpc+json", in)
		if got, err := readMessage(res.Body); err != nil || got != "FIRST" {
			t.Fatalf("got %q %v", got, err)
		}
		out.Close()
		if _, err := io.ReadAll(res.Body); err != nil || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("ended with %v, trailers %v", err, res.Trailer)
		}
		if res := r.grpc(t, t.Context(), do+"fail", "application/grpc", strings.NewReader("")); res.Header.Get("Grpc-Status") != "5" {
			t.Errorf("a failure: got %v", res.Header)
		}
	})
}

// TestBodyIsChangedHoweverItComes sends one in chunks, and one that waits to be
// asked for.
func TestBodyIsChangedHoweverItComes(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, &entry.JSONBody{Omit: []string{"/a"}})
		for _, size := range []int{10, 100_000} {
			want := `{"b":"` + strings.Repeat("x", size) + `"}`
			body := `{"a":1,` + want[1:]
			for name, length := range map[string]int64{"chunks": -1, "asked for": int64(len(body))} {
				req, err := http.NewRequest("POST", r.url+"/demo/orders/v1/do/echo", io.NopCloser(strings.NewReader(body)))
				if err != nil {
					t.Fatal(err)
				}
				req.ContentLength = length
				req.Header.Set("Content-Type", "application/json")
				if name == "asked for" {
					req.Header.Set("Expect", "100-continue")
				}
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if got := (reply{body: string(text)}).echo(t).Body; err != nil || got != want {
					t.Errorf("%s, %d bytes: the upstream saw %d bytes %.40s, %v", name, size, len(got), got, err)
				}
			}
		}
	})
}

func TestTemplateSeesItsInputsAndNoKey(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, &entry.JSONBody{Template: json.RawMessage(
			`"${request.method} ${request.operation} ${request.address} ${request.query.a} ${caller.application} ${caller.name} ${caller.plan} ${caller.plan_name} ${json(request.headers)} ${json(request.query)}"`,
		)})
		got := r.call(t, "POST", "/demo/orders/v1/orders?a=b&a=c&api_key="+goodKey, `{}`, asJSON, "X-API-Key: "+goodKey)
		body := got.echo(t).Body
		want := `"POST create 127.0.0.1 b app_` + uuid(301) + ` App plan_` + uuid(200) + ` Orders, Trial {`
		if !strings.HasPrefix(body, want) || strings.Contains(body, goodKey) {
			t.Errorf("got %s, want %s", body, want)
		}
	})
}
