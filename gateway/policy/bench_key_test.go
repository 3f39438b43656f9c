package policy_test

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/secret"
)

// planned returns one call after another by a key whose plan has policies.
func planned() func() error {
	key, err := secret.MintKey("portico_live")
	limiter, slot := policy.NewLimiter(1024), &policy.TermsSlot{}
	slot.Store(policy.NewTerms(entry.Terms{Plan: uuid(2), Name: "Orders, Trial", APIs: []entry.TermsAPI{{Version: uuid(1)}}, Policies: []entry.Policy{
		{Config: &entry.RateLimit{Requests: 1_000_000_000, PeriodMS: 1000, Algorithm: entry.AlgorithmSlidingWindow, By: "subscription"}},
		{Config: &entry.SpikeArrest{Requests: 1_000_000, Per: "second", By: "header", Name: "X-User"}},
		{Config: &entry.ConcurrencyLimit{Calls: 10, By: "api"}},
	}}, limiter))
	grant := policy.NewGrant(entry.Position{}, entry.Grant{
		Credential: uuid(3), Application: uuid(4), Tenant: uuid(5),
		Subscriptions: []entry.Subscription{{ID: uuid(6), Terms: uuid(2), State: entry.Active}},
	}, func(string) *policy.TermsSlot { return slot })
	chain := routeOf(policy.Tools{Grants: known{sha256.Sum256([]byte(key.Reveal())): grant}, Limiter: limiter}, everywhere)
	ex, at, now, mono, field := new(policy.Pool).Take(), scope(), time.Now(), epoch, "Bearer "+key.Reveal()
	return func() error {
		if err != nil {
			return err
		}
		mono += 1_000_000
		ex.Scope, ex.Now, ex.Mono = at, now, mono
		ex.Header.Add("Authorization", field)
		ex.Header.Add("X-User", "4711")
		err := chain.Run(context.Background(), ex)
		ex.Limits.SetHeaders(ex)
		ex.Release()
		ex.Reset()
		return err
	}
}

// BenchmarkKey is a call by its key; and the same with a limit of the plan by
// GCRA, whose state is told to the caller, and counted by its status; and with
// policies of the plan.
func BenchmarkKey(b *testing.B) {
	key, err := secret.MintKey("portico_live")
	if err != nil {
		b.Fatal(err)
	}
	hash, field := sha256.Sum256([]byte(key.Reveal())), "Bearer "+key.Reveal()
	tools := policy.Tools{Grants: known{hash: grantFor()}, Limiter: policy.NewLimiter(1024)}
	callsNothing(b, tools)
	b.Run("key", func(b *testing.B) { calls(b, routeOf(tools, everywhere), field) })
	b.Run("key and three policies of the plan", func(b *testing.B) {
		call := planned()
		b.ReportAllocs()
		for b.Loop() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("key, GCRA and counters", func(b *testing.B) {
		tools.Grants = known{hash: grantFor(entry.RateLimit{Requests: 1_000_000_000, PeriodMS: 1000})}
		chain, ex, at, now := routeOf(tools, everywhere), new(policy.Pool).Take(), scope(), time.Now()
		stats, mono := new(policy.Stats), int64(1<<40)
		b.ReportAllocs()
		for b.Loop() {
			mono += 1_000_000
			ex.Scope, ex.Now, ex.Mono = at, now, mono
			ex.Header.Add("Authorization", field)
			if err := chain.Run(context.Background(), ex); err != nil {
				b.Fatal(err)
			}
			ex.Limits.SetHeaders(ex)
			stats.Add(ex.Shard, 200)
			ex.Reset()
		}
		if stats.Count(2) == 0 {
			b.Fatal("nothing was counted")
		}
	})
}
