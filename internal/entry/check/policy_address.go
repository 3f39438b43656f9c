package check

import (
	"fmt"
	"net/netip"
	"strings"

	"portico/internal/entry"
)

// maxAddresses is the most that one list may hold.
const maxAddresses = 10_000

func (p *problems) addressPolicy(at string, a entry.AddressPolicy) {
	if len(a.Allow)+len(a.Deny) == 0 {
		p.add(at, "allows and denies nothing; name an address or a range")
	}
	p.addresses(at+".allow", a.Allow)
	p.addresses(at+".deny", a.Deny)
}

func (p *problems) addresses(at string, list []string) {
	p.count(at, len(list), 0, maxAddresses)
	for i, s := range list {
		if _, err := Prefix(s); err != nil {
			p.addErr(fmt.Sprintf("%s[%d]", at, i), err)
		}
	}
}

// Prefix reads an address or a range of addresses. One of IPv4 that is written
// as IPv6 comes back as IPv4, since callers are compared as such.
func Prefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is not an address, such as 203.0.113.7, nor a range, such as 10.0.0.0/8", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a range of addresses, such as 10.0.0.0/8", s)
	}
	if a := prefix.Addr(); a.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q holds more than the addresses of IPv4; write two ranges", s)
		}
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("%q is an address inside of a range; want the range %s, or the address alone", s, masked)
	}
	return prefix, nil
}
