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
	Name        string      `json:"name"`
	Secrets     []keySecret `json:"secrets"`
	CreatedAt   time.Time   `json:"created_at"`
	RevokedAt   time.Time   `json:"revoked_at,omitzero"`
	RevokedBy   string      `json:"revoked_by,omitempty"`
	// Key is the API key itself, in the answer that made it alone.
	Key string `json:"key,omitempty"`
	outcome
}

// keySecret is what may be shown of a key.
type keySecret struct {
	ID        apim.ID   `json:"id"`
	Prefix    string    `json:"prefix"`
	LastFour  string    `json:"last_four"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func credentialOf(c apim.Credential) credential {
	return credential{
		ID: c.ID, Application: c.Application, Environment: c.Environment, Name: c.Name,
		Secrets: each(c.Secrets, func(s apim.Secret) keySecret {
			return keySecret{
				ID: s.ID, Prefix: s.Prefix, LastFour: s.LastFour,
				CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
			}
		}),
		CreatedAt: c.CreatedAt.UTC(), RevokedAt: c.RevokedAt.UTC(), RevokedBy: c.RevokedBy,
	}
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
		Name        string    `json:"name"`
		Environment string    `json:"environment"`
		ExpiresAt   time.Time `json:"expires_at"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	app, err := applicationID(r, r.c.Param("application"))
	if err != nil {
		return err
	}
	minted, err := r.Access.CreateKey(r.ctx, r.actor, r.tenant.ID, app, manager.NewKey{
		Name: in.Name, Environment: in.Environment, ExpiresAt: in.ExpiresAt,
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
