package tree

import (
	"bytes"
	"fmt"
)

// ParseJSON reads a JSON text (RFC 8259). The text is kept and must not be
// changed afterwards. It does not recurse, so depth costs no stack.
func ParseJSON(text []byte, limits Limits) (*Tree, error) {
	if len(text) > limits.MaxBytes {
		return nil, tooLarge(len(text), limits.MaxBytes)
	}
	p := &jsonParser{t: &Tree{text: text}, limits: limits}
	// Every value but the outermost stands after a comma or an opening bracket.
	most := 1 + bytes.Count(text, []byte{','}) + bytes.Count(text, []byte{'{'}) + bytes.Count(text, []byte{'['})
	p.t.cells = make([]cell, 0, min(most, limits.MaxValues))
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.t, nil
}

func tooLarge(got, limit int) *Error {
	return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("The document has %d bytes; %d are allowed.", got, limit)}
}

type jsonParser struct {
	t      *Tree
	limits Limits
	at     int
	open   []uint32 // the containers around at, outermost first

	keyStart, keyEnd int
	keyEscaped       bool
}

// run reads value after value. What may follow is decided by the innermost
// open container, so that no state but open is needed.
func (p *jsonParser) run() error {
	for {
		if err := p.value(); err != nil {
			return err
		}
		for { // after a value: close what closes here, or go on to the next
			p.space()
			if len(p.open) == 0 {
				if p.at < len(p.t.text) {
					return p.fail(p.at, CodeMalformed, "Something follows the end of the document.")
				}
				return nil
			}
			if p.at == len(p.t.text) {
				return p.ended()
			}
			container := &p.t.cells[p.open[len(p.open)-1]]
			closing := byte(']')
			if container.kind == Object {
				closing = '}'
			}
			switch c := p.t.text[p.at]; {
			case c == closing:
				p.at++
				container.next = uint32(len(p.t.cells))
				container.end = uint32(p.at)
				p.open = p.open[:len(p.open)-1]
				continue
			case int(container.next) == 0 && len(p.t.cells)-1 == int(p.open[len(p.open)-1]):
				// Just opened: the first value needs no comma.
			case c == ',':
				p.at++
				p.space()
				if p.at < len(p.t.text) && p.t.text[p.at] == closing {
					return p.fail(p.at, CodeMalformed, fmt.Sprintf("A comma stands before the closing %q.", closing))
				}
			default:
				return p.fail(p.at, CodeMalformed, fmt.Sprintf("Expected a comma or %q, found %s.", closing, found(p.t.text, p.at)))
			}
			if container.kind == Object {
				if err := p.name(); err != nil {
					return err
				}
			}
			break
		}
	}
}

// name reads a member's name and the colon after it.
func (p *jsonParser) name() error {
	p.space()
	if p.at == len(p.t.text) {
		return p.ended()
	}
	if p.t.text[p.at] != '"' {
		return p.fail(p.at, CodeMalformed, fmt.Sprintf("Expected a name in double quotes, found %s.", found(p.t.text, p.at)))
	}
	start, end, escaped, err := p.str()
	if err != nil {
		return err
	}
	p.space()
	if p.at == len(p.t.text) {
		return p.ended()
	}
	if p.t.text[p.at] != ':' {
		return p.fail(p.at, CodeMalformed, fmt.Sprintf("Expected a colon after the name, found %s.", found(p.t.text, p.at)))
	}
	p.at++
	p.keyStart, p.keyEnd, p.keyEscaped = start, end, escaped
	return nil
}

// value reads a scalar whole, and of a container the opening bracket.
func (p *jsonParser) value() error {
	p.space()
	if p.at == len(p.t.text) {
		return p.ended()
	}
	if len(p.t.cells) >= p.limits.MaxValues {
		return p.fail(p.at, CodeTooLarge, fmt.Sprintf("The document has more than %d values.", p.limits.MaxValues))
	}
	c := cell{start: uint32(p.at), keyStart: uint32(p.keyStart), keyEnd: uint32(p.keyEnd), keyEscaped: p.keyEscaped}
	p.keyStart, p.keyEnd, p.keyEscaped = 0, 0, false
	index := uint32(len(p.t.cells))
	c.next = index + 1
	switch b := p.t.text[p.at]; {
	case b == '{' || b == '[':
		if len(p.open) == p.limits.MaxDepth {
			return p.fail(p.at, CodeTooDeep, fmt.Sprintf("Objects and lists stand more than %d deep inside one another here.", p.limits.MaxDepth))
		}
		c.kind, c.next = Object, 0
		if b == '[' {
			c.kind = Array
		}
		p.at++
		p.open = append(p.open, index)
	case b == '"':
		start, end, escaped, err := p.str()
		if err != nil {
			return err
		}
		c.kind, c.start, c.end, c.escaped = String, uint32(start), uint32(end), escaped
	case b == '-' || b >= '0' && b <= '9':
		end := number(p.t.text, p.at)
		if end < 0 {
			return p.fail(p.at, CodeMalformed, "This is not a number as JSON writes it.")
		}
		c.kind, c.end, p.at = Number, uint32(end), end
	default:
		kind, n := literal(p.t.text[p.at:])
		if n == 0 {
			if rest := p.t.text[p.at:]; isPrefixOfLiteral(rest) {
				p.at = len(p.t.text)
				return p.ended()
			}
			return p.fail(p.at, CodeMalformed, fmt.Sprintf("Expected a value, found %s.", found(p.t.text, p.at)))
		}
		p.at += n
		c.kind, c.end = kind, uint32(p.at)
	}
	p.t.cells = append(p.t.cells, c)
	return nil
}

