package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

type credential struct {
	ID          apim.ID     `json:"id"`
	Application apim.ID     `json:"application"`
	Environment string      `json:"environment"`
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Issuer      string      `json:"issuer,omitempty"`
	Subject     string      `json:"subject,omitempty"`
	User        string      `json:"user,omitempty"`
	Secrets     []keySecret `json:"secrets"`
	Addresses   []string    `json:"addresses"`
	Referrers   []string    `json:"referrers"`
	CreatedAt   time.Time   `json:"created_at"`
	RevokedAt   time.Time   `json:"revoked_at,omitzero"`
	RevokedBy   string      `json:"revoked_by,omitempty"`
	// Key is the key, the password or what calls are signed with, in the answer
	// that made it alone.
	Key string `json:"key,omitempty"`
	outcome
}

// keySecret is what may be shown of a key.
type keySecret struct {
	ID        apim.ID   `json:"id"`
	Prefix    string    `json:"prefix"`
	LastFour  string    `json:"last_four"`
	KeyID     string    `json:"key_id,omitempty"`      // signature
	SHA256    string    `json:"fingerprint,omitempty"` // certificate
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	LastUsedAt      time.Time `json:"last_used_at,omitzero"`
	LastUsedAddress string    `json:"last_used_address,omitempty"`
}

func credentialOf(c apim.Credential) credential {
	out := credential{
		ID: c.ID, Application: c.Application, Environment: c.Environment, Kind: string(c.Kind), Name: c.Name, Issuer: c.Issuer,
		Secrets: each(c.Secrets, func(s apim.Secret) keySecret {
			one := keySecret{
				ID: s.ID, Prefix: s.Prefix, LastFour: s.LastFour,
				CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
				LastUsedAt: s.LastUsedAt.UTC(), LastUsedAddress: s.LastUsedAddress,
			}
			switch c.Kind {
			case apim.CredentialSignature:
				one.KeyID = s.Prefix
			case apim.CredentialCertificate:
				one.SHA256 = s.Prefix
			}
			return one
		}),
		Addresses: orEmpty(c.Addresses), Referrers: orEmpty(c.Referrers), CreatedAt: c.CreatedAt.UTC(), RevokedAt: c.RevokedAt.UTC(), RevokedBy: c.RevokedBy,
	}
	switch c.Kind {
	case apim.CredentialJWT:
		out.Subject = c.Subject
	case apim.CredentialBasic:
		out.User = c.Subject
	}
	return out
}

func listCredentials(r *request) error {
	a, err := r.Access.Application(r.ctx, r.actor, r.tenant.ID, r.c.Param("application"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[credential]{Items: each(a.Credentials, credentialOf)})
}

func createCredential(r *request) error {
	var in struct {
		Kind        string    `json:"kind"`
		Name        string    `json:"name"`
		Issuer      string    `json:"issuer"`
		Subject     string    `json:"subject"`
		User        string    `json:"user"`
		Certificate string    `json:"certificate"`
		Proof       string    `json:"proof"`
		Environment string    `json:"environment"`
		ExpiresAt   time.Time `json:"expires_at"`
		Addresses   []string  `json:"addresses"`
		Referrers   []string  `json:"referrers"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	app, err := applicationID(r, r.c.Param("application"))
	if err != nil {
		return err
	}
	minted, err := r.Access.CreateKey(r.ctx, r.actor, r.tenant.ID, app, manager.NewKey{
		Kind: apim.CredentialKind(in.Kind), Issuer: in.Issuer, Subject: in.Subject, User: in.User, Certificate: in.Certificate, Proof: in.Proof, Name: in.Name, Environment: in.Environment, ExpiresAt: in.ExpiresAt, Addresses: in.Addresses, Referrers: in.Referrers,
	})
	if err != nil {
		return err
	}
	out := credentialOf(minted.Credential)
	out.Key, out.outcome = minted.Key, r.settle(minted.Change)
	return r.answer(http.StatusCreated, 0, out)
}

func revokeCredential(r *request) error {
	id, err := r.id(apim.PrefixCredential, "credential")
	if err != nil {
		return err
	}
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	c, change, err := r.Access.RevokeKey(r.ctx, r.actor, r.tenant.ID, id)
	if err != nil {
		return err
	}
	out := credentialOf(c)
	out.outcome = r.settle(change)
	return r.answer(http.StatusOK, 0, out)
}

func updateCredential(r *request) error {
	id, err := r.id(apim.PrefixCredential, "credential")
	if err != nil {
		return err
	}
	var in struct {
		Name      *string   `json:"name"`
		Addresses *[]string `json:"addresses"`
		Referrers *[]string `json:"referrers"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	c, change, err := r.Access.UpdateKey(r.ctx, r.actor, r.tenant.ID, id, manager.KeyChange{Name: in.Name, Addresses: in.Addresses, Referrers: in.Referrers, Lock: r.lock})
	return answerCredential(r, c, "", change, err)
}

// rotateCredential gives a credential a new secret, or its next certificate; the
// old one works on for a grace. Of an issuer's tokens it moves the end.
func rotateCredential(r *request) error {
	id, err := r.id(apim.PrefixCredential, "credential")
	if err != nil {
		return err
	}
	in := struct {
		GraceMS     int64     `json:"grace_ms"`
		Certificate string    `json:"certificate"`
		Proof       string    `json:"proof"`
		ExpiresAt   time.Time `json:"expires_at"`
	}{GraceMS: defaultGraceMS}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	if in.GraceMS < 0 || in.GraceMS > apim.LongestGrace.Milliseconds() {
		return fieldf("grace_ms", "range", "is not from 0 to %d", apim.LongestGrace.Milliseconds())
	}
	grace := time.Duration(in.GraceMS) * time.Millisecond
	if !in.ExpiresAt.IsZero() {
		c, change, err := r.Access.RenewKey(r.ctx, r.actor, r.tenant.ID, id, in.ExpiresAt)
		return answerCredential(r, c, "", change, err)
	}
	if in.Certificate != "" {
		minted, err := r.Access.ReplaceCertificate(r.ctx, r.actor, r.tenant.ID, id, in.Certificate, in.Proof, grace)
		return answerCredential(r, minted.Credential, minted.Key, minted.Change, err)
	}
	minted, err := r.Access.RotateKey(r.ctx, r.actor, r.tenant.ID, id, grace)
	return answerCredential(r, minted.Credential, minted.Key, minted.Change, err)
}

// defaultGraceMS is how long an old secret works on where nothing is said: a
// day.
const defaultGraceMS = 24 * 60 * 60 * 1000

func endSecret(r *request) error {
	id, err := r.id(apim.PrefixCredential, "credential")
	if err != nil {
		return err
	}
	secret, err := r.id(apim.PrefixSecret, "secret")
	if err != nil {
		return err
	}
	c, change, err := r.Access.EndSecret(r.ctx, r.actor, r.tenant.ID, id, secret)
	return answerCredential(r, c, "", change, err)
}

func answerCredential(r *request, c apim.Credential, key string, change apim.Change, err error) error {
	if err != nil {
		return err
	}
	out := credentialOf(c)
	out.Key, out.outcome = key, r.settle(change)
	return r.answer(http.StatusOK, c.Lock, out)
}
