package openapi

import (
	"strconv"
	"strings"

	"portico/openapi/tree"
)

// repairTemplate checks a path as a template of literals and {parameters},
// which may share a segment. It answers the template to route by, or why
// there is none.
func (s *source) repairTemplate(at tree.Node, path string) (template, why string) {
	if len(path) > longestPath {
		return "", "is longer than " + strconv.Itoa(longestPath) + " bytes"
	}
	for _, c := range []byte(path) {
		if c < ' ' || c == 0x7f || c == '\\' {
			return "", "holds a control character or a backslash"
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", "holds a dot segment, which is refused in requests"
		}
	}
	names := make(map[string]bool)
	var b strings.Builder
	rest, unnamed, afterParameter := path, 0, false
	for rest != "" {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		if i > 0 {
			b.WriteString(rest[:i])
			afterParameter = false
		}
		end := strings.IndexByte(rest, '}')
		if rest[i] == '}' || end < 0 || strings.Contains(rest[i+1:end], "{") || strings.Contains(rest[i+1:end], "/") {
			return "", "has braces that do not pair up inside a segment"
		}
		if afterParameter {
			return "", "has two parameters with nothing between them"
		}
		name := strings.TrimSpace(rest[i+1 : end])
		rest, afterParameter = rest[end+1:], true
		name, unnamed = s.parameterName(at, name, rest, unnamed, names)
		b.WriteString("{" + name + "}")
	}
	return b.String(), ""
}

// parameterName is the name to route by. The forms {name+}, {+name}, {name*}
// and {name...} at the end of a path match all that is left of it.
func (s *source) parameterName(at tree.Node, name, rest string, unnamed int, names map[string]bool) (string, int) {
	bare := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "+"), "*"), "..."), "+")
	greedy := bare != name
	if bare == "" {
		unnamed++
		bare = "p" + strconv.Itoa(unnamed)
		s.found.add(at, SeverityWarning, FindPathParameterUnnamed, "Name the parameter.", "The path %q has a parameter without a name; it is called %q.", short(at.Key()), bare)
	}
	if names[bare] {
		base := bare
		for i := 2; names[bare]; i++ {
			bare = base + strconv.Itoa(i)
		}
		s.found.add(at, SeverityWarning, FindPathParameterRepeated, "Give the two parameters different names.", "The path %q has the parameter %q twice; the second is called %q.", short(at.Key()), short(base), short(bare))
	}
	names[bare] = true
	if !greedy {
		return bare, unnamed
	}
	if rest == "" {
		s.found.add(at, SeverityInfo, FindPathRest, "", "The parameter {%s} of %q matches all that is left of a path.", short(name), short(at.Key()))
		return bare + "...", unnamed
	}
	s.found.add(at, SeverityWarning, FindPathRest, "Put the parameter at the end of the path.", "The parameter {%s} of %q stands for several segments, but not at the end; it matches one.", short(name), short(at.Key()))
	return bare, unnamed
}

// shape is a template without the names of its parameters.
func shape(template string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(template, '{')
		if i < 0 {
			return b.String() + template
		}
		end := i + strings.IndexByte(template[i:], '}')
		b.WriteString(template[:i])
		if strings.HasSuffix(template[:end], "...") {
			b.WriteString("{...}")
		} else {
			b.WriteString("{}")
		}
		template = template[end+1:]
	}
}
