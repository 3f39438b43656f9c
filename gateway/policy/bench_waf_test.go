package policy_test

import (
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/gateway/waf"
	"portico/internal/entry"
)

// BenchmarkWAF is a call without a body, and one with 1 KB of JSON in 51 values,
// which is what it looks at one by one, at each level of paranoia that is advised.
func BenchmarkWAF(b *testing.B) {
	rules := new(waf.Set)
	for name, level := range map[string]int{"paranoia 1": 1, "paranoia 2": 2} {
		if err := rules.Prepare(level); err != nil {
			b.Fatal(err)
		}
		config := &entry.WAF{Mode: "observe", Paranoia: level, Threshold: 5}
		b.Run(name, func(b *testing.B) {
			benchPassesWith(b, policy.Tools{WAF: rules}, config, func(ex *policy.Exchange) {
				ex.Target, ex.Proto, ex.Authority = "/orders/4711?a=b&page=2", "HTTP/1.1", "api.example.com"
			})
		})
		body, at := `{"lines": [`+strings.TrimSuffix(strings.Repeat(`{"sku": "ABC-0001", "count": 12, "note": "as a gift, please"}, `, 17), ", ")+`]}`, scope()
		at.MaxBodyBytes = 1 << 20
		b.Run(name+" and 1 KB", func(b *testing.B) {
			benchPassesWith(b, policy.Tools{WAF: rules}, config, func(ex *policy.Exchange) {
				ex.Scope, ex.Method, ex.Target, ex.Proto, ex.Authority = at, "POST", "/orders/4711?a=b&page=2", "HTTP/1.1", "api.example.com"
				ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader(body)), int64(len(body))
				ex.Header.Add("Content-Type", "application/json")
			})
		})
	}
}
