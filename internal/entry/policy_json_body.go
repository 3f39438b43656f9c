package entry

import "encoding/json"

// PolicyJSONBody is the kind of JSONBody.
const PolicyJSONBody PolicyKind = "json_body"

// JSONBody is the configuration of the policy "json_body": how the JSON body of
// a request is changed before the upstream reads it.
type JSONBody struct {
	Template   json.RawMessage `json:"template,omitempty" help:"The new body: JSON whose texts may hold expressions, such as {\"id\": \"${body.order.id}\"}. Empty: the body as it came."`
	Patch      []JSONPatch     `json:"patch,omitempty" help:"A JSON Patch (RFC 6902) that is applied then."`
	Merge      json.RawMessage `json:"merge,omitempty" help:"A JSON Merge Patch (RFC 7396) that is applied then: its members take the place of the body's, null removes one."`
	Select     []string        `json:"select,omitempty" help:"Only these fields stay: JSON Pointers in which * stands for every member or element, such as /items/*/price."`
	Omit       []string        `json:"omit,omitempty" help:"These fields are left out. Written as in select."`
	MaxBytes   int64           `json:"max_bytes,omitempty" help:"How large a body may be, before and after." min:"1" max:"4194304" default:"1048576"`
	OtherTypes string          `json:"other_types,omitempty" help:"What happens to a body that does not say it is JSON: refused with 415, or passed on as it is." enum:"refuse,pass" default:"refuse"`
}

// Kind implements PolicyConfig.
func (*JSONBody) Kind() PolicyKind { return PolicyJSONBody }

// Change returns what is done to the body.
func (p *JSONBody) Change() JSONChange {
	return JSONChange{p.Template, p.Patch, p.Merge, p.Select, p.Omit, p.MaxBytes}
}
