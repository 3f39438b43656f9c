package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/test/postgres"
)

// The neighbour test: every method of a tenant's scope, found by reflection,
// is called in tenant B's with everything that is A's. Nothing of A's may come
// back, and nothing of it may change.
func TestNeighbourSeesAndChangesNothing(t *testing.T) {
	postgres.Both(t, testNeighbourSeesAndChangesNothing)
}

func testNeighbourSeesAndChangesNothing(t *testing.T, place postgres.Place) {
	address := place(t)
	s := openAt(t, address)
	environment(t, s, "production")
	a := populate(t, s, "a")
	b := tenant(t, s, "b")
	before := rowsOf(t, address, a.tenant.ID)
	if len(before) < 20 {
		t.Fatalf("got %d rows of A, want one of everything", len(before))
	}

	undo := errors.New("undo")
	typ := reflect.TypeFor[store.Tenant]()
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		t.Run(m.Name, func(t *testing.T) {
			for _, args := range arguments(t, m.Type, a, b.ID) {
				var out []reflect.Value
				err := s.Write(t.Context(), func(tx *store.Tx) error {
					in := append([]reflect.Value{reflect.ValueOf(tx.Tenant(b.ID)), reflect.ValueOf(t.Context())}, args...)
					out = m.Func.Call(in)
					if after := inTransaction(t, tx, a); after != "" {
						t.Errorf("changed %s of A", after)
					}
					return undo
				})
				if !errors.Is(err, undo) {
					t.Fatal(err)
				}
				if leak := leaked(out, args); leak != "" {
					t.Errorf("with %s: gave away %s", show(args), leak)
				}
			}
		})
	}
	if after := rowsOf(t, address, a.tenant.ID); !reflect.DeepEqual(before, after) {
		t.Errorf("rows of A changed\nbefore: %v\nafter:  %v", before, after)
	}
}

// arguments are the calls to try: for every argument that is an id or a text,
// everything of A's; for a struct, A's own, and A's under B's name.
func arguments(t *testing.T, fn reflect.Type, a full, b apim.ID) [][]reflect.Value {
	t.Helper()
	theirs := []apim.ID{
		a.person.ID, a.token.ID, a.team.ID, a.invitation.ID, a.document.ID, a.imported.ID, a.api.ID, a.version.ID, a.revision.ID, a.product.ID, a.plan.ID,
		a.application.ID, a.credential.ID, a.subscription.ID, a.tenant.ID,
	}
	var out [][]reflect.Value
	for _, id := range theirs {
		for _, asB := range []bool{false, true} {
			var args []reflect.Value
			for i := 2; i < fn.NumIn(); i++ {
				args = append(args, argument(t, fn.In(i), id, a, asB, b))
			}
			out = append(out, args)
		}
	}
	for _, text := range []string{a.api.Slug, a.team.Slug, a.person.Email, a.product.Slug, a.application.Slug, a.document.Digest, a.version.Label, "production"} {
		var args []reflect.Value
		for i := 2; i < fn.NumIn(); i++ {
			v := argument(t, fn.In(i), a.api.ID, a, false, b)
			if fn.In(i) == reflect.TypeFor[string]() {
				v = reflect.ValueOf(text)
			}
			args = append(args, v)
		}
		out = append(out, args)
	}
	return out
}

func argument(t *testing.T, typ reflect.Type, id apim.ID, a full, asB bool, b apim.ID) reflect.Value {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		p := reflect.New(typ.Elem())
		p.Elem().Set(argument(t, typ.Elem(), id, a, asB, b))
		return p
	}
	for _, own := range []any{
		a.member, a.team, a.teamMember, a.invitation, a.document, a.imported, a.api, a.version, a.revision, a.deployment, a.split, a.product, a.plan, a.application, a.credential, a.credential.Secrets[0], a.subscription, a.value,
	} {
		if reflect.TypeOf(own) != typ {
			continue
		}
		v := reflect.New(typ).Elem()
		v.Set(reflect.ValueOf(own))
		if tenant := v.FieldByName("Tenant"); asB && tenant.IsValid() {
			tenant.Set(reflect.ValueOf(b))
		}
		return v
	}
	switch v := reflect.New(typ).Elem(); v.Interface().(type) {
	case apim.ID:
		return reflect.ValueOf(id)
	case string:
		return reflect.ValueOf(string(id))
	case []apim.ID:
		return reflect.ValueOf([]apim.ID{id})
	case int64:
		return reflect.ValueOf(int64(3))
	case int:
		return reflect.ValueOf(3)
	case time.Time:
		return reflect.ValueOf(start)
	case apim.Reach:
		return reflect.ValueOf(apim.Reach{All: true})
	case func(apim.AuditLink) error:
		return reflect.ValueOf(func(row apim.AuditLink) error { t.Errorf("yielded %+v of A", row); return nil })
	case apim.AuditFilter, apim.UsageFilter, apim.Page, bool, apim.VersionState, store.RequestFilter, []byte, []apim.Role, []apim.Mount, []apim.Route, []apim.Finding, []store.ReferencePage:
		return v
	}
	t.Fatalf("no argument for a %s: add one to this test", typ)
	return reflect.Value{}
}

