package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"portico/gateway"
	"portico/gateway/coding"
	"portico/gateway/contract"
	"portico/internal/entry"
)

// orderSchemas are what the contracts of these tests share.
const orderSchemas = `{
	"Order": {"type": "object", "required": ["id", "item", "count"], "additionalProperties": false, "properties": {
		"id": {"type": "string", "readOnly": true}, "item": {"type": "string", "minLength": 2}, "secret": {"type": "string", "writeOnly": true},
		"count": {"type": "integer", "minimum": 1}, "mail": {"type": "string", "format": "email"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Order"}}}}}`

func orderContract() *entry.Contract {
	return &entry.Contract{
		Parameters: []entry.ContractParameter{
			{Name: "limit", In: "query", Style: "form", Explode: true, Schema: json.RawMessage(`{"type":"integer","maximum":100}`)},
			{Name: "X-Trace", In: "header", Style: "simple", Schema: json.RawMessage(`{"type":"string","format":"uuid"}`)},
		},
		Body:         []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"$ref":"#/$defs/Order"}`)}},
		BodyRequired: true,
	}
}

// held gives the route "do" of the demo (POST /do/{what}) a contract and a policy.
func held(v entry.Validate, c *entry.Contract) func(*entry.API) {
	return func(api *entry.API) {
		api.Schemas = json.RawMessage(orderSchemas)
		for i := range api.Routes {
			if op := api.Routes[i].Operation; op == "do" {
				api.Routes[i].Contract, api.Routes[i].Policies = c, []entry.Policy{{Config: &v}}
			}
		}
	}
}

// wrong lists what a problem's errors say.
func (r reply) wrong(t *testing.T) []string {
	t.Helper()
	var p struct{ Errors []contract.Wrong }
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("not a problem: %s", r.body)
	}
	out := make([]string, 0, len(p.Errors))
	for _, e := range p.Errors {
		out = append(out, e.String())
	}
	return out
}

func validateCase(t *testing.T, lane change) {
	r := governed(t, lane, held(entry.Validate{}, orderContract()))
	const path, kind = "/demo/orders/v1/do/echo", "Content-Type: application/json"
	good := `{"item":"tea","count":2,"parts":[{"item":"bag","count":1}]}`
	if got := r.call(t, "POST", path+"?limit=5", good, kind); got.status != 200 || got.echo(t).Body != good {
		t.Errorf("as described: got %d %s", got.status, got.body)
	}
	for _, c := range []struct {
		name, path, body string
		headers          []string
		status           int
		code             string
		wrong            []string
	}{
		{"body", path, `{"item":"t","count":0,"mail":"x","parts":[{"item":7,"count":1}],"more":1}`, []string{kind}, 400, "request_invalid", []string{
			"body /item: has 1 characters; at least 2 are wanted", "body /count: is less than 1", "body /mail: is no email",
			"body /parts/0/item: is a number, not string", "body /more: is not one of the properties",
		}},
		{"missing", path, `{}`, []string{kind}, 400, "request_invalid", []string{"body /item: is missing", "body /count: is missing"}},
		{"nothing", path, "", nil, 400, "request_invalid", []string{"body: is missing"}},
		{"query and header", path + "?limit=500", good, []string{kind, "X-Trace: 7"}, 400, "request_invalid", []string{"query limit: is more than 100", "header X-Trace: is no uuid"}},
		{"no number", path + "?limit=many", good, []string{kind}, 400, "request_invalid", []string{"query limit: is a string, not integer"}},
		{"twice", path, `{"item":"tea","count":2,"count":-1}`, []string{kind}, 400, "request_invalid", []string{`body: is no JSON: the name "count" stands twice in one object at byte 34`}},
		{"media type", path, "a: 1", []string{"Content-Type: text/yaml"}, 415, "media_type_not_supported", []string{"header Content-Type: is none of application/json"}},
	} {
		got := r.call(t, "POST", c.path, c.body, c.headers...)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s", c.name, got.status, got.body)
			continue
		}
		if wrong := got.wrong(t); !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, wrong, c.wrong)
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/do/echo?limit=many", ""); got.status != 200 {
		t.Errorf("a route without the policy: got %d %s", got.status, got.body)
	}
}

// TestReportedRequestsPassAndAreCounted lets them through as they are.
func TestReportedRequestsPassAndAreCounted(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, held(entry.Validate{Request: "report", Answer: "report"}, orderContract()))
		got := r.call(t, "POST", "/demo/orders/v1/do/echo", `{"item":7}`, "Content-Type: application/json")
		if got.status != 200 || got.echo(t).Body != `{"item":7}` {
			t.Errorf("got %d %s", got.status, got.body)
		}
		counts := scrape(t, r.Collector())
		if counts["validation_reports_total request"] != 1 || counts["validation_reports_total answer"] != 1 {
			t.Errorf("got %v requests and %v answers, want one of each: no answer is described", counts["validation_reports_total request"], counts["validation_reports_total answer"])
		}
	})
}

// TestAnswersAreHeldToTheDocument refuses what the upstream should not say.
func TestAnswersAreHeldToTheDocument(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		describe := func(schema string) *entry.Contract {
			return &entry.Contract{Answers: []entry.ContractAnswer{{Status: "2XX", Content: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(schema)}}}}}
		}
		const path = "/demo/orders/v1/do/echo"
		refuse := entry.Validate{Request: "off", Answer: "refuse"}
		r := governed(t, lane, held(refuse, describe(`{"type":"object","required":["method","target"],"properties":{"method":{"const":"POST"}}}`)))
		if got := r.call(t, "POST", path, "x", "Accept-Encoding: dcb, br, gzip;q=0.5, *"); got.status != 200 || got.echo(t).Header["Accept-Encoding"][0] != "br, gzip;q=0.5" {
			t.Errorf("as described: got %d %s", got.status, got.body)
		}
		api := demoAPI(r.upstream.URL)
		held(refuse, describe(`{"type":"object","properties":{"target":{"type":"integer"}},"required":["nothing"]}`))(&api)
		r.serve(t, 3, item(t, 3, api))
		got := r.call(t, "POST", path, "")
		if want := []string{"body /nothing: is missing", "body /target: is a string, not integer"}; got.status != 502 || got.code() != "answer_invalid" || !slices.Equal(got.wrong(t), want) {
			t.Errorf("otherwise: got %d %s", got.status, got.body)
		}
		if strings.Contains(got.body, "X-Forwarded") {
			t.Error("what was held back is told")
		}
		if got := r.call(t, "POST", "/demo/orders/v1/do/upload", "x"); got.status != 502 || got.wrong(t)[0] != "header Content-Type: is none of application/json" {
			t.Errorf("another media type: got %d %s", got.status, got.body)
		}
	})
}

// TestStreamsPassUnread sends events through a route whose answers are validated.
func TestStreamsPassUnread(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		c := &entry.Contract{Answers: []entry.ContractAnswer{{Status: "200", Content: []entry.ContractContent{{Type: "text/event-stream", Schema: json.RawMessage(`{"type":"string"}`)}}}}}
		r := governed(t, lane, func(api *entry.API) {
			for i := range api.Routes {
				if api.Routes[i].Operation == "get" {
					api.Routes[i].Contract, api.Routes[i].Policies = c, []entry.Policy{{Config: &entry.Validate{Answer: "refuse"}}}
				}
			}
		})
		res, err := r.get("/demo/orders/v1/do/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("got %d", res.StatusCode)
		}
		buffer := make([]byte, 9)
		r.upstream.Release()
		if n, err := res.Body.Read(buffer); err != nil || string(buffer[:n]) != "data: 0\n\n" {
			t.Errorf("the first event, before the stream ends: got %q, %v", buffer[:n], err)
		}
		r.upstream.Release()
		r.upstream.Release()
	})
}

// TestLargeBodies is refused or passes whole, as the policy says, with and
// without a length.
func TestLargeBodies(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		body := `{"item":"` + strings.Repeat("x", 5000) + `","count":1}`
		for _, large := range []string{"error", "pass"} {
			r := governed(t, lane, held(entry.Validate{MaxBytes: 1000, Large: large}, orderContract()))
			for _, length := range []int64{int64(len(body)), -1} {
				req, err := http.NewRequest("POST", r.url+"/demo/orders/v1/do/echo", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.ContentLength = length
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				var got struct{ Code, Body string }
				err = json.NewDecoder(res.Body).Decode(&got)
				res.Body.Close()
				switch {
				case err != nil:
					t.Error(err)
				case large == "error" && (res.StatusCode != 400 || got.Code != "request_invalid"):
					t.Errorf("%s, length %d: got %d %s", large, length, res.StatusCode, got.Code)
				case large == "pass" && (res.StatusCode != 200 || got.Body != body):
					t.Errorf("%s, length %d: got %d and %d bytes of %d", large, length, res.StatusCode, len(got.Body), len(body))
				}
			}
		}
	})
}

// TestBombsAreRefusedSoon are bodies that would cost more than they are worth.
func TestBombsAreRefusedSoon(t *testing.T) {
	r := governed(t, func(*gateway.Config) {}, held(entry.Validate{MaxBytes: 8 << 20}, orderContract()))
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	for range 64 {
		w.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	w.Close()
	for _, c := range []struct {
		name, body string
		headers    []string
	}{
		{"deep", strings.Repeat(`{"parts":[`, 50_000), nil},
		{"many items", `{"item":"tea","count":1,"parts":[` + strings.Repeat("1,", 500_000) + `1]}`, nil},
		{"many errors", `{"item":"tea","count":1,"parts":[` + strings.Repeat("1,", 100_000) + `1]}`, nil},
		{"a number", `{"item":"tea","count":1e999999999}`, nil},
		{"gzip", zipped.String(), []string{"Content-Encoding: gzip"}},
		{"no gzip", "{}", []string{"Content-Encoding: gzip"}},
		{"unknown coding", "{}", []string{"Content-Encoding: rot13"}},
		{"half", `{"item":"te`, nil},
		{"no UTF-8", "{\"item\":\"\xff\xfe\",\"count\":1}", nil},
	} {
		got := r.call(t, "POST", "/demo/orders/v1/do/echo", c.body, append(c.headers, "Content-Type: application/json")...)
		if got.status != 400 || len(got.wrong(t)) == 0 || len(got.wrong(t)) > contract.MaxErrors || len(got.body) > 8000 {
			t.Errorf("%s: got %d %.300s", c.name, got.status, got.body)
		}
	}
	if n := r.upstream.Calls(); n != 0 {
		t.Errorf("%d of them reached the upstream", n)
	}
}

// TestUnknownParametersAreAnOption, and so is what is read-only.
func TestUnknownParametersAreAnOption(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint(strict), func(t *testing.T) {
			r := governed(t, func(*gateway.Config) {}, held(entry.Validate{RefuseUnknown: strict, Strict: strict}, orderContract()))
			want := 200
			if strict {
				want = 400
			}
			for path, body := range map[string]string{"?limits=5": `{"item":"tea","count":1}`, "": `{"id":"7","item":"tea","count":1}`} {
				if got := r.call(t, "POST", "/demo/orders/v1/do/echo"+path, body, "Content-Type: application/json"); got.status != want {
					t.Errorf("%q: got %d %s", path, got.status, got.body)
				}
			}
		})
	}
}

