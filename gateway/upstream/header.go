package upstream

import (
	"net/http"
	"net/netip"

	"portico/gateway/policy"
)

// forwarded writes the headers by which an upstream learns who called. The
// node has removed whatever the caller sent under these names.
func forwarded(ex *policy.Exchange, h http.Header) {
	client, proto := ex.Client.Unmap().String(), "http"
	if ex.Secure {
		proto = "https"
	}
	chain := client
	if ex.Trusted && ex.Client != ex.Peer {
		chain += ", " + ex.Peer.Unmap().String()
	}
	h["X-Forwarded-For"] = []string{chain}
	h["X-Forwarded-Host"] = []string{ex.Authority}
	h["X-Forwarded-Proto"] = []string{proto}
	h["X-Real-Ip"] = []string{client}
	h["Forwarded"] = []string{"for=" + node(ex.Client) + `;host="` + ex.Authority + `";proto=` + proto}
	h["X-Request-Id"] = []string{ex.RequestID}
}

// node writes an address as RFC 7239 wants it.
func node(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		return `"[` + a.String() + `]"`
	}
	return a.String()
}

// answer copies the head of an upstream's answer, without what concerned only
// the connection to it.
func answer(ex *policy.Exchange, res *http.Response) {
	ex.Answer.Status, ex.Answer.Length = res.StatusCode, res.ContentLength
	for name, values := range res.Header {
		for _, v := range values {
			ex.Answer.Header.Add(name, v)
		}
	}
	policy.StripHop(&ex.Answer.Header)
	ex.Answer.Header.Del("Content-Length")
}
