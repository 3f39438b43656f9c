package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/gateway/usage"
	"portico/internal/entry"
	"portico/test/fake"
)

type nowhere struct{}

func (nowhere) Call(_ context.Context, ex *policy.Exchange) error {
	ex.Answer.Status = 200
	return nil
}

// chain is everything of a call that is our own: reading the clock, the
// canonical path, match, key, grant, limits, their headers, and the record.
type chain struct {
	terms   entry.Terms
	slot    *policy.TermsSlot
	grants  *table.Grants
	limiter *policy.Limiter
	table   *table.Table
	ex      *policy.Exchange // one, as a connection would have it
	key     string
	start   time.Time
}

func newChain() *chain {
	c := &chain{
		terms: demoTerms(), slot: &policy.TermsSlot{}, grants: table.NewGrants(), limiter: policy.NewLimiter(1 << 16),
		table: table.New(), ex: new(policy.Pool).Take(), key: "Bearer " + goodKey, start: time.Now().Add(-time.Hour),
	}
	c.terms.Limits = []entry.RateLimit{{Requests: 1_000_000_000, PeriodMS: 1000}} // more than a benchmark calls
	grant := policy.NewGrant(at(1), demoGrant(), func(string) *policy.TermsSlot { return c.slot })
	grant.Hash = sha256.Sum256([]byte(goodKey))
	c.grants.Put(grant)
	c.compile()
	return c
}

// compile makes the table and the terms of what the chain has.
func (c *chain) compile() {
	c.slot.Store(policy.NewTerms(c.terms, c.limiter))
	tools := policy.Tools{Grants: c.grants, Limiter: c.limiter}
	c.table.Put(table.Compile(demoAPI("http://127.0.0.1:1"), at(1), tools, func(string) policy.Destination { return nowhere{} }))
}

func (c *chain) call(record *usage.Call) error {
	ex := c.ex
	defer ex.Reset()
	ex.Method, ex.Host = "GET", "127.0.0.1"
	ex.Now = time.Now()
	ex.Mono = ex.Now.Sub(c.start).Nanoseconds()
	ex.Header.Add("Host", "127.0.0.1")
	ex.Header.Add("User-Agent", "bench")
	ex.Header.Add("Accept", "*/*")
	ex.Header.Add("Authorization", c.key)
	hash := ex.HashAhead()
	if hash != nil {
		c.grants.Seek(hash)
	}
	path, scratch, err := policy.Canonical("/demo/orders/v1/orders/4711", ex.Scratch())
	if err != nil {
		return err
	}
	ex.Grow(scratch)
	ex.Path = path
	if hash != nil {
		ex.LikelyGrant(c.grants.Likely(hash))
	}
	route, api, err := c.table.Match(ex)
	if err != nil {
		return err
	}
	if err := route.Chain.Run(context.Background(), ex); err != nil {
		return err
	}
	if err := route.Destination.Call(context.Background(), ex); err != nil {
		return err
	}
	ex.Limits.SetHeaders(ex)
	api.Stats.Ahead(ex.Shard)
	api.Stats.Add(ex.Shard, ex.Answer.Status)
	grant, sub := ex.Caller.Grant, ex.Caller.Subscription
	record.Application, record.Credential, record.Subscription, record.Plan = grant.Application, grant.Credential, sub.ID, sub.Terms.Plan
	return nil
}

