package check

import (
	"fmt"
	"maps"
	"slices"

	"portico/internal/entry"
)

func (p *problems) upstreamBasic(at string, c entry.UpstreamBasic) {
	p.secret(at+".username", c.Username, true)
	p.secret(at+".password", c.Password, true)
}

// proves checks what a list's policies that prove to an upstream who calls say of
// one another and of the API: that the upstreams are there, and that each gets one
// proof. An operation's take the place of its API's.
func (p *problems) proves(field string, list []entry.Policy, upstreams map[string]bool) {
	taken := map[string]entry.PolicyKind{}
	for i, pol := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		upstream := ""
		switch c := pol.Config.(type) {
		case *entry.UpstreamBasic:
			upstream = c.Upstream
		case *entry.UpstreamOAuth:
			upstream = c.Upstream
		case *entry.UpstreamSigV4:
			upstream = c.Upstream
		default:
			continue
		}
		if upstream != "" && !upstreams[upstream] {
			p.add(at+".upstream", "there is no upstream %q: there are %q", upstream, slices.Sorted(maps.Keys(upstreams)))
		}
		if by, is := taken[upstream]; is {
			what := "for all upstreams"
			if upstream != "" {
				what = "for the upstream " + upstream
			}
			p.add(at, "proves who calls %s, as %s of its list does: one proof goes out with a call", what, by)
		}
		taken[upstream] = pol.Kind()
	}
}
