package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

const (
	tokenPrefix     = "portico_token"
	tokenFor        = 90 * 24 * time.Hour  // where nothing else is said
	longestToken    = 366 * 24 * time.Hour // at most
	bootstrapLength = 32
	usedEvery       = time.Minute // how precisely the last use is kept
)

// NewToken asks for an API token.
type NewToken struct {
	Name      string
	Scopes    apim.Scopes // none is all that its maker may
	ExpiresAt time.Time   // zero is 90 days
	Never     bool        // it does not end; for operators
}

// CreateToken mints an API token for the actor; its text is shown this once. It
// never may more than the actor. An empty tenant, for operators, spans tenants.
func (t *Tenants) CreateToken(ctx context.Context, actor apim.Actor, tenant apim.ID, in NewToken) (apim.Token, string, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectToken); err != nil {
		return apim.Token{}, "", err
	}
	if actor.Token != "" && (actor.Person != "" || !actor.Scopes.Allow(apim.Manage, apim.ObjectToken)) {
		return apim.Token{}, "", apim.Errorf(apim.Forbidden, "an API token cannot make another; sign in to make one").WithCode("token_by_token")
	}
	now := t.now()
	expires := in.ExpiresAt
	if expires.IsZero() && !in.Never {
		expires = now.Add(tokenFor)
	}
	var check apim.Check
	checkName(&check, in.Name)
	switch {
	case in.Never && !actor.Operator:
		check.Fail("never_expires", "not_allowed", "is for operators; choose a time within a year")
	case in.Never && !expires.IsZero():
		check.Fail("never_expires", "both", "does not go with expires_at")
	case in.Never:
	case !expires.After(now):
		check.Fail("expires_at", "past", "choose a time that is still to come")
	case expires.After(now.Add(longestToken)):
		check.Fail("expires_at", "too_late", "choose a time within a year")
	}
	scopes := t.checkScopes(ctx, &check, actor, tenant, in.Scopes)
	if err := check.Err(); err != nil {
		return apim.Token{}, "", err
	}
	text := secret.MintToken(tokenPrefix).Reveal()
	token := apim.Token{
		ID: apim.NewID(apim.PrefixToken, now), Person: actor.Person, Tenant: tenant, Name: in.Name, Hint: text[len(text)-4:],
		Scopes: scopes, CreatedAt: now,
	}
	until := "without an end"
	if !in.Never {
		token.ExpiresAt = expires.UTC().Truncate(time.Microsecond)
		until = "good until " + token.ExpiresAt.Format(time.RFC3339)
	}
	err := t.write(ctx, actor, func(u *unit) error {
		if !actor.Operator && !actor.System { // as it is now, also where another manager has just removed them
			if _, err := u.Tenant(tenant).Member(ctx, actor.Person); err != nil {
				return err
			}
		}
		if err := u.System().InsertToken(ctx, token, secret.HashHex(text), false); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "token.create", token.ID, nil, map[string]any{"scopes": scopes}, "API token %s made, %s", in.Name, until)
	})
	if err != nil {
		return apim.Token{}, "", err
	}
	return token, text, nil
}

// mostScopes bounds the scopes of a token.
const mostScopes = 60

// checkScopes returns a token's scopes, each once. One that the actor does not
// have anywhere in the tenant is refused, and a token gives none that is wider
// than its own; a scope with "*" grows and shrinks with what its person may.
func (t *Tenants) checkScopes(ctx context.Context, check *apim.Check, actor apim.Actor, tenant apim.ID, asked apim.Scopes) apim.Scopes {
	if len(asked) == 0 {
		if len(actor.Scopes) > 0 {
			return actor.Scopes
		}
		return apim.ScopePresets()["full"]
	}
	if len(asked) > mostScopes {
		check.Fail("scopes", "too_many", "has %d, the most is %d", len(asked), mostScopes)
		return nil
	}
	var out apim.Scopes
	for i, s := range asked {
		field := fmt.Sprintf("scopes[%d]", i)
		if err := apim.CheckScope(s); err != nil {
			check.Fail(field, "unknown", "%s", err)
			continue
		}
		verb, object, _ := strings.Cut(string(s), " ")
		if !actor.Scopes.Allow(apim.Verb(verb), apim.Object(object)) {
			check.Fail(field, "not_yours", "this API token does not have it, so it cannot give it")
			continue
		}
		if verb != "*" && object != "*" {
			if err := t.Authz.Somewhere(ctx, actor, tenant, apim.Verb(verb), apim.Object(object)); err != nil {
				check.Fail(field, "not_yours", "you may not do this yourself: %s", err)
				continue
			}
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Tokens lists the actor's own API tokens in a tenant, newest first.
func (t *Tenants) Tokens(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.Token], error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectToken); err != nil {
		return apim.List[apim.Token]{}, err
	}
	return t.Store.System().Tokens(ctx, actor.Person, tenant, page)
}

// AllTokens lists everybody's API tokens in a tenant, newest first.
func (t *Tenants) AllTokens(ctx context.Context, actor apim.Actor, tenant apim.ID, page apim.Page) (apim.List[apim.MadeToken], error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Manage, apim.ObjectToken); err != nil {
		return apim.List[apim.MadeToken]{}, err
	}
	return t.Store.Tenant(tenant).Tokens(ctx, page)
}

