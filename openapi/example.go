package openapi

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portico/openapi/tree"
)

// sampler makes up a value for a schema, as JSON. What the document gives as
// example, default, const or enum is taken; the rest is made of the type.
type sampler struct {
	src    *source
	answer bool // of a response: leaves out what is only written; else what is only read
	fit    bool // to be held to the schema: goes deeper for what is required, and looks at patterns
	left   int  // bytes still to spend
	above  []string
}

// Bounds of a made-up value.
const (
	sampleBytes  = 8 << 10
	sampleDepth  = 7
	sampleFields = 40
)

// append writes a value for the schema, always valid JSON.
func (m *sampler) append(dst []byte, n tree.Node, depth int) []byte {
	v := m.src.viewOf(n)
	if given, ok := m.given(v); ok {
		m.left -= 20 * given.Size()
		return given.AppendJSON(dst, "")
	}
	if m.left -= 12; m.left < -sampleBytes { // required ones in required ones
		return append(dst, "null"...)
	}
	if v.name != "" {
		if slices.Contains(m.above, v.name) {
			return append(dst, "null"...)
		}
		m.above = append(m.above, v.name)
		defer func() { m.above = m.above[:len(m.above)-1] }()
	}
	kinds, _ := v.kinds()
	options, _, _ := v.choice()
	if len(options) > 0 && !v.hasFields() {
		if depth >= m.deepest() {
			return append(dst, "null"...)
		}
		return m.append(dst, options[0], depth+1)
	}
	switch {
	case len(kinds) == 0 && !v.hasFields():
		return append(dst, "null"...)
	case len(kinds) == 0 || kinds[0] == "object":
		return m.object(dst, v, depth)
	case kinds[0] == "array":
		return m.list(dst, v, depth)
	}
	if pattern := v.get("pattern").String(); m.fit && kinds[0] == "string" && pattern != "" {
		if text, ok := matchingText(pattern); ok {
			return tree.AppendString(dst, text)
		}
	}
	return appendScalar(dst, v, kinds[0])
}

// deepest is how far down values are made up.
func (m *sampler) deepest() int {
	if m.fit {
		return 3 * sampleDepth // of what is required alone, past sampleDepth
	}
	return sampleDepth
}

// given is what the document itself offers, if it is not too large.
func (m *sampler) given(v view) (tree.Node, bool) {
	n := firstExample(v)
	for _, key := range []string{"default", "const"} {
		if !n.Exists() {
			n = v.get(key)
		}
	}
	if !n.Exists() {
		for e := range v.get("enum").Children() {
			n = e
			break
		}
	}
	return n, n.Exists() && n.Size() <= 200
}

func (m *sampler) list(dst []byte, v view, depth int) []byte {
	items := v.get("items")
	if !items.IsObject() || depth >= sampleDepth || m.left <= 0 || m.recursive(items) {
		return append(dst, "[]"...)
	}
	dst = append(dst, '[')
	dst = m.append(dst, items, depth+1)
	return append(dst, ']')
}

func (m *sampler) object(dst []byte, v view, depth int) []byte {
	dst = append(dst, '{')
	if depth < m.deepest() {
		written := 0
		list, _ := v.fields()
		for _, f := range list {
			fv := m.src.viewOf(f.schema)
			if m.answer && fv.has("writeOnly") || !m.answer && fv.has("readOnly") || fv.has("deprecated") && !f.required {
				continue
			}
			if !f.required && (depth >= sampleDepth || written >= sampleFields || m.left <= 0 || m.recursive(f.schema)) {
				continue
			}
			if written >= 4*sampleFields {
				break
			}
			if written > 0 {
				dst = append(dst, ',')
			}
			dst = append(tree.AppendString(dst, f.name), ':')
			m.left -= len(f.name)
			dst = m.append(dst, f.schema, depth+1)
			written++
		}
		if extra := v.get("additionalProperties"); written == 0 && depth < sampleDepth && extra.IsObject() && extra.Len() > 0 && m.left > 0 && !m.recursive(extra) {
			dst = append(dst, `"name":`...)
			dst = m.append(dst, extra, depth+1)
		}
	}
	return append(dst, '}')
}

