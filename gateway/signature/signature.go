// Package signature reads HTTP message signatures (RFC 9421) and digests of
// bodies (RFC 9530), as far as a gateway needs them: one signature of a request,
// by HMAC-SHA256.
//
// Everything that it reads was sent by somebody who is not known yet, and is
// bounded. It keeps nothing but the nonces that Replays has taken.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
)

// Bounds of what is read.
const (
	MaxBytes      = 4 << 10 // of Signature-Input, of Signature and of Content-Digest, each
	maxComponents = 32
	maxParameters = 16
	maxText       = 512 // bytes of a string
	maxDigests    = 8
)

// usualComponents is how many room is made for at once.
const usualComponents = 6

// Algorithm is the only one that is taken.
const Algorithm = "hmac-sha256"

// Signature is one that a request carries, read and not yet verified.
type Signature struct {
	Components []string // in the order in which they are signed
	KeyID      string
	Nonce      string // "" for none
	Created    int64  // seconds since 1970
	Expires    int64  // the same; 0 for none

	params string // of the components and parameters, as they are signed
	mac    []byte
}

// Parse reads the fields Signature-Input and Signature, which have to hold one
// signature. The error is a sentence for the caller.
func Parse(input, value string) (*Signature, error) {
	if len(input) > MaxBytes || len(value) > MaxBytes {
		return nil, sentence("Signature-Input or Signature is longer than 4 KiB. Cover fewer components.")
	}
	r := &reader{rest: strings.Trim(input, " \t")}
	label, s := r.key(), &Signature{Components: make([]string, 0, usualComponents)}
	r.params.Grow(len(r.rest))
	r.expect('=')
	r.components(s)
	r.parameters(s)
	if r.failed || r.rest != "" || label == "" {
		return nil, sentence("Signature-Input does not hold one list of plain component names with its parameters, as RFC 9421 writes it. Sign once, and send one signature.")
	}
	mac, ok := strings.CutPrefix(strings.Trim(value, " \t"), label)
	if ok {
		mac, ok = strings.CutPrefix(mac, "=")
	}
	if !ok {
		return nil, sentence("Signature has to hold one signature, with the same label as Signature-Input.")
	}
	if s.mac, ok = bytesOf(mac); !ok || len(s.mac) != sha256.Size {
		return nil, sentence("Signature does not hold the 32 bytes of an HMAC-SHA256 as :base64:.")
	}
	switch {
	case s.KeyID == "":
		return nil, sentence("The signature has no parameter keyid.")
	case s.Created == 0:
		return nil, sentence("The signature has no parameter created.")
	case r.algorithm != "" && r.algorithm != Algorithm:
		return nil, sentence("The signature is of another algorithm than " + Algorithm + ", the only one that is taken.")
	}
	s.params = r.params.String()
	return s, nil
}

// sentence is an error that a caller reads.
type sentence string

// Error implements error.
func (s sentence) Error() string { return string(s) }

// Covers reports whether a component is signed.
func (s *Signature) Covers(component string) bool {
	for _, c := range s.Components {
		if c == component {
			return true
		}
	}
	return false
}

// Base appends what is signed to dst. value gives the value of a component, false
// for one that the request has not; then the component is returned.
func (s *Signature) Base(dst []byte, value func(dst []byte, component string) ([]byte, bool)) (base []byte, missing string) {
	for _, c := range s.Components {
		dst = append(dst, '"')
		dst = append(dst, c...)
		dst = append(dst, `": `...)
		var ok bool
		if dst, ok = value(dst, c); !ok {
			return dst, c
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, `"@signature-params": `...)
	return append(dst, s.params...), ""
}

// Verify reports whether a base was signed with a secret.
func (s *Signature) Verify(secret, base []byte) bool { return Signed(secret, base, s.mac) }

// Signed reports whether mac is the HMAC-SHA256 of a text under a secret. No
// secret has signed anything.
func Signed(secret, text, mac []byte) bool {
	if len(secret) == 0 {
		return false
	}
	h := hmac.New(sha256.New, secret)
	h.Write(text)
	var sum [sha256.Size]byte
	return hmac.Equal(h.Sum(sum[:0]), mac)
}

// Digests reports whether a field Content-Digest is of a body: every digest of
// it that is known is the body's, and there is one. The error is a sentence for
// the caller.
func Digests(field string, body []byte) error {
	if len(field) > MaxBytes || strings.Count(field, ",") >= maxDigests {
		return sentence("Content-Digest is too long.")
	}
	known := false
	for one := range strings.SplitSeq(field, ",") {
		name, value, _ := strings.Cut(strings.Trim(one, " \t"), "=")
		var h hash.Hash
		switch name {
		case "sha-256":
			h = sha256.New()
		case "sha-512":
			h = sha512.New()
		default:
			continue
		}
		h.Write(body)
		want, ok := bytesOf(value)
		if !ok || subtle.ConstantTimeCompare(want, h.Sum(nil)) != 1 {
			return sentence("Content-Digest is not of this body, which may have been changed on its way.")
		}
		known = true
	}
	if !known {
		return sentence("Content-Digest has no digest by sha-256 or sha-512.")
	}
	return nil
}

// bytesOf reads a byte sequence: :base64:.
func bytesOf(s string) ([]byte, bool) {
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' {
		return nil, false
	}
	data, err := base64.StdEncoding.Strict().DecodeString(s[1 : len(s)-1])
	return data, err == nil
}

