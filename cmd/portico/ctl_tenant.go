package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

type ctlTenants struct {
	List   ctlTenantList   `cmd:"" default:"withargs" help:"List the tenants that you belong to."`
	Show   ctlTenantShow   `cmd:"" help:"Show a tenant."`
	Set    ctlTenantSet    `cmd:"" help:"Change what a tenant chooses for itself."`
	Create ctlTenantCreate `cmd:"" help:"Make a tenant; for operators."`
}

type tenantAnswer struct {
	ID, Slug, Name string
	CreatedAt      time.Time `json:"created_at"`
}

func tenantHeading() []string { return []string{"TENANT", "NAME", "MADE", "ID"} }

func (t tenantAnswer) row() []string { return []string{t.Slug, t.Name, when(t.CreatedAt), t.ID} }

type ctlTenantList struct{ ctlFlags }

// Run prints the caller's tenants.
func (c *ctlTenantList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, "/tenants", nil, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, tenantHeading(), tenantAnswer.row)
}

type ctlTenantShow struct{ ctlFlags }

// Run prints the tenant that --tenant names.
func (c *ctlTenantShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "")
	if err != nil {
		return err
	}
	var t tenantAnswer
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &t)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	return s.table([][]string{tenantHeading(), t.row()})
}

type ctlTenantSet struct {
	ctlFlags
	KeyPrefix *string `placeholder:"PREFIX" help:"What keys of the tenant's applications begin with; '' is Portico's own. Keys of before work on."`
}

// Run changes the tenant that --tenant names.
func (c *ctlTenantSet) Run(ctx context.Context, io *ctlIO) error {
	if c.KeyPrefix == nil {
		return usagef("say what to change: --key-prefix")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "")
	if err != nil {
		return err
	}
	var t tenantAnswer
	answer, err := s.call(ctx, http.MethodPatch, path, nil, map[string]string{"key_prefix": *c.KeyPrefix}, &t)
	if err != nil {
		return err
	}
	return s.done(answer, "Changed %s.", t.Slug)
}

type ctlTenantCreate struct {
	ctlFlags
	Slug string `arg:"" help:"Slug."`
	Name string `arg:"" help:"Name."`
}

// Run makes a tenant.
func (c *ctlTenantCreate) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var t tenantAnswer
	answer, err := s.call(ctx, http.MethodPost, "/tenants", nil, map[string]string{"slug": c.Slug, "name": c.Name}, &t)
	if err != nil {
		return err
	}
	return s.done(answer, "Made tenant %s (%s).", t.Slug, t.ID)
}
