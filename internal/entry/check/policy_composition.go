package check

import (
	"fmt"
	"regexp"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/render"
)

// callName is what a call of a composition is known by in expressions.
var callName = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,39}$`)

func (p *problems) composition(at string, c *entry.Composition) {
	if n := len(c.Calls); n < 1 || n > entry.CompositionMaxCalls {
		p.add(at+".calls", "want 1 to %d calls, got %d", entry.CompositionMaxCalls, n)
		return
	}
	if c.Status != 0 {
		p.between(at+".status", int64(c.Status), 200, 599)
		if c.Status == 204 || c.Status == 304 {
			p.add(at+".status", "%d has no body", c.Status)
		}
	}
	p.between(at+".max_bytes", c.MaxBytes, 0, entry.CompositionMostBytes)
	for i, call := range c.Calls {
		in := fmt.Sprintf("%s.calls[%d]", at, i)
		if !callName.MatchString(call.Name) {
			p.add(in+".name", "want a letter in lower case, then letters, digits and underscores, 40 at most, got %q", call.Name)
		}
		p.oneOf(in+".method", call.Method, "", "GET", "POST", "PUT", "PATCH", "DELETE")
		if len(call.Body) > 0 && (call.Method == "" || call.Method == "GET") {
			p.add(in+".body", "a GET has none: choose another method")
		}
		p.between(in+".timeout_ms", call.TimeoutMS, 0, entry.CompositionMaxTimeoutMS)
		for name := range call.Headers {
			lower := strings.ToLower(name)
			switch {
			case !isToken(name):
				p.add(in+".headers."+name, "%q is not a header's name", name)
			case lower != "accept" && lower != "content-type" && lower != "authorization" && lower != "cookie" && strings.Contains(reservedHeaders, " "+lower+" "),
				strings.HasPrefix(lower, "x-forwarded-"), strings.HasPrefix(lower, "x-portico-"), strings.HasPrefix(lower, "proxy-"):
				p.add(in+".headers."+name, "is the gateway's own to send")
			}
		}
	}
	_, wrong := render.NewComposition(*c)
	for _, w := range wrong {
		p.add(at+"."+w.Field, "%s", w.Reason)
	}
}

// composed checks what only the API tells: that the upstreams are there.
func (p *problems) composed(field string, list []entry.Policy, upstreams map[string]bool) {
	for i, pol := range list {
		c, ok := pol.Config.(*entry.Composition)
		if !ok {
			continue
		}
		for j, call := range c.Calls {
			if call.Upstream != "" && !upstreams[call.Upstream] {
				p.add(fmt.Sprintf("%s[%d].calls[%d].upstream", field, i, j), "there is no upstream %q", call.Upstream)
			}
		}
	}
}
