package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

type ctlSessions struct {
	List ctlSessionList `cmd:"" default:"withargs" help:"List where you are signed in by browser."`
	End  ctlSessionEnd  `cmd:"" help:"Sign out there."`
}

type sessionAnswer struct {
	ID, Use, Address, Agent string
	StartedAt               time.Time `json:"started_at"`
	SeenAt                  time.Time `json:"seen_at"`
	ExpiresAt               time.Time `json:"expires_at"`
}

func (a sessionAnswer) row() []string {
	return []string{a.Use, a.Address, a.Agent, when(a.StartedAt), when(a.SeenAt), when(a.ExpiresAt), a.ID}
}

type ctlSessionList struct{ ctlFlags }

// Run prints the caller's sessions.
func (c *ctlSessionList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, "/sessions", nil, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, []string{"IN", "ADDRESS", "BROWSER", "SINCE", "LAST SEEN", "ENDS", "ID"}, sessionAnswer.row)
}

type ctlSessionEnd struct {
	ctlFlags
	Session string `arg:"" optional:"" help:"Id (ses_…)."`
	All     bool   `help:"Everywhere."`
}

// Run ends one session, or all.
func (c *ctlSessionEnd) Run(ctx context.Context, io *ctlIO) error {
	if c.All == (c.Session != "") {
		return usagef("name a session, or give --all; 'portico sessions' lists them")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, said := "/sessions", "You are signed out everywhere."
	if !c.All {
		path, said = escaped("/sessions/%s", c.Session), "The session has ended."
	}
	if _, err := s.call(ctx, http.MethodDelete, path, nil, nil, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]any{"session": c.Session, "all": c.All})
	}
	s.say("%s", said)
	return nil
}
