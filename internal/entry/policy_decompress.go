package entry

// PolicyDecompress is the kind of DecompressPolicy.
const PolicyDecompress PolicyKind = "decompress"

// DecompressPolicy is the configuration of the policy "decompress": bodies are
// unpacked within limits. At least one of Requests and Answers is set.
type DecompressPolicy struct {
	Requests bool  `json:"requests,omitempty" help:"Unpack what callers send, for an upstream that cannot."`
	Answers  bool  `json:"answers,omitempty" help:"Unpack what the upstream answers, for the policies that come after."`
	MaxBytes int64 `json:"max_bytes,omitempty" help:"The largest body that may come of it, in bytes. 0: 64 MiB." min:"0" max:"67108864"`
	MaxRatio int64 `json:"max_ratio,omitempty" help:"How many bytes may come of one, in bodies of more than 1 MiB. 0: 10." min:"0" max:"10"`
}

// Kind implements PolicyConfig.
func (*DecompressPolicy) Kind() PolicyKind { return PolicyDecompress }
