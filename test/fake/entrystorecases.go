package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portico/internal/entry"
)

// DesiredState is what a store of entries must do, for the cases that hold the
// fake and the real one to the same.
type DesiredState interface {
	EnvironmentSlugs(ctx context.Context) ([]string, error)
	Pending(ctx context.Context, slug string, limit int) ([]entry.Item, entry.Position, error)
	MarkPublished(ctx context.Context, slug string, head entry.Position) error
	Desired(ctx context.Context, slug string, yield func(entry.Key, entry.Position, bool) error) error
	LoadEntries(ctx context.Context, slug string, keys []entry.Key) ([]entry.Item, error)
	Reissue(ctx context.Context, slug string, above entry.Position, keys, foreign []entry.Key) error
	NewEpoch(ctx context.Context, slug string) (entry.Position, error)
	SweepTombstones(ctx context.Context, slug string, before time.Time) (int, error)
}

// Emit makes items the desired state of the environment "production" at a
// time, and returns the sequence.
type Emit func(t *testing.T, at time.Time, items ...entry.Item) uint64

// EntryStoreCases holds a store to what publishing needs of it. open returns
// one with the environments "production" and "sandbox" and nothing in them.
func EntryStoreCases(t *testing.T, open func(t *testing.T) (DesiredState, Emit)) {
	for name, run := range map[string]func(*entryStoreCase){
		"what is pending comes in writing order until it is marked": pendingInOrder,
		"a head never claims what has not been read":                headClaimsNoMore,
		"a mark never goes back":                                    markStays,
		"what was changed twice comes as it is now":                 changedTwice,
		"everything desired is listed":                              everythingListed,
		"what is issued again outranks what was seen":               reissueOutranks,
		"foreign keys become tombstones":                            foreignEnds,
		"a position of a later epoch is outranked by a new one":     laterEpoch,
		"a new epoch makes everything pending":                      newEpoch,
		"tombstones are swept when old and published":               sweep,
		"the end of yield ends the listing":                         yieldEnds,
	} {
		t.Run(name, func(t *testing.T) {
			store, emit := open(t)
			run(&entryStoreCase{t, store, emit, time.Unix(1_700_000_000, 0)})
		})
	}
}

type entryStoreCase struct {
	*testing.T
	store DesiredState
	emit  Emit
	now   time.Time
}

const slug = "production"

func (c *entryStoreCase) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *entryStoreCase) pending(limit int) ([]entry.Key, entry.Position) {
	c.Helper()
	items, head, err := c.store.Pending(c.Context(), slug, limit)
	c.must(err)
	var keys []entry.Key
	for _, it := range items {
		if it.Schema != entry.Schema || it.Kind != it.Key.Kind() {
			c.Errorf("%s came as schema %d, kind %q", it.Key, it.Schema, it.Kind)
		}
		keys = append(keys, it.Key)
	}
	return keys, head
}

func (c *entryStoreCase) want(got []entry.Key, want ...entry.Key) {
	c.Helper()
	if !slices.Equal(got, want) {
		c.Errorf("got %v, want %v", got, want)
	}
}

func (c *entryStoreCase) item(key entry.Key, body string) entry.Item {
	return entry.Item{Key: key, Envelope: entry.Envelope{Kind: key.Kind(), Body: []byte(body)}}
}

func (c *entryStoreCase) end(key entry.Key) entry.Item { return entry.Tombstone(key, entry.Position{}) }

func (c *entryStoreCase) load(key entry.Key) entry.Item {
	c.Helper()
	items, err := c.store.LoadEntries(c.Context(), slug, []entry.Key{key})
	c.must(err)
	if len(items) != 1 {
		c.Fatalf("got %d entries under %s, want 1", len(items), key)
	}
	return items[0]
}

