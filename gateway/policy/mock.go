package policy

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/gateway/contract"
	"portico/internal/entry"
)

// mockStep is the policy "mock": it answers in the upstream's place.
type mockStep struct {
	contract *contract.Contract
	status   int
	delay    time.Duration
	pending  bool // for callers alone whose subscription waits for approval
}

func newMockStep(m entry.Mock, c *contract.Contract) Step {
	if c == nil {
		return undescribedStep{}
	}
	return &mockStep{c, m.Status, time.Duration(m.DelayMS) * time.Millisecond, m.Pending}
}

// Run implements Step.
func (s *mockStep) Run(ctx context.Context, ex *Exchange) error {
	if s.pending && !ex.MockOnly {
		return nil
	}
	if s.delay > 0 {
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return &Broken{ctx.Err()}
		}
	}
	wish := wished(&ex.Header)
	got, acceptable := s.contract.Mock(wish, s.status)
	if !acceptable {
		return &Denied{
			Status: http.StatusNotAcceptable, Code: "not_acceptable",
			Detail: "The mock has no example of a media type that Accept names. Ask for another, or send no Accept.",
		}
	}
	a := &ex.Answer
	a.Header.Reset()
	a.Trailer.Reset()
	a.Status, a.Told, a.Local = got.Status, 0, true
	for _, h := range got.Headers {
		if !Managed(h.Name) && !hopByHop(h.Name) {
			a.Header.Add(h.Name, h.Sample)
		}
	}
	if got.Type != "" {
		a.Header.Set("Content-Type", got.Type)
	}
	if a.Body, a.Length = nil, 0; got.Body != "" {
		a.Body, a.Length = io.NopCloser(strings.NewReader(got.Body)), int64(len(got.Body))
	}
	applied := ""
	if got.StatusMet {
		applied = "code=" + strconv.Itoa(got.Status)
	}
	if got.ExampleMet {
		if applied != "" {
			applied += ", "
		}
		applied += "example=" + quoted(wish.Example)
	}
	if applied != "" {
		a.Header.Set("Preference-Applied", applied)
	}
	a.Header.Add("Vary", "Prefer, Accept")
	a.Header.Set("X-Portico-Mock", "true")
	return ErrAnswered
}

func (s *mockStep) explain(ex *Exchange) string {
	if s.pending && !ex.MockOnly {
		return "the mock is for applications that wait for approval"
	}
	return "answered by the mock with " + strconv.Itoa(ex.Answer.Status)
}

func hopByHop(name string) bool {
	for _, own := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Trailer", "Upgrade", "Content-Type", "Content-Encoding", "Date"} {
		if FoldEqual(name, own) {
			return true
		}
	}
	return false
}

// wished reads Prefer (RFC 7240) and Accept.
func wished(h *Header) (w contract.Wish) {
	w.Accept, _ = h.Joined("Accept")
	prefer, _ := h.Joined("Prefer")
	for _, one := range preferences(prefer) {
		name, value, _ := strings.Cut(one, "=")
		value, _, _ = strings.Cut(value, ";")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch name = strings.TrimSpace(name); {
		case FoldEqual(name, "code") && w.Status == 0:
			if n, err := strconv.Atoi(value); err == nil && n >= 200 && n <= 599 {
				w.Status = n
			}
		case FoldEqual(name, "example") && w.Example == "":
			w.Example = value
		}
	}
	return w
}

// preferences splits a list at the commas that are not quoted.
func preferences(s string) []string {
	var out []string
	start, inQuotes := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			inQuotes = !inQuotes
		case s[i] == ',' && !inQuotes:
			out, start = append(out, s[start:i]), i+1
		}
	}
	return append(out, s[start:])
}

// quoted writes a value as a token or a quoted string.
func quoted(s string) string {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// asideStep is a step that callers of the mock alone do not meet, since it has to
// do with the upstream: what the upstream has answered others must not come out of
// a cache, and what the mock answers must not go into one.
type asideStep struct{ Step }

// Run implements Step.
func (s asideStep) Run(ctx context.Context, ex *Exchange) error {
	if ex.MockOnly {
		return nil
	}
	return s.Step.Run(ctx, ex)
}

func (s asideStep) explain(ex *Exchange) string {
	if ex.MockOnly {
		return "it is not for callers of the mock"
	}
	if x, ok := s.Step.(explainer); ok {
		return x.explain(ex)
	}
	return ""
}

// asideAnswerStep is the same of one that has a word about the answer.
type asideAnswerStep struct {
	asideStep
	answerer Answerer
}

// Answer implements Answerer.
func (s asideAnswerStep) Answer(ctx context.Context, ex *Exchange) error {
	if ex.MockOnly {
		return nil
	}
	return s.answerer.Answer(ctx, ex)
}

// aside wraps a step of a route that has a mock.
func aside(s Step) Step {
	if a, ok := s.(Answerer); ok {
		return asideAnswerStep{asideStep{s}, a}
	}
	return asideStep{s}
}

// bare returns the step that aside has wrapped, or the step itself.
func bare(s Step) Step {
	switch a := s.(type) {
	case asideStep:
		return a.Step
	case asideAnswerStep:
		return a.Step
	}
	return s
}
