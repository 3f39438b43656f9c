package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

// maxScopes is how many scopes a list may name.
const maxScopes = 50

func (p *problems) scopesPolicy(at string, s entry.ScopesPolicy) {
	if len(s.All)+len(s.Any) == 0 {
		p.add(at, "names no scope")
	}
	p.scopeList(at+".all", s.All)
	p.scopeList(at+".any", s.Any)
}

// scopeList checks scopes after RFC 6749: printable, without spaces, quotes and
// backslashes.
func (p *problems) scopeList(at string, list []string) {
	p.lineList(at, list, maxScopes)
	for i, s := range upTo(list, maxScopes) {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			p.add(fmt.Sprintf("%s[%d]", at, i), "%q is no scope, which has no spaces, quotes or backslashes", s)
		}
	}
}
