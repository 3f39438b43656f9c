package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/compile"
	"portico/manager/store"
)

// Counts knows what gateway nodes last said. manager/collect implements it.
type Counts interface {
	// Statuses returns the last word of each of an environment's nodes.
	Statuses(environment string) []entry.Status
}

// SplitDetail is the split of a version in an environment, and how both sides
// do.
type SplitDetail struct {
	Environment string
	Live        int        // the revision that is live there
	Split       apim.Split // Empty: there is none
	Lock        int64      // 0 when there is none

	// FirstUses are the secrets whose first use there it is to make the candidate's
	// revision live, policies included: who takes it needs the right to set values.
	FirstUses []string

	// LiveSide and CandidateSide are what the nodes have counted since the
	// candidate came, or since they started.
	LiveSide      apim.SplitSide
	CandidateSide apim.SplitSide
	Mirrored      apim.SplitSide
	NotMirrored   uint64 // drawn for the mirror and not copied
	Nodes         int    // that said so
}

// SplitChange changes a split. Nil fields stay.
type SplitChange struct {
	Candidate *apim.SplitCandidate
	Share     *int
	Sticky    *string
	Rules     *[]apim.SplitRule
	Steps     *apim.SplitSteps
	Mirror    *apim.SplitMirror
	Lock      int64 // 0: as it is
}

// Split returns how calls to a version are shared in an environment, "" for the
// first.
func (c *Catalog) Split(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string) (SplitDetail, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return SplitDetail{}, err
	}
	var out SplitDetail
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
		out.Environment = env.Slug
		if out.Live, err = liveRevision(ctx, t, v.ID, env.Slug); err != nil {
			return err
		}
		if out.Split, err = splitOf(ctx, t, v.ID, env.Slug); err != nil {
			return err
		}
		out.Lock = out.Split.Lock
		u := &unit{Tx: tx, core: &c.Core, actor: actor}
		out.FirstUses, err = u.firstUsesOf(ctx, v, out.Split.Candidate.Revision, env.Slug)
		return err
	})
	if err != nil {
		return SplitDetail{}, err
	}
	c.count(&out, version)
	return out, nil
}

// count adds what the nodes say.
func (c *Catalog) count(d *SplitDetail, version apim.ID) {
	if c.Counts == nil || d.Split.Empty() {
		return
	}
	var live, candidate, mirrored entry.BranchCounts
	for _, s := range c.Counts.Statuses(d.Environment) {
		r, ok := reportOf(s, version)
		if !ok {
			continue
		}
		d.Nodes++
		if r.Run == d.Split.Run {
			live.Add(r.Live)
			candidate.Add(r.Candidate)
		}
		if r.MirrorRun == d.Split.Mirror.Run {
			mirrored.Add(r.Mirrored)
			if r.Skipped != nil {
				d.NotMirrored += r.Skipped.Busy + r.Skipped.Body
			}
		}
	}
	d.LiveSide, d.CandidateSide, d.Mirrored = side(live), side(candidate), side(mirrored)
}

func reportOf(s entry.Status, version apim.ID) (entry.SplitReport, bool) {
	for _, r := range s.Splits {
		if r.Version == version.UUID() {
			return r, true
		}
	}
	return entry.SplitReport{}, false
}

func side(b entry.BranchCounts) apim.SplitSide {
	return apim.SplitSide{Calls: b.Calls(), Failed: b.Classes[5], P50: b.Quantile(0.5), P99: b.Quantile(0.99)}
}

// splitOf returns a version's split, an empty one for none.
func splitOf(ctx context.Context, t store.Tenant, version apim.ID, environment string) (apim.Split, error) {
	s, err := t.Split(ctx, version, environment)
	if apim.KindOf(err) == apim.NotFound {
		return apim.Split{}, nil
	}
	return s, err
}

