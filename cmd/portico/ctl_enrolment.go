package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type ctlEnrolments struct {
	List   ctlEnrolmentList   `cmd:"" default:"withargs" help:"List them."`
	Revoke ctlEnrolmentRevoke `cmd:"" help:"End one, so that no node comes with it."`
}

type enrolmentAnswer struct {
	ID, Environment, Name string
	CreatedBy             string    `json:"created_by"`
	ExpiresAt             time.Time `json:"expires_at"`
}

func (e enrolmentAnswer) row() []string {
	return []string{e.Name, e.Environment, e.CreatedBy, when(e.ExpiresAt), e.ID}
}

// enrolments returns the tokens of one environment, or of all for "".
func (s *session) enrolments(ctx context.Context, environment string) ([]json.RawMessage, error) {
	places, err := s.environments(ctx)
	if err != nil {
		return nil, err
	}
	if environment != "" {
		one, err := s.environment(ctx, environment)
		if err != nil {
			return nil, err
		}
		places = []environmentAnswer{one}
	}
	items := []json.RawMessage{}
	for _, e := range places {
		var all struct{ Items []json.RawMessage }
		if err := s.get(ctx, escaped("/environments/%s/enrolments", e.Slug), nil, &all); err != nil {
			return nil, err
		}
		items = append(items, all.Items...)
	}
	return items, nil
}

type ctlEnrolmentList struct {
	ctlFlags
	Environment string `help:"Only of this environment."`
}

// Run prints tokens that are good still.
func (c *ctlEnrolmentList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	items, err := s.enrolments(ctx, c.Environment)
	if err != nil {
		return err
	}
	return printItems(s, items, []string{"NODE", "ENVIRONMENT", "BY", "ENDS", "ID"}, enrolmentAnswer.row)
}

type ctlEnrolmentRevoke struct {
	ctlFlags
	Enrolment string `arg:"" help:"Id (enr_…), or the node's name."`
}

// Run ends a token.
func (c *ctlEnrolmentRevoke) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	items, err := s.enrolments(ctx, "")
	if err != nil {
		return err
	}
	for _, raw := range items {
		var e enrolmentAnswer
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("read enrolment: %w", err)
		}
		if e.ID != c.Enrolment && e.Name != c.Enrolment {
			continue
		}
		if _, err := s.call(ctx, http.MethodDelete, escaped("/environments/%s/enrolments/%s", e.Environment, e.ID), nil, nil, nil); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(io.Out, map[string]string{"enrolment": e.ID})
		}
		s.say("No node comes to %s with %s.", e.Environment, e.ID)
		return nil
	}
	return s.unknown("there is no unused token %q; 'portico nodes enrolments' lists them", c.Enrolment)
}
