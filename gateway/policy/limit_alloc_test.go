//go:build !race

package policy_test

import (
	"context"
	"net/netip"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// frequent are limits of each kind that admit every call of a test.
func frequent() map[string]entry.PolicyConfig {
	const many = 1_000_000_000
	queue := entry.Queue{Length: 10, WaitMS: 1000}
	return map[string]entry.PolicyConfig{
		"gcra by address":          &entry.RateLimit{Requests: many, PeriodMS: 1000, By: "address", Queue: queue},
		"gcra by header":           &entry.RateLimit{Requests: many, PeriodMS: 1000, By: "header", Name: "X-Customer"},
		"gcra by query":            &entry.RateLimit{Requests: many, PeriodMS: 1000, By: "query", Name: "customer"},
		"sliding window by header": &entry.RateLimit{Requests: many, PeriodMS: 3_600_000, Algorithm: entry.AlgorithmSlidingWindow, By: "header", Name: "X-Customer", Queue: queue},
		"concurrency by header":    &entry.ConcurrencyLimit{Calls: 1, By: "header", Name: "X-Customer", Queue: queue},
		"spike arrest by address":  &entry.SpikeArrest{Requests: 1_000_000, Per: "second", By: "address", Queue: queue},
	}
}

// repeated returns one call after another on the same exchange, 1 ms apart.
func repeated(config ...entry.PolicyConfig) func() error {
	chain, ex, now := limits(config...).Chain, new(policy.Pool).Take(), epoch
	s, ctx, client := scope(), context.Background(), netip.MustParseAddr("192.0.2.1")
	return func() error {
		now += 1_000_000
		ex.Scope, ex.Mono, ex.Client, ex.Query = s, now, client, "a=1&customer=a%20b"
		ex.Header.Add("Accept", "*/*")
		ex.Header.Add("X-Customer", "customer-4711")
		err := chain.Run(ctx, ex)
		ex.Limits.SetHeaders(ex)
		ex.Release()
		ex.Reset()
		return err
	}
}

func TestLimitsAllocateNothing(t *testing.T) {
	for name, config := range frequent() {
		call := repeated(config)
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(1000, func() { _ = call() }); n > 0 {
			t.Errorf("%s: %v allocations a call", name, n)
		}
	}
}

func TestPlansPoliciesAllocateNothing(t *testing.T) {
	call := planned()
	if err := call(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = call() }); n > 0 {
		t.Errorf("%v allocations a call", n)
	}
}
