package check

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"portico/internal/entry"
)

// policies checks a list and reports whether one of them identifies.
func (p *problems) policies(field string, list []entry.Policy) (identifies bool) {
	if len(list) > MaxPolicies {
		p.add(field, "want at most %d, got %d", MaxPolicies, len(list))
	}
	for i, pol := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if pol.Kind().Stage() == entry.Identify {
			if identifies {
				p.add(at, "is a second identify policy of its list")
			}
			identifies = true
		}
		p.policy(at, pol)
	}
	return identifies
}

// policy checks one alone.
func (p *problems) policy(at string, pol entry.Policy) {
	switch c := pol.Config.(type) {
	case *entry.KeyPolicy:
		p.keyPolicy(at, *c)
	case *entry.RateLimit:
		p.rateLimit(at, *c)
		if c.By != "caller" && c.By != "address" && c.By != "api" {
			p.add(at+".by", "want \"caller\", \"address\" or \"api\", got %q", c.By)
		}
	case *entry.JSONBody:
		p.jsonBody(at, c)
	case *entry.XMLJSON:
		p.xmlJSON(at, c)
	case *entry.ErrorPage:
		p.errorPage(at, c)
	case *entry.JSONAnswer:
		p.jsonAnswer(at, c)
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
		name := strings.ToLower(k.Header)
		switch {
		case !isToken(k.Header):
			p.add(at+".header", "%q is not a header's name", k.Header)
		case strings.Contains(reservedHeaders, " "+name+" "),
			strings.HasPrefix(name, "x-forwarded-"), strings.HasPrefix(name, "x-portico-"), strings.HasPrefix(name, "proxy-"):
			p.add(at+".header", "%q has another meaning and cannot carry a key", k.Header)
		}
	}
	if strings.ContainsAny(k.Query, "&=#?;% +") || len(k.Query) > 256 {
		p.add(at+".query", "%q is not usable as a query parameter's name", k.Query)
	}
}

// rateLimit keeps the numbers within what a limiter can count in 63 bits of
// nanoseconds.
func (p *problems) rateLimit(at string, l entry.RateLimit) {
	p.between(at+".requests", int64(l.Requests), 1, 1_000_000_000)
	p.between(at+".period_ms", l.PeriodMS, 1, 366*24*60*60*1000)
	p.between(at+".burst", int64(l.Burst), 0, 1_000_000_000)
	if l.Requests < 1 || l.PeriodMS < 1 || l.PeriodMS > 366*24*60*60*1000 {
		return
	}
	interval := max(l.PeriodMS*1_000_000/int64(l.Requests), 1)
	if l.PeriodMS*1_000_000 < int64(l.Requests) {
		p.add(at+".requests", "is more than one in a nanosecond")
	}
	if hi, lo := bits.Mul64(uint64(interval), uint64(max(l.Burst, 0))); hi != 0 || lo > math.MaxInt64/4 {
		p.add(at+".burst", "takes longer than 73 years to refill")
	}
}
