package tree

import (
	"fmt"
	"strconv"
	"strings"
)

// Pointer is a parsed JSON Pointer (RFC 6901). The empty one is the whole tree.
type Pointer []string

// MaxPointerBytes bounds a pointer; a longer one is refused.
const MaxPointerBytes = 1024

// ParsePointer reads a pointer such as /items/0/price. In a segment, ~1 stands
// for a slash and ~0 for a tilde.
func ParsePointer(source string) (Pointer, error) {
	switch {
	case source == "":
		return Pointer{}, nil
	case source[0] != '/':
		return nil, fmt.Errorf("%q does not begin with a slash", source)
	case len(source) > MaxPointerBytes:
		return nil, fmt.Errorf("is longer than %d bytes", MaxPointerBytes)
	}
	segments := strings.Split(source[1:], "/")
	if len(segments) > MaxDepth {
		return nil, fmt.Errorf("is deeper than %d", MaxDepth)
	}
	for i, s := range segments {
		for j := range len(s) {
			if s[j] == '~' && (j+1 == len(s) || s[j+1] != '0' && s[j+1] != '1') {
				return nil, fmt.Errorf("%q has a tilde that is followed by neither 0 nor 1", source)
			}
		}
		segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return segments, nil
}

// find returns what a pointer points at.
func (p Pointer) find(v any) (any, error) {
	for i, segment := range p {
		switch at := v.(type) {
		case map[string]any:
			member, ok := at[segment]
			if !ok {
				return nil, p.missing(i)
			}
			v = member
		case []any:
			n, ok := index(segment, len(at))
			if !ok {
				return nil, p.missing(i)
			}
			v = at[n]
		default:
			return nil, p.missing(i)
		}
	}
	return v, nil
}

// missing is the error of a pointer whose segment i points at nothing.
func (p Pointer) missing(i int) error {
	return fmt.Errorf("there is nothing at %s", p[:i+1])
}

// String returns the pointer as it is written.
func (p Pointer) String() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// index reads the place of an element in a list of some length.
func index(segment string, length int) (int, bool) {
	if segment == "" || segment[0] == '0' && len(segment) > 1 || segment[0] == '-' || segment[0] == '+' {
		return 0, false
	}
	n, err := strconv.Atoi(segment)
	return n, err == nil && n < length
}
