package xmljson

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"portico/internal/entry/tree"
)

// JSON turns a document of XML into JSON of at most limit bytes.
func (c *Convention) JSON(document []byte, limit int) ([]byte, error) {
	v, err := c.read(document)
	if err != nil {
		return nil, err
	}
	return tree.Append(nil, v, limit)
}

// element is one that is open.
type element struct {
	name     string
	members  map[string]any
	text     strings.Builder
	children bool
	at       *path
}

func (c *Convention) read(document []byte) (any, error) {
	r := reader{convention: c, dec: xml.NewDecoder(bytes.NewReader(document))}
	r.dec.CharsetReader = charset
	for {
		// RawToken keeps prefixes as they are written. It does not see to it that
		// elements are closed as they were opened; end does.
		token, err := r.dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("is not XML: %w", err)
		}
		if err := r.token(token); err != nil {
			return nil, err
		}
	}
	switch {
	case len(r.open) > 0:
		return nil, fmt.Errorf("is not XML: the element %s is not closed", r.open[len(r.open)-1].name)
	case r.root == "":
		return nil, errors.New("is not XML: it has no element")
	case r.root == c.root:
		return r.value, nil
	}
	return map[string]any{r.root: r.value}, nil
}

type reader struct {
	convention *Convention
	dec        *xml.Decoder
	open       []*element
	elements   int
	root       string
	value      any
}

func (r *reader) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		return r.end(nameOf(t.Name))
	case xml.CharData:
		if len(r.open) > 0 {
			r.open[len(r.open)-1].text.Write(t)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("is not XML: text stands outside of its root")
		}
	case xml.Directive:
		return errors.New("holds a document type or another declaration, which is not read")
	}
	return nil
}

func (r *reader) start(t xml.StartElement) error {
	if r.elements++; r.elements > MaxElements {
		return fmt.Errorf("holds more than %d elements", MaxElements)
	}
	e := &element{name: nameOf(t.Name)}
	switch {
	case len(r.open) == MaxDepth:
		return fmt.Errorf("is nested deeper than %d", MaxDepth)
	case len(t.Attr) > MaxAttributes:
		return fmt.Errorf("has an element of more than %d attributes", MaxAttributes)
	case len(r.open) > 0:
		parent := r.open[len(r.open)-1]
		parent.children = true
		e.at = parent.at.next(e.name)
	case r.root != "":
		return errors.New("is not XML: it has two roots")
	default:
		r.root = e.name
		e.at = r.convention.arrays.next(e.name)
	}
	for _, a := range t.Attr {
		name := "@" + nameOf(a.Name)
		if _, twice := e.members[name]; twice {
			return fmt.Errorf("is not XML: the attribute %s stands there twice", name[1:])
		}
		e.put(name, a.Value)
	}
	r.open = append(r.open, e)
	return nil
}

func (r *reader) end(name string) error {
	if len(r.open) == 0 || r.open[len(r.open)-1].name != name {
		return fmt.Errorf("is not XML: the element %s is closed and was not open", name)
	}
	e := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	if len(r.open) == 0 {
		r.value = e.value()
		return nil
	}
	parent, value := r.open[len(r.open)-1], e.value()
	before, there := parent.members[name]
	list, several := before.([]any)
	switch {
	case several:
		parent.members[name] = append(list, value)
	case there:
		parent.members[name] = []any{before, value}
	case e.at != nil && e.at.list:
		parent.put(name, []any{value})
	default:
		parent.put(name, value)
	}
	return nil
}

func (e *element) put(name string, value any) {
	if e.members == nil {
		e.members = map[string]any{}
	}
	e.members[name] = value
}

func (e *element) value() any {
	text := e.text.String()
	if e.members == nil {
		return text
	}
	if e.children && strings.TrimSpace(text) == "" {
		text = ""
	}
	if text != "" {
		e.members["#text"] = text
	}
	return e.members
}

// nameOf writes a raw name as it stood.
func nameOf(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// charset reads what old services write.
func charset(name string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "us-ascii", "iso-8859-1", "latin1":
		return &latin1{in: in}, nil
	}
	return nil, fmt.Errorf("the character set %q is not read; want UTF-8", name)
}

// latin1 makes UTF-8 of ISO 8859-1.
type latin1 struct {
	in   io.Reader
	half byte // the second byte of a letter that did not fit; 0 for none
}

func (l *latin1) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.half != 0 {
		p[0], l.half = l.half, 0
		return 1, nil
	}
	buf := make([]byte, (len(p)+1)/2)
	n, err := l.in.Read(buf)
	out := p[:0]
	for _, c := range buf[:n] {
		if c < 0x80 {
			out = append(out, c)
			continue
		}
		first, second := 0xc0|c>>6, 0x80|c&0x3f
		if out = append(out, first); len(out) < len(p) {
			out = append(out, second)
		} else {
			l.half = second
		}
	}
	return len(out), err
}