func liveRevision(ctx context.Context, t store.Tenant, version apim.ID, environment string) (int, error) {
	live, err := t.Deployments(ctx, []apim.ID{version})
	if err != nil {
		return 0, err
	}
	for _, d := range live[version] {
		if d.Environment == environment {
			return d.Revision, nil
		}
	}
	return 0, nil
}

// SetSplit changes how calls are shared. It is in force without a new revision.
func (c *Catalog) SetSplit(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string, in SplitChange) (apim.Change, error) {
	return c.changeSplit(ctx, actor, tenant, version, environmentSlug, func(u *unit, v apim.Version, s *apim.Split) (string, error) {
		if err := apim.CheckLock("split", s.Lock, in.Lock); err != nil {
			return "", err
		}
		was := s.Share
		if in.Candidate != nil && !sameCandidate(*in.Candidate, s.Candidate) {
			s.Candidate = *in.Candidate
			s.Begin(runName(u.now), u.now)
			if s.Candidate.None() {
				s.Run, s.Share, s.Before, s.Steps.On = "", 0, 0, false
			}
		}
		if in.Share != nil {
			s.Move(*in.Share, u.now)
		}
		set(&s.Sticky, in.Sticky)
		set(&s.Rules, in.Rules)
		if in.Steps != nil {
			if in.Steps.On && !s.Steps.On {
				s.MovedAt = u.now // a whole interval before the first step
			}
			s.Steps, s.Outcome = *in.Steps, ""
		}
		if in.Mirror != nil {
			run := s.Mirror.Run
			if !slices.Equal(in.Mirror.URLs, s.Mirror.URLs) || run == "" {
				run = runName(u.now)
			}
			s.Mirror = *in.Mirror
			if s.Mirror.Run = run; s.Mirror.None() {
				s.Mirror = apim.SplitMirror{}
			}
		}
		if err := s.Check(); err != nil {
			return "", err
		}
		if err := c.checkBranches(ctx, u, v, *s, in); err != nil {
			return "", err
		}
		if s.Share != was {
			return "split.move", nil
		}
		return "split.change", nil
	})
}

// checkBranches refuses a candidate or mirror that cannot be called.
func (c *Catalog) checkBranches(ctx context.Context, u *unit, v apim.Version, s apim.Split, in SplitChange) error {
	var check apim.Check
	for at, urls := range map[string][]string{"candidate.urls": s.Candidate.URLs, "mirror.urls": s.Mirror.URLs} {
		checkURLs(&check, at, urls)
	}
	if in.Candidate != nil && s.Candidate.Revision > 0 {
		if _, err := u.Tenant(v.Tenant).Revision(ctx, v.ID, s.Candidate.Revision); err != nil {
			check.Fail("candidate.revision", "unknown", "version %s has no revision r%d", v.Label, s.Candidate.Revision)
		}
		live, err := liveRevision(ctx, u.Tenant(v.Tenant), v.ID, s.Environment)
		if err != nil {
			return err
		}
		if live == s.Candidate.Revision {
			check.Fail("candidate.revision", "is_live", "r%d is what is live; choose another", live)
		}
	}
	return check.Err()
}

func checkURLs(check *apim.Check, at string, urls []string) {
	for i, url := range urls {
		if err := targetURL(standIn(url)); err != nil {
			check.Fail(fmt.Sprintf("%s[%d]", at, i), "url", "%s", err)
		}
	}
	for _, name := range references(apim.Runtime{Upstreams: []apim.Upstream{{URLs: urls}}}) {
		if !valueName.MatchString(name) {
			check.Fail(at, "reference", "${%s} is no reference to a value; their names are lower-case letters, digits and underscores", name)
		}
	}
}

func sameCandidate(a, b apim.SplitCandidate) bool {
	return a.Revision == b.Revision && slices.Equal(a.URLs, b.URLs)
}

// runName names a comparison: letters and digits, another each time.
func runName(at time.Time) string {
	id := string(apim.NewID(apim.PrefixEvent, at))
	return strings.TrimPrefix(id, apim.PrefixEvent+"_")[16:]
}

