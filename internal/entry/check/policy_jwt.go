package check

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/keyset"
)

// Bounds of what a policy of tokens may list.
const (
	maxAudiences = 50
	maxRequired  = 20
	maxText      = 512 // bytes of an issuer, an audience, a claim's name
)

func (p *problems) jwtPolicy(at string, j entry.JWTPolicy) {
	p.line(at+".issuer", j.Issuer, true)
	switch {
	case j.JWKSURL == "" && j.JWKS == "":
		p.add(at+".jwks_url", "is empty, and jwks too: the issuer's keys are needed")
	case j.JWKSURL != "" && j.JWKS != "":
		p.add(at+".jwks", "is set, and jwks_url too: want one of them")
	case j.JWKSURL != "":
		p.addErr(at+".jwks_url", keysURL(j.JWKSURL))
	default:
		if set, err := keyset.Parse([]byte(j.JWKS)); err != nil {
			p.addErr(at+".jwks", err)
		} else if set.Private {
			p.add(at+".jwks", "holds a private or shared key, which nobody may see: leave the public ones alone")
		}
	}
	if len(j.Algorithms) == 0 {
		p.add(at+".algorithms", "names none")
	}
	for i, a := range j.Algorithms {
		field := fmt.Sprintf("%s.algorithms[%d]", at, i)
		switch {
		case strings.HasPrefix(a, "HS"):
			p.add(field, "%s is signed with a shared secret: whoever can check such a token can make one, and it is never taken", a)
		case !slices.Contains(keyset.Algorithms(), a):
			p.add(field, "want one of %s, got %q", strings.Join(keyset.Algorithms(), ", "), a)
		case slices.Contains(j.Algorithms[:i], a):
			p.add(field, "%s stands there twice", a)
		}
	}
	p.lineList(at+".audiences", j.Audiences, maxAudiences)
	p.tokenPlace(at, j)
	p.line(at+".claim", j.Claim, false)
	p.line(at+".scopes", j.Scopes, false)
	if len(j.Required) > maxRequired {
		p.add(at+".required", "want at most %d, got %d", maxRequired, len(j.Required))
	}
	for i, r := range j.Required {
		field := fmt.Sprintf("%s.required[%d]", at, i)
		p.line(field+".name", r.Name, true)
		p.lineList(field+".values", r.Values, maxAudiences)
	}
	p.between(at+".skew_ms", j.SkewMS, 0, 300_000)
	p.between(at+".keys_max_stale_ms", j.KeysMaxStaleMS, 0, 7*24*60*60*1000)
}

func (p *problems) tokenPlace(at string, j entry.JWTPolicy) {
	switch j.In {
	case "", "bearer":
		if j.Name != "" {
			p.add(at+".name", "is set, but Authorization: Bearer has no other name")
		}
	case "header":
		p.addErr(at+".name", credentialHeader(j.Name))
	case "cookie":
		if !isToken(j.Name) {
			p.add(at+".name", "%q is not a cookie's name", j.Name)
		}
	default:
		p.add(at+".in", "want \"bearer\", \"header\" or \"cookie\", got %q", j.In)
	}
}

// line checks a text that stands on one line.
func (p *problems) line(at, s string, wanted bool) {
	switch {
	case s == "" && wanted:
		p.add(at, "is empty")
	case len(s) > maxText:
		p.add(at, "is longer than %d bytes", maxText)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.add(at, "holds a control character")
	}
}

func (p *problems) lineList(at string, list []string, most int) {
	if len(list) > most {
		p.add(at, "want at most %d, got %d", most, len(list))
	}
	for i, s := range upTo(list, most) {
		field := fmt.Sprintf("%s[%d]", at, i)
		p.line(field, s, true)
		if slices.Contains(list[:i], s) {
			p.add(field, "%q stands there twice", s)
		}
	}
}

// keysURL says why an issuer's keys cannot be fetched from an address.
func keysURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > 2048:
		return fmt.Errorf("is not a URL of at most 2048 bytes")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("want https, or http within a network of your own, got scheme %q", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return fmt.Errorf("has no host")
	case u.User != nil:
		return fmt.Errorf("must not hold a user name or password")
	case strings.Contains(raw, "#"):
		return fmt.Errorf("must not hold a fragment")
	}
	return nil
}
