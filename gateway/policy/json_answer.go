package policy

import (
	"context"
	"net/http"

	"portico/internal/entry"
	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

// jsonAnswerStep is the policy "json_answer".
type jsonAnswerStep struct {
	change   *render.Change
	statuses *statuses
	pass     bool // answers that cannot be changed
}

// newJSONAnswerStep compiles what entry/check has passed.
func newJSONAnswerStep(p *entry.JSONAnswer) Step {
	change, wrong := render.NewChange(p.Change(), render.OfAnswer)
	if len(wrong) > 0 {
		return unknownStep{}
	}
	return &jsonAnswerStep{change, newStatuses(p.Statuses, "2xx"), p.Unreadable == "pass"}
}

// Run implements Step. It is of the stage answer and never asked.
func (s *jsonAnswerStep) Run(context.Context, *Exchange) error { return nil }

// besides implements accompanied.
func (s *jsonAnswerStep) besides() (entry.Stage, Step) { return entry.Shape, askStep{} }

// Answer implements Answerer.
func (s *jsonAnswerStep) Answer(_ context.Context, ex *Exchange) error {
	a := &ex.Answer
	if ex.Code != "" || !changeable(ex) || !s.statuses.has(a.Status) || !isJSON(mediaType(&a.Header)) {
		return nil
	}
	if ex.Method == http.MethodHead {
		a.Length = -1 // nobody knows how long the body would be
		remade(ex)
		return nil
	}
	data, whole, err := wholeAnswer(ex, s.change.Limit())
	if err == nil && len(data) > 0 {
		err = s.apply(ex, data)
	}
	if err == nil || s.pass && (!whole || data != nil) { // what broke off cannot be passed
		return nil
	}
	return unreadableAnswer(err)
}

func (s *jsonAnswerStep) apply(ex *Exchange, data []byte) error {
	body, err := tree.Decode(data)
	if err != nil {
		return err
	}
	in := inputsOf(ex, s.change)
	in.Body = body
	if data, err = s.change.Apply(in); err != nil {
		return err
	}
	replaceAnswer(ex, data)
	return nil
}
