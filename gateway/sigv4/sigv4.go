// Package sigv4 signs requests as AWS wants them signed: Signature Version 4, in
// headers.
//
// It signs what is on the wire: whoever writes a request gives its parts as they
// leave, and gets the header lines that go with them. It deliberately changes
// nothing of a request, presigns no addresses, and knows no way to get
// credentials. The library of the vendor's signs an http.Request, which the path
// of a call does not have; this one allocates nothing once it is warm.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"
)

// Unsigned is the payload hash of a request whose body is not signed.
const Unsigned = "UNSIGNED-PAYLOAD"

// Options say for whom a Signer signs. All but Token must be set.
type Options struct {
	AccessKey string // the id of the key
	Secret    string
	Token     string // of a session; "" for keys that are not temporary
	Region    string
	Service   string // as it stands in the credential's scope: "execute-api", "s3"
}

// Signer signs requests to one service. It is safe for concurrent use.
type Signer struct {
	options Options
	s3      bool      // paths are encoded once and not made shorter
	telling bool      // a header says the body's hash
	works   sync.Pool // of *work
}

// New returns a signer.
func New(o Options) *Signer {
	s := &Signer{options: o, s3: IsS3(o.Service)}
	s.telling = s.s3 || o.Service == "aoss" || o.Service == "glacier"
	s.works.New = func() any { return new(work) }
	return s
}

// IsS3 reports whether a service is S3, or one of those that serve its objects,
// whose paths are escaped once. Others beside it, such as s3tables, sign as all do.
func IsS3(service string) bool {
	switch service {
	case "s3", "s3express", "s3-object-lambda", "s3-outposts":
		return true
	}
	return false
}

// S3Path returns a path as it is to be sent to S3, with everything escaped that is
// not plain: what it makes of a plus, for instance, is its own.
func S3Path(path string) string {
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/':
		default:
			return string(appendPathOnce(nil, path))
		}
	}
	return path
}

// Field is a header field. Its name's case does not matter.
type Field struct{ Name, Value string }

// Request is what is signed, as it leaves.
type Request struct {
	Method, Host string
	Path         string // escaped
	Query        string // raw, without the question mark; a plus in it means a space
	// Fields are signed beside the host and what the signer itself adds.
	Fields  []Field
	Payload string // the body's SHA-256 in hexadecimal, or Unsigned
	Now     time.Time
}

// Append appends the header lines that sign a request, each with its line end.
func (s *Signer) Append(b []byte, r *Request) []byte {
	w := s.works.Get().(*work)
	defer s.works.Put(w)
	return s.append(b, r, w)
}

// AppendHead appends them to the head of a request by HTTP/1.1 that is otherwise
// whole, but for the empty line at its end. It signs Content-Type, Content-MD5 and
// what begins with X-Amz-: other headers may change on the way.
func (s *Signer) AppendHead(head []byte, payload string, now time.Time) []byte {
	w := s.works.Get().(*work)
	defer s.works.Put(w)
	r := &w.request
	fields := r.Fields[:0]
	*r = Request{Payload: payload, Now: now}
	line, rest, _ := strings.Cut(view(head), lineEnd)
	r.Method, line, _ = strings.Cut(line, " ")
	line, _, _ = strings.Cut(line, " ")
	r.Path, r.Query, _ = strings.Cut(line, "?")
	for rest != "" {
		line, rest, _ = strings.Cut(rest, lineEnd)
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(name, "Host"):
			r.Host = strings.TrimLeft(value, " ")
		case len(name) > len(amz) && strings.EqualFold(name[:len(amz)], amz), strings.EqualFold(name, "Content-Type"), strings.EqualFold(name, "Content-MD5"):
			fields = append(fields, Field{name, value})
		}
	}
	r.Fields = fields
	head = s.append(head, r, w)
	clear(fields) // they are views of the head
	*r = Request{Fields: fields}
	return head
}

