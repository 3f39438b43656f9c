package check

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"portico/internal/entry"
)

// maxParameters is how many further ones a request for a token may hold.
const maxParameters = 20

// maxTokenTimeoutMS is how long a gateway's client waits for an answer's head,
// whatever a policy says (profile control of internal/egress).
const maxTokenTimeoutMS = 20_000

// reservedParameters are those that the gateway writes itself.
const reservedParameters = " grant_type client_id client_secret client_assertion client_assertion_type scope audience resource "

func (p *problems) upstreamOAuth(at string, c entry.UpstreamOAuth) {
	p.addErr(at+".token_url", keysURL(c.TokenURL))
	p.secret(at+".client_id", c.ClientID, true)
	p.secret(at+".client_secret", c.ClientSecret, true)
	p.oneOf(at+".authentication", c.Authentication, "basic", "post")
	p.scopeList(at+".scopes", c.Scopes)
	p.line(at+".audience", c.Audience, false)
	p.line(at+".resource", c.Resource, false)
	if u, err := url.Parse(c.Resource); c.Resource != "" && (err != nil || !u.IsAbs() || strings.Contains(c.Resource, "#")) {
		p.add(at+".resource", "want an address with a scheme and without a fragment, got %q", c.Resource)
	}
	if len(c.Parameters) > maxParameters {
		p.add(at+".parameters", "want at most %d, got %d", maxParameters, len(c.Parameters))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		field := at + ".parameters." + name
		switch {
		case strings.Contains(reservedParameters, " "+name+" "):
			p.add(field, "is the gateway's own to send")
		default:
			p.line(field, name, true)
		}
		p.line(field, c.Parameters[name], false)
	}
	if c.TimeoutMS != 0 {
		p.between(at+".timeout_ms", c.TimeoutMS, 100, maxTokenTimeoutMS)
	}
}
