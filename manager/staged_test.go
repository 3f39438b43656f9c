package manager_test

import (
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

func TestStagedImportIsKeptForADay(t *testing.T) { postgres.Both(t, testStagedImportIsKeptForADay) }

func testStagedImportIsKeptForADay(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	acme := w.tenant("acme")
	actor := w.person(acme, "Ada", apim.RoleProvider)
	staged := w.stage(actor, acme.ID, ordersDocument)
	if want := staged.CreatedAt.Add(24 * time.Hour); !staged.ExpiresAt.Equal(want) {
		t.Errorf("got %v, want %v", staged.ExpiresAt, want)
	}
	w.pass(24*time.Hour - time.Second)
	if _, err := w.catalog.StagedImport(t.Context(), actor, acme.ID, staged.ID); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	w.pass(2 * time.Second)
	_, err := w.catalog.StagedImport(t.Context(), actor, acme.ID, staged.ID)
	refused(t, err, apim.NotFound)
	_, err = w.catalog.AcceptImport(t.Context(), actor, acme.ID, staged.ID, manager.AcceptImport{Slug: "late"})
	refused(t, err, apim.NotFound)
}

// A document may describe webhooks alone. It is worth showing, there is nothing
// to call, and so no address of a backend is asked for.
func TestWebhooksAloneArePublishedWithoutAnUpstream(t *testing.T) {
	postgres.Both(t, testWebhooksAloneArePublishedWithoutAnUpstream)
}

func testWebhooksAloneArePublishedWithoutAnUpstream(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	acme := w.tenant("acme")
	actor := w.person(acme, "Ada", apim.RoleProvider)
	staged := w.stage(actor, acme.ID, `{"openapi":"3.1.0","info":{"title":"Events","version":"1"},
		"webhooks":{"shipped":{"post":{"requestBody":{"content":{}},"responses":{"200":{"description":"Thanks"}}}}}}`)
	v := must[apim.Version](t)(w.catalog.AcceptImport(t.Context(), actor, acme.ID, staged.ID, manager.AcceptImport{}))
	live := must[manager.PublishResult](t)(w.catalog.Publish(t.Context(), actor, acme.ID, v.ID, "production", ""))
	if live.Version.State != apim.Published || len(v.Runtime.Upstreams) != 0 {
		t.Errorf("got %s with upstreams %v", live.Version.State, v.Runtime.Upstreams)
	}
}
