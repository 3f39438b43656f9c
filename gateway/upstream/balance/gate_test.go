package balance_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"portico/gateway/upstream/balance"
)

func TestBulkheadRefusesAndQueues(t *testing.T) {
	ctx := context.Background()
	p := newPool(balance.Settings{MaxRequests: 2}, 1)
	for range 2 {
		if _, err := p.Enter(ctx, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := p.Enter(ctx, 0, 0); !errors.Is(err, balance.ErrBusy) || after <= 0 {
		t.Errorf("the third: %v, after %v", err, after)
	}
	p.Leave()
	if _, err := p.Enter(ctx, 0, 0); err != nil {
		t.Errorf("after one left: %v", err)
	}

	q := newPool(balance.Settings{MaxRequests: 1, Queue: 2, QueueWait: time.Minute}, 1)
	_, _ = q.Enter(ctx, 0, 0)
	var all sync.WaitGroup
	in := make(chan error, 3)
	for range 3 { // two find room in the queue
		all.Go(func() { _, err := q.Enter(ctx, 0, 0); in <- err })
	}
	if err := <-in; !errors.Is(err, balance.ErrBusy) {
		t.Errorf("the one too many: %v", err)
	}
	for range 2 {
		q.Leave()
		if err := <-in; err != nil {
			t.Errorf("one whose turn came: %v", err)
		}
	}
	all.Wait()
	q.Leave()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = q.Enter(ctx, 0, 0)
	if _, err := q.Enter(gone, 0, 0); !errors.Is(err, balance.ErrBusy) {
		t.Errorf("a caller that has gone: %v", err)
	}
	q.Leave()
	if _, err := q.Enter(ctx, 0, 0); err != nil {
		t.Errorf("its place was kept: %v", err)
	}
}
