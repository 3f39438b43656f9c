package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/test/process"
)

// TestBadFieldsAreNamed sends what is wrong and wants the field's name back.
func TestBadFieldsAreNamed(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	before := p.ResidentMB()
	version := a.do("GET", "/tenants/demo/apis/parcels", nil).Versions[0].ID
	const tenant, jsonType = "/tenants/demo", "application/json"
	for _, c := range []struct {
		name, method, path, media, body string
		status                          int
		says                            []string
	}{
		{"half an object", "POST", tenant + "/products", jsonType, `{"name":"x"`, 400, []string{"malformed_json"}},
		{"two values", "POST", tenant + "/products", jsonType, `{"name":"x"} {}`, 400, []string{"malformed_json"}},
		{"not UTF-8", "POST", tenant + "/products", jsonType, "{\"name\":\"\xff\xfe\"}", 400, []string{"malformed_json"}},
		{"a list", "POST", tenant + "/products", jsonType, `[]`, 422, nil},
		{"null", "POST", tenant + "/products", jsonType, `null`, 422, nil},
		{"no body", "POST", tenant + "/products", jsonType, "", 400, []string{"malformed_json"}},
		{"a form", "POST", tenant + "/products", "application/x-www-form-urlencoded", "name=x", 415, []string{"application/json"}},
		{"text", "POST", tenant + "/products", "text/plain", `{"name":"x"}`, 415, []string{"application/json"}},
		{"unknown fields", "POST", tenant + "/products", jsonType, `{"name":"x","nmae":"y","owner_id":1}`, 422, []string{"nmae", "owner_id"}},
		{"an unknown field inside", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","limits":[{"requests":1,"period_ms":1000,"every":"s"}]}`, 422, []string{"limits[0].every"}},
		{"a repeated field", "POST", tenant + "/products", jsonType, `{"name":"x","name":"y"}`, 422, []string{"name"}},
		{"another type", "POST", tenant + "/products", jsonType, `{"name":7,"listed":"yes"}`, 422, []string{"name", "listed"}},
		{"a name of spaces", "POST", tenant + "/products", jsonType, `{"name":"   "}`, 422, []string{"name"}},
		{"a long name", "POST", tenant + "/products", jsonType, `{"name":"` + strings.Repeat("n", 5000) + `"}`, 422, []string{"name"}},
		{"a bad slug", "POST", tenant + "/products", jsonType, `{"name":"x","slug":"Not A Slug"}`, 422, []string{"slug"}},
		{"unknown visibility", "POST", tenant + "/products", jsonType, `{"name":"x","visibility":"secret"}`, 422, []string{"visibility"}},
		{"a version that is not there", "POST", tenant + "/products", jsonType, `{"name":"x","versions":["ver_00000000000000000000000000000000"]}`, 422, []string{"versions"}},
		{"no id of a version", "POST", tenant + "/products", jsonType, `{"name":"x","versions":["parcels"]}`, 422, []string{"versions"}},
		{"a negative limit", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"","limits":[{"requests":-1,"period_ms":1000,"burst":-1}]}`, 422, []string{"name", "limits[0].requests", "limits[0].burst"}},
		{"no period", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","limits":[{"requests":1,"period_ms":0}]}`, 422, []string{"limits[0].period_ms"}},
		{"a huge number", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","limits":[{"requests":1e400,"period_ms":1000}]}`, 422, []string{"limits[0].requests"}},
		{"unknown approval", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","approval":"never"}`, 422, []string{"approval"}},
		{"a plan closed from the start", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","state":"closed"}`, 422, []string{"state"}},
		{"a duplicate product", "POST", tenant + "/products", jsonType, `{"name":"x","slug":"shop"}`, 422, []string{"slug", "taken"}},
		{"a duplicate plan", "POST", tenant + "/products/shop/plans", jsonType, `{"name":"x","slug":"all"}`, 422, []string{"slug", "taken"}},
		{"a duplicate application", "POST", tenant + "/applications", jsonType, `{"name":"x","slug":"shop"}`, 422, []string{"slug", "taken"}},
		{"a duplicate tenant", "POST", "/tenants", jsonType, `{"name":"x","slug":"demo"}`, 422, []string{"slug", "taken"}},
		{"a reserved tenant", "POST", "/tenants", jsonType, `{"name":"x","slug":"api"}`, 422, []string{"slug", "reserved"}},
		{"an expiry in the past", "POST", tenant + "/applications/shop/credentials", jsonType, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`, 422, []string{"expires_at"}},
		{"no time", "POST", tenant + "/applications/shop/credentials", jsonType, `{"name":"x","expires_at":"tomorrow"}`, 422, []string{"expires_at"}},
		{"an unknown environment", "POST", tenant + "/applications/shop/credentials", jsonType, `{"name":"x","environment":"moon"}`, 422, []string{"environment"}},
		{"a request without a reason", "POST", tenant + "/subscriptions", jsonType, `{"application":"` + o.app + `","plan":"` + o.plan + `"}`, 422, []string{"reason"}},
		{"a request for nothing", "POST", tenant + "/subscriptions", jsonType, `{}`, 422, []string{"application", "plan"}},
		{"a rejection without a reason", "POST", tenant + "/subscriptions/" + o.request(a) + "/reject", jsonType, `{"reason":" "}`, 422, []string{"reason"}},
		{"publish to nowhere", "POST", tenant + "/versions/" + version + "/publish", jsonType, `{"environment":"moon"}`, 422, []string{"environment"}},
		{"a revision that is not there", "POST", tenant + "/versions/" + version + "/roll-back", jsonType, `{"environment":"production","revision":99}`, 0, []string{"revision"}},
		{"a sunset in the past", "POST", tenant + "/versions/" + version + "/deprecate", jsonType, `{"sunset_at":"2001-01-01T00:00:00Z"}`, 422, []string{"sunset_at"}},
		{"a bad upstream", "PATCH", tenant + "/versions/" + version + "/draft", jsonType, `{"upstream_urls":["ftp://x","http://u:p@x"]}`, 422, []string{"upstream_urls[0]", "upstream_urls[1]"}},
		{"an operation that is not there", "PATCH", tenant + "/versions/" + version + "/draft", jsonType, `{"public":{"nothing":true}}`, 422, []string{"public"}},
		{"an old ETag", "PATCH", tenant + "/apis/parcels", jsonType, `{"name":"Parcels"}`, 412, []string{"changed_meanwhile"}},
		{"an unknown parameter", "GET", tenant + "/apis?stat=draft", "", "", 422, []string{"stat"}},
		{"a bad limit", "GET", tenant + "/apis?limit=1000", "", "", 422, []string{"limit"}},
		{"a bad cursor", "GET", tenant + "/apis?cursor=%00%ff", "", "", 422, []string{"cursor"}},
		{"a bad wait", "POST", tenant + "/versions/" + version + "/publish?wait=forever", jsonType, `{"environment":"production"}`, 422, []string{"wait"}},
		{"a bad timeout", "POST", tenant + "/versions/" + version + "/publish?wait=applied&timeout_ms=-1", jsonType, `{"environment":"production"}`, 422, []string{"timeout_ms"}},
		{"no such path", "GET", "/nothing", "", "", 404, []string{"no_route"}},
		{"no such method", "DELETE", tenant, "", "", 405, []string{"method_not_allowed"}},
		{"no such tenant", "GET", "/tenants/nobody", "", "", 404, nil},
		{"no such API", "GET", tenant + "/apis/nothing", "", "", 404, nil},
		{"an id of another kind", "GET", tenant + "/versions/" + o.app, "", "", 404, nil},
		{"half an id", "GET", tenant + "/versions/ver_01", "", "", 404, nil},
		{"an id in capitals", "GET", tenant + "/versions/" + strings.ToUpper(version), "", "", 404, nil},
		{"an id with a quote", "GET", tenant + "/subscriptions/sub_'%20OR%201=1--", "", "", 404, nil},
		{"an escaped slash", "GET", tenant + "/apis/..%2f..%2fwhoami", "", "", 404, nil},
		{"2 MiB", "POST", tenant + "/products", jsonType, `{"name":"` + strings.Repeat("n", 2<<20) + `"}`, 413, []string{"large"}},
		{"200,000 deep", "POST", tenant + "/products", jsonType, `{"name":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := api{t, a.API}
			body := strings.NewReader(c.body)
			req := a.request(c.method, c.path, c.media, body)
			if c.name == "an old ETag" {
				req.Header.Set("If-Match", `"999"`)
			}
			got := roundTrip(t, req)
			refusal := got.problem(t)
			if got.status != c.status && (c.status != 0 || got.status < 400 || got.status > 499) {
				t.Errorf("got %d %.600s, want %d", got.status, got.body, c.status)
			}
			for _, want := range c.says {
				if !refusal.says(want) {
					t.Errorf("got %.600s, want it to say %q", got.body, want)
				}
			}
			if len(got.body) > 8<<10 {
				t.Errorf("a refusal of %d bytes", len(got.body))
			}
		})
	}
	if after := p.ResidentMB(); after > before+150 {
		t.Errorf("resident memory went from %.0f to %.0f MB", before, after)
	}
	if status, _ := call(t, p.Gateway+"/demo/parcels/v1/parcels", p.Key); status != http.StatusOK {
		t.Errorf("the demo after all this: got %d", status)
	}
}
