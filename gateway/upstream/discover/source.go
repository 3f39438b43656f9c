package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Found is where an instance is. Weight is 1 or more.
type Found struct {
	Address string // host and port
	Weight  int
}

// Source finds the instances of one service.
type Source interface {
	// Run tells what is found, at once and on change, until ctx ends. A nil
	// error comes with everything that there is, never nothing; any other says
	// why nothing is known of late.
	Run(ctx context.Context, tell func([]Found, error))
}

// MaxFound is how many instances of a service are told; more are an error.
const MaxFound = 1000

// errNone says that a service has no instance. What was found before holds.
var errNone = errors.New("no instance was found")

// settled sorts what was found and takes out what is there twice.
func settled(list []Found) ([]Found, error) {
	slices.SortFunc(list, func(a, b Found) int { return cmp.Compare(a.Address, b.Address) })
	list = slices.CompactFunc(list, func(a, b Found) bool { return a.Address == b.Address })
	switch {
	case len(list) == 0:
		return nil, errNone
	case len(list) > MaxFound:
		return nil, fmt.Errorf("%d instances were found, the most is %d", len(list), MaxFound)
	}
	return list, nil
}

// The pauses after failures: the first, and the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 30 * time.Second
)

// pause waits longer each time, never exactly as long as others do.
type pause struct{ last time.Duration }

func (p *pause) reset() { p.last = 0 }

// wait returns false when ctx ended.
func (p *pause) wait(ctx context.Context) bool {
	p.last = min(max(2*p.last, firstPause), longestPause)
	return sleep(ctx, p.last/2+rand.N(p.last/2+1))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// teller tells only what changed.
type teller struct {
	tell func([]Found, error)
	last []Found
	bad  string
}

func (t *teller) found(list []Found) error {
	list, err := settled(list)
	if err != nil {
		t.failed(err)
		return err
	}
	if !slices.Equal(list, t.last) || t.bad != "" {
		t.last, t.bad = list, ""
		t.tell(list, nil)
	}
	return nil
}

func (t *teller) failed(err error) {
	if text := err.Error(); text != t.bad {
		t.bad = text
		t.tell(nil, err)
	}
}
