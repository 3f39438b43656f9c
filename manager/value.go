package manager

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

// longestValue bounds a value, in bytes.
const longestValue = 8 << 10

// longestPEM bounds a value that holds certificates or a key, in bytes.
const longestPEM = 64 << 10

// isPEM reports whether a value holds certificates or a key, which have lines.
// Such a value stands in an upstream's TLS alone: in a header or an address a
// line break would begin another.
func isPEM(text string) bool {
	return strings.HasPrefix(text, "-----BEGIN ") && !strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' || r == 0x7f) && r != '\n' && r != '\r' })
}

// valueName is what a value may be called, and reference how upstreams refer to
// it.
var (
	valueName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	reference = regexp.MustCompile(`\$\{([^}]*)\}`)
)

// ValueInput is a value to be kept. Whether it is a secret cannot change.
type ValueInput struct {
	Environment string // slug
	Name        string
	Value       secret.Text
	Secret      bool
}

// Values lists the tenant's values in an environment, by name; secret ones
// without what they are.
func (c *Catalog) Values(ctx context.Context, actor apim.Actor, tenant apim.ID, environmentSlug string) ([]apim.EnvironmentValue, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return nil, err
	}
	env, err := environment(ctx, c.Store.System(), environmentSlug, "environment")
	if err != nil {
		return nil, err
	}
	values, err := c.Store.Tenant(tenant).Values(ctx, env.Slug)
	for i := range values {
		values[i].Sealed = nil
	}
	return values, err
}

// SetValue keeps a value, and publishes what is live in the environment and
// refers to it; the change is zero where nothing does. A secret is never shown
// again.
func (c *Catalog) SetValue(ctx context.Context, actor apim.Actor, tenant apim.ID, in ValueInput) (apim.EnvironmentValue, apim.Change, error) {
	if err := c.Authz.Allow(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return apim.EnvironmentValue{}, apim.Change{}, err
	}
	text := in.Value.Reveal()
	var check apim.Check
	if !valueName.MatchString(in.Name) {
		check.Fail("name", "name", "use 1 to 63 lower-case letters, digits and underscores, a letter first")
	}
	switch {
	case text == "":
		check.Fail("value", "required", "needs a value")
	case len(text) > longestValue && !isPEM(text) || len(text) > longestPEM:
		check.Fail("value", "too_long", "has %d bytes, the most is %d, and %d for certificates and keys (PEM)", len(text), longestValue, longestPEM)
	case isPEM(text): // has lines
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		check.Fail("value", "control", "holds a line break or another control character")
	case strings.Contains(text, "${"):
		check.Fail("value", "reference", "refers to another value; values do not nest")
	}
	if err := check.Err(); err != nil {
		return apim.EnvironmentValue{}, apim.Change{}, err
	}
	var v apim.EnvironmentValue
	var change apim.Change
	err := c.write(ctx, actor, func(u *unit) error {
		env, err := environment(ctx, u.System(), in.Environment, "environment")
		if err != nil {
			return err
		}
		v = apim.EnvironmentValue{Tenant: tenant, Environment: env.Slug, Name: in.Name, Secret: in.Secret, UpdatedBy: who(actor), UpdatedAt: u.now}
		have, err := u.values(ctx, tenant, env.Slug)
		if err != nil {
			return err
		}
		if old, known := have[in.Name]; known && old.Secret != in.Secret {
			return invalid("secret", "fixed", "is fixed once a value is made; delete %s and make it anew", in.Name)
		}
		kept := v
		if in.Secret {
			if u.core.Box == nil {
				return errNoKey
			}
			if kept.Sealed, err = u.core.Box.Seal([]byte(text), valuePlace(v)); err != nil {
				return err
			}
		} else {
			kept.Value, v.Value = text, text
		}
		if err := u.Tenant(tenant).SetValue(ctx, kept); err != nil {
			return err
		}
		if err := u.recordChange(ctx, tenant, "value.set", env.ID, u.valueFact(have[in.Name]), u.valueFact(kept), "value %s of %s set", in.Name, env.Slug); err != nil {
			return err
		}
		change, err = c.republish(ctx, u, tenant, env, in.Name)
		return err
	})
	return v, change, err
}

// valueFact is what an audit row says of a value: of a secret only a mark.
func (u *unit) valueFact(v apim.EnvironmentValue) any {
	switch {
	case v.Name == "":
		return nil
	case !v.Secret:
		return map[string]any{v.Name: v.Value}
	case u.core.Box != nil:
		if plain, err := u.core.Box.Open(v.Sealed, valuePlace(v)); err == nil {
			return map[string]any{v.Name: u.mark(string(plain), valuePlace(v))}
		}
	}
	return map[string]any{v.Name: "a secret"} // sealed with another key, or nobody's to open
}

