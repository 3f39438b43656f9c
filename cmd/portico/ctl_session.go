package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

type sessionAnswer struct {
	ID, Use, Address, Agent string
	StartedAt               time.Time `json:"started_at"`
	SeenAt                  time.Time `json:"seen_at"`
}

func (a sessionAnswer) row() []string {
	return []string{a.Use, a.Agent, a.Address, when(a.StartedAt), when(a.SeenAt), a.ID}
}

type ctlSessions struct {
	List      ctlSessionList `cmd:"" default:"withargs" help:"List where you have signed in, the latest used first."`
	End       ctlSessionEnd  `cmd:"" help:"Sign out in one browser."`
	EndOthers ctlSessionRest `cmd:"" help:"Sign out in every browser. The API token that asks is no session and stays."`
}

type ctlSessionList struct{ ctlFlags }

// Run prints the sessions of the token's person.
func (c *ctlSessionList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, "/sessions", nil, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, []string{"WHERE", "BROWSER", "ADDRESS", "SINCE", "LAST USED", "ID"}, sessionAnswer.row)
}

type ctlSessionEnd struct {
	ctlFlags
	Session string `arg:"" help:"Id."`
}

// Run ends a session.
func (c *ctlSessionEnd) Run(ctx context.Context, io *ctlIO) error {
	return c.end(ctx, io, "/sessions/"+escape(c.Session), "session", c.Session, "Signed out there.")
}

type ctlSessionRest struct{ ctlFlags }

// Run ends all sessions but the caller's own, which a token does not have.
func (c *ctlSessionRest) Run(ctx context.Context, io *ctlIO) error {
	return c.end(ctx, io, "/sessions", "sessions", "others", "Signed out everywhere.")
}

func (f ctlFlags) end(ctx context.Context, io *ctlIO, path, kind, name, said string) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodDelete, path, nil, nil, nil); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(io.Out, map[string]string{kind: name})
	}
	s.say("%s", said)
	return nil
}
