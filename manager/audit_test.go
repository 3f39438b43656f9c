package manager_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// If the audit row cannot be written the action fails: nothing of it is left,
// in the database or on its way to the nodes.
func TestActionFailsWhenItsAuditRowCannotBeWritten(t *testing.T) {
	postgres.Both(t, testActionFailsWhenItsAuditRowCannotBeWritten)
}

func testActionFailsWhenItsAuditRowCannotBeWritten(t *testing.T, place postgres.Place) {
	address := ""
	m := newMarket(t, func(t testing.TB) string { address = place(t); return address })
	ctx, shop := t.Context(), m.shop.ID
	owner := m.person(m.shop, "Olga", apim.RoleOwner)
	pending, head := m.pending(), m.head()
	if _, err := postgres.SQL(t, address).Exec("ALTER TABLE audit RENAME TO audit_away"); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() error{
		"publish": func() error {
			if err := last(m.catalog.UpdateDraft(ctx, m.provider, shop, m.offer.version.ID, manager.DraftChange{MaxBodyBytes: new(int64(7))})); err != nil {
				return err
			}
			return last(m.catalog.Publish(ctx, m.provider, shop, m.offer.version.ID, "production", ""))
		},
		"approve": func() error {
			_, _, err := m.access.Approve(ctx, m.approver, shop, pending.ID, manager.Decision{})
			return err
		},
		"key": func() error {
			return last(m.access.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{}))
		},
		"team":   func() error { return last(m.tenants.CreateTeam(ctx, owner, shop, manager.TeamInput{Name: new("x")})) },
		"member": func() error { return m.tenants.RemoveMember(ctx, owner, shop, m.second.Person) },
		"token": func() error {
			_, _, err := m.tenants.CreateToken(ctx, owner, shop, manager.NewToken{Name: "x"})
			return err
		},
		"invite": func() error {
			_, _, err := m.tenants.Invite(ctx, owner, shop, manager.NewInvitation{Email: "a@b.example", Roles: []apim.Role{apim.RoleAuditor}})
			return err
		},
		"export": func() error {
			return m.tenants.ExportAudit(ctx, owner, shop, apim.AuditFilter{}, func(apim.AuditLink) error { return nil })
		},
	} {
		if use() == nil {
			t.Errorf("%s was done without an audit row", name)
		}
	}
	if m.head() != head {
		t.Error("something is on its way to the nodes")
	}
	if _, err := postgres.SQL(t, address).Exec("ALTER TABLE audit_away RENAME TO audit"); err != nil {
		t.Fatal(err)
	}
	if s := must[manager.SubscriptionView](t)(m.access.Subscription(ctx, m.approver, shop, pending.ID)); s.Subscription.State != apim.Pending {
		t.Errorf("the request is %s", s.Subscription.State)
	}
	must[apim.Member](t)(m.tenants.Member(ctx, owner, shop, m.second.Person))
	if l := must[apim.List[apim.Token]](t)(m.tenants.Tokens(ctx, owner, shop, apim.Page{})); len(l.Items) != 0 {
		t.Errorf("got %+v, want no token", l.Items)
	}
	if l := must[apim.List[manager.TeamDetail]](t)(m.tenants.Teams(ctx, owner, shop, apim.Page{})); len(l.Items) != 0 {
		t.Errorf("got %+v, want no team", l.Items)
	}
	if check := must[apim.AuditCheck](t)(m.tenants.VerifyAudit(ctx, owner, shop)); check.Broken != "" {
		t.Errorf("got %+v", check)
	}
}

// What changes settings says what they were and what they are since.
func TestChangesOfSettingsSayBeforeAndAfter(t *testing.T) {
	postgres.Both(t, testChangesOfSettingsSayBeforeAndAfter)
}

