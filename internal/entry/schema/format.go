package schema

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stringFormat reports whether a text is of a format. Unknown formats hold.
func stringFormat(format, s string) bool {
	switch format {
	case "date-time":
		return isDateTime(s)
	case "date":
		_, err := time.Parse("2006-01-02", s)
		return err == nil
	case "time":
		return isTime(s)
	case "duration":
		return isDuration(s)
	case "uuid":
		return isUUID(s)
	case "email", "idn-email":
		return isMailbox(s, format == "idn-email")
	case "hostname":
		return isHostname(s)
	case "idn-hostname":
		return isInternational(s)
	case "ipv4":
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4()
	case "ipv6":
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is6() && a.Zone() == ""
	case "uri", "iri", "url":
		u, err := url.Parse(s)
		return err == nil && u.Scheme != "" && isReference(s, format == "iri")
	case "uri-reference", "iri-reference":
		_, err := url.Parse(s)
		return err == nil && isReference(s, format == "iri-reference")
	case "json-pointer":
		return isPointer(s)
	case "relative-json-pointer":
		i := 0
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > 0 && (i == 1 || s[0] != '0') && (s[i:] == "#" || isPointer(s[i:]))
	case "uri-template":
		return isTemplate(s)
	case "regex":
		return isExpression(s)
	case "byte":
		_, err := base64.StdEncoding.DecodeString(s)
		return err == nil
	case "int64", "int32":
		n, ok := TextNumber(s) // "type": "string" with a number's format, as for money
		return ok && numberFormat(format, n)
	}
	return true
}

// numberFormat reports whether a number fits into a format.
func numberFormat(format string, n Number) bool {
	switch format {
	case "int32":
		return n.Whole() && n.compare("-2147483648") >= 0 && n.compare("2147483647") <= 0
	case "int64":
		return n.Whole() && n.compare("-9223372036854775808") >= 0 && n.compare("9223372036854775807") <= 0
	case "float":
		_, err := strconv.ParseFloat(string(n), 32)
		return err == nil
	case "double":
		_, err := strconv.ParseFloat(string(n), 64)
		return err == nil
	}
	return true
}

func isDateTime(s string) bool {
	if len(s) < 20 || s[10] != 'T' && s[10] != 't' {
		return false
	}
	_, err := time.Parse("2006-01-02", s[:10])
	return err == nil && isTime(s[11:])
}

// isTime reads RFC 3339's full-time, with a leap second where UTC may have one.
func isTime(s string) bool {
	if len(s) < 9 || s[2] != ':' || s[5] != ':' {
		return false
	}
	hour, ok1 := two(s[0:2], 23)
	minute, ok2 := two(s[3:5], 59)
	second, ok3 := two(s[6:8], 60)
	rest := s[8:]
	if rest[0] == '.' {
		i := 1
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		if i == 1 {
			return false
		}
		rest = rest[i:]
	}
	offset := 0
	switch {
	case rest == "Z" || rest == "z":
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		h, ok4 := two(rest[1:3], 23)
		m, ok5 := two(rest[4:6], 59)
		if !ok4 || !ok5 {
			return false
		}
		if offset = h*60 + m; rest[0] == '-' {
			offset = -offset
		}
	default:
		return false
	}
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	if second < 60 {
		return true
	}
	return ((hour*60+minute-offset)%1440+1440)%1440 == 23*60+59
}

func two(s string, most int) (int, bool) {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	n := int(s[0]-'0')*10 + int(s[1]-'0')
	return n, n <= most
}

var durationForm = regexp.MustCompile(`^P(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$`)

func isDuration(s string) bool {
	return durationForm.MatchString(s) && s != "P" && !strings.HasSuffix(s, "T")
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// isReference reports whether a text has only characters that an address may.
func isReference(s string, international bool) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 || c >= 0x80 && !international {
			return false
		}
	}
	return true
}

func isPointer(s string) bool {
	if s != "" && s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return false
		}
	}
	return true
}
