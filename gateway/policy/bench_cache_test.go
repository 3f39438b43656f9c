package policy_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"portico/gateway/cache"
	"portico/gateway/policy"
	"portico/internal/entry"
)

// storing is a destination whose answers may be kept.
type storing struct{ body []byte }

func (s storing) Call(_ context.Context, ex *policy.Exchange) error {
	ex.Answer.Status, ex.Answer.Length = 200, int64(len(s.body))
	ex.Answer.Header.Add("Cache-Control", "max-age=3600")
	ex.Answer.Header.Add("Content-Type", "text/plain")
	ex.Answer.Body = io.NopCloser(&once{s.body})
	return nil
}

type once struct{ rest []byte }

func (o *once) Read(p []byte) (int, error) {
	n := copy(p, o.rest)
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// cachedCall makes calls through a chain with a cache alone.
type cachedCall struct {
	chain *policy.Chain
	scope *policy.Scope
	ex    *policy.Exchange
	now   time.Time
	piece [64 << 10]byte
}

func newCachedCall() *cachedCall {
	return &cachedCall{
		chain: chainOf(policy.Tools{Cache: cache.New(64 << 20)}, entry.Policy{Config: &entry.CachePolicy{}}),
		scope: scope(), ex: new(policy.Pool).Take(), now: time.Now(),
	}
}

func (c *cachedCall) call(query string) (hit bool, err error) {
	ex := c.ex
	defer ex.Reset()
	ex.Method, ex.Authority, ex.Scope, ex.Now, ex.Mono = "GET", "api.example.com", c.scope, c.now, 1<<40
	ex.Path, ex.Query = policy.Path{Decoded: "/orders", Wire: "/orders"}, query
	ex.Header.Add("Accept", "*/*")
	ex.Header.Add("User-Agent", "bench")
	err = c.chain.Run(context.Background(), ex)
	if hit = errors.Is(err, policy.ErrAnswered); !hit {
		if err == nil {
			err = storing{c.piece[:1000]}.Call(context.Background(), ex)
		}
		if err != nil {
			return false, err
		}
	}
	policy.Finish(context.Background(), ex, func(err error) { panic(err) })
	for {
		if _, err := ex.Answer.Body.Read(c.piece[:]); err != nil {
			return hit, ex.Answer.Body.Close()
		}
	}
}

func TestHitAllocatesNothing(t *testing.T) {
	c := newCachedCall()
	if hit, err := c.call(""); hit || err != nil {
		t.Fatal(hit, err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if hit, err := c.call(""); !hit || err != nil {
			t.Fatal(hit, err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations for a hit", n)
	}
}

func BenchmarkCache(b *testing.B) {
	b.Run("empty chain", func(b *testing.B) {
		c := newCachedCall()
		c.chain = chainOf(policy.Tools{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.call(""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hit", func(b *testing.B) {
		c := newCachedCall()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.call(""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		c, n := newCachedCall(), 0
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.call(strconv.Itoa(n)); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
}
