package xmljson

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"portico/internal/entry/tree"
)

// XML turns a document of JSON into XML of at most limit bytes.
func (c *Convention) XML(document []byte, limit int) ([]byte, error) {
	if err := tree.Measure(document); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	v, err := decode(dec)
	if err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("is not JSON: something follows the value")
	}
	name := c.root
	if o, ok := v.(object); ok && name == "" && len(o) == 1 {
		name, v = o[0].name, o[0].value
	} else if name == "" {
		return nil, errors.New("is no object with one member, which would be the root element")
	}
	if _, ok := v.([]any); ok {
		return nil, errors.New("is a list, which cannot be the root element")
	}
	w := writer{limit: limit}
	w.out.WriteString(xml.Header)
	if err := w.element(name, v); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

// object is an object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// decode reads a value whose depth was measured.
func decode(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		seen := map[string]bool{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			text, _ := name.(string) // the decoder lets nothing else stand there
			if seen[text] {
				return nil, fmt.Errorf("the member %q stands there twice", text)
			}
			seen[text] = true
			o = append(o, member{text, v})
		}
		_, err := dec.Token()
		return o, err
	}
	return token, nil
}

type writer struct {
	out   bytes.Buffer
	limit int
}

func (w *writer) element(name string, v any) error {
	if !Name(name) {
		return fmt.Errorf("has the member %q, which cannot be an element's name", name)
	}
	w.out.WriteString("<" + name)
	o, _ := v.(object)
	for _, m := range o {
		if attribute, ok := strings.CutPrefix(m.name, "@"); ok {
			if err := w.attribute(attribute, m.value); err != nil {
				return err
			}
		}
	}
	w.out.WriteByte('>')
	if _, ok := v.(object); !ok {
		if err := w.text(name, v); err != nil {
			return err
		}
	}
	for _, m := range o {
		if err := w.member(m); err != nil {
			return err
		}
	}
	w.out.WriteString("</" + name + ">")
	if w.out.Len() > w.limit {
		return tree.ErrTooLarge
	}
	return nil
}

func (w *writer) member(m member) error {
	switch list, ok := m.value.([]any); {
	case strings.HasPrefix(m.name, "@"):
		return nil
	case m.name == "#text":
		return w.text(m.name, m.value)
	case !ok:
		return w.element(m.name, m.value)
	default:
		for _, item := range list {
			if _, ok := item.([]any); ok {
				return fmt.Errorf("has a list in the list %q, which XML cannot say", m.name)
			}
			if err := w.element(m.name, item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) attribute(name string, v any) error {
	if !Name(name) {
		return fmt.Errorf("has the member %q, which cannot be an attribute's name", "@"+name)
	}
	w.out.WriteString(" " + name + `="`)
	if err := w.text("@"+name, v); err != nil {
		return err
	}
	w.out.WriteByte('"')
	return nil
}

func (w *writer) text(name string, v any) error {
	s := ""
	switch v := v.(type) {
	case nil:
	case string:
		s = v
	case json.Number:
		s = string(v)
	case bool:
		s = strconv.FormatBool(v)
	default:
		return fmt.Errorf("has the member %q, which is not a text, number, boolean or null", name)
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return fmt.Errorf("has the member %q, which holds the character U+%04X that XML does not have", name, r)
		}
	}
	if w.out.Len()+len(s) > w.limit {
		return tree.ErrTooLarge
	}
	return xml.EscapeText(&w.out, []byte(s))
}