const (
	lineEnd = "\r\n"
	amz     = "X-Amz-"
)

func (s *Signer) append(b []byte, r *Request, w *work) []byte {
	w.date = r.Now.UTC().AppendFormat(w.date[:0], "20060102T150405Z")
	w.derive(&s.options)
	w.collect(s, r)
	w.canonical(s, r)
	sum := sha256.Sum256(w.out)

	w.out = append(append(w.out[:0], "AWS4-HMAC-SHA256\n"...), w.date...)
	w.out = s.appendScope(append(w.out, '\n'), w.date[:8])
	w.out = hex.AppendEncode(append(w.out, '\n'), sum[:])
	w.mac.Reset()
	w.mac.Write(w.out)
	w.sum = w.mac.Sum(w.sum[:0])

	b = append(append(append(b, "X-Amz-Date: "...), w.date...), '\r', '\n')
	if s.tells(r) {
		b = append(append(append(b, "X-Amz-Content-Sha256: "...), r.Payload...), '\r', '\n')
	}
	if s.options.Token != "" {
		b = append(append(append(b, "X-Amz-Security-Token: "...), s.options.Token...), '\r', '\n')
	}
	b = append(append(b, "Authorization: AWS4-HMAC-SHA256 Credential="...), s.options.AccessKey...)
	b = s.appendScope(append(b, '/'), w.date[:8])
	b = w.appendNames(append(b, ", SignedHeaders="...))
	b = hex.AppendEncode(append(b, ", Signature="...), w.sum)
	clear(w.fields)
	return append(b, '\r', '\n')
}

// tells reports whether a header says the body's hash.
func (s *Signer) tells(r *Request) bool { return s.telling || r.Payload == Unsigned }

func (s *Signer) appendScope(b, day []byte) []byte {
	b = append(append(b, day...), '/')
	b = append(append(b, s.options.Region...), '/')
	return append(append(b, s.options.Service...), "/aws4_request"...)
}

// work is what signing takes, kept for the next request.
type work struct {
	request Request // of AppendHead
	date    []byte  // 20150830T123600Z
	day     [8]byte
	mac     hash.Hash // by the key of day; nil: none yet
	sum     []byte
	out     []byte // the canonical request, then what is signed
	fields  []Field
	lower   []byte // names in lower case
	pairs   []pair
	pieces  []byte // of the query, encoded
}

// pair is a parameter of the query, by where it stands in pieces.
type pair struct{ start, equals, end int }

