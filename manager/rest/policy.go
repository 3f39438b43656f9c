package rest

import (
	"encoding/json"
	"net/http"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// policy is a step of the gateway's chain as somebody has set it.
type policy struct {
	Kind   string          `json:"kind"`
	Config json.RawMessage `json:"config"`
	Off    bool            `json:"off,omitempty"`
}

func policyOf(p apim.Policy) policy { return policy(p) }

// policiesOf converts the policies of a request; nil stays nil.
func policiesOf(in *[]policy) *[]apim.Policy {
	if in == nil {
		return nil
	}
	out := each(*in, func(p policy) apim.Policy { return apim.Policy(p) })
	return &out
}

// policyKind is what there is to know of a kind of policy.
type policyKind struct {
	Kind     entry.PolicyKind `json:"kind"`
	Stage    entry.Stage      `json:"stage"`
	Title    string           `json:"title"`
	Summary  string           `json:"summary"`
	Text     string           `json:"text"`
	Fields   []policyField    `json:"fields"`
	Examples []policyExample  `json:"examples"`
}

type policyField struct {
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Help     string        `json:"help"`
	Form     describe.Form `json:"form"`
	Required bool          `json:"required"`
	Enum     []string      `json:"enum,omitempty"`
	Default  string        `json:"default,omitempty"`
	Min      *int64        `json:"min,omitempty"`
	Max      *int64        `json:"max,omitempty"`
	Fields   []policyField `json:"fields,omitempty"`
}

type policyExample struct {
	Title  string          `json:"title"`
	Config json.RawMessage `json:"config"`
}

func policyKindOf(p describe.Policy) policyKind {
	return policyKind{
		Kind: p.Kind, Stage: p.Stage, Title: p.Title, Summary: p.Summary, Text: p.Text, Fields: each(p.Fields, policyFieldOf),
		Examples: each(p.Examples, func(x describe.Example) policyExample { return policyExample{x.Title, json.RawMessage(x.Config)} }),
	}
}

func policyFieldOf(f describe.Field) policyField {
	return policyField{
		Name: f.Name, Title: f.Title, Help: f.Help, Form: f.Form, Required: f.Required, Enum: f.Enum, Default: f.Default,
		Min: f.Min, Max: f.Max, Fields: each(f.Fields, policyFieldOf),
	}
}

func listPolicyKinds(r *request) error {
	return r.answer(http.StatusOK, 0, list[policyKind]{Items: each(describe.Policies(), policyKindOf)})
}

func showPolicyKind(r *request) error {
	p, known := describe.Of(entry.PolicyKind(r.c.Param("kind")))
	if !known {
		return apim.Errorf(apim.NotFound, "there is no kind of policy %q", r.c.Param("kind"))
	}
	return r.answer(http.StatusOK, 0, policyKindOf(p))
}

// chainStep is one step that a call passes.
type chainStep struct {
	Stage     string          `json:"stage"`
	Kind      string          `json:"kind"`
	Config    json.RawMessage `json:"config"`
	From      string          `json:"from"`
	Index     *int            `json:"index,omitempty"`
	Field     string          `json:"field,omitempty"`
	Inherited bool            `json:"inherited"`
	Runs      bool            `json:"runs"`
	Off       bool            `json:"off"`
	Replaced  bool            `json:"replaced"`
}

func chainStepOf(s manager.ChainStep) chainStep {
	out := chainStep{
		Stage: s.Stage, Kind: s.Policy.Kind, Config: s.Policy.Config, From: s.From, Field: s.Field, Inherited: s.Inherited,
		Runs: s.Runs(), Off: s.Policy.Off, Replaced: s.Replaced,
	}
	if s.Index >= 0 {
		out.Index = &s.Index
	}
	return out
}

func showChain(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	steps, err := r.Catalog.Chain(r.ctx, r.actor, r.tenant.ID, id, r.c.Query("environment"), r.c.Query("operation"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[chainStep]{Items: each(steps, chainStepOf)})
}
