package certs_test

import (
	"fmt"
	"testing"
	"time"

	"portico/gateway/certs"
	"portico/internal/entry"
	"portico/test/fake"
)

func compiled(t testing.TB, id int, issued fake.Issued, hosts ...string) *certs.Certificate {
	t.Helper()
	c, err := certs.New(entry.Cert{ID: fmt.Sprintf("%032x", id), Hosts: hosts, Chain: issued.Chain}, issued.DER)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// full is a store of n certificates, one for a host each.
func full(t testing.TB, n int) (*certs.Store, fake.Issued) {
	t.Helper()
	s, issued := certs.NewStore(), fake.NewAuthority(t, "Test CA").Issue(t, "*.example.com")
	for i := range n {
		if _, err := s.Put(compiled(t, i, issued, fmt.Sprintf("h%d.example.com", i))); err != nil {
			t.Fatal(err)
		}
	}
	return s, issued
}

// One change costs what it changes: among 10,000 certificates at most what a
// copy of a 256th of them costs.
func TestAChangeAmongManyCertificatesIsCheap(t *testing.T) {
	cost := func(n int) time.Duration {
		s, issued := full(t, n)
		next := compiled(t, 0, issued, "h0.example.com")
		best := time.Hour
		for range 50 {
			begin := time.Now()
			if _, err := s.Put(next); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(begin))
		}
		return best
	}
	few, many := cost(10), cost(10_000)
	t.Logf("a change among 10 takes %v, among 10,000 %v", few, many)
	if many > 200*time.Microsecond {
		t.Errorf("a change among 10,000 takes %v, want at most 200 µs", many)
	}
}

func TestAskingCostsNothingWhereNobodyAsks(t *testing.T) {
	s, _ := full(t, 100)
	if s.Asking() || s.Clients("h7.example.com") != nil || s.Len() != 100 {
		t.Error("nobody asks clients for certificates")
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.Asking(); _ = s.Clients("h7.example.com"); _ = s.Clients("x.nowhere.test") }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
	if !s.Remove(fmt.Sprintf("%032x", 7)) || s.Remove(fmt.Sprintf("%032x", 7)) {
		t.Error("a certificate is removed once")
	}
}
