package manager

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/manager/compile"
)

// Publish makes the draft the next revision and deploys it. A draft that the
// nodes could not serve is refused with everything that is wrong. Publishing
// what is published already changes nothing.
func (c *Catalog) Publish(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug, note string) (PublishResult, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return PublishResult{}, err
	}
	var fields apim.Check
	fields.Length("note", note, 1000)
	if err := fields.Err(); err != nil {
		return PublishResult{}, err
	}
	var out PublishResult
	err := c.write(ctx, actor, func(u *unit) error {
		env, err := environment(ctx, u.System(), environmentSlug, "environment")
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
		rev, err := u.revise(ctx, &v, note)
		if err != nil {
			return err
		}
		out, err = c.deploy(ctx, u, v, rev, env, "version.publish")
		return err
	})
	return out, err
}

// revise makes the draft the next revision, and returns the newest where the
// draft is that already.
func (u *unit) revise(ctx context.Context, v *apim.Version, note string) (apim.Revision, error) {
	t := u.Tenant(v.Tenant)
	if v.Revision > 0 && !v.Unpublished && v.State != apim.Retired {
		return t.Revision(ctx, v.ID, v.Revision)
	}
	number, err := v.Publish()
	if err != nil {
		return apim.Revision{}, err
	}
	if err := checkRuntime(*v); err != nil {
		return apim.Revision{}, err
	}
	rev := apim.Revision{
		ID: apim.NewID(apim.PrefixRevision, u.now), Tenant: v.Tenant, Version: v.ID, Number: number, Document: v.Document,
		Runtime: v.Runtime, Note: note, By: who(u.actor), CreatedAt: u.now,
	}
	if err := t.InsertRevision(ctx, rev); err != nil {
		return apim.Revision{}, err
	}
	v.UpdatedAt = u.now
	return rev, t.UpdateVersion(ctx, v, false)
}

// RollBack deploys an earlier revision again.
func (c *Catalog) RollBack(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string, number int) (PublishResult, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return PublishResult{}, err
	}
	var out PublishResult
	err := c.write(ctx, actor, func(u *unit) error {
		env, err := environment(ctx, u.System(), environmentSlug, "environment")
		if err != nil {
			return err
		}
		v, err := u.Tenant(tenant).Version(ctx, version)
		if err != nil {
			return err
		}
		if err := c.allowVersion(ctx, u.Tenant(tenant), actor, apim.Publish, v.API); err != nil {
			return err
		}
		if err := v.RollBack(number); err != nil {
			return err
		}
		rev, err := u.Tenant(tenant).Revision(ctx, version, number)
		if err != nil {
			return err
		}
		out, err = c.deploy(ctx, u, v, rev, env, "version.roll_back")
		return err
	})
	return out, err
}

// deploy makes a revision live in an environment.
func (c *Catalog) deploy(ctx context.Context, u *unit, v apim.Version, rev apim.Revision, env apim.Environment, action string) (PublishResult, error) {
	out := PublishResult{Version: v, Revision: rev}
	t := u.Tenant(v.Tenant)
	live, err := t.Deployments(ctx, []apim.ID{v.ID})
	if err != nil {
		return out, err
	}
	previous := 0
	for _, d := range live[v.ID] {
		if d.Environment == env.Slug {
			previous = d.Revision
			if d.Revision == rev.Number {
				out.Change = apim.Change{Environment: env.Slug, Sequence: d.Sequence}
				return out, nil
			}
		}
	}
	branched, _, err := u.branched(ctx, v, rev.Runtime, env.Slug)
	if err != nil {
		return out, err
	}
	instead := "ask them to publish it, or publish without"
	if action == "version.roll_back" { // what was live before is not kept, only what is
		instead = fmt.Sprintf("ask them to make r%d live, or choose a revision that does without", rev.Number)
	}
	if err := u.allowSecrets(ctx, v, branched, env.Slug, instead); err != nil {
		return out, err
	}
	if err := c.knownKinds(env.Slug, allPolicies(rev.Runtime)...); err != nil {
		return out, err
	}
	if err := c.holdMounts(ctx, u, v, "mount", env.Slug, rev.Runtime.Mounts...); err != nil {
		return out, err
	}
	before, after, others, err := c.moves(ctx, u, v, rev, env.Slug)
	if err != nil {
		return out, err
	}
	if err := u.endTaken(ctx, v, rev, env.Slug); err != nil {
		return out, err
	}
	it, err := u.apiItemAt(ctx, v, rev, env.Slug, after[v.ID])
	if err != nil {
		return out, err
	}
	if out.Change, err = u.emit(ctx, env.Slug, []entry.Item{it}); err != nil {
		return out, err
	}
	err = t.Deploy(ctx, apim.Deployment{Version: v.ID, Environment: env.Slug, Revision: rev.Number, Sequence: out.Change.Sequence, At: u.now})
	if err != nil {
		return out, err
	}
	switch change, err := c.regiven(ctx, u, env.Slug, others, before, after, v.ID); {
	case err != nil:
		return out, err
	case change.Environment != "":
		out.Change = change // all of it
	}
	if err := t.SetOperations(ctx, v.ID, rev.Runtime.Routes); err != nil {
		return out, err
	}
	policies := ""
	if previous > 0 {
		was, err := t.Revision(ctx, v.ID, previous)
		if err != nil {
			return out, err
		}
		policies = policySummary(was.Runtime, rev.Runtime)
	}
	return out, u.recordChange(ctx, v.Tenant, action, v.ID, map[string]int{"revision": previous}, map[string]int{"revision": rev.Number},
		"%s r%d made live in %s%s", v.Label, rev.Number, env.Slug, policies)
}

