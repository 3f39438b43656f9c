package manager_test

import (
	"slices"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/manager/store"
	"portico/test/postgres"
)

func TestTokenMayNoMoreThanItsScopes(t *testing.T) { postgres.Both(t, testTokenMayNoMoreThanItsScopes) }

func testTokenMayNoMoreThanItsScopes(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	consumer := y.person(y.shop, "Con", apim.RoleConsumer)
	use := func(who apim.Actor, scopes ...apim.Scope) apim.Actor {
		t.Helper()
		_, text, err := y.tenants.CreateToken(ctx, who, shop, manager.NewToken{Name: "CI", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return must[apim.Actor](t)(y.tenants.TokenActor(ctx, text))
	}
	presets := apim.ScopePresets()
	for name, c := range map[string]struct {
		actor  apim.Actor
		verb   apim.Verb
		object apim.Object
		may    bool
	}{
		"read-only reads":                 {use(y.owner, presets["read-only"]...), apim.Read, apim.ObjectAudit, true},
		"read-only does not write":        {use(y.owner, presets["read-only"]...), apim.Write, apim.ObjectAPI, false},
		"publish publishes":               {use(y.owner, presets["publish"]...), apim.Publish, apim.ObjectAPI, true},
		"publish does not approve":        {use(y.owner, presets["publish"]...), apim.Approve, apim.ObjectSubscription, false},
		"publish gives no roles":          {use(y.owner, presets["publish"]...), apim.Manage, apim.ObjectMember, false},
		"full is all":                     {use(y.owner, presets["full"]...), apim.Manage, apim.ObjectMember, true},
		"no scopes is all":                {use(y.owner), apim.Manage, apim.ObjectMember, true},
		"full is no more than the person": {use(consumer, presets["full"]...), apim.Publish, apim.ObjectAPI, false},
		"any verb on one object":          {use(y.owner, "* api"), apim.Publish, apim.ObjectAPI, true},
		"and none on another":             {use(y.owner, "* api"), apim.Read, apim.ObjectProduct, false},
		"writing lets it read":            {use(y.owner, "write api"), apim.Read, apim.ObjectAPI, true},
		"where it works is no secret":     {use(y.owner, "write api"), apim.Read, apim.ObjectTenant, true},
	} {
		if got := y.tenants.Can(ctx, c.actor, shop, c.verb, c.object); got != c.may {
			t.Errorf("%s: got %v, want %v", name, got, c.may)
		}
	}
	_, _, err := y.tenants.CreateToken(ctx, consumer, shop, manager.NewToken{Name: "CI", Scopes: apim.Scopes{"read application", "publish api", "fly api", "read", "* moon"}})
	wantFields(t, err, "scopes[1] scopes[2] scopes[3] scopes[4]")
	_, _, err = y.tenants.CreateToken(ctx, consumer, shop, manager.NewToken{Name: "CI", Never: true})
	wantFields(t, err, "never_expires")
	operator := apim.Actor{Person: "per_op", Name: "Op", Operator: true}
	_ = y.store.Write(ctx, func(tx *store.Tx) error {
		return tx.System().InsertPerson(ctx, apim.Person{ID: "per_op", Email: "op@x.example", Name: "Op", Operator: true, CreatedAt: y.clock(), Lock: 1}, "")
	})
	token, text, err := y.tenants.CreateToken(ctx, operator, shop, manager.NewToken{Name: "CI", Never: true, Scopes: apim.Scopes{"read api"}})
	if err != nil || !token.ExpiresAt.IsZero() {
		t.Errorf("got %+v, %v, want a token without an end", token, err)
	}
	y.pass(20 * 365 * 24 * time.Hour)
	actor := must[apim.Actor](t)(y.tenants.TokenActor(ctx, text))
	refused(t, last(y.tenants.CreateTenant(ctx, actor, "more", "More")), apim.Forbidden)
	if y.tenants.Can(ctx, actor, shop, apim.Write, apim.ObjectAPI) {
		t.Error("an operator's token may more than its scopes")
	}
	refused(t, last(y.tenants.Sessions(ctx, actor)), apim.Forbidden)
}

// A bootstrap token that was narrowed cannot make a wider one.
func TestNarrowTokenMakesNoWiderOne(t *testing.T) { postgres.Both(t, testNarrowTokenMakesNoWiderOne) }

func testNarrowTokenMakesNoWiderOne(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	narrow := apim.Actor{Token: "tok_1", Operator: true, Name: "automation", Scopes: apim.Scopes{"write token", "read *"}}
	_, _, err := y.tenants.CreateToken(t.Context(), narrow, y.shop.ID, manager.NewToken{Name: "wider"})
	refused(t, err, apim.Forbidden)
	// One that makes tokens gives what it has and no more.
	mints := apim.Actor{Token: "tok_2", Operator: true, Name: "automation", Scopes: apim.Scopes{"* token", "read api"}}
	for asked, want := range map[apim.Scope]string{
		"* *": "scopes[0]", "read *": "scopes[0]", "* api": "scopes[0]", "write api": "scopes[0]", "manage member": "scopes[0]", "read api": "", "write token": "", "* token": "",
	} {
		_, _, err := y.tenants.CreateToken(t.Context(), mints, y.shop.ID, manager.NewToken{Name: "child", Scopes: apim.Scopes{asked}})
		if want == "" && err != nil {
			t.Errorf("%s: %v", asked, err)
		} else if want != "" {
			wantFields(t, err, want)
		}
	}
	made, _, err := y.tenants.CreateToken(t.Context(), mints, y.shop.ID, manager.NewToken{Name: "as it is"})
	if err != nil || !slices.Equal(made.Scopes, mints.Scopes) {
		t.Errorf("got %v, %v, want the scopes of the token that made it", made.Scopes, err)
	}
}

func TestAdminsSeeAndRevokeEverybodysTokens(t *testing.T) {
	postgres.Both(t, testAdminsSeeAndRevokeEverybodysTokens)
}

func testAdminsSeeAndRevokeEverybodysTokens(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx, shop := t.Context(), y.shop.ID
	admin := y.person(y.shop, "Adam", apim.RoleAdmin)
	provider, auditor := y.person(y.shop, "Pia", apim.RoleProvider), y.person(y.shop, "Aud", apim.RoleAuditor)
	boss := y.person(y.shop, "Bo")
	y.grant(boss, apim.RoleGrant{Role: apim.RoleAdmin, On: y.east.ID})
	elsewhere := y.tenant("elsewhere")
	outside := y.person(elsewhere, "Xi", apim.RoleOwner)
	mint := func(who apim.Actor, tenant apim.ID) (apim.Token, string) {
		t.Helper()
		token, text, err := y.tenants.CreateToken(ctx, who, tenant, manager.NewToken{Name: "of " + who.Name})
		if err != nil {
			t.Fatal(err)
		}
		return token, text
	}
	pias, text := mint(provider, shop)
	wills, _ := mint(y.works, shop)
	bot, _ := mint(apim.Actor{Token: "tok_1", Operator: true, Name: "automation"}, shop)
	theirs, _ := mint(outside, elsewhere.ID)
	list := must[apim.List[apim.MadeToken]](t)(y.tenants.AllTokens(ctx, admin, shop, apim.Page{}))
	if len(list.Items) != 3 || list.Items[0].ID != bot.ID || list.Items[0].Maker != "" || list.Items[1].Maker != "Will" || list.Items[2].Token.Person != provider.Person {
		t.Errorf("got %+v, want those of the shop, the newest first", list.Items)
	}
	narrow := admin
	narrow.Token, narrow.Tenant, narrow.Scopes = "tok_2", shop, apim.Scopes{"write token"}
	for name, who := range map[string]apim.Actor{"a provider": provider, "an auditor": auditor, "a team's admin": boss, "an admin's token without the scope": narrow} {
		_, err := y.tenants.AllTokens(ctx, who, shop, apim.Page{})
		if apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
		if err := y.tenants.RevokeToken(ctx, who, shop, wills.ID); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%s: got %v, want another's token not to be there", name, err)
		}
	}
	refused(t, y.tenants.RevokeToken(ctx, admin, shop, theirs.ID), apim.NotFound)
	if err := y.tenants.RevokeToken(ctx, admin, shop, pias.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, last(y.tenants.TokenActor(ctx, text)), apim.SignIn)
	rows := must[apim.List[apim.AuditLink]](t)(y.tenants.AuditLog(ctx, y.owner, shop, apim.AuditFilter{Action: "token.revoke"}, apim.Page{}))
	if len(rows.Items) != 1 || rows.Items[0].Actor.Person != admin.Person || rows.Items[0].Summary != "API token of Pia of Pia revoked" {
		t.Errorf("got %+v, want who revoked whose", rows.Items)
	}
	if err := y.tenants.RevokeToken(ctx, y.works, shop, wills.ID); err != nil {
		t.Errorf("their own: %v", err)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) { postgres.Both(t, testSessionsAreListedAndEnded) }

func testSessionsAreListedAndEnded(t *testing.T, place postgres.Place) {
	y := newYard(t, place)
	ctx := t.Context()
	sessions := y.store.Sessions("console", y.clock)
	for _, s := range []struct {
		who apim.Actor
		id  apim.ID
	}{{y.owner, "ses_1"}, {y.owner, "ses_2"}, {y.owner, "ses_3"}, {y.works, "ses_4"}} {
		err := sessions.CommitSession(ctx, string(s.id), []byte("x"), y.clock().Add(time.Hour), apim.Session{ID: s.id, Person: s.who.Person, Agent: "Firefox", SeenAt: y.clock()})
		if err != nil {
			t.Fatal(err)
		}
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.owner)); len(list) != 3 || list[0].ID != "ses_3" || list[0].Use != "console" {
		t.Errorf("got %+v, want the own three, the latest first", list)
	}
	refused(t, y.tenants.EndSession(ctx, y.owner, "ses_4"), apim.NotFound) // another's
	if err := y.tenants.EndSession(ctx, y.owner, "ses_1"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := sessions.FindCtx(ctx, "ses_1"); err != nil || found {
		t.Errorf("the session still lets in: %v, %v", found, err)
	}
	if n := must[int](t)(y.tenants.EndSessions(ctx, y.owner, "ses_3")); n != 1 {
		t.Errorf("ended %d, want the other one", n)
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.owner)); len(list) != 1 || list[0].ID != "ses_3" {
		t.Errorf("got %+v, want the one that asks", list)
	}
	if list := must[[]apim.Session](t)(y.tenants.Sessions(ctx, y.works)); len(list) != 1 {
		t.Errorf("got %+v, want another's left alone", list)
	}
}
