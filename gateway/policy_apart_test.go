package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/test/fake"
)

// TestPartOfAStoredAnswerIsNoWayRoundWhatChangesIt asks a cache for a range of
// what is changed after it.
func TestPartOfAStoredAnswerIsNoWayRoundWhatChangesIt(t *testing.T) {
	for name, c := range map[string]struct {
		change entry.PolicyConfig
		media  string
	}{
		"json_answer": {&entry.JSONAnswer{Omit: []string{"/secret"}}, "application/json"},
		"xml_json":    {&entry.XMLJSON{Answer: entry.ToXML, AnswerRoot: "r"}, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEachLane(t, func(t *testing.T, lane change) {
				o := newOrigin(t)
				o.do(func(w http.ResponseWriter, r *http.Request, _ int64) {
					w.Header().Set("Content-Type", c.media)
					w.Header().Set("Cache-Control", "max-age=60")
					fmt.Fprint(w, `{"secret":1,"name":"x"}`)
				})
				r, _ := caching(t, lane, o, entry.CachePolicy{}, func(api *entry.API) {
					api.Policies = append(api.Policies, entry.Policy{Config: c.change})
				})
				whole := r.call(t, "GET", cachedPath, "")
				for range 2 {
					got := r.call(t, "GET", cachedPath, "", "Range: bytes=0-")
					if got.status != 200 || got.body != whole.body {
						t.Errorf("got %d %q %v, want %q", got.status, got.body, got.header, whole.body)
					}
				}
				if o.calls.Load() != 1 {
					t.Errorf("the upstream got %d calls, want 1", o.calls.Load())
				}
			})
		})
	}
}

// TestNoAnswerCrossesWhatTheUpstreamIsTold has answers depend on what the gateway
// says of the caller, and the policies behind the cache make of the call.
func TestNoAnswerCrossesWhatTheUpstreamIsTold(t *testing.T) {
	set := func(name, value string) []entry.NamedValue { return []entry.NamedValue{{Name: name, Value: value}} }
	for name, c := range map[string]struct {
		vary    string
		behind  entry.PolicyConfig
		headers [2]string
		shared  bool
	}{
		"the caller's address":           {vary: "X-Forwarded-For"},
		"its address by another name":    {vary: "x-real-ip"},
		"a request id":                   {vary: "X-Request-Id"},
		"a header that is made of one":   {vary: "X-Zone", behind: &entry.HeadersPolicy{Set: set("X-Zone", "${header.X-Region}")}, headers: [2]string{"X-Region: eu", "X-Region: us"}},
		"a parameter made of a header":   {behind: &entry.QueryPolicy{Set: set("zone", "${header.X-Region}")}, headers: [2]string{"X-Region: eu", "X-Region: us"}},
		"the same, of one header":        {behind: &entry.QueryPolicy{Set: set("zone", "${header.X-Region}")}, headers: [2]string{"X-Region: eu", "X-Region: eu"}, shared: true},
		"a header's fixed value":         {behind: &entry.HeadersPolicy{Set: set("X-Zone", "eu")}, headers: [2]string{"X-Region: eu", "X-Region: us"}, shared: true},
		"a parameter's fixed value":      {behind: &entry.QueryPolicy{Set: set("zone", "eu")}, headers: [2]string{"X-Region: eu", "X-Region: us"}, shared: true},
		"what is asked for by a change":  {vary: "Accept-Encoding", behind: &entry.JSONAnswer{Omit: []string{"/x"}}, shared: true},
		"another header of the caller's": {vary: "X-Region", headers: [2]string{"X-Region: eu", "X-Region: us"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, "Cache-Control: max-age=60")
			if c.vary != "" {
				o.do(says("Cache-Control: max-age=60", "Vary: "+c.vary))
			}
			r, _ := caching(t, noLane, o, entry.CachePolicy{}, func(api *entry.API) {
				if c.behind != nil {
					api.Policies = append(api.Policies, entry.Policy{Config: c.behind})
				}
			})
			for i, header := range c.headers {
				if header == "" {
					header = "X-Any: 1"
				}
				want := fmt.Sprintf("answer %04d", i+1)
				if c.shared {
					want = "answer 0001"
				}
				if got := r.call(t, "GET", cachedPath, "", header); got.body != want {
					t.Errorf("call %d: got %q, want %q", i+1, got.body, want)
				}
			}
		})
	}
}

// TestAnswersSayByWhatCallsAreToldApart is for caches before the gateway.
func TestAnswersSayByWhatCallsAreToldApart(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.BasicPolicy{}})
			byHeader := []entry.Predicate{{In: "header", Name: "X-Target", Value: "a"}}
			api.Routes = append(api.Routes,
				entry.Route{Operation: "open_a", Method: "GET", Path: "/open", Upstream: "main", Public: true, Predicates: byHeader},
				entry.Route{Operation: "own", Method: "GET", Path: "/own", Upstream: "main", Policies: []entry.Policy{
					{Config: &entry.KeyPolicy{Header: "X-Own"}}, {Config: &entry.SignaturePolicy{}}, {Config: &entry.AnonymousPolicy{}},
				}})
		})
		for _, c := range []struct{ path, header, vary string }{
			{"/orders", "X-API-Key: " + goodKey, "Authorization, X-API-Key"},
			{"/open", "A: b", "X-Target"},
			{"/open", "X-Target: a", "X-Target"},
			{"/own", "A: b", "X-Own, Signature-Input"},
			{"/do/it", "A: b", ""},
		} {
			got := r.call(t, "GET", "/demo/orders/v1"+c.path, "", c.header)
			if vary := strings.Join(got.header.Values("Vary"), ", "); got.status != 200 || vary != c.vary {
				t.Errorf("%s: got %d, Vary %q, want %q", c.path, got.status, vary, c.vary)
			}
		}
	})
}

