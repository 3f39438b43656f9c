package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

type token struct {
	ID        apim.ID      `json:"id"`
	Person    apim.ID      `json:"person,omitempty"`
	Maker     string       `json:"maker,omitempty"`
	Name      string       `json:"name"`
	Hint      string       `json:"hint"`
	Scopes    []apim.Scope `json:"scopes"`
	Preset    string       `json:"preset,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
	LastUsed  time.Time    `json:"last_used_at,omitzero"`
	// Text is the token itself, in the answer that made it alone.
	Text string `json:"token,omitempty"`
}

func tokenOf(t apim.Token) token {
	return token{
		ID: t.ID, Person: t.Person, Name: t.Name, Hint: t.Hint, Scopes: orEmpty(t.Scopes), Preset: t.Scopes.Preset(),
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(), LastUsed: t.LastUsed.UTC(),
	}
}

func listAllTokens(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	tokens, err := r.Tenants.AllTokens(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(tokens, func(t apim.MadeToken) token {
		out := tokenOf(t.Token)
		out.Maker = t.Maker
		return out
	}))
}

func listTokens(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	tokens, err := r.Tenants.Tokens(r.ctx, r.actor, r.tenant.ID, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(tokens, tokenOf))
}

func createToken(r *request) error {
	var in struct {
		Name         string       `json:"name"`
		Scopes       []apim.Scope `json:"scopes"`
		Preset       string       `json:"preset"`
		ExpiresAt    time.Time    `json:"expires_at"`
		NeverExpires bool         `json:"never_expires"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	scopes := apim.Scopes(in.Scopes)
	if in.Preset != "" {
		preset, known := apim.ScopePresets()[in.Preset]
		switch {
		case !known:
			return fieldf("preset", "unknown", "is %q; use read-only, publish or full", in.Preset)
		case in.Scopes != nil:
			return fieldf("preset", "both", "does not go with scopes")
		}
		scopes = preset
	}
	made, text, err := r.Tenants.CreateToken(r.ctx, r.actor, r.tenant.ID, manager.NewToken{
		Name: in.Name, Scopes: scopes, ExpiresAt: in.ExpiresAt, Never: in.NeverExpires,
	})
	if err != nil {
		return err
	}
	out := tokenOf(made)
	out.Text = text
	return r.answer(http.StatusCreated, 0, out)
}

func revokeToken(r *request) error {
	id, err := r.id(apim.PrefixToken, "token")
	if err != nil {
		return err
	}
	if err := r.Tenants.RevokeToken(r.ctx, r.actor, r.tenant.ID, id); err != nil {
		return err
	}
	return r.gone()
}
