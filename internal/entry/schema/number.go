package schema

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// decimal is a number as sign × digits × 10^exponent, without zeros at either
// end of its digits: one form for each value.
type decimal struct {
	negative bool
	digits   string // "" is zero
	exponent int
}

func (n Number) decimal() decimal {
	s := string(n)
	var d decimal
	if s != "" && s[0] == '-' {
		d.negative, s = true, s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		d.exponent, _ = strconv.Atoi(s[i+1:]) // Parse has seen to it
		s = s[:i]
	}
	if whole, part, ok := strings.Cut(s, "."); ok {
		s = whole + part
		d.exponent -= len(part)
	}
	s = strings.TrimLeft(s, "0")
	trimmed := strings.TrimRight(s, "0")
	d.exponent += len(s) - len(trimmed)
	if d.digits = trimmed; trimmed == "" {
		return decimal{}
	}
	return d
}

// Whole reports whether the number is an integer, however it is written: 1.0 is.
func (n Number) Whole() bool {
	if n.short() {
		return true
	}
	d := n.decimal()
	return d.digits == "" || d.exponent >= 0
}

// short reports whether the number is digits alone, few enough for an int64.
func (n Number) short() bool {
	if len(n) > 18 {
		return false
	}
	for i := range len(n) {
		if c := n[i]; (c < '0' || c > '9') && (i > 0 || c != '-') {
			return false
		}
	}
	return n != "" && n != "-"
}

func (n Number) rat() *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// compare is -1, 0 or 1 for n below, at or above m.
func (n Number) compare(m Number) int {
	a, ok1 := n.plain()
	b, ok2 := m.plain()
	switch {
	case !ok1 || !ok2:
		return n.rat().Cmp(m.rat())
	case a.negative != b.negative:
		if a.negative {
			return -1
		}
		return 1
	}
	by := cmp.Compare(len(a.whole), len(b.whole))
	if by == 0 {
		by = cmp.Or(strings.Compare(a.whole, b.whole), strings.Compare(a.part, b.part))
	}
	if a.negative {
		return -by
	}
	return by
}

// plain is a number as it stands: without zeros at its ends. Zero is not
// negative.
type plain struct {
	negative    bool
	whole, part string
}

// plain is false for a number with an exponent.
func (n Number) plain() (p plain, ok bool) {
	s := string(n)
	if s != "" && s[0] == '-' {
		p.negative, s = true, s[1:]
	}
	if strings.ContainsAny(s, "eE") {
		return plain{}, false
	}
	s, p.part, _ = strings.Cut(s, ".")
	p.whole, p.part = strings.TrimLeft(s, "0"), strings.TrimRight(p.part, "0")
	p.negative = p.negative && (p.whole != "" || p.part != "")
	return p, true
}

// scaled is the number times ten to the power, while that fits an int64.
func (p plain) scaled(power int) (int64, bool) {
	if len(p.whole)+power > 18 || len(p.part) > power {
		return 0, false
	}
	n := int64(0)
	for i := range len(p.whole) {
		n = n*10 + int64(p.whole[i]-'0')
	}
	for i := range power {
		if n *= 10; i < len(p.part) {
			n += int64(p.part[i] - '0')
		}
	}
	return n, true
}

// multipleOf reports whether n is a whole multiple of m, which is above zero.
func (n Number) multipleOf(m Number) bool {
	a, ok1 := n.plain()
	b, ok2 := m.plain()
	if ok1 && ok2 {
		power := max(len(a.part), len(b.part))
		x, ok1 := a.scaled(power)
		y, ok2 := b.scaled(power)
		if ok1 && ok2 && y > 0 {
			return x%y == 0
		}
	}
	return new(big.Rat).Quo(n.rat(), m.rat()).IsInt()
}

// appendCanonical writes a value so that equal ones are written alike.
func appendCanonical(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, 'n')
	case bool:
		if v {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case string:
		return strconv.AppendQuote(dst, v)
	case Number:
		d := v.decimal()
		if d.negative {
			dst = append(dst, '-')
		}
		return strconv.AppendInt(append(append(append(dst, '#'), d.digits...), 'e'), int64(d.exponent), 10)
	case []Value:
		dst = append(dst, '[')
		for _, item := range v {
			dst = append(appendCanonical(dst, item), ',')
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for _, name := range v.sorted() {
			member, _ := v.Get(name)
			dst = append(appendCanonical(append(strconv.AppendQuote(dst, name), ':'), member), ',')
		}
		return append(dst, '}')
	}
	return dst
}

func canonical(v Value) string { return string(appendCanonical(nil, v)) }
