package policy

import (
	"context"
	"net/http"

	"portico/internal/entry"
	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

// jsonBodyStep is the policy "json_body".
type jsonBodyStep struct {
	change *render.Change
	pass   bool // bodies that do not say they are JSON
}

// newJSONBodyStep compiles what entry/check has passed.
func newJSONBodyStep(p *entry.JSONBody) Step {
	change, wrong := render.NewChange(p.Change(), render.OfRequest)
	if len(wrong) > 0 {
		return unknownStep{}
	}
	return &jsonBodyStep{change, p.OtherTypes == "pass"}
}

// Run implements Step.
func (s *jsonBodyStep) Run(_ context.Context, ex *Exchange) error {
	if !hasBody(ex) || leavesGRPC(ex) {
		return nil
	}
	if !isJSON(mediaType(&ex.Header)) {
		if s.pass {
			return nil
		}
		return &Denied{
			Status: http.StatusUnsupportedMediaType, Code: "media_type_not_supported",
			Detail: "This API reads bodies of JSON here. Send Content-Type: application/json and a body of that type.",
		}
	}
	data, err := wholeRequest(ex, s.change.Limit())
	if err != nil || len(data) == 0 {
		return err
	}
	body, err := tree.Decode(data)
	if err != nil {
		return unreadableBody(err.Error())
	}
	in := inputsOf(ex, s.change)
	in.Body = body
	if data, err = s.change.Apply(in); err != nil {
		return &Denied{
			Status: http.StatusBadRequest, Code: "body_unsuitable",
			Detail: "The request's body is not made as this API needs it: " + err.Error() + ". Look at the API's description.", Cause: err,
		}
	}
	replaceBody(ex, data)
	return nil
}

func (s *jsonBodyStep) explain(ex *Exchange) string {
	if !hasBody(ex) || !isJSON(mediaType(&ex.Header)) {
		return "no body of JSON"
	}
	return "the body is " + bytesText(ex.BodyLength) + " after the change"
}
