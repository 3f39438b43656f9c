package policy

import (
	"context"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/value"
)

// queryStep is the policy "query". What it leaves alone stays byte for byte
// what the caller sent.
type queryStep struct {
	set, add []queryEdit
	rename   []queryRenaming
	remove   []string
	endless  []string // beginnings of what is removed, too
	told     string
}

type queryEdit struct {
	name    string // decoded
	written string // escaped
	value   value.Value
}

type queryRenaming struct{ from, to, written string }

func newQueryStep(c entry.QueryPolicy) *queryStep {
	s := &queryStep{set: newQueryEdits(c.Set), add: newQueryEdits(c.Add), told: toldEdits(len(c.Set), len(c.Add), len(c.Rename), len(c.Remove))}
	for _, r := range c.Rename {
		s.rename = append(s.rename, queryRenaming{r.From, r.To, string(appendQueryEscaped(nil, r.To))})
	}
	for _, name := range c.Remove {
		if before, open := strings.CutSuffix(name, "*"); open {
			s.endless = append(s.endless, before)
		} else {
			s.remove = append(s.remove, name)
		}
	}
	return s
}

func newQueryEdits(list []entry.NamedValue) []queryEdit {
	out := make([]queryEdit, len(list))
	for i, v := range list {
		out[i].name, out[i].written = v.Name, string(appendQueryEscaped(nil, v.Name))
		out[i].value, _ = value.Parse(v.Value) // it passed entry/check
	}
	return out
}

// Run implements Step.
func (s *queryStep) Run(_ context.Context, ex *Exchange) error {
	var filled [maxQueryEdits]string // first, since values may tell of the query as it came
	for i := range len(s.set) + len(s.add) {
		text, err := ex.fill(&s.edit(i).value)
		if err != nil {
			return err
		}
		filled[i] = text
	}
	var takesPlace, placed uint64 // of renamed ones, and of those that are set; by index
	for i := range s.rename {
		if _, count := QueryValue(ex.Query, s.rename[i].from); count > 0 {
			takesPlace |= 1 << i
		}
	}
	made := ex.Scratch()
	some := false
	for rest, more := ex.Query, ex.Query != ""; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(pair, "=")
		if s.removes(name, takesPlace) {
			continue
		}
		if i := s.sets(name); i >= 0 {
			if placed&(1<<i) == 0 && filled[i] != "" {
				made, some = appendParameter(made, some, s.set[i].written, filled[i]), true
			}
			placed |= 1 << i
			continue
		}
		if some {
			made = append(made, '&')
		}
		some = true
		if i := s.renames(name); i >= 0 {
			made = append(append(made, s.rename[i].written...), pair[len(name):]...)
		} else {
			made = append(made, pair...)
		}
	}
	for i := range len(s.set) + len(s.add) {
		if filled[i] != "" && (i >= len(s.set) || placed&(1<<i) == 0) {
			made, some = appendParameter(made, some, s.edit(i).written, filled[i]), true
		}
	}
	ex.Query = ex.Keep(made)
	return nil
}

// maxQueryEdits is what entry/check lets two lists hold.
const maxQueryEdits = 64

// edit returns one of those that are set, and then of those that are added.
func (s *queryStep) edit(i int) *queryEdit {
	if i < len(s.set) {
		return &s.set[i]
	}
	return &s.add[i-len(s.set)]
}

func (s *queryStep) removes(raw string, takesPlace uint64) bool {
	for _, name := range s.remove {
		if QueryEqual(raw, name) {
			return true
		}
	}
	for _, before := range s.endless {
		if queryBegins(raw, before) {
			return true
		}
	}
	for i := range s.rename {
		if takesPlace&(1<<i) != 0 && QueryEqual(raw, s.rename[i].to) {
			return true
		}
	}
	return false
}

func (s *queryStep) sets(raw string) int {
	for i := range s.set {
		if QueryEqual(raw, s.set[i].name) {
			return i
		}
	}
	return -1
}

func (s *queryStep) renames(raw string) int {
	for i := range s.rename {
		if QueryEqual(raw, s.rename[i].from) {
			return i
		}
	}
	return -1
}

// queryBegins reports whether a raw name begins with a decoded text.
func queryBegins(raw, before string) bool {
	for i := range min(len(raw), 3*len(before)) + 1 { // an escape has three bytes
		if QueryEqual(raw[:i], before) {
			return true
		}
	}
	return false
}

// appendParameter appends one, after the ones that are there.
func appendParameter(dst []byte, some bool, name, text string) []byte {
	if some {
		dst = append(dst, '&')
	}
	return appendQueryEscaped(append(append(dst, name...), '='), text)
}

// appendQueryEscaped appends a text as a query's name or value.
func appendQueryEscaped(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upper[c>>4], upper[c&15])
		}
	}
	return dst
}

func (s *queryStep) explain(*Exchange) string { return s.told }
