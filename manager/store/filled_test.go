package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
)

// fill gives every field of a value something that is not zero.
func fill(v reflect.Value, name string, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(start.Add(time.Duration(*n) * time.Second)))
		return
	case json.RawMessage:
		v.SetBytes(strconv.AppendInt(nil, int64(*n), 10))
		return
	case time.Duration:
		v.SetInt(int64(time.Duration(*n) * time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d of a", name, *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), name, n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name, n)
		}
	default:
		panic("no filling for " + v.Type().String())
	}
}

func filled[T any](n *int, change func(*T)) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), "value", n)
	change(&v)
	return v
}

// zero names the first field of a value that is zero, "" for none.
func zero(v reflect.Value, name string) string {
	if _, isTime := v.Interface().(time.Time); !isTime && v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if z := zero(v.Field(i), name+"."+v.Type().Field(i).Name); z != "" {
				return z
			}
		}
		return ""
	}
	if v.IsZero() {
		return name
	}
	return ""
}

// full is one of everything that a tenant can have, every field filled.
type full struct {
	tenant       apim.Tenant
	person       apim.Person
	member       apim.Member
	token        apim.Token
	team         apim.Team
	teamMember   apim.TeamMember
	invitation   apim.Invitation
	session      apim.Session
	document     apim.Document
	finding      apim.Finding
	imported     apim.Import
	api          apim.API
	version      apim.Version
	revision     apim.Revision
	deployment   apim.Deployment
	split        apim.Split
	product      apim.Product
	plan         apim.Plan
	application  apim.Application
	credential   apim.Credential
	subscription apim.Subscription
	audit        apim.Audit
	value        apim.EnvironmentValue
	event        apim.Event
	usage        apim.Usage
}

