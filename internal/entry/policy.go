package entry

import (
	"encoding/json"
	"fmt"
)

// Stage is a place in the chain. The order of the stages is the gateway's and
// not the author's; within a stage policies run as declared.
type Stage string

// The stages in the order in which a request passes them.
const (
	Admit       Stage = "admit"
	Identify    Stage = "identify"
	Authorize   Stage = "authorize"
	Limit       Stage = "limit"
	Shape       Stage = "shape"
	Destination Stage = "destination"
	Answer      Stage = "answer"
)

// Stages returns all stages in the order in which a request passes them.
func Stages() []Stage {
	return []Stage{Admit, Identify, Authorize, Limit, Shape, Destination, Answer}
}

// PolicyKind names a kind of policy.
type PolicyKind string

// PolicyConfig is the configuration of a policy of one kind. The kinds are a
// closed set: each has a file policy_*.go here, one of its name in entry/check
// and in gateway/policy, and a page in entry/describe.
type PolicyConfig interface {
	// Kind says of which kind the policy is. It may be called on a nil pointer.
	Kind() PolicyKind
}

// kinds are all that this build knows, in the order of their stages.
var kinds = []struct {
	stage Stage
	fresh func() PolicyConfig
}{
	{Admit, func() PolicyConfig { return new(AddressPolicy) }},
	{Admit, func() PolicyConfig { return new(CORSPolicy) }},
	{Admit, func() PolicyConfig { return new(SizePolicy) }},
	{Admit, func() PolicyConfig { return new(BotsPolicy) }},
	{Admit, func() PolicyConfig { return new(WAF) }},
	{Identify, func() PolicyConfig { return new(KeyPolicy) }},
	{Identify, func() PolicyConfig { return new(JWTPolicy) }},
	{Identify, func() PolicyConfig { return new(IntrospectionPolicy) }},
	{Identify, func() PolicyConfig { return new(BasicPolicy) }},
	{Identify, func() PolicyConfig { return new(SignaturePolicy) }},
	{Identify, func() PolicyConfig { return new(ClientCertificatePolicy) }},
	{Identify, func() PolicyConfig { return new(AnonymousPolicy) }},
	{Authorize, func() PolicyConfig { return new(ScopesPolicy) }},
	{Authorize, func() PolicyConfig { return new(ExpressionPolicy) }},
	{Limit, func() PolicyConfig { return new(RateLimit) }},
	{Limit, func() PolicyConfig { return new(SpikeArrest) }},
	{Limit, func() PolicyConfig { return new(ConcurrencyLimit) }},
	{Shape, func() PolicyConfig { return new(Validate) }},
	{Shape, func() PolicyConfig { return new(DecompressPolicy) }},
	{Shape, func() PolicyConfig { return new(GraphQL) }},
	{Shape, func() PolicyConfig { return new(HeadersPolicy) }},
	{Shape, func() PolicyConfig { return new(QueryPolicy) }},
	{Shape, func() PolicyConfig { return new(PathPolicy) }},
	{Shape, func() PolicyConfig { return new(JSONBody) }},
	{Shape, func() PolicyConfig { return new(XMLJSON) }},
	{Shape, func() PolicyConfig { return new(CachePolicy) }},
	{Shape, func() PolicyConfig { return new(IdentityToken) }},
	{Shape, func() PolicyConfig { return new(UpstreamBasic) }},
	{Shape, func() PolicyConfig { return new(UpstreamOAuth) }},
	{Shape, func() PolicyConfig { return new(UpstreamSigV4) }},
	{Destination, func() PolicyConfig { return new(Composition) }},
	{Destination, func() PolicyConfig { return new(Mock) }},
	{Answer, func() PolicyConfig { return new(JSONAnswer) }},
	{Answer, func() PolicyConfig { return new(ErrorPage) }},
	{Answer, func() PolicyConfig { return new(AnswerHeadersPolicy) }},
	{Answer, func() PolicyConfig { return new(CompressPolicy) }},
}

// PolicyKinds returns every kind this build knows, in the order of their stages.
// A node reports them.
func PolicyKinds() []PolicyKind {
	out := make([]PolicyKind, 0, len(kinds))
	for _, k := range kinds {
		out = append(out, k.fresh().Kind())
	}
	return out
}

// NewPolicyConfig returns an empty configuration of a kind, nil for an unknown
// one.
func NewPolicyConfig(kind PolicyKind) PolicyConfig {
	for _, k := range kinds {
		if c := k.fresh(); c.Kind() == kind {
			return c
		}
	}
	return nil
}

// Stage returns where policies of this kind run, or "" for an unknown kind.
func (k PolicyKind) Stage() Stage {
	for _, known := range kinds {
		if known.fresh().Kind() == k {
			return known.stage
		}
	}
	return ""
}

// Policy is one step of a chain. On the wire it is
// {"kind": "rate_limit", "config": {…}}. The zero value is of no kind and serves
// for nothing.
type Policy struct {
	Config PolicyConfig // a pointer to the kind's own struct
}

// Kind returns the policy's kind, "" when it has none.
func (p Policy) Kind() PolicyKind {
	if p.Config == nil {
		return ""
	}
	return p.Config.Kind()
}

type policyWire struct {
	Kind   PolicyKind      `json:"kind"`
	Config json.RawMessage `json:"config"`
}

// MarshalJSON writes the kind beside its configuration.
func (p Policy) MarshalJSON() ([]byte, error) {
	if p.Config == nil {
		return nil, fmt.Errorf("a policy of no kind")
	}
	raw, err := json.Marshal(p.Config)
	if err != nil {
		return nil, err
	}
	return json.Marshal(policyWire{Kind: p.Kind(), Config: raw})
}

// UnmarshalJSON reads a policy strictly: an unknown kind or field is an error
// that names it.
func (p *Policy) UnmarshalJSON(raw []byte) error {
	var wire policyWire
	if err := Strict(raw, &wire); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	got, err := ParsePolicy(wire.Kind, wire.Config)
	if err == nil {
		*p = got
	}
	return err
}

// ParsePolicy reads the configuration of a policy strictly.
func ParsePolicy(kind PolicyKind, config []byte) (Policy, error) {
	c := NewPolicyConfig(kind)
	if c == nil {
		return Policy{}, fmt.Errorf("policy kind %q is not known", kind)
	}
	if err := Strict(config, c); err != nil {
		return Policy{}, fmt.Errorf("policy %q: %w", kind, err)
	}
	return Policy{c}, nil
}
