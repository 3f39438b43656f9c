package manager_test

import (
	"context"
	"errors"
	"testing"

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
}

// Purge implements manager.CachePurges.
func (p *purges) Purge(_ context.Context, environment string, purge entry.Purge) error {
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
	} {
		if err := purge(c.in); err != nil {
			t.Fatalf("%+v: %v", c.in, err)
		}
		c.want.Version = v.ID.UUID()
		if got := nodes.told[len(nodes.told)-1]; got != c.want || nodes.environment != "production" {
			t.Errorf("%+v: %s was told %+v, want %+v", c.in, nodes.environment, got, c.want)
		}
	}
	if got := p.audited(p.shop.ID, "cache.purge"); got != 5 {
		t.Errorf("%d rows in the audit log, want 5", got)
	}
	for _, wrong := range []manager.Purge{{Tag: "red", URL: "/x"}, {Tag: "a b"}, {Tag: "a,b"}, {URL: "orders"}} {
		refused(t, purge(wrong), apim.Invalid)
	}
	_, err := p.catalog.PurgeCache(t.Context(), p.provider, p.shop.ID, v.ID, "moon", manager.Purge{})
	refused(t, err, apim.Invalid)
	nodes.away = true
	refused(t, purge(manager.Purge{}), apim.Unavailable)
}