// leaked names what of the results is A's and was not among the arguments.
func leaked(out, args []reflect.Value) string {
	given := show(args)
	for _, v := range out {
		if err, ok := v.Interface().(error); ok {
			var refused *apim.Error
			if !errors.As(err, &refused) {
				continue // an internal failure is not shown to anybody
			}
		}
		raw, err := json.Marshal(v.Interface())
		if err != nil {
			return err.Error()
		}
		for _, word := range strings.FieldsFunc(string(raw), func(r rune) bool { return strings.ContainsRune(`{}[]":,`, r) }) {
			if strings.HasSuffix(word, " of a") && !strings.Contains(given, word) {
				return word
			}
		}
		if v.Kind() == reflect.Int && v.Int() > 0 {
			return fmt.Sprintf("a count of %d", v.Int())
		}
	}
	return ""
}

// holder returns the version that holds a mount.
func holder(ctx context.Context, tx *store.Tx, m apim.Mount) (apim.ID, error) {
	holders, err := tx.System().MountHolders(ctx, m)
	if err != nil || len(holders) == 0 {
		return "", err
	}
	return holders[0].Version, nil
}

func show(args []reflect.Value) string {
	var b strings.Builder
	for _, a := range args {
		raw, _ := json.Marshal(a.Interface())
		b.Write(raw)
	}
	return b.String()
}

// inTransaction names what of A's differs within a transaction, "" for nothing.
func inTransaction(t *testing.T, tx *store.Tx, a full) string {
	t.Helper()
	ctx, ten := t.Context(), tx.Tenant(a.tenant.ID)
	for name, load := range map[string]func() (any, any, error){
		"API":        func() (any, any, error) { v, err := ten.API(ctx, string(a.api.ID)); return a.api, v, err },
		"version":    func() (any, any, error) { v, err := ten.Version(ctx, a.version.ID); return a.version, v, err },
		"product":    func() (any, any, error) { v, err := ten.Product(ctx, string(a.product.ID)); return a.product, v, err },
		"plan":       func() (any, any, error) { v, err := ten.Plan(ctx, a.plan.ID); return a.plan, v, err },
		"document":   func() (any, any, error) { v, err := ten.Document(ctx, a.document.ID); return a.document, v, err },
		"credential": func() (any, any, error) { v, err := ten.Credential(ctx, a.credential.ID); return a.credential, v, err },
		"subscription": func() (any, any, error) {
			v, err := ten.SubscriptionTo(ctx, a.subscription.ID)
			return a.subscription, v, err
		},
		"application": func() (any, any, error) {
			v, err := ten.Application(ctx, string(a.application.ID))
			return a.application, v, err
		},
		"deployment": func() (any, any, error) {
			v, err := ten.Deployments(ctx, []apim.ID{a.version.ID})
			return []apim.Deployment{a.deployment}, v[a.version.ID], err
		},
		"split": func() (any, any, error) { v, err := ten.Split(ctx, a.version.ID, "production"); return a.split, v, err },
		"value": func() (any, any, error) {
			v, err := ten.Values(ctx, "production")
			return []apim.EnvironmentValue{a.value}, v, err
		},
		"mount": func() (any, any, error) {
			v, err := holder(ctx, tx, apim.Mount{BasePath: "/a/a"})
			return a.version.ID, v, err
		},
	} {
		want, got, err := load()
		if err != nil && strings.Contains(err.Error(), "SQLSTATE 25P02") {
			return "" // PostgreSQL: a statement failed before, the transaction has done nothing and can only end
		}
		if err != nil || !reflect.DeepEqual(want, got) {
			return fmt.Sprintf("%s: %v (%v)", name, got, err)
		}
	}
	return ""
}

