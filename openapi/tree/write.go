package tree

import (
	"bytes"
	"encoding/json"
)

// AppendJSON appends the value as JSON. With an indent it is laid out over
// several lines, as encoding/json's Indent would; with "" it is compact.
// Members keep the document's order.
func (n Node) AppendJSON(dst []byte, indent string) []byte {
	return n.appendJSON(dst, indent, 0)
}

func (n Node) appendJSON(dst []byte, indent string, depth int) []byte {
	switch n.Kind() {
	case Missing, Null:
		return append(dst, "null"...)
	case Bool, Number:
		return append(dst, n.Text()...)
	case String:
		return AppendString(dst, n.Text())
	}
	opening, closing := byte('['), byte(']')
	if n.IsObject() {
		opening, closing = '{', '}'
	}
	dst = append(dst, opening)
	first := true
	for c := range n.Children() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = newline(dst, indent, depth+1)
		if n.IsObject() {
			dst = AppendString(dst, c.Key())
			dst = append(dst, ':')
			if indent != "" {
				dst = append(dst, ' ')
			}
		}
		dst = c.appendJSON(dst, indent, depth+1)
	}
	if !first {
		dst = newline(dst, indent, depth)
	}
	return append(dst, closing)
}

func newline(dst []byte, indent string, depth int) []byte {
	if indent == "" {
		return dst
	}
	dst = append(dst, '\n')
	for range depth {
		dst = append(dst, indent...)
	}
	return dst
}

// AppendString appends s as a JSON string, without the escapes that only
// HTML would need.
func AppendString(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes, and a bytes.Buffer always writes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
