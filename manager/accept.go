package manager

import (
	"context"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
)

// AcceptImport makes a draft version, and its API where it is new, of a staged
// import, and starts the second phase. A second accept of the same import
// returns the version that the first one made.
func (c *Catalog) AcceptImport(ctx context.Context, actor apim.Actor, tenant, id apim.ID, in AcceptImport) (apim.Version, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return apim.Version{}, err
	}
	from, err := c.originalOfAccepted(ctx, tenant, id, in)
	if err != nil {
		return apim.Version{}, err
	}
	var v apim.Version
	err = c.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		staged, made, err := t.Import(ctx, id, u.now)
		if err != nil {
			return err
		}
		if made != "" {
			if v, err = t.Version(ctx, made); err != nil {
				return err
			}
			return c.allowVersion(ctx, t, actor, apim.Write, v.API)
		}
		if v, err = c.accept(ctx, u, staged, from, in); err != nil {
			return err
		}
		if err := t.ImportAccepted(ctx, staged.ID, v.ID); err != nil {
			return err
		}
		return t.QueueDocument(ctx, staged.Document.ID)
	})
	if err != nil {
		return apim.Version{}, err
	}
	c.wakeLoader()
	return v, nil
}

// accept checks the whole form before it writes any of it, so that everything
// that is wrong is said at once.
func (c *Catalog) accept(ctx context.Context, u *unit, staged apim.Import, from original, in AcceptImport) (apim.Version, error) {
	t := u.Tenant(staged.Tenant)
	var check apim.Check
	api, fresh, err := acceptedAPI(ctx, u, t, staged, in, &check)
	if err != nil {
		return apim.Version{}, err
	}
	if fresh {
		api.Team, err = u.ownerOfNew(ctx, &check, staged.Tenant, apim.ObjectAPI, in.Team)
	} else {
		err = c.Authz.Allow(ctx, u.actor, staged.Tenant, apim.Write, apim.ObjectAPI, api.ID, api.Team)
	}
	if err != nil {
		return apim.Version{}, err
	}
	label := in.Label
	if label == "" {
		label = staged.Proposed.Label
	}
	if err := apim.CheckLabel(label); err != nil {
		check.Fail("label", "label", "%s", err)
	}
	v := apim.Version{
		ID: apim.NewID(apim.PrefixVersion, u.now), Tenant: staged.Tenant, API: api.ID, Label: label, State: apim.Draft,
		CreatedAt: u.now, Lock: 1,
	}
	replaces := false
	if !fresh {
		have, err := t.VersionByLabel(ctx, api.ID, label)
		switch {
		case err == nil && have.State == apim.Retired:
			check.Fail("label", "retired", "version %s is retired; choose another label", label)
		case err == nil && have.Document != from.document:
			return apim.Version{}, apim.Errorf(apim.Conflict, "the draft of %s was replaced by another import just now; look at it and import again", label).WithCode("draft_replaced")
		case err == nil:
			v, replaces = have, true
		case apim.KindOf(err) != apim.NotFound:
			return apim.Version{}, err
		}
	}
	tenant, err := u.System().Tenant(ctx, string(staged.Tenant))
	if err != nil {
		return apim.Version{}, err
	}
	acceptedRuntime(&check, &v, staged, from, in, defaultMount(tenant.Slug, api.Slug, label))
	if err := check.Err(); err != nil {
		return apim.Version{}, err
	}
	if err := checkRuntime(v); err != nil {
		return apim.Version{}, err
	}
	v.Document, v.Unpublished, v.UpdatedAt = staged.Document.ID, true, u.now
	if fresh {
		if err := t.InsertAPI(ctx, api); err != nil {
			return apim.Version{}, err
		}
		if err := u.record(ctx, staged.Tenant, "api.create", api.ID, "API %s made", api.Slug); err != nil {
			return apim.Version{}, err
		}
	}
	return v, saveAccepted(ctx, c, u, &v, api, replaces)
}

func saveAccepted(ctx context.Context, c *Catalog, u *unit, v *apim.Version, api apim.API, replaces bool) error {
	t := u.Tenant(v.Tenant)
	action, what := "version.create", "made"
	if replaces {
		action, what = "version.draft", "replaced in its draft"
		if err := t.UpdateVersion(ctx, v, true); err != nil {
			return err
		}
	} else if err := t.InsertVersion(ctx, *v); err != nil {
		return err
	}
	if err := c.holdMounts(ctx, u, *v, "mount_path", ""); err != nil {
		return err
	}
	return u.record(ctx, v.Tenant, action, v.ID, "%s %s %s from a document with %d operations", api.Slug, v.Label, what, len(v.Runtime.Routes))
}

