package table_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"portico/gateway/policy"
	"portico/gateway/table"
)

// Grants come and go, and again under the same hash, and the set says each time what
// a map says.
func TestGrantsComeAndGo(t *testing.T) {
	grants, want := table.NewGrants(), map[[32]byte]*policy.Grant{}
	for n := range 20_000 {
		hash := sha256.Sum256(fmt.Append(nil, n*7919%1500))
		if n%3 == 0 {
			grants.Forget(hash)
			delete(want, hash)
		} else {
			want[hash] = &policy.Grant{Hash: hash, Name: fmt.Sprint(n)}
			grants.Put(want[hash])
		}
		if got := grants.Grant(&hash); got != want[hash] {
			t.Fatalf("after %d changes: got %v, want %v", n+1, got, want[hash])
		}
	}
	got := map[[32]byte]*policy.Grant{}
	grants.Each(func(g *policy.Grant) { got[g.Hash] = g })
	if !maps.Equal(got, want) || grants.Len() != len(want) {
		t.Errorf("got %d grants and a count of %d, want %d", len(got), grants.Len(), len(want))
	}
}

// A key that is not changed is found at any time, while others come and go and the
// set grows; one that is replaced is found as it was or as it is.
func TestKeyIsFoundWhileOthersChange(t *testing.T) {
	grants := table.NewGrants()
	kept, replaced := sha256.Sum256([]byte("kept")), sha256.Sum256([]byte("replaced"))
	put := func(hash [32]byte) { grants.Put(&policy.Grant{Hash: hash}) }
	put(kept)
	put(replaced)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				for _, hash := range [][32]byte{kept, replaced} {
					if g := grants.Grant(&hash); g == nil || g.Hash != hash {
						t.Errorf("got %v", g)
						return
					}
				}
			}
		})
	}
	for n := range 30_000 {
		put(sha256.Sum256(fmt.Append(nil, n)))
		put(replaced)
		if n%2 == 0 {
			grants.Forget(sha256.Sum256(fmt.Append(nil, n/2)))
		}
	}
	done.Store(true)
	readers.Wait()
}
