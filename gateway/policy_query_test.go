package gateway_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
)

func queryCase(t *testing.T, lane change) {
	r := governed(t, lane, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.QueryPolicy{
			Set:    []entry.NamedValue{{Name: "format", Value: "json"}, {Name: "who", Value: "${caller.application}"}},
			Add:    []entry.NamedValue{{Name: "id", Value: "${param.what}"}, {Name: "was", Value: "${query.q}"}},
			Rename: []entry.Renaming{{From: "q", To: "search"}},
			Remove: []string{"utm_*", "a.b"},
		}})
	})
	for _, c := range [][2]string{
		{"", "format=json&id=x%20y"},
		{"?a=1&b=%2f+%20&c&=d&&e=", "a=1&b=%2f+%20&c&=d&&e=&format=json&id=x%20y"},
		{"?&a=1&", "&a=1&&format=json&id=x%20y"},
		{"?format=xml&a=1&form%61t=csv", "format=json&a=1&id=x%20y"},
		{"?who=forged&a=1", "a=1&format=json&id=x%20y"},
		{"?q=one%2Ftwo&search=old&a=1&q", "search=one%2Ftwo&a=1&search&format=json&id=x%20y&was=one%2Ftwo"},
		{"?search=old", "search=old&format=json&id=x%20y"},
		{"?utm_source=x&utm%5Fcampaign=y&utm=z&a%2eb=1&a=2", "utm=z&a=2&format=json&id=x%20y"},
		{"?q=a%26format%3Dxml%23%0d%0a", "search=a%26format%3Dxml%23%0d%0a&format=json&id=x%20y&was=a%26format%3Dxml%23%0D%0A"},
	} {
		got := r.call(t, "GET", "/demo/orders/v1/do/x%20y"+c[0], "")
		if _, query, _ := strings.Cut(got.echo(t).Target, "?"); query != c[1] {
			t.Errorf("%s: the upstream saw %q, want %q", c[0], query, c[1])
		}
	}
	if got := r.call(t, "GET", "/demo/orders/v1/orders?who=forged", "", "X-API-Key: "+goodKey).echo(t); got.Target != "/orders?who=App&format=json" {
		t.Errorf("the upstream saw %q", got.Target)
	}
	if got := r.call(t, "GET", "/demo/orders/v1/do/x?q="+strings.Repeat("a", 8<<10+1), ""); got.status != 400 || got.code() != "request_invalid" {
		t.Errorf("too long: got %d %s", got.status, got.body)
	}
}