// acceptedAPI returns the API that an import goes into; fresh says that it is
// still to be made.
func acceptedAPI(ctx context.Context, u *unit, t store.Tenant, staged apim.Import, in AcceptImport, check *apim.Check) (api apim.API, fresh bool, err error) {
	if in.API != "" {
		api, err = t.API(ctx, string(in.API))
		return api, false, err
	}
	api = apim.API{
		ID: apim.NewID(apim.PrefixAPI, u.now), Tenant: staged.Tenant, Name: in.Name, Slug: in.Slug, Description: staged.Proposed.Description, Tags: []string{},
		CreatedAt: u.now, UpdatedAt: u.now, Lock: 1,
	}
	if strings.TrimSpace(api.Name) == "" {
		api.Name = staged.Proposed.Name
	}
	if api.Slug == "" {
		if api.Slug = apim.Slugify(api.Name); api.Slug == "" {
			api.Slug = staged.Proposed.Slug
		}
	}
	checkName(check, api.Name)
	check.Slug("slug", api.Slug)
	switch _, err := t.API(ctx, api.Slug); apim.KindOf(err) {
	case apim.NotFound:
	case "":
		if err != nil {
			return api, true, err
		}
		check.Fail("slug", "taken", "you have an API %q already; choose another slug, or add a version to that API", api.Slug)
	default:
		return api, true, err
	}
	return api, true, nil
}

// originalOfAccepted is what the draft that an import is to replace was made
// of. It takes a scan, and is worked out before anything is locked.
func (c *Catalog) originalOfAccepted(ctx context.Context, tenant, id apim.ID, in AcceptImport) (original, error) {
	t := c.Store.Tenant(tenant)
	if in.API == "" {
		return original{}, nil
	}
	staged, made, err := t.Import(ctx, id, c.now())
	if err != nil || made != "" {
		return original{}, err
	}
	label := in.Label
	if label == "" {
		label = staged.Proposed.Label
	}
	v, err := t.VersionByLabel(ctx, in.API, label)
	if apim.KindOf(err) == apim.NotFound {
		return original{}, nil
	}
	if err != nil {
		return original{}, err
	}
	return c.originalOf(ctx, t, v)
}

// acceptedRuntime fills a version's draft from a staged import. What was
// edited by hand in a draft that is replaced stays, operation by operation.
func acceptedRuntime(check *apim.Check, v *apim.Version, staged apim.Import, from original, in AcceptImport, mount apim.Mount) {
	old := v.Runtime
	rt := apim.Runtime{
		Mounts: old.Mounts, Limits: old.Limits, Policies: old.Policies, MaxBodyBytes: old.MaxBodyBytes, Credentials: old.Credentials,
		Security: append([]apim.SecurityMapping(nil), staged.Security...),
	}
	if len(old.Routes) == 0 {
		rt.Credentials = apim.DefaultCredentialPlaces()
	}
	if len(rt.Mounts) == 0 {
		rt.Mounts = []apim.Mount{mount}
	}
	if in.MountPath != "" {
		rt.Mounts = []apim.Mount{{BasePath: in.MountPath}}
		if err := checkMount(rt.Mounts[0]); err != nil {
			check.Fail("mount_path", "mount", "%s", err)
		}
	}
	public := in.Access == "document" || in.Access == "" && Opened(old)
	if in.Access != "" && in.Access != "key" && in.Access != "document" {
		check.Fail("access", "unknown", "is %q; use key or document", in.Access)
	}
	for i := range rt.Security {
		if rt.Security[i].Becomes == "public" && !public {
			rt.Security[i].Becomes = "key"
		}
	}
	merged := newMerge(from, old, staged, public, in.TakeNew)
	for _, id := range merged.unknown() {
		check.Fail("take_new", "unknown", "there is no conflict %q", short(id))
	}
	rt.Upstreams = append([]apim.Upstream{}, staged.Upstreams...)
	if len(staged.Routes) > 0 || in.Upstream != "" { // webhooks alone have nothing to call
		rt.Upstreams = append([]apim.Upstream{acceptedUpstream(check, merged, in.Upstream)}, staged.Upstreams...)
	}
	rt.Routes = append([]apim.Route{}, merged.routes...)
	v.Runtime = rt
}

// acceptedUpstream is the main upstream: what was typed or merged, with what was
// edited in the draft beside its addresses.
func acceptedUpstream(check *apim.Check, m *merge, typed string) apim.Upstream {
	out := apim.Upstream{Name: mainUpstream}
	for _, u := range m.draft.Upstreams {
		if u.Name == mainUpstream {
			out = u
		}
	}
	typed = strings.TrimRight(strings.TrimSpace(typed), "/")
	if typed != "" {
		if err := targetURL(standIn(typed)); err != nil {
			check.Fail("upstream", "url", "%s", err)
		}
	}
	if out.URLs = m.upstream(typed); len(out.URLs) == 0 {
		check.Fail("upstream", "required", "the document gives no address that can be called; give the one of the service behind this API, such as https://orders.internal:8443")
	}
	if len(out.Weights) != len(out.URLs) {
		out.Weights = nil // they were those of other addresses
	}
	return out
}
