package manager_test

import (
	"testing"

	"portico/internal/apim"
	"portico/test/postgres"
)

func TestBlankReasonIsNone(t *testing.T) { postgres.Both(t, testBlankReasonIsNone) }

func testBlankReasonIsNone(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	shop, acme := w.tenant("shop"), w.tenant("acme")
	provider, consumer := w.person(shop, "Ada", apim.RoleOwner), w.person(acme, "Ben", apim.RoleOwner)
	o := w.offer(provider, shop, "orders")
	waiting := w.request(consumer, acme, w.application(consumer, acme, "one"), o.manual)
	_, _, err := w.access.Reject(t.Context(), provider, shop.ID, waiting.ID, " \t\n")
	refused(t, err, apim.Invalid)
	active := w.request(consumer, acme, w.application(consumer, acme, "two"), o.automatic)
	_, _, err = w.access.Suspend(t.Context(), provider, shop.ID, active.ID, "  ", "")
	refused(t, err, apim.Invalid)
}