// moves returns the default places of an API's versions before and after a
// revision is live, and what is live of the others.
func (c *Catalog) moves(ctx context.Context, u *unit, v apim.Version, rev apim.Revision, environment string) (before, after map[apim.ID][]address, others []lived, err error) {
	api, err := u.Tenant(v.Tenant).API(ctx, string(v.API))
	if err != nil || api.DefaultVersion == "" {
		return nil, nil, nil, err
	}
	live, err := u.livedIn(ctx, u.Tenant(v.Tenant), api, environment)
	return defaults(api.DefaultVersion, live), defaults(api.DefaultVersion, with(live, v, rev)), except(live, v.ID), err
}

// endTaken ends the split of a candidate that is made live.
func (u *unit) endTaken(ctx context.Context, v apim.Version, rev apim.Revision, environment string) error {
	t := u.Tenant(v.Tenant)
	s, err := splitOf(ctx, t, v.ID, environment)
	if err != nil || s.Candidate.Revision != rev.Number {
		return err
	}
	before := s
	s.Candidate, s.Run, s.Share, s.Before, s.Steps.On = apim.SplitCandidate{}, "", 0, 0, false
	s.UpdatedAt, s.UpdatedBy = u.now, who(u.actor)
	if s.Empty() {
		err = t.DeleteSplit(ctx, v.ID, environment)
	} else {
		err = t.UpdateSplit(ctx, &s)
	}
	if err != nil {
		return err
	}
	return u.recordChange(ctx, v.Tenant, "split.end", v.ID, splitFacts(before), splitFacts(s), "split of %s in %s ended: %s is live", v.Label, environment, before.Candidate)
}

// apiItem compiles a revision for an environment and checks it as the nodes
// will.
func (u *unit) apiItem(ctx context.Context, v apim.Version, rev apim.Revision, environment string) (entry.Item, error) {
	t := u.Tenant(v.Tenant)
	api, err := t.API(ctx, string(v.API))
	if err != nil {
		return entry.Item{}, err
	}
	given, err := u.defaultPlaces(ctx, t, api, v, rev, environment)
	if err != nil {
		return entry.Item{}, err
	}
	return u.apiItemAt(ctx, v, rev, environment, given)
}

// apiItemAt is apiItem with the places that the API's setting gives.
func (u *unit) apiItemAt(ctx context.Context, v apim.Version, rev apim.Revision, environment string, given []address) (entry.Item, error) {
	api, err := u.Tenant(v.Tenant).API(ctx, string(v.API))
	if err != nil {
		return entry.Item{}, err
	}
	tenant, err := u.System().Tenant(ctx, string(v.Tenant))
	if err != nil {
		return entry.Item{}, err
	}
	branched, split, err := u.branched(ctx, v, rev.Runtime, environment)
	if err != nil {
		return entry.Item{}, err
	}
	runtime, values, err := u.resolved(ctx, v.Tenant, environment, branched)
	if err != nil {
		return entry.Item{}, err
	}
	rev.Runtime = runtime
	body := compile.API(tenant.Slug, api, v, rev)
	if err := u.contracts(ctx, rev, &body); err != nil {
		return entry.Item{}, err
	}
	for i, up := range runtime.Upstreams {
		if body.Upstreams[i].Headers, err = u.headers(ctx, v, up, environment, values); err != nil {
			return entry.Item{}, err
		}
		if body.Upstreams[i].TLS, err = u.upstreamTLS(ctx, v, up, fmt.Sprintf("upstreams[%d]", i), environment, values); err != nil {
			return entry.Item{}, err
		}
	}
	if err := u.sealPolicies(ctx, v, rev.Runtime, environment, values, &body); err != nil {
		return entry.Item{}, err
	}
	for _, at := range given {
		body.Mounts = append(body.Mounts, entry.Mount{Host: at.host, BasePath: at.path, Default: true})
	}
	compile.Split(split, &body)
	if err := servable(rev.Runtime, check.API(body)); err != nil {
		return entry.Item{}, err
	}
	key, err := entry.APIKey(v.ID.UUID())
	if err != nil {
		return entry.Item{}, err
	}
	return entry.Encode(key, entry.Position{}, body)
}

