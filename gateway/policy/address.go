package policy

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// addressStep is the policy "address".
type addressStep struct {
	allow, deny addresses
	some        bool // only what is allowed may call
}

func newAddressStep(a entry.AddressPolicy) *addressStep {
	return &addressStep{newAddresses(a.Allow), newAddresses(a.Deny), len(a.Allow) > 0}
}

// Run implements Step.
func (s *addressStep) Run(_ context.Context, ex *Exchange) error {
	if client := ex.Client.Unmap(); !client.IsValid() || s.deny.contain(client) || s.some && !s.allow.contain(client) {
		return &Denied{
			Status: http.StatusForbidden, Code: "address_refused",
			Detail: "This API may not be called from this address. Ask whoever offers it to let the address in.",
		}
	}
	return nil
}

func (s *addressStep) explain(ex *Exchange) string {
	client := ex.Client.Unmap()
	switch {
	case s.deny.contain(client):
		return client.String() + " is denied"
	case s.some && !s.allow.contain(client):
		return client.String() + " is not among those that are allowed"
	}
	return client.String() + " may call"
}

// addresses is a set of ranges, for search by halves: sorted, and apart from
// each other. Both kinds of addresses are kept as sixteen bytes.
type addresses struct {
	first, last []netip.Addr
}

func newAddresses(list []string) addresses {
	type span struct{ first, last netip.Addr }
	spans := make([]span, 0, len(list))
	for _, s := range list {
		if prefix, err := check.Prefix(s); err == nil { // entry/check lets nothing else pass
			spans = append(spans, span{wide(prefix.Addr()), wide(lastOf(prefix))})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	var out addresses
	for _, s := range spans {
		if n := len(out.last); n > 0 && !out.last[n-1].Less(s.first) { // ranges nest or are apart
			if out.last[n-1].Less(s.last) {
				out.last[n-1] = s.last
			}
			continue
		}
		out.first, out.last = append(out.first, s.first), append(out.last, s.last)
	}
	return out
}

// contain reports whether an address is in one of the ranges.
func (a addresses) contain(address netip.Addr) bool {
	address = wide(address)
	low, high := 0, len(a.first)
	for low < high { // the number of ranges that begin at or before the address
		if mid := int(uint(low+high) >> 1); address.Less(a.first[mid]) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low > 0 && !a.last[low-1].Less(address)
}

// wide is an address without its zone, in sixteen bytes.
func wide(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}
