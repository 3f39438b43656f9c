package schema

import "strings"

// isTemplate reports whether a text is a URI template (RFC 6570).
func isTemplate(s string) bool {
	for s != "" {
		switch {
		case s[0] == '{':
			end := strings.IndexByte(s, '}')
			if end < 0 || !isPlaces(s[1:end]) {
				return false
			}
			s = s[end+1:]
		case s[0] == '%':
			if !isEncoded(s) {
				return false
			}
			s = s[3:]
		case s[0] <= ' ' || s[0] == 0x7f || strings.IndexByte("\"<>\\^`|}", s[0]) >= 0:
			return false
		default:
			s = s[1:]
		}
	}
	return true
}

// isPlaces reports whether a text is what stands between braces: an operator, and
// variables with their modifiers.
func isPlaces(s string) bool {
	if s != "" && strings.IndexByte("+#./;?&=,!@|", s[0]) >= 0 {
		s = s[1:]
	}
	for place := range strings.SplitSeq(s, ",") {
		name, most, bounded := strings.Cut(place, ":")
		if bounded {
			if most == "" || len(most) > 4 || most[0] == '0' || strings.Trim(most, "0123456789") != "" {
				return false
			}
		} else {
			name = strings.TrimSuffix(name, "*")
		}
		for part := range strings.SplitSeq(name, ".") {
			if !isVariable(part) {
				return false
			}
		}
	}
	return true
}

func isVariable(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch {
		case isEncoded(s[i:]):
			i += 2
		case !isAlphanumeric(s[i]) && s[i] != '_':
			return false
		}
	}
	return true
}

// isEncoded reports whether a text begins with a byte that is percent-encoded.
func isEncoded(s string) bool {
	return len(s) > 2 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
