package apim

import "time"

// Application is a consumer's client program.
type Application struct {
	ID          ID
	Tenant      ID
	Slug        string
	Name        string
	Description string
	By          ID // the person who made it
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Lock        int64
}

// Credential is what an application presents: in this release an API key. It
// belongs to one environment and holds at most two secrets at a time.
type Credential struct {
	ID          ID
	Tenant      ID
	Application ID
	Environment string // slug
	Name        string
	Secrets     []Secret
	CreatedAt   time.Time
	RevokedAt   time.Time // zero: not revoked
	RevokedBy   string
	Lock        int64
}

// Secret is one of a credential's secrets. Only its hash is kept.
type Secret struct {
	ID        ID
	Hash      string // SHA-256 of the whole key, lower-case hex
	Prefix    string // "portico_live_AbCd…", up to and with the id
	LastFour  string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// Expired reports whether the secret has ended.
func (s Secret) Expired(now time.Time) bool { return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) }

// Revoke ends the credential for good. A second revocation changes nothing.
func (c *Credential) Revoke(by string, at time.Time) {
	if c.RevokedAt.IsZero() {
		c.RevokedAt, c.RevokedBy = at, by
	}
}