// reader reads structured fields (RFC 9651), as far as Signature-Input holds
// such. params is what was read, in its canonical form.
type reader struct {
	rest      string
	failed    bool
	algorithm string
	params    strings.Builder
}

func (r *reader) peek() byte {
	if r.rest == "" {
		return 0
	}
	return r.rest[0]
}

func (r *reader) skip(c byte) bool {
	if r.peek() != c || r.rest == "" {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *reader) expect(c byte) {
	if !r.skip(c) {
		r.failed = true
	}
}

func (r *reader) spaces() { r.rest = strings.TrimLeft(r.rest, " ") }

// while takes what consists of some characters.
func (r *reader) while(is func(c byte) bool) string {
	n := 0
	for n < len(r.rest) && is(r.rest[n]) {
		n++
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// key reads a label, or a parameter's name.
func (r *reader) key() string {
	if c := r.peek(); (c < 'a' || c > 'z') && c != '*' {
		r.failed = true
		return ""
	}
	return r.while(func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("_-.*", c) >= 0
	})
}

// text reads a string.
func (r *reader) text() string {
	r.expect('"')
	plain := r.while(func(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' })
	if r.skip('"') && len(plain) <= maxText {
		return plain
	}
	text := []byte(plain)
	for !r.failed && len(text) <= maxText {
		c := r.peek()
		if r.rest != "" {
			r.rest = r.rest[1:]
		}
		switch {
		case c == '"':
			return string(text)
		case c == '\\':
			if c = r.peek(); c != '"' && c != '\\' {
				r.failed = true
				return ""
			}
			r.rest = r.rest[1:]
		case c < ' ' || c > '~':
			r.failed = true
			return ""
		}
		text = append(text, c)
	}
	r.failed = true
	return ""
}

func (r *reader) writeText(s string) {
	r.params.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			r.params.WriteByte('\\')
		}
		r.params.WriteByte(s[i])
	}
	r.params.WriteByte('"')
}

// components reads the list of what is covered.
func (r *reader) components(s *Signature) {
	r.expect('(')
	r.params.WriteByte('(')
	for r.spaces(); !r.failed && r.peek() != ')'; r.spaces() {
		before := r.rest
		name := r.text()
		if c := r.peek(); r.failed || c != ' ' && c != ')' || !plain(name) || s.Covers(name) || len(s.Components) == maxComponents {
			r.failed, r.rest = true, before
			return
		}
		if len(s.Components) > 0 {
			r.params.WriteByte(' ')
		}
		r.writeText(name)
		s.Components = append(s.Components, name)
	}
	r.expect(')')
	r.params.WriteByte(')')
}

// plain reports whether a component's name is one in lower case.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 'A' && c <= 'Z' || c == '"' || c == '\\' || c == ':' {
			return false
		}
	}
	return name != ""
}

// parameters reads what is said of the signature.
func (r *reader) parameters(s *Signature) {
	var seen [maxParameters]string
	for n := 0; !r.failed && r.skip(';'); n++ {
		r.spaces()
		name := r.key()
		for _, other := range seen[:min(n, maxParameters)] {
			r.failed = r.failed || other == name
		}
		if r.failed || n == maxParameters {
			r.failed = true
			return
		}
		seen[n] = name
		r.params.WriteByte(';')
		r.params.WriteString(name)
		if !r.skip('=') { // true
			r.failed = wanted(name)
			continue
		}
		r.params.WriteByte('=')
		r.parameter(s, name)
	}
}

// wanted reports whether a parameter means something here.
func wanted(name string) bool {
	switch name {
	case "created", "expires", "keyid", "nonce", "alg":
		return true
	}
	return false
}

func (r *reader) parameter(s *Signature, name string) {
	switch c := r.peek(); {
	case c == '"':
		text := r.text()
		r.writeText(text)
		switch name {
		case "keyid":
			s.KeyID = text
		case "nonce":
			s.Nonce = text
		case "alg":
			r.algorithm = text
		}
		r.failed = r.failed || wanted(name) && text == "" || name == "created" || name == "expires"
	case c >= '0' && c <= '9':
		digits := r.while(func(c byte) bool { return c >= '0' && c <= '9' })
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || len(digits) > 15 || strconv.FormatInt(n, 10) != digits {
			r.failed = true
			return
		}
		r.params.WriteString(digits)
		switch name {
		case "created":
			s.Created = n
		case "expires":
			s.Expires = n
			r.failed = n == 0
		default:
			r.failed = wanted(name)
		}
	default:
		r.failed = true
	}
}
