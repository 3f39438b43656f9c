package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

type teamAnswer struct {
	ID, Slug, Name, Description string
	Roles                       []string
	Members                     []struct{ Person, Name, Email string }
	Owns                        struct{ APIs, Products, Applications int }
}

func (t teamAnswer) row() []string {
	names := make([]string, len(t.Members))
	for i, m := range t.Members {
		names[i] = m.Name
	}
	return []string{
		t.Slug, t.Name, strings.Join(t.Roles, ", "), strings.Join(names, ", "), fmt.Sprint(t.Owns.APIs), fmt.Sprint(t.Owns.Products),
		fmt.Sprint(t.Owns.Applications), t.ID,
	}
}

func teamHeading() []string {
	return []string{"TEAM", "NAME", "ROLES", "MEMBERS", "APIS", "PRODUCTS", "APPLICATIONS", "ID"}
}

type ctlTeams struct {
	List   ctlTeamList   `cmd:"" default:"withargs" help:"List teams, who is in them and what they own."`
	Show   ctlTeamShow   `cmd:"" help:"Show a team, who is in it and what it owns."`
	Create ctlTeamCreate `cmd:"" help:"Make a team."`
	Set    ctlTeamSet    `cmd:"" help:"Change a team's name or roles."`
	Delete ctlTeamDelete `cmd:"" help:"Delete a team that owns nothing."`
	Add    ctlTeamAdd    `cmd:"" help:"Put a member into a team."`
	Take   ctlTeamTake   `cmd:"" help:"Take a member out of a team."`
}

type ctlTeamList struct{ ctlFlags }

// Run prints the tenant's teams.
func (c *ctlTeamList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/teams")
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, teamHeading(), teamAnswer.row)
}

type ctlTeamShow struct {
	ctlFlags
	Team string `arg:"" help:"Slug, id or name."`
}

// Run prints a team.
func (c *ctlTeamShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, aTeam(), c.Team)
	if err != nil {
		return err
	}
	var t teamAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &t)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	return s.table([][]string{teamHeading(), t.row()})
}

// sendTeam writes a team, or what is below it, and prints what it is since; team
// "" is a new one.
func (f ctlFlags) sendTeam(ctx context.Context, io *ctlIO, method string, in map[string]any, team, below string) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	at, err := s.in(ctx, "/teams")
	if team != "" {
		at, err = s.at(ctx, aTeam(), team)
	}
	if err != nil {
		return err
	}
	var t teamAnswer
	var body any
	if in != nil {
		body = in
	}
	answer, err := s.call(ctx, method, at+below, nil, body, &t)
	if err != nil {
		return err
	}
	row := t.row()
	return s.done(answer, "%s (%s): %s. Members: %s.", t.Name, t.Slug, orNone(nonEmpty(row[2])), orNone(nonEmpty(row[3])))
}

type ctlTeamCreate struct {
	ctlFlags
	Name        string   `arg:"" help:"Name."`
	Slug        string   `help:"Short name for addresses. Default: from the name."`
	Description string   `help:"What it is for."`
	Role        []string `placeholder:"ROLE" help:"What its members may do with what it owns: admin, provider, approver, consumer or auditor. Give it again for more."`
}

// Run makes a team.
func (c *ctlTeamCreate) Run(ctx context.Context, io *ctlIO) error {
	in := map[string]any{"name": c.Name}
	if c.Slug != "" {
		in["slug"] = c.Slug
	}
	if c.Description != "" {
		in["description"] = c.Description
	}
	if c.Role != nil {
		in["roles"] = c.Role
	}
	return c.sendTeam(ctx, io, http.MethodPost, in, "", "")
}

type ctlTeamSet struct {
	ctlFlags
	Team        string   `arg:"" help:"Slug, id or name."`
	Name        *string  `help:"New name."`
	Description *string  `help:"What it is for."`
	Role        []string `placeholder:"ROLE" help:"All of its roles. Give it again for more."`
	NoRoles     bool     `help:"Take all roles away."`
}

// Run changes a team.
func (c *ctlTeamSet) Run(ctx context.Context, io *ctlIO) error {
	in := map[string]any{}
	if c.Name != nil {
		in["name"] = *c.Name
	}
	if c.Description != nil {
		in["description"] = *c.Description
	}
	switch {
	case c.NoRoles && c.Role != nil:
		return usagef("--role and --no-roles do not go together")
	case c.NoRoles:
		in["roles"] = []string{}
	case c.Role != nil:
		in["roles"] = c.Role
	}
	if len(in) == 0 {
		return usagef("nothing to change; give --name, --description or --role")
	}
	return c.sendTeam(ctx, io, http.MethodPatch, in, c.Team, "")
}

type ctlTeamDelete struct {
	ctlFlags
	Team string `arg:"" help:"Slug, id or name."`
}

// Run deletes a team.
func (c *ctlTeamDelete) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	ref, err := s.ref(ctx, aTeam(), c.Team)
	if err != nil {
		return err
	}
	return c.gone(ctx, io, "The team is deleted.", "team", ref, "/teams/%s", ref)
}

// ctlTeamPerson names a member and a team.
type ctlTeamPerson struct {
	ctlFlags
	Team   string `arg:"" help:"Slug, id or name."`
	Member string `arg:"" help:"E-mail address, name or id."`
}

func (c *ctlTeamPerson) change(ctx context.Context, io *ctlIO, method string) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	_, m, err := s.member(ctx, c.Member)
	if err != nil {
		return err
	}
	return c.sendTeam(ctx, io, method, nil, c.Team, "/members/"+escape(m.Person))
}

type ctlTeamAdd struct{ ctlTeamPerson }

// Run puts a member into a team.
func (c *ctlTeamAdd) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, http.MethodPut)
}

type ctlTeamTake struct{ ctlTeamPerson }

// Run takes a member out of a team.
func (c *ctlTeamTake) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, http.MethodDelete)
}
