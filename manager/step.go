package manager

import (
	"context"
	"errors"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
)

// stepsLooked is how often splits whose share moves by rule are looked at.
const stepsLooked = 2 * time.Second

// RunSplits moves the shares of splits by their rules, until ctx ends. Of
// several managers one does.
func (c *Catalog) RunSplits(ctx context.Context) error {
	for ctx.Err() == nil {
		err := c.Store.Lead(ctx, "splits", func(ctx context.Context) error {
			steps := NewSteps(c)
			for {
				if err := steps.Look(ctx); err != nil && ctx.Err() == nil {
					c.Log.WarnContext(ctx, "shares not moved", "error", err)
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(stepsLooked):
				}
			}
		})
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			c.Log.DebugContext(ctx, "shares are not led", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

// Steps is what the rule for steps remembers between looks: what the nodes had
// counted when each share last moved. One that begins anew judges by what comes
// from then on. It is not safe for concurrent use.
type Steps struct {
	catalog *Catalog
	since   map[string]counted // by version and environment
}

// counted is what the nodes had counted at a time.
type counted struct {
	run   string
	moved time.Time // of the split's share, then
	nodes map[string]entry.Status
}

// NewSteps returns steps that have seen nothing.
func NewSteps(c *Catalog) *Steps { return &Steps{catalog: c, since: map[string]counted{}} }

// Look judges every split whose share moves by rule, and moves what is due.
func (s *Steps) Look(ctx context.Context) error {
	c := s.catalog
	if c.Counts == nil {
		return nil
	}
	splits, err := c.Store.System().SteppingSplits(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var failed error
	for _, split := range splits {
		key := string(split.Version) + " " + split.Environment
		seen[key] = true
		if err := s.judge(ctx, key, split); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for key := range s.since {
		if !seen[key] {
			delete(s.since, key)
		}
	}
	return failed
}

func (s *Steps) judge(ctx context.Context, key string, split apim.Split) error {
	statuses := s.catalog.Counts.Statuses(split.Environment)
	since, ok := s.since[key]
	if !ok || since.run != split.Run || !since.moved.Equal(split.MovedAt) {
		since = counted{run: split.Run, moved: split.MovedAt, nodes: map[string]entry.Status{}}
		for _, status := range statuses {
			since.nodes[status.Node] = status
		}
		s.since[key] = since
	}
	var live, candidate entry.BranchCounts
	for _, status := range statuses {
		now, ok := reportOf(status, split.Version)
		if !ok || now.Run != split.Run {
			continue
		}
		var before entry.SplitReport
		if then := since.nodes[status.Node]; then.StartedAt == status.StartedAt {
			if before, _ = reportOf(then, split.Version); before.Run != split.Run {
				before = entry.SplitReport{}
			}
		}
		l, c := now.Live.Since(before.Live), now.Candidate.Since(before.Candidate)
		live.Add(&l)
		candidate.Add(&c)
	}
	return s.catalog.step(ctx, split, side(live), side(candidate))
}

// step lets a split judge, and saves what came of it.
func (c *Catalog) step(ctx context.Context, split apim.Split, live, candidate apim.SplitSide) error {
	trial := split
	if trial.Judge(live, candidate, c.now()); trial.Share == split.Share && trial.Steps.On == split.Steps.On && trial.Outcome == split.Outcome {
		return nil
	}
	err := c.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
		t := u.Tenant(split.Tenant)
		s, err := t.Split(ctx, split.Version, split.Environment)
		if err != nil || s.Lock != split.Lock {
			return err // somebody changed it: it is looked at again soon
		}
		moved := s.Judge(live, candidate, u.now)
		s.UpdatedAt, s.UpdatedBy = u.now, who(u.actor)
		v, err := t.Version(ctx, s.Version)
		if err != nil {
			return err
		}
		if !moved {
			if err := t.UpdateSplit(ctx, &s); err != nil || s.Steps.On {
				return err
			}
			return c.tellStep(ctx, u, v, split, s)
		}
		revision, err := liveRevision(ctx, t, v.ID, s.Environment)
		if err != nil {
			return err
		}
		if _, err := u.saveSplit(ctx, v, revision, s); err != nil {
			return err
		}
		return c.tellStep(ctx, u, v, split, s)
	})
	if apim.KindOf(err) == apim.NotFound || apim.KindOf(err) == apim.Conflict { // it was ended, or somebody was faster
		return nil
	}
	return err
}

// tellStep records what the rule did, and leaves word when it has ended: the
// candidate has arrived, or it failed and gets no more calls.
func (c *Catalog) tellStep(ctx context.Context, u *unit, v apim.Version, before, s apim.Split) error {
	err := u.recordChange(ctx, s.Tenant, "split.step", v.ID, splitFacts(before), splitFacts(s), "split of %s in %s %s", v.Label, s.Environment, s.Outcome)
	if err != nil || s.Steps.On {
		return err
	}
	kind := "split.done"
	if s.Share < before.Share {
		kind = "split.back"
	}
	return u.System().InsertEvent(ctx, apim.Event{
		ID: apim.NewID(apim.PrefixEvent, u.now), Tenant: s.Tenant, Kind: kind, Object: s.Version, CreatedAt: u.now, DueAt: u.now,
		Body: jsonText(map[string]any{"version": s.Version, "environment": s.Environment, "candidate": s.Candidate.String(), "share": s.Share, "before": before.Share, "outcome": s.Outcome}),
	})
}
