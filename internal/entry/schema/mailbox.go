package schema

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// isMailbox reports whether a text is a mailbox (RFC 5321 section 4.1.2), or an
// international one (RFC 6531).
func isMailbox(s string, international bool) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 320 || !utf8.ValidString(s) {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if local[0] == '"' {
		if !isQuoted(local, international) {
			return false
		}
	} else if !isDotted(local, international) {
		return false
	}
	if strings.HasPrefix(domain, "[") && strings.HasSuffix(domain, "]") {
		literal, six := strings.CutPrefix(domain[1:len(domain)-1], "IPv6:")
		a, err := netip.ParseAddr(literal)
		return err == nil && a.Zone() == "" && a.Is6() == six
	}
	return isHostname(domain) || international && isInternational(domain)
}

// isQuoted reports whether a text is a quoted string.
func isQuoted(s string, international bool) bool {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return false
	}
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			if i++; i == len(s) {
				return false
			}
		} else if s[i] == '"' {
			return false
		}
		if s[i] < ' ' || s[i] == 0x7f || s[i] >= utf8.RuneSelf && !international {
			return false
		}
	}
	return true
}

// isDotted reports whether a text is atoms with dots between them.
func isDotted(s string, international bool) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			c := atom[i]
			if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 && (c < utf8.RuneSelf || !international) {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