func grantN(n int) entry.Key { return entry.Key(fmt.Sprintf("grant.%064x", n)) }
func apiN(n int) entry.Key   { return entry.Key(fmt.Sprintf("api.%032x", n)) }
func termsN(n int) entry.Key { return entry.Key(fmt.Sprintf("terms.%032x", n)) }

func pendingInOrder(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`), c.item(apiN(1), `{}`), c.item(termsN(1), `{}`), c.item(entry.EnvKey, `{}`))
	c.emit(c.T, c.now, c.end(apiN(1)), c.end(grantN(1)), c.item(grantN(2), `{"a":1}`))
	keys, head := c.pending(100)
	c.want(keys, entry.EnvKey, termsN(1), grantN(2), grantN(1), apiN(1))
	if head.Sequence != 2 {
		c.Errorf("got head %d, want 2", head.Sequence)
	}
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	keys, again := c.pending(100)
	c.want(keys)
	if again != head {
		c.Errorf("got head %v, want %v", again, head)
	}
	if got := c.load(grantN(2)); string(got.Body) != `{"a":1}` || got.Sequence != 2 || got.Ended {
		c.Errorf("got %+v", got)
	}
}

func headClaimsNoMore(c *entryStoreCase) {
	for i := range 5 {
		c.emit(c.T, c.now, c.item(grantN(i), `{}`))
	}
	for i := range 5 {
		keys, head := c.pending(1)
		c.want(keys, grantN(i))
		if head.Sequence != uint64(i+1) {
			c.Errorf("got head %d, want %d", head.Sequence, i+1)
		}
		c.must(c.store.MarkPublished(c.Context(), slug, head))
	}
}

func markStays(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`))
	c.emit(c.T, c.now, c.item(grantN(2), `{}`))
	_, head := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	c.must(c.store.MarkPublished(c.Context(), slug, entry.Position{Epoch: head.Epoch, Sequence: 1}))
	c.must(c.store.MarkPublished(c.Context(), slug, entry.Position{Epoch: head.Epoch + 1, Sequence: 9}))
	keys, _ := c.pending(10)
	c.want(keys)
	c.emit(c.T, c.now, c.item(grantN(3), `{}`))
	keys, _ = c.pending(10)
	c.want(keys, grantN(3))
}

func changedTwice(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{"v":1}`))
	c.emit(c.T, c.now, c.item(grantN(2), `{}`))
	c.emit(c.T, c.now, c.item(grantN(1), `{"v":2}`))
	keys, head := c.pending(1)
	c.want(keys, grantN(1))
	if got := c.load(grantN(1)); string(got.Body) != `{"v":2}` || got.Sequence != 3 {
		c.Errorf("got %+v", got)
	}
	if head.Sequence != 1 {
		c.Errorf("got head %d, want 1", head.Sequence)
	}
}

func everythingListed(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`), c.item(grantN(2), `{}`))
	c.emit(c.T, c.now, c.end(grantN(1)))
	got := map[entry.Key]string{}
	c.must(c.store.Desired(c.Context(), slug, func(key entry.Key, at entry.Position, ended bool) error {
		got[key] = fmt.Sprint(at.Sequence, ended)
		return nil
	}))
	if len(got) != 2 || got[grantN(1)] != "2 true" || got[grantN(2)] != "1 false" {
		c.Errorf("got %v", got)
	}
	slugs, err := c.store.EnvironmentSlugs(c.Context())
	c.must(err)
	slices.Sort(slugs)
	if !slices.Equal(slugs, []string{"production", "sandbox"}) {
		c.Errorf("got environments %v", slugs)
	}
}

