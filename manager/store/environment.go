package store

import (
	"context"
	"fmt"

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

// InsertEnvironment adds an environment. Its first epoch is 1.
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
