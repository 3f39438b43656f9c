package store

import (
	"context"

	"portico/internal/apim"
)

type splitRow struct {
	TenantID    apim.ID
	VersionID   apim.ID `gorm:"primaryKey"`
	Environment string  `gorm:"primaryKey"`
	Stepping    bool
	Body        jsonOf[apim.Split]
	Lock        int64
}

func (splitRow) TableName() string { return "split" }

func (r splitRow) domain() apim.Split {
	s := r.Body.V
	s.Tenant, s.Version, s.Environment, s.Lock = r.TenantID, r.VersionID, r.Environment, r.Lock
	return s
}

// Split returns the split of a version of the tenant in an environment.
func (t Tenant) Split(ctx context.Context, version apim.ID, environment string) (apim.Split, error) {
	row, err := one[splitRow](t.own(ctx).Where("version_id = ? AND environment = ?", version, environment), "split")
	return row.domain(), err
}

// InsertSplit adds the split of a version of the tenant in an environment.
func (t Tenant) InsertSplit(ctx context.Context, s apim.Split) error {
	return insert(t.in(ctx), "split", &splitRow{TenantID: s.Tenant, VersionID: s.Version, Environment: s.Environment, Stepping: s.Steps.On, Body: jsonOf[apim.Split]{s}, Lock: s.Lock})
}

// UpdateSplit writes a split.
func (t Tenant) UpdateSplit(ctx context.Context, s *apim.Split) error {
	row := splitRow{Stepping: s.Steps.On, Body: jsonOf[apim.Split]{*s}, Lock: s.Lock + 1}
	if err := update(t.own(ctx).Where("version_id = ? AND environment = ?", s.Version, s.Environment), "split", &row, s.Lock, "stepping", "body"); err != nil {
		return err
	}
	s.Lock++
	return nil
}

// DeleteSplit ends the split of a version of the tenant in an environment, if
// there is one.
func (t Tenant) DeleteSplit(ctx context.Context, version apim.ID, environment string) error {
	_, err := remove[splitRow](t.own(ctx).Where("version_id = ? AND environment = ?", version, environment), "split")
	return err
}

// DeleteSplits ends all splits of a version of the tenant.
func (t Tenant) DeleteSplits(ctx context.Context, version apim.ID) error {
	_, err := remove[splitRow](t.own(ctx).Where("version_id = ?", version), "splits")
	return err
}

// SteppingSplits returns those of all tenants whose share moves by rule.
func (s System) SteppingSplits(ctx context.Context) ([]apim.Split, error) {
	rows, err := many[splitRow](s.in(ctx).Where("stepping").Order("version_id, environment"), "splits")
	return sliceOf(rows, splitRow.domain), err
}
