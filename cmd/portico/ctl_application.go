package main

import (
	"context"
	"net/http"
	"strconv"
)

type ctlApps struct {
	List   ctlAppList   `cmd:"" default:"withargs" help:"List applications."`
	Show   ctlAppShow   `cmd:"" help:"Show an application, its subscriptions and keys."`
	Create ctlAppCreate `cmd:"" help:"Make an application."`
	Set    ctlAppSet    `cmd:"" help:"Change an application's name, description or team."`
	Delete ctlAppDelete `cmd:"" help:"Cancel its subscriptions, revoke its keys and delete it."`
}

type appAnswer struct {
	ID, Slug, Name, Description string
	Subscriptions               []subscriptionAnswer
	Credentials                 []keyAnswer
}

type ctlAppList struct{ ctlFlags }

// Run prints the tenant's applications.
func (c *ctlAppList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/applications")
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, []string{"APPLICATION", "NAME", "SUBSCRIPTIONS", "KEYS", "ID"}, func(a appAnswer) []string {
		live, keys := 0, 0
		for _, sub := range a.Subscriptions {
			if sub.State == "active" || sub.State == "pending" || sub.State == "suspended" {
				live++
			}
		}
		for _, k := range a.Credentials {
			if k.RevokedAt.IsZero() {
				keys++
			}
		}
		return []string{a.Slug, a.Name, strconv.Itoa(live), strconv.Itoa(keys), a.ID}
	})
}

type ctlAppShow struct {
	ctlFlags
	App string `arg:"" name:"application" help:"Slug, id or name."`
}

// Run prints an application.
func (c *ctlAppShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, anApplication(), c.App)
	if err != nil {
		return err
	}
	var a appAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &a)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s (%s, %s)", a.Name, a.Slug, a.ID)
	rows := [][]string{subscriptionHeading()}
	for _, sub := range a.Subscriptions {
		rows = append(rows, sub.row())
	}
	if err := s.table(rows); err != nil {
		return err
	}
	rows = [][]string{keyHeading()}
	for _, k := range a.Credentials {
		rows = append(rows, k.row())
	}
	s.say("")
	return s.table(rows)
}

type ctlAppCreate struct {
	ctlFlags
	Name        string `arg:"" help:"Name."`
	Slug        string `help:"Slug. Default: from the name."`
	Description string `help:"What it does."`
	Team        string `help:"The team that is to own it, by slug, id or name."`
}

// Run makes an application.
func (c *ctlAppCreate) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/applications")
	if err != nil {
		return err
	}
	body := map[string]string{"name": c.Name}
	if c.Slug != "" {
		body["slug"] = c.Slug
	}
	if c.Description != "" {
		body["description"] = c.Description
	}
	if c.Team != "" {
		if body["team"], err = s.ref(ctx, aTeam(), c.Team); err != nil {
			return err
		}
	}
	var a appAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, body, &a)
	if err != nil {
		return err
	}
	return s.done(answer, "Made application %s (%s).", a.Slug, a.ID)
}

type ctlAppSet struct {
	ctlFlags
	ctlWait
	ctlOwner
	App         string  `arg:"" name:"application" help:"Slug, id or name."`
	Name        *string `help:"New name."`
	Description *string `help:"What it does."`
}

// Run changes an application.
func (c *ctlAppSet) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	put(body, "name", c.Name)
	put(body, "description", c.Description)
	var a appAnswer
	return c.set(ctx, io, anApplication(), c.App, c.ctlOwner, c.query(), body, &a, "--name, --description or --team", func() string {
		return "Changed application " + a.Slug + "."
	})
}

type ctlAppDelete struct {
	ctlFlags
	ctlWait
	App string `arg:"" name:"application" help:"Slug, id or name."`
}

// Run deletes an application.
func (c *ctlAppDelete) Run(ctx context.Context, io *ctlIO) error {
	return c.remove(ctx, io, c.query(), anApplication(), c.App)
}
