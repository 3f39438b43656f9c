package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

// policies checks a list and reports whether one of them identifies.
func (p *problems) policies(field string, list []entry.Policy) (identifies bool) {
	if len(list) > MaxPolicies {
		p.add(field, "want at most %d, got %d", MaxPolicies, len(list))
	}
	for i, pol := range list {
		p.policy(fmt.Sprintf("%s[%d]", field, i), pol)
		p.sameLimit(field, list, i)
	}
	return p.identifies(field, list)
}

// policy checks one alone.
func (p *problems) policy(at string, pol entry.Policy) {
	switch c := pol.Config.(type) {
	case *entry.AddressPolicy:
		p.addressPolicy(at, *c)
	case *entry.HeadersPolicy:
		p.headersPolicy(at, *c)
	case *entry.AnswerHeadersPolicy:
		p.answerHeadersPolicy(at, *c)
	case *entry.QueryPolicy:
		p.queryPolicy(at, *c)
	case *entry.PathPolicy:
		p.pathPolicy(at, *c)
	case *entry.SizePolicy:
		p.sizePolicy(at, *c)
	case *entry.BotsPolicy:
		p.botsPolicy(at, *c)
	case *entry.CORSPolicy:
		p.corsPolicy(at, *c)
	case *entry.KeyPolicy:
		p.keyPolicy(at, *c)
	case *entry.JWTPolicy:
		p.jwtPolicy(at, *c)
	case *entry.IntrospectionPolicy:
		p.introspectionPolicy(at, *c)
	case *entry.BasicPolicy:
		p.basicPolicy(at, *c)
	case *entry.SignaturePolicy:
		p.signaturePolicy(at, *c)
	case *entry.ClientCertificatePolicy: // it has nothing to configure
	case *entry.AnonymousPolicy: // it has nothing to configure
	case *entry.ScopesPolicy:
		p.scopesPolicy(at, *c)
	case *entry.ExpressionPolicy:
		p.expressionPolicy(at, *c)
	case *entry.RateLimit:
		p.rateLimit(at, *c)
		p.counted(at, c.By, c.Name, c.Expression)
		p.queue(at, c.Queue)
	case *entry.SpikeArrest:
		p.spikeArrest(at, *c)
	case *entry.ConcurrencyLimit:
		p.concurrency(at, *c)
	case *entry.CachePolicy:
		p.cachePolicy(at, *c)
	case *entry.CompressPolicy:
		p.compressPolicy(at, *c)
	case *entry.DecompressPolicy:
		p.decompressPolicy(at, *c)
	case *entry.Validate:
		p.validate(at, *c)
	case *entry.Mock:
		p.mock(at, *c)
	case *entry.JSONBody:
		p.jsonBody(at, c)
	case *entry.XMLJSON:
		p.xmlJSON(at, c)
	case *entry.ErrorPage:
		p.errorPage(at, c)
	case *entry.GraphQL:
		p.graphQL(at, c)
	case *entry.JSONAnswer:
		p.jsonAnswer(at, c)
	case *entry.IdentityToken:
		p.identityToken(at, *c)
	case *entry.UpstreamBasic:
		p.upstreamBasic(at, *c)
	case *entry.UpstreamOAuth:
		p.upstreamOAuth(at, *c)
	case *entry.UpstreamSigV4:
		p.upstreamSigV4(at, *c)
	case *entry.WAF:
		p.waf(at, *c)
	case *entry.Composition:
		p.composition(at, c)
	default:
		p.add(at, "is of no kind")
	}
}

// Policy returns everything that is wrong with a policy when looked at alone.
// The fields are those of its configuration.
func Policy(pol entry.Policy) []Problem {
	var p problems
	p.policy("", pol)
	for i := range p.list {
		p.list[i].Field = strings.TrimPrefix(p.list[i].Field, ".")
	}
	return p.list
}

// framing and managed headers can never carry a key: the gateway reads or
// rebuilds them itself.
const reservedHeaders = " host content-length transfer-encoding connection te trailer upgrade expect keep-alive content-type accept cookie set-cookie forwarded x-real-ip x-request-id authorization "

func (p *problems) keyPolicy(at string, k entry.KeyPolicy) {
	if !k.Bearer && k.Header == "" && k.Query == "" {
		p.add(at, "names no place where a key may be presented")
	}
	if k.Header != "" {
		p.addErr(at+".header", credentialHeader(k.Header))
	}
	if !isQueryName(k.Query) {
		p.add(at+".query", "%q is not usable as a query parameter's name", k.Query)
	}
}

func isQueryName(s string) bool { return !strings.ContainsAny(s, "&=#?;% +") && len(s) <= 256 }

// credentialHeader says why a header cannot carry a credential.
func credentialHeader(header string) error {
	name := strings.ToLower(header)
	switch {
	case !isToken(header):
		return fmt.Errorf("%q is not a header's name", header)
	case strings.Contains(reservedHeaders, " "+name+" "),
		strings.HasPrefix(name, "x-forwarded-"), strings.HasPrefix(name, "x-portico-"), strings.HasPrefix(name, "proxy-"):
		return fmt.Errorf("%q has another meaning and cannot carry a credential", header)
	}
	return nil
}
