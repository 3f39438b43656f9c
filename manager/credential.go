package manager

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
)

// mostKeys is how many keys an application may have at once.
const mostKeys = 50

// CreateKey mints an API key for an application of the tenant. Of the key only
// its hash is kept.
func (a *Access) CreateKey(ctx context.Context, actor apim.Actor, tenant, application apim.ID, in NewKey) (MintedKey, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return MintedKey{}, err
	}
	var out MintedKey
	err := a.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		app, err := t.Application(ctx, string(application))
		if err != nil {
			return err
		}
		env, err := environment(ctx, u.System(), in.Environment, "environment")
		if err != nil {
			return err
		}
		live, err := t.LiveCredentials(ctx, app.ID)
		if err != nil {
			return err
		}
		if len(live) >= mostKeys {
			return apim.Errorf(apim.Conflict, "%s has %d keys, which is the most; revoke one first", app.Name, len(live)).WithCode("too_many_keys")
		}
		if in.Name == "" {
			in.Name = "Key"
		}
		var check apim.Check
		checkName(&check, in.Name)
		if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(u.now) {
			check.Fail("expires_at", "past", "choose a time that is still to come")
		}
		if err := check.Err(); err != nil {
			return err
		}
		if out, err = mintKey(app, env, in, u.now); err != nil {
			return err
		}
		if err := t.InsertCredential(ctx, out.Credential); err != nil {
			return err
		}
		if err := u.record(ctx, tenant, "credential.create", out.Credential.ID, "key %s… of %s made for %s", out.Credential.Secrets[0].Prefix, app.Name, env.Slug); err != nil {
			return err
		}
		out.Change, err = u.regrantIn(ctx, app, env.Slug)
		return err
	})
	if err != nil {
		return MintedKey{}, err
	}
	return out, nil
}

// mintKey makes a key of the prefix that the environment's kind takes.
func mintKey(app apim.Application, env apim.Environment, in NewKey, now time.Time) (MintedKey, error) {
	prefix := secret.PrefixLive
	if env.Kind == apim.Sandbox {
		prefix = secret.PrefixTest
	}
	key, err := secret.MintKey(prefix)
	if err != nil {
		return MintedKey{}, fmt.Errorf("mint key: %w", err)
	}
	hash := key.Hash()
	kept := apim.Secret{
		ID: apim.NewID(apim.PrefixSecret, now), Hash: hex.EncodeToString(hash[:]), Prefix: key.String(), LastFour: key.LastFour(), CreatedAt: now,
	}
	if !in.ExpiresAt.IsZero() {
		kept.ExpiresAt = in.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	return MintedKey{Key: key.Reveal(), Credential: apim.Credential{
		ID: apim.NewID(apim.PrefixCredential, now), Tenant: app.Tenant, Application: app.ID, Environment: env.Slug, Name: in.Name,
		Secrets: []apim.Secret{kept}, CreatedAt: now, Lock: 1,
	}}, nil
}

// RevokeKey ends a key for good. Revoking twice is one revocation.
func (a *Access) RevokeKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID) (apim.Credential, apim.Change, error) {
	if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return apim.Credential{}, apim.Change{}, err
	}
	var c apim.Credential
	var change apim.Change
	err := a.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if c, err = t.Credential(ctx, credential); err != nil {
			return err
		}
		if c.RevokedAt.IsZero() {
			c.Revoke(who(actor), u.now)
			if err := t.RevokeCredential(ctx, &c); err != nil {
				return err
			}
			if err := u.record(ctx, tenant, "credential.revoke", c.ID, "key %s revoked", c.Name); err != nil {
				return err
			}
		}
		change, err = u.endGrants(ctx, []apim.Credential{c})
		return err
	})
	return c, change, err
}
