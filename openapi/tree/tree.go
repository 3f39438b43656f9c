package tree

import (
	"bytes"
	"fmt"
	"iter"
	"sort"
	"strconv"
	"sync"
	"unicode/utf8"
)

// Kind is what a value is.
type Kind uint8

// The kinds of value. Missing is the kind of the zero Node.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String names the kind as a sentence would: "an object", "a string".
func (k Kind) String() string {
	return [...]string{"nothing", "null", "true or false", "a number", "a string", "a list", "an object"}[k]
}

// Limits bound what Parse accepts. Every field must be positive.
type Limits struct {
	MaxBytes  int // of the document
	MaxDepth  int // of objects and arrays inside one another
	MaxValues int // in the whole document, after YAML aliases were expanded
}

// Error is why a document could not be read, and where.
type Error struct {
	Code    string // one of the Code constants
	Message string // a sentence for the person who brought the document
	Pointer string // JSON pointer (RFC 6901) as far as it is known
	File    string // where the tree has a name
	Line    int    // from 1; 0 where unknown
	Column  int    // from 1, in bytes; 0 where unknown
}

// The codes of an Error.
const (
	CodeMalformed = "malformed"
	CodeTruncated = "truncated"
	CodeTooDeep   = "too_deep"
	CodeTooLarge  = "too_large"
	CodeAliasBomb = "alias_bomb"
)

// Error says what is wrong and on which line.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// cell is one value. Cells lie in document order, so a container's first
// child is the cell after it and next leads past its last descendant.
type cell struct {
	start, end       uint32 // the value's text; strings without quotes
	keyStart, keyEnd uint32 // the member name's text, without quotes
	next             uint32
	kind             Kind
	escaped          bool // the text of the string has escapes
	keyEscaped       bool
}

// Tree is a parsed document. It is safe for use by several goroutines.
type Tree struct {
	text  []byte
	cells []cell
	where []place // YAML: one for each cell; nil for JSON, whose offsets say it
	file  string
	from  []origin // what a Builder made each cell from; nil in a tree that was read
	made  []*Tree  // the trees that from speaks of; nil among them is no tree

	mu    sync.Mutex
	index map[uint32]map[string]uint32 // guarded by mu: member names of large objects
	lines []uint32                     // guarded by mu: offsets at which lines begin
}

type place struct{ line, column uint32 }

// Root is the document's outermost value.
func (t *Tree) Root() Node { return Node{t, 0} }

// Values is how many values the document has.
func (t *Tree) Values() int { return len(t.cells) }

// Node is one value of a tree. The zero Node is of kind Missing, and every
// method of it is safe: looking up a path that is not there is no error.
type Node struct {
	t *Tree
	i uint32
}

// Exists reports whether there is a value.
func (n Node) Exists() bool { return n.t != nil }

// Index is the value's number in document order; the root is 0.
func (n Node) Index() int { return int(n.i) }

// Same reports whether both are the same place of the same document.
func (n Node) Same(other Node) bool { return n == other }

// Contains reports whether the other value is this one or stands inside it.
func (n Node) Contains(other Node) bool {
	return n.t != nil && n.t == other.t && other.i >= n.i && other.i < n.t.cells[n.i].next
}

// At is the value with that number, or no value.
func (t *Tree) At(index int) Node {
	if index < 0 || index >= len(t.cells) {
		return Node{}
	}
	return Node{t, uint32(index)}
}

// Kind is what the value is.
func (n Node) Kind() Kind {
	if n.t == nil {
		return Missing
	}
	return n.t.cells[n.i].kind
}

// IsObject reports whether the value is an object.
func (n Node) IsObject() bool { return n.Kind() == Object }

// IsArray reports whether the value is an array.
func (n Node) IsArray() bool { return n.Kind() == Array }

// Key is the name under which the value stands in its object, or "".
func (n Node) Key() string {
	if n.t == nil {
		return ""
	}
	c := &n.t.cells[n.i]
	raw := n.t.text[c.keyStart:c.keyEnd]
	if c.keyEscaped {
		return unescape(raw)
	}
	return string(raw)
}

// Text is a string's value, a number's or boolean's literal, and "" for
// everything else.
func (n Node) Text() string {
	switch n.Kind() {
	case String, Number, Bool:
	default:
		return ""
	}
	c := &n.t.cells[n.i]
	if c.escaped {
		return unescape(n.t.text[c.start:c.end])
	}
	return string(n.t.text[c.start:c.end])
}