func testChangesOfSettingsSayBeforeAndAfter(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, shop := t.Context(), m.shop.ID
	owner := m.person(m.shop, "Olga", apim.RoleOwner)
	team := must[apim.Team](t)(m.tenants.CreateTeam(ctx, owner, shop, manager.TeamInput{Name: new("East")}))
	key := m.key()
	setValue := func(value string, hidden bool, name string) error {
		_, _, err := m.catalog.SetValue(ctx, m.provider, shop, manager.ValueInput{Environment: "production", Name: name, Value: secret.Text(value), Secret: hidden})
		return err
	}
	if err := errors.Join(setValue("first-canary-secret", true, "password"), setValue("http://one.example", false, "address")); err != nil {
		t.Fatal(err)
	}
	headers := func(value string) *[]apim.UpstreamHeader {
		return &[]apim.UpstreamHeader{{Name: "X-Auth", Value: value}}
	}
	if err := last(m.catalog.UpdateDraft(ctx, m.provider, shop, m.offer.version.ID, manager.DraftChange{Headers: headers("first-canary-header")})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		action, before, after string
		tenant                apim.ID
		use                   func() error
	}{
		{"api.change", `"contact":""`, `"contact":"help@shop.example"`, shop, func() error {
			return last(m.catalog.UpdateAPI(ctx, m.provider, shop, m.offer.version.API, manager.APIChange{Contact: new("help@shop.example")}))
		}},
		{"version.draft", `"max_body_bytes":0`, `"max_body_bytes":99`, shop, func() error {
			return last(m.catalog.UpdateDraft(ctx, m.provider, shop, m.offer.version.ID, manager.DraftChange{MaxBodyBytes: new(int64(99))}))
		}},
		{"version.draft", `"X-Auth":"hmac:`, `"X-Auth":"hmac:`, shop, func() error {
			return last(m.catalog.UpdateDraft(ctx, m.provider, shop, m.offer.version.ID, manager.DraftChange{Headers: headers("second-canary-header")}))
		}},
		{"version.draft", `"health":{"off":false,"public":true}`, `"health":{"off":true,"public":true}`, shop, func() error {
			return last(m.catalog.UpdateDraft(ctx, m.provider, shop, m.offer.version.ID, manager.DraftChange{Off: map[string]bool{"health": true}}))
		}},
		{"product.change", `"listed":true`, `"listed":false`, shop, func() error {
			_, _, err := m.catalog.UpdateProduct(ctx, m.provider, shop, m.offer.product.ID, manager.ProductInput{Listed: new(false)})
			return err
		}},
		{"plan.change", `"price":""`, `"price":"1 €"`, shop, func() error {
			_, _, err := m.catalog.UpdatePlan(ctx, m.provider, shop, m.offer.manual.ID, manager.PlanInput{Price: new("1 €")})
			return err
		}},
		{"value.set", `"address":"http://one.example"`, `"address":"http://two.example"`, shop, func() error { return setValue("http://two.example", false, "address") }},
		{"value.set", `"password":"hmac:`, `"password":"hmac:`, shop, func() error { return setValue("second-canary-secret", true, "password") }},
		{"member.change", `"roles":["approver"]`, `"roles":["auditor"]`, shop, func() error {
			return last(m.tenants.UpdateMember(ctx, owner, shop, m.second.Person, manager.MemberChange{Roles: &[]apim.Role{apim.RoleAuditor}}))
		}},
		{"team.change", `"name":"East"`, `"name":"West"`, shop, func() error {
			return last(m.tenants.UpdateTeam(ctx, owner, shop, team.ID, manager.TeamInput{Name: new("West")}))
		}},
		{"application.change", `"description":""`, `"description":"x"`, m.client.ID, func() error {
			_, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Description: new("x")})
			return err
		}},
		{"credential.change", `"addresses":[]`, `"addresses":["192.0.2.1/32"]`, m.client.ID, func() error {
			_, _, err := m.access.UpdateKey(ctx, m.consumer, m.client.ID, key.Credential.ID, manager.KeyChange{Addresses: &[]string{"192.0.2.1"}})
			return err
		}},
		{"environment.change", `"name":"Production"`, `"name":"Live"`, "", func() error {
			_, _, err := m.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Name: new("Live")})
			return err
		}},
	} {
		if err := c.use(); err != nil {
			t.Errorf("%s: %v", c.action, err)
			continue
		}
		row := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(ctx, system, c.tenant, apim.AuditFilter{}, apim.Page{Limit: 1})).Items[0]
		if row.Action != c.action || !strings.Contains(row.Before, c.before) || !strings.Contains(row.After, c.after) || row.Before == row.After {
			t.Errorf("got %s %s → %s, want %s %s → %s", row.Action, row.Before, row.After, c.action, c.before, c.after)
		}
	}
	for _, tenant := range []apim.ID{"", shop, m.client.ID} {
		err := m.tenants.ExportAudit(ctx, system, tenant, apim.AuditFilter{}, func(a apim.AuditLink) error {
			for _, text := range []string{a.Before, a.After} {
				if text != "" && !json.Valid([]byte(text)) {
					t.Errorf("%s: %q is no JSON", a.Action, text)
				}
			}
			if raw, _ := json.Marshal(a); strings.Contains(string(raw), "canary") || strings.Contains(string(raw), key.Key) {
				t.Errorf("row %d holds a secret: %s", a.Sequence, raw)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestAuditLogIsFiltered(t *testing.T) { postgres.Both(t, testAuditLogIsFiltered) }

func testAuditLogIsFiltered(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, shop := t.Context(), m.shop.ID
	from := m.clock()
	first := m.active()
	m.pass(time.Hour)
	until := m.clock()
	if _, _, err := m.access.Suspend(ctx, m.second, shop, first.ID, "too many", ""); err != nil {
		t.Fatal(err)
	}
	after := m.clock()
	all := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(ctx, system, shop, apim.AuditFilter{}, apim.Page{})).Items
	for name, c := range map[string]struct {
		filter apim.AuditFilter
		keep   func(apim.AuditLink) bool
	}{
		"by a person's id":  {apim.AuditFilter{Actor: string(m.second.Person)}, func(a apim.AuditLink) bool { return a.Actor.Person == m.second.Person }},
		"by a name":         {apim.AuditFilter{Actor: "Ada"}, func(a apim.AuditLink) bool { return a.Actor.Name == "Ada" }},
		"by nobody":         {apim.AuditFilter{Actor: "Zoe"}, func(apim.AuditLink) bool { return false }},
		"one action":        {apim.AuditFilter{Action: "subscription.approve"}, func(a apim.AuditLink) bool { return a.Action == "subscription.approve" }},
		"actions on a kind": {apim.AuditFilter{Action: "subscription"}, func(a apim.AuditLink) bool { return strings.HasPrefix(a.Action, "subscription.") }},
		"part of a kind":    {apim.AuditFilter{Action: "sub"}, func(apim.AuditLink) bool { return false }},
		"an object":         {apim.AuditFilter{Object: first.ID}, func(a apim.AuditLink) bool { return a.Object == first.ID }},
		"from a time":       {apim.AuditFilter{From: until, To: after}, func(a apim.AuditLink) bool { return !a.At.Before(until) }},
		"to a time":         {apim.AuditFilter{To: from}, func(a apim.AuditLink) bool { return a.At.Before(from) }},
		"of an object and a person": {apim.AuditFilter{Object: first.ID, Actor: "Ada", From: from, To: until}, func(a apim.AuditLink) bool {
			return a.Object == first.ID && a.Actor.Name == "Ada"
		}},
	} {
		var want, got, exported []int64
		for _, a := range all {
			if c.keep(a) {
				want = append(want, a.Sequence)
			}
		}
		for cursor := ""; ; {
			page := must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(ctx, system, shop, c.filter, apim.Page{Limit: 2, Cursor: cursor}))
			for _, a := range page.Items {
				got = append(got, a.Sequence)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		err := m.tenants.ExportAudit(ctx, system, shop, c.filter, func(a apim.AuditLink) error {
			exported = append([]int64{a.Sequence}, exported...)
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(exported, want) {
			t.Errorf("%s: got %v, exported %v, %v, want %v", name, got, exported, err, want)
		}
		if len(want) == 0 && name != "by nobody" && name != "part of a kind" {
			t.Errorf("%s: the test has no row for it", name)
		}
	}
	_, err := m.tenants.AuditLog(ctx, system, shop, apim.AuditFilter{From: until, To: from}, apim.Page{})
	wantFields(t, err, "to")
}

// A log of many batches is exported whole and in order, and verified, with a
// batch in memory at a time.
func TestLongAuditLogIsExportedWhole(t *testing.T) { postgres.Both(t, testLongAuditLogIsExportedWhole) }

func testLongAuditLogIsExportedWhole(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx, shop := t.Context(), w.tenant("shop").ID
	const rows = 2500
	if err := w.fillAudit(shop, rows); err != nil {
		t.Fatal(err)
	}
	next, previous := int64(1), ""
	err := w.tenants.ExportAudit(ctx, system, shop, apim.AuditFilter{}, func(a apim.AuditLink) error {
		if a.Sequence != next || a.PreviousHash != previous {
			return fmt.Errorf("row %d after %d", a.Sequence, next-1)
		}
		next, previous = next+1, a.Hash
		return nil
	})
	if err != nil || next < rows {
		t.Errorf("got %d rows, %v", next-1, err)
	}
	if check := must[apim.AuditCheck](t)(w.tenants.VerifyAudit(ctx, system, shop)); check.Broken != "" || check.Rows != next {
		t.Errorf("got %+v, want %d rows, the export's own among them", check, next)
	}
	err = w.tenants.ExportAudit(ctx, system, shop, apim.AuditFilter{Action: "team"}, func(a apim.AuditLink) error { return fmt.Errorf("got %+v", a) })
	if err != nil {
		t.Error(err)
	}
	exports := must[apim.List[apim.AuditLink]](t)(w.tenants.AuditLog(ctx, system, shop, apim.AuditFilter{Action: "audit.export"}, apim.Page{})).Items
	if len(exports) != 2 || exports[0].After != `{"action":"team"}` || exports[1].After != "" {
		t.Errorf("got %+v, want what was exported each time", exports)
	}
	stop := errors.New("the client has gone")
	n := 0
	err = w.tenants.ExportAudit(ctx, system, shop, apim.AuditFilter{}, func(apim.AuditLink) error {
		if n++; n == 10 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 10 {
		t.Errorf("got %v after %d rows, want it to end", err, n)
	}
}
