package manager_test

import (
	"testing"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// market is a provider and a consumer with people in their roles.
type market struct {
	*world
	shop, client               apim.Tenant
	provider, approver, second apim.Actor
	consumer                   apim.Actor
	offer                      offer
	app                        apim.Application
}

func newMarket(t testing.TB, place postgres.Place) *market {
	t.Helper()
	w := newWorld(t, place)
	m := &market{world: w, shop: w.tenant("shop"), client: w.tenant("client")}
	m.provider = w.person(m.shop, "Petra", apim.RoleProvider)
	m.approver = w.person(m.shop, "Ada", apim.RoleApprover)
	m.second = w.person(m.shop, "Sam", apim.RoleApprover)
	m.consumer = w.person(m.client, "Carl", apim.RoleConsumer)
	m.offer = w.offer(m.provider, m.shop, "orders")
	m.app = w.application(m.consumer, m.client, "till")
	return m
}

func (m *market) pending() apim.Subscription {
	m.t.Helper()
	return m.request(m.consumer, m.client, m.app, m.offer.manual)
}

func (m *market) active() apim.Subscription {
	m.t.Helper()
	s, _, err := m.access.Approve(m.t.Context(), m.approver, m.shop.ID, m.pending().ID, manager.Decision{Note: ""})
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *market) key() manager.MintedKey {
	m.t.Helper()
	return must[manager.MintedKey](m.t)(m.access.CreateKey(m.t.Context(), m.consumer, m.client.ID, m.app.ID, manager.NewKey{Name: "key"}))
}

// state is what the nodes are told of the key's only subscription, "" for none.
func (m *market) state(key manager.MintedKey) entry.SubscriptionState {
	m.t.Helper()
	g, ok := m.grant(key)
	if !ok {
		return "no grant"
	}
	if len(g.Subscriptions) == 0 {
		return ""
	}
	return g.Subscriptions[0].State
}
