package entry

// PolicyCompress is the kind of CompressPolicy.
const PolicyCompress PolicyKind = "compress"

// CompressPolicy is the configuration of the policy "compress": answers are
// compressed as the caller likes. The zero value does so with zstd, brotli and
// gzip for the usual texts.
type CompressPolicy struct {
	Codings  []string `json:"codings,omitempty" help:"What is used, in the order of preference where a caller likes several as much: zstd, br, gzip. None: all, in this order."`
	Types    []string `json:"types,omitempty" help:"Media types that are compressed, such as application/json or text/*. None: text, JSON, XML, JavaScript, SVG and the like, but no event streams."`
	MinBytes int64    `json:"min_bytes,omitempty" help:"The smallest body that is worth it, in bytes. 0: 1024." min:"0" max:"1048576"`
	Level    string   `json:"level,omitempty" help:"How much work it may be." enum:"balanced,fast,best" default:"balanced"`
}

// Kind implements PolicyConfig.
func (*CompressPolicy) Kind() PolicyKind { return PolicyCompress }
