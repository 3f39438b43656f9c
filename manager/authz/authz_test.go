package authz_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/authz"
	"portico/manager/store"
)

// members is a source that can change. It is safe for concurrent use.
type members struct {
	mu   sync.Mutex // guards rows and err
	rows []store.MembershipRow
	err  error
}

func (m *members) add(person, tenant apim.ID, roles ...apim.Role) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, store.MembershipRow{Tenant: tenant, Person: person})
	for _, r := range roles {
		m.rows = append(m.rows, store.MembershipRow{Tenant: tenant, Person: person, Role: r})
	}
}

func (m *members) Memberships(_ context.Context, yield func(store.MembershipRow) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if err := yield(r); err != nil {
			return err
		}
	}
	return m.err
}

func newAuthorizer(t *testing.T, m *members) *authz.Authorizer {
	t.Helper()
	a, err := authz.New(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What each role may, written out a second time: a change of the matrix is a
// change of this table.
func TestRolesMayWhatTheTableSays(t *testing.T) {
	m := &members{}
	for _, r := range apim.Roles() {
		m.add("per_"+apim.ID(r), "ten_a", r)
	}
	m.add("per_nothing", "ten_a")
	a := newAuthorizer(t, m)
	for permission, want := range map[string]string{
		"read tenant":          "owner admin provider approver consumer auditor nothing",
		"read member":          "owner admin provider approver consumer auditor nothing",
		"manage member":        "owner admin",
		"manage tenant":        "owner admin",
		"read api":             "owner admin provider approver auditor",
		"write api":            "owner admin provider",
		"publish api":          "owner admin provider",
		"read product":         "owner admin provider approver auditor",
		"write product":        "owner admin provider",
		"read subscription":    "owner admin provider approver consumer auditor",
		"approve subscription": "owner admin approver",
		"write subscription":   "owner admin consumer",
		"read application":     "owner admin consumer auditor",
		"write application":    "owner admin consumer",
		"read credential":      "owner admin consumer auditor",
		"write credential":     "owner admin consumer",
		"write token":          "owner admin provider approver consumer auditor nothing",
		"read audit":           "owner admin auditor",
		"write audit":          "owner admin",
		"read node":            "owner admin provider approver consumer auditor nothing",
	} {
		verb, object, _ := strings.Cut(permission, " ")
		var got []string
		for _, who := range append(apim.Roles(), "nothing") {
			if a.Allow(t.Context(), apim.Actor{Person: "per_" + apim.ID(who)}, "ten_a", apim.Verb(verb), apim.Object(object)) == nil {
				got = append(got, string(who))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", permission, got, want)
		}
	}
}

func TestAnotherTenantDoesNotExist(t *testing.T) {
	m := &members{}
	m.add("per_ada", "ten_a", apim.RoleOwner)
	m.add("per_bob", "ten_b", apim.RoleOwner)
	a := newAuthorizer(t, m)
	for name, c := range map[string]struct {
		actor  apim.Actor
		tenant apim.ID
		want   apim.ErrorKind
	}{
		"own":                       {apim.Actor{Person: "per_ada"}, "ten_a", ""},
		"another's":                 {apim.Actor{Person: "per_ada"}, "ten_b", apim.NotFound},
		"nobody's":                  {apim.Actor{Person: "per_ada"}, "ten_c", apim.NotFound},
		"installation":              {apim.Actor{Person: "per_ada"}, "", apim.Forbidden},
		"nobody":                    {apim.Actor{}, "ten_a", apim.SignIn},
		"a name alone":              {apim.Actor{Name: "per_ada"}, "ten_a", apim.SignIn},
		"a token alone":             {apim.Actor{Token: "tok_1"}, "ten_a", apim.NotFound},
		"token, its tenant":         {apim.Actor{Person: "per_ada", Token: "tok_1", Tenant: "ten_a"}, "ten_a", ""},
		"token, another":            {apim.Actor{Person: "per_ada", Token: "tok_1", Tenant: "ten_b"}, "ten_a", apim.NotFound},
		"operator":                  {apim.Actor{Person: "per_op", Operator: true}, "ten_b", ""},
		"operator, installation":    {apim.Actor{Person: "per_op", Operator: true}, "", ""},
		"operator's token, limited": {apim.Actor{Person: "per_op", Operator: true, Tenant: "ten_a"}, "ten_b", apim.NotFound},
		"operator's token, above":   {apim.Actor{Person: "per_op", Operator: true, Tenant: "ten_a"}, "", apim.Forbidden},
		"the program":               {apim.Actor{System: true}, "ten_b", ""},
		"a person called a tenant":  {apim.Actor{Person: "ten_a"}, "ten_a", apim.NotFound},
		"a person called a role":    {apim.Actor{Person: "owner"}, "ten_a", apim.NotFound},
		"a person called member":    {apim.Actor{Person: "member"}, "ten_a", apim.NotFound},
	} {
		if got := apim.KindOf(a.Allow(t.Context(), c.actor, c.tenant, apim.Write, apim.ObjectAPI)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestRefusalNamesTheRoleToAskFor(t *testing.T) {
	m := &members{}
	m.add("per_carl", "ten_a", apim.RoleConsumer)
	err := newAuthorizer(t, m).Allow(t.Context(), apim.Actor{Person: "per_carl"}, "ten_a", apim.Approve, apim.ObjectSubscription)
	if got, want := err.Error(), "you may not approve subscriptions here; it needs the role approver, admin or owner"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChangedRolesHoldAfterAReload(t *testing.T) {
	m := &members{}
	a := newAuthorizer(t, m)
	actor := apim.Actor{Person: "per_ada"}
	if got := apim.KindOf(a.Allow(t.Context(), actor, "ten_a", apim.Read, apim.ObjectAPI)); got != apim.NotFound {
		t.Fatalf("got %q", got)
	}
	m.add("per_ada", "ten_a", apim.RoleProvider)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				_ = a.Allow(t.Context(), actor, "ten_a", apim.Read, apim.ObjectAPI)
				if err := a.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := a.Allow(t.Context(), actor, "ten_a", apim.Read, apim.ObjectAPI); err != nil {
		t.Error(err)
	}
	if !a.Belongs("per_ada", "ten_a") || a.Belongs("per_ada", "ten_b") || a.Belongs("", "ten_a") {
		t.Error("membership is wrong")
	}
	m.mu.Lock()
	m.err = errors.New("database away")
	m.mu.Unlock()
	if err := a.Reload(t.Context()); err == nil {
		t.Error("a failed reload was silent")
	}
	if err := a.Allow(t.Context(), actor, "ten_a", apim.Read, apim.ObjectAPI); err != nil {
		t.Errorf("after a failed reload: %v, want what was known", err)
	}
}

// Of two reloads at once the one that read first must not be kept last: it may
// not know of the change that the other was made for.
func TestReloadThatReadEarlierIsNotKeptOverALaterOne(t *testing.T) {
	m := &members{}
	slow := &slowSource{members: m, read: make(chan struct{}), goOn: make(chan struct{})}
	a, err := authz.New(t.Context(), slow)
	if err != nil {
		t.Fatal(err)
	}
	slow.slow.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Reload(t.Context()) })
	<-slow.read // before the change
	m.add("per_ada", "ten_a", apim.RoleProvider)
	later := make(chan struct{})
	wg.Go(func() {
		defer close(later)
		_ = a.Reload(t.Context())
	})
	select {
	case <-later:
	case <-time.After(50 * time.Millisecond): // it waits for the first
	}
	close(slow.goOn)
	wg.Wait()
	if err := a.Allow(t.Context(), apim.Actor{Person: "per_ada"}, "ten_a", apim.Read, apim.ObjectAPI); err != nil {
		t.Errorf("after both reloads: %v", err)
	}
}

// slowSource takes long over one answer, once slow is set.
type slowSource struct {
	*members
	slow       atomic.Bool
	read, goOn chan struct{}
}

func (s *slowSource) Memberships(ctx context.Context, yield func(store.MembershipRow) error) error {
	err := s.members.Memberships(ctx, yield)
	if s.slow.CompareAndSwap(true, false) {
		close(s.read)
		<-s.goOn
	}
	return err
}

// contextSource answers as a database does: not to who has left.
type contextSource struct{ *members }

func (s contextSource) Memberships(ctx context.Context, yield func(store.MembershipRow) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.members.Memberships(ctx, yield)
}

// The change is committed when the reload begins: that the browser which made
// it has gone must not leave permissions as they were.
func TestReloadOutlivesTheRequestThatMadeTheChange(t *testing.T) {
	m := &members{}
	a, err := authz.New(t.Context(), contextSource{m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	m.add("per_ada", "ten_a", apim.RoleProvider)
	if err := a.Reload(ctx); err != nil {
		t.Error(err)
	}
	if !a.Belongs("per_ada", "ten_a") {
		t.Error("the change is not known")
	}
}

func BenchmarkAllow(b *testing.B) {
	m := &members{}
	for i := range 10_000 {
		m.add(apim.NewID(apim.PrefixPerson, testTime(i)), apim.NewID(apim.PrefixTenant, testTime(i)), apim.RoleOwner)
	}
	m.add("per_ada", "ten_a", apim.RoleProvider)
	a, err := authz.New(b.Context(), m)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := a.Allow(b.Context(), apim.Actor{Person: "per_ada"}, "ten_a", apim.Publish, apim.ObjectAPI); err != nil {
			b.Fatal(err)
		}
	}
}

func testTime(i int) time.Time { return time.UnixMilli(int64(i)) }

// A role on a team or an object lets do there what it says, and nowhere else.
func TestRoleOnATeamOrObjectHoldsThereAlone(t *testing.T) {
	m := &members{}
	m.add("per_ada", "ten_a")
	m.rows = append(m.rows,
		store.MembershipRow{Tenant: "ten_a", Person: "per_ada", Role: apim.RoleProvider, On: "team_1"},
		store.MembershipRow{Tenant: "ten_a", Person: "per_ada", Role: apim.RoleAuditor, On: "api_7"},
		store.MembershipRow{Tenant: "ten_a", Person: "per_ada", Role: apim.RoleAdmin, On: "team_2"},
	)
	a := newAuthorizer(t, m)
	ada := apim.Actor{Person: "per_ada"}
	for name, c := range map[string]struct {
		verb   apim.Verb
		object apim.Object
		places []apim.ID
		want   apim.ErrorKind
	}{
		"the team's API":              {apim.Publish, apim.ObjectAPI, []apim.ID{"api_1", "team_1"}, ""},
		"another team's":              {apim.Publish, apim.ObjectAPI, []apim.ID{"api_3", "team_3"}, apim.NotFound},
		"nobody's":                    {apim.Publish, apim.ObjectAPI, []apim.ID{"api_4", ""}, apim.NotFound},
		"one that may only be read":   {apim.Publish, apim.ObjectAPI, []apim.ID{"api_7", ""}, apim.Forbidden},
		"to read that one":            {apim.Read, apim.ObjectAPI, []apim.ID{"api_7", ""}, ""},
		"all of the tenant":           {apim.Publish, apim.ObjectAPI, nil, apim.Forbidden},
		"the team's decisions":        {apim.Approve, apim.ObjectSubscription, []apim.ID{"prod_1", "team_1"}, apim.Forbidden},
		"roles in the team of admins": {apim.Manage, apim.ObjectMember, []apim.ID{"team_2"}, ""},
		"roles in the other":          {apim.Manage, apim.ObjectMember, []apim.ID{"team_1"}, apim.Forbidden},
		"what is the tenant's alone":  {apim.Read, apim.ObjectAudit, []apim.ID{"team_2"}, apim.Forbidden},
	} {
		if got := apim.KindOf(a.Allow(t.Context(), ada, "ten_a", c.verb, c.object, c.places...)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	reach, err := a.Reach(t.Context(), ada, "ten_a", apim.Read, apim.ObjectAPI)
	if err != nil || reach.All || len(reach.In) != 3 {
		t.Errorf("got %+v, %v, want three places", reach, err)
	}
	if _, err := a.Reach(t.Context(), ada, "ten_a", apim.Approve, apim.ObjectNode); apim.KindOf(err) != apim.Forbidden {
		t.Errorf("got %v, want nowhere to be refused", err)
	}
	if _, err := a.Reach(t.Context(), ada, "ten_b", apim.Read, apim.ObjectAPI); apim.KindOf(err) != apim.NotFound {
		t.Errorf("got %v, want no such tenant", err)
	}
}

// Whatever a person or an operator may, their token may as far as its scopes go.
func TestScopesNarrowAndNeverWiden(t *testing.T) {
	m := &members{}
	m.add("per_ada", "ten_a", apim.RoleConsumer)
	a := newAuthorizer(t, m)
	for _, c := range []struct {
		actor  apim.Actor
		verb   apim.Verb
		object apim.Object
		want   apim.ErrorKind
	}{
		{apim.Actor{Person: "per_ada", Token: "tok", Scopes: apim.Scopes{"* *"}}, apim.Write, apim.ObjectAPI, apim.Forbidden},
		{apim.Actor{Person: "per_ada", Token: "tok", Scopes: apim.Scopes{"* *"}}, apim.Write, apim.ObjectApplication, ""},
		{apim.Actor{Person: "per_ada", Token: "tok", Scopes: apim.Scopes{"read *"}}, apim.Write, apim.ObjectApplication, apim.Forbidden},
		{apim.Actor{Person: "per_ada", Token: "tok", Scopes: apim.Scopes{"write application"}}, apim.Read, apim.ObjectApplication, ""},
		{apim.Actor{Token: "tok", Operator: true, Scopes: apim.Scopes{"publish api"}}, apim.Publish, apim.ObjectAPI, ""},
		{apim.Actor{Token: "tok", Operator: true, Scopes: apim.Scopes{"publish api"}}, apim.Write, apim.ObjectAPI, apim.Forbidden},
		{apim.Actor{Token: "tok", Operator: true, Scopes: apim.Scopes{"publish api"}}, apim.Read, apim.ObjectTenant, ""},
	} {
		if got := apim.KindOf(a.Allow(t.Context(), c.actor, "ten_a", c.verb, c.object)); got != c.want {
			t.Errorf("%v to %s %s: got %q, want %q", c.actor.Scopes, c.verb, c.object, got, c.want)
		}
	}
}