// TestExplainSaysWhatIsNotAsDescribed of both ways, where it was only reported.
func TestExplainSaysWhatIsNotAsDescribed(t *testing.T) {
	r := startExplaining(t)
	api := demoAPI(r.upstream.URL)
	c := orderContract()
	c.Answers = []entry.ContractAnswer{{Status: "200", Content: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"required":["nothing"]}`)}}}}
	held(entry.Validate{Request: "report", Answer: "report"}, c)(&api)
	r.put(t, 3, item(t, 3, api))
	got, way := r.explain(t, token(), "POST", "/demo/orders/v1/do/echo", `{"item":"tea","count":0}`, "Content-Type: application/json")
	if got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	var details []string
	for _, s := range way.Steps {
		if s.Step == string(entry.PolicyValidate) {
			details = append(details, s.Stage+": "+s.Detail)
		}
	}
	if want := []string{"shape: 1 wrong; body /count: is less than 1", "answer: 1 wrong; body /nothing: is missing"}; !slices.Equal(details, want) {
		t.Errorf("got %q, want %q", details, want)
	}
}

// TestValidationLeavesTheCallerItsCodings: what the upstream packs comes as it was
// packed, and what it does not pack another policy may, as the caller likes it.
func TestValidationLeavesTheCallerItsCodings(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		const path = "/demo/orders/v1/do/answer"
		asked := make(chan string, 1)
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Header.Get("Accept-Encoding") + r.Header.Get("Range")
			w.Header().Set("Content-Type", "application/json")
			body := []byte(`{"text":"` + strings.Repeat("a", 3000) + `"}`)
			if c, ok := coding.Parse(r.URL.Query().Get("in")); ok && c != 0 {
				w.Header().Set("Content-Encoding", c.String())
				packed, err := io.ReadAll(coding.NewPackers(coding.Fast, 1).Pack(c, io.NopCloser(bytes.NewReader(body)), false))
				if err != nil {
					t.Error(err)
				}
				body = packed
			}
			_, _ = w.Write(body)
		}))
		t.Cleanup(upstream.Close)
		describe := func(schema string) *entry.Contract {
			return &entry.Contract{Answers: []entry.ContractAnswer{{Status: "2XX", Content: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(schema)}}}}}
		}
		serving := func(schema string, more ...entry.Policy) *running {
			return governed(t, lane, func(api *entry.API) {
				held(entry.Validate{Request: "off", Answer: "refuse"}, describe(schema))(api)
				api.Upstreams[0].Targets[0].URL = upstream.URL
				api.Policies = append(api.Policies, more...)
			})
		}
		good, bad := `{"properties":{"text":{"minLength":3000}}}`, `{"properties":{"text":{"maxLength":3}}}`
		packing := serving(good, entry.Policy{Config: &entry.CompressPolicy{}})
		for _, c := range []struct{ accept, in, asked, got string }{
			{"dcb, zstd", "", "zstd", "zstd"}, // packed here
			{"dcb", "", "identity", ""},
			{"br", "br", "br", "br"}, // packed there
			{"zstd;q=0.5, gzip", "zstd", "zstd;q=0.5, gzip", "zstd"},
			{"gzip", "gzip", "gzip", "gzip"},
		} {
			got := packing.call(t, "POST", path+"?in="+c.in, "", "Accept-Encoding: "+c.accept, "Range: bytes=0-3")
			if saw := <-asked; saw != c.asked {
				t.Errorf("%s: the upstream was asked %q, want %q", c.accept, saw, c.asked)
			}
			if got.status != 200 || got.header.Get("Content-Encoding") != c.got {
				t.Errorf("%s: got %d in %q, want %q", c.accept, got.status, got.header.Get("Content-Encoding"), c.got)
			}
		}
		strict := serving(bad)
		for _, in := range []string{"", "br", "zstd", "gzip"} {
			got := strict.call(t, "POST", path+"?in="+in, "", "Accept-Encoding: br, zstd, gzip")
			<-asked
			if got.status != 502 || got.wrong(t)[0] != "body /text: has 3000 characters; at most 3 are allowed" {
				t.Errorf("what must not pass, in %q: got %d %s", in, got.status, got.body)
			}
		}
	})
}