// checkRuntime refuses a version's draft that nodes could not serve.
func checkRuntime(v apim.Version) error {
	body := compile.API("", apim.API{ID: v.API, Tenant: v.Tenant}, v, apim.Revision{Number: max(1, v.Revision), Runtime: standIns(v.Runtime)})
	for i, up := range v.Runtime.Upstreams {
		for _, h := range up.Headers {
			body.Upstreams[i].Headers = append(body.Upstreams[i].Headers, entry.UpstreamHeader{Name: h.Name, Value: h.Value})
		}
	}
	problems := check.API(body)
	if len(v.Runtime.Routes) > 0 && len(body.Routes) == 0 {
		problems = append(problems, check.Problem{Field: "routes", Reason: "every operation is switched off; leave one on, or retire the version"})
	}
	return servable(v.Runtime, problems)
}

// servable turns what nodes would refuse into a refusal that names the fields
// of the draft.
func servable(rt apim.Runtime, problems []check.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	fields := make([]apim.FieldError, 0, len(problems))
	for _, p := range problems {
		fields = append(fields, apim.FieldError{Field: draftField(p.Field, rt), Code: "not_servable", Detail: p.Reason})
	}
	return &apim.Error{Kind: apim.Invalid, Code: "not_servable", Message: "gateway nodes could not serve this", Fields: fields}
}

var (
	routeIndex  = regexp.MustCompile(`^routes\[(\d+)\]`)
	targetIndex = regexp.MustCompile(`\.targets(\[\d+\])\.url$`)
	weightIndex = regexp.MustCompile(`\.targets(\[\d+\])\.weight$`)
)

// draftField returns the draft's name of a field of its entry: there operations
// and policies that are off have no place, limits and the key's places are
// policies before the others (compile.API).
func draftField(field string, rt apim.Runtime) string {
	policies, before := rt.Policies, len(rt.Limits)
	if rt.Credentials != (apim.CredentialPlaces{}) {
		before++
	}
	if m := routeIndex.FindStringSubmatch(field); m != nil {
		at, _ := strconv.Atoi(m[1]) // the expression admits digits alone
		for _, r := range rt.Routes {
			if r.Off {
				continue
			}
			if at == 0 {
				name := "routes[" + r.Operation + "]"
				if rest, below := strings.CutPrefix(field, m[0]+"."); below {
					name += "." + policyField(rest, "policies", r.Policies, 0)
				}
				return name
			}
			at--
		}
	}
	field = targetIndex.ReplaceAllString(field, ".urls$1")
	field = weightIndex.ReplaceAllString(field, ".weights$1")
	if m := policyIndex.FindStringSubmatch(field); m != nil {
		at, _ := strconv.Atoi(m[1]) // the expression admits digits alone
		switch rest := strings.TrimPrefix(field, m[0]); {
		case at < len(rt.Limits):
			return "limits[" + m[1] + "]" + rest
		case at < before:
			return "credentials" + rest
		}
	}
	return policyField(field, "policies", policies, before)
}

var policyIndex = regexp.MustCompile(`^policies\[(\d+)\]`)

// policyField puts the place in the draft into a field of a list of policies, of
// which others stand before these.
func policyField(field, name string, list []apim.Policy, before int) string {
	rest, ok := strings.CutPrefix(field, name+"[")
	if !ok {
		return field
	}
	number, rest, _ := strings.Cut(rest, "]")
	at, err := strconv.Atoi(number)
	if err != nil {
		return field
	}
	at -= before
	for i, p := range list {
		if p.Off {
			continue
		}
		if at == 0 {
			if rest != "" {
				rest = ".config" + rest
			}
			return name + "[" + strconv.Itoa(i) + "]" + rest
		}
		at--
	}
	return field
}

// Deprecate says that consumers should leave; a zero sunset names no date.
func (c *Catalog) Deprecate(ctx context.Context, actor apim.Actor, tenant, version apim.ID, sunset time.Time, reason string) (apim.Version, apim.Change, error) {
	return c.end(ctx, actor, tenant, version, func(u *unit, v *apim.Version) (apim.Change, error) {
		before := v.State
		if err := v.Deprecate(u.now, sunset, reason); err != nil {
			return apim.Change{}, err
		}
		change, err := c.again(ctx, u, *v)
		if err != nil {
			return change, err
		}
		return change, u.recordChange(ctx, tenant, "version.deprecate", v.ID, map[string]any{"state": before}, map[string]any{"state": v.State, "sunset_at": v.SunsetAt},
			"version %s deprecated: %s", v.Label, orNone(reason))
	})
}

