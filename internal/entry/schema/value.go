package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is a JSON value: nil, bool, Number, string, []Value or *Object.
type Value any

// Number is a JSON number as it was written.
type Number string

// Object is a JSON object. Its members keep their order.
type Object struct {
	Members []Member
	index   map[string]int // nil while there are few
}

// Member is a name with its value.
type Member struct {
	Name  string
	Value Value
}

// fewMembers is how many members are looked through one by one.
const fewMembers = 12

// Get returns a member's value.
func (o *Object) Get(name string) (Value, bool) {
	if i := o.find(name); i >= 0 {
		return o.Members[i].Value, true
	}
	return nil, false
}

func (o *Object) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.Members {
		if o.Members[i].Name == name {
			return i
		}
	}
	return -1
}

// Add appends a member; false where one of its name is there.
func (o *Object) Add(name string, v Value) bool {
	if o.find(name) >= 0 {
		return false
	}
	o.Members = append(o.Members, Member{name, v})
	switch n := len(o.Members); {
	case o.index != nil:
		o.index[name] = n - 1
	case n > fewMembers:
		o.index = make(map[string]int, 2*n)
		for i := range o.Members {
			o.index[o.Members[i].Name] = i
		}
	}
	return true
}

// Limits bound what is read.
type Limits struct {
	Depth  int // of objects and lists inside one another
	Values int // of any kind
}

// DefaultLimits are those of a call's body.
func DefaultLimits() Limits { return Limits{Depth: 64, Values: 200_000} }

// ErrTooComplex is of JSON that is nested too deeply or holds too many values.
var ErrTooComplex = errors.New("is nested too deeply or holds too many values")

// Parse reads one JSON value strictly: UTF-8, no name twice in an object, numbers
// of a size that can be counted with. Strings of the result share one copy of the
// text.
func Parse(data []byte, limits Limits) (Value, error) {
	p := parser{text: string(data), limits: limits}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.fail("data after the value")
	}
	return v, nil
}

type parser struct {
	text   string
	at     int
	values int
	limits Limits
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("is no JSON: %s at byte %d", what, p.at)
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) value(depth int) (Value, error) {
	if p.values++; p.values > p.limits.Values || depth > p.limits.Depth {
		return nil, ErrTooComplex
	}
	if p.at >= len(p.text) {
		return nil, p.fail("it ends too soon")
	}
	switch c := p.text[p.at]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '"':
		return p.string()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for _, word := range []struct {
		text  string
		value Value
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(p.text)-p.at >= len(word.text) && p.text[p.at:p.at+len(word.text)] == word.text {
			p.at += len(word.text)
			return word.value, nil
		}
	}
	return nil, p.fail("a value is missing")
}

func (p *parser) object(depth int) (Value, error) {
	o := &Object{}
	p.at++
	if p.space(); p.next('}') {
		return o, nil
	}
	for {
		p.space()
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return nil, p.fail("a name is missing")
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if p.space(); !p.next(':') {
			return nil, p.fail("a colon is missing")
		}
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if o.Members == nil {
			o.Members = make([]Member, 0, 6)
		}
		if !o.Add(name, v) {
			return nil, p.fail(fmt.Sprintf("the name %q stands twice in one object", clip(name)))
		}
		p.space()
		if p.next('}') {
			return o, nil
		}
		if !p.next(',') {
			return nil, p.fail("a comma is missing")
		}
	}
}

func (p *parser) list(depth int) (Value, error) {
	list := []Value{}
	p.at++
	if p.space(); p.next(']') {
		return list, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		p.space()
		if p.next(']') {
			return list, nil
		}
		if !p.next(',') {
			return nil, p.fail("a comma is missing")
		}
	}
}

func (p *parser) next(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) string() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			p.at++
			if !utf8.ValidString(s) {
				return "", p.fail("a string is not UTF-8")
			}
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.fail("a control character in a string")
		}
		p.at++
	}
	return "", p.fail("a string does not end")
}

func (p *parser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, p.at-start+32), p.text[start:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", p.fail("a string is not UTF-8")
			}
			return string(out), nil
		case c < ' ':
			return "", p.fail("a control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.at >= len(p.text) {
			break
		}
		c = p.text[p.at]
		p.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := p.hex()
			if !ok {
				return "", p.fail("an escape is not four hexadecimal digits")
			}
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if len(p.text)-p.at >= 6 && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
					p.at += 2
					low, ok = p.hex()
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError || !ok {
					return "", p.fail("half a surrogate pair")
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", p.fail("an escape that is none")
		}
	}
	return "", p.fail("a string does not end")
}

func (p *parser) hex() (rune, bool) {
	if len(p.text)-p.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(n), true
}

// What a number may be written with.
const (
	maxDigits   = 400
	maxExponent = 1000
)

func (p *parser) number() (Value, error) {
	start := p.at
	digits := func() int {
		n := p.at
		for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
			p.at++
		}
		return p.at - n
	}
	p.next('-')
	first := p.at
	switch n := digits(); {
	case n == 0:
		return nil, p.fail("a number without digits")
	case n > 1 && p.text[first] == '0':
		return nil, p.fail("a number with a zero before it")
	}
	if p.next('.') && digits() == 0 {
		return nil, p.fail("a number without digits after its point")
	}
	if p.next('e') || p.next('E') {
		if !p.next('+') {
			p.next('-')
		}
		from := p.at
		if digits() == 0 {
			return nil, p.fail("a number without digits in its exponent")
		}
		if n, err := strconv.Atoi(p.text[from:p.at]); err != nil || n > maxExponent {
			return nil, p.fail("a number beyond all bounds")
		}
	}
	if p.at-start > maxDigits {
		return nil, p.fail("a number of too many digits")
	}
	return Number(p.text[start:p.at]), nil
}

// clip keeps what a caller sent from flooding a reason.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// TextNumber returns a text as a number if it is one in JSON's own form.
func TextNumber(s string) (Number, bool) {
	p := parser{text: s}
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return "", false
	}
	v, err := p.number()
	if err != nil || p.at != len(s) {
		return "", false
	}
	n, ok := v.(Number)
	return n, ok
}

// sorted returns the members' names in order.
func (o *Object) sorted() []string {
	names := make([]string, len(o.Members))
	for i := range o.Members {
		names[i] = o.Members[i].Name
	}
	slices.Sort(names)
	return names
}
