package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type ctlVersionTargets struct {
	ctlFlags
	ctlVersion
	Environment string `default:"production" help:"Whose nodes."`
	Check       bool   `help:"Have every node ask every target at once."`
}

// nodeTargetsAnswer is how a node finds a version's targets.
type nodeTargetsAnswer struct {
	Node                string
	Reachable, Answered bool
	Upstreams           []struct {
		Name    string
		Targets []struct {
			URL, Address, Why string
			MedianUS          int64 `json:"median_us"`
			Calls             int
			Check             struct {
				At     time.Time
				Well   bool
				Why    string
				TookUS int64 `json:"took_us"`
			}
		}
	}
}

// Run prints how nodes find the targets.
func (c *ctlVersionTargets) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	answer, err := c.ask(ctx, s, v.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return printItems(s, answer, nil, func(nodeTargetsAnswer) []string { return nil })
	}
	rows := [][]string{{"NODE", "UPSTREAM", "ADDRESS", "MEDIAN", "CALLS", "CHECKED", "FOUND", "GETS NO CALLS BECAUSE"}}
	for _, raw := range answer {
		var n nodeTargetsAnswer
		if err := json.Unmarshal(raw, &n); err != nil {
			return fmt.Errorf("read node: %w", err)
		}
		rows = append(rows, n.rows()...)
	}
	return s.table(rows)
}

func (c *ctlVersionTargets) ask(ctx context.Context, s *session, version string) ([]json.RawMessage, error) {
	var answer struct{ Items []json.RawMessage }
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return nil, err
	}
	if !c.Check {
		path, err := s.in(ctx, "/versions/%s/targets", version)
		if err != nil {
			return nil, err
		}
		err = s.get(ctx, path, url.Values{"environment": {e.Slug}}, &answer)
		return answer.Items, err
	}
	path, err := s.in(ctx, "/versions/%s/environments/%s/targets/check", version, e.Slug)
	if err != nil {
		return nil, err
	}
	_, err = s.call(ctx, http.MethodPost, path, nil, nil, &answer)
	return answer.Items, err
}

func (n nodeTargetsAnswer) rows() (rows [][]string) {
	switch {
	case !n.Reachable:
		return [][]string{{n.Node, "", "", "", "", "", "", "the node is not heard"}}
	case !n.Answered:
		return [][]string{{n.Node, "", "", "", "", "", "", "the node did not answer in time"}}
	}
	for _, u := range n.Upstreams {
		for _, t := range u.Targets {
			address, median, checked, found := t.URL, "", "", ""
			if t.Address != "" {
				address += " at " + t.Address
			}
			if t.Calls > 0 {
				median = microseconds(t.MedianUS)
			}
			if !t.Check.At.IsZero() {
				if checked, found = when(t.Check.At), t.Check.Why; t.Check.Well {
					found = "well, in " + microseconds(t.Check.TookUS)
				}
			}
			rows = append(rows, []string{n.Node, u.Name, address, median, strconv.Itoa(t.Calls), checked, found, t.Why})
		}
	}
	if len(rows) == 0 {
		rows = [][]string{{n.Node, "", "", "", "", "", "", "the version is not live on the node"}}
	}
	return rows
}

// microseconds writes a time as people read it: "0.4 ms", "41 ms".
func microseconds(us int64) string {
	if us < 10_000 {
		return strconv.FormatFloat(float64(us)/1000, 'f', 1, 64) + " ms"
	}
	return strconv.FormatInt(us/1000, 10) + " ms"
}
