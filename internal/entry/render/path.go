package render

import (
	"fmt"
	"net/url"
	"strings"

	"portico/internal/entry/tree"
)

// Path compiles a template of a path, and of a query after a question mark. It
// may see what templates for that use see. The values of its expressions are
// escaped: none is more than one segment, or one value of a parameter.
func Path(source string, use For) (*Template, error) {
	if !strings.HasPrefix(source, "/") {
		return nil, fmt.Errorf("%q does not begin with a slash", source)
	}
	if len(source) > MaxTemplateBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxTemplateBytes)
	}
	t := &Template{used: map[string]bool{}}
	parts, err := t.parts(source, use)
	if err != nil {
		return nil, err
	}
	query := false
	for i, p := range parts {
		if c, ok := p.(constant); ok {
			text, _ := c.value.(string)
			if strings.ContainsAny(text, " #\\\r\n\t") {
				return nil, fmt.Errorf("%q holds what a path cannot", source)
			}
			query = query || strings.Contains(text, "?")
			continue
		}
		parts[i] = escaped{p, query}
	}
	t.root = text(parts)
	return t, nil
}

// escaped is an expression whose value stands in a path, or in a query.
type escaped struct {
	node
	query bool
}

func (e escaped) eval(in *Inputs) (any, error) {
	v, err := e.node.eval(in)
	if err != nil {
		return nil, err
	}
	s, err := textOf(v)
	if err != nil {
		return nil, err
	}
	if e.query {
		return url.QueryEscape(s), nil
	}
	if s == "" || s == "." || s == ".." {
		return nil, fmt.Errorf("%q cannot stand in a path", s)
	}
	if s = url.PathEscape(s); len(s) > maxText {
		return nil, tree.ErrTooLarge
	}
	return s, nil
}
