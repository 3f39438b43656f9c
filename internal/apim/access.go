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

// CredentialKind is how a credential shows who calls.
type CredentialKind string

// The kinds of credentials.
const (
	CredentialKey         CredentialKind = "key"         // an API key, as it is
	CredentialJWT         CredentialKind = "jwt"         // tokens that an issuer signs, told apart by a claim
	CredentialBasic       CredentialKind = "basic"       // a user name and a password
	CredentialSignature   CredentialKind = "signature"   // calls are signed with a secret
	CredentialCertificate CredentialKind = "certificate" // a client certificate
)

// CredentialKinds returns the kinds of credentials, the most usual first.
func CredentialKinds() []CredentialKind {
	return []CredentialKind{CredentialKey, CredentialBasic, CredentialSignature, CredentialJWT, CredentialCertificate}
}

// Secret reports whether credentials of the kind have a secret that is made
// here. Others are registered: what they show is issued by somebody else.
func (k CredentialKind) Secret() bool { return k != CredentialJWT && k != CredentialCertificate }

// Text names a credential of the kind in a sentence: "key", "token identity".
func (k CredentialKind) Text() string {
	switch k {
	case CredentialJWT:
		return "token identity"
	case CredentialBasic:
		return "user name"
	case CredentialSignature:
		return "signing secret"
	case CredentialCertificate:
		return "certificate"
	}
	return "key"
}

// Credential is what an application presents. It belongs to one environment and
// holds at most two secrets at a time.
type Credential struct {
	ID          ID
	Tenant      ID
	Application ID
	Environment string // slug
	Kind        CredentialKind
	Name        string
	Issuer      string   // jwt: whose tokens
	Subject     string   // jwt: what their claim says; basic: the user name
	Secrets     []Secret // the newest last
	Addresses   []string // networks that it may be used from; none: any
	Referrers   []string // hosts of pages that may use it, "*.example.com" too; none: any
	CreatedAt   time.Time
	RevokedAt   time.Time // zero: not revoked
	RevokedBy   string
	Lock        int64
}

// Secret is one of a credential's secrets, or what was registered in the place
// of one. Of keys and passwords only a hash is kept.
type Secret struct {
	ID        ID
	Hash      string // by which nodes know it, lower-case hex; of a key its SHA-256
	Prefix    string // what may be shown: "portico_live_AbCd…" up to and with the id; a key id; a certificate's SHA-256
	LastFour  string // of what is secret; "" where nothing is
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never

	LastUsedAt      time.Time // zero: never, as far as is known
	LastUsedAddress string

	Sealed  []byte // signature: the secret, sealed with the installation's key
	NodeKey uint64 // signature: the number of the environment's key that NodeBox is sealed with
	NodeBox string // signature: the secret as nodes get it
}

// SecretUse says that a node took a secret. Of several the newest counts.
type SecretUse struct {
	Environment string // slug
	Hash        string
	At          time.Time
	Address     string
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
		return Errorf(Conflict, "the key has two secrets already; end the old one (%s) first", live[0].Text()).WithCode("two_secrets")
	}
	for i := range live {
		if end := at.Add(grace); live[i].ExpiresAt.IsZero() || end.Before(live[i].ExpiresAt) {
			live[i].ExpiresAt = end
		}
	}
	c.Secrets = append(live, next)
	return nil
}

// EndSecret takes a rotated credential's old secret away before its grace is
// over. The newest does not end alone: the old one ends by itself, and the
// credential would be left without any.
func (c *Credential) EndSecret(id ID) (Secret, error) {
	for i, s := range c.Secrets {
		if s.ID != id {
			continue
		}
		if len(c.Secrets) == 1 {
			return s, Errorf(Conflict, "it is the key's only secret; revoke the key instead").WithCode("only_secret")
		}
		if i == len(c.Secrets)-1 {
			return s, Errorf(Conflict, "it is the key's newest secret, and the old one ends by itself; revoke the key instead").WithCode("newest_secret")
		}
		c.Secrets = append(append([]Secret{}, c.Secrets[:i]...), c.Secrets[i+1:]...)
		return s, nil
	}
	return Secret{}, Errorf(NotFound, "the key has no such secret; it may have ended")
}

// Text tells the secret from a credential's others.
func (s Secret) Text() string {
	if s.LastFour == "" {
		return s.Prefix
	}
	return "…" + s.LastFour
}

// Expired reports whether the secret has ended.
func (s Secret) Expired(now time.Time) bool { return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) }

// Revoke ends the credential for good. A second revocation changes nothing.
func (c *Credential) Revoke(by string, at time.Time) {
	if c.RevokedAt.IsZero() {
		c.RevokedAt, c.RevokedBy = at, by
	}
}
