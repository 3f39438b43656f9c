package entry

import "encoding/json"

// PolicyComposition is the kind of Composition.
const PolicyComposition PolicyKind = "composition"

// The bounds of compositions.
const (
	CompositionMaxCalls     = 16
	CompositionMaxBytes     = 1 << 20 // of one answer, where none is set
	CompositionMostBytes    = 8 << 20
	CompositionTimeoutMS    = 10_000 // of one call, where none is set
	CompositionMaxTimeoutMS = 300_000
)

// Composition answers a call with what several calls of upstreams give, side by
// side or after one another.
type Composition struct {
	Calls    []CompositionCall `json:"calls" help:"The calls. Those that wait for none begin at once, side by side."`
	Answer   json.RawMessage   `json:"answer" help:"The answer's body: JSON whose texts may hold ${expressions} over calls, request and caller, such as ${calls.user.body.name}."`
	Status   int               `json:"status,omitempty" help:"The answer's status." default:"200" min:"200" max:"599"`
	MaxBytes int64             `json:"max_bytes,omitempty" help:"The largest answer of a call, and of all of them, in bytes." default:"1 MiB" max:"8388608"`
}

// CompositionCall is one call of a composition.
type CompositionCall struct {
	Name      string            `json:"name" help:"What the answer and later calls know it by: letters, digits and underscores."`
	Upstream  string            `json:"upstream,omitempty" help:"The upstream of the API that is called. Empty: the first one."`
	Method    string            `json:"method,omitempty" help:"The method." default:"GET" enum:"GET,POST,PUT,PATCH,DELETE"`
	Path      string            `json:"path" help:"Path and query below the upstream's address, with ${expressions} such as /users/${request.params.id}. Their values are escaped."`
	Headers   map[string]string `json:"headers,omitempty" help:"Headers to send, by name; values may hold ${expressions}. Nothing of the caller's headers is sent by itself."`
	Body      json.RawMessage   `json:"body,omitempty" help:"The body to send: JSON whose texts may hold ${expressions}."`
	After     []string          `json:"after,omitempty" help:"Names of calls above whose answers it waits for, and may use."`
	TimeoutMS int64             `json:"timeout_ms,omitempty" help:"How long it may take, in milliseconds." default:"10000" max:"300000"`
	Optional  bool              `json:"optional,omitempty" help:"Answer also when this call fails: its body is null then, and its status says why, 0 for no answer. Otherwise the whole is answered 502."`
}

// Kind implements PolicyConfig.
func (*Composition) Kind() PolicyKind { return PolicyComposition }