// String is the value of a string, and "" for everything else.
func (n Node) String() string {
	if n.Kind() != String {
		return ""
	}
	return n.Text()
}

// True reports whether the value is the literal true.
func (n Node) True() bool { return n.Kind() == Bool && n.Text() == "true" }

// Int is a number's value if it is a whole one.
func (n Node) Int() (int64, bool) {
	if n.Kind() != Number {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Text(), 10, 64)
	return v, err == nil
}

// Children are the members of an object or the elements of an array, in the
// order of the document.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if k := n.Kind(); k != Object && k != Array {
			return
		}
		end := n.t.cells[n.i].next
		for i := n.i + 1; i < end; i = n.t.cells[i].next {
			if !yield(Node{n.t, i}) {
				return
			}
		}
	}
}

// Len is the number of members or elements.
func (n Node) Len() int {
	count := 0
	for range n.Children() {
		count++
	}
	return count
}

// largeObject is from how many members on an object's names are indexed.
const largeObject = 16

// Get is the member of an object with that name; the first, if a name stands
// twice.
func (n Node) Get(key string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	seen := 0
	for c := range n.Children() {
		if n.t.keyIs(c.i, key) {
			return c
		}
		if seen++; seen == largeObject {
			return n.lookUp(key)
		}
	}
	return Node{}
}

// KeyIs reports whether the value stands under that name, without making a
// string of it.
func (n Node) KeyIs(key string) bool { return n.t != nil && n.t.keyIs(n.i, key) }

func (t *Tree) keyIs(i uint32, key string) bool {
	c := &t.cells[i]
	raw := t.text[c.keyStart:c.keyEnd]
	if c.keyEscaped {
		return unescape(raw) == key
	}
	return string(raw) == key
}

func (n Node) lookUp(key string) Node {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	names, ok := n.t.index[n.i]
	if !ok {
		names = make(map[string]uint32)
		for c := range n.Children() {
			if k := c.Key(); !has(names, k) {
				names[k] = c.i
			}
		}
		if n.t.index == nil {
			n.t.index = make(map[uint32]map[string]uint32)
		}
		n.t.index[n.i] = names
	}
	i, ok := names[key]
	if !ok {
		return Node{}
	}
	return Node{n.t, i}
}

func has(m map[string]uint32, k string) bool { _, ok := m[k]; return ok }

// Size is how many values the value is made of, itself included.
func (n Node) Size() int {
	if n.t == nil {
		return 0
	}
	return int(n.t.cells[n.i].next - n.i)
}

// Line is where the value stands, from 1: the line of its name, if it has one.
func (n Node) Line() int {
	line, _ := n.Position()
	return line
}

// Position is where the value, or its name if it has one, stands. Both count
// from 1, columns in bytes; both are 0 for no value.
func (n Node) Position() (line, column int) {
	if n = n.Origin(); n.t == nil {
		return 0, 0
	}
	if n.t.where != nil {
		p := n.t.where[n.i]
		return int(p.line), int(p.column)
	}
	c := &n.t.cells[n.i]
	at := c.start
	switch { // names and strings begin after their quote
	case c.keyEnd > 0:
		at = c.keyStart - 1
	case c.kind == String:
		at--
	}
	return n.t.position(at)
}

func (t *Tree) position(offset uint32) (line, column int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = append(t.lines, 0)
		for i := 0; ; {
			next := bytes.IndexByte(t.text[i:], '\n')
			if next < 0 {
				break
			}
			i += next + 1
			t.lines = append(t.lines, uint32(i))
		}
	}
	l := sort.Search(len(t.lines), func(i int) bool { return t.lines[i] > offset })
	return l, int(offset-t.lines[l-1]) + 1
}

// unescape decodes a JSON string's text. Lone surrogates become U+FFFD.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hexRune(raw[i+1 : i+5])
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
				if low := hexRune(raw[i+3 : i+7]); low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, raw[i])
		}
	}
	return string(out)
}

func hexRune(b []byte) rune {
	v, _ := strconv.ParseUint(string(b), 16, 32) // the parser has checked the digits
	return rune(v)
}
