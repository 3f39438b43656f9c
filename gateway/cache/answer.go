package cache

import (
	"strings"
	"time"
)

// Field is one header field.
type Field struct{ Name, Value string }

// Answer is a stored answer. It never changes once stored: one that was
// validated is replaced by another with the same body.
type Answer struct {
	Status int
	Fields []Field
	Body   []byte // nobody may write to it

	// Vary holds the fields of the request that the answer depends on, as they
	// were then: names in lower case.
	Vary []Field
	Tags []string
	Path string // that was asked for, canonical

	ETag         string    // "" for none
	Modified     string    // Last-Modified as it came, "" for none
	ModifiedTime time.Time // the same; where it said none, when it was made

	Taken      int64         // when it came, in nanoseconds of the node's monotonic clock
	InitialAge time.Duration // that it had then
	Fresh      time.Duration // how old it may be to be fresh
	StaleWhile time.Duration // for how long it may be used once stale, while it is validated
	StaleIf    time.Duration // the same, where the upstream fails
	Validate   bool          // before each use
	Strict     bool          // never to be used once stale
}

// Age returns how old the answer is.
func (a *Answer) Age(now int64) time.Duration {
	return a.InitialAge + max(time.Duration(now-a.Taken), 0)
}

// Value returns the first field of a name, "" for none.
func (a *Answer) Value(name string) string {
	for _, f := range a.Fields {
		if len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// fieldBytes and answerBytes are what one takes beside its text.
const (
	fieldBytes  = 32
	answerBytes = 512
)

// Bytes returns what the answer takes in memory.
func (a *Answer) Bytes() int64 {
	n := answerBytes + cap(a.Body) + len(a.ETag) + len(a.Modified) + len(a.Path)
	for _, list := range [][]Field{a.Fields, a.Vary} {
		for _, f := range list {
			n += fieldBytes + len(f.Name) + len(f.Value)
		}
	}
	for _, t := range a.Tags {
		n += fieldBytes + len(t)
	}
	return int64(n)
}