// derive makes the key of the day, unless it is there already.
func (w *work) derive(o *Options) {
	if w.mac != nil && string(w.day[:]) == string(w.date[:8]) {
		return
	}
	copy(w.day[:], w.date)
	key := []byte("AWS4" + o.Secret)
	for _, part := range [...]string{string(w.day[:]), o.Region, o.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	w.mac = hmac.New(sha256.New, key)
}

// collect puts the fields that are signed in order, names in lower case.
func (w *work) collect(s *Signer, r *Request) {
	w.fields, w.lower = w.fields[:0], w.lower[:0]
	room := 0
	for _, f := range r.Fields {
		room += len(f.Name)
	}
	w.lower = slices.Grow(w.lower, room) // names point into it: it must not move
	for _, f := range r.Fields {
		start := len(w.lower)
		for i := range len(f.Name) {
			c := f.Name[i]
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			w.lower = append(w.lower, c)
		}
		w.fields = append(w.fields, Field{view(w.lower[start:]), f.Value})
	}
	w.fields = append(w.fields, Field{"host", r.Host}, Field{"x-amz-date", view(w.date)})
	if s.tells(r) {
		w.fields = append(w.fields, Field{"x-amz-content-sha256", r.Payload})
	}
	if s.options.Token != "" {
		w.fields = append(w.fields, Field{"x-amz-security-token", s.options.Token})
	}
	slices.SortStableFunc(w.fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
}

// canonical writes the canonical request.
func (w *work) canonical(s *Signer, r *Request) {
	w.out = append(append(w.out[:0], r.Method...), '\n')
	if s.s3 {
		w.out = appendPathOnce(w.out, r.Path)
	} else {
		w.out = appendPath(w.out, r.Path)
	}
	w.out = append(w.out, '\n')
	w.out = w.appendQuery(w.out, r.Query)
	w.out = append(w.out, '\n')
	for i, f := range w.fields {
		if i > 0 && w.fields[i-1].Name == f.Name {
			w.out[len(w.out)-1] = ',' // in the place of the line's end
		} else {
			w.out = append(append(w.out, f.Name...), ':')
		}
		w.out = append(appendTrimmed(w.out, f.Value), '\n')
	}
	w.out = w.appendNames(append(w.out, '\n'))
	w.out = append(append(w.out, '\n'), r.Payload...)
}

func (w *work) appendNames(b []byte) []byte {
	for i, f := range w.fields {
		switch {
		case i > 0 && w.fields[i-1].Name == f.Name:
			continue
		case i > 0:
			b = append(b, ';')
		}
		b = append(b, f.Name...)
	}
	return b
}

// appendTrimmed writes a value without spaces around it, and one for several
// within.
func appendTrimmed(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	space := false
	for i := range len(value) {
		c := value[i]
		if c == ' ' {
			if !space {
				b = append(b, c)
			}
			space = true
			continue
		}
		b, space = append(b, c), false
	}
	return b
}

// appendQuery writes the parameters in order, each encoded in the one way that
// counts.
func (w *work) appendQuery(b []byte, query string) []byte {
	w.pairs, w.pieces = w.pairs[:0], w.pieces[:0]
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		p := pair{start: len(w.pieces)}
		w.pieces = appendDecoded(w.pieces, name, true, false)
		p.equals = len(w.pieces)
		w.pieces = appendDecoded(append(w.pieces, '='), value, true, false)
		p.end = len(w.pieces)
		w.pairs = append(w.pairs, p)
	}
	slices.SortStableFunc(w.pairs, func(a, b pair) int {
		if c := strings.Compare(view(w.pieces[a.start:a.equals]), view(w.pieces[b.start:b.equals])); c != 0 {
			return c
		}
		return strings.Compare(view(w.pieces[a.equals:a.end]), view(w.pieces[b.equals:b.end]))
	})
	for i, p := range w.pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, w.pieces[p.start:p.end]...)
	}
	return b
}

// appendPath writes a path made shorter (RFC 3986 section 5.2.4), with what was
// escaped escaped once more.
func appendPath(b []byte, path string) []byte {
	root := len(b)
	b = append(b, '/')
	for path != "" {
		var segment string
		var more bool
		segment, path, more = strings.Cut(path, "/")
		switch segment {
		case "", ".":
			continue
		case "..":
			for len(b) > root+1 {
				if b = b[:len(b)-1]; b[len(b)-1] == '/' {
					break
				}
			}
			continue
		}
		for i := range len(segment) {
			b = appendByte(b, segment[i])
		}
		if more {
			b = append(b, '/')
		}
	}
	return b
}

// appendPathOnce writes a path as S3 reads it: with what is not plain escaped
// once, however it came.
func appendPathOnce(b []byte, path string) []byte {
	if path == "" {
		return append(b, '/')
	}
	return appendDecoded(b, path, false, true)
}

// appendDecoded writes a text that may be escaped already, escaped in the one way
// that counts.
func appendDecoded(b []byte, text string, plus, slash bool) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			c = unhex(text[i+1])<<4 | unhex(text[i+2])
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		if c == '/' && slash {
			b = append(b, c)
		} else {
			b = appendByte(b, c)
		}
	}
	return b
}

func appendByte(b []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
		return append(b, c)
	}
	return append(b, '%', digits[c>>4], digits[c&15])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
