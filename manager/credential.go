package manager

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/manager/store"
)

// mostKeys is how many credentials an application may have at once.
const mostKeys = 50

// CreateKey makes a credential for an application of the tenant: an API key
// where no other kind is asked for. Of keys and passwords only a hash is kept.
func (a *Access) CreateKey(ctx context.Context, actor apim.Actor, tenant, application apim.ID, in NewKey) (MintedKey, error) {
	if err := a.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectCredential); err != nil {
		return MintedKey{}, err
	}
	if err := a.prove(ctx, actor, tenant, application, in); err != nil {
		return MintedKey{}, err
	}
	var out MintedKey
	err := a.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		app, env, err := a.roomFor(ctx, u.Tx, actor, tenant, application, in.Environment)
		if err != nil {
			return err
		}
		var fields apim.Check
		form := checkNewKey(&fields, &in, app.ID, vouches(actor), u.now)
		checkName(&fields, in.Name)
		if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(u.now) {
			fields.Fail("expires_at", "past", "choose a time that is still to come")
		}
		limit, err := keyLimit(ctx, u.Tx, app, env.Slug)
		if err != nil {
			return err
		}
		form.end(&in, limit, u.now)
		checkKeyLife(&fields, limit, in.ExpiresAt, u.now)
		in.Addresses, in.Referrers = checkRestrictions(&fields, in.Addresses, in.Referrers)
		if err := fields.Err(); err != nil {
			return err
		}
		owner, err := u.System().Tenant(ctx, string(tenant))
		if err != nil {
			return err
		}
		c := apim.Credential{
			ID: apim.NewID(apim.PrefixCredential, u.now), Tenant: app.Tenant, Application: app.ID, Environment: env.Slug, Kind: in.Kind, Name: in.Name,
			Issuer: in.Issuer, Subject: in.Subject, Addresses: in.Addresses, Referrers: in.Referrers, CreatedAt: u.now, Lock: 1,
		}
		kept, text, err := u.secretFor(ctx, owner, env, c, form, in.ExpiresAt)
		if err != nil {
			return err
		}
		c.Secrets = []apim.Secret{kept}
		out.Credential, out.Key = c, text
		if err := t.InsertCredential(ctx, c); err != nil {
			return err
		}
		if err := u.record(ctx, tenant, "credential.create", c.ID, "%s of %s made for %s", called(c), app.Name, env.Slug); err != nil {
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

// roomFor returns for what a credential is to be made: an application of the
// actor's that may have one more, and an environment that is there.
func (a *Access) roomFor(ctx context.Context, tx *store.Tx, actor apim.Actor, tenant, application apim.ID, slug string) (app apim.Application, env apim.Environment, err error) {
	t := tx.Tenant(tenant)
	if app, err = t.Application(ctx, string(application)); err != nil {
		return app, env, err
	}
	if err = a.Authz.Allow(ctx, actor, tenant, apim.Write, apim.ObjectCredential, app.ID, app.Team); err != nil {
		return app, env, err
	}
	if env, err = environment(ctx, tx.System(), slug, "environment"); err != nil {
		return app, env, err
	}
	live, err := t.LiveCredentials(ctx, app.ID)
	if err == nil && len(live) >= mostKeys {
		err = apim.Errorf(apim.Conflict, "%s has %d keys, which is the most; revoke one first", app.Name, len(live)).WithCode("too_many_keys")
	}
	return app, env, err
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

// RotateKey gives a credential a new secret, which is shown this once. The old
// one works on for the grace; 0 ends it at once. Where the application's plans
// bound the life of keys, the new one ends as late as they allow.
func (a *Access) RotateKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, grace time.Duration) (MintedKey, error) {
	return a.rotate(ctx, actor, tenant, credential, grace, func(_ *apim.Check, c apim.Credential, _ time.Time) (*shown, error) {
		if !c.Kind.Secret() {
			return nil, apim.Errorf(apim.Conflict, "%s holds no secret that is made here; %s", c.Name, instead(c.Kind)).WithCode("no_secret")
		}
		return &shown{}, nil
	})
}

// ReplaceCertificate registers a credential's next client certificate, with its
// proof, as in NewKey. The one before is taken for the grace; 0 ends it at once.
func (a *Access) ReplaceCertificate(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, certificate, proof string, grace time.Duration) (MintedKey, error) {
	return a.rotate(ctx, actor, tenant, credential, grace, func(fields *apim.Check, c apim.Credential, now time.Time) (*shown, error) {
		if c.Kind != apim.CredentialCertificate {
			return nil, apim.Errorf(apim.Conflict, "%s is a %s, which has no certificate; rotate it without one", c.Name, c.Kind.Text()).WithCode("no_certificate")
		}
		form := readShown(fields, certificate, now)
		form.checkProof(fields, c.Application, proof, vouches(actor))
		return form, nil
	})
}

// RenewKey moves the end of the registration of an issuer's tokens. The zero time
// is as late as the application's plans allow: no end, where they set none.
func (a *Access) RenewKey(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, expires time.Time) (apim.Credential, apim.Change, error) {
	return a.keepKey(ctx, actor, tenant, credential, "credential.renew", "renewed", func(u *unit, c *apim.Credential) ([]entry.Item, error) {
		if c.Kind != apim.CredentialJWT {
			return nil, apim.Errorf(apim.Conflict, "%s is a %s, whose end does not move; rotate it", c.Name, c.Kind.Text()).WithCode("no_renewal")
		}
		app, err := u.Tenant(tenant).Application(ctx, string(c.Application))
		if err != nil {
			return nil, err
		}
		limit, err := keyLimit(ctx, u.Tx, app, c.Environment)
		if err != nil {
			return nil, err
		}
		if expires.IsZero() && limit.Life > 0 {
			expires = limit.Latest(u.now)
		}
		var fields apim.Check
		if !expires.IsZero() && !expires.After(u.now) {
			fields.Fail("expires_at", "past", "choose a time that is still to come")
		}
		checkKeyLife(&fields, limit, expires, u.now)
		if err := fields.Err(); err != nil {
			return nil, err
		}
		c.Secrets = slices.Clone(c.Secrets)
		for i := range c.Secrets {
			c.Secrets[i].ExpiresAt = expires
			if !expires.IsZero() {
				c.Secrets[i].ExpiresAt = expires.UTC().Truncate(time.Microsecond)
			}
		}
		return nil, nil
	})
}

// instead says how what somebody else issues is renewed.
func instead(kind apim.CredentialKind) string {
	if kind == apim.CredentialCertificate {
		return "rotate it with its next certificate"
	}
	return "its issuer renews the tokens; what is renewed here is when the registration ends"
}

// rotate gives a credential a new secret. from reads what it is to be made from.
func (a *Access) rotate(ctx context.Context, actor apim.Actor, tenant, credential apim.ID, grace time.Duration, from func(fields *apim.Check, c apim.Credential, now time.Time) (*shown, error)) (MintedKey, error) {
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
		var fields apim.Check
		form, err := from(&fields, *c, u.now)
		if err != nil {
			return nil, err
		}
		if err := fields.Err(); err != nil {
			return nil, err
		}
		var in NewKey
		if limit.Life > 0 {
			in.ExpiresAt = limit.Latest(u.now)
		}
		form.end(&in, limit, u.now)
		owner, err := u.System().Tenant(ctx, string(tenant))
		if err != nil {
			return nil, err
		}
		before := c.Secrets
		next, text, err := u.secretFor(ctx, owner, env, *c, form, in.ExpiresAt)
		if err != nil {
			return nil, err
		}
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
			return apim.Errorf(apim.Conflict, "the %s %s is revoked; make a new one", c.Kind.Text(), c.Name).WithCode("credential_revoked")
		}
		before := c
		gone, err := change(u, &c)
		if err != nil {
			return err
		}
		if err := t.UpdateCredential(ctx, &c); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, action, c.ID, keyFacts(before), keyFacts(c), "%s %s %s", c.Kind.Text(), c.Name, said); err != nil {
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

// RevokeKey ends a credential for good. Revoking twice is one revocation.
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
		if !c.RevokedAt.IsZero() && !c.Kind.Secret() {
			// Somebody may have registered the same since: its grant is theirs.
			env, err := environment(ctx, u.System(), c.Environment, "environment")
			change = apim.Change{Environment: env.Slug, Sequence: env.Sequence}
			return err
		}
		if c.RevokedAt.IsZero() {
			c.Revoke(who(actor), u.now)
			if err := t.RevokeCredential(ctx, &c); err != nil {
				return err
			}
			if err := u.record(ctx, tenant, "credential.revoke", c.ID, "%s %s revoked", c.Kind.Text(), c.Name); err != nil {
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
		secrets[s.Text()] = s.ExpiresAt
	}
	return map[string]any{"name": c.Name, "addresses": c.Addresses, "referrers": c.Referrers, "secrets end": secrets}
}

// called names a credential in the audit log by what tells it from others.
func called(c apim.Credential) string {
	switch c.Kind {
	case apim.CredentialJWT:
		return fmt.Sprintf("token identity %q of %s", c.Subject, c.Issuer)
	case apim.CredentialBasic:
		return fmt.Sprintf("user name %q", c.Subject)
	case apim.CredentialSignature:
		return "signing secret " + c.Secrets[0].Prefix
	case apim.CredentialCertificate:
		return "certificate " + c.Secrets[0].Prefix
	}
	return "key " + c.Secrets[0].Prefix + "…"
}
