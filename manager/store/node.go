package store

import (
	"context"
	"fmt"
	"time"

	"portico/internal/apim"
)

type nodeRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	Environment string
	Name        string
	Build       string
	Enrolled    int64 `gorm:"column:enrolled_at"`
	Heard       int64 `gorm:"column:heard_at"`
	UserKey     string
	BoxKey      string
	Left        int64 `gorm:"column:left_at"`
}

func (nodeRow) TableName() string { return "node" }

func (r nodeRow) domain() apim.Node {
	return apim.Node{
		ID: r.ID, Name: r.Name, Environment: r.Environment, Build: r.Build, UserKey: r.UserKey, BoxKey: r.BoxKey,
		AppliedMS: -1, EnrolledAt: when(r.Enrolled), HeardAt: when(r.Heard), LeftAt: when(r.Left),
	}
}

type enrolmentRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	Environment string
	Name        string
	Hash        string
	CreatedBy   string
	Created     int64 `gorm:"column:created_at"`
	Expires     int64 `gorm:"column:expires_at"`
	Used        int64 `gorm:"column:used_at"`
	NodeID      apim.ID
	UserKey     string
}

func (enrolmentRow) TableName() string { return "enrolment" }

func (r enrolmentRow) domain() apim.Enrolment {
	return apim.Enrolment{
		ID: r.ID, Environment: r.Environment, Name: r.Name, CreatedBy: r.CreatedBy, CreatedAt: when(r.Created),
		ExpiresAt: when(r.Expires), UsedAt: when(r.Used), Node: r.NodeID, UserKey: r.UserKey,
	}
}

type removedNodeRow struct {
	UserKey     string `gorm:"primaryKey"`
	Environment string
	Name        string
	Removed     int64 `gorm:"column:removed_at"`
}

func (removedNodeRow) TableName() string { return "removed_node" }

type environmentKeyRow struct {
	Environment string `gorm:"primaryKey"`
	Number      int64
	Sealed      []byte
	Made        int64 `gorm:"column:made_at"`
}

func (environmentKeyRow) TableName() string { return "environment_key" }

// InsertNode enrols a gateway node.
func (s System) InsertNode(ctx context.Context, n apim.Node) error {
	return insert(s.in(ctx), "gateway node", &nodeRow{
		ID: n.ID, Environment: n.Environment, Name: n.Name, Build: n.Build, Enrolled: micros(n.EnrolledAt), UserKey: n.UserKey, BoxKey: n.BoxKey,
	})
}

// SetNodeKeys replaces a node's public keys.
func (s System) SetNodeKeys(ctx context.Context, n apim.Node) error {
	_, err := change(s.in(ctx).Where("id = ?", n.ID), "gateway node", &nodeRow{UserKey: n.UserKey, BoxKey: n.BoxKey}, "user_key", "box_key")
	return err
}

// Node returns an environment's node by name.
func (s System) Node(ctx context.Context, environment, name string) (apim.Node, error) {
	row, err := one[nodeRow](s.in(ctx).Where("environment = ? AND name = ?", environment, name), "gateway node")
	return row.domain(), err
}

// Nodes returns an environment's nodes by name.
func (s System) Nodes(ctx context.Context, environment string) ([]apim.Node, error) {
	rows, err := many[nodeRow](s.in(ctx).Where("environment = ?", environment).Order("name"), "gateway nodes")
	return sliceOf(rows, nodeRow.domain), err
}

// RemoveNode forgets a node; the bus is to let its user in no more.
func (s System) RemoveNode(ctx context.Context, n apim.Node, at time.Time) error {
	if _, err := remove[nodeRow](s.in(ctx).Where("id = ?", n.ID), "gateway node"); err != nil || n.UserKey == "" {
		return err
	}
	return insert(s.in(ctx), "removed gateway node", &removedNodeRow{UserKey: n.UserKey, Environment: n.Environment, Name: n.Name, Removed: micros(at)})
}

// EnrolledNodes returns an environment's nodes by name, with what was last kept
// of them: names, build, when they were heard and whether they left.
func (s *Store) EnrolledNodes(ctx context.Context, environment string) ([]apim.Node, error) {
	return s.System().Nodes(ctx, environment)
}

