package store

import (
	"context"

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
}

func (environmentRow) TableName() string { return "environment" }

func (r environmentRow) domain() apim.Environment {
	return apim.Environment{
		ID: r.ID, Slug: r.Slug, Name: r.Name, Kind: r.Kind, GatewayURL: r.GatewayURL,
		Sequence: uint64(r.Sequence), Epoch: uint64(r.Epoch), CreatedAt: when(r.Created), Lock: r.Lock,
	}
}

// InsertEnvironment adds an environment. Its first epoch is 1.
func (s System) InsertEnvironment(ctx context.Context, e apim.Environment) error {
	return insert(s.in(ctx), "environment", &environmentRow{
		ID: e.ID, Slug: e.Slug, Name: e.Name, Kind: e.Kind, GatewayURL: e.GatewayURL,
		Epoch: int64(e.Epoch), Sequence: int64(e.Sequence), PublishedEpoch: int64(e.Epoch), Created: micros(e.CreatedAt), Lock: e.Lock,
	})
}

// UpdateEnvironment writes name and gateway URL.
func (s System) UpdateEnvironment(ctx context.Context, e *apim.Environment) error {
	row := environmentRow{Name: e.Name, GatewayURL: e.GatewayURL, Lock: e.Lock + 1}
	if err := update(s.in(ctx).Where("id = ?", e.ID), "environment", &row, e.Lock, "name", "gateway_url"); err != nil {
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