func reissueOutranks(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{"v":1}`), c.item(grantN(2), `{}`))
	_, head := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	above := entry.Position{Epoch: head.Epoch, Sequence: 500}
	c.must(c.store.Reissue(c.Context(), slug, above, []entry.Key{grantN(1)}, nil))
	keys, head := c.pending(10)
	c.want(keys, grantN(1))
	if got := c.load(grantN(1)); !got.After(above) || string(got.Body) != `{"v":1}` {
		c.Errorf("got %+v, want it after %v", got, above)
	}
	if !head.After(above) {
		c.Errorf("got head %v, want it after %v", head, above)
	}
	c.must(c.store.Reissue(c.Context(), slug, entry.Position{}, []entry.Key{grantN(9)}, nil))
	if _, now := c.pending(10); now != head {
		c.Errorf("issuing nothing again took a sequence: %v after %v", now, head)
	}
}

func foreignEnds(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`))
	_, head := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	above := entry.Position{Epoch: head.Epoch, Sequence: 7}
	c.must(c.store.Reissue(c.Context(), slug, above, nil, []entry.Key{grantN(9)}))
	keys, _ := c.pending(10)
	c.want(keys, grantN(9))
	if got := c.load(grantN(9)); !got.Ended || !got.After(above) {
		c.Errorf("got %+v, want it ended after %v", got, above)
	}
}

func laterEpoch(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`), c.item(grantN(2), `{}`))
	_, head := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	above := entry.Position{Epoch: head.Epoch + 4, Sequence: 7}
	c.must(c.store.Reissue(c.Context(), slug, above, []entry.Key{grantN(1)}, nil))
	keys, head := c.pending(10)
	slices.Sort(keys)
	c.want(keys, grantN(1), grantN(2))
	if !head.After(above) || !c.load(grantN(2)).After(above) {
		c.Errorf("got head %v, want all after %v", head, above)
	}
}

func newEpoch(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`))
	c.emit(c.T, c.now, c.end(grantN(1)), c.item(apiN(1), `{}`))
	_, before := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, before))
	at, err := c.store.NewEpoch(c.Context(), slug)
	c.must(err)
	if at.Epoch <= before.Epoch || at.Sequence != before.Sequence {
		c.Errorf("got %v after %v", at, before)
	}
	keys, head := c.pending(10)
	c.want(keys, apiN(1), grantN(1))
	if head != at || c.load(apiN(1)).Epoch != at.Epoch {
		c.Errorf("got head %v, entry %v, want %v", head, c.load(apiN(1)).Position, at)
	}
}

func sweep(c *entryStoreCase) {
	c.emit(c.T, c.now, c.end(grantN(9)), c.item(grantN(1), `{}`), c.item(grantN(2), `{}`))
	c.emit(c.T, c.now, c.end(grantN(1)))
	count := func(before time.Time, want int) {
		c.Helper()
		n, err := c.store.SweepTombstones(c.Context(), slug, before)
		c.must(err)
		if n != want {
			c.Errorf("swept %d, want %d", n, want)
		}
	}
	count(c.now.Add(time.Hour), 0) // not published
	_, head := c.pending(10)
	c.must(c.store.MarkPublished(c.Context(), slug, head))
	count(c.now.Add(-time.Hour), 0) // not old
	before := desiredCount(c)
	if n, err := c.store.SweepTombstones(c.Context(), slug, c.now.Add(time.Hour)); err != nil || n == 0 || desiredCount(c) != before-n {
		c.Errorf("swept %d of %d, %v, %d left", n, before, err, desiredCount(c))
	}
	if got := c.load(grantN(2)); got.Ended {
		c.Error("what lives was swept")
	}
}

func desiredCount(c *entryStoreCase) (n int) {
	c.Helper()
	c.must(c.store.Desired(c.Context(), slug, func(entry.Key, entry.Position, bool) error { n++; return nil }))
	return n
}

func yieldEnds(c *entryStoreCase) {
	c.emit(c.T, c.now, c.item(grantN(1), `{}`), c.item(grantN(2), `{}`))
	enough := errors.New("enough")
	n := 0
	err := c.store.Desired(c.Context(), slug, func(entry.Key, entry.Position, bool) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		c.Errorf("got %v after %d", err, n)
	}
}
