package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
)

// expecting sends a head that waits for 100 Continue, and returns the first line
// of what comes.
func (r *running) expecting(t *testing.T, path string, length int, headers ...string) (string, *bufio.Reader, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nAccept: */*\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", path, length)
	for _, h := range headers {
		fmt.Fprintf(conn, "%s\r\n", h)
	}
	fmt.Fprint(conn, "\r\n")
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), in, conn
}

// TestABodyThatAPolicyReadsIsAskedForAtOnceAndOfNobodyUnknown holds for every
// policy that reads bodies.
func TestABodyThatAPolicyReadsIsAskedForAtOnceAndOfNobodyUnknown(t *testing.T) {
	contract := &entry.Contract{Body: []entry.ContractContent{{Type: "application/json", Schema: []byte(`{"type":"object"}`)}}}
	for name, policy := range map[string]entry.PolicyConfig{
		"validate":  &entry.Validate{},
		"json_body": &entry.JSONBody{Merge: []byte(`{"b":1}`)},
		"waf":       &entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5},
		"xml_json":  &entry.XMLJSON{Request: entry.ToXML},
	} {
		t.Run(name, func(t *testing.T) {
			inHTTP1(t, func(t *testing.T, lane change) {
				r := governed(t, lane, func(api *entry.API) {
					for i := range api.Routes {
						if api.Routes[i].Operation == "create" {
							api.Routes[i].Contract, api.Routes[i].Policies = contract, []entry.Policy{{Config: policy}}
						}
					}
				})
				const path, kind, body = "/demo/orders/v1/orders", "Content-Type: application/json", `{"a":1}`
				if line, _, _ := r.expecting(t, path, len(body), kind, "X-API-Key: wrong"); line != "HTTP/1.1 401 Unauthorized" {
					t.Errorf("of a caller that is not known: got %q", line)
				}
				line, in, conn := r.expecting(t, path, len(body), kind, "X-API-Key: "+goodKey)
				if line != "HTTP/1.1 100 Continue" {
					t.Fatalf("of a caller that is known: got %q", line)
				}
				fmt.Fprint(conn, body)
				if _, err := in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil || res.StatusCode != 200 {
					t.Fatalf("got %v %v", res, err)
				}
				text, err := io.ReadAll(res.Body)
				if err != nil || strings.Contains(string(text), `"Expect"`) {
					t.Errorf("the upstream was asked whether it wants a body that is there, which may take it a second: it saw %s, %v", text, err)
				}
			})
		})
	}
}

// TestTheFirewallSeesBodiesThatWait lets nobody past it by Expect.
func TestTheFirewallSeesBodiesThatWait(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.WAF{Mode: "block", Paranoia: 1, Threshold: 5}})
		})
		body := "q=" + url.QueryEscape(injection)
		form := "Content-Type: application/x-www-form-urlencoded"
		line, in, conn := r.expecting(t, do+"echo", len(body), form)
		if line != "HTTP/1.1 100 Continue" {
			t.Fatalf("got %q", line)
		}
		fmt.Fprint(conn, body)
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 403 {
			t.Errorf("an attack in the body: got %v %v", res, err)
		}
		if line, _, _ := r.expecting(t, do+"echo?"+body, 5, form); line != "HTTP/1.1 403 Forbidden" {
			t.Errorf("an attack in the head: got %q", line)
		}
		if n := r.upstream.Calls(); n != 0 {
			t.Errorf("%d calls reached the upstream", n)
		}
	})
}
