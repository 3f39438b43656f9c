package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

func errorPageCase(t *testing.T, lane change) {
	r := shaped(t, lane, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(503)
		io.WriteString(w, "stack trace")
	}, &entry.ErrorPage{
		Statuses: []string{"4xx", "503"}, Upstream: true,
		JSON: json.RawMessage(`{"error":"${problem.code}","is":"${problem.status}","at":"${request.path}"}`),
		HTML: `<h1>${problem.title}</h1><p>${request.query.q}</p>`,
		Text: `${problem.code}: ${problem.detail}`,
	})
	const path = "/demo/orders/v1/orders"
	for _, c := range []struct{ accept, media, body string }{
		{"", "application/json", `{"at":"` + path + `","error":"credential_missing","is":401}`},
		{"*/*", "application/json", `{"at":"` + path + `","error":"credential_missing","is":401}`},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8", `<h1>Unauthorized</h1><p>&lt;script&gt;</p>`},
		{"text/plain;q=0.5, text/html;q=0.4", "text/plain; charset=utf-8", `credential_missing: `},
		{"text/*;q=0.5, text/html;q=0, application/json;q=0.2", "text/plain; charset=utf-8", `credential_missing: `},
		{"image/png", "application/json", `{"at":`},
		{"text/html;q=x, */*;q=0.1", "application/json", `{"at":`},
	} {
		headers := []string{"X-None: 1"}
		if c.accept != "" {
			headers = append(headers, "Accept: "+c.accept)
		}
		got := r.call(t, "GET", path+"?q=%3Cscript%3E", "", headers...)
		if got.status != 401 || got.header.Get("Content-Type") != c.media || !strings.HasPrefix(got.body, c.body) || got.header.Get("WWW-Authenticate") == "" || got.header.Get("Vary") != "Accept" {
			t.Errorf("%q: got %d %v %s, want %s %s", c.accept, got.status, got.header, got.body, c.media, c.body)
		}
	}
	got := r.call(t, "GET", "/demo/orders/v1/open", "")
	if got.status != 503 || got.body != `{"at":"/demo/orders/v1/open","error":"upstream_answered","is":503}` || got.header.Get("ETag") != "" || got.header.Get("Retry-After") != "9" {
		t.Errorf("the upstream's: got %d %v %s", got.status, got.header, got.body)
	}
	if got := r.call(t, "HEAD", path, ""); got.status != 401 || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: got %d %v", got.status, got.header)
	}
	grpc := r.call(t, "POST", path, "", "Content-Type: application/grpc")
	if grpc.status != 200 || grpc.header.Get("Grpc-Status") != "16" && grpc.header.Get("Grpc-Status") != "2" || grpc.body != "" {
		t.Errorf("gRPC: got %d %v %s", grpc.status, grpc.header, grpc.body)
	}
}

func TestNearestErrorPageIsKept(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		page := func(name string, statuses ...string) entry.Policy {
			return entry.Policy{Config: &entry.ErrorPage{Statuses: statuses, Text: name, JSON: json.RawMessage(`{"page":"` + name + `"}`), Status: 404}}
		}
		env := environment()
		env.Policies = []entry.Policy{page("environment", "4xx")}
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, page("api", "401"), page("api's second", "401"))
			for i := range api.Routes {
				if api.Routes[i].Operation == "show" {
					api.Routes[i].Policies = []entry.Policy{page("route", "401")}
				}
			}
		}, item(t, 2, env))
		for path, want := range map[string]string{
			"/demo/orders/v1/orders": "api", "/demo/orders/v1/orders/7": "route", "/demo/orders/v1/nothing": "environment", "/nothing": "environment",
		} {
			if got := r.call(t, "GET", path, ""); got.status != 404 || got.body != `{"page":"`+want+`"}` {
				t.Errorf("%s: got %d %s, want %s", path, got.status, got.body, want)
			}
		}
	})
}

func TestProblemKeepsItsFormUnderAnotherStatus(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, nil, &entry.ErrorPage{Statuses: []string{"401"}, Codes: []string{"credential_missing"}, Status: 404})
		got := r.call(t, "GET", "/demo/orders/v1/orders", "")
		if got.status != 404 || got.code() != "credential_missing" || got.header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(got.body, `"status":404`) || !strings.Contains(got.body, `"type":"http://127.0.0.1:8081/problems/credential_missing"`) {
			t.Errorf("got %d %v %s", got.status, got.header, got.body)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: x"); got.status != 401 {
			t.Errorf("another code: got %d %s", got.status, got.body)
		}
	})
}