// RevokeToken ends an API token: one of the actor's own, and anybody's for who
// manages the tenant's tokens.
func (t *Tenants) RevokeToken(ctx context.Context, actor apim.Actor, tenant, id apim.ID) error {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectToken); err != nil {
		return err
	}
	return t.write(ctx, actor, func(u *unit) error {
		token, err := u.System().DeleteToken(ctx, actor.Person, tenant, id)
		if apim.KindOf(err) == apim.NotFound && t.Authz.Allow(ctx, actor, tenant, apim.Manage, apim.ObjectToken) == nil {
			return u.revokeAnother(ctx, tenant, id)
		}
		if err != nil {
			return err
		}
		return u.record(ctx, tenant, "token.revoke", id, "API token %s revoked", token.Name)
	})
}

func (u *unit) revokeAnother(ctx context.Context, tenant, id apim.ID) error {
	token, err := u.Tenant(tenant).DeleteToken(ctx, id)
	if err != nil {
		return err
	}
	whose := "a program"
	if token.Person != "" {
		p, err := u.System().Person(ctx, token.Person)
		if err != nil {
			return err
		}
		whose = p.Name
	}
	return u.record(ctx, tenant, "token.revoke", id, "API token %s of %s revoked", token.Name, whose)
}

// TokenActor returns who a token's text speaks for.
func (t *Tenants) TokenActor(ctx context.Context, text string) (apim.Actor, error) {
	token, err := t.Store.System().TokenByHash(ctx, secret.HashHex(text))
	if apim.KindOf(err) == apim.NotFound {
		return apim.Actor{}, apim.Errorf(apim.SignIn, "the API token is not known; it may have been revoked").WithCode("token_invalid")
	}
	if err != nil {
		return apim.Actor{}, err
	}
	now := t.now()
	if token.Expired(now) {
		return apim.Actor{}, apim.Errorf(apim.SignIn, "the API token ended on %s; make a new one", token.ExpiresAt.Format("2 January 2006")).WithCode("token_expired")
	}
	actor := apim.Actor{Token: token.ID, Tenant: token.Tenant, Scopes: token.Scopes, Name: token.Name, Operator: true}
	if token.Person != "" {
		p, err := t.Store.System().Person(ctx, token.Person)
		if err != nil {
			return apim.Actor{}, err
		}
		actor.Person, actor.Name, actor.Operator = p.ID, p.Name, p.Operator
	}
	if now.Sub(token.LastUsed) >= usedEvery {
		err = t.Store.Write(ctx, func(tx *store.Tx) error { return tx.System().TokenUsed(ctx, token.ID, now) })
	}
	return actor, err
}

// EnsureBootstrapToken makes an operator's token of the given text (at least
// 32 characters) when the installation has none yet.
func (t *Tenants) EnsureBootstrapToken(ctx context.Context, text string) error {
	if n := len([]rune(text)); n < bootstrapLength {
		return invalid("PORTICO_BOOTSTRAP_TOKEN", "too_short", "has %d characters, the least is %d; make one with: openssl rand -base64 36", n, bootstrapLength)
	}
	return t.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
		made, err := u.System().HasBootstrapToken(ctx)
		if err != nil || made {
			return err
		}
		token := apim.Token{ID: apim.NewID(apim.PrefixToken, u.now), Name: "bootstrap token", Scopes: apim.ScopePresets()["full"], CreatedAt: u.now}
		if err := u.System().InsertToken(ctx, token, secret.HashHex(text), true); err != nil {
			return err
		}
		return u.record(ctx, "", "token.bootstrap", token.ID, "operator's API token made from PORTICO_BOOTSTRAP_TOKEN")
	})
}