// Retire takes a version off every environment for good.
func (c *Catalog) Retire(ctx context.Context, actor apim.Actor, tenant, version apim.ID, reason string) (apim.Version, apim.Change, error) {
	return c.end(ctx, actor, tenant, version, func(u *unit, v *apim.Version) (apim.Change, error) {
		t := u.Tenant(tenant)
		products, err := t.ProductsWith(ctx, []apim.ID{v.ID})
		if err != nil {
			return apim.Change{}, err
		}
		using, err := subscribers(ctx, t, products)
		if err != nil {
			return apim.Change{}, err
		}
		before := v.State
		if err := v.Retire(using, reason); err != nil {
			return apim.Change{}, err
		}
		change, err := c.takeOff(ctx, u, *v)
		if err != nil {
			return change, err
		}
		return change, u.recordChange(ctx, tenant, "version.retire", v.ID, map[string]any{"state": before}, map[string]any{"state": v.State},
			"version %s retired with %d subscriptions: %s", v.Label, using, orNone(reason))
	})
}

// end moves a version along its lifecycle.
func (c *Catalog) end(ctx context.Context, actor apim.Actor, tenant, version apim.ID, move func(*unit, *apim.Version) (apim.Change, error)) (v apim.Version, change apim.Change, err error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return apim.Version{}, apim.Change{}, err
	}
	err = c.write(ctx, actor, func(u *unit) error {
		t := u.Tenant(tenant)
		if v, err = t.Version(ctx, version); err != nil {
			return err
		}
		if err := c.allowVersion(ctx, t, actor, apim.Publish, v.API); err != nil {
			return err
		}
		if change, err = move(u, &v); err != nil {
			return err
		}
		var check apim.Check
		check.Length("reason", v.StateReason, 1000)
		if err := check.Err(); err != nil {
			return err
		}
		v.UpdatedAt = u.now
		return t.UpdateVersion(ctx, &v, false)
	})
	if err != nil {
		return apim.Version{}, apim.Change{}, err
	}
	return v, change, nil
}

// again emits what is live of a version with its new state.
func (c *Catalog) again(ctx context.Context, u *unit, v apim.Version) (apim.Change, error) {
	return c.inEach(ctx, u, v, func(d apim.Deployment) (entry.Item, error) {
		rev, err := u.Tenant(v.Tenant).Revision(ctx, v.ID, d.Revision)
		if err != nil {
			return entry.Item{}, err
		}
		return u.apiItem(ctx, v, rev, d.Environment)
	})
}

// takeOff ends what is live of a version and frees its mounts.
func (c *Catalog) takeOff(ctx context.Context, u *unit, v apim.Version) (apim.Change, error) {
	key, err := entry.APIKey(v.ID.UUID())
	if err != nil {
		return apim.Change{}, err
	}
	change, err := c.inEach(ctx, u, v, func(d apim.Deployment) (entry.Item, error) {
		return entry.Tombstone(key, entry.Position{}), c.makeWay(ctx, u, v, d.Environment)
	})
	if err != nil {
		return change, err
	}
	if err := u.Tenant(v.Tenant).Undeploy(ctx, v.ID); err != nil {
		return change, err
	}
	if err := u.Tenant(v.Tenant).DeleteSplits(ctx, v.ID); err != nil {
		return change, err
	}
	return change, u.Tenant(v.Tenant).SetMounts(ctx, v.ID, nil)
}

// inEach emits one item for each environment that a version is live in, and
// returns the change in the first that was made.
func (c *Catalog) inEach(ctx context.Context, u *unit, v apim.Version, item func(apim.Deployment) (entry.Item, error)) (apim.Change, error) {
	live, err := u.Tenant(v.Tenant).Deployments(ctx, []apim.ID{v.ID})
	if err != nil {
		return apim.Change{}, err
	}
	environments, err := u.System().Environments(ctx)
	if err != nil {
		return apim.Change{}, err
	}
	var first apim.Change
	for _, e := range environments {
		for _, d := range live[v.ID] {
			if d.Environment != e.Slug {
				continue
			}
			it, err := item(d)
			if err != nil {
				return apim.Change{}, err
			}
			change, err := u.emit(ctx, d.Environment, []entry.Item{it})
			if err != nil {
				return apim.Change{}, err
			}
			if first.Environment == "" {
				first = change
			}
		}
	}
	return first, nil
}

func orNone(reason string) string {
	if reason == "" {
		return "no reason given"
	}
	return reason
}
