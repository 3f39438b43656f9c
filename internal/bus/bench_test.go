package bus_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"portico/internal/entry"
)

// BenchmarkPutToWatch measures from the call of Put to the call of apply.
func BenchmarkPutToWatch(b *testing.B) {
	srv, conn := start(b)
	env := prepared(b, conn, "production")
	heard := make(chan time.Time, 16)
	n := &node{change: make(chan struct{})}
	go func() {
		_ = connect(b, srv).Environment("production").Watch(b.Context(), func(items []entry.Item, _ bool) error {
			at := time.Now()
			for range items {
				heard <- at
			}
			return n.apply(nil, true)
		})
	}()
	n.until(b, "the watcher", caughtUp)
	it := grant(b, 1, 1, 300)
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		put(b, env, it)
		took = append(took, (<-heard).Sub(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkReplay measures what a new watcher waits for 20,000 entries.
func BenchmarkReplay(b *testing.B) {
	srv, conn := start(b)
	env := prepared(b, conn, "production")
	var items []entry.Item
	for i := range 20_000 {
		items = append(items, grant(b, i, 1, 300))
	}
	begin := time.Now()
	put(b, env, items...)
	wrote := time.Since(begin)
	far := connect(b, srv).Environment("production")
	for b.Loop() {
		err := far.Watch(b.Context(), func(_ []entry.Item, caughtUp bool) error {
			if caughtUp {
				return errCaughtUp
			}
			return nil
		})
		if !errors.Is(err, errCaughtUp) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(wrote.Milliseconds()), "put-ms")
}

var errCaughtUp = errors.New("caught up")