// recursive reports whether a schema is one that the value at hand stands in.
func (m *sampler) recursive(n tree.Node) bool {
	_, name := m.src.resolveNamed(n)
	return name != "" && slices.Contains(m.above, name)
}

// appendScalar makes up a string, number or boolean within its bounds.
func appendScalar(dst []byte, v view, kind string) []byte {
	switch kind {
	case "boolean":
		return append(dst, "true"...)
	case "null":
		return append(dst, "null"...)
	case "integer", "number":
		for _, key := range []string{"minimum", "maximum"} {
			if bound := v.get(key); bound.Kind() == tree.Number {
				if x, ok := bound.Int(); ok && key == "maximum" && x >= 1 {
					break // 1 is within
				}
				if x, ok := bound.Int(); ok && v.has("exclusiveMinimum") && key == "minimum" {
					return strconv.AppendInt(dst, x+1, 10)
				}
				return append(dst, bound.Text()...)
			}
		}
		if x, ok := v.get("multipleOf").Int(); ok {
			return strconv.AppendInt(dst, x, 10)
		}
		return append(dst, '1')
	}
	return tree.AppendString(dst, sampleString(v))
}

// matchingText makes up a text for a pattern: the shortest that its parts allow.
// It is none where the pattern is not one of RE2, or asks for too much.
func matchingText(pattern string) (string, bool) {
	if len(pattern) > 500 {
		return "", false
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	text, ok := appendMatching(nil, parsed)
	if !ok {
		return "", false
	}
	compiled, err := regexp.Compile(pattern)
	return string(text), err == nil && compiled.Match(text)
}

// mostMatching bounds a text that is made up for a pattern.
const mostMatching = 500

func appendMatching(dst []byte, re *syntax.Regexp) ([]byte, bool) {
	if len(dst) > mostMatching {
		return dst, false
	}
	times := 1
	switch re.Op {
	case syntax.OpLiteral:
		return append(dst, string(re.Rune)...), true
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return dst, false
		}
		pick := re.Rune[0]
		for i := 0; i+1 < len(re.Rune); i += 2 { // one that people can read, if there is one
			if low := max(re.Rune[i], '0'); low <= re.Rune[i+1] && low <= 'z' {
				pick = low
				break
			}
		}
		return utf8.AppendRune(dst, pick), true
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return append(dst, 'a'), true
	case syntax.OpStar, syntax.OpQuest:
		return dst, true
	case syntax.OpRepeat:
		times = re.Min
	case syntax.OpAlternate:
		return appendMatching(dst, re.Sub[0])
	}
	for range times {
		for _, sub := range re.Sub {
			var ok bool
			if dst, ok = appendMatching(dst, sub); !ok {
				return dst, false
			}
		}
	}
	return dst, true
}

// formatSample is a value for the formats that documents use, or "".
// Addresses and names are those reserved for examples (RFC 2606, 5737, 3849).
func formatSample(format string) string {
	switch format {
	case "date-time":
		return "2026-01-15T09:30:00Z"
	case "date":
		return "2026-01-15"
	case "time":
		return "09:30:00Z"
	case "duration":
		return "PT15M"
	case "uuid":
		return "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
	case "email", "idn-email":
		return "ada@example.com"
	case "uri", "url", "iri":
		return "https://example.com/"
	case "uri-reference":
		return "/path"
	case "hostname":
		return "example.com"
	case "ipv4":
		return "192.0.2.1"
	case "ipv6":
		return "2001:db8::1"
	case "byte":
		return "aGVsbG8="
	case "password":
		return "a long passphrase"
	}
	return ""
}

func sampleString(v view) string {
	out := formatSample(v.get("format").String())
	if out == "" {
		out = "string"
	}
	if least, ok := v.get("minLength").Int(); ok && least <= 200 {
		if n := int(least) - utf8.RuneCountInString(out); n > 0 {
			out += strings.Repeat("x", n)
		}
	}
	if most, ok := v.get("maxLength").Int(); ok && most >= 0 && most < 200 && utf8.RuneCountInString(out) > int(most) {
		out = string([]rune(out)[:most])
	}
	return out
}
