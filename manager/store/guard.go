package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

// errUnguarded is a fault of this package, never of a caller: a query that
// could have crossed its scope was stopped before the database saw it.
var errUnguarded = errors.New("query outside its scope")

// scope travels in the context of a gorm session. The zero value is none, and
// nothing may be asked in it.
type scope struct {
	kind   scopeKind
	tenant apim.ID
}

type scopeKind int

const (
	scopeTenant scopeKind = iota + 1
	scopeCatalog
	scopeSystem
)

// String returns the scope's name as PostgreSQL's policies know it.
func (k scopeKind) String() string {
	switch k {
	case scopeTenant:
		return "tenant"
	case scopeCatalog:
		return "catalog"
	case scopeSystem:
		return "system"
	}
	return ""
}

type scopeKey struct{}

func (t Tenant) in(ctx context.Context) *gorm.DB {
	return t.db.WithContext(context.WithValue(ctx, scopeKey{}, scope{scopeTenant, t.id}))
}

// own begins a query on the tenant's rows of R's table.
func (t Tenant) own(ctx context.Context) *gorm.DB {
	return t.in(ctx).Where(clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: "tenant_id"}, Value: t.id})
}

func (c Catalog) in(ctx context.Context) *gorm.DB {
	return c.db.WithContext(context.WithValue(ctx, scopeKey{}, scope{scopeCatalog, c.reader}))
}

func (s System) in(ctx context.Context) *gorm.DB {
	return s.db.WithContext(context.WithValue(ctx, scopeKey{}, scope{scopeSystem, ""}))
}

// tenantColumns names, for each table that tenants' rows lie in, the columns
// by which a tenant may reach one. Some have two sides.
func tenantColumns(table string) []string {
	switch table {
	case "subscription", "usage_minute":
		return []string{"tenant_id", "application_tenant_id"}
	case "api", "version", "revision", "deployment", "mount", "split", "operation", "product", "product_version", "product_share", "plan",
		"application", "credential", "secret", "document", "blob", "finding", "reference", "import",
		"member", "member_role", "team", "team_member", "team_role", "invitation", "idempotency", "token", "audit", "environment_value", "event":
		return []string{"tenant_id"}
	}
	return nil
}

// guard registers a callback before every statement that fails one without a
// scope, and one in a tenant's scope without that tenant's predicate.
func guard(db *gorm.DB) error {
	all := db.Callback()
	return errors.Join(
		all.Query().Before("gorm:query").Register("portico:guard", guardRead),
		all.Row().Before("gorm:row").Register("portico:guard", guardRead),
		all.Update().Before("gorm:update").Register("portico:guard", guardChange),
		all.Delete().Before("gorm:delete").Register("portico:guard", guardChange),
		all.Create().Before("gorm:create").Register("portico:guard", guardCreate),
		all.Raw().Before("gorm:raw").Register("portico:guard", guardRaw),
	)
}

func scopeOf(db *gorm.DB) scope {
	s, _ := db.Statement.Context.Value(scopeKey{}).(scope)
	if s.kind == 0 {
		stop(db, "no scope")
	}
	return s
}

func stop(db *gorm.DB, why string) {
	_ = db.AddError(fmt.Errorf("%w: %s on table %q", errUnguarded, why, db.Statement.Table))
}

func guardRead(db *gorm.DB) {
	if s := scopeOf(db); s.kind == scopeTenant {
		guardWhere(db, s)
	}
}

func guardChange(db *gorm.DB) {
	switch s := scopeOf(db); s.kind {
	case scopeTenant:
		guardWhere(db, s)
	case scopeCatalog:
		stop(db, "a change in the catalog's scope")
	}
}

func guardRaw(db *gorm.DB) {
	if s := scopeOf(db); s.kind != scopeSystem {
		stop(db, "raw SQL outside the system's scope")
	}
}

// guardWhere wants an equality of a tenant column with the scope's tenant
// among the conditions that are joined by AND, and no OR beside them.
func guardWhere(db *gorm.DB, s scope) {
	if db.Statement.SQL.Len() > 0 {
		stop(db, "raw SQL in a tenant's scope")
		return
	}
	where, _ := db.Statement.Clauses["WHERE"].Expression.(clause.Where)
	found := false
	for _, e := range where.Exprs {
		switch e := e.(type) {
		case clause.Eq:
			found = found || isTenant(db.Statement.Table, e, s.tenant)
		case clause.OrConditions:
			stop(db, "OR beside the tenant")
			return
		}
	}
	if !found {
		stop(db, "no tenant")
	}
}

func isTenant(table string, e clause.Eq, tenant apim.ID) bool {
	column, ok := e.Column.(clause.Column)
	if !ok || column.Table != clause.CurrentTable || e.Value != any(tenant) || tenant == "" {
		return false
	}
	for _, name := range tenantColumns(table) {
		if column.Name == name {
			return true
		}
	}
	return false
}

// guardCreate wants every new row to belong to the scope's tenant.
func guardCreate(db *gorm.DB) {
	s := scopeOf(db)
	if s.kind == scopeCatalog {
		stop(db, "a change in the catalog's scope")
		return
	}
	if s.kind != scopeTenant {
		return
	}
	rows := db.Statement.ReflectValue
	if rows.Kind() != reflect.Slice {
		if !belongs(db, rows, s.tenant) {
			stop(db, "a row of another tenant")
		}
		return
	}
	for i := range rows.Len() {
		if !belongs(db, reflect.Indirect(rows.Index(i)), s.tenant) {
			stop(db, "a row of another tenant")
			return
		}
	}
}

func belongs(db *gorm.DB, row reflect.Value, tenant apim.ID) bool {
	for _, name := range tenantColumns(db.Statement.Table) {
		field := db.Statement.Schema.LookUpField(name)
		if field == nil {
			continue
		}
		value, _ := field.ValueOf(db.Statement.Context, row)
		switch v := value.(type) {
		case apim.ID:
			if v == tenant && tenant != "" {
				return true
			}
		case *apim.ID:
			if v != nil && *v == tenant && tenant != "" {
				return true
			}
		}
	}
	return false
}
