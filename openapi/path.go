package openapi

import (
	"strings"

	"portico/openapi/tree"
)

// route is a path key made routable.
type route struct {
	path          string
	predicates    []Predicate
	documentation bool   // it cannot be routed as it is
	remark        string // the path without a remark, by which it can be routed if nothing else has it
}

// longestPath is the longest template that is routed; servers refuse longer
// request lines.
const longestPath = 2048

// repairPath makes a route of a path key, with a finding for each repair. It
// needs the operation's parameters to tell a condition from a remark.
func (s *source) repairPath(at tree.Node, params []tree.Node) route {
	key := at.Key()
	note := func(severity Severity, code, hint, format string, args ...any) {
		s.found.add(at, severity, code, hint, format, args...)
	}
	only := func(why string) route {
		note(SeverityWarning, FindPathUnroutable, "Write the path as a template under the server: /users/{id}.", "The path %q %s; its operations are documentation only.", short(key), why)
		return route{path: key, documentation: true}
	}
	if strings.Contains(key, "://") {
		return only("is a whole URL")
	}
	out := route{path: strings.TrimSpace(key)}
	if bare := cutExpansion(out.path); bare != out.path {
		note(SeverityInfo, FindPathExpansion, "Describe the query in parameters.", "The path %q describes its query; %q is routed.", short(key), short(bare))
		out.path = bare
	}
	if i := outside(out.path, "?#"); i >= 0 {
		var ok bool
		mark, condition := out.path[i], out.path[i+1:]
		out.path = out.path[:i]
		out.predicates, ok = predicates(mark, condition, params)
		if !ok {
			out.documentation = true
		} else {
			note(SeverityInfo, FindPathPredicate, "", "The path %q is routed as %q when %s.", short(key), orSlash(out.path), describe(out.predicates))
		}
	}
	if !strings.HasPrefix(out.path, "/") {
		out.path = "/" + out.path
		if len(out.predicates) == 0 || out.path != "/" {
			note(SeverityWarning, FindPathSlashAdded, "Begin the path with a slash.", "The path %q has no slash in front; %q is routed.", short(key), short(out.path))
		}
	}
	if len(out.path) > 1 && strings.HasSuffix(out.path, "/") {
		note(SeverityInfo, FindPathSlashTrailing, "", "The path %q ends with a slash, which is kept.", short(key))
	}
	repaired, why := s.repairTemplate(at, out.path)
	if why != "" {
		return only(why)
	}
	out.path = repaired
	if out.documentation {
		out.path, out.remark = key, repaired
	}
	return out
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// cutExpansion removes RFC 6570 query expansions: /search{?q,page}.
func cutExpansion(path string) string {
	for _, mark := range []string{"{?", "{&", "{#"} {
		for {
			i := strings.Index(path, mark)
			if i < 0 {
				break
			}
			end := strings.IndexByte(path[i:], '}')
			if end < 0 {
				break
			}
			path = path[:i] + path[i+end+1:]
		}
	}
	return path
}

// outside is the first of the marks that is not inside braces, or -1.
func outside(path, marks string) int {
	depth := 0
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth = max(depth-1, 0)
		case depth == 0 && strings.IndexByte(marks, c) >= 0:
			return i
		}
	}
	return -1
}

// predicates reads what follows ? or # in a path key as conditions on the
// query or on headers. After #, a bare name counts only if the operation has
// such a parameter: it is a remark otherwise.
func predicates(mark byte, condition string, params []tree.Node) ([]Predicate, bool) {
	var out []Predicate
	for part := range strings.FieldsFuncSeq(condition, func(r rune) bool { return r == '&' || r == '#' || r == '?' }) {
		name, value, has := strings.Cut(part, "=")
		in := placeOf(name, params)
		if !isFieldName(name) || len(value) > 500 || strings.ContainsAny(value, " \t\r\n") {
			return nil, false
		}
		switch {
		case in == "path" || in == "cookie":
			return nil, false
		case in == "" && mark == '#' && !has:
			return nil, false
		case in == "" && strings.HasPrefix(strings.ToLower(name), "x-"):
			in = "header"
		case in == "":
			in = "query"
		}
		if strings.ContainsAny(value, "{}") {
			value = "" // ?id={id}: that it is there
		}
		out = append(out, Predicate{In: in, Name: name, Value: value})
	}
	return out, len(out) > 0
}

func placeOf(name string, params []tree.Node) string {
	for _, p := range params {
		if in := p.Get("in").String(); p.Get("name").String() == name || in == "header" && strings.EqualFold(p.Get("name").String(), name) {
			return in
		}
	}
	return ""
}

func isFieldName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'<>\^{}|/`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

func describe(list []Predicate) string {
	var parts []string
	for _, p := range list {
		part := "the " + p.In + " " + p.Name + " is there"
		if p.Value != "" {
			part = "the " + p.In + " " + p.Name + " is " + p.Value
		}
		parts = append(parts, part)
	}
	return short(strings.Join(parts, " and "))
}
