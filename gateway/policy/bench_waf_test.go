package policy_test

import (
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/gateway/waf"
	"portico/internal/entry"
)

// BenchmarkWAF is a call in which nothing is found, without a body and with one of
// 1 KB, at each level of paranoia that is advised.
func BenchmarkWAF(b *testing.B) {
	rules := new(waf.Set)
	for name, level := range map[string]int{"paranoia 1": 1, "paranoia 2": 2} {
		if err := rules.Prepare(level); err != nil {
			b.Fatal(err)
		}
		config := &entry.WAF{Mode: "block", Paranoia: level, Threshold: 5}
		b.Run(name, func(b *testing.B) { benchPassesWith(b, policy.Tools{WAF: rules}, config, nil) })
		body := `{"lines": [` + strings.TrimSuffix(strings.Repeat(`{"sku": "ABC-0001", "count": 12, "note": "as a gift, please"}, `, 17), ", ") + `]}`
		b.Run(name+" and 1 KB", func(b *testing.B) {
			benchPassesWith(b, policy.Tools{WAF: rules}, config, func(ex *policy.Exchange) {
				ex.Method, ex.Body, ex.BodyLength = "POST", policy.NewBody(strings.NewReader(body)), int64(len(body))
				ex.Header.Add("Content-Type", "application/json")
			})
		})
	}
}
