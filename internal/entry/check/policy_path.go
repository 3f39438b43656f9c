package check

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/template"
)

// maxPattern bounds the text of a regular expression, and of what replaces it.
const maxPattern = 1000

func (p *problems) pathPolicy(at string, c entry.PathPolicy) {
	ways := 0
	for _, way := range []string{c.Template, c.Prefix, c.Pattern} {
		if way != "" {
			ways++
		}
	}
	if ways != 1 {
		p.add(at, "want one of template, prefix and pattern, got %d", ways)
		return
	}
	if len(c.Replacement) > maxPattern {
		p.add(at+".replacement", "is longer than %d bytes", maxPattern)
		return
	}
	switch {
	case c.Template != "":
		_, err := template.Parse(c.Template)
		p.addErr(at+".template", err)
		if c.Replacement != "" {
			p.add(at+".replacement", "is of a prefix or a pattern; the template is the whole path")
		}
	case c.Prefix != "":
		p.addErr(at+".prefix", pathPiece(c.Prefix))
		if c.Prefix == "/" && c.Replacement == "" {
			p.add(at+".prefix", "replaces nothing by nothing")
		}
		if c.Replacement != "" {
			p.addErr(at+".replacement", pathPiece(c.Replacement))
		}
	default:
		p.pathPattern(at, c)
	}
}

// pathPiece accepts what a path may begin with: whole segments, escaped as they
// are sent.
func pathPiece(s string) error {
	if !strings.HasPrefix(s, "/") || len(s) > 1 && strings.HasSuffix(s, "/") {
		return fmt.Errorf("want a path that begins with a slash and does not end with one, such as /api, got %q", s)
	}
	if s == "/" {
		return nil
	}
	for segment := range strings.SplitSeq(s[1:], "/") {
		if segment == "" || strings.ContainsAny(segment, "{}% ") {
			return fmt.Errorf("%q holds an empty segment, a space, a brace or a percent sign", s)
		}
	}
	_, err := template.Parse(s)
	return err
}

func (p *problems) pathPattern(at string, c entry.PathPolicy) {
	pattern, err := Pattern(c.Pattern)
	if err != nil {
		p.addErr(at+".pattern", err)
		return
	}
	if strings.ContainsFunc(c.Replacement, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`?#\%`, r) }) {
		p.add(at+".replacement", "%q holds what no path may: a space, a question mark, a hash, a backslash or a percent sign", c.Replacement)
	}
	for rest := c.Replacement; ; {
		_, after, found := strings.Cut(rest, "$")
		if !found {
			return
		}
		name := ""
		if strings.HasPrefix(after, "{") {
			closed := false
			if name, rest, closed = strings.Cut(after[1:], "}"); !closed {
				p.add(at+".replacement", "${%s is not closed", name)
				return
			}
		} else {
			end := strings.IndexFunc(after, func(r rune) bool { return r != '_' && (r > 'z' || !isAlnum(byte(r))) })
			if end < 0 {
				end = len(after)
			}
			name, rest = after[:end], after[end:]
		}
		if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= pattern.NumSubexp() || err != nil && name != "" && slices.Contains(pattern.SubexpNames(), name) {
			continue
		}
		p.add(at+".replacement", "$%s is no group of the pattern; write ${1} where letters or digits follow", name)
		return
	}
}

// Pattern compiles a regular expression that a provider writes. RE2 takes time
// in proportion to what it looks at; what it is made of is bounded here.
func Pattern(source string) (*regexp.Regexp, error) {
	if source == "" || len(source) > maxPattern {
		return nil, fmt.Errorf("want 1 to %d bytes, got %d", maxPattern, len(source))
	}
	pattern, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("is not a regular expression of RE2: %w", err)
	}
	return pattern, nil
}

// anyPath stands for the paths of all operations, which have no parameter in
// common.
func anyPath() template.Path {
	return template.Path{Source: "every operation", Segments: []template.Segment{{Kind: template.Literal, Literals: []string{"any"}}}}
}

// pathTemplates checks the templates of path policies over the parameters of a
// route that they are for.
func (p *problems) pathTemplates(at string, policies []entry.Policy, route template.Path) {
	if len(route.Segments) == 0 {
		return // it was refused already
	}
	owner, rest := route.Source+"'s", ""
	if last := len(route.Segments) - 1; route.Segments[last].Kind == template.Rest {
		rest = route.Names[len(route.Names)-1]
	}
	for i, pol := range policies {
		c, ok := pol.Config.(*entry.PathPolicy)
		if !ok || c.Template == "" {
			continue
		}
		field := fmt.Sprintf("%s[%d].template", at, i)
		made, err := template.Parse(c.Template)
		if err != nil || slices.ContainsFunc(p.list, func(x Problem) bool { return x.Field == field }) {
			continue // it was refused already, alone or for another route
		}
		for j, name := range made.Names {
			ends := j == len(made.Names)-1 && made.Segments[len(made.Segments)-1].Kind == template.Rest
			switch {
			case !slices.Contains(route.Names, name):
				p.add(field, "parameter %q is not one of %s parameters", name, owner)
			case name == rest && !ends:
				p.add(field, "parameter %q is the rest of the path, so it can only stand at the end, as {%s...}", name, name)
			}
		}
	}
}
