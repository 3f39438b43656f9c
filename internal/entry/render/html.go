package render

import (
	"errors"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"portico/internal/entry/tree"
)

// HTML compiles a template that is a page of HTML. It may see what templates for
// that use see. The values of its expressions are escaped as html/template does
// it: for the text, attribute, address or script where they stand.
func HTML(source string, use For) (*Template, error) {
	if len(source) > MaxTemplateBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxTemplateBytes)
	}
	if strings.ContainsAny(source, opens+closes) {
		return nil, errors.New("holds a control character")
	}
	t := &Template{used: map[string]bool{}}
	parts, err := t.parts(source, use)
	if err != nil {
		return nil, err
	}
	p := &page{}
	var text strings.Builder
	for _, part := range parts {
		if c, ok := part.(constant); ok {
			text.WriteString(c.value.(string)) // parts makes no others
			continue
		}
		text.WriteString(opens + "index . " + strconv.Itoa(len(p.parts)) + closes)
		p.parts = append(p.parts, part)
	}
	if p.template, err = template.New("page").Delims(opens, closes).Parse(text.String()); err != nil {
		return nil, errors.New("cannot be read as a page")
	}
	// The first time is when html/template finds out whether it knows where each
	// value stands.
	if _, err := p.fill(make([]string, len(p.parts))); err != nil {
		return nil, fmt.Errorf("holds an expression where no value can stand safely: %s", firstLine(err))
	}
	t.root = p
	return t, nil
}

// What stands around a value in a page, as html/template sees it.
const (
	opens  = "\x01"
	closes = "\x02"
)

// page is a page of HTML.
type page struct {
	template *template.Template
	parts    []node
}

func (p *page) eval(in *Inputs) (any, error) {
	values := make([]string, len(p.parts))
	for i, part := range p.parts {
		v, err := part.eval(in)
		if err == nil {
			values[i], err = textOf(v)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.fill(values)
}

func (p *page) fill(values []string) (string, error) {
	var out bounded
	if err := p.template.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

// bounded is a text that does not grow beyond maxText.
type bounded struct{ strings.Builder }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, tree.ErrTooLarge
	}
	return b.Builder.Write(p)
}