// OfferCandidate makes the draft the next revision and the candidate of what is
// live, without making it live: share of the calls try it.
func (c *Catalog) OfferCandidate(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug, note string, share int) (apim.Change, error) {
	var fields apim.Check
	fields.Length("note", note, 1000)
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return apim.Change{}, err
	}
	if err := fields.Err(); err != nil {
		return apim.Change{}, err
	}
	return c.changeSplit(ctx, actor, tenant, version, environmentSlug, func(u *unit, v apim.Version, s *apim.Split) (string, error) {
		rev, err := u.revise(ctx, &v, note)
		if err != nil {
			return "", err
		}
		candidate := apim.SplitCandidate{Revision: rev.Number}
		if !sameCandidate(candidate, s.Candidate) {
			s.Candidate = candidate
			s.Begin(runName(u.now), u.now)
		}
		s.Move(share, u.now)
		if err := s.Check(); err != nil {
			return "", err
		}
		return "split.offer", c.checkBranches(ctx, u, v, *s, SplitChange{Candidate: &candidate})
	})
}

// SwitchSplit sends all calls to one side at once: "candidate", "live", or
// "back" to the share before.
func (c *Catalog) SwitchSplit(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug, to string) (apim.Change, error) {
	return c.changeSplit(ctx, actor, tenant, version, environmentSlug, func(u *unit, _ apim.Version, s *apim.Split) (string, error) {
		return "split.switch", s.Switch(to, u.now)
	})
}

// EndSplit sends all calls to what is live, and forgets candidate and mirror.
func (c *Catalog) EndSplit(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string) (apim.Change, error) {
	return c.changeSplit(ctx, actor, tenant, version, environmentSlug, func(_ *unit, _ apim.Version, s *apim.Split) (string, error) {
		if s.Empty() {
			return "", apim.Errorf(apim.NotFound, "there is no split")
		}
		s.Candidate, s.Mirror, s.Share, s.Steps.On = apim.SplitCandidate{}, apim.SplitMirror{}, 0, false
		return "split.end", nil
	})
}

// TakeCandidate makes the candidate what is live: its revision is deployed, and
// the split ends with it in the same change.
func (c *Catalog) TakeCandidate(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string) (PublishResult, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return PublishResult{}, err
	}
	d, err := c.Split(ctx, actor, tenant, version, environmentSlug)
	if err != nil {
		return PublishResult{}, err
	}
	if d.Split.Candidate.Revision == 0 {
		return PublishResult{}, apim.Errorf(apim.Conflict, "the candidate is no revision; put its addresses into the draft and publish that").WithCode("no_candidate")
	}
	return c.RollBack(ctx, actor, tenant, version, d.Environment, d.Split.Candidate.Revision)
}

// changeSplit changes a split, emits what is live with it, and records it.
func (c *Catalog) changeSplit(ctx context.Context, actor apim.Actor, tenant, version apim.ID, environmentSlug string,
	change func(u *unit, v apim.Version, s *apim.Split) (action string, err error),
) (out apim.Change, err error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Publish, apim.ObjectAPI); err != nil {
		return apim.Change{}, err
	}
	err = c.write(ctx, actor, func(u *unit) error {
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
		live, err := liveRevision(ctx, t, v.ID, env.Slug)
		if err != nil {
			return err
		}
		if live == 0 {
			return apim.Errorf(apim.Conflict, "version %s is not live in %s; publish it before its calls are shared", v.Label, env.Slug).WithCode("not_deployed")
		}
		before, err := splitOf(ctx, t, v.ID, env.Slug)
		if err != nil {
			return err
		}
		s := before
		s.Tenant, s.Version, s.Environment = tenant, v.ID, env.Slug
		action, err := change(u, v, &s)
		if err != nil {
			return err
		}
		s.UpdatedAt, s.UpdatedBy = u.now, who(actor)
		out, err = u.saveSplit(ctx, v, live, s)
		if err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, action, v.ID, splitFacts(before), splitFacts(s), "%s", splitSummary(v, before, s))
	})
	return out, err
}

