package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"portico/internal/apim"
)

type environmentRow struct {
	ID                apim.ID `gorm:"primaryKey"`
	Slug              string
	Name              string
	Kind              apim.EnvironmentKind
	GatewayURL        string
	Epoch             int64
	Sequence          int64
	PublishedEpoch    int64
	PublishedSequence int64
	Created           int64 `gorm:"column:created_at"`
	Lock              int64
	Settings          jsonOf[apim.EnvironmentSettings]
	AddressChosen     bool
}

func (environmentRow) TableName() string { return "environment" }

func (r environmentRow) domain() apim.Environment {
	return apim.Environment{
		ID: r.ID, Slug: r.Slug, Name: r.Name, Kind: r.Kind, GatewayURL: r.GatewayURL, AddressChosen: r.AddressChosen,
		Settings: r.Settings.V, Sequence: uint64(r.Sequence), Epoch: uint64(r.Epoch), CreatedAt: when(r.Created), Lock: r.Lock,
	}
}

type deletedEnvironmentRow struct {
	Slug    string `gorm:"primaryKey"`
	Epoch   int64
	Deleted int64 `gorm:"column:deleted_at"`
	Dropped int64 `gorm:"column:dropped_at"`
}

func (deletedEnvironmentRow) TableName() string { return "deleted_environment" }

// FirstEpoch returns the epoch that an environment begins with: 1, and above
// every epoch that one of the same name has had, so that no node takes what it
// kept of that one for newer.
func (s System) FirstEpoch(ctx context.Context, slug string) (uint64, error) {
	before, err := many[deletedEnvironmentRow](s.in(ctx).Where("slug = ?", slug), "deleted environment")
	if err != nil || len(before) == 0 {
		return 1, err
	}
	return uint64(before[0].Epoch) + 1, nil
}

// DeployedVersion is a version that is live, and whose it is.
type DeployedVersion struct{ Tenant, Version apim.ID }

// DeployedIn returns what is live in an environment, of all tenants.
func (s System) DeployedIn(ctx context.Context, environment string) ([]DeployedVersion, error) {
	rows, err := many[deploymentRow](s.in(ctx).Where("environment = ?", environment).Order("version_id"), "deployments")
	return sliceOf(rows, func(r deploymentRow) DeployedVersion { return DeployedVersion{r.TenantID, r.VersionID} }), err
}

// KeysIn counts the keys of an environment that are not revoked, by tenant.
func (s System) KeysIn(ctx context.Context, environment string) (map[apim.ID]int, error) {
	var rows []struct {
		TenantID apim.ID
		N        int
	}
	err := s.in(ctx).Model(&credentialRow{}).Select("tenant_id, count(*) AS n").Where("environment = ? AND revoked_at = 0", environment).Group("tenant_id").Find(&rows).Error
	out := map[apim.ID]int{}
	for _, r := range rows {
		out[r.TenantID] = r.N
	}
	return out, away(err)
}

// DeleteEnvironment removes an environment with its entries, enrolment tokens,
// key, certificates, values and the API keys made for it. What is deployed or enrolled there
// has to be gone. The bus is to drop what it carries of it.
func (s System) DeleteEnvironment(ctx context.Context, e apim.Environment, at time.Time) error {
	in := func() *gorm.DB { return s.in(ctx).Where("environment = ?", e.Slug) }
	for _, gone := range []func() (int64, error){
		func() (int64, error) { return remove[credentialRow](in(), "keys") },
		func() (int64, error) { return remove[splitRow](in(), "splits") },
		func() (int64, error) { return remove[environmentValueRow](in(), "values") },
		func() (int64, error) { return remove[enrolmentRow](in(), "enrolments") },
		func() (int64, error) { return remove[environmentKeyRow](in(), "environment key") },
		func() (int64, error) { return remove[certificateHostRow](in(), "hosts of certificates") },
		func() (int64, error) { return remove[certificateRow](in(), "certificates") },
		func() (int64, error) { return remove[entryRow](in(), "entries") },
		func() (int64, error) {
			return remove[environmentRow](s.in(ctx).Where("slug = ? AND lock = ?", e.Slug, e.Lock), "environment")
		},
		func() (int64, error) {
			return remove[deletedEnvironmentRow](s.in(ctx).Where("slug = ?", e.Slug), "deleted environment")
		},
	} {
		if _, err := gone(); err != nil {
			return err
		}
	}
	return insert(s.in(ctx), "deleted environment", &deletedEnvironmentRow{Slug: e.Slug, Epoch: int64(e.Epoch), Deleted: micros(at)})
}

// EnvironmentsToDrop returns the slugs of deleted environments that the bus
// still carries.
func (s *Store) EnvironmentsToDrop(ctx context.Context) ([]string, error) {
	rows, err := many[deletedEnvironmentRow](s.System().in(ctx).Where("dropped_at = 0").Order("slug"), "deleted environments")
	return sliceOf(rows, func(r deletedEnvironmentRow) string { return r.Slug }), err
}

