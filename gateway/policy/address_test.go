package policy_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func addressCode(t *testing.T, config *entry.AddressPolicy, client string) string {
	t.Helper()
	ex := new(policy.Pool).Take()
	ex.Scope, ex.Client = scope(), netip.MustParseAddr(client)
	err := chainOf(policy.Tools{}, entry.Policy{Config: config}).Run(t.Context(), ex)
	if err == nil {
		return ""
	}
	return code(err)
}

func TestAddressesAreComparedWhateverTheyAreWrittenAs(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		client      string
		refused     bool
	}{
		{[]string{"10.0.0.0/8"}, nil, "10.255.255.255", false},
		{[]string{"10.0.0.0/8"}, nil, "11.0.0.0", true},
		{[]string{"10.0.0.0/8"}, nil, "9.255.255.255", true},
		{[]string{"10.0.0.0/8"}, nil, "::ffff:10.1.2.3", false},
		{[]string{"::ffff:10.0.0.0/104"}, nil, "10.1.2.3", false},
		{[]string{"::ffff:10.1.2.3"}, nil, "10.1.2.3", false},
		{[]string{"10.0.0.0/8", "10.1.0.0/16"}, []string{"10.1.2.0/24"}, "10.1.2.3", true},
		{[]string{"10.0.0.0/8", "10.1.0.0/16"}, []string{"10.1.2.0/24"}, "10.1.3.3", false},
		{nil, []string{"2001:db8::/32"}, "2001:db8:ffff::1", true},
		{nil, []string{"2001:db8::/32"}, "2001:db9::", false},
		{nil, []string{"0.0.0.0/0"}, "2001:db8::1", false},
		{nil, []string{"0.0.0.0/0"}, "203.0.113.7", true},
		{[]string{"0.0.0.0/0"}, nil, "::1", true},
		{nil, []string{"fe80::1"}, "fe80::1%eth0", true},
	} {
		want := ""
		if c.refused {
			want = "address_refused"
		}
		if got := addressCode(t, &entry.AddressPolicy{Allow: c.allow, Deny: c.deny}, c.client); got != want {
			t.Errorf("%s with %v without %v: got %q, want %q", c.client, c.allow, c.deny, got, want)
		}
	}
}

// tenThousand makes ranges of which many hold others.
func tenThousand() (list []string, prefixes []netip.Prefix) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		a := netip.AddrFrom4([4]byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		p := netip.PrefixFrom(a, 12+random.IntN(21)).Masked()
		list, prefixes = append(list, p.String()), append(prefixes, p)
	}
	return list, prefixes
}

func TestAddressesAgreeWithTryingEveryRange(t *testing.T) {
	list, prefixes := tenThousand()
	chain := chainOf(policy.Tools{}, entry.Policy{Config: &entry.AddressPolicy{Deny: list}})
	random, ex, denied := rand.New(rand.NewPCG(3, 4)), new(policy.Pool).Take(), 0
	for i := range 2000 {
		a := netip.AddrFrom4([4]byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		if i%2 == 0 {
			a = prefixes[random.IntN(len(prefixes))].Addr()
			if i%4 == 0 {
				a = a.Prev()
			}
		}
		if !a.IsValid() {
			continue
		}
		want := false
		for _, p := range prefixes {
			want = want || p.Contains(a)
		}
		ex.Reset()
		ex.Scope, ex.Client = scope(), a
		if got := chain.Run(t.Context(), ex) != nil; got != want {
			t.Fatalf("%s: got refused %v, want %v", a, got, want)
		}
		if want {
			denied++
		}
	}
	if denied < 500 || denied > 1900 {
		t.Errorf("%d of 2,000 were refused: that tries one side alone", denied)
	}
}
