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

// The policies of schema 1.
const (
	PolicyKey       PolicyKind = "key"
	PolicyRateLimit PolicyKind = "rate_limit"
)

// PolicyKinds returns every kind this build knows. A node reports them.
func PolicyKinds() []PolicyKind { return []PolicyKind{PolicyKey, PolicyRateLimit} }

// Stage returns where policies of this kind run, or "" for an unknown kind.
func (k PolicyKind) Stage() Stage {
	switch k {
	case PolicyKey:
		return Identify
	case PolicyRateLimit:
		return Limit
	}
	return ""
}

// Policy is one step of a chain: exactly one of its fields is set. On the wire
// it is {"kind": "rate_limit", "config": {…}}.
type Policy struct {
	Key       *KeyPolicy
	RateLimit *RateLimit
}

// KeyPolicy is the configuration of the policy "key": where an API key may be
// presented. At least one place is set. What was read there is removed before
// the upstream.
type KeyPolicy struct {
	Bearer bool   `json:"bearer,omitempty"` // Authorization: Bearer
	Header string `json:"header,omitempty"` // a header's name, "" for none
	Query  string `json:"query,omitempty"`  // a query parameter's name, "" for none
}

// RateLimit admits Requests per PeriodMS on average and Burst at once (GCRA).
type RateLimit struct {
	Requests int   `json:"requests"`
	PeriodMS int64 `json:"period_ms"`
	Burst    int   `json:"burst,omitempty"` // 0: as many as Requests
	// By is what is counted: "caller" (the application), "address" or "api"
	// (all calls together). Limits of a plan are always by subscription and
	// leave it empty.
	By string `json:"by,omitempty"`
}

// Kind returns the kind of the step that is set, "" when none is.
func (p Policy) Kind() PolicyKind {
	switch {
	case p.Key != nil:
		return PolicyKey
	case p.RateLimit != nil:
		return PolicyRateLimit
	}
	return ""
}

type policyWire struct {
	Kind   PolicyKind      `json:"kind"`
	Config json.RawMessage `json:"config"`
}

// MarshalJSON writes the kind beside its configuration.
func (p Policy) MarshalJSON() ([]byte, error) {
	var config any
	switch p.Kind() {
	case PolicyKey:
		config = p.Key
	case PolicyRateLimit:
		config = p.RateLimit
	default:
		return nil, fmt.Errorf("a policy of no kind")
	}
	raw, err := json.Marshal(config)
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
	*p = Policy{}
	var config any
	switch wire.Kind {
	case PolicyKey:
		p.Key = new(KeyPolicy)
		config = p.Key
	case PolicyRateLimit:
		p.RateLimit = new(RateLimit)
		config = p.RateLimit
	default:
		return fmt.Errorf("policy kind %q is not known", wire.Kind)
	}
	if err := Strict(wire.Config, config); err != nil {
		return fmt.Errorf("policy %q: %w", wire.Kind, err)
	}
	return nil
}
