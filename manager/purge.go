package manager

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/store"
)

// CachePurges tells gateway nodes to forget stored answers; the bus does.
type CachePurges interface {
	// Purge does not wait for the nodes. It fails when the bus is away. A node
	// that does not hear it forgets everything once it is back.
	Purge(ctx context.Context, environment string, purge entry.Purge) error
}

// Purge says which of a version's stored answers are to be forgotten: those with
// a tag, those of an address, or, with neither, all.
type Purge struct {
	Tag string
	URL string // of the gateway, or its path; a query makes no difference
}

// Purged says how far a purge went.
type Purged struct {
	Nodes int      // that were told, and could be reached then
	Away  []string // names of those that could not, and forget everything once they are back
}

// maxPurgeText bounds a tag or an address.
const maxPurgeText = 2048

// PurgeCache makes all nodes of an environment forget stored answers of a
// version. It may be called though the version is not live there any more, and
// again when it fails. The audit log has it before any node hears it.
func (c *Catalog) PurgeCache(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string, in Purge) (Purged, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return Purged{}, err
	}
	purge, said, err := in.entry()
	if err != nil {
		return Purged{}, err
	}
	slug := ""
	err = c.write(repeatable(ctx), actor, func(u *unit) error {
		e, err := environment(ctx, u.System(), environmentSlug, "environment")
		if err != nil {
			return err
		}
		t := u.Tenant(tenant)
		v, err := t.Version(ctx, version)
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, t, actor, apim.Publish, v.API); err != nil {
			return err
		}
		if c.Purges == nil {
			return errNotPurged
		}
		purge.Version, slug = v.ID.UUID(), e.Slug
		return u.record(ctx, tenant, "cache.purge", v.ID, "stored answers of version %s in %s are to be purged: %s", v.Label, e.Slug, said)
	})
	if err != nil {
		return Purged{}, err
	}
	if err := c.Purges.Purge(ctx, slug, purge); err != nil {
		c.Log.WarnContext(ctx, "nodes not told to purge", "version", version, "error", err)
		return Purged{}, errNotPurged
	}
	return c.told(ctx, slug), nil
}

// told says which nodes of an environment can have heard what all were told just
// now.
func (c *Catalog) told(ctx context.Context, environment string) (out Purged) {
	if c.Confirm == nil {
		return out
	}
	nodes, err := c.Confirm.Nodes(ctx, environment)
	for _, n := range nodes {
		if n.State == apim.NodeUnreachable {
			out.Away = append(out.Away, n.Name)
		} else {
			out.Nodes++
		}
	}
	if err != nil { // it is purged all the same
		c.Log.WarnContext(ctx, "nodes that were told to purge not counted", "environment", environment, "error", err)
	}
	return out
}

// Caches reports whether answers of a version may be stored in an environment:
// whether the policy cache is set there, in what is live of the version or in its
// draft, for all of its operations or for one.
func (c *Catalog) Caches(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string) (bool, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return false, err
	}
	out := false
	err := c.Store.Read(ctx, func(tx *store.Tx) error {
		env, err := environment(ctx, tx.System(), environmentSlug, "environment")
		if err != nil {
			return err
		}
		t := tx.Tenant(tenant)
		v, err := t.Version(ctx, version)
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, t, actor, apim.Read, v.API); err != nil {
			return err
		}
		if out = cached(env.Settings.Policies) || caches(v.Runtime); out {
			return nil
		}
		live, err := liveRevision(ctx, t, v.ID, env.Slug)
		if err != nil || live == 0 {
			return err
		}
		revision, err := t.Revision(ctx, v.ID, live)
		out = caches(revision.Runtime)
		return err
	})
	return out, err
}

func caches(rt apim.Runtime) bool {
	return cached(rt.Policies) || slices.ContainsFunc(rt.Routes, func(r apim.Route) bool { return cached(r.Policies) })
}

func cached(list []apim.Policy) bool {
	return slices.ContainsFunc(list, func(p apim.Policy) bool { return p.Kind == string(entry.PolicyCache) && !p.Off })
}

var errNotPurged = apim.Errorf(apim.Unavailable, "the message bus cannot be reached, and so the gateway nodes were not told; try again in a moment")

// entry returns what nodes are told, but for the version, and how it is said.
func (p Purge) entry() (out entry.Purge, said string, err error) {
	var check apim.Check
	check.Length("tag", p.Tag, 256)
	check.Length("url", p.URL, maxPurgeText)
	if strings.ContainsAny(p.Tag, " ,\t\r\n") {
		check.Fail("tag", "format", "holds a space or a comma, which part the tags of an answer")
	}
	if p.Tag != "" && p.URL != "" {
		check.Fail("url", "both", "is given beside a tag; choose one")
	}
	path := pathOf(p.URL)
	if p.URL != "" {
		if why := notStored(path); why != "" {
			check.Fail("url", "format", "%s", why)
		}
	}
	switch {
	case p.Tag != "":
		said = "those with the tag " + p.Tag
	case p.URL != "":
		said = "those of " + path
	default:
		said = "all"
	}
	return entry.Purge{Tag: p.Tag, Path: path}, said, check.Err()
}

// pathOf returns the path of an address, or of a path, without its query.
func pathOf(address string) string {
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		address = address[:i]
	}
	if scheme, rest, ok := strings.Cut(address, "://"); ok && !strings.Contains(scheme, "/") {
		_, path, _ := strings.Cut(rest, "/")
		return "/" + path
	}
	return address
}

// notStored says why a gateway node can have stored nothing of a path: it refuses
// such paths, and who writes one means another; "" for a path that it serves.
func notStored(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return "is neither an address nor a path that begins with a slash"
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "holds a space or a control character; write it as the gateway gets it, a space as %20"
	}
	for segment := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return "holds a percent sign that is not followed by two hexadecimal digits; write the sign itself as %25"
		}
		if strings.ContainsAny(plain, "/\\\x00") {
			return "holds a backslash, or a slash, a backslash or a NUL in percent-encoding, which the gateway refuses"
		}
		if name, _, _ := strings.Cut(plain, ";"); name == "." || name == ".." {
			return "holds a dot segment, which the gateway refuses; write the path that is meant"
		}
	}
	return ""
}
