package schema

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxHostname is the most bytes of a host's name as it goes over the wire.
const maxHostname = 253

func isHostname(s string) bool {
	if s == "" || len(s) > maxHostname {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
				return false
			}
		}
	}
	return true
}

// isInternational reports whether a text is a host's name whose labels may be
// U-labels or A-labels (RFC 5890).
func isInternational(s string) bool {
	if s == "" || len(s) > 4*maxHostname || !utf8.ValidString(s) {
		return false
	}
	length := -1
	for label := range strings.SplitSeq(strings.Map(fullStop, s), ".") {
		wire, ok := wireLabel(label)
		if !ok {
			return false
		}
		length += len(wire) + 1
	}
	return length <= maxHostname
}

// fullStop makes all separators of labels the usual one (RFC 3490 section 3.1).
func fullStop(r rune) rune {
	switch r {
	case '\u3002', '\uff0e', '\uff61':
		return '.'
	}
	return r
}

// wireLabel returns a label as it goes over the wire; false for what is none.
func wireLabel(label string) (string, bool) {
	shown, folded := label, strings.ToLower(label)
	if strings.HasPrefix(folded, "xn--") {
		var err error
		if shown, err = idna.Registration.ToUnicode(folded); err != nil || shown == folded {
			return "", false
		}
	}
	wire := folded
	if strings.IndexFunc(shown, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		var err error
		if wire, err = idna.Registration.ToASCII(shown); err != nil || !fits([]rune(shown)) {
			return "", false
		}
	} else if len(label) > 3 && label[2:4] == "--" {
		return "", false
	}
	return wire, isHostname(wire) && (shown == label || wire == folded)
}

// fits holds a label to what RFC 5892 says of some characters by what stands
// beside them, which package idna leaves out, and to its exceptions.
func fits(label []rune) bool {
	at := func(i int) rune {
		if i < 0 || i >= len(label) {
			return -1
		}
		return label[i]
	}
	arabic, extended, japanese, middle := false, false, false, false
	for i, r := range label {
		switch {
		case i == 0 && unicode.Is(unicode.M, r):
			return false
		case r == '\u0640', r == '\u07fa', r == '\u302e', r == '\u302f', r >= '\u3031' && r <= '\u3035', r == '\u303b':
			return false
		case r == '\u00b7' && (at(i-1) != 'l' || at(i+1) != 'l'):
			return false
		case r == '\u0375' && !unicode.Is(unicode.Greek, at(i+1)):
			return false
		case (r == '\u05f3' || r == '\u05f4') && !unicode.Is(unicode.Hebrew, at(i-1)):
			return false
		}
		arabic = arabic || r >= '\u0660' && r <= '\u0669'
		extended = extended || r >= '\u06f0' && r <= '\u06f9'
		japanese = japanese || unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
		middle = middle || r == '\u30fb'
	}
	return (!arabic || !extended) && (!middle || japanese)
}
