package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"portico/internal/entry"
)

// TestUsesAreToldInSmallMessages: calls wait while a message is made, so that a node
// whose callers are many tells them a hundred at a time, and all of them.
func TestUsesAreToldInSmallMessages(t *testing.T) {
	const keys = 250
	var grants []entry.Item
	for n := range keys {
		grants = append(grants, grantItem(t, 2, mint(1000+n), demoGrant()))
	}
	r := startDemo(t)
	r.serve(t, 2, grants...)
	want := map[string]bool{}
	for n := range keys {
		key := mint(1000 + n)
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+key); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		sum := sha256.Sum256([]byte(key))
		want[hex.EncodeToString(sum[:])] = true
	}
	wait(t, "all uses", func() bool {
		for _, seen := range r.carrier.Seen() {
			if len(seen.Uses) > 100 {
				t.Fatalf("%d uses in one message", len(seen.Uses))
			}
			for _, use := range seen.Uses {
				delete(want, use.Hash)
			}
		}
		return len(want) == 0
	})
}
