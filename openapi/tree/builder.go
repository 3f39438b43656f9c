package tree

import (
	"fmt"
	"math"
)

// Builder makes a tree out of parts of others. Every value remembers what it
// was made from: its line, its pointer and its file are those of the original,
// so that what is found in the new tree is reported where a person can see it.
//
// Values are added in document order, into the object or list that is open.
// The first failure ends the building: what follows is ignored, and Tree
// answers the failure. It is not safe for concurrent use.
type Builder struct {
	t       *Tree
	limits  Limits
	sources map[*Tree]uint32
	open    []uint32 // containers that values are added to, innermost last
	err     error
}

// origin is the value of another tree that a value was made from.
type origin struct{ source, cell uint32 }

// NewBuilder is a builder of a tree within limits. Its root is the first value
// that is added.
func NewBuilder(limits Limits) *Builder {
	return &Builder{t: &Tree{}, limits: limits, sources: make(map[*Tree]uint32)}
}

// Named says which file a tree was read from. It answers the tree, and is to
// be called before anybody else has it.
func (t *Tree) Named(file string) *Tree {
	t.file = file
	return t
}

// File is the name of the file that the value was read from, "" where trees
// were given no names.
func (n Node) File() string {
	if n = n.Origin(); n.t == nil {
		return ""
	}
	return n.t.file
}

// Origin is what a value was made from; itself, in a tree that was read.
func (n Node) Origin() Node {
	if n.t == nil || n.t.from == nil {
		return n
	}
	o := n.t.from[n.i]
	return Node{n.t.made[o.source], o.cell}
}

// Tree is what was built, or why that failed.
func (b *Builder) Tree() (*Tree, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.t.cells) == 0 {
		b.add("", Null, Node{})
	}
	return b.t, nil
}

// Object adds an object under the key, which means nothing in a list; fill
// adds its members.
func (b *Builder) Object(key string, from Node, fill func()) { b.container(key, Object, from, fill) }

// Array adds a list; fill adds its elements, with any key.
func (b *Builder) Array(key string, from Node, fill func()) { b.container(key, Array, from, fill) }

// String adds a text.
func (b *Builder) String(key, text string, from Node) { b.scalar(key, String, text, from) }

// Bool adds true or false.
func (b *Builder) Bool(key string, value bool, from Node) {
	b.scalar(key, Bool, fmt.Sprint(value), from)
}

// Copy adds a value as it stands, with all that is in it, under the key.
func (b *Builder) Copy(key string, n Node) {
	if !n.Exists() || b.err != nil {
		return
	}
	first := uint32(len(b.t.cells))
	end := n.t.cells[n.i].next
	if b.full(int(end-n.i), n) {
		return
	}
	for i := n.i; i < end; i++ {
		c := n.t.cells[i]
		made := cell{kind: c.kind, escaped: c.escaped, next: c.next - n.i + first}
		if i == n.i {
			made.keyStart, made.keyEnd = b.text([]byte(key))
		} else if c.keyEnd > c.keyStart {
			made.keyStart, made.keyEnd = b.text(n.t.text[c.keyStart:c.keyEnd])
			made.keyEscaped = c.keyEscaped
		}
		switch c.kind {
		case String, Number, Bool:
			made.start, made.end = b.text(n.t.text[c.start:c.end])
		}
		if b.err != nil {
			return
		}
		b.t.cells = append(b.t.cells, made)
		b.t.from = append(b.t.from, b.originOf(Node{n.t, i}))
	}
	b.closed()
}

func (b *Builder) container(key string, kind Kind, from Node, fill func()) {
	if b.err == nil && len(b.open) >= b.limits.MaxDepth {
		b.fail(CodeTooDeep, from, "Objects and lists stand more than %d deep inside one another when all files are put together.", b.limits.MaxDepth)
	}
	if b.full(1, from) {
		return
	}
	index := b.add(key, kind, from)
	b.open = append(b.open, index)
	fill()
	b.open = b.open[:len(b.open)-1]
	b.t.cells[index].next = uint32(len(b.t.cells))
	b.closed()
}

func (b *Builder) scalar(key string, kind Kind, text string, from Node) {
	if b.full(1, from) {
		return
	}
	index := b.add(key, kind, from)
	b.t.cells[index].start, b.t.cells[index].end = b.text([]byte(text))
	b.closed()
}

func (b *Builder) add(key string, kind Kind, from Node) uint32 {
	made := cell{kind: kind, next: uint32(len(b.t.cells)) + 1}
	made.keyStart, made.keyEnd = b.text([]byte(key))
	b.t.cells = append(b.t.cells, made)
	b.t.from = append(b.t.from, b.originOf(from))
	return made.next - 1
}

// closed notes that a value of the innermost open container has ended.
func (b *Builder) closed() {
	if len(b.open) > 0 {
		b.t.cells[b.open[len(b.open)-1]].next = uint32(len(b.t.cells))
	}
}

func (b *Builder) text(s []byte) (start, end uint32) {
	if len(b.t.text)+len(s) > math.MaxUint32 {
		b.fail(CodeTooLarge, Node{}, "The files have more text than can be held when all are put together.")
		return 0, 0
	}
	start = uint32(len(b.t.text))
	b.t.text = append(b.t.text, s...)
	return start, uint32(len(b.t.text))
}

// full reports whether no more values may be added.
func (b *Builder) full(more int, at Node) bool {
	if b.err == nil && len(b.t.cells)+more > b.limits.MaxValues {
		b.fail(CodeTooLarge, at, "The document has more than %d values when everything that it refers to is put in its place.", b.limits.MaxValues)
	}
	return b.err != nil
}

func (b *Builder) fail(code string, at Node, format string, args ...any) {
	if b.err == nil {
		line, column := at.Position()
		b.err = &Error{Code: code, Message: fmt.Sprintf(format, args...), Pointer: at.Pointer(), File: at.File(), Line: line, Column: column}
	}
}

func (b *Builder) originOf(n Node) origin {
	n = n.Origin()
	source, known := b.sources[n.t]
	if !known {
		source = uint32(len(b.t.made))
		b.sources[n.t] = source
		b.t.made = append(b.t.made, n.t)
	}
	return origin{source, n.i}
}
