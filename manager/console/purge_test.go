package console_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// purges keeps what nodes are told.
type purges struct {
	told []entry.Purge
	away bool
}

// Purge implements manager.CachePurges.
func (p *purges) Purge(_ context.Context, _ string, purge entry.Purge) error {
	if p.away {
		return errors.New("away")
	}
	p.told = append(p.told, purge)
	return nil
}

func TestStoredAnswersArePurgedWithoutAScript(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	version, _ := s.offer(acme)
	nodes := &purges{}
	s.catalog.Purges = nodes
	const at = ordersPage + "/purge"

	// Where nothing is stored nothing is to be purged.
	b.get(ordersPage+"/traffic").shows(http.StatusOK, "Traffic split").hides("Stored answers")
	cached := []apim.Policy{{Kind: string(entry.PolicyCache), Config: []byte(`{"public":true}`)}}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{RoutePolicies: map[string][]apim.Policy{"listOrders": cached}}); err != nil {
		t.Fatal(err)
	}
	b.get(ordersPage+"/traffic").shows(http.StatusOK, "Stored answers", "in production", "Purge stored answers")
	b.get(ordersPage+"?operation=listOrders&policy=o0").shows(http.StatusOK, "Purge stored answers")

	form := b.get(at).shows(http.StatusOK, "Purge stored answers in Production", "All stored answers of Orders v1", "Those with a tag", "Those of one address")
	purge := func(once string, pairs ...string) answer {
		return b.post(at, append([]string{"once", once, "environment", "production"}, pairs...)...)
	}
	once := form.hidden("once")
	for range 2 { // a second press of the same button does nothing more
		purge(once, "what", "all", "tag", "left over").shows(http.StatusOK, "Stored answers")
	}
	if len(nodes.told) != 1 || nodes.told[0] != (entry.Purge{Version: version.UUID()}) {
		t.Fatalf("the nodes were told %+v", nodes.told)
	}
	s.nodes.set("gw-2", "unreachable")
	purge("a", "what", "tag", "tag", "red").shows(http.StatusOK, "What is stored with the tag red is purged in Production: 2 of 3 nodes told.", "gw-2 cannot be reached now, and forgets everything once it is back.")
	purge("b", "what", "url", "url", "/acme/orders/v1/orders?page=2").shows(http.StatusOK, "What is stored of /acme/orders/v1/orders?page=2 is purged")
	if got := nodes.told[1:]; len(got) != 2 || got[0].Tag != "red" || got[1].Path != "/acme/orders/v1/orders" {
		t.Errorf("the nodes were told %+v", got)
	}
	b.get("/t/acme/audit").shows(http.StatusOK, "stored answers of version v1 in production are to be purged: those with the tag red")

	for _, c := range []struct{ field, what, value string }{{"tag", "tag", ""}, {"tag", "tag", "two words"}, {"url", "url", ""}, {"url", "url", "orders"}} {
		purge("", "what", c.what, c.field, c.value).shows(http.StatusUnprocessableEntity).fieldError(c.field)
	}
	purge("", "what", "everything").shows(http.StatusUnprocessableEntity).fieldError("what")
	nodes.away = true
	purge("", "what", "all").shows(http.StatusServiceUnavailable, "The message bus cannot be reached")
	if len(nodes.told) != 3 {
		t.Errorf("the nodes were told %+v", nodes.told)
	}

	// What is live stores on though the draft does not any more.
	if _, err := s.catalog.Publish(t.Context(), system(), acme, version, "production", "caches"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.UpdateDraft(t.Context(), system(), acme, version, manager.DraftChange{RoutePolicies: map[string][]apim.Policy{"listOrders": {}}}); err != nil {
		t.Fatal(err)
	}
	b.get(ordersPage+"/traffic").shows(http.StatusOK, "Stored answers")
	auditor, _, _ := s.consumer("elsewhere")
	auditor.get(at).shows(http.StatusNotFound)
	auditor.post(at, "what", "all").shows(http.StatusNotFound)
}
