package store_test

import (
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

func stage(t *testing.T, s *store.Store, tenant apim.ID, digest string) apim.Import {
	t.Helper()
	d := apim.Document{ID: id(apim.PrefixDocument), Tenant: tenant, Digest: digest, CreatedAt: start}
	i := apim.Import{ID: id(apim.PrefixImport), Tenant: tenant, Document: d, CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour)}
	body, err := store.Compress([]byte(digest))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, func(tx *store.Tx) error {
		if err := tx.Tenant(tenant).InsertDocument(t.Context(), d, body); err != nil {
			return err
		}
		return tx.Tenant(tenant).InsertImport(t.Context(), i)
	})
	return i
}

// What nothing refers to goes after its day; what something refers to stays,
// and so do bytes that two documents share.
func TestUnusedDocumentsAreSwept(t *testing.T) { postgres.Both(t, testUnusedDocumentsAreSwept) }

func testUnusedDocumentsAreSwept(t *testing.T, place postgres.Place) {
	s := open(t, place)
	a := tenant(t, s, "a")
	used, unused, shared := stage(t, s, a.ID, "one"), stage(t, s, a.ID, "two"), stage(t, s, a.ID, "one")
	api := apim.API{ID: id(apim.PrefixAPI), Tenant: a.ID, Slug: "x", Name: "X", Lock: 1}
	v := apim.Version{ID: id(apim.PrefixVersion), Tenant: a.ID, API: api.ID, Label: "v1", State: apim.Draft, Document: used.Document.ID, Lock: 1}
	sweep := func(at time.Time) (n int) {
		write(t, s, func(tx *store.Tx) (err error) {
			n, err = tx.System().SweepDocuments(t.Context(), at)
			return err
		})
		return n
	}
	write(t, s, func(tx *store.Tx) error {
		if err := tx.Tenant(a.ID).InsertAPI(t.Context(), api); err != nil {
			return err
		}
		return tx.Tenant(a.ID).InsertVersion(t.Context(), v)
	})
	if n := sweep(start.Add(time.Hour)); n != 0 {
		t.Errorf("got %d swept before their day was over", n)
	}
	if n := sweep(start.Add(25 * time.Hour)); n != 2 {
		t.Errorf("got %d swept, want the two that nothing refers to", n)
	}
	ten := s.Tenant(a.ID)
	for document, want := range map[apim.ID]bool{used.Document.ID: true, unused.Document.ID: false, shared.Document.ID: false} {
		if _, err := ten.Document(t.Context(), document); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %v", document, err, want)
		}
	}
	if raw, err := ten.DocumentBody(t.Context(), "one"); err != nil || string(raw) != "one" {
		t.Errorf("got %q, %v: the bytes in use are gone", raw, err)
	}
	if _, err := ten.DocumentBody(t.Context(), "two"); apim.KindOf(err) != apim.NotFound {
		t.Errorf("got %v: bytes of nobody were kept", err)
	}
}

func TestNodesAreHeard(t *testing.T) { postgres.Both(t, testNodesAreHeard) }

func testNodesAreHeard(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	n := apim.Node{ID: id(apim.PrefixNode), Environment: "production", Name: "one", EnrolledAt: start}
	write(t, s, func(tx *store.Tx) error { return tx.System().InsertNode(t.Context(), n) })
	n.Build, n.HeardAt, n.LeftAt = "1.2.3", start.Add(time.Second), start.Add(2*time.Second)
	if err := s.NodeHeard(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	nodes, err := s.EnrolledNodes(t.Context(), "production")
	if err != nil || len(nodes) != 1 || nodes[0].Build != "1.2.3" || !nodes[0].HeardAt.Equal(n.HeardAt) || !nodes[0].LeftAt.Equal(n.LeftAt) || nodes[0].AppliedMS != -1 {
		t.Errorf("got %+v, %v", nodes, err)
	}
	if err := s.NodeHeard(t.Context(), apim.Node{ID: id(apim.PrefixNode)}); apim.KindOf(err) != apim.NotFound {
		t.Errorf("got %v, want a stranger refused", err)
	}
	if slugs, err := s.EnvironmentSlugs(t.Context()); err != nil || len(slugs) != 1 || slugs[0] != "production" {
		t.Errorf("got %v, %v", slugs, err)
	}
}
