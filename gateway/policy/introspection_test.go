package policy_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/gateway/token"
	"portico/internal/entry"
	"portico/test/fake"
)

// noting notes of which tokens its issuers are told that they were good before.
type noting struct {
	policy.Issuers
	known []bool
}

// Issuer implements policy.Issuers.
func (n *noting) Issuer(tenant policy.ID, question entry.IntrospectionPolicy) policy.Issuer {
	return &notingIssuer{n.Issuers.Issuer(tenant, question), n}
}

type notingIssuer struct {
	policy.Issuer
	by *noting
}

// Ask implements policy.Issuer.
func (n *notingIssuer) Ask(ctx context.Context, about policy.AskedToken, judge func(answer []byte) (*token.Verified, error)) (*token.Verified, error) {
	n.by.known = append(n.by.known, about.Known)
	return n.Issuer.Ask(ctx, about, judge)
}

// TestATokenThatIsRefusedIsAStrangersFromThenOn has one that is good, ends, and is
// sent again and again: strangers' questions have less room.
func TestATokenThatIsRefusedIsAStrangersFromThenOn(t *testing.T) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "once", nil)
	var asked noting
	chain, pool, now := askingThrough(t, i, 60_000, func(all policy.Issuers) policy.Issuers { asked.Issuers = all; return &asked }), new(policy.Pool), time.Now()
	call := func(after time.Duration) error {
		ex := pool.Take()
		defer ex.Reset()
		ex.Scope, ex.Now, ex.Mono = scope(), now.Add(after), 1
		ex.Header.Add("Authorization", "Bearer once")
		return chain.Run(t.Context(), ex)
	}
	for range 2 {
		if err := call(0); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(70 * time.Second); err != nil { // good, and asked about again
		t.Fatal(err)
	}
	i.Says("once", `{"active": false}`)
	for n := range 4 {
		if err := call(time.Duration(140+20*n) * time.Second); err == nil {
			t.Fatal("a token that is not active is taken")
		}
	}
	if want := []bool{false, true, true, false, false, false}; !slices.Equal(asked.known, want) {
		t.Errorf("it was good before, say the questions: %v, want %v", asked.known, want)
	}
}
