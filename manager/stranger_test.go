package manager_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// openToAll lists the use cases that ask for no role of the actor, and why.
// One that is not here has to refuse a stranger.
func openToAll() map[string]string {
	return map[string]string{
		"Catalog.Offers":               "reading the catalog is public; what is not visible is not in it",
		"Catalog.Offer":                "as above",
		"Catalog.OfferedVersion":       "as above",
		"Catalog.OfferedOperations":    "as above",
		"Catalog.OfferedReference":     "as above",
		"Catalog.OfferedSchema":        "as above",
		"Catalog.OfferedDocument":      "as above",
		"Catalog.RunLoader":            "a part of the program, with no actor",
		"Catalog.RunSplits":            "a part of the program, with no actor",
		"Access.Makes":                 "says what the process can do, whoever asks",
		"Access.RunExpiry":             "a part of the program, with no actor",
		"Tenants.FirstRunLink":         "printed by the program at start",
		"Tenants.CheckFirstRun":        "the link's token is the permission",
		"Tenants.FirstRun":             "the link's token is the permission",
		"Tenants.SignIn":               "the password is the permission",
		"Tenants.SignUp":               "open where the installation says so",
		"Tenants.Person":               "for a session, which names the person",
		"Tenants.TokenActor":           "the token is the permission",
		"Tenants.EnsureBootstrapToken": "a part of the program, with no actor",
		"Tenants.SetTheme":             "the actor's own",
		"Tenants.Memberships":          "the actor's own",
		"Tenants.Sessions":             "the actor's own",
		"Tenants.EndSession":           "the actor's own",
		"Tenants.EndSessions":          "the actor's own",
		"Tenants.CheckInvitation":      "the link's token is the permission",
		"Tenants.AcceptInvitation":     "the link's token is the permission",
		"Tenants.JoinByInvitation":     "the link's token is the permission",
		"Tenants.Can":                  "answers whether, and decides nothing",
		"Fleet.EnsureEnvironment":      "a part of the program, with no actor",
		"Fleet.EnsureNode":             "a part of the program, with no actor",
		"Fleet.Enrol":                  "the enrolment token is the permission",
		"Fleet.Environments":           "any who has signed in: names and addresses that are in every snippet",
		"Fleet.Nodes":                  "any who has signed in sees whether a change is in force",
		"Fleet.Applied":                "as above",
		"Fleet.WaitApplied":            "as above",
	}
}

// openToMembers lists what needs no role of a member of the tenant.
func openToMembers() map[string]string {
	return map[string]string{
		"Tenants.Tenant":      "where they belong",
		"Tenants.Members":     "who else belongs there",
		"Tenants.Member":      "as above",
		"Tenants.Teams":       "as above",
		"Tenants.Team":        "as above",
		"Tenants.CreateToken": "their own; it can do what they can",
		"Tenants.Tokens":      "their own",
		"Tenants.RevokeToken": "their own",
	}
}

// Every use case, found by reflection, is called by somebody who may not.
func TestStrangersAreRefusedEverywhere(t *testing.T) {
	postgres.Both(t, testStrangersAreRefusedEverywhere)
}

func testStrangersAreRefusedEverywhere(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	outside := m.person(m.tenant("elsewhere"), "Xi", apim.RoleOwner)
	idle := m.person(m.shop, "Ida")
	called := 0
	for _, group := range []any{m.catalog, m.access, m.tenants, m.fleet} {
		v := reflect.ValueOf(group)
		for i := range v.NumMethod() {
			name := v.Type().Elem().Name() + "." + v.Type().Method(i).Name
			if openToAll()[name] != "" {
				continue
			}
			called++
			for who, c := range map[string]struct {
				actor apim.Actor
				want  []apim.ErrorKind
			}{
				"nobody":            {apim.Actor{}, []apim.ErrorKind{apim.SignIn}},
				"another tenant's":  {outside, []apim.ErrorKind{apim.NotFound, apim.Forbidden}},
				"without a role":    {idle, []apim.ErrorKind{apim.Forbidden}},
				"a token elsewhere": {apim.Actor{Token: "tok_x", Operator: true, Tenant: "ten_elsewhere"}, []apim.ErrorKind{apim.NotFound, apim.Forbidden}},
			} {
				if who == "without a role" && openToMembers()[name] != "" {
					continue
				}
				err := call(t, v.Method(i), c.actor, m)
				kind, ok := apim.KindOf(err), false
				for _, want := range c.want {
					ok = ok || kind == want
				}
				if !ok {
					t.Errorf("%s by %s: got %q (%v), want %v", name, who, kind, err, c.want)
				}
				if kind == apim.Forbidden && !strings.Contains(err.Error(), "role") && !strings.Contains(err.Error(), "operator") && !strings.Contains(err.Error(), "token") {
					t.Errorf("%s by %s: got %q, want what would be needed", name, who, err)
				}
			}
		}
	}
	if called < 40 {
		t.Fatalf("got %d use cases, want all of them", called)
	}
}

