package manager_test

import (
	"sync"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// atOnce does two things at two managers at the same time.
func atOnce(do ...func() error) []error {
	out := make([]error, len(do))
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i, f := range do {
		wg.Go(func() {
			<-begin
			out[i] = f()
		})
	}
	close(begin)
	wg.Wait()
	return out
}

// Two owners who get rid of each other, or both leave, at the same time and at
// two managers leave one owner behind.
func TestLastOwnerStaysWhenTwoGoAtOnce(t *testing.T) {
	postgres.Both(t, testLastOwnerStaysWhenTwoGoAtOnce)
}

func testLastOwnerStaysWhenTwoGoAtOnce(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	there := must[*manager.Tenants](t)(w.another())
	none := manager.MemberChange{Roles: &[]apim.Role{}}
	for name, do := range map[string]func(at *manager.Tenants, actor, whom apim.Actor, shop apim.ID) error{
		"remove": func(at *manager.Tenants, actor, whom apim.Actor, shop apim.ID) error {
			return at.RemoveMember(ctx, actor, shop, whom.Person)
		},
		"leave": func(at *manager.Tenants, actor, _ apim.Actor, shop apim.ID) error {
			return at.RemoveMember(ctx, actor, shop, actor.Person)
		},
		"demote": func(at *manager.Tenants, actor, whom apim.Actor, shop apim.ID) error {
			return last(at.UpdateMember(ctx, actor, shop, whom.Person, none))
		},
		"step-down": func(at *manager.Tenants, actor, _ apim.Actor, shop apim.ID) error {
			return last(at.UpdateMember(ctx, actor, shop, actor.Person, none))
		},
	} {
		t.Run(name, func(t *testing.T) {
			shop := w.tenant(name)
			a, b := w.person(shop, "Ann", apim.RoleOwner), w.person(shop, "Ben", apim.RoleOwner)
			if err := there.Authz.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			errs := atOnce(
				func() error { return do(w.tenants, a, b, shop.ID) },
				func() error { return do(there, b, a, shop.ID) },
			)
			if (errs[0] == nil) == (errs[1] == nil) || apim.KindOf(errs[0]) == "" && errs[0] != nil || apim.KindOf(errs[1]) == "" && errs[1] != nil {
				t.Errorf("got %v and %v, want one of them refused", errs[0], errs[1])
			}
			owners := 0
			for _, m := range must[apim.List[apim.Member]](t)(w.tenants.Members(ctx, system, shop.ID, apim.Page{})).Items {
				if len(m.Roles) == 1 && m.Roles[0] == apim.RoleOwner {
					owners++
				}
			}
			if owners != 1 {
				t.Errorf("%d owners are left, want one", owners)
			}
		})
	}
}

// A link that is used many times at once, at two managers, joins once.
func TestInvitationIsGoodOnceAtTheSameTime(t *testing.T) {
	postgres.Both(t, testInvitationIsGoodOnceAtTheSameTime)
}

func testInvitationIsGoodOnceAtTheSameTime(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	there := must[*manager.Tenants](t)(w.another())
	shop := w.tenant("shop")
	owner, friend := w.person(shop, "Ann", apim.RoleOwner), w.person(w.tenant("elsewhere"), "Fay", apim.RoleOwner)
	_, link, err := w.tenants.Invite(ctx, owner, shop.ID, manager.NewInvitation{Email: "fay@elsewhere.example", Roles: []apim.Role{apim.RoleProvider}})
	if err != nil {
		t.Fatal(err)
	}
	token := tokenIn(t, link)
	var do []func() error
	for i := range 8 {
		at := []*manager.Tenants{w.tenants, there}[i%2]
		do = append(do, func() error { return last(at.AcceptInvitation(ctx, friend, token)) })
	}
	joined := 0
	for _, err := range atOnce(do...) {
		if err == nil {
			joined++
		} else if apim.KindOf(err) != apim.NotFound {
			t.Errorf("got %v, want the link to have ended", err)
		}
	}
	if joined != 1 || w.audited(shop.ID, "member.join") != 1 {
		t.Errorf("joined %d times with %d audit rows, want once", joined, w.audited(shop.ID, "member.join"))
	}
	for _, tenant := range []apim.ID{shop.ID, ""} {
		if check := must[apim.AuditCheck](t)(w.tenants.VerifyAudit(ctx, system, tenant)); check.Broken != "" {
			t.Errorf("the audit log of %q: %s", tenant, check.Broken)
		}
	}
}
