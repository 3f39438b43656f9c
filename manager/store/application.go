package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portico/internal/apim"
)

type applicationRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	TenantID    apim.ID
	TeamID      *apim.ID
	Slug        string
	Name        string
	NameKey     string
	Description string
	ByID        apim.ID
	Created     int64 `gorm:"column:created_at"`
	Updated     int64 `gorm:"column:updated_at"`
	Removed     int64 `gorm:"column:removed_at"`
	Lock        int64
}

func (applicationRow) TableName() string { return "application" }

func newApplicationRow(a apim.Application) applicationRow {
	return applicationRow{
		ID: a.ID, TenantID: a.Tenant, TeamID: optional(a.Team), Slug: a.Slug, Name: a.Name, NameKey: strings.ToLower(a.Name), Description: a.Description,
		ByID: a.By, Created: micros(a.CreatedAt), Updated: micros(a.UpdatedAt), Lock: a.Lock,
	}
}

func (r applicationRow) domain() apim.Application {
	return apim.Application{
		ID: r.ID, Tenant: r.TenantID, Team: required(r.TeamID), Slug: r.Slug, Name: r.Name, Description: r.Description, By: r.ByID,
		CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

// InsertApplication adds an application of the tenant.
func (t Tenant) InsertApplication(ctx context.Context, a apim.Application) error {
	row := newApplicationRow(a)
	return insert(t.in(ctx), "application", &row)
}

// UpdateApplication writes an application's name, description and owner.
func (t Tenant) UpdateApplication(ctx context.Context, a *apim.Application) error {
	row := newApplicationRow(*a)
	row.Lock++
	err := update(t.own(ctx).Where("id = ? AND removed_at = 0", a.ID), "application", &row, a.Lock, "team_id", "name", "name_key", "description", "updated_at")
	if err == nil {
		a.Lock++
	}
	return err
}

// RemoveApplication takes an application away. It stays as a name in what its
// providers decided; its slug is free again.
func (t Tenant) RemoveApplication(ctx context.Context, a apim.Application) error {
	return update(t.own(ctx).Where("id = ? AND removed_at = 0", a.ID), "application", &applicationRow{Removed: micros(a.UpdatedAt), Lock: a.Lock + 1}, a.Lock, "removed_at")
}

// Application returns an application of the tenant by id or slug.
func (t Tenant) Application(ctx context.Context, ref string) (apim.Application, error) {
	column := "slug = ?"
	if strings.HasPrefix(ref, apim.PrefixApplication+"_") {
		column = "id = ?"
	}
	row, err := one[applicationRow](t.own(ctx).Where("removed_at = 0").Where(column, ref), "application")
	return row.domain(), err
}

// Applications returns a page of the tenant's applications, by name, as far as
// a reach goes.
func (t Tenant) Applications(ctx context.Context, reach apim.Reach, page apim.Page) (apim.List[apim.Application], error) {
	rows, next, err := paged(within(t.own(ctx), reach, apim.PrefixApplication).Where("removed_at = 0"), "applications", page, order{"application", "name_key", "id", false},
		func(r applicationRow) (any, any) { return r.NameKey, r.ID })
	return apim.List[apim.Application]{Items: sliceOf(rows, applicationRow.domain), NextCursor: next}, err
}

// TeamsOfApplications returns who owns each of the tenant's applications.
func (t Tenant) TeamsOfApplications(ctx context.Context, ids []apim.ID) (map[apim.ID]apim.ID, error) {
	rows, err := many[applicationRow](t.own(ctx).Select("id", "team_id").Where("id IN ?", ids), "applications")
	out := map[apim.ID]apim.ID{}
	for _, r := range rows {
		out[r.ID] = required(r.TeamID)
	}
	return out, err
}

// ApplicationNames returns the names of applications of any tenant, removed
// ones too, for the provider's view of a subscription.
func (s System) ApplicationNames(ctx context.Context, ids []apim.ID) (map[apim.ID]string, error) {
	rows, err := many[applicationRow](s.in(ctx).Select("id", "name").Where("id IN ?", ids), "applications")
	out := map[apim.ID]string{}
	for _, r := range rows {
		out[r.ID] = r.Name
	}
	return out, err
}

type credentialRow struct {
	ID            apim.ID `gorm:"primaryKey"`
	TenantID      apim.ID
	ApplicationID apim.ID
	Environment   string
	Name          string
	Created       int64 `gorm:"column:created_at"`
	Revoked       int64 `gorm:"column:revoked_at"`
	RevokedBy     string
	Lock          int64
	Addresses     jsonOf[[]string]
	Referrers     jsonOf[[]string]
	Kind          apim.CredentialKind
	Issuer        string
	Subject       string
}

func (credentialRow) TableName() string { return "credential" }

func (r credentialRow) domain() apim.Credential {
	return apim.Credential{
		ID: r.ID, Tenant: r.TenantID, Application: r.ApplicationID, Environment: r.Environment, Name: r.Name,
		CreatedAt: when(r.Created), RevokedAt: when(r.Revoked), RevokedBy: r.RevokedBy, Lock: r.Lock,
		Addresses: r.Addresses.V, Referrers: r.Referrers.V, Kind: r.Kind, Issuer: r.Issuer, Subject: r.Subject,
	}
}

type secretRow struct {
	ID           apim.ID `gorm:"primaryKey"`
	TenantID     apim.ID
	CredentialID apim.ID
	Hash         string
	Prefix       string
	LastFour     string
	Created      int64  `gorm:"column:created_at"`
	Expires      int64  `gorm:"column:expires_at"`
	Used         int64  `gorm:"column:last_used_at"`
	UsedFrom     string `gorm:"column:last_used_address"`
	Environment  string
	Live         bool
	Sealed       []byte
	NodeKey      int64
	NodeBox      string
}

func (secretRow) TableName() string { return "secret" }

func (r secretRow) domain() apim.Secret {
	return apim.Secret{
		ID: r.ID, Hash: r.Hash, Prefix: r.Prefix, LastFour: r.LastFour, CreatedAt: when(r.Created), ExpiresAt: when(r.Expires),
		LastUsedAt: when(r.Used), LastUsedAddress: r.UsedFrom, Sealed: r.Sealed, NodeKey: uint64(r.NodeKey), NodeBox: r.NodeBox,
	}
}

// InsertCredential adds a credential with its secrets.
func (t Tenant) InsertCredential(ctx context.Context, c apim.Credential) error {
	err := insert(t.in(ctx), "key", &credentialRow{
		ID: c.ID, TenantID: c.Tenant, ApplicationID: c.Application, Environment: c.Environment, Name: c.Name,
		Created: micros(c.CreatedAt), Revoked: micros(c.RevokedAt), RevokedBy: c.RevokedBy, Lock: c.Lock,
		Addresses: jsonOf[[]string]{c.Addresses}, Referrers: jsonOf[[]string]{c.Referrers}, Kind: c.Kind, Issuer: c.Issuer, Subject: c.Subject,
	})
	if err != nil {
		return err
	}
	return t.insertSecrets(ctx, c)
}

func (t Tenant) insertSecrets(ctx context.Context, c apim.Credential) error {
	if len(c.Secrets) == 0 {
		return nil
	}
	return insert(t.in(ctx), "key", sliceOf(c.Secrets, func(s apim.Secret) secretRow {
		return secretRow{
			ID: s.ID, TenantID: c.Tenant, CredentialID: c.ID, Hash: s.Hash, Prefix: s.Prefix, LastFour: s.LastFour,
			Created: micros(s.CreatedAt), Expires: micros(s.ExpiresAt), Used: micros(s.LastUsedAt), UsedFrom: s.LastUsedAddress,
			Environment: c.Environment, Live: c.RevokedAt.IsZero(), Sealed: s.Sealed, NodeKey: int64(s.NodeKey), NodeBox: s.NodeBox,
		}
	}))
}

// UpdateCredential writes a credential's name, restrictions and secrets.
func (t Tenant) UpdateCredential(ctx context.Context, c *apim.Credential) error {
	row := credentialRow{Name: c.Name, Addresses: jsonOf[[]string]{c.Addresses}, Referrers: jsonOf[[]string]{c.Referrers}, Lock: c.Lock + 1}
	if err := update(t.own(ctx).Where("id = ?", c.ID), "key", &row, c.Lock, "name", "addresses", "referrers"); err != nil {
		return err
	}
	c.Lock++
	if _, err := remove[secretRow](t.own(ctx).Where("credential_id = ?", c.ID), "key"); err != nil {
		return err
	}
	return t.insertSecrets(ctx, *c)
}

// SecretsUsed keeps when secrets were last used. Those that are none any more
// are passed over.
func (s *Store) SecretsUsed(ctx context.Context, uses []apim.SecretUse) error {
	return s.writeAside(ctx, func(tx *Tx) error {
		for _, u := range uses {
			row := secretRow{Used: micros(u.At), UsedFrom: u.Address}
			if _, err := change(tx.System().in(ctx).Where("environment = ? AND hash = ? AND live AND last_used_at < ?", u.Environment, u.Hash, row.Used), "key", &row, "last_used_at", "last_used_address"); err != nil {
				return err
			}
		}
		return nil
	})
}

// RevokeCredential writes a revocation. What the credential was registered by
// is free then.
func (t Tenant) RevokeCredential(ctx context.Context, c *apim.Credential) error {
	row := credentialRow{Revoked: micros(c.RevokedAt), RevokedBy: c.RevokedBy, Lock: c.Lock + 1}
	err := update(t.own(ctx).Where("id = ?", c.ID), "key", &row, c.Lock, "revoked_at", "revoked_by")
	if err != nil {
		return err
	}
	c.Lock++
	_, err = change(t.own(ctx).Where("credential_id = ?", c.ID), "key", &secretRow{Live: false}, "live")
	return err
}

// Registered reports whether somebody's live credential of an environment is
// known by a hash.
func (s System) Registered(ctx context.Context, environment, hash string) (bool, error) {
	var n int64
	err := s.in(ctx).Model(&secretRow{}).Where("environment = ? AND hash = ? AND live", environment, hash).Count(&n).Error
	return n > 0, away(err)
}

// SealSecret writes a secret as nodes get it.
func (t Tenant) SealSecret(ctx context.Context, s apim.Secret) error {
	row := secretRow{NodeKey: int64(s.NodeKey), NodeBox: s.NodeBox}
	_, err := change(t.own(ctx).Where("id = ?", s.ID), "key", &row, "node_key", "node_box")
	return err
}

// SigningCredential is a credential with a secret that nodes get sealed.
type SigningCredential struct{ Tenant, Credential apim.ID }

// SigningIn returns the live credentials of an environment whose secrets nodes
// get sealed.
func (s System) SigningIn(ctx context.Context, environment string) ([]SigningCredential, error) {
	var rows []secretRow
	err := s.in(ctx).Select("tenant_id", "credential_id").Where("environment = ? AND live AND node_key > 0", environment).Distinct().Order("tenant_id, credential_id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list signing secrets: %w", away(err))
	}
	return sliceOf(rows, func(r secretRow) SigningCredential { return SigningCredential{r.TenantID, r.CredentialID} }), nil
}

// Credential returns a credential of the tenant with its secrets.
func (t Tenant) Credential(ctx context.Context, id apim.ID) (apim.Credential, error) {
	row, err := one[credentialRow](t.own(ctx).Where("id = ?", id), "key")
	if err != nil {
		return apim.Credential{}, err
	}
	out, err := t.withSecrets(ctx, []credentialRow{row})
	if err != nil {
		return apim.Credential{}, err
	}
	return out[0], nil
}

// Credentials returns the credentials of applications of the tenant, newest
// first, with those that were revoked after a time.
func (t Tenant) Credentials(ctx context.Context, applications []apim.ID, revokedAfter time.Time) ([]apim.Credential, error) {
	rows, err := many[credentialRow](t.own(ctx).Where("application_id IN ? AND (revoked_at = 0 OR revoked_at > ?)", applications, micros(revokedAfter)).Order("application_id, id DESC"), "keys")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return t.withSecrets(ctx, rows)
}

// LiveCredentials returns the credentials of an application that are not
// revoked, newest first. By application first, or SQLite would go through all
// the tenant's in their order.
func (t Tenant) LiveCredentials(ctx context.Context, application apim.ID) ([]apim.Credential, error) {
	rows, err := many[credentialRow](t.own(ctx).Where("application_id = ? AND revoked_at = 0", application).Order("application_id, id DESC"), "keys")
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return t.withSecrets(ctx, rows)
}

func (t Tenant) withSecrets(ctx context.Context, rows []credentialRow) ([]apim.Credential, error) {
	ids := sliceOf(rows, func(r credentialRow) apim.ID { return r.ID })
	secrets, err := many[secretRow](t.own(ctx).Where("credential_id IN ?", ids).Order("id"), "keys")
	if err != nil {
		return nil, err
	}
	return sliceOf(rows, func(r credentialRow) apim.Credential {
		c := r.domain()
		for _, s := range secrets {
			if s.CredentialID == r.ID {
				c.Secrets = append(c.Secrets, s.domain())
			}
		}
		return c
	}), nil
}
