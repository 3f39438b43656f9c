package store

import (
	"context"
	"fmt"
	"time"

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

type nodeRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	Environment string
	Name        string
	Build       string
	Enrolled    int64 `gorm:"column:enrolled_at"`
	Heard       int64 `gorm:"column:heard_at"`
}

func (nodeRow) TableName() string { return "node" }

func (r nodeRow) domain() apim.Node {
	return apim.Node{ID: r.ID, Name: r.Name, Environment: r.Environment, Build: r.Build, AppliedMS: -1, HeardAt: when(r.Heard)}
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

// InsertNode enrols a gateway node.
func (s System) InsertNode(ctx context.Context, n apim.Node, at time.Time) error {
	return insert(s.in(ctx), "gateway node", &nodeRow{ID: n.ID, Environment: n.Environment, Name: n.Name, Build: n.Build, Enrolled: micros(at)})
}

// Node returns an environment's node by name.
func (s System) Node(ctx context.Context, environment, name string) (apim.Node, error) {
	row, err := one[nodeRow](s.in(ctx).Where("environment = ? AND name = ?", environment, name), "gateway node")
	return row.domain(), err
}

// EnrolledNodes returns an environment's nodes that have not left, by name,
// with what was last kept of them: names, build and when they were heard.
func (s *Store) EnrolledNodes(ctx context.Context, environment string) ([]apim.Node, error) {
	rows, err := many[nodeRow](s.System().in(ctx).Where("environment = ?", environment).Order("name"), "gateway nodes")
	return sliceOf(rows, nodeRow.domain), err
}

// NodeHeard keeps when a node was last heard and which build it runs. A node
// that is not enrolled is NotFound.
func (s *Store) NodeHeard(ctx context.Context, n apim.Node) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		changed, err := change(tx.System().in(ctx).Where("id = ?", n.ID), "gateway node", &nodeRow{Build: n.Build, Heard: micros(n.HeardAt)}, "build", "heard_at")
		if err == nil && changed == 0 {
			return apim.Errorf(apim.NotFound, "gateway node %s is not enrolled", n.ID)
		}
		if err != nil {
			return fmt.Errorf("node %s heard: %w", n.ID, err)
		}
		return nil
	})
}
