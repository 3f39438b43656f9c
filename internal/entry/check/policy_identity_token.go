package check

import (
	"strings"

	"portico/internal/entry"
)

const maxAudience = 256

func (p *problems) identityToken(at string, c entry.IdentityToken) {
	if c.Audience == "" || len(c.Audience) > maxAudience {
		p.add(at+".audience", "want 1 to %d bytes", maxAudience)
	}
	if name := strings.ToLower(c.Header); name != "" && name != "authorization" {
		switch {
		case !isToken(c.Header):
			p.add(at+".header", "%q is not a header's name", c.Header)
		case strings.Contains(reservedHeaders, " "+name+" "),
			strings.HasPrefix(name, "x-forwarded-"), strings.HasPrefix(name, "proxy-"):
			p.add(at+".header", "%q has another meaning and cannot carry a token", c.Header)
		}
	}
	if c.LifetimeMS != 0 {
		p.between(at+".lifetime_ms", c.LifetimeMS, 10_000, 3_600_000)
	}
}
