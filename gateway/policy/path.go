package policy

import (
	"strings"

	"portico/internal/entry/template"
)

// Path is the one canonical form of a request's path, computed once and used
// for matching, authorisation, limits, cache keys, logs and the upstream.
//
// Decoded is what is matched: every percent-encoding undone. Wire is what is
// written: unreserved bytes in clear, the rest percent-encoded in upper case as
// the caller had it. Both have the same number of slashes, and decoding Wire
// gives Decoded, so that no upstream can read another path than was matched.
type Path struct{ Decoded, Wire string }

// BadPath says why a path is refused. It is for the caller to read.
type BadPath string

// Error implements error.
func (e BadPath) Error() string { return string(e) }

// The reasons why a path is refused. Each also covers the same in double and
// deeper encodings.
const (
	badSlash     BadPath = "The path holds an encoded slash."
	badBackslash BadPath = "The path holds a backslash."
	badNul       BadPath = "The path holds a NUL byte."
	badDots      BadPath = "The path holds a dot segment."
	badEscape    BadPath = "The path holds a percent sign that is not followed by two hexadecimal digits."
	badByte      BadPath = "The path holds a space or a control character."
	badStart     BadPath = "The path does not begin with a slash."
)

// Canonical reads a path as it stands in a request line, without its query.
// It takes no memory for a path that is canonical already; else it appends to
// scratch, returns the grown slice, and the Path points into it.
func Canonical(raw string, scratch []byte) (Path, []byte, error) {
	if raw == "" || raw[0] != '/' {
		return Path{}, scratch, badStart
	}
	plain := true
	for i := range len(raw) {
		switch class[raw[i]] {
		case clear8:
		case refused:
			if raw[i] == '\\' {
				return Path{}, scratch, badBackslash
			}
			return Path{}, scratch, badByte
		default:
			plain = false
		}
	}
	if plain {
		if hasDots(raw) {
			return Path{}, scratch, badDots
		}
		return Path{raw, raw}, scratch, nil
	}
	return encoded(raw, scratch)
}

func encoded(raw string, scratch []byte) (Path, []byte, error) {
	start := len(scratch)
	percent := false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || unhex[raw[i+1]] > 15 || unhex[raw[i+2]] > 15 {
				return Path{}, scratch, badEscape
			}
			c = unhex[raw[i+1]]<<4 | unhex[raw[i+2]]
			i += 2
			switch c {
			case '/':
				return Path{}, scratch, badSlash
			case '\\':
				return Path{}, scratch, badBackslash
			case 0:
				return Path{}, scratch, badNul
			case '%':
				percent = true
			}
		}
		scratch = append(scratch, c)
	}
	decoded := view(scratch[start:])
	if hasDots(decoded) {
		return Path{}, scratch, badDots
	}
	if percent {
		var err error
		if scratch, err = deeper(decoded, scratch); err != nil {
			return Path{}, scratch, err
		}
	}
	// The appends below may move scratch, but never what decoded points to.
	wire := len(scratch)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			c = unhex[raw[i+1]]<<4 | unhex[raw[i+2]]
			i += 2
			if !unreserved(c) {
				scratch = append(scratch, '%', upper[c>>4], upper[c&15])
				continue
			}
		}
		if class[c] == clear8 {
			scratch = append(scratch, c)
		} else {
			scratch = append(scratch, '%', upper[c>>4], upper[c&15])
		}
	}
	return Path{decoded, view(scratch[wire:])}, scratch, nil
}

// deeper decodes until nothing is left to decode and refuses what comes to
// light. Escapes cannot overlap, so one pass with a stack finds the fixed point.
func deeper(decoded string, scratch []byte) ([]byte, error) {
	start := len(scratch)
	for i := range len(decoded) {
		scratch = append(scratch, decoded[i])
		for n := len(scratch); n-start >= 3 && scratch[n-3] == '%' && unhex[scratch[n-2]] < 16 && unhex[scratch[n-1]] < 16; n = len(scratch) {
			c := unhex[scratch[n-2]]<<4 | unhex[scratch[n-1]]
			switch c {
			case '/':
				return scratch, badSlash
			case '\\':
				return scratch, badBackslash
			case 0:
				return scratch, badNul
			}
			scratch = append(scratch[:n-3], c)
		}
	}
	if hasDots(view(scratch[start:])) {
		return scratch, badDots
	}
	return scratch[:start], nil
}

// hasDots finds a segment that is . or .., with or without the ;parameters
// that some servers cut off first.
func hasDots(s string) bool {
	for i := 0; ; {
		j := strings.Index(s[i:], "/.")
		if j < 0 {
			return false
		}
		rest := s[i+j+2:]
		if rest != "" && rest[0] == '.' {
			rest = rest[1:]
		}
		if rest == "" || rest[0] == '/' || rest[0] == ';' {
			return true
		}
		i += j + 2
	}
}

// HasDots reports whether an escaped path holds a segment that is . or .., which
// happens when a part of a segment becomes a whole one in another template.
func HasDots(wire string) bool {
	return hasDots(wire) || strings.Contains(wire, "/.%3B") || strings.Contains(wire, "/..%3B")
}

// AppendEscaped appends a decoded value as one path segment on the wire.
func AppendEscaped(dst []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; class[c] == clear8 && c != '/' && c != ';' && c != '+' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upper[c>>4], upper[c&15])
		}
	}
	return dst
}

// AppendPath appends the path that a template makes of parameters, escaped.
func AppendPath(dst []byte, path *template.Path, params *Params) []byte {
	at := 0
	for _, seg := range path.Segments {
		dst = append(dst, '/')
		switch seg.Kind {
		case template.Literal:
			dst = AppendEscaped(dst, seg.Text())
		case template.Rest:
			value, _ := params.Value(path.Names[at])
			for part := range strings.SplitSeq(value, "/") {
				dst = append(AppendEscaped(dst, part), '/')
			}
			dst = dst[:len(dst)-1]
		case template.Whole:
			value, _ := params.Value(path.Names[at])
			dst = AppendEscaped(dst, value)
			at++
		default:
			for i, lit := range seg.Literals {
				if i > 0 {
					value, _ := params.Value(path.Names[at])
					dst = AppendEscaped(dst, value)
					at++
				}
				dst = AppendEscaped(dst, lit)
			}
		}
	}
	return dst
}

const upper = "0123456789ABCDEF"

const (
	clear8  = iota // stands in a path as it is
	encode8        // is accepted and percent-encoded
	refused        // is no byte of a request line, or a backslash
	escape8        // begins an escape
)

var class = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c <= ' ' || c == 0x7f || c == '\\' || c == '#' || c == '?':
			t[c] = refused
		case c == '%':
			t[c] = escape8
		case unreserved(byte(c)) || strings.IndexByte("/!$&'()*+,;=:@", byte(c)) >= 0 && c < 0x80:
			t[c] = clear8
		default:
			t[c] = encode8
		}
	}
	return t
}()

var unhex = func() (t [256]uint8) {
	for c := range t {
		t[c] = 0xff
	}
	for i := range 10 {
		t['0'+i] = uint8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = uint8(10+i), uint8(10+i)
	}
	return t
}()

func unreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}

// OriginForm returns path and query of a target, which may be in absolute form;
// the lane has compared its host.
func OriginForm(target string) string {
	if target == "" || target[0] == '/' {
		return target
	}
	i := strings.Index(target, "://")
	if i < 0 {
		return target
	}
	target = target[i+3:]
	i = strings.IndexAny(target, "/?")
	switch {
	case i < 0:
		return "/"
	case target[i] == '?':
		return "/" + target[i:]
	}
	return target[i:]
}
