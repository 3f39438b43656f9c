package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"portico/internal/apim"
)

type ctlVersions struct {
	List      ctlVersionList     `cmd:"" help:"List an API's versions."`
	Show      ctlVersionShow     `cmd:"" help:"Show a version: where it is live, and its draft."`
	Targets   ctlVersionTargets  `cmd:"" help:"Show how long a version's upstream targets take, as each gateway node finds them; --check asks them at once."`
	Upstreams ctlVersionUpstream `cmd:"" help:"Show how gateway nodes find a version's upstreams: addresses that get no calls, and why."`
	Set       ctlVersionSet      `cmd:"" help:"Change a version's draft: upstream, mount, headers, limits, operations."`
	Publish   ctlPublish         `cmd:"" help:"Publish a version's draft."`
	Promote   ctlPromote         `cmd:"" help:"Make the revision that is live in one environment live in another."`
	RollBack  ctlRollBack        `cmd:"" help:"Make an earlier revision live again."`
	Deprecate ctlDeprecate       `cmd:"" help:"Tell consumers to leave a version."`
	TakeOff   ctlTakeOff         `cmd:"" help:"Take a version off one environment of several."`
	Retire    ctlRetire          `cmd:"" help:"Take a version off every environment for good."`
	Revisions ctlVersionRevision `cmd:"" help:"List what was published of a version."`
	Findings  ctlVersionFinding  `cmd:"" help:"List what was found in a version's document."`
	Document  ctlVersionDocument `cmd:"" help:"Print a version's document as it was imported."`
}

// ctlVersion names a version on the command line.
type ctlVersion struct {
	API   string `arg:"" name:"api" help:"Slug, id or name of the API, or id of the version."`
	Label string `arg:"" optional:"" help:"Label of the version. Default: its only one."`
}

// find looks the version up.
func (c ctlVersion) find(ctx context.Context, s *session) (versionAnswer, error) {
	if _, err := apim.ParseID(apim.PrefixVersion, c.API); err == nil {
		path, err := s.in(ctx, "/versions/%s", c.API)
		if err != nil {
			return versionAnswer{}, err
		}
		var v versionAnswer
		err = s.get(ctx, path, nil, &v)
		return v, err
	}
	path, err := s.at(ctx, anAPI(), c.API)
	if err != nil {
		return versionAnswer{}, err
	}
	var a apiAnswer
	if err := s.get(ctx, path, nil, &a); err != nil {
		return versionAnswer{}, err
	}
	labels := []string{}
	for _, v := range a.Versions {
		labels = append(labels, v.Label)
		if v.Label == c.Label || c.Label == "" && len(a.Versions) == 1 {
			v.API.Slug = a.Slug
			return v, nil
		}
	}
	if c.Label == "" {
		return versionAnswer{}, usagef("name a version of %s: %s", a.Slug, orNone(labels))
	}
	return versionAnswer{}, s.unknown("API %s has no version %s; it has %s", a.Slug, c.Label, orNone(labels))
}

type ctlPublish struct {
	ctlFlags
	ctlWait
	ctlVersion
	Environment string `default:"production" help:"Where to publish."`
	Note        string `help:"What changed, for the list of revisions."`
}

// Run publishes a version's draft.
func (c *ctlPublish) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	answer, err := publishVersion(ctx, s, v, e.Slug, c.Note, c.ctlWait)
	if err != nil || !c.JSON {
		return err
	}
	return s.raw(answer)
}

// publishVersion publishes and says so, unless JSON was asked for: then the
// caller prints the answer.
func publishVersion(ctx context.Context, s *session, v versionAnswer, environment, note string, wait ctlWait) ([]byte, error) {
	path, err := s.in(ctx, "/versions/%s/publish", v.ID)
	if err != nil {
		return nil, err
	}
	body := map[string]string{"environment": environment}
	if note != "" {
		body["note"] = note
	}
	var revision struct{ Number int }
	answer, err := s.call(ctx, http.MethodPost, path, wait.query(), body, &revision)
	if err != nil || s.flags.JSON {
		return answer, err
	}
	if err := s.done(answer, "Published %s %s r%d to %s.", v.API.Slug, v.Label, revision.Number, environment); err != nil {
		return nil, err
	}
	var now versionAnswer
	if path, err = s.in(ctx, "/versions/%s", v.ID); err == nil {
		err = s.get(ctx, path, nil, &now)
	}
	if err != nil {
		return nil, err
	}
	if now.URL != "" {
		s.say("It answers at %s", now.URL)
	}
	return answer, nil
}

