package policy

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/entry/value"
)

// headerEdits change a header; compiled.
type headerEdits struct {
	set, add []headerEdit
	rename   []entry.Renaming
	remove   []string
	endless  []string // beginnings of what is removed, too
	told     string
}

type headerEdit struct {
	name  string
	value value.Value
}

func newHeaderEdits(set, add []entry.NamedValue, rename []entry.Renaming, remove []string) headerEdits {
	e := headerEdits{set: newHeaderEdit(set), add: newHeaderEdit(add), rename: rename, told: toldEdits(len(set), len(add), len(rename), len(remove))}
	for _, name := range remove {
		if before, open := strings.CutSuffix(name, "*"); open {
			e.endless = append(e.endless, before)
		} else {
			e.remove = append(e.remove, name)
		}
	}
	return e
}

func newHeaderEdit(list []entry.NamedValue) []headerEdit {
	out := make([]headerEdit, len(list))
	for i, v := range list {
		out[i].name = v.Name
		out[i].value, _ = value.Parse(v.Value) // it passed entry/check
	}
	return out
}

// toldEdits says how many changes there are.
func toldEdits(set, add, rename, remove int) string {
	text := ""
	for _, n := range []struct {
		count int
		what  string
	}{{set, "set"}, {add, "added"}, {rename, "renamed"}, {remove, "removed"}} {
		if n.count == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += strconv.Itoa(n.count) + " " + n.what
	}
	return text
}

// apply changes a header. Its values may tell of the request.
func (e *headerEdits) apply(ex *Exchange, h *Header) error {
	for i := range e.set {
		text, err := ex.fieldValue(&e.set[i].value)
		if err != nil {
			return err
		}
		if text == "" {
			h.Del(e.set[i].name)
		} else {
			h.Set(e.set[i].name, text)
		}
	}
	for i := range e.add {
		text, err := ex.fieldValue(&e.add[i].value)
		if err != nil {
			return err
		}
		if text != "" {
			h.Add(e.add[i].name, text)
		}
	}
	for i := range e.rename {
		h.Rename(e.rename[i].From, e.rename[i].To)
	}
	for _, name := range e.remove {
		h.Del(name)
	}
	for _, before := range e.endless {
		h.delPrefix(before)
	}
	return nil
}

// headersStep is the policy "headers".
type headersStep struct{ edits headerEdits }

func newHeadersStep(c entry.HeadersPolicy) *headersStep {
	return &headersStep{newHeaderEdits(c.Set, c.Add, c.Rename, c.Remove)}
}

// Run implements Step.
func (s *headersStep) Run(_ context.Context, ex *Exchange) error {
	return s.edits.apply(ex, &ex.Header)
}

func (s *headersStep) explain(*Exchange) string { return s.edits.told }

// answerHeadersStep is the policy "answer_headers".
type answerHeadersStep struct {
	edits    headerEdits
	statuses [][2]int // none: all
	own      bool
}

func newAnswerHeadersStep(c entry.AnswerHeadersPolicy) *answerHeadersStep {
	s := &answerHeadersStep{edits: newHeaderEdits(c.Set, c.Add, c.Rename, c.Remove), own: c.Own}
	if c.Statuses != "" {
		s.statuses, _ = check.Statuses(c.Statuses)
	}
	return s
}

// Run implements Step. It is the answer that is changed.
func (*answerHeadersStep) Run(context.Context, *Exchange) error { return nil }

// Answer implements Answerer.
func (s *answerHeadersStep) Answer(_ context.Context, ex *Exchange) error {
	a := &ex.Answer
	if a.Local && !s.own || a.Status == http.StatusSwitchingProtocols || !s.of(a.Status) {
		return nil
	}
	return s.edits.apply(ex, &a.Header)
}

func (s *answerHeadersStep) of(status int) bool {
	for _, r := range s.statuses {
		if r[0] <= status && status <= r[1] {
			return true
		}
	}
	return len(s.statuses) == 0
}
