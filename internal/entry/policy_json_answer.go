package entry

import "encoding/json"

// PolicyJSONAnswer is the kind of JSONAnswer.
const PolicyJSONAnswer PolicyKind = "json_answer"

// JSONAnswer is the configuration of the policy "json_answer": how the JSON body
// of an upstream's answer is changed before the caller reads it.
type JSONAnswer struct {
	Statuses   []string        `json:"statuses,omitempty" help:"Which answers are changed, such as 200 or 4xx. None: 2xx."`
	Template   json.RawMessage `json:"template,omitempty" help:"The new body: JSON whose texts may hold expressions, such as {\"id\": \"${body.order.id}\"}. Empty: the body as it came."`
	Patch      []JSONPatch     `json:"patch,omitempty" help:"A JSON Patch (RFC 6902) that is applied then."`
	Merge      json.RawMessage `json:"merge,omitempty" help:"A JSON Merge Patch (RFC 7396) that is applied then: its members take the place of the body's, null removes one."`
	Select     []string        `json:"select,omitempty" help:"Only these fields stay: JSON Pointers in which * stands for every member or element, such as /items/*/price."`
	Omit       []string        `json:"omit,omitempty" help:"These fields are left out. Written as in select."`
	MaxBytes   int64           `json:"max_bytes,omitempty" help:"How large a body may be, before and after." min:"1" max:"4194304" default:"1048576"`
	Unreadable string          `json:"unreadable,omitempty" help:"What happens to an answer that says it is JSON and cannot be read or changed, since it is none, too large or encoded: refused with 502, or passed on as it is." enum:"refuse,pass" default:"refuse"`
}

// Kind implements PolicyConfig.
func (*JSONAnswer) Kind() PolicyKind { return PolicyJSONAnswer }

// Change returns what is done to the body.
func (p *JSONAnswer) Change() JSONChange {
	return JSONChange{p.Template, p.Patch, p.Merge, p.Select, p.Omit, p.MaxBytes}
}
