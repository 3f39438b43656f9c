// Package template understands the path templates of routes: parsing them,
// deciding which of two comes first, and whether two can match one path. The
// check that runs before a publish and the gateway's matcher share it, so that
// they cannot disagree.
//
// It matches nothing by itself at the speed a gateway needs (gateway/table
// does), and it knows nothing of methods, hosts or predicates.
//
// # The order of templates
//
// When several templates match a path, the first of them in this order wins:
// the one with more literal segments; then, segment by segment from the left,
// a literal before a part of a segment before a whole parameter before the
// rest of the path; then the one whose parts of segments hold more literal
// bytes. Templates that this order cannot tell apart are either the same (but
// for the names of their parameters) or may overlap, and both are refused
// within one API and method.
package template

import (
	"fmt"
	"strings"
)

// MaxBytes bounds a template; a longer one is refused.
const MaxBytes = 2048

// Path is a parsed template. The zero value is not a template.
type Path struct {
	Source   string
	Segments []Segment // at least one
	Names    []string  // of the parameters, from the left
}

// Kind says what a segment is made of. A larger kind comes first when two
// templates match the same path.
type Kind uint8

// The kinds of segments.
const (
	Rest    Kind = iota // {name...}: what is left of the path, nothing included
	Whole               // {name}: one non-empty segment
	Partial             // literals and parameters in one segment
	Literal             // text
)

// Segment is what stands between two slashes. Literals holds decoded text: for
// a Literal its one text, for a Partial the text before, between and after its
// parameters, so len(Literals) is their number plus one.
type Segment struct {
	Kind     Kind
	Literals []string
}

// Text returns a literal segment's text.
func (s Segment) Text() string { return s.Literals[0] }

// Bytes returns how many literal bytes the segment holds.
func (s Segment) Bytes() int {
	n := 0
	for _, l := range s.Literals {
		n += len(l)
	}
	return n
}

// Parse reads a template. The error says what is wrong with it and where.
func Parse(source string) (Path, error) {
	p := Path{Source: source}
	switch {
	case source == "" || source[0] != '/':
		return p, fmt.Errorf("path %q does not begin with a slash", source)
	case len(source) > MaxBytes:
		return p, fmt.Errorf("path is longer than %d bytes", MaxBytes)
	}
	parts, err := splitSegments(source[1:])
	if err != nil {
		return p, fmt.Errorf("path %q: %w", source, err)
	}
	for i, raw := range parts {
		seg, names, err := parseSegment(raw, i == len(parts)-1)
		if err != nil {
			return p, fmt.Errorf("path %q, segment %d: %w", source, i+1, err)
		}
		p.Segments = append(p.Segments, seg)
		p.Names = append(p.Names, names...)
	}
	for i, name := range p.Names {
		for _, other := range p.Names[:i] {
			if name == other {
				return p, fmt.Errorf("path %q names parameter %q twice", source, name)
			}
		}
	}
	return p, nil
}

// splitSegments cuts at slashes outside of braces.
func splitSegments(s string) ([]string, error) {
	var parts []string
	start, open := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '{' && open:
			return nil, fmt.Errorf("a brace is opened inside a parameter")
		case c == '{':
			open = true
		case c == '}' && !open:
			return nil, fmt.Errorf("a brace is closed that was not opened")
		case c == '}':
			open = false
		case c == '/' && !open:
			parts = append(parts, s[start:i])
			start = i + 1
		case c == '?' && !open, c == '#' && !open:
			return nil, fmt.Errorf("%q belongs into a predicate, not into the path", c)
		case c < 0x20 || c == 0x7f || c == '\\':
			return nil, fmt.Errorf("byte %#02x is not allowed", c)
		}
	}
	if open {
		return nil, fmt.Errorf("a brace is not closed")
	}
	return append(parts, s[start:]), nil
}

func parseSegment(raw string, last bool) (Segment, []string, error) {
	var literals, names []string
	rest := raw
	for {
		lit, after, found := strings.Cut(rest, "{")
		text, err := decode(lit)
		if err != nil {
			return Segment{}, nil, err
		}
		literals = append(literals, text)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		if bare, isRest := strings.CutSuffix(name, "..."); isRest {
			if !last || lit != "" || len(names) > 0 || tail != "" {
				return Segment{}, nil, fmt.Errorf("{%s} must be the whole last segment", name)
			}
			if bare == "" {
				return Segment{}, nil, fmt.Errorf("a parameter has no name")
			}
			return Segment{Kind: Rest}, []string{bare}, nil
		}
		if name == "" || strings.ContainsRune(name, '/') {
			return Segment{}, nil, fmt.Errorf("a parameter has no usable name")
		}
		names = append(names, name)
		rest = tail
	}
	switch {
	case len(names) == 0 && (literals[0] == "." || literals[0] == ".."):
		return Segment{}, nil, fmt.Errorf("dot segments are not allowed")
	case len(names) == 0:
		return Segment{Kind: Literal, Literals: literals}, nil, nil
	case len(names) == 1 && literals[0] == "" && literals[1] == "":
		return Segment{Kind: Whole}, names, nil
	}
	return Segment{Kind: Partial, Literals: literals}, names, nil
}

// decode undoes percent-encoding in a literal, since paths are matched decoded.
func decode(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", fmt.Errorf("%q has a percent sign without two hexadecimal digits", s)
		}
		c := unhex(s[i+1])<<4 | unhex(s[i+2])
		if c == '/' || c == '\\' || c == 0 || c == '%' {
			return "", fmt.Errorf("%q encodes a byte that no path may hold", s)
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
