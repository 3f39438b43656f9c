package policy_test

import (
	"fmt"
	"net/netip"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func BenchmarkAddress(b *testing.B) {
	list, _ := tenThousand()
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			benchPasses(b, &entry.AddressPolicy{Allow: []string{"203.0.113.0/24"}, Deny: list[:n]}, func(ex *policy.Exchange) {
				ex.Client = netip.AddrFrom4([4]byte{203, 0, 113, 7})
			})
		})
	}
}
