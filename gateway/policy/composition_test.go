package policy_test

import (
	"context"
	"encoding/json"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// throws is a destination that panics.
type throws struct{}

// Call implements policy.Destination.
func (throws) Call(context.Context, *policy.Exchange) error { panic("thrown") }

// TestPanicInAPartFailsTheCallAlone: parts run beside the lane, which cannot catch
// what they throw.
func TestPanicInAPartFailsTheCallAlone(t *testing.T) {
	tools := policy.Tools{Destination: func(string) policy.Destination { return throws{} }}
	for optional, want := range map[bool]string{false: "composition_failed", true: policy.ErrAnswered.Error()} {
		chain := chainOf(tools, entry.Policy{Config: &entry.Composition{
			Calls: []entry.CompositionCall{{Name: "one", Path: "/one", Optional: optional}}, Answer: json.RawMessage(`{"status":"${calls.one.status}"}`),
		}})
		ex := new(policy.Pool).Take()
		ex.Scope, ex.Method = scope(), "GET"
		if got := code(chain.Run(context.Background(), ex)); got != want {
			t.Errorf("optional %v: got %s, want %s", optional, got, want)
		}
	}
}
