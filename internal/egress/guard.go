package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Profile says on whose behalf a call is made, and so what it may do.
type Profile string

// The profiles.
const (
	Upstream Profile = "upstream" // the gateway, to an API's backend
	Control  Profile = "control"  // the manager: import, webhooks, OIDC, JWKS
	AI       Profile = "ai"       // the gateway, to an AI provider
)

// Guard decides what may be dialled. The zero value lets public addresses
// through and nothing else. Set its fields before first use; it is then safe
// for use by several goroutines.
type Guard struct {
	// Allow are ranges that the operator opens although they are not public.
	// Metadata addresses stay closed.
	Allow []netip.Prefix

	// Resolver answers names; nil is the system's. It is not trusted.
	Resolver *net.Resolver
}

// Refused is the error for an address that may not be dialled. The dialer
// and the client return it wrapped; use errors.As.
type Refused struct {
	Profile Profile
	Address string // as it would have been dialled
	Reason  string // "a private address", "a metadata address"
}

// Error names the address, what it is, and what could be done.
func (r *Refused) Error() string {
	if r.Reason == metadataReason {
		return fmt.Sprintf("%s is %s; it is never called", r.Address, r.Reason)
	}
	return fmt.Sprintf("%s is %s; only public addresses and those that the operator allows are called", r.Address, r.Reason)
}

const metadataReason = "a cloud metadata address"

// Check refuses an address that the profile may not dial, with a *Refused.
func (g *Guard) Check(profile Profile, address netip.Addr) error {
	a := plain(address)
	refuse := func(reason string) error {
		return &Refused{Profile: profile, Address: address.String(), Reason: reason}
	}
	if !a.IsValid() {
		return refuse("no address")
	}
	if isMetadata(a) {
		return refuse(metadataReason)
	}
	reason := judge(a)
	if reason == "" || slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return covers(p, a) }) {
		return nil
	}
	return refuse(reason)
}

// covers reports whether a prefix holds the address, also where the operator
// wrote an IPv4 prefix the IPv6 way.
func covers(p netip.Prefix, a netip.Addr) bool {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Contains(a)
}

// dialTimeout is how long it may take to connect, resolving included.
const dialTimeout = 10 * time.Second

// Dialer dials for a profile. Every address that it is about to connect to is
// checked, whatever name led there.
func (g *Guard) Dialer(profile Profile) *net.Dialer {
	return &net.Dialer{
		Timeout:   dialTimeout,
		KeepAlive: 30 * time.Second,
		Resolver:  g.Resolver,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return &Refused{Profile: profile, Address: address, Reason: "not reached by TCP"}
			}
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return &Refused{Profile: profile, Address: address, Reason: "no address"}
			}
			return g.Check(profile, to.Addr())
		},
	}
}