// DeleteValue removes a value that nothing live refers to.
func (c *Catalog) DeleteValue(ctx context.Context, actor apim.Actor, tenant apim.ID, environmentSlug, name string) error {
	if err := c.Authz.Allow(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return err
	}
	return c.write(ctx, actor, func(u *unit) error {
		env, err := environment(ctx, u.System(), environmentSlug, "environment")
		if err != nil {
			return err
		}
		users, err := c.users(ctx, u, tenant, env.Slug, func(rt apim.Runtime) bool { return slices.Contains(references(rt), name) })
		if err != nil {
			return err
		}
		if len(users) > 0 {
			names, err := u.System().VersionNames(ctx, ids(users, func(r user) apim.ID { return r.version.ID }))
			if err != nil {
				return err
			}
			return apim.Errorf(apim.Conflict, "%s is live in %s and refers to ${%s}; publish it without first", names[users[0].version.ID], env.Slug, name).WithCode("value_in_use")
		}
		there, err := u.Tenant(tenant).DeleteValue(ctx, env.Slug, name)
		if err == nil && !there {
			err = apim.Errorf(apim.NotFound, "%s has no value %q", env.Slug, name)
		}
		if err != nil {
			return err
		}
		return u.record(ctx, tenant, "value.delete", env.ID, "value %s of %s deleted", name, env.Slug)
	})
}

// valuePlace names where a secret value lives, for its seal.
func valuePlace(v apim.EnvironmentValue) string {
	return string(v.Tenant) + "|environment_value|" + v.Environment + "|" + v.Name
}

func (u *unit) values(ctx context.Context, tenant apim.ID, environment string) (map[string]apim.EnvironmentValue, error) {
	all, err := u.Tenant(tenant).Values(ctx, environment)
	out := make(map[string]apim.EnvironmentValue, len(all))
	for _, v := range all {
		out[v.Name] = v
	}
	return out, err
}

// references lists the values that a runtime refers to.
func references(rt apim.Runtime) []string {
	var out []string
	add := func(text string) {
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
	}
	for _, u := range rt.Upstreams {
		for _, url := range u.URLs {
			add(url)
		}
		for _, h := range u.Headers {
			add(h.Value)
		}
		for _, text := range []string{u.TLS.ServerName, u.TLS.Roots, u.TLS.Certificate, u.TLS.Key} {
			add(text)
		}
	}
	for _, list := range allPolicies(rt) {
		out = append(out, policyReferences(list)...)
	}
	return out
}

// user is what is live in an environment and refers to a value.
type user struct {
	version  apim.Version
	revision apim.Revision
}

// users returns what is live of a tenant in an environment and fits.
func (c *Catalog) users(ctx context.Context, u *unit, tenant apim.ID, environment string, fits func(apim.Runtime) bool) ([]user, error) {
	t := u.Tenant(tenant)
	live, err := t.LiveIn(ctx, environment)
	if err != nil {
		return nil, err
	}
	var out []user
	for _, d := range live {
		rev, err := t.Revision(ctx, d.Version, d.Revision)
		if err != nil {
			return nil, err
		}
		branched, _, err := u.branched(ctx, apim.Version{ID: d.Version, Tenant: tenant}, rev.Runtime, environment)
		if err != nil {
			return nil, err
		}
		if !fits(branched) {
			continue
		}
		v, err := t.Version(ctx, d.Version)
		if err != nil {
			return nil, err
		}
		out = append(out, user{v, rev})
	}
	return out, nil
}

// republish emits what is live in an environment and refers to a value. Where
// nothing does, the change is zero.
func (c *Catalog) republish(ctx context.Context, u *unit, tenant apim.ID, env apim.Environment, name string) (apim.Change, error) {
	users, err := c.users(ctx, u, tenant, env.Slug, func(rt apim.Runtime) bool { return slices.Contains(references(rt), name) })
	if err != nil || len(users) == 0 {
		return apim.Change{}, err
	}
	var items []entry.Item
	for _, r := range users {
		it, err := u.apiItem(ctx, r.version, r.revision, env.Slug)
		if err != nil {
			return apim.Change{}, err
		}
		items = append(items, it)
	}
	return u.emit(ctx, env.Slug, items)
}

