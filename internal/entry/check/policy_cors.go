package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
)

const maxOrigins, maxNames = 200, 100

func (p *problems) corsPolicy(at string, c entry.CORSPolicy) {
	p.count(at+".origins", len(c.Origins), 1, maxOrigins)
	for i, o := range upTo(c.Origins, maxOrigins) {
		field := fmt.Sprintf("%s.origins[%d]", at, i)
		switch {
		case slices.Contains(c.Origins[:i], o):
			p.add(field, "%q stands there twice", o)
		case o != "*":
			p.addErr(field, origin(o))
		case len(c.Origins) > 1:
			p.add(field, "* is every origin, so no other may stand beside it")
		case c.Credentials:
			p.add(field, "with credentials every page of the world could act as its visitor; name the origins")
		}
	}
	p.count(at+".methods", len(c.Methods), 0, maxNames)
	for i, m := range upTo(c.Methods, maxNames) {
		if !isToken(m) || m == "*" || strings.ToUpper(m) != m {
			p.add(fmt.Sprintf("%s.methods[%d]", at, i), "%q is not a method in upper case; leave the list empty for all", m)
		}
	}
	p.headerNames(at+".headers", c.Headers, true)
	p.headerNames(at+".exposed_headers", c.ExposedHeaders, !c.Credentials)
	p.between(at+".max_age_ms", c.MaxAgeMS, 0, 24*60*60*1000)
	if c.MaxAgeMS%1000 != 0 {
		p.add(at+".max_age_ms", "want whole seconds, such as 600000, got %d", c.MaxAgeMS)
	}
}

// headerNames checks a list of headers' names, which may be a single *.
func (p *problems) headerNames(at string, names []string, star bool) {
	p.count(at, len(names), 0, maxNames)
	for i, name := range upTo(names, maxNames) {
		field := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case name == "*" && len(names) > 1:
			p.add(field, "* is every header, so no other may stand beside it")
		case name == "*" && !star:
			p.add(field, "* means nothing to browsers beside credentials; name the headers")
		case !isToken(name):
			p.add(field, "%q is not a header's name", name)
		case slices.ContainsFunc(names[:i], func(n string) bool { return strings.EqualFold(n, name) }):
			p.add(field, "%s stands there twice", name)
		}
	}
}

// upTo returns as much of a list as is looked at: what is beyond was refused, and is
// to cost nothing.
func upTo[T any](list []T, most int) []T { return list[:min(len(list), most)] }

// count checks how long a list is.
func (p *problems) count(field string, n, least, most int) {
	if n < least || n > most {
		p.add(field, "want %d to %d, got %d", least, most, n)
	}
}

// origin says what is wrong with an origin as browsers write it, of whose host
// the first label may be *.
func origin(s string) error {
	scheme, host, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || len(s) > 300 {
		return fmt.Errorf("%q is not an origin, such as https://shop.example.com", s)
	}
	for i, c := range []byte(scheme) {
		if !('a' <= c && c <= 'z') && (i == 0 || !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.') {
			return fmt.Errorf("%q does not begin with a scheme in lower case, such as https", s)
		}
	}
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || strings.Trim(host[1:end], "0123456789abcdef:.") != "" {
			return fmt.Errorf("%q is not an origin with an IPv6 address", s)
		}
		return originPort(scheme, s, host[end+1:])
	}
	port := ""
	if i := strings.IndexByte(host, ':'); i >= 0 {
		host, port = host[:i], host[i:]
	}
	name := host
	if below, wild := strings.CutPrefix(host, "*."); wild {
		if name = below; !strings.Contains(below, ".") {
			return fmt.Errorf("%q leaves too much open; want at least two labels behind the *", s)
		}
	}
	if name == "" || Host(strings.ReplaceAll(name, "_", "-")) != nil {
		return fmt.Errorf("%q is not an origin: want a scheme, a host in lower case and perhaps a port, and nothing behind", s)
	}
	return originPort(scheme, s, port)
}

func originPort(scheme, s, port string) error {
	if port == "" {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(port, ":"))
	switch {
	case port[0] != ':' || err != nil || n < 1 || n > 65535 || port != ":"+strconv.Itoa(n):
		return fmt.Errorf("%q has no usable port", s)
	case scheme == "https" && n == 443, scheme == "http" && n == 80:
		return fmt.Errorf("%q names its scheme's own port, which browsers leave out; leave it out too", s)
	}
	return nil
}
