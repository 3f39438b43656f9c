package tree

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Equal reports whether two trees are the same: numbers by their value, objects
// without regard to order.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, member := range a {
			if other, ok := b[name]; !ok || !Equal(member, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || decimalOf(a) == decimalOf(b))
	}
	return a == b
}

// decimal is a number's value: digits without zeros at either end, times ten to
// the exponent.
type decimal struct {
	negative bool
	digits   string
	exponent int64
}

func decimalOf(n json.Number) decimal {
	var d decimal
	s, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	d.exponent, _ = strconv.ParseInt(exponent, 10, 64)
	s, d.negative = strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	d.exponent -= int64(len(fraction))
	d.digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(d.digits, "0")
	d.exponent += int64(len(d.digits) - len(trimmed))
	if d.digits = trimmed; d.digits == "" {
		return decimal{}
	}
	return d
}