// TestAnswersDependOnIdentityTokensWhereTheySaySo caches what an upstream has made for
// whom a token of the gateway names.
func TestAnswersDependOnIdentityTokensWhereTheySaySo(t *testing.T) {
	for _, header := range []string{"Authorization", "X-Portico-Identity"} {
		for _, public := range []bool{false, true} {
			t.Run(fmt.Sprint(header, ", public: ", public), func(t *testing.T) {
				o := newOrigin(t)
				o.do(says("Cache-Control: max-age=60", "Vary: "+header))
				r := startExplaining(t)
				api := demoAPI(o.URL)
				api.Policies = append(api.Policies, entry.Policy{Config: &entry.CachePolicy{Public: public}}, entry.Policy{Config: &entry.IdentityToken{Audience: "orders", Header: header}})
				r.putAPI(t, 3, api)
				other := demoGrant()
				other.Credential, other.Application = uuid(310), uuid(311)
				r.serve(t, 4, grantItem(t, 4, mint(2), other))
				for i, c := range []struct{ key, want, public string }{
					{goodKey, "answer 0001", "answer 0001"}, {goodKey, "answer 0001", "answer 0002"}, {mint(2), "answer 0002", "answer 0003"},
				} {
					want := c.want
					if public {
						want = c.public
					}
					if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+c.key); got.body != want {
						t.Errorf("call %d: got %d %q, want %q", i+1, got.status, got.body, want)
					}
				}
			})
		}
	}
}

// TestHalfACredentialIsNoneOfAnonymous sends what was meant as a credential to an
// API that lets callers through without one.
func TestHalfACredentialIsNoneOfAnonymous(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		i := fake.NewIssuer(t, "ES256")
		r := governed(t, fetching(lane), func(api *entry.API) {
			api.Policies = []entry.Policy{
				{Config: &entry.KeyPolicy{Bearer: true, Header: "X-API-Key", Query: "api_key"}},
				{Config: tokensOf(i)},
				{Config: &entry.BasicPolicy{}},
				{Config: &entry.SignaturePolicy{Form: "simple"}},
				{Config: &entry.AnonymousPolicy{}},
			}
		})
		if got := r.call(t, "GET", "/demo/orders/v1/orders", ""); got.status != 200 {
			t.Fatalf("with none: got %d %s", got.status, got.body)
		}
		for _, header := range []string{
			"Authorization: Bearer", "Authorization: bearer x", "Authorization: Bearer x.y", "Authorization: Bearer\tx", "Authorization: Basic", "Authorization: Basic !", "Authorization: Basic\tx",
			"X-API-Key: ", "X-API-Key: x", "X-Signature: 00", "X-Key-Id: me",
		} {
			if got := r.call(t, "GET", "/demo/orders/v1/orders", "", header); got.status != 401 || got.code() != "credential_invalid" {
				t.Errorf("%q: got %d %s", header, got.status, got.body)
			}
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders?api_key=", ""); got.status != 401 {
			t.Errorf("an empty parameter: got %d %s", got.status, got.body)
		}
	})
}

// TestErrorPageIsOfTheCallersMediaType has other policies touch what it goes by.
func TestErrorPageIsOfTheCallersMediaType(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Vary", "X-One")
			w.Header().Add("Vary", "X-Two, accept")
			w.WriteHeader(500)
		}, &entry.XMLJSON{Answer: entry.ToJSON, Root: "r"}, &entry.ErrorPage{Statuses: []string{"5xx"}, Upstream: true, HTML: "<p>page</p>", JSON: json.RawMessage(`{"page":1}`)})
		got := r.call(t, "GET", "/demo/orders/v1/open", "", "Accept: text/html")
		if got.status != 500 || got.body != "<p>page</p>" {
			t.Errorf("got %d %v %s", got.status, got.header, got.body)
		}
		if vary := strings.Join(got.header.Values("Vary"), ", "); vary != "X-One, X-Two, accept" {
			t.Errorf("Vary is %q", vary)
		}
	})
}

// TestWhatIsPackedSaysSoWithoutABody asks for the heads alone.
func TestWhatIsPackedSaysSoWithoutABody(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		o := newOrigin(t)
		o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(304)
				return
			}
			texts(prose(5000), "ETag: \"1\"")(w, r, n)
		})
		r := compressing(t, lane, o, entry.CompressPolicy{})
		full := r.call(t, "GET", cachedPath, "", "Accept-Encoding: gzip")
		head := r.call(t, "HEAD", cachedPath, "", "Accept-Encoding: gzip")
		for _, name := range []string{"Vary", "Etag", "Content-Encoding"} {
			if got, want := head.header.Get(name), full.header.Get(name); got != want {
				t.Errorf("HEAD: %s is %q, and %q of GET", name, got, want)
			}
		}
		if length := head.header.Get("Content-Length"); length != "" {
			t.Errorf("HEAD: Content-Length is %s, of what is not packed", length)
		}
		known := r.call(t, "GET", cachedPath, "", "Accept-Encoding: gzip", `If-None-Match: W/"1"`)
		if known.status != 304 || known.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("known: got %d %v", known.status, known.header)
		}
	})
}

// TestEveryPageMayReadWhatAnotherHasStored asks without an origin for what a
// browser may show to pages of any.
func TestEveryPageMayReadWhatAnotherHasStored(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, &entry.CORSPolicy{Origins: []string{"*"}})
		got := r.call(t, "GET", "/demo/orders/v1/open", "")
		if got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("got %v", got.header)
		}
	})
}
