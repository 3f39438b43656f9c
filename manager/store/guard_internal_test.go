package store

import (
	"errors"
	"path/filepath"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

// The guard is the second line: it stops what a mistake in this package would
// let through, so it is tested with mistakes, from within.
func TestGuardStopsQueriesOutsideTheirScope(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	const own, other = apim.ID("ten_a"), apim.ID("ten_b")
	tenant := Tenant{s.writer, own}
	tenantEq := func(id apim.ID) clause.Eq {
		return clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: "tenant_id"}, Value: id}
	}
	var rows []apiRow
	for name, run := range map[string]func() *gorm.DB{
		"no scope":             func() *gorm.DB { return s.writer.WithContext(ctx).Find(&rows) },
		"read, no tenant":      func() *gorm.DB { return tenant.in(ctx).Find(&rows) },
		"read, another tenant": func() *gorm.DB { return tenant.in(ctx).Where(tenantEq(other)).Find(&rows) },
		"read, tenant in text": func() *gorm.DB { return tenant.in(ctx).Where("tenant_id = ?", own).Find(&rows) },
		"read, tenant or all":  func() *gorm.DB { return tenant.own(ctx).Or("1 = 1").Find(&rows) },
		"read, all or tenant":  func() *gorm.DB { return tenant.in(ctx).Where("1 = 1").Or(tenantEq(own)).Find(&rows) },
		"read, not the tenant": func() *gorm.DB { return tenant.in(ctx).Not(tenantEq(own)).Find(&rows) },
		"read, empty tenant":   func() *gorm.DB { return Tenant{s.writer, ""}.own(ctx).Find(&rows) },
		"read, no tenant's table": func() *gorm.DB {
			return tenant.own(ctx).Find(&[]personRow{})
		},
		"count":  func() *gorm.DB { var n int64; return tenant.in(ctx).Model(&apiRow{}).Count(&n) },
		"raw":    func() *gorm.DB { return tenant.in(ctx).Raw("SELECT * FROM api WHERE tenant_id = ?", own).Scan(&rows) },
		"exec":   func() *gorm.DB { return tenant.in(ctx).Exec("DELETE FROM api WHERE tenant_id = ?", own) },
		"update": func() *gorm.DB { return tenant.in(ctx).Model(&apiRow{}).Where("id = ?", "x").Update("name", "y") },
		"delete": func() *gorm.DB { return tenant.in(ctx).Where("id = ?", "x").Delete(&apiRow{}) },
		"insert": func() *gorm.DB { return tenant.in(ctx).Create(&apiRow{ID: "x", TenantID: other}) },
		"insert among many": func() *gorm.DB {
			return tenant.in(ctx).Create([]apiRow{{ID: "x", TenantID: own}, {ID: "y", TenantID: other}})
		},
		"insert, save":     func() *gorm.DB { return tenant.in(ctx).Save(&apiRow{ID: "x", TenantID: other}) },
		"insert, no owner": func() *gorm.DB { return tenant.in(ctx).Create(&personRow{ID: "x"}) },
		"catalog update": func() *gorm.DB {
			return Catalog{s.writer, own}.in(ctx).Model(&apiRow{}).Where("id = ?", "x").Update("name", "y")
		},
		"catalog insert": func() *gorm.DB { return Catalog{s.writer, own}.in(ctx).Create(&apiRow{ID: "x", TenantID: own}) },
		"catalog exec":   func() *gorm.DB { return Catalog{s.writer, own}.in(ctx).Exec("DELETE FROM api") },
	} {
		if err := run().Error; !errors.Is(err, errUnguarded) {
			t.Errorf("%s: got %v, want it stopped", name, err)
		}
	}
	if err := tenant.own(ctx).Where("name = ? OR slug = ?", "a", "b").Find(&rows).Error; err != nil {
		t.Errorf("a guarded query was stopped: %v", err)
	}
}

// Every table that has a tenant is known to the guard, whoever adds one.
func TestGuardKnowsEveryTenantTable(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.readPool.Query(`SELECT m.name FROM sqlite_schema m WHERE m.type = 'table'
		AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'tenant_id')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for n := 0; ; n++ {
		if !rows.Next() {
			if n < 20 {
				t.Fatalf("got %d tables", n)
			}
			return
		}
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if name != "audit_head" && len(tenantColumns(name)) == 0 { // the head is only the system's
			t.Errorf("table %s has a tenant and is not guarded", name)
		}
	}
}
