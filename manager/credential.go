package manager

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/manager/store"
)

// mostKeys is how many keys an application may have at once.
const mostKeys = 50

// CreateKey mints an API key for an application of the tenant. Of the key only
// its hash is kept.
func (a *Access) CreateKey(ctx context.Context, actor apim.Actor, tenant, application apim.ID, in NewKey) (MintedKey, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return MintedKey{}, err
	}
	var out MintedKey
	err := a.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		app, err := t.Application(ctx, string(application))
		if err != nil {
			return err
		}
		if err := a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectCredential, app.ID, app.Team); err != nil {
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
		var fields apim.Check
		checkName(&fields, in.Name)
		if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(u.now) {
			fields.Fail("expires_at", "past", "choose a time that is still to come")
		}
		limit, err := keyLimit(ctx, u.Tx, app, env.Slug)
		if err != nil {
			return err
		}
		checkKeyLife(&fields, limit, in.ExpiresAt, u.now)
		in.Addresses, in.Referrers = checkRestrictions(&fields, in.Addresses, in.Referrers)
		if err := fields.Err(); err != nil {
			return err
		}
		owner, err := u.System().Tenant(ctx, string(tenant))
		if err != nil {
			return err
		}
		if out, err = mintKey(owner, app, env, in, u.now); err != nil {
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

// mintKey makes a key of the prefix that its tenant has, and the environment's
// kind takes.
func mintKey(owner apim.Tenant, app apim.Application, env apim.Environment, in NewKey, now time.Time) (MintedKey, error) {
	kept, text, err := mintSecret(owner, env.Kind, in.ExpiresAt, now)
	if err != nil {
		return MintedKey{}, err
	}
	return MintedKey{Key: text, Credential: apim.Credential{
		ID: apim.NewID(apim.PrefixCredential, now), Tenant: app.Tenant, Application: app.ID, Environment: env.Slug, Name: in.Name,
		Addresses: in.Addresses, Referrers: in.Referrers, Secrets: []apim.Secret{kept}, CreatedAt: now, Lock: 1,
	}}, nil
}

// mintSecret makes a secret for an environment's kind, and its text.
func mintSecret(owner apim.Tenant, kind apim.EnvironmentKind, expires, now time.Time) (kept apim.Secret, text string, err error) {
	key, err := secret.MintKey(secret.KeyPrefix(owner.KeyPrefix, kind == apim.Sandbox))
	if err != nil {
		return kept, "", fmt.Errorf("mint key: %w", err)
	}
	hash := key.Hash()
	kept = apim.Secret{
		ID: apim.NewID(apim.PrefixSecret, now), Hash: hex.EncodeToString(hash[:]), Prefix: key.String(), LastFour: key.LastFour(), CreatedAt: now,
	}
	if !expires.IsZero() {
		kept.ExpiresAt = expires.UTC().Truncate(time.Microsecond)
	}
	return kept, key.Reveal(), nil
}

// checkRestrictions checks from where a key may be used. Single addresses
// become networks of one.
func checkRestrictions(fields *apim.Check, addresses, referrers []string) (networks, hosts []string) {
	const most = 100
	if len(addresses) > most || len(referrers) > most {
		fields.Fail("addresses", "too_many", "has more than %d, or referrers has", most)
		return nil, nil
	}
	networks, hosts = []string{}, []string{}
	for i, a := range addresses {
		if one, err := netip.ParseAddr(a); err == nil {
			a = netip.PrefixFrom(one.Unmap(), one.Unmap().BitLen()).String()
		}
		if err := check.Network(a); err != nil {
			fields.Fail(fmt.Sprintf("addresses[%d]", i), "network", "%s", err)
		}
		networks = append(networks, a)
	}
	for i, r := range referrers {
		r = strings.ToLower(r)
		if err := check.Referrer(r); err != nil {
			fields.Fail(fmt.Sprintf("referrers[%d]", i), "host", "%s", err)
		}
		hosts = append(hosts, r)
	}
	return networks, hosts
}

// UpdateKey changes a key's name and from where it may be used.
func (a *Access) UpdateKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, in KeyChange) (apim.Credential, apim.Change, error) {
	var fields apim.Check
	if in.Name != nil {
		checkName(&fields, *in.Name)
	}
	networks, hosts := checkRestrictions(&fields, value(in.Addresses), value(in.Referrers))
	return a.keepKey(ctx, actor, tenant, credential, "credential.change", "changed", func(_ *unit, c *apim.Credential) ([]entry.Item, error) {
		if err := fields.Err(); err != nil {
			return nil, err
		}
		if err := apim.CheckLock("key", c.Lock, in.Lock); err != nil {
			return nil, err
		}
		set(&c.Name, in.Name)
		if in.Addresses != nil {
			c.Addresses = networks
		}
		if in.Referrers != nil {
			c.Referrers = hosts
		}
		return nil, nil
	})
}

// RotateKey gives a key a new secret, which is shown this once. The old one
// works on for the grace; 0 ends it at once. Where the application's plans bound
// the life of keys, the new one ends as late as they allow.
func (a *Access) RotateKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, grace time.Duration) (MintedKey, error) {
	var out MintedKey
	var err error
	out.Credential, out.Change, err = a.keepKey(ctx, actor, tenant, credential, "credential.rotate", "rotated", func(u *unit, c *apim.Credential) ([]entry.Item, error) {
		env, err := environment(ctx, u.System(), c.Environment, "environment")
		if err != nil {
			return nil, err
		}
		app, err := u.Tenant(tenant).Application(ctx, string(c.Application))
		if err != nil {
			return nil, err
		}
		limit, err := keyLimit(ctx, u.Tx, app, c.Environment)
		if err != nil {
			return nil, err
		}
		var expires time.Time
		if limit.Life > 0 {
			expires = limit.Latest(u.now)
		}
		owner, err := u.System().Tenant(ctx, string(tenant))
		if err != nil {
			return nil, err
		}
		next, text, err := mintSecret(owner, env.Kind, expires, u.now)
		if err != nil {
			return nil, err
		}
		before := c.Secrets
		if err := c.Rotate(next, grace, u.now); err != nil {
			return nil, err
		}
		out.Key = text
		var gone []entry.Item
		kept := c.Secrets[:0:0]
		for _, s := range c.Secrets {
			if !s.Expired(u.now) {
				kept = append(kept, s)
			}
		}
		c.Secrets = kept
		for _, s := range before {
			if !slices.ContainsFunc(kept, func(k apim.Secret) bool { return k.ID == s.ID }) {
				gone = append(gone, tombstone(s))
			}
		}
		return gone, nil
	})
	if err != nil {
		return MintedKey{}, err
	}
	return out, nil
}

