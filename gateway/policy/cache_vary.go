package policy

import (
	"slices"
	"strings"

	"portico/gateway/cache"
)

// varied returns the request's fields on which an answer depends: those that it
// says, those of the policy, and those that it should have said.
func (s *cacheStep) varied(h *answerHead, request []Field) []cache.Field {
	names := append(slices.Clone(h.vary), s.vary...)
	if h.coded {
		names = append(names, "accept-encoding")
	}
	if h.shown != "" && h.shown != "*" {
		names = append(names, "origin")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var out []cache.Field
	for _, name := range names {
		var values []string
		for _, f := range request {
			if FoldEqual(f.Name, name) {
				values = append(values, f.Value)
			}
		}
		out = append(out, cache.Field{Name: strings.Clone(name), Value: strings.Clone(strings.Join(values, ", "))})
	}
	return out
}

// matches reports whether a stored answer is for a request with such headers.
func matches(a *cache.Answer, request []Field) bool {
	for i := range a.Vary {
		if !sameValues(a.Vary[i].Name, a.Vary[i].Value, request) && !sameTokens(a.Vary[i].Name, a.Vary[i].Value, request) {
			return false
		}
	}
	return true
}

// sameValues compares the values that a request has of a field, joined, with
// what it had when the answer was stored.
func sameValues(name, want string, request []Field) bool {
	first := true
	for _, f := range request {
		if !FoldEqual(f.Name, name) {
			continue
		}
		if !first {
			if len(want) < 2 || want[:2] != ", " {
				return false
			}
			want = want[2:]
		} else if want == "" && f.Value != "" {
			return false
		}
		if !strings.HasPrefix(want, f.Value) {
			return false
		}
		want, first = want[len(f.Value):], false
	}
	return want == ""
}

// sameTokens compares as sameValues does, but for case and for white space around
// separators, the fields of which it is known that these make no difference. Of
// other fields nobody knows; and the order in a list may be one of preference.
func sameTokens(name, want string, request []Field) bool {
	if name != "accept-language" && name != "accept-encoding" && name != "accept-charset" {
		return false
	}
	rest, first := tokens{text: want}, true
	for _, f := range request {
		if !FoldEqual(f.Name, name) {
			continue
		}
		if !first && rest.next() != ',' {
			return false
		}
		first = false
		for have := (tokens{text: f.Value}); ; {
			c := have.next()
			if c == 0 {
				break
			}
			if c != rest.next() {
				return false
			}
		}
	}
	return rest.next() == 0
}

// tokens reads a list's text in lower case, without white space around separators
// and at its ends.
type tokens struct {
	text string
	last byte // that was read
}

// next returns the next byte, 0 at the end.
func (t *tokens) next() byte {
	space := false
	for t.text != "" {
		c := t.text[0]
		if c == ' ' || c == '\t' {
			space, t.text = true, t.text[1:]
			continue
		}
		if space && t.last != 0 && !separates(t.last) && !separates(c) {
			t.last = ' ' // between two words
			return t.last
		}
		t.last, t.text = c, t.text[1:]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		return c
	}
	return 0
}

func separates(c byte) bool { return c == ',' || c == ';' || c == '=' || c == ' ' }
