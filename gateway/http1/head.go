// Package http1 reads HTTP/1.1 as strictly as a gateway must: whatever two
// servers could read differently is an error. Head parses a request's head in
// place; Stream follows a connection's bytes through heads and bodies; Conn is
// a net.Conn that lets only valid bytes pass to a server behind it.
//
// It makes no request and no answer of its own, and allocates nothing for a
// head that fits its caller's buffer.
package http1

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unsafe"
)

// The limits of a request's head.
const (
	MaxHeadBytes = 32 << 10
	MaxFields    = 100
)

// Error says why a request is refused. Status is 400, 414, 417, 431, 501 or 505.
type Error struct {
	Status int
	Detail string // a sentence for the caller
}

// Error implements error.
func (e *Error) Error() string { return e.Detail }

func bad(detail string) *Error { return &Error{400, detail} }

// HeadTooLarge is the refusal of a head above MaxHeadBytes.
func HeadTooLarge() *Error {
	return &Error{431, "The request's head is larger than 32 KiB. Send less."}
}

// Preface is what a client that speaks HTTP/2 without being asked sends in the
// place of a head (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\n"

// Head is a request's head as it was parsed. Its strings are views into the
// bytes that Parse was given.
type Head struct {
	Method  string
	Target  string // as it came
	Path    string // of Target, without query; "*" for OPTIONS *
	Query   string // without the question mark
	Host    string // of the field Host
	Minor   int    // 1 for HTTP/1.1, 0 for HTTP/1.0
	Fields  [MaxFields]Field
	Count   int
	Length  int64 // of the body; 0 none, -1 chunked
	Upgrade bool  // asks for another protocol
	Close   bool  // the connection ends with this request
	Expects bool  // waits for 100 Continue
}

// Field is one header field.
type Field struct{ Name, Value string }

// Parse reads a whole head, its blank line included. What h held before is forgotten.
func (h *Head) Parse(b []byte) *Error {
	h.Count, h.Length, h.Upgrade, h.Close, h.Expects, h.Host = 0, 0, false, false, false, ""
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	if err := h.requestLine(line); err != nil {
		return because(line, err)
	}
	var framing framing
	for {
		if line, rest, err = cutLine(rest); err != nil {
			return err
		}
		if line == "" {
			break
		}
		if h.Count == MaxFields {
			return because(line, &Error{431, "The request has more than 100 header fields. Send fewer."})
		}
		f, err := ParseField(line)
		if err != nil {
			return because(line, err)
		}
		h.Fields[h.Count] = f
		h.Count++
		if err := framing.field(h, f); err != nil {
			return err
		}
	}
	return framing.check(h)
}

// cutLine takes one line that ends with CR LF. That it holds no CR else is left
// to what reads it, which accepts none anywhere.
func cutLine(b []byte) (line string, rest []byte, err *Error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return "", nil, bad("The request's head is not complete.")
	}
	if i == 0 || b[i-1] != '\r' {
		return "", nil, bad("A line of the request's head ends with LF alone. End each with CR LF.")
	}
	return unsafe.String(unsafe.SliceData(b), i-1), b[i+1:], nil
}

// because says why a line was refused: a CR in it comes before all else.
func because(line string, err *Error) *Error {
	if strings.IndexByte(line, '\r') >= 0 {
		return bad("The request's head holds a CR without LF.")
	}
	return err
}

func (h *Head) requestLine(line string) *Error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !IsToken(method) || target == "" {
		return bad("The request line is not a method, a target and a version, with one space between them.")
	}
	switch proto {
	case "HTTP/1.1":
		h.Minor = 1
	case "HTTP/1.0":
		h.Minor, h.Close = 0, true
	default:
		if strings.HasPrefix(proto, "HTTP/") && !strings.Contains(proto, " ") {
			return &Error{505, "This port speaks HTTP/1.1. Send the request in that version."}
		}
		return bad("The request line does not end with HTTP/1.1.")
	}
	return h.request(method, target)
}

// request reads a method, which is a token, and a target, which is not empty.
func (h *Head) request(method, target string) *Error {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return bad("The request target holds a space, a control character or a fragment.")
		}
	}
	if method == "CONNECT" {
		return bad("CONNECT is not served here.")
	}
	h.Method, h.Target = method, target
	if err := h.target(method, target); err != nil {
		return err
	}
	for i := range len(h.Path) {
		if h.Path[i] == '%' && (i+2 >= len(h.Path) || !isHex(h.Path[i+1]) || !isHex(h.Path[i+2])) {
			return bad("The path holds a percent sign that is not followed by two hexadecimal digits.")
		}
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (h *Head) target(method, target string) *Error {
	switch {
	case target[0] == '/':
		h.Path, h.Query, _ = strings.Cut(target, "?")
		return nil
	case target == "*" && method == "OPTIONS":
		h.Path, h.Query = target, ""
		return nil
	}
	rest, err := cutScheme(target)
	if err != nil {
		return err
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	h.Host = rest[:end] // compared with the field Host in framing.check
	if h.Path, h.Query, _ = strings.Cut(rest[end:], "?"); h.Path == "" {
		h.Path = "/"
	}
	if h.Host == "" {
		return bad("The request target has no host.")
	}
	return nil
}

func cutScheme(target string) (rest string, err *Error) {
	for _, s := range [...]string{"http://", "https://"} {
		if len(target) > len(s) && fold(target[:len(s)], s) {
			return target[len(s):], nil
		}
	}
	return "", bad("The request target is neither a path nor an http URL.")
}

// ParseField reads one header or trailer line.
func ParseField(line string) (Field, *Error) {
	if line[0] == ' ' || line[0] == '\t' {
		return Field{}, bad("A header field is folded over two lines. Send it in one.")
	}
	colon := 0
	for colon < len(line) && token[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return Field{}, bad("A line of the head is not a field name, a colon and a value.")
	}
	start, end := colon+1, len(line)
	for start < end && (line[start] == ' ' || line[start] == '\t') {
		start++
	}
	for start < end && (line[end-1] == ' ' || line[end-1] == '\t') {
		end--
	}
	value := line[start:end]
	if !isText(value) {
		return Field{}, bad("A header field's value holds a control character.")
	}
	return Field{line[:colon], value}, nil
}

// isText reports whether a field's value holds no control character but tabs. It
// looks at eight bytes at a time, and one by one only where there may be one.
func isText(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&tops != 0 && !isTextEach(b[:8]) {
			return false
		}
	}
	return isTextEach(b)
}

func isTextEach(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// IsToken reports whether s may be the name of a method or a field.
func IsToken(s string) bool {
	for i := range len(s) {
		if !token[s[i]] {
			return false
		}
	}
	return s != ""
}

var token = func() (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
			c < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return t
}()

// fold compares without regard to case. b is ASCII.
func fold(a, b string) bool { return len(a) == len(b) && (a == b || strings.EqualFold(a, b)) }