// move posts to a version's path and says what came of it.
func (c ctlVersion) move(ctx context.Context, f ctlFlags, io *ctlIO, wait ctlWait, verb string, body map[string]any, format string, args ...any) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/"+verb, v.ID)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPost, path, wait.query(), body, nil)
	if err != nil {
		return err
	}
	return s.done(answer, format, append([]any{v.API.Slug, v.Label}, args...)...)
}

type ctlPromote struct {
	ctlFlags
	ctlWait
	ctlVersion
	From string `default:"sandbox" help:"Where the revision is live."`
	To   string `default:"production" help:"Where it is to be live."`
}

// Run deploys what is live elsewhere.
func (c *ctlPromote) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	from, err := s.environment(ctx, c.From)
	if err != nil {
		return err
	}
	to, err := s.environment(ctx, c.To)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(v.Live, func(d deploymentAnswer) bool { return d.Environment == from.Slug })
	if at < 0 {
		return fmt.Errorf("%s %s is not live in %s; it is live in: %s", v.API.Slug, v.Label, from.Slug, orNone(nonEmpty(v.live())))
	}
	revision := v.Live[at].Revision
	return c.move(ctx, c.ctlFlags, io, c.ctlWait, "roll-back",
		map[string]any{"environment": to.Slug, "revision": revision}, "%s %s r%d of %s is live in %s.", revision, from.Slug, to.Slug)
}

type ctlRollBack struct {
	ctlFlags
	ctlWait
	API         string `arg:"" name:"api" help:"Slug, id or name of the API."`
	Label       string `arg:"" help:"Label of the version."`
	Revision    int    `arg:"" help:"Number of the revision."`
	Environment string `default:"production" help:"Where."`
}

// Run deploys an earlier revision.
func (c *ctlRollBack) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	return ctlVersion{c.API, c.Label}.move(ctx, c.ctlFlags, io, c.ctlWait, "roll-back",
		map[string]any{"environment": e.Slug, "revision": c.Revision}, "%s %s is back at r%d on %s.", c.Revision, e.Slug)
}

type ctlDeprecate struct {
	ctlFlags
	ctlWait
	ctlVersion
	Sunset moment `placeholder:"DAY" help:"When it will be retired: a day like 2027-06-30, or a time like 2027-06-30T12:00:00Z."`
	Reason string `help:"What consumers should do; they see it."`
}

// Run deprecates a version.
func (c *ctlDeprecate) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{"reason": c.Reason}
	putTime(body, "sunset_at", c.Sunset)
	return c.move(ctx, c.ctlFlags, io, c.ctlWait, "deprecate", body, "%s %s is deprecated.")
}

type ctlTakeOff struct {
	ctlFlags
	ctlWait
	ctlVersion
	Environment string `required:"" help:"Where it is to answer no more."`
}

// Run takes a version off an environment.
func (c *ctlTakeOff) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	return c.move(ctx, c.ctlFlags, io, c.ctlWait, "take-off", map[string]any{"environment": e.Slug}, "%s %s is live in %s no more.", e.Slug)
}

type ctlRetire struct {
	ctlFlags
	ctlWait
	ctlVersion
	Reason string `help:"Needed when somebody is still subscribed; they see it."`
}

// Run retires a version.
func (c *ctlRetire) Run(ctx context.Context, io *ctlIO) error {
	return c.move(ctx, c.ctlFlags, io, c.ctlWait, "retire", map[string]any{"reason": c.Reason}, "%s %s is retired.")
}
