package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

type ctlAPIs struct {
	List   ctlAPIList   `cmd:"" default:"withargs" help:"List APIs."`
	Show   ctlAPIShow   `cmd:"" help:"Show an API and its versions."`
	Set    ctlAPISet    `cmd:"" help:"Change an API's name, description, contact, tags or team."`
	Delete ctlAPIDelete `cmd:"" help:"Delete an API none of whose versions is live."`
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

// ctlOwned narrows a list to what somebody owns.
type ctlOwned struct {
	Team string `help:"Only what this team owns, by slug, id or name; - is what no team owns."`
}

// put asks for it.
func (c ctlOwned) put(ctx context.Context, s *session, query url.Values) error {
	switch c.Team {
	case "":
		return nil
	case "-":
		query.Set("team", "-")
		return nil
	}
	ref, err := s.ref(ctx, aTeam(), c.Team)
	query.Set("team", ref)
	return err
}

type ctlAPIList struct {
	ctlFlags
	ctlOwned
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
	if err := c.put(ctx, s, query); err != nil {
		return err
	}
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
	API string `arg:"" name:"api" help:"Slug, id or name."`
}

// Run prints an API and its versions.
func (c *ctlAPIShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, anAPI(), c.API)
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
	rows := [][]string{versionHeading()}
	for _, v := range a.Versions {
		rows = append(rows, v.row())
	}
	return s.table(rows)
}

type ctlAPISet struct {
	ctlFlags
	ctlOwner
	API         string   `arg:"" name:"api" help:"Slug, id or name."`
	Name        *string  `help:"New name."`
	Description *string  `help:"Markdown."`
	Contact     *string  `help:"Whom to ask about it."`
	Tag         []string `help:"All of its tags. Give it again for more."`
	NoTags      bool     `help:"Take all tags away."`
	Default     *string  `name:"default-version" placeholder:"LABEL" help:"Which version takes calls that ask for none where several share an address: a label, newest, oldest, or empty for none."`
}

// Run changes an API.
func (c *ctlAPISet) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	put(body, "name", c.Name)
	put(body, "description", c.Description)
	put(body, "contact", c.Contact)
	put(body, "default_version", c.Default)
	if err := putList(body, "tags", c.Tag, "tag", "no-tags", c.NoTags); err != nil {
		return err
	}
	var a apiAnswer
	return c.set(ctx, io, anAPI(), c.API, c.ctlOwner, nil, body, &a, "--name, --description, --contact, --tag, --default-version or --team", func() string {
		return "Changed API " + a.Slug + "."
	})
}

// ctlOwner is who is to own something.
type ctlOwner struct {
	Team   string `help:"The team that is to own it, by slug, id or name."`
	NoTeam bool   `help:"Nobody in particular is to own it."`
}

// set changes an object and says so. options names what could be changed.
func (f ctlFlags) set(ctx context.Context, io *ctlIO, k kind, called string, owner ctlOwner, query url.Values, body map[string]any, out any, options string, said func() string) error {
	switch {
	case owner.NoTeam && owner.Team != "":
		return usagef("--team and --no-team do not go together")
	case owner.NoTeam:
		body["team"] = ""
	case owner.Team == "" && len(body) == 0:
		return usagef("nothing to change; give %s", options)
	}
	s, err := f.open(io)
	if err != nil {
		return err
	}
	if owner.Team != "" {
		if body["team"], err = s.ref(ctx, aTeam(), owner.Team); err != nil {
			return err
		}
	}
	path, err := s.at(ctx, k, called)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPatch, path, query, body, out)
	if err != nil {
		return err
	}
	return s.done(answer, "%s", said())
}

type ctlAPIDelete struct {
	ctlFlags
	API string `arg:"" name:"api" help:"Slug, id or name."`
}

// Run deletes an API.
func (c *ctlAPIDelete) Run(ctx context.Context, io *ctlIO) error {
	return c.remove(ctx, io, nil, anAPI(), c.API)
}

// remove deletes an object.
func (f ctlFlags) remove(ctx context.Context, io *ctlIO, query url.Values, k kind, called string) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, k, called)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodDelete, path, query, nil, nil)
	if err != nil {
		return err
	}
	if len(answer) == 0 {
		answer = []byte("{}")
	}
	return s.done(answer, "Deleted %s.", called)
}
