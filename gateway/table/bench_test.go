package table_test

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"testing"

	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/internal/entry"
)

// wide is an API of twenty routes, as most are.
func wide(n int) entry.API {
	var routes []entry.Route
	for i := range 5 {
		noun := fmt.Sprintf("/things%d", i)
		routes = append(routes, get(noun), get(noun+"/{id}"), entry.Route{Method: "POST", Path: noun}, get(noun+"/{id}/parts/{part}"))
	}
	return api(n, fmt.Sprintf("/tenant%d/api%d/v1", n%1000, n), routes...)
}

func filled(apis int) *table.Table {
	tab := table.New()
	for n := range apis {
		tab.Put(compile(wide(n + 1)))
	}
	return tab
}

func exchange(target string) *policy.Exchange {
	ex := &policy.Exchange{Method: "GET", Host: "x"}
	ex.Path, _, _ = policy.Canonical(target, nil)
	return ex
}

func BenchmarkMatchAmongTenThousandAPIs(b *testing.B) {
	tab := filled(10_000)
	runtime.GC()
	for _, called := range []int{32, 1024, 8192} {
		ex, paths := exchange("/"), make([]policy.Path, called)
		for i := range paths {
			n := i*9999/called + 1
			paths[i] = exchange(fmt.Sprintf("/tenant%d/api%d/v1/things3/4711/parts/12", n%1000, n)).Path
		}
		b.Run(fmt.Sprintf("%d of them called", called), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ex.Path = paths[i%called]
				if _, _, err := tab.Match(ex); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, apis := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("among %d", apis), func(b *testing.B) {
			tab := filled(apis)
			a := wide(7)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				tab.Put(compile(a))
			}
		})
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	tab := filled(100)
	ex := exchange("/tenant42/api42/v1/things3/4711/parts/12")
	if n := testing.AllocsPerRun(1000, func() {
		if _, _, err := tab.Match(ex); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func TestHundredThousandGrantsFitInSixtyMebibytes(t *testing.T) {
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure()
	grants := table.NewGrants()
	slot := &policy.TermsSlot{}
	for i := range 100_000 {
		g := entry.Grant{
			Credential: uuid(i), Application: uuid(i), Tenant: uuid(i), Name: fmt.Sprintf("application %d", i),
			Subscriptions: []entry.Subscription{{ID: uuid(i), Terms: uuid(1), State: entry.Active}, {ID: uuid(i + 1), Terms: uuid(1), State: entry.Active}},
		}
		grant := policy.NewGrant(entry.Position{}, g, func(string) *policy.TermsSlot { return slot })
		grant.Hash = sha256.Sum256(fmt.Append(nil, i))
		grants.Put(grant)
	}
	used := measure() - before
	t.Logf("%d bytes for each of %d grants", used/100_000, grants.Len())
	if used > 60<<20 {
		t.Errorf("got %d MiB", used>>20)
	}
	hash := sha256.Sum256(fmt.Append(nil, 77_777))
	if g := grants.Grant(&hash); g == nil || g.Name != "application 77777" {
		t.Errorf("got %+v", g)
	}
	grants.Put(&policy.Grant{Hash: hash, Ended: true})
	if grants.Grant(&hash) != nil || grants.Len() != 99_999 {
		t.Errorf("a grant that ended is still there, %d are", grants.Len())
	}
}
