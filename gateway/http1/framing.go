package http1

import "strings"

// framing collects the fields that decide where a request ends and whom it is
// for. Each is accepted once, in one spelling.
type framing struct {
	host, length, chunked bool
	options               int // in Connection
	hostValue             string
}

func (r *framing) field(h *Head, f Field) *Error {
	switch len(f.Name) {
	case 4:
		if fold(f.Name, "Host") {
			return r.readHost(f.Value)
		}
	case 6:
		if fold(f.Name, "Expect") {
			if !fold(f.Value, "100-continue") {
				return &Error{417, "The header Expect asks for something else than 100-continue."}
			}
			h.Expects = h.Minor == 1
		}
	case 7:
		if fold(f.Name, "Upgrade") {
			h.Upgrade = true
		}
	case 10:
		if fold(f.Name, "Connection") {
			for option := range strings.SplitSeq(f.Value, ",") {
				if r.options++; r.options > MaxFields {
					return &Error{431, "The header Connection names more than 100 fields. Send fewer."}
				}
				if fold(strings.Trim(option, " \t"), "close") {
					h.Close = true
				}
			}
		}
	case 14:
		if fold(f.Name, "Content-Length") {
			return r.readLength(h, f.Value)
		}
		if alias(f.Name, "Content-Length") {
			return bad("The header Content_Length is not accepted. Spell it Content-Length.")
		}
	case 17:
		if fold(f.Name, "Transfer-Encoding") {
			if r.chunked || !fold(f.Value, "chunked") {
				return bad("The header Transfer-Encoding must be \"chunked\", once.")
			}
			r.chunked = true
		} else if alias(f.Name, "Transfer-Encoding") {
			return bad("The header Transfer_Encoding is not accepted. Spell it Transfer-Encoding.")
		}
	}
	return nil
}

func (r *framing) readHost(value string) *Error {
	switch {
	case r.host:
		return bad("The request has more than one header Host.")
	case !ValidAuthority(value):
		return bad("The header Host is not a host with an optional port.")
	}
	r.host, r.hostValue = true, value
	return nil
}

func (r *framing) readLength(h *Head, value string) *Error {
	if r.length {
		return bad("The request has more than one header Content-Length.")
	}
	if value == "" || len(value) > 18 {
		return bad("The header Content-Length is not a number of bytes.")
	}
	n := int64(0)
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return bad("The header Content-Length is not a number of bytes.")
		}
		n = n*10 + int64(value[i]-'0')
	}
	r.length, h.Length = true, n
	return nil
}

func (r *framing) check(h *Head) *Error {
	switch {
	case !r.host:
		return bad("The request has no header Host.")
	case h.Host != "" && !sameAuthority(h.Host, r.hostValue, h.Target):
		return bad("The request target and the header Host name different hosts.")
	case r.chunked && r.length:
		return bad("The request has both Content-Length and Transfer-Encoding. Send one of them.")
	case r.chunked && h.Minor == 0:
		return bad("HTTP/1.0 knows no Transfer-Encoding.")
	case r.chunked:
		h.Length = -1
	}
	h.Host = r.hostValue
	return nil
}

// sameAuthority compares without regard to case and to the scheme's own port.
func sameAuthority(a, b, target string) bool {
	port := ":80"
	if len(target) > 5 && fold(target[:6], "https:") {
		port = ":443"
	}
	return fold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// ValidAuthority reports whether s is a host with an optional port: a name, an
// IPv4 address or an IPv6 address in brackets.
func ValidAuthority(s string) bool {
	host := s
	if s != "" && s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 3 {
			return false
		}
		for i := 1; i < end; i++ {
			c := s[i]
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' || c == ':' || c == '.') {
				return false
			}
		}
		host = s[end+1:]
		return host == "" || host[0] == ':' && validPort(host[1:])
	}
	if i := strings.IndexByte(s, ':'); i >= 0 {
		if host = s[:i]; !validPort(s[i+1:]) {
			return false
		}
	}
	if host == "" || len(host) > 255 {
		return false
	}
	for i := range len(host) {
		c := host[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return true
}

func validPort(s string) bool {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i > 4 {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n > 0 && n <= 65535
}

// alias compares names that differ in nothing but an underscore for a hyphen.
func alias(name, want string) bool {
	for i := range len(name) {
		c := name[i]
		if c == '_' {
			c = '-'
		}
		if c|0x20 != want[i]|0x20 {
			return false
		}
	}
	return true
}