// saveSplit stores a split, or removes one that is empty, and emits what is
// live with it.
func (u *unit) saveSplit(ctx context.Context, v apim.Version, live int, s apim.Split) (change apim.Change, err error) {
	t := u.Tenant(v.Tenant)
	rev, err := t.Revision(ctx, v.ID, live)
	if err != nil {
		return change, err
	}
	branched, _, err := u.branchedBy(ctx, v, rev.Runtime, s)
	if err != nil {
		return change, err
	}
	if err := u.allowSecrets(ctx, v, branched, s.Environment, "ask them to share the calls, or do without"); err != nil {
		return change, err
	}
	switch {
	case s.Empty():
		err = t.DeleteSplit(ctx, v.ID, s.Environment)
	case s.Lock == 0:
		s.Lock = 1
		err = t.InsertSplit(ctx, s)
	default:
		err = t.UpdateSplit(ctx, &s)
	}
	if err != nil {
		return change, err
	}
	it, err := u.apiItem(ctx, v, rev, s.Environment)
	if err != nil {
		return change, err
	}
	return u.emit(ctx, s.Environment, []entry.Item{it})
}

func splitFacts(s apim.Split) any {
	if s.Empty() {
		return map[string]any{"candidate": ""}
	}
	return map[string]any{
		"candidate": s.Candidate, "share": s.Share, "sticky": s.Sticky, "rules": s.Rules, "steps": s.Steps, "mirror": s.Mirror, "environment": s.Environment,
	}
}

func splitSummary(v apim.Version, before, s apim.Split) string {
	switch {
	case s.Empty():
		return "split of " + v.Label + " in " + s.Environment + " ended"
	case !sameCandidate(before.Candidate, s.Candidate) && !s.Candidate.None():
		return "calls to " + v.Label + " in " + s.Environment + ": " + sharePercent(s.Share) + " to " + s.Candidate.String()
	case before.Share != s.Share:
		return "calls to " + v.Label + " in " + s.Environment + ": from " + sharePercent(before.Share) + " to " + sharePercent(s.Share) + " to " + s.Candidate.String()
	}
	return "split of " + v.Label + " in " + s.Environment + " changed"
}

// branched adds to what is live the upstreams of its split's candidate and
// mirror, so that they are resolved, sealed and checked like its own.
func (u *unit) branched(ctx context.Context, v apim.Version, rt apim.Runtime, environment string) (apim.Runtime, apim.Split, error) {
	s, err := splitOf(ctx, u.Tenant(v.Tenant), v.ID, environment)
	if err != nil {
		return rt, apim.Split{}, err
	}
	return u.branchedBy(ctx, v, rt, s)
}

// branchedBy is branched for a split that may not be stored yet.
func (u *unit) branchedBy(ctx context.Context, v apim.Version, rt apim.Runtime, s apim.Split) (apim.Runtime, apim.Split, error) {
	if s.Empty() || len(rt.Upstreams) == 0 {
		return rt, apim.Split{}, nil
	}
	var candidate []apim.Upstream
	if s.Candidate.Revision > 0 {
		rev, err := u.Tenant(v.Tenant).Revision(ctx, v.ID, s.Candidate.Revision)
		if err != nil {
			return rt, s, err
		}
		candidate = rev.Runtime.Upstreams
	}
	return compile.Branches(rt, s, candidate), s, nil
}

// sharePercent writes a share as people read it: "12.5 %".
func sharePercent(perMille int) string {
	if perMille%10 == 0 {
		return fmt.Sprintf("%d %%", perMille/10)
	}
	return fmt.Sprintf("%d.%d %%", perMille/10, perMille%10)
}
