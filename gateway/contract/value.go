package contract

import (
	"slices"
	"strings"

	"portico/internal/entry/schema"
)

// shape is what a text has to become before it can be held to a schema: all that
// a parameter is written with is text.
type shape struct {
	number, boolean, null, text bool // what one of them may be
	list, object                bool
	open                        bool // nothing is said
	names                       []string
	schema                      *schema.Schema
}

func shapeOf(s *schema.Schema) shape {
	if s == nil {
		return shape{open: true}
	}
	kinds := s.Kinds()
	return shape{
		number: kinds["number"] || kinds["integer"], boolean: kinds["boolean"], null: kinds["null"], text: kinds["string"],
		list: kinds["array"], object: kinds["object"], open: len(kinds) == 0, names: s.Properties(), schema: s,
	}
}

// scalar reads a text as what it may be.
func (s shape) scalar(text string) schema.Value {
	if s.number {
		if n, ok := schema.TextNumber(text); ok {
			return n
		}
	}
	if s.boolean && (text == "true" || text == "false") {
		return text == "true"
	}
	if s.null && (text == "null" || text == "" && !s.text) {
		return nil
	}
	return text
}

// items reads texts as a list.
func (s shape) items(texts []string) schema.Value {
	item := shapeOf(s.schema.Items())
	out := make([]schema.Value, 0, len(texts))
	for _, t := range texts {
		out = append(out, item.scalar(t))
	}
	return out
}

// member reads a text as one of an object's properties.
func (s shape) member(name, text string) schema.Value {
	p := shapeOf(s.schema.Property(name))
	if p.list && !p.text {
		return p.items([]string{text})
	}
	return p.scalar(text)
}

// pairs reads name and value in turn, as "R,100,G,200".
func (s shape) pairs(texts []string) schema.Value {
	o := &schema.Object{}
	for i := 0; i+1 < len(texts); i += 2 {
		o.Add(texts[i], s.member(texts[i], texts[i+1]))
	}
	return o
}

// assigned reads "R=100" of each text.
func (s shape) assigned(texts []string) schema.Value {
	o := &schema.Object{}
	for _, t := range texts {
		name, value, _ := strings.Cut(t, "=")
		o.Add(name, s.member(name, value))
	}
	return o
}

// many reports whether a shape is more than one text.
func (s shape) many() bool { return s.list || s.object }

// field is a name and value of a query or a form. raw is the value before it was
// decoded, so that a delimiter can be told from an encoded one.
type field struct{ name, value, raw string }

// maxFields bounds those of one query or form.
const maxFields = 2_000

// fields reads a query or a form; false where it has too many, or cannot be read.
func fields(text string) ([]field, bool) {
	var out []field
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		if len(out) == maxFields {
			return nil, false
		}
		name, raw, _ := strings.Cut(pair, "=")
		n, ok1 := decode(name)
		v, ok2 := decode(raw)
		if !ok1 || !ok2 {
			return nil, false
		}
		out = append(out, field{n, v, raw})
	}
	return out, true
}

// decode undoes a query's percent-encoding; what is no escape stays.
func decode(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			out = append(out, hi<<4|lo)
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out), true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// written reads a parameter of a query or a form. claimed are the names that
// other parameters have.
func (p *parameter) written(list []field, claimed func(string) bool, used []bool) (v schema.Value, there bool) {
	style := p.Style
	if style == "deepObject" {
		return p.deep(list, used)
	}
	if p.object && !p.text && p.Explode && style == "form" {
		o := &schema.Object{}
		for i, f := range list {
			known := slices.Contains(p.names, f.name)
			if known || len(p.names) == 0 && !claimed(f.name) {
				p.put(o, f.name, f.value)
				used[i] = true
			}
		}
		return o, len(o.Members) > 0
	}
	var texts, raws []string
	for i, f := range list {
		if f.name == p.Name {
			texts, raws, used[i] = append(texts, f.value), append(raws, f.raw), true
		}
	}
	if len(texts) == 0 {
		return nil, false
	}
	if !p.many() || p.Explode && p.list {
		if p.list && (!p.text || len(texts) > 1) {
			return p.items(texts), true
		}
		if len(texts) > 1 {
			out := make([]schema.Value, len(texts)) // one was wanted: the schema says no
			for i, t := range texts {
				out[i] = p.scalar(t)
			}
			return out, true
		}
		return p.scalar(texts[0]), true
	}
	parts := divided(raws[0], style)
	if p.object {
		return p.pairs(parts), true
	}
	if texts[0] == "" {
		parts = nil
	}
	return p.items(parts), true
}

