package check

import (
	"strings"

	"portico/internal/entry"
)

func (p *problems) basicPolicy(at string, b entry.BasicPolicy) {
	p.line(at+".realm", b.Realm, false)
	if strings.ContainsFunc(b.Realm, func(r rune) bool { return r == '"' || r == '\\' || r > '~' }) {
		p.add(at+".realm", "want ASCII without quotes and backslashes")
	}
}
