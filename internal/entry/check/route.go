package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/template"
)

// overlaps finds routes between which the gateway could not choose: same
// method, templates of equal precedence that can match one path, and
// predicates that can hold together. It compares only routes that can clash,
// so that thousands of routes cost what they are; where too many are too much
// alike, as nobody's are by accident, it refuses rather than compares.
func (p *problems) overlaps(routes []entry.Route, paths []template.Path) {
	budget := 50_000_000 // bytes compared
	groups := make(map[string][]int, len(routes))
	for i, path := range paths {
		if len(path.Segments) == 0 {
			continue // it was refused already
		}
		rank := routes[i].Method + " " + path.Rank()
		groups[rank] = append(groups[rank], i)
	}
	for i, path := range paths { // in declared order, for a stable report
		if len(path.Segments) == 0 {
			continue
		}
		for _, j := range groups[routes[i].Method+" "+path.Rank()] {
			if j >= i {
				break
			}
			if budget -= 16 + len(path.Source)*len(paths[j].Source)/16; budget < 0 {
				p.add(fmt.Sprintf("routes[%d]", i), "too many routes are too much alike to be told apart")
				return
			}
			if path.Overlaps(paths[j]) && ambiguous(routes[i].Predicates, routes[j].Predicates) {
				p.add(fmt.Sprintf("routes[%d]", i), "%s %s can match the same request as %s %s (operation %q)",
					routes[i].Method, routes[i].Path, routes[j].Method, routes[j].Path, routes[j].Operation)
				break
			}
		}
	}
}

// ambiguous reports whether both sets can hold for one request without one
// coming first. More predicates come before fewer.
func ambiguous(a, b []entry.Predicate) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		for _, y := range b {
			if x.In == y.In && sameName(x, y) && x.Value != "" && y.Value != "" && x.Value != y.Value {
				return false
			}
		}
	}
	return true
}

func sameName(x, y entry.Predicate) bool {
	if x.In == "header" {
		return strings.EqualFold(x.Name, y.Name)
	}
	return x.Name == y.Name
}

// MaxBaseSegments bounds a mount's base path, because a node tries each depth.
const MaxBaseSegments = 8

// BasePath says what is wrong with a mount's base path.
func BasePath(s string) error {
	switch {
	case s == "":
		return nil
	case s[0] != '/':
		return fmt.Errorf("%q does not begin with a slash", s)
	case strings.HasSuffix(s, "/"):
		return fmt.Errorf("%q ends with a slash", s)
	case len(s) > 512:
		return fmt.Errorf("is longer than 512 bytes")
	}
	segments := strings.Split(s[1:], "/")
	if len(segments) > MaxBaseSegments {
		return fmt.Errorf("has more than %d segments", MaxBaseSegments)
	}
	for _, seg := range segments {
		if seg == "" || seg == "." || seg == ".." {
			return fmt.Errorf("%q has an empty or a dot segment", s)
		}
		for _, c := range []byte(seg) {
			if !isAlnum(c) && !strings.ContainsRune("-._~@:,=+!$", rune(c)) {
				return fmt.Errorf("%q holds %q, which a base path may not", s, c)
			}
		}
	}
	return nil
}

// Host says what is wrong with a mount's host. It is lower case and without a
// port; "" is any host.
func Host(s string) error {
	if s == "" {
		return nil
	}
	if len(s) > 253 {
		return fmt.Errorf("is longer than 253 bytes")
	}
	if strings.HasPrefix(s, "[") {
		return fmt.Errorf("%q: an IPv6 address cannot be a mount's host", s)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is not a host name", s)
		}
		for _, c := range []byte(label) {
			if (!isAlnum(c) && c != '-') || (c >= 'A' && c <= 'Z') {
				return fmt.Errorf("%q is not a host name in lower case", s)
			}
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isToken reports whether s is a token of RFC 9110, as names of methods and
// headers are.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}
