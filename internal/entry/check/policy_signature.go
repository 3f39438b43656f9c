package check

import (
	"fmt"
	"slices"
	"strings"

	"portico/internal/entry"
)

// maxComponents bounds what a signature has to cover beside method, path and
// query.
const maxComponents = 20

// derivedComponents are those of RFC 9421 that are not headers, as far as they
// can be asked for.
func derivedComponents() []string {
	return []string{"@authority", "@method", "@path", "@query", "@request-target", "@scheme", "@target-uri"}
}

func (p *problems) signaturePolicy(at string, s entry.SignaturePolicy) {
	simple := false
	switch s.Form {
	case "", "message":
	case "simple":
		simple = true
	default:
		p.add(at+".form", "want \"message\" or \"simple\", got %q", s.Form)
	}
	switch s.Nonce {
	case "", "optional":
	case "required":
		if simple {
			p.add(at+".nonce", "is required, but a simple signature holds none: take the form \"message\"")
		}
	default:
		p.add(at+".nonce", "want \"optional\" or \"required\", got %q", s.Nonce)
	}
	if simple && s.UnsignedBody {
		p.add(at+".unsigned_body", "is set, but a simple signature always covers the body")
	}
	if simple && len(s.Components) > 0 {
		p.add(at+".components", "are named, but what a simple signature covers is fixed")
	}
	if len(s.Components) > maxComponents {
		p.add(at+".components", "want at most %d, got %d", maxComponents, len(s.Components))
	}
	for i, c := range upTo(s.Components, maxComponents) {
		field := fmt.Sprintf("%s.components[%d]", at, i)
		switch {
		case slices.Contains(s.Components[:i], c):
			p.add(field, "%q stands there twice", c)
		case strings.HasPrefix(c, "@"):
			if !slices.Contains(derivedComponents(), c) {
				p.add(field, "want a header's name or one of %s, got %q", strings.Join(derivedComponents(), ", "), c)
			}
		case !isToken(c), strings.ToLower(c) != c:
			p.add(field, "%q is not a header's name in lower case", c)
		case c == "host":
			p.add(field, "want @authority in the place of host, which HTTP/2 has not")
		case reservedHeader(c) || strings.HasPrefix(c, "x-portico-") || strings.HasPrefix(c, "proxy-") || c == "signature" || c == "signature-input":
			p.add(field, "%s belongs to the connection or to the gateway, and cannot be covered", c)
		}
	}
	p.between(at+".max_age_ms", s.MaxAgeMS, 0, 60*60*1000)
	p.between(at+".skew_ms", s.SkewMS, 0, 300_000)
	p.between(at+".max_body_bytes", s.MaxBodyBytes, 0, 64<<20)
}
