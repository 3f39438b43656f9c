package tree

import (
	"net/url"
	"strconv"
	"strings"
)

// Pointer is the JSON pointer (RFC 6901) from the root to the value; "" is
// the root. It is worked out by descending, so ask for it only when reporting.
func (n Node) Pointer() string {
	if n = n.Origin(); n.t == nil {
		return ""
	}
	var b strings.Builder
	at := n.t.Root()
	for at.i != n.i {
		position := 0
		for c := range at.Children() {
			if n.i >= c.i && n.i < n.t.cells[c.i].next {
				b.WriteByte('/')
				if at.IsArray() {
					b.WriteString(strconv.Itoa(position))
				} else {
					b.WriteString(Escape(c.Key()))
				}
				at = c
				position = -1
				break
			}
			position++
		}
		if position >= 0 {
			break
		}
	}
	return b.String()
}

// Escape writes a name as one token of a JSON pointer.
func Escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// Follow is the value at a JSON pointer, or no value. Tokens may be
// percent-encoded, as they are in the fragment of a reference; names that
// hold a percent sign themselves are tried as they stand first.
func (t *Tree) Follow(pointer string) Node {
	at := t.Root()
	if pointer == "" {
		return at
	}
	if pointer[0] != '/' {
		return Node{}
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		next := at.step(unescapeToken(token))
		if !next.Exists() && strings.Contains(token, "%") {
			if plain, err := url.PathUnescape(token); err == nil {
				next = at.step(unescapeToken(plain))
			}
		}
		if at = next; !at.Exists() {
			return Node{}
		}
	}
	return at
}

func unescapeToken(token string) string {
	if !strings.Contains(token, "~") {
		return token
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

func (n Node) step(token string) Node {
	switch n.Kind() {
	case Object:
		return n.Get(token)
	case Array:
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 {
			return Node{}
		}
		for c := range n.Children() {
			if i == 0 {
				return c
			}
			i--
		}
	}
	return Node{}
}