// resolved puts an environment's values in the place of references. Secrets
// may stand in headers and policies alone, which are left as they are.
func (u *unit) resolved(ctx context.Context, tenant apim.ID, environment string, rt apim.Runtime) (apim.Runtime, map[string]apim.EnvironmentValue, error) {
	if len(references(rt)) == 0 {
		return rt, nil, nil
	}
	values, err := u.values(ctx, tenant, environment)
	if err != nil {
		return rt, nil, err
	}
	var check apim.Check
	upstreams := slices.Clone(rt.Upstreams)
	for i, up := range upstreams {
		upstreams[i].URLs = slices.Clone(up.URLs)
		for j, url := range up.URLs {
			at := fmt.Sprintf("upstreams[%d].urls[%d]", i, j)
			upstreams[i].URLs[j] = reference.ReplaceAllStringFunc(url, func(ref string) string {
				name := ref[2 : len(ref)-1]
				switch v, known := values[name]; {
				case !known:
					check.Fail(at, "value_missing", "refers to ${%s}, and %s has no value of that name", name, environment)
				case v.Secret:
					check.Fail(at, "secret", "refers to ${%s}, which is a secret; secrets may stand in headers and policies, not in addresses", name)
				case strings.ContainsAny(v.Value, "\r\n"):
					check.Fail(at, "lines", "refers to ${%s}, which has several lines; certificates stand in the upstream's TLS alone", name)
				default:
					return v.Value
				}
				return ref
			})
		}
		for j, h := range up.Headers {
			for _, m := range reference.FindAllStringSubmatch(h.Value, -1) {
				v, known := values[m[1]]
				if known && strings.ContainsAny(v.Value, "\r\n") {
					check.Fail(fmt.Sprintf("upstreams[%d].headers[%d].value", i, j), "lines", "refers to ${%s}, which has several lines; certificates stand in the upstream's TLS alone", m[1])
				}
				if !known {
					check.Fail(fmt.Sprintf("upstreams[%d].headers[%d].value", i, j), "value_missing", "refers to ${%s}, and %s has no value of that name", m[1], environment)
				}
			}
		}
	}
	rt.Upstreams = upstreams
	return rt, values, check.Err()
}

// headers are an upstream's headers for an environment's nodes. What holds a
// secret is sealed.
func (u *unit) headers(ctx context.Context, v apim.Version, up apim.Upstream, environment string, values map[string]apim.EnvironmentValue) ([]entry.UpstreamHeader, error) {
	var out []entry.UpstreamHeader
	for _, h := range up.Headers {
		text, hidden := h.Value, false
		var failed error
		text = reference.ReplaceAllStringFunc(text, func(ref string) string {
			value := values[ref[2:len(ref)-1]]
			if !value.Secret {
				return value.Value
			}
			hidden = true
			if u.core.Box == nil {
				failed = errNoKey
				return ""
			}
			plain, err := u.core.Box.Open(value.Sealed, valuePlace(value))
			if err != nil {
				failed = fmt.Errorf("value %s of %s: %w", value.Name, environment, err)
			}
			if bytes.ContainsAny(plain, "\r\n") {
				failed = invalid("upstreams.headers.value", "lines", "refers to ${%s}, which has several lines; keys stand in the upstream's TLS alone", value.Name)
			}
			return string(plain)
		})
		if failed != nil {
			return nil, failed
		}
		if !hidden {
			out = append(out, entry.UpstreamHeader{Name: h.Name, Value: text})
			continue
		}
		sealed, err := u.sealFor(ctx, environment, entry.HeaderInfo(v.ID.UUID(), up.Name, h.Name), []byte(text))
		if err != nil {
			return nil, err
		}
		out = append(out, entry.UpstreamHeader{Name: h.Name, Sealed: &sealed})
	}
	return out, nil
}

// sealFor seals a secret for an environment's nodes.
func (u *unit) sealFor(ctx context.Context, environment, info string, plain []byte) (entry.Sealed, error) {
	number, key, err := u.environmentKey(ctx, environment, false)
	if err != nil {
		return entry.Sealed{}, err
	}
	box, err := secret.NewBox([32]byte(key))
	if err != nil {
		return entry.Sealed{}, err
	}
	sealed, err := box.Seal(plain, info)
	return entry.Sealed{Key: number, Box: base64.StdEncoding.EncodeToString(sealed)}, err
}

// resealed is what is live in an environment and holds secrets, compiled anew:
// they are sealed with the environment's key as it is now.
func (u *unit) resealed(ctx context.Context, environment string) ([]entry.Item, error) {
	tenants, err := u.System().SealedIn(ctx, environment)
	if err != nil {
		return nil, err
	}
	c := &Catalog{Core: *u.core}
	var out []entry.Item
	for _, tenant := range tenants {
		values, err := u.values(ctx, tenant, environment)
		if err != nil {
			return nil, err
		}
		users, err := c.users(ctx, u, tenant, environment, func(rt apim.Runtime) bool {
			return slices.ContainsFunc(references(rt), func(name string) bool { return values[name].Secret })
		})
		if err != nil {
			return nil, err
		}
		for _, r := range users {
			it, err := u.apiItem(ctx, r.version, r.revision, environment)
			if err != nil {
				return nil, err
			}
			out = append(out, it)
		}
	}
	return out, nil
}

// standIns replaces references by what lets an address be checked before its
// values are known.
func standIns(rt apim.Runtime) apim.Runtime {
	rt.Upstreams = slices.Clone(rt.Upstreams)
	for i, up := range rt.Upstreams {
		rt.Upstreams[i].URLs = slices.Clone(up.URLs)
		for j, url := range up.URLs {
			rt.Upstreams[i].URLs[j] = standIn(url)
		}
	}
	return rt
}

func standIn(url string) string {
	if rest := reference.ReplaceAllString(url, "value"); strings.HasPrefix(url, "${") {
		return "http://" + strings.TrimPrefix(rest, "http://")
	}
	return reference.ReplaceAllString(url, "value")
}
