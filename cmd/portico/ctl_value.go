package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

type ctlValues struct {
	List  ctlValueList  `cmd:"" default:"withargs" help:"List values; secret ones are not shown."`
	Set   ctlValueSet   `cmd:"" help:"Set a value, which upstreams' URLs, headers and TLS, and secrets of policies, refer to as $${NAME}."`
	Unset ctlValueUnset `cmd:"" help:"Take a value away that nothing live refers to."`
}

type valueAnswer struct {
	Name, Environment, Value string
	Secret                   bool
	UpdatedBy                string    `json:"updated_by"`
	UpdatedAt                time.Time `json:"updated_at"`
}

func (v valueAnswer) row() []string {
	shown := v.Value
	if v.Secret {
		shown = "(secret)"
	}
	return []string{v.Name, v.Environment, shown, v.UpdatedBy, when(v.UpdatedAt)}
}

type ctlValueList struct {
	ctlFlags
	Environment string `help:"Only of this environment."`
}

// Run prints the tenant's values.
func (c *ctlValueList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	environments, err := s.environments(ctx)
	if err != nil {
		return err
	}
	if c.Environment != "" {
		one, err := s.environment(ctx, c.Environment)
		if err != nil {
			return err
		}
		environments = []environmentAnswer{one}
	}
	items := []json.RawMessage{}
	for _, e := range environments {
		path, err := s.in(ctx, "/environments/%s/values", e.Slug)
		if err != nil {
			return err
		}
		var all struct{ Items []json.RawMessage }
		if err := s.get(ctx, path, nil, &all); err != nil {
			return err
		}
		items = append(items, all.Items...)
	}
	return printItems(s, items, []string{"NAME", "ENVIRONMENT", "VALUE", "BY", "SET"}, valueAnswer.row)
}

type ctlValueSet struct {
	ctlFlags
	ctlWait
	Value       string `arg:"" placeholder:"NAME=VALUE" help:"NAME=VALUE; of a secret the NAME alone."`
	Secret      bool   `help:"Never show it again. It is read from standard input, not from the command line, which other users of a machine see."`
	Environment string `default:"production" help:"Where it holds."`
}

// Run sets a value.
func (c *ctlValueSet) Run(ctx context.Context, io *ctlIO) error {
	name, value, given := strings.Cut(c.Value, "=")
	switch {
	case c.Secret && given:
		return usagef("a secret is not given as an argument, which other users of the machine see: give %s alone, and the value by standard input", name)
	case !c.Secret && !given:
		return usagef("%q is not NAME=VALUE; of a secret give --secret, and the value by standard input", c.Value)
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	if c.Secret {
		if value, err = io.readSecret("Value of " + name + ", not shown: "); err != nil {
			return err
		}
	}
	path, err := s.in(ctx, "/environments/%s/values/%s", e.Slug, name)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPut, path, c.query(), map[string]any{"value": value, "secret": c.Secret}, nil)
	if err != nil {
		return err
	}
	var told confirmation
	if err := json.Unmarshal(answer, &told); err == nil && told.Change == nil {
		return s.done(answer, "Set %s in %s. Nothing that is live there refers to ${%s} yet.", name, e.Slug, name)
	}
	return s.done(answer, "Set %s in %s.", name, e.Slug)
}

type ctlValueUnset struct {
	ctlFlags
	Name        string `arg:"" help:"Name."`
	Environment string `default:"production" help:"Where it held."`
}

// Run takes a value away.
func (c *ctlValueUnset) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	return c.gone(ctx, io, c.Name+" is unset in "+e.Slug+".", "value", c.Name, "/environments/%s/values/%s", e.Slug, c.Name)
}
