package check

import (
	"fmt"

	"portico/internal/entry"
)

func (p *problems) introspectionPolicy(at string, i entry.IntrospectionPolicy) {
	if i.URL == "" {
		p.add(at+".url", "is empty")
	} else {
		p.addErr(at+".url", keysURL(i.URL))
	}
	p.line(at+".issuer", i.Issuer, true)
	p.line(at+".client_id", i.ClientID, false)
	p.secret(at+".client_secret", i.ClientSecret, i.ClientID != "")
	p.secret(at+".token", i.Token, false)
	switch client := i.ClientID != "" || !i.ClientSecret.IsZero(); {
	case client && !i.Token.IsZero():
		p.add(at+".token", "is set, and a client too: want one of them")
	case client && i.ClientID == "":
		p.add(at+".client_id", "is empty, and its secret is set")
	case !client && i.Token.IsZero():
		p.add(at+".client_id", "is empty, and token too: an issuer answers nobody who does not prove who asks")
	case i.ClientAuth != "" && !client:
		p.add(at+".client_auth", "is set, but the gateway asks with a token")
	}
	if i.ClientAuth != "" && i.ClientAuth != "basic" && i.ClientAuth != "post" {
		p.add(at+".client_auth", "want \"basic\" or \"post\", got %q", i.ClientAuth)
	}
	p.lineList(at+".audiences", i.Audiences, maxAudiences)
	p.tokenPlace(at, entry.JWTPolicy{In: i.In, Name: i.Name})
	p.line(at+".claim", i.Claim, false)
	p.line(at+".scopes", i.Scopes, false)
	if len(i.Required) > maxRequired {
		p.add(at+".required", "want at most %d, got %d", maxRequired, len(i.Required))
	}
	for n, r := range i.Required {
		field := fmt.Sprintf("%s.required[%d]", at, n)
		p.line(field+".name", r.Name, true)
		p.lineList(field+".values", r.Values, maxAudiences)
	}
	p.between(at+".skew_ms", i.SkewMS, 0, 300_000)
	if i.CacheMS != 0 {
		p.between(at+".cache_ms", i.CacheMS, 1000, 3_600_000)
	}
	if i.TimeoutMS != 0 {
		p.between(at+".timeout_ms", i.TimeoutMS, 100, 10_000)
	}
	if i.Concurrency != 0 {
		p.between(at+".concurrency", int64(i.Concurrency), 1, 256)
	}
}
