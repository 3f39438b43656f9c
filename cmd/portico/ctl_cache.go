package main

import (
	"context"
	"net/http"
)

type ctlCache struct {
	Purge ctlCachePurge `cmd:"" help:"Make all gateway nodes forget stored answers of a version."`
}

type ctlCachePurge struct {
	ctlFlags
	ctlVersion
	Environment string `default:"production" help:"Where they are stored."`
	Tag         string `help:"Those only whose Cache-Tag or Surrogate-Key has this name."`
	Path        string `help:"Those only of this path, or address of the gateway, whatever the query."`
}

// Run tells the nodes.
func (c *ctlCachePurge) Run(ctx context.Context, io *ctlIO) error {
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
	path, err := s.in(ctx, "/versions/%s/environments/%s/cache/purge", v.ID, e.Slug)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodPost, path, nil, map[string]string{"tag": c.Tag, "url": c.Path}, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]string{"version": v.ID, "environment": e.Slug})
	}
	s.say("The gateway nodes of %s are told to forget what they store of %s %s.", e.Slug, v.API.Slug, v.Label)
	return nil
}