func literal(b []byte) (Kind, int) {
	switch {
	case bytes.HasPrefix(b, []byte("true")):
		return Bool, 4
	case bytes.HasPrefix(b, []byte("false")):
		return Bool, 5
	case bytes.HasPrefix(b, []byte("null")):
		return Null, 4
	}
	return Missing, 0
}

func isPrefixOfLiteral(b []byte) bool {
	return len(b) > 0 && len(b) < 5 && (bytes.HasPrefix([]byte("true"), b) || bytes.HasPrefix([]byte("false"), b) || bytes.HasPrefix([]byte("null"), b))
}

// str reads the string whose opening quote is at p.at.
func (p *jsonParser) str() (start, end int, escaped bool, err error) {
	text, quote := p.t.text, p.at
	i := quote + 1
	for {
		for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' {
			i++
		}
		if i == len(text) {
			return 0, 0, false, p.fail(quote, CodeTruncated, "The document ends inside the string that starts here.")
		}
		switch text[i] {
		case '"':
			p.at = i + 1
			return quote + 1, i, escaped, nil
		case '\\':
			escaped = true
			n := escape(text[i:])
			if n < 0 {
				return 0, 0, false, p.fail(i, CodeMalformed, "A backslash inside a string starts no escape that JSON knows.")
			}
			if n == 0 || i+n > len(text) {
				return 0, 0, false, p.fail(quote, CodeTruncated, "The document ends inside the string that starts here.")
			}
			i += n
		case '\n', '\r':
			if len(bytes.TrimLeft(text[i:], " \t\r\n")) == 0 {
				return 0, 0, false, p.fail(quote, CodeTruncated, "The document ends inside the string that starts here.")
			}
			return 0, 0, false, p.fail(quote, CodeMalformed, "The string that starts here is not closed on its line.")
		default:
			return 0, 0, false, p.fail(i, CodeMalformed, fmt.Sprintf("A control character (U+%04X) stands inside a string; JSON wants it escaped.", text[i]))
		}
	}
}

// escape is the length of the escape that b starts with: -1 if it is none,
// 0 if b ends inside it.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for i := 2; i < 6; i++ {
			if i >= len(b) {
				return 0
			}
			if c := b[i] | 0x20; (b[i] < '0' || b[i] > '9') && (c < 'a' || c > 'f') {
				return -1
			}
		}
		return 6
	}
	return -1
}

// number is the offset after the number at i, or -1.
func number(text []byte, i int) int {
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if text[i] == '-' {
		i++
	}
	whole := i
	if !digits() || text[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		if i++; !digits() {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

func (p *jsonParser) space() {
	text, i := p.t.text, p.at
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	p.at = i
}

// ended is the error for a text that stops before its outermost value does.
func (p *jsonParser) ended() error {
	if len(p.open) == 0 {
		return p.fail(p.at, CodeTruncated, "The document ends before its first value.")
	}
	inner := p.open[len(p.open)-1]
	what := "list"
	if p.t.cells[inner].kind == Object {
		what = "object"
	}
	line, _ := p.t.position(p.t.cells[inner].start)
	return p.fail(p.at, CodeTruncated, fmt.Sprintf("The document ends inside the %s that starts on line %d.", what, line))
}

func (p *jsonParser) fail(at int, code, message string) *Error {
	line, column := p.t.position(uint32(at))
	for _, i := range p.open { // so that the pointer below can be worked out
		p.t.cells[i].next = uint32(len(p.t.cells))
	}
	pointer := ""
	if len(p.open) > 0 {
		pointer = Node{p.t, p.open[len(p.open)-1]}.Pointer()
	}
	return &Error{Code: code, Message: message, Pointer: shorten(pointer), Line: line, Column: column}
}

// shorten keeps the pointer of a hostile document readable.
func shorten(pointer string) string {
	const most = 300
	if len(pointer) <= most {
		return pointer
	}
	return pointer[:most] + "…"
}

func found(text []byte, at int) string {
	if c := text[at]; c > ' ' && c < 0x7f {
		return fmt.Sprintf("%q", c)
	}
	return fmt.Sprintf("the byte 0x%02x", text[at])
}
