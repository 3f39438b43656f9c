package policy_test

import (
	"net/url"
	"testing"

	"portico/gateway/policy"
)

// FuzzQuery: a query that net/url can read says the same to both.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a=b&a=c", "a%20b=1&a+b=2", "a&b=&=c", "%61=%zz", "a=b=c&&", "a;b=c"} {
		f.Add(s, "a")
		f.Add(s, "a b")
	}
	f.Fuzz(func(t *testing.T, query, name string) {
		raw, count := policy.QueryValue(query, name)
		if text, err := url.QueryUnescape(query); err == nil && (!policy.QueryEqual(query, text) || policy.QueryEqual(query, text+"a") || text != name && policy.QueryEqual(query, name)) {
			t.Fatalf("%q is not %q, or is more", query, text)
		}
		want, err := url.ParseQuery(query)
		if err != nil || name == "" { // net/url has no name that stands between two &
			return
		}
		if count != len(want[name]) || count > 0 && !policy.QueryEqual(raw, want[name][0]) {
			t.Fatalf("%q: %s is %q, %d times, net/url has %q", query, name, raw, count, want[name])
		}
	})
}
