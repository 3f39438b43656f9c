package policy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// BenchmarkDecompress unpacks a request of 1,000 bytes, beside a chain that leaves
// it as it is.
func BenchmarkDecompress(b *testing.B) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(bytes.Repeat([]byte("0123456789"), 100)); err != nil || w.Close() != nil {
		b.Fatal(err)
	}
	for name, chain := range map[string]*policy.Chain{
		"empty chain": chainOf(policy.Tools{}),
		"gzip":        chainOf(policy.Tools{}, entry.Policy{Config: &entry.DecompressPolicy{Requests: true}}),
	} {
		b.Run(name, func(b *testing.B) {
			c := newCachedCall()
			ex := c.ex
			b.ReportAllocs()
			for b.Loop() {
				large := *c.scope
				large.MaxBodyBytes = 1 << 20
				ex.Method, ex.Scope, ex.Now, ex.Mono = "POST", &large, c.now, 1<<40
				ex.Header.Add("Content-Encoding", "gzip")
				ex.Body, ex.BodyLength = policy.NewBody(bytes.NewReader(packed.Bytes())), int64(packed.Len())
				if err := chain.Run(context.Background(), ex); err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, ex.Body); err != nil {
					b.Fatal(err)
				}
				ex.Reset()
			}
		})
	}
}
