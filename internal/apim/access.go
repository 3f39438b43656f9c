package apim

import "time"

// Application is a consumer's client program.
type Application struct {
	ID          ID
	Tenant      ID
	Team        ID // that owns it; "" is nobody in particular
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
	Addresses   []string // networks that it may be used from; none: any
	Referrers   []string // hosts of pages that may use it, "*.example.com" too; none: any
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

	LastUsedAt      time.Time // zero: never, as far as is known
	LastUsedAddress string
}

// SecretUse says that a node took a secret. Of several the newest counts.
type SecretUse struct {
	Hash    string
	At      time.Time
	Address string
}

// LongestGrace bounds how long an old secret may work beside the new one.
const LongestGrace = 90 * 24 * time.Hour

// Rotate adds a secret. The one before it ends after the grace, if it does not
// end sooner; a second rotation has to wait until then, or for its end.
func (c *Credential) Rotate(next Secret, grace time.Duration, at time.Time) error {
	if !c.RevokedAt.IsZero() {
		return Errorf(Conflict, "the key is revoked; make a new one").WithCode("credential_revoked")
	}
	if grace < 0 || grace > LongestGrace {
		return &Error{Kind: Invalid, Message: "the old key cannot live so long", Fields: []FieldError{{"grace_ms", "range", "is not from 0 to 90 days"}}}
	}
	var live []Secret
	for _, s := range c.Secrets {
		if !s.Expired(at) {
			live = append(live, s)
		}
	}
	if len(live) > 1 {
		return Errorf(Conflict, "the key has two secrets already; end the old one (…%s) first", live[0].LastFour).WithCode("two_secrets")
	}
	for i := range live {
		if end := at.Add(grace); live[i].ExpiresAt.IsZero() || end.Before(live[i].ExpiresAt) {
			live[i].ExpiresAt = end
		}
	}
	c.Secrets = append(live, next)
	return nil
}

// EndSecret takes a secret away before its grace is over.
func (c *Credential) EndSecret(id ID) (Secret, error) {
	for i, s := range c.Secrets {
		if s.ID != id {
			continue
		}
		if len(c.Secrets) == 1 {
			return s, Errorf(Conflict, "it is the key's only secret; revoke the key instead").WithCode("only_secret")
		}
		c.Secrets = append(append([]Secret{}, c.Secrets[:i]...), c.Secrets[i+1:]...)
		return s, nil
	}
	return Secret{}, Errorf(NotFound, "the key has no such secret; it may have ended")
}

// Expired reports whether the secret has ended.
func (s Secret) Expired(now time.Time) bool { return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) }

// Revoke ends the credential for good. A second revocation changes nothing.
func (c *Credential) Revoke(by string, at time.Time) {
	if c.RevokedAt.IsZero() {
		c.RevokedAt, c.RevokedBy = at, by
	}
}