// put adds a member; one that comes again makes a list.
func (s shape) put(o *schema.Object, name, text string) {
	before, there := o.Get(name)
	if !there {
		o.Add(name, s.member(name, text))
		return
	}
	list, ok := before.([]schema.Value)
	if !ok {
		list = []schema.Value{before}
	}
	item := shapeOf(s.schema.Property(name).Items())
	list = append(list, item.scalar(text))
	for i := range o.Members {
		if o.Members[i].Name == name {
			o.Members[i].Value = list
		}
	}
}

// divided splits a raw value at its style's delimiter, and decodes the parts.
func divided(raw, style string) []string {
	switch style {
	case "spaceDelimited":
		raw = strings.ReplaceAll(strings.ReplaceAll(raw, "%20", "\x00"), "+", "\x00")
	case "pipeDelimited":
		raw = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(raw, "%7C", "\x00"), "%7c", "\x00"), "|", "\x00")
	default:
		if !strings.Contains(raw, ",") { // most clients encode the delimiter as well
			raw = strings.ReplaceAll(strings.ReplaceAll(raw, "%2C", ","), "%2c", ",")
		}
		raw = strings.ReplaceAll(raw, ",", "\x00")
	}
	parts := strings.Split(raw, "\x00")
	for i, part := range parts {
		parts[i], _ = decode(part) // fields has seen to it
	}
	return parts
}

// deep reads name[a]=1&name[b][c]=2.
func (p *parameter) deep(list []field, used []bool) (schema.Value, bool) {
	root := &schema.Object{}
	for i, f := range list {
		rest, ok := strings.CutPrefix(f.name, p.Name+"[")
		if !ok || !strings.HasSuffix(rest, "]") {
			continue
		}
		used[i] = true
		keys := strings.Split(strings.TrimSuffix(rest, "]"), "][")
		if len(keys) > 8 {
			continue
		}
		if len(keys) > 1 && keys[len(keys)-1] == "" {
			keys = keys[:len(keys)-1] // name[a][]=1
		}
		if at, in := p.descend(root, keys[:len(keys)-1]); at != nil {
			in.put(at, keys[len(keys)-1], f.value)
		}
	}
	return root, len(root.Members) > 0
}

// descend makes the objects on the way to a value; nil where something else
// stands there.
func (p *parameter) descend(at *schema.Object, keys []string) (*schema.Object, shape) {
	in := p.shape
	for _, key := range keys {
		v, there := at.Get(key)
		next, isObject := v.(*schema.Object)
		if !there {
			next = &schema.Object{}
			at.Add(key, next)
		} else if !isObject {
			return nil, in
		}
		at, in = next, shapeOf(in.schema.Property(key))
	}
	return at, in
}

// single reads a parameter of the path, a header or a cookie.
func (p *parameter) single(text string) schema.Value {
	style := p.Style
	switch style {
	case "label":
		text = strings.TrimPrefix(text, ".")
	case "matrix":
		text = strings.TrimPrefix(text, ";")
		if !p.many() || !p.Explode {
			text = strings.TrimPrefix(text, p.Name+"=")
		}
	}
	if !p.many() || p.text && !strings.Contains(text, ",") {
		return p.scalar(text)
	}
	delimiter := ","
	switch {
	case style == "label" && (p.Explode || !strings.Contains(text, ",")):
		delimiter = "."
	case style == "matrix" && p.Explode:
		delimiter = ";"
	}
	var parts []string
	if text != "" {
		parts = strings.Split(text, delimiter)
	}
	for i := range parts {
		if parts[i] = strings.TrimSpace(parts[i]); style == "matrix" && p.Explode && p.list {
			parts[i] = strings.TrimPrefix(parts[i], p.Name+"=")
		}
	}
	switch {
	case p.list:
		return p.items(parts)
	case p.Explode:
		return p.assigned(parts)
	}
	return p.pairs(parts)
}
