package entry

// PolicySize is the kind of SizePolicy.
const PolicySize PolicyKind = "size"

// SizePolicy is the configuration of the policy "size": how large requests may
// be, below what the environment admits, and of what their bodies are. 0 leaves
// it to the environment.
type SizePolicy struct {
	BodyBytes    int64    `json:"body_bytes,omitempty" help:"The largest body. 0: as large as the version and the environment admit." min:"0"`
	HeaderBytes  int64    `json:"header_bytes,omitempty" help:"The most bytes of all headers together, names included. 0: any." min:"0" max:"32768"`
	Headers      int      `json:"headers,omitempty" help:"The most headers. 0: any." min:"0" max:"100"`
	PathBytes    int64    `json:"path_bytes,omitempty" help:"The longest path, as it is sent. 0: any." min:"0" max:"32768"`
	QueryBytes   int64    `json:"query_bytes,omitempty" help:"The longest query, as it is sent, without its question mark. 0: any." min:"0" max:"32768"`
	ContentTypes []string `json:"content_types,omitempty" help:"The media types that bodies may have: application/json, image/*, application/*+json. Empty: any."`
}

// Kind implements PolicyConfig.
func (*SizePolicy) Kind() PolicyKind { return PolicySize }
