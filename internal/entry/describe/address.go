package describe

var address = About{
	Title:   "Addresses",
	Summary: "Lets calls in by the address they come from.",
	Text: `An address that is denied is refused, also where a range that it is in is allowed. Where something is allowed, everything else is refused too. The refusal is 403 with the code address_refused.

What counts is the caller's own address. Behind a load balancer that is the one in X-Forwarded-For, and that is believed only from proxies that the environment trusts: see its trusted proxies. Addresses of IPv4 that are written as IPv6 (::ffff:203.0.113.7) count as IPv4, on both sides.

Lists may hold 10,000 entries each; looking one up costs much the same for one and for all of them. The questions that browsers ask before a call (CORS preflights) are not refused by address; the calls that follow are.`,
	Examples: []Example{
		{"From the company's network alone", `{"allow": ["198.51.100.0/24", "2001:db8:42::/48"]}`},
		{"Everybody but one", `{"deny": ["203.0.113.7"]}`},
		{"A network without one of its hosts", `{"allow": ["10.0.0.0/8"], "deny": ["10.1.2.3"]}`},
	},
}
