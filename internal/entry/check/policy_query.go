package check

import (
	"fmt"
	"unicode/utf8"

	"portico/internal/entry"
)

func (p *problems) queryPolicy(at string, q entry.QueryPolicy) {
	p.edits(at, q.Set, q.Add, q.Rename, q.Remove, queryName)
}

// queryName returns a parameter's name as names are compared: as they are,
// decoded.
func queryName(name string) (string, error) {
	if name == "" || len(name) > 256 || !utf8.ValidString(name) {
		return name, fmt.Errorf("%q is not usable as a query parameter's name", name)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '*' {
			return name, fmt.Errorf("%q is not usable as a query parameter's name", name)
		}
	}
	return name, nil
}
