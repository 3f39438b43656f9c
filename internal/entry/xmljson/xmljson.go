// Package xmljson turns XML into JSON and JSON into XML, by one convention, both
// ways.
//
// # The convention
//
// A document is an object with one member: the root element. An element that has
// nothing but text is that text. Any other is an object: its attributes are
// members whose names begin with @, its text is the member #text, its child
// elements are members of their names, and several of one name are a list. Text
// that is only white space between elements does not count; comments and
// processing instructions neither. Names are kept as they are written, prefixes
// and declarations of namespaces included.
//
// On the way back numbers and booleans are written as texts, null as an empty
// element, and members in the order in which they stand. What XML cannot say, a
// list in a list or a name that is none, is an error.
//
// # Bounds
//
// Documents with a DTD are refused, and with it entities of their own: nothing is
// fetched and nothing grows. Depth, elements and attributes are counted.
package xmljson

import (
	"fmt"
	"strings"
)

const (
	// MaxDepth is how deep elements may stand in one another.
	MaxDepth = 48
	// MaxElements is how many elements a document may hold.
	MaxElements = 100_000
	// MaxAttributes is how many attributes an element may have.
	MaxAttributes = 128
)

// Convention is how documents are read and written where more than one way is
// possible. It may be used by several at once.
type Convention struct {
	root   string
	arrays *path
}

// New returns a convention. The element root, where it is not "", has no member
// of its own in JSON: what it holds is the document. arrays are paths of elements
// from the root, such as order/items/item, that are lists also when there is one.
func New(root string, arrays []string) *Convention {
	c := &Convention{root: root, arrays: &path{}}
	for _, a := range arrays {
		at := c.arrays
		for name := range strings.SplitSeq(a, "/") {
			next := at.below[name]
			if next == nil {
				if next = (&path{}); at.below == nil {
					at.below = map[string]*path{}
				}
				at.below[name] = next
			}
			at = next
		}
		at.list = true
	}
	return c
}

// path is a place among the paths of arrays; nil leads nowhere.
type path struct {
	list  bool
	below map[string]*path
}

func (p *path) next(name string) *path {
	if p == nil {
		return nil
	}
	return p.below[name]
}

// Name reports whether a text can be the name of an element or attribute.
func Name(s string) bool {
	colons := 0
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', letter(r):
		case i > 0 && (r >= '0' && r <= '9' || r == '-' || r == '.'):
		case r == ':' && i > 0 && i < len(s)-1:
			colons++
		default:
			return false
		}
	}
	prefix, local, found := strings.Cut(s, ":")
	return s != "" && colons <= 1 && (!found || Name(prefix) && Name(local))
}

// letter holds the letters beyond ASCII that XML has had in names since its first
// edition: of Latin, Greek and Cyrillic, and ideographs.
func letter(r rune) bool {
	return r >= 0xc0 && r <= 0x131 && r != 0xd7 && r != 0xf7 || r >= 0x3b1 && r <= 0x3c9 || r >= 0x401 && r <= 0x40c || r >= 0x40e && r <= 0x44f || r >= 0x4e00 && r <= 0x9fa5
}

// MaxPathBytes bounds a path of arrays.
const MaxPathBytes = 1024

// CheckPath says what is wrong with a path of arrays.
func CheckPath(s string) error {
	if len(s) > MaxPathBytes {
		return fmt.Errorf("is longer than %d bytes", MaxPathBytes)
	}
	for name := range strings.SplitSeq(s, "/") {
		if !Name(name) {
			return fmt.Errorf("%q is no element's name; want a path from the root such as order/items/item", name)
		}
	}
	return nil
}
