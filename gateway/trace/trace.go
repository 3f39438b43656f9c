// Package trace is the W3C trace context of a call: reading traceparent and
// tracestate strictly, and writing what goes to the upstream. It allocates
// nothing, and knows no exporter (gateway/trace/export is one).
package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// Context is where a call stands in its trace. The zero value is no trace.
type Context struct {
	Trace   [16]byte
	Parent  [8]byte // the caller's span; zero for none
	Span    [8]byte // the gateway's, which the upstream gets as its parent
	Sampled bool
}

// Valid reports whether there is a trace.
func (c *Context) Valid() bool { return c.Trace != [16]byte{} }

// HeaderBytes is how long a traceparent of version 00 is.
const HeaderBytes = 55

const sampledFlag = 1

// Parse reads a traceparent. One of a version that is not known yet is read as
// far as version 00 goes, as the recommendation wants it.
func Parse(s string) (c Context, ok bool) {
	if len(s) < HeaderBytes || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !unhex(version[:], s[:2]) || !unhex(c.Trace[:], s[3:35]) || !unhex(c.Parent[:], s[36:52]) || !unhex(flags[:], s[53:55]) {
		return Context{}, false
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(s) != HeaderBytes, len(s) > HeaderBytes && s[HeaderBytes] != '-',
		c.Trace == [16]byte{}, c.Parent == [8]byte{}:
		return Context{}, false
	}
	c.Sampled = flags[0]&sampledFlag != 0
	return c, true
}

// unhex reads lower-case hexadecimal digits.
func unhex(to []byte, s string) bool {
	for i := range to {
		high, low := digit(s[2*i]), digit(s[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		to[i] = high<<4 | low
	}
	return true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}

// New returns a context with a fresh trace.
func New() (c Context) {
	binary.LittleEndian.PutUint64(c.Trace[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(c.Trace[8:], rand.Uint64()|1) // never all zero
	return c
}

// Enter gives the context a span of our own.
func (c *Context) Enter() { c.Span = NewSpan() }

// NewSpan returns a fresh span id.
func NewSpan() (id [8]byte) {
	binary.LittleEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// Append writes the traceparent that the upstream gets.
func (c *Context) Append(b []byte) []byte {
	b = hex.AppendEncode(append(b, "00-"...), c.Trace[:])
	b = hex.AppendEncode(append(b, '-'), c.Span[:])
	if c.Sampled {
		return append(b, "-01"...)
	}
	return append(b, "-00"...)
}

// Bounds of a tracestate.
const (
	maxMembers    = 32
	maxKey        = 256
	maxTenant     = 241
	maxSystem     = 14
	maxValue      = 256
	maxStateBytes = 4096
)

// State checks tracestates, several headers of which are one list. The zero
// value has seen none.
type State struct {
	members int
	bytes   int
	keys    [maxMembers]string
}

// Add reports whether one more header is valid, and fits those before.
func (t *State) Add(s string) bool {
	if t.bytes += len(s); t.bytes > maxStateBytes {
		return false
	}
	for start := 0; start <= len(s); {
		end := start
		for end < len(s) && s[end] != ',' {
			end++
		}
		member := trim(s[start:end])
		start = end + 1
		if member == "" {
			continue // empty members are allowed
		}
		if t.members == maxMembers || !t.member(member) {
			return false
		}
	}
	return true
}

func (t *State) member(s string) bool {
	at := 0
	for at < len(s) && s[at] != '=' {
		at++
	}
	if at == len(s) || !validKey(s[:at]) || !validValue(s[at+1:]) {
		return false
	}
	for _, k := range t.keys[:t.members] {
		if k == s[:at] {
			return false
		}
	}
	t.keys[t.members] = s[:at]
	t.members++
	return true
}

func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// validKey checks a simple key, or a tenant's at a system.
func validKey(s string) bool {
	at := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c == '@' && at < 0:
			at = i
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '*', c == '/':
		default:
			return false
		}
	}
	if at < 0 {
		return s != "" && len(s) <= maxKey && letter(s[0])
	}
	tenant, system := s[:at], s[at+1:]
	return tenant != "" && len(tenant) <= maxTenant && (letter(tenant[0]) || '0' <= tenant[0] && tenant[0] <= '9') &&
		system != "" && len(system) <= maxSystem && letter(system[0])
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' }

func validValue(s string) bool {
	if s == "" || len(s) > maxValue || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

// Call is a sampled call that is over: what its spans say. It holds nothing of
// the exchange.
type Call struct {
	Context

	Began, Ended time.Time
	Method       string
	Host         string
	Environment  string
	Node         string
	API          string // "demo/orders v1"; "" when none was reached
	Revision     int
	Operation    string
	Route        string // template; "" when none was reached
	Application  string
	RequestID    string
	Status       int
	Code         string // of a refusal
	Broken       bool   // the caller did not get all of the answer
	RequestBytes int64
	AnswerBytes  int64 // -1 not known
	Tries        []Try
}

// Try is one call to an upstream, until its answer's head.
type Try struct {
	Target  string
	Reused  bool
	Began   time.Time
	Took    time.Duration
	Outcome string // "" when it was answered
	Status  int
}