// rowsOf dumps every row of a tenant, by another connection.
func rowsOf(t *testing.T, address string, tenant apim.ID) map[string]string {
	t.Helper()
	db := postgres.SQL(t, address)
	out := map[string]string{}
	for _, table := range postgres.TenantTables(t, db) {
		rows, err := db.Query(`SELECT * FROM "`+table+`" WHERE tenant_id = $1 ORDER BY 1, 2, 3`, string(tenant))
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for n := 0; rows.Next(); n++ {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			line := ""
			for _, v := range values {
				line += fmt.Sprintf("%v|", *v.(*any))
			}
			out[fmt.Sprintf("%s %d", table, n)] = line
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The catalog shows a neighbour what is public, and of that nothing more.
func TestCatalogShowsOnlyWhatIsVisible(t *testing.T) {
	postgres.Both(t, testCatalogShowsOnlyWhatIsVisible)
}

func testCatalogShowsOnlyWhatIsVisible(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	a := populate(t, s, "a") // its product is listed and private
	ctx := t.Context()
	for _, reader := range []apim.ID{"", id(apim.PrefixTenant)} {
		cat := s.Catalog(reader)
		for name, err := range map[string]error{
			"offer":            second(cat.Offer(ctx, "a", a.product.Slug)),
			"offer by id":      second(cat.OfferByID(ctx, a.product.ID)),
			"plan":             second(cat.PlanByID(ctx, a.plan.ID)),
			"version":          second(cat.Version(ctx, a.version.ID)),
			"version by label": second(cat.VersionByLabel(ctx, "a", a.api.Slug, a.version.Label)),
		} {
			if apim.KindOf(err) != apim.NotFound {
				t.Errorf("reader %q: %s: got %v, want not found", reader, name, err)
			}
		}
		list, err := cat.Offers(ctx, "", apim.Page{})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("reader %q: got %v, %v, want no offers", reader, list.Items, err)
		}
		if plans, err := cat.Plans(ctx, []apim.ID{a.product.ID}); err != nil || len(plans) != 0 {
			t.Errorf("reader %q: got %v, %v, want no plans", reader, plans, err)
		}
		if labels, err := cat.Siblings(ctx, a.api.ID); err != nil || len(labels) != 0 {
			t.Errorf("reader %q: got %v, %v, want no versions", reader, labels, err)
		}
	}
	if _, err := s.Catalog(a.tenant.ID).Version(ctx, a.version.ID); err != nil {
		t.Errorf("its own tenant: %v", err)
	}
}

// A shared product is shown to the tenants it is shared with, each row of it,
// and to nobody else.
func TestCatalogShowsASharedProductToWhoIsNamed(t *testing.T) {
	postgres.Both(t, testCatalogShowsASharedProductToWhoIsNamed)
}

func testCatalogShowsASharedProductToWhoIsNamed(t *testing.T, place postgres.Place) {
	s := open(t, place)
	environment(t, s, "production")
	a, b, c := populate(t, s, "a"), tenant(t, s, "b"), tenant(t, s, "c")
	ctx := t.Context()
	share := func(visibility apim.Visibility, with ...apim.ID) {
		t.Helper()
		a.product.Visibility, a.product.SharedWith = visibility, with
		write(t, s, func(tx *store.Tx) error { return tx.Tenant(a.tenant.ID).UpdateProduct(ctx, &a.product) })
	}
	shown := func(reader apim.ID) []bool {
		t.Helper()
		cat := s.Catalog(reader)
		list, err := cat.Offers(ctx, "", apim.Page{})
		if err != nil {
			t.Fatal(err)
		}
		plans, err := cat.Plans(ctx, []apim.ID{a.product.ID})
		if err != nil {
			t.Fatal(err)
		}
		labels, err := cat.Siblings(ctx, a.api.ID)
		if err != nil {
			t.Fatal(err)
		}
		out := []bool{len(list.Items) > 0, len(plans) > 0, len(labels) > 0}
		for _, err := range []error{
			second(cat.Offer(ctx, "a", a.product.Slug)), second(cat.OfferByID(ctx, a.product.ID)), second(cat.PlanByID(ctx, a.plan.ID)),
			second(cat.Version(ctx, a.version.ID)), second(cat.VersionByLabel(ctx, "a", a.api.Slug, a.version.Label)),
		} {
			if err != nil && apim.KindOf(err) != apim.NotFound {
				t.Fatal(err)
			}
			out = append(out, err == nil)
		}
		return out
	}
	all, none := []bool{true, true, true, true, true, true, true, true}, make([]bool, 8)
	for _, step := range []struct {
		name       string
		visibility apim.Visibility
		with       []apim.ID
		want       map[apim.ID][]bool
	}{
		{"with b", apim.VisibleShared, []apim.ID{b.ID}, map[apim.ID][]bool{a.tenant.ID: all, b.ID: all, c.ID: none, "": none}},
		{"with both", apim.VisibleShared, []apim.ID{b.ID, c.ID}, map[apim.ID][]bool{b.ID: all, c.ID: all, "": none}},
		{"b taken off", apim.VisibleShared, []apim.ID{c.ID}, map[apim.ID][]bool{b.ID: none, c.ID: all, "": none}},
		{"private, the list kept", apim.VisiblePrivate, []apim.ID{c.ID}, map[apim.ID][]bool{a.tenant.ID: all, b.ID: none, c.ID: none, "": none}},
	} {
		share(step.visibility, step.with...)
		for reader, want := range step.want {
			if got := shown(reader); !slices.Equal(got, want) {
				t.Errorf("%s: reader %q: got shown %v, want %v", step.name, reader, got, want)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
