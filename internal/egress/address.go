package egress

import "net/netip"

// The addresses are those of the IANA special-purpose registries (RFC 6890
// and its updates) that are not globally reachable, and multicast.
func denied() []struct{ prefix, what string } {
	return []struct{ prefix, what string }{
		{"0.0.0.0/8", "an address of this network"},
		{"10.0.0.0/8", "a private address"},
		{"100.64.0.0/10", "a shared address (CGNAT)"},
		{"127.0.0.0/8", "a loopback address"},
		{"169.254.0.0/16", "a link-local address"},
		{"172.16.0.0/12", "a private address"},
		{"192.0.0.0/24", "a reserved address"},
		{"192.0.2.0/24", "an address for documentation"},
		{"192.88.99.0/24", "a reserved address"},
		{"192.168.0.0/16", "a private address"},
		{"198.18.0.0/15", "an address for benchmarks"},
		{"198.51.100.0/24", "an address for documentation"},
		{"203.0.113.0/24", "an address for documentation"},
		{"224.0.0.0/4", "a multicast address"},
		{"240.0.0.0/4", "a reserved address"},
		{"::/128", "an address of this network"},
		{"::1/128", "a loopback address"},
		{"2001::/23", "a reserved address"}, // Teredo, ORCHID, benchmarks
		{"2001:db8::/32", "an address for documentation"},
		{"2002::/16", "a 6to4 address"}, // carries an IPv4 address of its own choice
		{"3fff::/20", "an address for documentation"},
		{"fc00::/7", "a private address (ULA)"},
		{"fe80::/10", "a link-local address"},
		{"fec0::/10", "a site-local address"},
		{"ff00::/8", "a multicast address"},
	}
}

// metadata are the addresses at which clouds hand machines their credentials.
// No allow-list opens them.
func metadata() []string {
	return []string{
		"169.254.169.254",                                // AWS, Azure, Google, Oracle, DigitalOcean, OpenStack
		"169.254.169.253",                                // AWS DNS
		"169.254.169.123",                                // AWS time
		"169.254.170.2",                                  // AWS ECS
		"169.254.170.23",                                 // AWS EKS
		"168.63.129.16",                                  // Azure wire server
		"100.100.100.200",                                // Alibaba
		"192.0.0.192",                                    // Oracle classic
		"fd00:ec2::254", "fd00:ec2::253", "fd00:ec2::23", // AWS
		"fd20:ce::254", // Google
	}
}

// Loopback are the prefixes to allow so that this machine itself can be
// called: what `portico serve` starts with, and says so.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// plain is the address that a packet would truly go to: without a zone, and
// IPv4 where IPv6 only wraps it.
func plain(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if netip.MustParsePrefix("64:ff9b::/96").Contains(a) { // NAT64 (RFC 6052)
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return a
}

// judge answers "" for a public address, else what the address is.
func judge(a netip.Addr) string {
	for _, d := range denied() {
		if netip.MustParsePrefix(d.prefix).Contains(a) {
			return d.what
		}
	}
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) { // nothing else is handed out
		return "a reserved address"
	}
	return ""
}

func isMetadata(a netip.Addr) bool {
	for _, m := range metadata() {
		if netip.MustParseAddr(m) == a {
			return true
		}
	}
	return false
}
