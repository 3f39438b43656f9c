package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// BenchmarkCompress packs an answer of 1,000 bytes of JSON, beside a chain that
// leaves it as it is.
func BenchmarkCompress(b *testing.B) {
	var text strings.Builder
	for n := 0; text.Len() < 1000; n++ {
		fmt.Fprintf(&text, `{"id":%d,"name":"order %d"},`, n, n*7919)
	}
	body := []byte(text.String()[:1000])
	for _, coding := range []string{"empty chain", "gzip", "br", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			c := newCachedCall()
			if c.chain = chainOf(policy.Tools{}); coding != "empty chain" {
				c.chain = chainOf(policy.Tools{}, entry.Policy{Config: &entry.CompressPolicy{MinBytes: 1, Codings: []string{coding}}})
			}
			b.ReportAllocs()
			for b.Loop() {
				packs(b, c, body, coding)
			}
		})
	}
}

// packs makes one call whose answer is a JSON text.
func packs(b *testing.B, c *cachedCall, body []byte, coding string) {
	ex := c.ex
	defer ex.Reset()
	ex.Method, ex.Scope, ex.Now, ex.Mono = "GET", c.scope, c.now, 1<<40
	ex.Header.Add("Accept-Encoding", coding)
	if err := c.chain.Run(context.Background(), ex); err != nil {
		b.Fatal(err)
	}
	ex.Answer.Status, ex.Answer.Length, ex.Answer.Body = 200, int64(len(body)), io.NopCloser(&once{body})
	ex.Answer.Header.Add("Content-Type", "application/json")
	policy.Finish(context.Background(), ex, func(err error) { b.Fatal(err) })
	for {
		if _, err := ex.Answer.Body.Read(c.piece[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	if err := ex.Answer.Body.Close(); err != nil {
		b.Fatal(err)
	}
}