// Every use case, found by reflection, is called by an owner's token that has a
// scope for something else: what a token may is asked everywhere.
func TestTokensWithoutTheScopeAreRefusedEverywhere(t *testing.T) {
	postgres.Both(t, testTokensWithoutTheScopeAreRefusedEverywhere)
}

func testTokensWithoutTheScopeAreRefusedEverywhere(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	token := m.person(m.shop, "Olga", apim.RoleOwner)
	token.Token, token.Tenant, token.Scopes = "tok_1", m.shop.ID, apim.Scopes{"approve tenant"}
	operator := apim.Actor{Token: "tok_2", Name: "automation", Operator: true, Scopes: apim.Scopes{"approve tenant"}}
	open := openToAll()
	for _, own := range []string{"Tenants.Sessions", "Tenants.EndSession", "Tenants.EndSessions"} {
		delete(open, own) // the actor's own, and not every token's
	}
	for _, group := range []any{m.catalog, m.access, m.tenants, m.fleet} {
		v := reflect.ValueOf(group)
		for i := range v.NumMethod() {
			name := v.Type().Elem().Name() + "." + v.Type().Method(i).Name
			if open[name] != "" || name == "Tenants.Tenant" { // where a token works is no secret to it
				continue
			}
			for who, actor := range map[string]apim.Actor{"owner's": token, "operator's": operator} {
				err := call(t, v.Method(i), actor, m)
				var e *apim.Error
				if !errors.As(err, &e) || e.Kind != apim.Forbidden {
					t.Errorf("%s by an %s token: got %v, want it forbidden", name, who, err)
				}
			}
		}
	}
}

// Nobody who is refused leaves a trace in what they were refused.
func TestRefusedCallsChangeNothing(t *testing.T) { postgres.Both(t, testRefusedCallsChangeNothing) }

func testRefusedCallsChangeNothing(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	before := m.head()
	idle := m.person(m.shop, "Ida")
	for _, group := range []any{m.catalog, m.access} {
		v := reflect.ValueOf(group)
		for i := range v.NumMethod() {
			if openToAll()[v.Type().Elem().Name()+"."+v.Type().Method(i).Name] == "" {
				_ = call(t, v.Method(i), idle, m)
			}
		}
	}
	if after := m.head(); after != before {
		t.Errorf("the environment went from %d to %d", before, after)
	}
}

// call calls a use case in the shop with arguments that exist there.
func call(t *testing.T, method reflect.Value, actor apim.Actor, m *market) error {
	t.Helper()
	var args []reflect.Value
	ids := []apim.ID{m.shop.ID, m.offer.version.ID, m.offer.version.ID}
	for i := range method.Type().NumIn() {
		typ := method.Type().In(i)
		switch v := reflect.New(typ).Elem(); v.Interface().(type) {
		case apim.Actor:
			args = append(args, reflect.ValueOf(actor))
		case apim.ID:
			args = append(args, reflect.ValueOf(ids[0]))
			ids = ids[1:]
		case string:
			args = append(args, reflect.ValueOf("shop"))
		default:
			switch typ {
			case reflect.TypeFor[context.Context]():
				args = append(args, reflect.ValueOf(t.Context()))
			case reflect.TypeFor[time.Time]():
				args = append(args, reflect.ValueOf(m.clock().Add(time.Hour)))
			default:
				args = append(args, v)
			}
		}
	}
	out := method.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// Operators do everything in any tenant, and so does the program itself.
func TestOperatorsWorkInEveryTenant(t *testing.T) { postgres.Both(t, testOperatorsWorkInEveryTenant) }

func testOperatorsWorkInEveryTenant(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	for _, actor := range []apim.Actor{{Person: "per_1", Name: "Op", Operator: true}, system} {
		v := m.version(actor, m.shop, "by-"+strings.ToLower(actor.Name))
		if _, err := m.catalog.Publish(t.Context(), actor, m.shop.ID, v.ID, "production", ""); err != nil {
			t.Error(err)
		}
		app := m.application(actor, m.client, "for-"+strings.ToLower(actor.Name))
		s := m.request(actor, m.client, app, m.offer.manual)
		if _, _, err := m.access.Approve(t.Context(), m.approver, m.shop.ID, s.ID, manager.Decision{Note: ""}); err != nil {
			t.Error(err)
		}
	}
}

func (w *world) head() uint64 {
	w.t.Helper()
	_, head, err := w.store.Pending(w.t.Context(), "production", 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return head.Sequence
}
