package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

type ctlApps struct {
	List   ctlAppList   `cmd:"" default:"withargs" help:"List applications."`
	Show   ctlAppShow   `cmd:"" help:"Show an application, its subscriptions and keys."`
	Create ctlAppCreate `cmd:"" help:"Make an application."`
	Delete ctlAppDelete `cmd:"" help:"Cancel its subscriptions, revoke its keys and delete it."`
}

type keyAnswer struct {
	ID, Name, Environment, Key string
	CreatedAt                  time.Time `json:"created_at"`
	RevokedAt                  time.Time `json:"revoked_at"`
	Secrets                    []struct {
		Prefix    string
		LastFour  string    `json:"last_four"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

func (k keyAnswer) row() []string {
	text, expires := "", ""
	for _, s := range k.Secrets {
		text, expires = s.Prefix+"…"+s.LastFour, when(s.ExpiresAt)
	}
	state := "works"
	if !k.RevokedAt.IsZero() {
		state = "revoked " + when(k.RevokedAt)
	}
	return []string{k.Name, k.Environment, text, state, expires, k.ID}
}

func keyHeading() []string {
	return []string{"NAME", "ENVIRONMENT", "KEY", "STATE", "EXPIRES", "ID"}
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
	App string `arg:"" help:"Slug or id."`
}

// Run prints an application.
func (c *ctlAppShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/applications/%s", c.App)
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
	Team        string `help:"The team that is to own it, by slug or id."`
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
		body["team"] = c.Team
	}
	var a appAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, body, &a)
	if err != nil {
		return err
	}
	return s.done(answer, "Made application %s (%s).", a.Slug, a.ID)
}

type ctlAppDelete struct {
	ctlFlags
	App string `arg:"" help:"Slug or id."`
}

// Run deletes an application.
func (c *ctlAppDelete) Run(ctx context.Context, io *ctlIO) error {
	return c.remove(ctx, io, "/applications/%s", c.App)
}

type ctlKeys struct {
	List   ctlKeyList   `cmd:"" help:"List an application's keys."`
	Create ctlKeyCreate `cmd:"" help:"Make a key. It is shown this once."`
	Revoke ctlKeyRevoke `cmd:"" help:"Revoke a key for good."`
}

type ctlKeyList struct {
	ctlFlags
	App string `arg:"" help:"Slug or id of the application."`
}

// Run prints an application's keys.
func (c *ctlKeyList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/applications/%s/credentials", c.App)
	if err != nil {
		return err
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, path, nil, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, keyHeading(), keyAnswer.row)
}

type ctlKeyCreate struct {
	ctlFlags
	ctlWait
	App         string    `arg:"" help:"Slug or id of the application."`
	Name        string    `arg:"" optional:"" default:"Command line" help:"What it is for."`
	Environment string    `help:"Environment. Default: the first."`
	Expires     time.Time `format:"2006-01-02" help:"Day from which it no longer works, like 2027-06-30."`
}

// Run makes a key and prints it, alone on its line.
func (c *ctlKeyCreate) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/applications/%s/credentials", c.App)
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name}
	if c.Environment != "" {
		body["environment"] = c.Environment
	}
	if !c.Expires.IsZero() {
		body["expires_at"] = c.Expires.UTC()
	}
	var k keyAnswer
	answer, err := s.call(ctx, http.MethodPost, path, c.query(), body, &k)
	if err != nil {
		return err
	}
	return s.done(answer, "%s\nKeep it: it is not shown again. Its id is %s.", k.Key, k.ID)
}

type ctlKeyRevoke struct {
	ctlFlags
	ctlWait
	Key string `arg:"" help:"Id of the key (cred_…)."`
}

// Run revokes a key.
func (c *ctlKeyRevoke) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/credentials/%s/revoke", c.Key)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPost, path, c.query(), nil, nil)
	if err != nil {
		return err
	}
	return s.done(answer, "Revoked %s.", c.Key)
}
