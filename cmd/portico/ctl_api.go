package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

type ctlAPIs struct {
	List      ctlAPIList   `cmd:"" default:"withargs" help:"List APIs."`
	Show      ctlAPIShow   `cmd:"" help:"Show an API and its versions."`
	Delete    ctlAPIDelete `cmd:"" help:"Delete an API none of whose versions is live."`
	RollBack  ctlRollBack  `cmd:"" help:"Make an earlier revision live again."`
	Deprecate ctlDeprecate `cmd:"" help:"Tell consumers to leave a version."`
	Retire    ctlRetire    `cmd:"" help:"Take a version off every environment for good."`
}

type deploymentAnswer struct {
	Environment string
	Revision    int
}

type versionAnswer struct {
	ID, Label, State string
	Revision         int
	Unpublished      bool
	Operations       int
	URL              string
	API              struct{ Slug string }
	Live             []deploymentAnswer
}

type apiAnswer struct {
	ID, Slug, Name, Description string
	Versions                    []versionAnswer
}

func (v versionAnswer) live() string {
	parts := make([]string, len(v.Live))
	for i, d := range v.Live {
		parts[i] = d.Environment + " r" + strconv.Itoa(d.Revision)
	}
	return strings.Join(parts, ", ")
}

type ctlAPIList struct {
	ctlFlags
	Search string `help:"Words in name, slug or tags."`
	State  string `enum:"draft,published,deprecated,retired," default:"" help:"Only with a version in this state: draft, published, deprecated or retired."`
}

// Run prints the tenant's APIs.
func (c *ctlAPIList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/apis")
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Search != "" {
		query.Set("search", c.Search)
	}
	if c.State != "" {
		query.Set("state", c.State)
	}
	return list(ctx, s, path, query, []string{"API", "NAME", "VERSIONS", "LIVE"}, func(a apiAnswer) []string {
		var labels, live []string
		for _, v := range a.Versions {
			labels = append(labels, v.Label+" "+v.State)
			if l := v.live(); l != "" {
				live = append(live, v.Label+" "+l)
			}
		}
		return []string{a.Slug, a.Name, strings.Join(labels, ", "), strings.Join(live, "; ")}
	})
}

type ctlAPIShow struct {
	ctlFlags
	API string `arg:"" name:"api" help:"Slug or id."`
}

// Run prints an API and its versions.
func (c *ctlAPIShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/apis/%s", c.API)
	if err != nil {
		return err
	}
	var a apiAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &a)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s (%s, %s)", a.Name, a.Slug, a.ID)
	rows := [][]string{{"VERSION", "STATE", "REVISION", "OPERATIONS", "DRAFT DIFFERS", "LIVE", "ID"}}
	for _, v := range a.Versions {
		rows = append(rows, []string{v.Label, v.State, "r" + strconv.Itoa(v.Revision), strconv.Itoa(v.Operations), yes(v.Unpublished), v.live(), v.ID})
	}
	return s.table(rows)
}

type ctlAPIDelete struct {
	ctlFlags
	API string `arg:"" name:"api" help:"Slug or id."`
}

// Run deletes an API.
func (c *ctlAPIDelete) Run(ctx context.Context, io *ctlIO) error {
	return c.remove(ctx, io, "/apis/%s", c.API)
}

// remove deletes what a path names.
func (f ctlFlags) remove(ctx context.Context, io *ctlIO, format, ref string) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, format, ref)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodDelete, path, nil, nil, nil)
	if err != nil {
		return err
	}
	if len(answer) == 0 {
		answer = []byte("{}")
	}
	return s.done(answer, "Deleted %s.", ref)
}

// ctlVersion names a version on the command line.
type ctlVersion struct {
	API   string `arg:"" name:"api" help:"Slug or id of the API."`
	Label string `arg:"" optional:"" help:"Label of the version. Default: its only one."`
}

// find looks the version up.
func (c ctlVersion) find(ctx context.Context, s *session) (versionAnswer, error) {
	path, err := s.in(ctx, "/apis/%s", c.API)
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
	return versionAnswer{}, &refusal{Status: http.StatusNotFound, Code: "not_found", Detail: "API " + a.Slug + " has no version " + c.Label + "; it has " + orNone(labels)}
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
	answer, err := publishVersion(ctx, s, v, c.Environment, c.Note, c.ctlWait)
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

type ctlRollBack struct {
	ctlFlags
	ctlWait
	API         string `arg:"" name:"api" help:"Slug or id of the API."`
	Label       string `arg:"" help:"Label of the version."`
	Revision    int    `arg:"" help:"Number of the revision."`
	Environment string `default:"production" help:"Where."`
}

// Run deploys an earlier revision.
func (c *ctlRollBack) Run(ctx context.Context, io *ctlIO) error {
	return ctlVersion{c.API, c.Label}.move(ctx, c.ctlFlags, io, c.ctlWait, "roll-back",
		map[string]any{"environment": c.Environment, "revision": c.Revision}, "%s %s is back at r%d on %s.", c.Revision, c.Environment)
}

type ctlDeprecate struct {
	ctlFlags
	ctlWait
	ctlVersion
	Sunset time.Time `format:"2006-01-02" help:"Day of its retirement, like 2027-06-30."`
	Reason string    `help:"What consumers should do; they see it."`
}

// Run deprecates a version.
func (c *ctlDeprecate) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{"reason": c.Reason}
	if !c.Sunset.IsZero() {
		body["sunset_at"] = c.Sunset.UTC()
	}
	return c.move(ctx, c.ctlFlags, io, c.ctlWait, "deprecate", body, "%s %s is deprecated.")
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