// populate stores one of everything for a new tenant. Its subscription is of
// its own application to its own product.
func populate(t testing.TB, s *store.Store, slug string) full {
	t.Helper()
	ctx, n := t.Context(), 0
	var f full
	f.tenant = filled(&n, func(v *apim.Tenant) { v.ID, v.Slug, v.KeyPrefix = id(apim.PrefixTenant), slug, "keys"+slug })
	own := f.tenant.ID
	f.person = filled(&n, func(v *apim.Person) { v.ID, v.Email = id(apim.PrefixPerson), slug+"@example.org" })
	f.member = filled(&n, func(v *apim.Member) {
		v.Tenant, v.Person, v.Name, v.Email, v.Roles = own, f.person.ID, f.person.Name, f.person.Email, []apim.Role{apim.RoleAdmin, apim.RoleApprover}
		v.SignedIn = f.person.SignedIn
	})
	f.team = filled(&n, func(v *apim.Team) {
		v.ID, v.Tenant, v.Slug, v.Roles = id(apim.PrefixTeam), own, "team-"+slug, []apim.Role{apim.RoleProvider, apim.RoleApprover}
	})
	f.teamMember = filled(&n, func(v *apim.TeamMember) {
		v.Tenant, v.Team, v.Person, v.Name, v.Email = own, f.team.ID, f.person.ID, f.person.Name, f.person.Email
	})
	f.member.Teams = []apim.ID{f.team.ID}
	f.invitation = filled(&n, func(v *apim.Invitation) { v.ID, v.Tenant = id(apim.PrefixInvitation), own })
	f.session = filled(&n, func(v *apim.Session) { v.ID, v.Person, v.Use = id(apim.PrefixSession), f.person.ID, "console" })
	f.token = filled(&n, func(v *apim.Token) { v.ID, v.Tenant, v.Person = id(apim.PrefixToken), own, f.person.ID })
	f.document = filled(&n, func(v *apim.Document) { v.ID, v.Tenant, v.State = id(apim.PrefixDocument), own, apim.Loaded })
	f.finding = filled(&n, func(*apim.Finding) {})
	f.imported = filled(&n, func(v *apim.Import) {
		v.ID, v.Tenant, v.Document, v.Findings = id(apim.PrefixImport), own, f.document, []apim.Finding{f.finding}
	})
	f.api = filled(&n, func(v *apim.API) { v.ID, v.Tenant, v.Team, v.Slug = id(apim.PrefixAPI), own, f.team.ID, "api-"+slug })
	f.version = filled(&n, func(v *apim.Version) {
		v.ID, v.Tenant, v.API, v.Document = id(apim.PrefixVersion), own, f.api.ID, f.document.ID
		v.State = apim.Deprecated
	})
	f.revision = filled(&n, func(v *apim.Revision) {
		v.ID, v.Tenant, v.Version, v.Document, v.Number = id(apim.PrefixRevision), own, f.version.ID, f.document.ID, 3
	})
	f.deployment = filled(&n, func(v *apim.Deployment) { v.Version, v.Environment, v.Revision = f.version.ID, "production", 3 })
	f.split = filled(&n, func(v *apim.Split) { v.Tenant, v.Version, v.Environment = own, f.version.ID, "production" })
	f.product = filled(&n, func(v *apim.Product) {
		v.ID, v.Tenant, v.Team, v.Versions, v.Visibility = id(apim.PrefixProduct), own, f.team.ID, []apim.ID{f.version.ID}, apim.VisiblePrivate
		v.SharedWith = []apim.ID{own}
	})
	f.plan = filled(&n, func(v *apim.Plan) {
		v.ID, v.Tenant, v.Product, v.State = id(apim.PrefixPlan), own, f.product.ID, apim.PlanPublished
	})
	f.application = filled(&n, func(v *apim.Application) {
		v.ID, v.Tenant, v.Team, v.Slug = id(apim.PrefixApplication), own, f.team.ID, "app-"+slug
	})
	f.credential = filled(&n, func(v *apim.Credential) {
		v.ID, v.Tenant, v.Application, v.Environment = id(apim.PrefixCredential), own, f.application.ID, "production"
		for i := range v.Secrets {
			v.Secrets[i].ID, v.Secrets[i].Hash = id(apim.PrefixSecret), fmt.Sprintf("hash %d of %s", i, slug)
		}
		if v.Secrets[1].ID < v.Secrets[0].ID {
			v.Secrets[0].ID, v.Secrets[1].ID = v.Secrets[1].ID, v.Secrets[0].ID
		}
	})
	f.subscription = filled(&n, func(v *apim.Subscription) {
		v.ID, v.Tenant, v.ApplicationTenant, v.Application = id(apim.PrefixSubscription), own, own, f.application.ID
		v.Product, v.Plan, v.State = f.product.ID, f.plan.ID, apim.Pending
	})
	f.audit = filled(&n, func(v *apim.Audit) {
		v.ID, v.Tenant, v.Actor.Tenant, v.Actor.Scopes = id(apim.PrefixAudit), own, "", nil
	})
	f.value = filled(&n, func(v *apim.EnvironmentValue) { v.Tenant, v.Environment = own, "production" })
	f.event = filled(&n, func(v *apim.Event) { v.ID, v.Tenant = id(apim.PrefixEvent), own })

	f.usage = filled(&n, func(v *apim.Usage) {
		v.Tenant, v.ApplicationTenant, v.Environment, v.Minute = own, own, "production", start.Truncate(time.Minute)
		v.Version, v.Application, v.Status = f.version.ID, f.application.ID, 200
		v.Took = make([]int64, apim.UsageBuckets)
		for i := range v.Took {
			v.Took[i] = int64(i + 1)
		}
	})

	body, err := store.Compress([]byte("document of " + slug))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, func(tx *store.Tx) error {
		sys, ten := tx.System(), tx.Tenant(own)
		for _, step := range []func() error{
			func() error { return sys.InsertTenant(ctx, f.tenant) },
			func() error { return sys.InsertPerson(ctx, f.person, "hash of a password") },
			func() error { return ten.InsertMember(ctx, f.member) },
			func() error { return ten.InsertTeam(ctx, f.team) },
			func() error { return ten.InsertTeamMember(ctx, f.teamMember) },
			func() error { return ten.InsertInvitation(ctx, f.invitation, "hash of invitation of "+slug) },
			func() error { return sys.InsertToken(ctx, f.token, "hash of token of "+slug, false) },
			func() error { return ten.InsertDocument(ctx, f.document, body) },
			func() error { return ten.SetFindings(ctx, f.document.ID, []apim.Finding{f.finding}) },
			func() error {
				return ten.PutReferences(ctx, f.document.ID, []store.ReferencePage{{Kind: "operation", Name: "op", Body: body}})
			},
			func() error { return ten.InsertImport(ctx, f.imported) },
			func() error { return ten.InsertAPI(ctx, f.api) },
			func() error { return ten.InsertVersion(ctx, f.version) },
			func() error { return ten.InsertRevision(ctx, f.revision) },
			func() error { return ten.Deploy(ctx, f.deployment) },
			func() error { return ten.InsertSplit(ctx, f.split) },
			func() error { return ten.SetMounts(ctx, f.version.ID, []apim.Mount{{BasePath: "/" + slug + "/a"}}) },
			func() error { return ten.SetOperations(ctx, f.version.ID, f.version.Runtime.Routes) },
			func() error { return ten.InsertProduct(ctx, f.product) },
			func() error { return ten.InsertPlan(ctx, f.plan) },
			func() error { return ten.InsertApplication(ctx, f.application) },
			func() error { return ten.InsertCredential(ctx, f.credential) },
			func() error { return ten.InsertSubscription(ctx, f.subscription) },
			func() error { return ten.SetValue(ctx, f.value) },
			func() error { return sys.InsertEvent(ctx, f.event) },
			func() error { return sys.Audit(ctx, f.audit) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	piece := apim.UsagePiece{Environment: f.usage.Environment, Node: "node", Spool: "spool of " + slug, Segment: 1, From: 0, To: 2, Lines: []apim.Usage{f.usage}}
	if fresh, err := s.CountUsage(ctx, []apim.UsagePiece{piece}, start); err != nil || !fresh[0] {
		t.Fatal(fresh, err)
	}
	counted, err := s.System().Usage(ctx, apim.UsageFilter{Version: f.version.ID}, apim.Page{})
	if err != nil || len(counted.Items) != 1 {
		t.Fatal(counted, err)
	}
	f.usage.ID = counted.Items[0].ID // it is made of the rest
	sessions := s.Sessions("console", func() time.Time { return start })
	if err := sessions.CommitSession(ctx, "token of "+slug, []byte("data"), f.session.ExpiresAt, f.session); err != nil {
		t.Fatal(err)
	}
	once := store.Once{Tenant: own, Owner: f.token.ID, Key: "key", Attempt: "first"}
	if _, mine, err := s.BeginOnce(ctx, once, "print", start, start.Add(time.Minute), start.Add(time.Hour), 10); err != nil || !mine {
		t.Fatal(mine, err)
	}
	return f
}