// EndSecret ends a rotated key's old secret before its grace is over.
func (a *Access) EndSecret(ctx context.Context, actor apim.Actor, tenant, credential, secretID apim.ID) (apim.Credential, apim.Change, error) {
	return a.keepKey(ctx, actor, tenant, credential, "credential.end_secret", "left with its new secret alone", func(_ *unit, c *apim.Credential) ([]entry.Item, error) {
		gone, err := c.EndSecret(secretID)
		if err != nil {
			return nil, err
		}
		return []entry.Item{tombstone(gone)}, nil
	})
}

// tombstone ends what a secret grants.
func tombstone(s apim.Secret) entry.Item {
	return entry.Tombstone(entry.Key(string(entry.KindGrant)+"."+s.Hash), entry.Position{})
}

// keepKey changes a live key of the tenant and publishes it. change returns
// what is to be ended with it.
func (a *Access) keepKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, action, said string, change func(u *unit, c *apim.Credential) ([]entry.Item, error)) (apim.Credential, apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return apim.Credential{}, apim.Change{}, err
	}
	var c apim.Credential
	var published apim.Change
	err := a.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if c, err = t.Credential(ctx, credential); err != nil {
			return err
		}
		if err := a.allowKey(ctx, t, actor, tenant, c); err != nil {
			return err
		}
		if !c.RevokedAt.IsZero() {
			return apim.Errorf(apim.Conflict, "the key %s is revoked; make a new one", c.Name).WithCode("credential_revoked")
		}
		before := c
		gone, err := change(u, &c)
		if err != nil {
			return err
		}
		if err := t.UpdateCredential(ctx, &c); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, action, c.ID, keyFacts(before), keyFacts(c), "key %s %s", c.Name, said); err != nil {
			return err
		}
		app, err := t.Application(ctx, string(c.Application))
		if err != nil {
			return err
		}
		items, err := u.grants(ctx, app)
		if err != nil {
			return err
		}
		published, err = u.emit(ctx, c.Environment, append(gone, items[c.Environment]...))
		return err
	})
	return c, published, err
}

// RevokeKey ends a key for good. Revoking twice is one revocation.
func (a *Access) RevokeKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID) (apim.Credential, apim.Change, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return apim.Credential{}, apim.Change{}, err
	}
	var c apim.Credential
	var change apim.Change
	err := a.write(ctx, actor, func(u *unit) (err error) {
		t := u.Tenant(tenant)
		if c, err = t.Credential(ctx, credential); err != nil {
			return err
		}
		if err := a.allowKey(ctx, t, actor, tenant, c); err != nil {
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

// allowKey checks that the actor may change a key: that of an application of
// theirs, which may have been removed.
func (a *Access) allowKey(ctx context.Context, t store.Tenant, actor apim.Actor, tenant apim.ID, c apim.Credential) error {
	teams, err := t.TeamsOfApplications(ctx, []apim.ID{c.Application})
	if err != nil {
		return err
	}
	return a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectCredential, c.Application, teams[c.Application])
}

func keyFacts(c apim.Credential) any {
	secrets := map[string]time.Time{}
	for _, s := range c.Secrets {
		secrets["…"+s.LastFour] = s.ExpiresAt
	}
	return map[string]any{"name": c.Name, "addresses": c.Addresses, "referrers": c.Referrers, "secrets end": secrets}
}
