package policy

import (
	"net/http"
	"strings"
)

// restricted refuses a call that a credential's restrictions do not allow: its
// address, or the page that it was made from.
func (g *Grant) restricted(ex *Exchange) error {
	if !g.tied {
		return nil
	}
	if len(g.some.addresses) > 0 && !g.from(ex) {
		return &Denied{
			Status: http.StatusForbidden, Code: "credential_restricted",
			Detail: "The credential may not be used from this address. Its application's page in the portal says from which.",
		}
	}
	if len(g.some.referrers) > 0 && !g.referred(ex) {
		return &Denied{
			Status: http.StatusForbidden, Code: "credential_restricted",
			Detail: "The credential may be used by certain pages alone, and this request names none of them in Origin or Referer. Its application's page in the portal says which.",
		}
	}
	return nil
}

func (g *Grant) from(ex *Exchange) bool {
	client := ex.Client.Unmap()
	for _, prefix := range g.some.addresses {
		if prefix.Contains(client) {
			return true
		}
	}
	return false
}

// referred looks at Origin, which pages cannot leave out where it counts, and
// only without one at Referer.
func (g *Grant) referred(ex *Exchange) bool {
	page, ok := ex.Header.Value("Origin")
	if !ok {
		page, _ = ex.Header.Value("Referer")
	}
	host := hostOf(page)
	if host == "" {
		return false
	}
	for _, r := range g.some.referrers {
		if below, wild := strings.CutPrefix(r, "*"); wild { // ".example.com"
			if len(host) > len(below) && FoldEqual(host[len(host)-len(below):], below) {
				return true
			}
		} else if FoldEqual(host, r) {
			return true
		}
	}
	return false
}

// hostOf returns the host of a page's address, without its port; "" for none.
func hostOf(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		rest = rest[:i]
	}
	if strings.IndexByte(rest, '@') >= 0 {
		return ""
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		rest = rest[:i]
	}
	return rest
}
