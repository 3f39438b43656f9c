package manager_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// purges keeps what nodes are told.
type purges struct {
	environment string
	told        []entry.Purge
	away        bool
	during      func() // while they are told
}

// Purge implements manager.CachePurges.
func (p *purges) Purge(_ context.Context, environment string, purge entry.Purge) error {
	if p.during != nil {
		p.during()
	}
	if p.away {
		return errors.New("away")
	}
	p.environment, p.told = environment, append(p.told, purge)
	return nil
}

func TestPurgeReachesTheNodesAndTheAuditLog(t *testing.T) {
	postgres.Both(t, testPurgeReachesTheNodesAndTheAuditLog)
}

func testPurgeReachesTheNodesAndTheAuditLog(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	nodes := &purges{}
	p.catalog.Purges = nodes
	v := p.version(p.provider, p.shop, "orders")
	purge := func(in manager.Purge) error {
		_, err := p.catalog.PurgeCache(t.Context(), p.provider, p.shop.ID, v.ID, "production", in)
		return err
	}
	for _, c := range []struct {
		in   manager.Purge
		want entry.Purge
	}{
		{manager.Purge{}, entry.Purge{}},
		{manager.Purge{Tag: "red"}, entry.Purge{Tag: "red"}},
		{manager.Purge{URL: "/shop/orders?page=1"}, entry.Purge{Path: "/shop/orders"}},
		{manager.Purge{URL: "https://api.example.com/shop/orders#x"}, entry.Purge{Path: "/shop/orders"}},
		{manager.Purge{URL: "https://api.example.com"}, entry.Purge{Path: "/"}},
		{manager.Purge{URL: "https://api.example.com?to=/x"}, entry.Purge{Path: "/"}},
		{manager.Purge{URL: "/fetch/https://a.example/x"}, entry.Purge{Path: "/fetch/https://a.example/x"}},
		{manager.Purge{URL: "http://api.example.com/fetch/https://a.example/x"}, entry.Purge{Path: "/fetch/https://a.example/x"}},
		{manager.Purge{URL: "/search?for=http://a.example/"}, entry.Purge{Path: "/search"}},
		{manager.Purge{URL: "/red%20shoes/.hidden/%c3%a4/1..2"}, entry.Purge{Path: "/red%20shoes/.hidden/%c3%a4/1..2"}},
	} {
		if err := purge(c.in); err != nil {
			t.Fatalf("%+v: %v", c.in, err)
		}
		c.want.Version = v.ID.UUID()
		if got := nodes.told[len(nodes.told)-1]; got != c.want || nodes.environment != "production" {
			t.Errorf("%+v: %s was told %+v, want %+v", c.in, nodes.environment, got, c.want)
		}
	}
	if got := p.audited(p.shop.ID, "cache.purge"); got != 10 {
		t.Errorf("%d rows in the audit log, want 10", got)
	}
	for _, wrong := range []manager.Purge{
		{Tag: "red", URL: "/x"},
		{Tag: "a b"},
		{Tag: "a,b"},
		{URL: "orders"},
		{URL: "orders/https://a.example/x"},
		// The gateway refuses these: nothing is stored of them, and something else is meant.
		{URL: "/red shoes"},
		{URL: "/a\tb"},
		{URL: "/100%"},
		{URL: "/a%2Fb"},
		{URL: `/a\b`},
		{URL: "/a/../b"},
		{URL: "/a/%2e"},
		{URL: "https://api.example.com/a/..;x/b"},
	} {
		refused(t, purge(wrong), apim.Invalid)
	}
	_, err := p.catalog.PurgeCache(t.Context(), p.provider, p.shop.ID, v.ID, "moon", manager.Purge{})
	refused(t, err, apim.Invalid)
	nodes.away = true
	refused(t, purge(manager.Purge{}), apim.Unavailable)
	if got := p.audited(p.shop.ID, "cache.purge"); got != 11 {
		t.Errorf("%d rows in the audit log, want also the one of what may have reached some", got)
	}
}

// TestPurgeKeepsNoWriterWaiting while the bus hangs, and stands in the audit log
// before any node is told.
func TestPurgeKeepsNoWriterWaiting(t *testing.T) {
	postgres.Both(t, testPurgeKeepsNoWriterWaiting)
}

func testPurgeKeepsNoWriterWaiting(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	nodes := &purges{}
	p.catalog.Purges = nodes
	v := p.version(p.provider, p.shop, "orders")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	nodes.during = func() {
		if got := p.audited(p.shop.ID, "cache.purge"); got != 1 {
			t.Errorf("%d rows in the audit log while the nodes are told, want 1", got)
		}
		if _, err := p.catalog.UpdateDraft(ctx, p.provider, p.shop.ID, v.ID, manager.DraftChange{UpstreamURLs: &[]string{"http://other.example"}}); err != nil {
			t.Errorf("another change meanwhile: %v", err)
		}
	}
	if _, err := p.catalog.PurgeCache(ctx, p.provider, p.shop.ID, v.ID, "production", manager.Purge{}); err != nil {
		t.Fatal(err)
	}
}

// TestPurgeThatReachedNobodyMayBeSentAgain with the same Idempotency-Key.
func TestPurgeThatReachedNobodyMayBeSentAgain(t *testing.T) {
	p := newPublisher(t, postgres.File)
	nodes := &purges{away: true}
	p.catalog.Purges = nodes
	v := p.version(p.provider, p.shop, "orders")
	requests := &manager.Requests{Core: p.catalog.Core}
	for _, want := range []bool{false, true} { // told
		ctx, have, mine, err := requests.Begin(t.Context(), p.provider, p.shop.ID, "key", "print")
		if err != nil || !mine {
			t.Fatalf("got %+v and %v, want it to be carried out", have, err)
		}
		if _, err := p.catalog.PurgeCache(ctx, p.provider, p.shop.ID, v.ID, "production", manager.Purge{}); (err == nil) != want {
			t.Fatalf("got %v, told is to be %v", err, want)
		}
		if !want {
			err = requests.Forget(ctx)
		} else {
			err = requests.Answer(ctx, manager.OnceAnswer{Answered: true, Status: 202, Header: map[string]string{}, Body: []byte{}})
		}
		if err != nil {
			t.Fatal(err)
		}
		nodes.away = false
	}
	if _, have, mine, err := requests.Begin(t.Context(), p.provider, p.shop.ID, "key", "print"); err != nil || mine || !have.Answered || len(nodes.told) != 1 {
		t.Errorf("a third time: got %+v, %v and %v, and the nodes were told %d times", have, mine, err, len(nodes.told))
	}
}
