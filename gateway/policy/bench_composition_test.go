package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// inMemory is a destination that answers with a JSON text, without a network.
type inMemory struct{ body []byte }

func (m inMemory) Call(_ context.Context, ex *policy.Exchange) error {
	a := &ex.Answer
	a.Status, a.Length, a.Body = 200, int64(len(m.body)), io.NopCloser(bytes.NewReader(m.body))
	a.Header.Add("Content-Type", "application/json")
	return nil
}

// BenchmarkComposition is a call that is answered with what three calls of 1 KB
// give, whole or in part, beside three that an empty chain passes on.
func BenchmarkComposition(b *testing.B) {
	to := inMemory{[]byte(order())}
	tools := policy.Tools{Destination: func(string) policy.Destination { return to }}
	ctx, at, now := context.Background(), scope(), time.Now()
	one := func(b *testing.B, ex *policy.Exchange, chain *policy.Chain, want error) {
		ex.Method, ex.Scope, ex.Now, ex.Mono = "GET", at, now, 1<<40
		ex.Header.Add("Accept", "application/json")
		err := chain.Run(ctx, ex)
		if err == nil {
			err = to.Call(ctx, ex)
		}
		if err != nil && !errors.Is(err, want) {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, ex.Answer.Body); n == 0 || err != nil {
			b.Fatal(n, err)
		}
		ex.Answer.Body.Close()
		ex.Reset()
	}
	b.Run("empty chain", func(b *testing.B) {
		ex, chain := new(policy.Pool).Take(), chainOf(tools)
		b.ReportAllocs()
		for b.Loop() {
			for range 3 {
				one(b, ex, chain, nil)
			}
		}
	})
	calls := []entry.CompositionCall{{Name: "a", Path: "/a"}, {Name: "b", Path: "/b"}, {Name: "c", Path: "/c"}}
	for _, c := range []struct{ name, answer string }{
		{"three whole", `{"a":"${calls.a.body}","b":"${calls.b.body}","c":"${calls.c.body}"}`},
		{"a field of three", `{"a":"${calls.a.body.id}","b":"${calls.b.body.id}","c":"${calls.c.body.id}"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			ex := new(policy.Pool).Take()
			chain := chainOf(tools, entry.Policy{Config: &entry.Composition{Calls: calls, Answer: json.RawMessage(c.answer)}})
			b.ReportAllocs()
			for b.Loop() {
				one(b, ex, chain, policy.ErrAnswered)
			}
		})
	}
}