func TestChainAllocatesNothing(t *testing.T) {
	c := newChain()
	if n := testing.AllocsPerRun(1000, func() {
		if err := c.call(new(usage.Call)); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations per call", n)
	}
}

func BenchmarkChain(b *testing.B) {
	c := newChain()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.call(new(usage.Call)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChainInColdMemory is what a call costs by one key, or by 10,000 in turn,
// among 100,000 grants, where each call finds what the others have left of the
// caches: between any two of them 64 KiB of other memory are read. It reports the
// median of the calls alone, with what their records read of the caller.
func BenchmarkChainInColdMemory(b *testing.B) {
	c, all := newChain(), make([]string, 100_000)
	c.limiter = policy.NewLimiter(1 << 20)
	for n := range all {
		g := demoGrant()
		g.Credential, g.Application, g.Subscriptions[0].ID = uuid(1000+n), uuid(1_000_000+n), uuid(2_000_000+n)
		grant := policy.NewGrant(at(1), g, func(string) *policy.TermsSlot { return c.slot })
		key := mint(n + 2)
		grant.Hash = sha256.Sum256([]byte(key))
		c.grants.Put(grant)
		all[n] = "Bearer " + key
	}
	c.compile()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	runtime.GC()
	for _, called := range []int{1, 10_000} {
		b.Run(fmt.Sprint(called, " called"), func(b *testing.B) {
			var record usage.Call
			call := func() {
				if err := c.call(&record); err != nil {
					b.Fatal(err)
				}
			}
			for _, c.key = range all[:called] {
				call()
			}
			other, from, sum := make([]uint64, 16<<20/8), 0, uint64(0)
			var took []time.Duration
			for n := 0; b.Loop(); n++ {
				for range 64 << 10 / 64 {
					sum += other[from]
					from = (from + 8) % len(other)
				}
				c.key = all[n%called]
				sum += uint64(crc32.ChecksumIEEE([]byte(c.key))) // a lane has just read it
				start := time.Now()
				call()
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns/call")
			runtime.KeepAlive(sum)
		})
	}
}

// idle is a carrier that brings nothing.
func idle(b testing.TB, dir string) *gateway.Node {
	node, err := gateway.New(gateway.Config{
		Node: uuid(1), Name: "bench", Environment: "production", Carrier: fake.NewCarrier(),
		DialContext: new(net.Dialer).DialContext, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		CopyDir: dir, CopyKey: [32]byte{1},
	})
	if err != nil {
		b.Fatal(err)
	}
	return node
}

// many makes an environment of n APIs with twenty routes each.
func many(t testing.TB, apis, grants int) []entry.Item {
	encode := func(it entry.Item, err error) entry.Item {
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	items := []entry.Item{encode(entry.Encode(entry.EnvKey, at(1), environment()))}
	key, _ := entry.TermsKey(uuid(200))
	items = append(items, encode(entry.Encode(key, at(1), demoTerms())))
	for n := range apis {
		items = append(items, encode(oneOf(n, 1)))
	}
	for n := range grants {
		key, _ := entry.GrantKey(fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, n))))
		items = append(items, encode(entry.Encode(key, at(1), demoGrant())))
	}
	return append(items, entry.Mark(entry.CompleteKey, at(1)), entry.Mark(entry.HeadKey, at(1)))
}

func oneOf(n int, sequence uint64) (entry.Item, error) {
	a := demoAPI("http://127.0.0.1:1")
	a.Version, a.Name = uuid(10_000+n), fmt.Sprintf("demo/api%d v1", n)
	a.Mounts = []entry.Mount{{BasePath: fmt.Sprintf("/demo/api%d/v1", n)}}
	a.Routes = nil
	for i := range 10 {
		noun := fmt.Sprintf("/things%d", i)
		a.Routes = append(a.Routes, entry.Route{Operation: fmt.Sprint("list", i), Method: "GET", Path: noun, Upstream: "main"},
			entry.Route{Operation: fmt.Sprint("show", i), Method: "GET", Path: noun + "/{id}", Upstream: "main"})
	}
	key, _ := entry.APIKey(a.Version)
	return entry.Encode(key, at(sequence), a)
}

func BenchmarkPublishToNode(b *testing.B) {
	for _, apis := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("among %d", apis), func(b *testing.B) {
			node := idle(b, "")
			if err := node.Apply(many(b, apis, 0), true); err != nil {
				b.Fatal(err)
			}
			it, err := oneOf(5, 1)
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				it.Sequence++
				if err := node.Apply([]entry.Item{it}, true); err != nil {
					b.Fatal(err)
				}
			}
			if s := node.Status(); len(s.Refused) > 0 || s.APIs != apis {
				b.Fatalf("got %+v", s)
			}
		})
	}
}

// BenchmarkStartFromDisk reports how long a node takes until it is ready, from
// a copy of 10,000 APIs with twenty routes each and 100,000 grants.
func BenchmarkStartFromDisk(b *testing.B) {
	dir := b.TempDir()
	node := idle(b, dir)
	items := many(b, 10_000, 100_000)
	if err := node.Apply(items, true); err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := node.Run(ctx, listener); err != nil {
		b.Fatal(err)
	}
	node = nil
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	for b.Loop() {
		node = idle(b, dir)
		if s := node.Status(); s.APIs != 10_000 || s.Grants != 100_000 {
			b.Fatalf("got %d APIs and %d grants", s.APIs, s.Grants)
		}
	}
	b.ReportMetric((heap()-before)/(1<<20), "MiB")
	runtime.KeepAlive(node)
}

// BenchmarkCall is a whole call over loopback, net/http on both sides included.
func BenchmarkCall(b *testing.B) {
	b.Run("HTTP/1.1", func(b *testing.B) {
		benchmarkCall(b, &http.Transport{MaxIdleConnsPerHost: 64})
	})
	b.Run("h2c", func(b *testing.B) {
		client := &http.Transport{Protocols: new(http.Protocols)}
		client.Protocols.SetUnencryptedHTTP2(true)
		benchmarkCall(b, client)
	})
}

func benchmarkCall(b *testing.B, transport *http.Transport) {
	up := fake.NewUpstream(b)
	node := idle(b, "")
	api, err := oneOf(1, 1)
	if err != nil {
		b.Fatal(err)
	}
	body, err := entry.Decode[entry.API](api)
	if err != nil {
		b.Fatal(err)
	}
	body.Upstreams[0].Targets[0].URL = up.URL
	body.Policies = nil
	for i := range body.Routes {
		body.Routes[i].Public = true
	}
	if api, err = entry.Encode(api.Key, at(1), body); err != nil {
		b.Fatal(err)
	}
	if err := node.Apply(append(many(b, 0, 0), api), true); err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, listener) }()
	var failed atomic.Int64
	url := "http://" + listener.Addr().String() + "/demo/api1/v1/things1/7"
	client := &http.Client{Transport: transport}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Get(url)
			if err != nil {
				failed.Add(1)
				continue
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
				failed.Add(1)
			}
			res.Body.Close()
		}
	})
	b.StopTimer()
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil || failed.Load() > 0 {
		b.Fatal(err, failed.Load())
	}
}
