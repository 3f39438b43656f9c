package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"portico/internal/entry/tree"
)

// Text compiles a template that is a plain text. It may see what templates for
// that use see. Nothing is escaped.
func Text(source string, use For) (*Template, error) {
	if len(source) > MaxTemplateBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxTemplateBytes)
	}
	t := &Template{used: map[string]bool{}}
	parts, err := t.parts(source, use)
	t.root = text(parts)
	return t, err
}

// String renders a template of text, in at most limit bytes.
func (t *Template) String(in *Inputs, limit int) (string, error) {
	v, err := t.Tree(in)
	if err != nil {
		return "", err
	}
	s, _ := v.(string)
	if len(s) > limit {
		return "", tree.ErrTooLarge
	}
	return s, nil
}

// text is constants and expressions after one another.
type text []node

// maxText bounds a text that is made of parts, and one that an expression makes.
const maxText = 4 << 20

func (t text) eval(in *Inputs) (any, error) {
	if len(t) == 1 {
		if c, ok := t[0].(constant); ok {
			return c.value, nil
		}
	}
	var b strings.Builder
	for _, p := range t {
		v, err := p.eval(in)
		if err != nil {
			return nil, err
		}
		s, err := textOf(v)
		if err != nil {
			return nil, err
		}
		if b.Len()+len(s) > maxText {
			return nil, tree.ErrTooLarge
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// textOf writes a value into a text: nil as nothing, lists and objects as JSON.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return string(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	out, err := tree.Append(nil, v, maxText)
	return string(out), err
}

var errBudget = errors.New("an expression of the template uses too much time or memory")