// NodeHeard keeps when a node was last heard, which build it runs and whether
// it left. A node that is not enrolled is NotFound.
func (s *Store) NodeHeard(ctx context.Context, n apim.Node) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		row := nodeRow{Build: n.Build, Heard: micros(n.HeardAt), Left: micros(n.LeftAt)}
		changed, err := change(tx.System().in(ctx).Where("id = ?", n.ID), "gateway node", &row, "build", "heard_at", "left_at")
		if err == nil && changed == 0 {
			return apim.Errorf(apim.NotFound, "gateway node %s is not enrolled", n.ID)
		}
		if err != nil {
			return fmt.Errorf("node %s heard: %w", n.ID, err)
		}
		return nil
	})
}

// RemovedNodes returns the public keys of the users of an environment's removed
// nodes.
func (s *Store) RemovedNodes(ctx context.Context, environment string) ([]string, error) {
	rows, err := many[removedNodeRow](s.System().in(ctx).Where("environment = ?", environment).Order("user_key"), "removed gateway nodes")
	return sliceOf(rows, func(r removedNodeRow) string { return r.UserKey }), err
}

// InsertEnrolment adds an enrolment token by its hash.
func (s System) InsertEnrolment(ctx context.Context, e apim.Enrolment, hash string) error {
	return insert(s.in(ctx), "enrolment", &enrolmentRow{
		ID: e.ID, Environment: e.Environment, Name: e.Name, Hash: hash, CreatedBy: e.CreatedBy,
		Created: micros(e.CreatedAt), Expires: micros(e.ExpiresAt), Used: micros(e.UsedAt), NodeID: e.Node, UserKey: e.UserKey,
	})
}

// EnrolmentByHash returns the enrolment of a token.
func (s System) EnrolmentByHash(ctx context.Context, hash string) (apim.Enrolment, error) {
	row, err := one[enrolmentRow](s.in(ctx).Where("hash = ?", hash), "enrolment")
	return row.domain(), err
}

// UseEnrolment keeps which node used an enrolment.
func (s System) UseEnrolment(ctx context.Context, e apim.Enrolment) error {
	_, err := change(s.in(ctx).Where("id = ?", e.ID), "enrolment", &enrolmentRow{Used: micros(e.UsedAt), NodeID: e.Node, UserKey: e.UserKey}, "used_at", "node_id", "user_key")
	return err
}

// Enrolments returns an environment's enrolments that are neither used nor
// over, oldest first.
func (s System) Enrolments(ctx context.Context, environment string, now time.Time) ([]apim.Enrolment, error) {
	rows, err := many[enrolmentRow](s.in(ctx).Where("environment = ? AND used_at = 0 AND expires_at > ?", environment, micros(now)).Order("id"), "enrolments")
	return sliceOf(rows, enrolmentRow.domain), err
}

// DeleteEnrolment takes back an enrolment that was not used.
func (s System) DeleteEnrolment(ctx context.Context, environment string, id apim.ID) error {
	n, err := remove[enrolmentRow](s.in(ctx).Where("environment = ? AND id = ? AND used_at = 0", environment, id), "enrolment")
	if err == nil && n == 0 {
		return apim.Errorf(apim.NotFound, "no such enrolment in %s", environment)
	}
	return err
}

// SweepEnrolments forgets enrolments that ended before a time.
func (s System) SweepEnrolments(ctx context.Context, before time.Time) error {
	_, err := remove[enrolmentRow](s.in(ctx).Where("expires_at < ?", micros(before)), "enrolment")
	return err
}

// EnvironmentKey returns the number of an environment's key and the key as it
// was sealed; 0 when there is none yet.
func (s System) EnvironmentKey(ctx context.Context, environment string) (number uint64, sealed []byte, err error) {
	row, err := one[environmentKeyRow](s.in(ctx).Where("environment = ?", environment), "environment key")
	if apim.KindOf(err) == apim.NotFound {
		return 0, nil, nil
	}
	return uint64(row.Number), row.Sealed, err
}

// SetEnvironmentKey replaces an environment's key.
func (s System) SetEnvironmentKey(ctx context.Context, environment string, number uint64, sealed []byte, at time.Time) error {
	if _, err := remove[environmentKeyRow](s.in(ctx).Where("environment = ?", environment), "environment key"); err != nil {
		return err
	}
	return insert(s.in(ctx), "environment key", &environmentKeyRow{Environment: environment, Number: int64(number), Sealed: sealed, Made: micros(at)})
}