// EnvironmentDropped says that the bus carries nothing of a deleted environment
// any more.
func (s *Store) EnvironmentDropped(ctx context.Context, slug string, at time.Time) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		_, err := change(tx.System().in(ctx).Where("slug = ?", slug), "deleted environment", &deletedEnvironmentRow{Dropped: micros(at)}, "dropped_at")
		return err
	})
}

// InsertEnvironment adds an environment. Its first epoch is FirstEpoch.
func (s System) InsertEnvironment(ctx context.Context, e apim.Environment) error {
	return insert(s.in(ctx), "environment", &environmentRow{
		ID: e.ID, Slug: e.Slug, Name: e.Name, Kind: e.Kind, GatewayURL: e.GatewayURL,
		Epoch: int64(e.Epoch), Sequence: int64(e.Sequence), PublishedEpoch: int64(e.Epoch), Created: micros(e.CreatedAt), Lock: e.Lock,
		Settings: jsonOf[apim.EnvironmentSettings]{e.Settings}, AddressChosen: e.AddressChosen,
	})
}

// UpdateEnvironment writes name, gateway URL and settings.
func (s System) UpdateEnvironment(ctx context.Context, e *apim.Environment) error {
	row := environmentRow{Name: e.Name, GatewayURL: e.GatewayURL, AddressChosen: e.AddressChosen, Settings: jsonOf[apim.EnvironmentSettings]{e.Settings}, Lock: e.Lock + 1}
	if err := update(s.in(ctx).Where("id = ?", e.ID), "environment", &row, e.Lock, "name", "gateway_url", "address_chosen", "settings"); err != nil {
		return err
	}
	e.Lock++
	return nil
}

// Environment returns an environment by its slug.
func (s System) Environment(ctx context.Context, slug string) (apim.Environment, error) {
	row, err := one[environmentRow](s.in(ctx).Where("slug = ?", slug), "environment")
	return row.domain(), err
}

// Environments returns all environments in the order they were made.
func (s System) Environments(ctx context.Context) ([]apim.Environment, error) {
	rows, err := many[environmentRow](s.in(ctx).Order("id"), "environments")
	return sliceOf(rows, environmentRow.domain), err
}

// EnvironmentSlugs returns the slugs of all environments.
func (s *Store) EnvironmentSlugs(ctx context.Context) ([]string, error) {
	rows, err := many[environmentRow](s.System().in(ctx).Select("slug").Order("id"), "environments")
	return sliceOf(rows, func(r environmentRow) string { return r.Slug }), err
}

type environmentValueRow struct {
	TenantID    apim.ID `gorm:"primaryKey"`
	Environment string  `gorm:"primaryKey"`
	Name        string  `gorm:"primaryKey"`
	Value       string
	Secret      bool
	Sealed      []byte
	UpdatedBy   string
	Updated     int64 `gorm:"column:updated_at"`
}

func (environmentValueRow) TableName() string { return "environment_value" }

func (r environmentValueRow) domain() apim.EnvironmentValue {
	return apim.EnvironmentValue{
		Tenant: r.TenantID, Environment: r.Environment, Name: r.Name, Value: r.Value, Secret: r.Secret, Sealed: r.Sealed,
		UpdatedBy: r.UpdatedBy, UpdatedAt: when(r.Updated),
	}
}

// Values returns the tenant's values in an environment, by name.
func (t Tenant) Values(ctx context.Context, environment string) ([]apim.EnvironmentValue, error) {
	rows, err := many[environmentValueRow](t.own(ctx).Where("environment = ?", environment).Order("name"), "values")
	return sliceOf(rows, environmentValueRow.domain), err
}

// SetValue writes a value, new or not.
func (t Tenant) SetValue(ctx context.Context, v apim.EnvironmentValue) error {
	if _, err := t.DeleteValue(ctx, v.Environment, v.Name); err != nil {
		return err
	}
	return insert(t.in(ctx), "value", &environmentValueRow{
		TenantID: t.id, Environment: v.Environment, Name: v.Name, Value: v.Value, Secret: v.Secret, Sealed: append([]byte{}, v.Sealed...),
		UpdatedBy: v.UpdatedBy, Updated: micros(v.UpdatedAt),
	})
}

// DeleteValue removes a value, and reports whether there was one.
func (t Tenant) DeleteValue(ctx context.Context, environment, name string) (bool, error) {
	n, err := remove[environmentValueRow](t.own(ctx).Where("environment = ? AND name = ?", environment, name), "value")
	return n > 0, err
}

// LiveIn returns what is deployed of the tenant in an environment.
func (t Tenant) LiveIn(ctx context.Context, environment string) ([]apim.Deployment, error) {
	rows, err := many[deploymentRow](t.own(ctx).Where("environment = ?", environment).Order("version_id"), "deployments")
	return sliceOf(rows, deploymentRow.domain), err
}

// SealedIn returns the tenants that have secret values in an environment.
func (s System) SealedIn(ctx context.Context, environment string) ([]apim.ID, error) {
	var out []apim.ID
	err := s.in(ctx).Model(&environmentValueRow{}).Where("environment = ? AND secret", environment).Distinct().Order("tenant_id").Pluck("tenant_id", &out).Error
	if err != nil {
		return nil, fmt.Errorf("list tenants with secrets: %w", away(err))
	}
	return out, nil
}
