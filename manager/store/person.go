package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type personRow struct {
	ID       apim.ID `gorm:"primaryKey"`
	Email    string
	Name     string
	Password string
	Operator bool
	Theme    string
	Created  int64 `gorm:"column:created_at"`
	SignedIn int64 `gorm:"column:signed_in_at"`
	Lock     int64
}

func (personRow) TableName() string { return "person" }

func (r personRow) domain() apim.Person {
	return apim.Person{ID: r.ID, Email: r.Email, Name: r.Name, Operator: r.Operator, Theme: r.Theme, CreatedAt: when(r.Created), SignedIn: when(r.SignedIn), Lock: r.Lock}
}

// InsertPerson adds a person with the hash of their password.
func (s System) InsertPerson(ctx context.Context, p apim.Person, password string) error {
	return insert(s.in(ctx), "person", &personRow{
		ID: p.ID, Email: p.Email, Name: p.Name, Password: password, Operator: p.Operator, Theme: p.Theme, Created: micros(p.CreatedAt), SignedIn: micros(p.SignedIn), Lock: p.Lock,
	})
}

// Person returns a person by id.
func (s System) Person(ctx context.Context, id apim.ID) (apim.Person, error) {
	row, err := one[personRow](s.in(ctx).Where("id = ?", id), "person")
	return row.domain(), err
}

// PersonByEmail returns a person and the hash of their password.
func (s System) PersonByEmail(ctx context.Context, email string) (apim.Person, string, error) {
	row, err := one[personRow](s.in(ctx).Where("email = ?", email), "person")
	return row.domain(), row.Password, err
}

// UpdatePerson writes name and theme.
func (s System) UpdatePerson(ctx context.Context, p *apim.Person) error {
	row := personRow{Name: p.Name, Theme: p.Theme, Lock: p.Lock + 1}
	if err := update(s.in(ctx).Where("id = ?", p.ID), "person", &row, p.Lock, "name", "theme"); err != nil {
		return err
	}
	p.Lock++
	return nil
}

// HasOperator reports whether somebody runs the installation.
func (s System) HasOperator(ctx context.Context) (bool, error) {
	n, err := count[personRow](s.in(ctx).Where("operator"), "operators")
	return n > 0, err
}

type firstRunRow struct {
	ID      int `gorm:"primaryKey;autoIncrement:false"`
	Hash    string
	Expires int64 `gorm:"column:expires_at"`
}

func (firstRunRow) TableName() string { return "first_run" }

// SetFirstRun replaces the one-time link that makes the first operator.
func (s System) SetFirstRun(ctx context.Context, hash string, expires time.Time) error {
	db := s.in(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"hash", "expires_at"})})
	return insert(db, "first run link", &firstRunRow{ID: 1, Hash: hash, Expires: micros(expires)})
}

// FirstRun returns the hash of the current link's token and when it ends.
func (s System) FirstRun(ctx context.Context) (hash string, expires time.Time, err error) {
	row, err := one[firstRunRow](s.in(ctx).Where("id = 1"), "first run link")
	return row.Hash, when(row.Expires), err
}

// EndFirstRun uses the link up.
func (s System) EndFirstRun(ctx context.Context) error {
	_, err := remove[firstRunRow](s.in(ctx).Where("id = 1"), "first run link")
	return err
}

type tokenRow struct {
	ID        apim.ID `gorm:"primaryKey"`
	TenantID  *apim.ID
	PersonID  *apim.ID
	Name      string
	Hash      string
	Hint      string
	Scopes    jsonOf[apim.Scopes]
	Bootstrap bool
	Created   int64 `gorm:"column:created_at"`
	Expires   int64 `gorm:"column:expires_at"`
	LastUsed  int64 `gorm:"column:last_used_at"`
}

func (tokenRow) TableName() string { return "token" }

func (r tokenRow) domain() apim.Token {
	return apim.Token{
		ID: r.ID, Person: required(r.PersonID), Tenant: required(r.TenantID), Name: r.Name, Hint: r.Hint, Scopes: r.Scopes.V,
		CreatedAt: when(r.Created), ExpiresAt: when(r.Expires), LastUsed: when(r.LastUsed),
	}
}

