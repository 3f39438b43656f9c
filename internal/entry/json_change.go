package entry

import "encoding/json"

// JSONChange is what the policies "json_body" and "json_answer" do to a body, in
// the order of its fields.
type JSONChange struct {
	Template json.RawMessage
	Patch    []JSONPatch
	Merge    json.RawMessage
	Select   []string
	Omit     []string
	MaxBytes int64
}

// JSONPatch is one operation of a JSON Patch (RFC 6902).
type JSONPatch struct {
	Op    string          `json:"op" help:"What is done." enum:"add,remove,replace,move,copy,test"`
	Path  string          `json:"path" help:"Where, as a JSON Pointer such as /items/0/price; empty is the whole body."`
	From  string          `json:"from,omitempty" help:"Where from, of move and copy."`
	Value json.RawMessage `json:"value,omitempty" help:"The value, of add, replace and test. Its texts may hold expressions, as those of a template."`
}

// JSONBodyMaxBytes is how large a body may be where nothing else is set, and
// JSONBodyMostBytes how large it may be set.
const (
	JSONBodyMaxBytes  int64 = 1 << 20
	JSONBodyMostBytes int64 = 4 << 20
)
