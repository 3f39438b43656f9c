package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
)

// TestNameOfGRPCIsNoWayRoundPoliciesAboutRequests calls JSON gRPC, which those
// policies leave alone.
func TestNameOfGRPCIsNoWayRoundPoliciesAboutRequests(t *testing.T) {
	const body = `{"role":"admin","q":"1' OR 1=1 UNION SELECT password FROM users--"}`
	contract := &entry.Contract{
		Body:    []entry.ContractContent{{Type: "application/grpc", Schema: json.RawMessage(`false`)}, {Type: "application/json", Schema: json.RawMessage(`false`)}},
		Answers: []entry.ContractAnswer{{Status: "200"}},
	}
	for name, c := range map[string]entry.PolicyConfig{
		"json_body": &entry.JSONBody{Omit: []string{"/role"}},
		"xml_json":  &entry.XMLJSON{Request: entry.ToXML, Root: "r"},
		"validate":  &entry.Validate{},
		"waf":       &entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5, ExcludeRules: []int{920420}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEachLane(t, func(t *testing.T, lane change) {
				o := newOrigin(t)
				seen := make(chan string, 10)
				o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
					var got [100]byte
					n2, _ := r.Body.Read(got[:])
					seen <- string(got[:n2])
					w.Header().Set("Content-Type", "application/grpc")
				})
				r := governed(t, lane, func(api *entry.API) {
					api.Upstreams[0].Targets[0].URL = o.URL
					for i := range api.Routes {
						if api.Routes[i].Operation == "do" {
							api.Routes[i].Contract = contract
							api.Routes[i].Policies = []entry.Policy{{Config: c}}
						}
					}
				})
				for _, media := range []string{"application/grpc", "application/grpc+json", "application/grpc-web-text"} {
					for _, text := range []string{body, body + strings.Repeat(" ", 20_000)} { // whole, and as it streams
						got := r.call(t, "POST", echoPath, text, "Content-Type: "+media, "User-Agent: curl/8", "Accept: */*")
						if got.header.Get("X-Portico-Code") != "request_invalid" {
							t.Errorf("%s: got %d %v %s", media, got.status, got.header, got.body)
						}
					}
				}
				framed := "\x00\x00\x00\x00\x02hi"
				if got := r.call(t, "POST", echoPath, framed, "Content-Type: application/grpc", "User-Agent: curl/8", "Accept: */*"); got.status != 200 || got.header.Get("X-Portico-Code") != "" {
					t.Errorf("gRPC: got %d %v", got.status, got.header)
				}
				for {
					select {
					case text := <-seen:
						if strings.Contains(text, "admin") {
							t.Errorf("the upstream saw %q", text)
						}
						if text == framed {
							return
						}
					case <-time.After(10 * time.Second):
						t.Fatal("the upstream never saw the message")
					}
				}
			})
		})
	}
}

// TestNameOfAnythingIsNoWayRoundPoliciesAboutAnswers asks for a part, and says that
// it is gRPC, or wants another protocol.
func TestNameOfAnythingIsNoWayRoundPoliciesAboutAnswers(t *testing.T) {
	contract := &entry.Contract{Answers: []entry.ContractAnswer{
		{Status: "2XX", Content: []entry.ContractContent{{Type: "application/json", Schema: json.RawMessage(`{"type":"object","required":["missing"]}`)}}},
	}}
	for name, c := range map[string]entry.PolicyConfig{
		"json_answer": &entry.JSONAnswer{Omit: []string{"/secret"}, Unreadable: "pass"},
		"xml_json":    &entry.XMLJSON{Answer: entry.ToXML, AnswerRoot: "r", Unreadable: "pass"},
		"validate":    &entry.Validate{Answer: "refuse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := func(t *testing.T, lane change, names ...[]string) {
				up := answering(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					text := `{"secret":1}`
					if strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
						w.Header().Set("Content-Encoding", "br")
					}
					http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
				})
				r := governed(t, lane, func(api *entry.API) {
					api.Upstreams[0].Targets[0].URL = up
					for i := range api.Routes {
						if api.Routes[i].Operation == "get" {
							api.Routes[i].Contract = contract
							api.Routes[i].Policies = []entry.Policy{{Config: c}}
						}
					}
				})
				for _, n := range names {
					for _, more := range [][]string{{"Range: bytes=0-"}, {"Accept-Encoding: br"}, {"A: b"}} {
						got := r.call(t, "GET", "/demo/orders/v1/do/it", "", append(more, n...)...)
						if strings.Contains(got.body, `"secret"`) {
							t.Errorf("%v: got %d %v %s", append(more, n...), got.status, got.header, got.body)
						}
					}
				}
			}
			plain := []string{"A: b"}
			inEachLane(t, func(t *testing.T, lane change) { test(t, lane, plain, []string{"Content-Type: application/grpc"}) })
			inHTTP1(t, func(t *testing.T, lane change) { test(t, lane, []string{"Connection: Upgrade", "Upgrade: x"}) })
		})
	}
}