// InsertToken adds an API token by the hash of its text. A token of a tenant
// and one that spans tenants differ in Tenant alone, so both are the system's.
func (s System) InsertToken(ctx context.Context, t apim.Token, hash string, bootstrap bool) error {
	return insert(s.in(ctx), "API token", &tokenRow{
		ID: t.ID, TenantID: optional(t.Tenant), PersonID: optional(t.Person), Name: t.Name, Hash: hash, Hint: t.Hint, Scopes: jsonOf[apim.Scopes]{t.Scopes}, Bootstrap: bootstrap,
		Created: micros(t.CreatedAt), Expires: micros(t.ExpiresAt), LastUsed: micros(t.LastUsed),
	})
}

// TokenByHash returns an API token by the hash of its text.
func (s System) TokenByHash(ctx context.Context, hash string) (apim.Token, error) {
	row, err := one[tokenRow](s.in(ctx).Where("hash = ?", hash), "API token")
	return row.domain(), err
}

// HasBootstrapToken reports whether a bootstrap token was ever made.
func (s System) HasBootstrapToken(ctx context.Context) (bool, error) {
	n, err := count[tokenRow](s.in(ctx).Where("bootstrap"), "API tokens")
	return n > 0, err
}

// TokenUsed keeps when a token was last used.
func (s System) TokenUsed(ctx context.Context, id apim.ID, at time.Time) error {
	_, err := change(s.in(ctx).Where("id = ?", id), "API token", &tokenRow{LastUsed: micros(at)}, "last_used_at")
	return err
}

// tokensOf begins a query on a person's tokens (the bootstrap token's for "")
// that are good for one tenant (for all that the person reaches, for "").
func (s System) tokensOf(ctx context.Context, person, tenant apim.ID) *gorm.DB {
	return s.in(ctx).Where("person_id IS NOT DISTINCT FROM ? AND tenant_id IS NOT DISTINCT FROM ?", optional(person), optional(tenant))
}

// Tokens returns a page of a person's tokens for a tenant, newest first.
func (s System) Tokens(ctx context.Context, person, tenant apim.ID, page apim.Page) (apim.List[apim.Token], error) {
	rows, next, err := paged(s.tokensOf(ctx, person, tenant).Where("NOT bootstrap"), "API tokens", page, order{"token", "created_at", "id", true},
		func(r tokenRow) (any, any) { return r.Created, r.ID })
	return apim.List[apim.Token]{Items: sliceOf(rows, tokenRow.domain), NextCursor: next}, err
}

// tokenLine is a token with the name of its person.
type tokenLine struct {
	Row   tokenRow `gorm:"embedded"`
	Maker string
}

func (tokenLine) TableName() string { return "token" }

// Tokens returns a page of everybody's tokens for the tenant, newest first.
func (t Tenant) Tokens(ctx context.Context, page apim.Page) (apim.List[apim.MadeToken], error) {
	rows, next, err := paged(t.own(ctx).Select("token.*, person.name AS maker").Joins("LEFT JOIN person ON person.id = token.person_id").Where("NOT bootstrap"),
		"API tokens", page, order{"token", "created_at", "id", true}, func(r tokenLine) (any, any) { return r.Row.Created, r.Row.ID })
	return apim.List[apim.MadeToken]{Items: sliceOf(rows, func(r tokenLine) apim.MadeToken {
		return apim.MadeToken{Token: r.Row.domain(), Maker: r.Maker}
	}), NextCursor: next}, err
}

// DeleteToken ends a token for the tenant, whoever made it, and returns it.
func (t Tenant) DeleteToken(ctx context.Context, id apim.ID) (apim.Token, error) {
	row, err := one[tokenRow](t.own(ctx).Where("id = ? AND NOT bootstrap", id), "API token")
	if err != nil {
		return apim.Token{}, err
	}
	_, err = remove[tokenRow](t.own(ctx).Where("id = ?", id), "API token")
	return row.domain(), err
}

// DeleteToken ends one of a person's tokens for a tenant, and returns it.
func (s System) DeleteToken(ctx context.Context, person, tenant, id apim.ID) (apim.Token, error) {
	row, err := one[tokenRow](s.tokensOf(ctx, person, tenant).Where("id = ? AND NOT bootstrap", id), "API token")
	if err != nil {
		return apim.Token{}, err
	}
	_, err = remove[tokenRow](s.in(ctx).Where("id = ?", id), "API token")
	return row.domain(), err
}
