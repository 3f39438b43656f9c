package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

type nodeAnswer struct {
	Name, Environment, State, Build string
	Applied, Behind                 uint64
	AppliedMS                       *int64 `json:"applied_ms"`
	Refused                         []struct{ Key, Reason string }
	APIs, Grants                    int
}

func (n nodeAnswer) row() []string {
	took := ""
	if n.AppliedMS != nil {
		took = fmt.Sprintf("%d ms", *n.AppliedMS)
	}
	refused := make([]string, len(n.Refused))
	for i, r := range n.Refused {
		refused[i] = r.Key + ": " + r.Reason
	}
	return []string{
		n.Name, n.Environment, n.State, fmt.Sprintf("#%d", n.Applied), fmt.Sprint(n.Behind), took,
		fmt.Sprint(n.APIs), fmt.Sprint(n.Grants), strings.Join(refused, "; "), n.Build,
	}
}

type ctlNodes struct {
	List       ctlNodesList   `cmd:"" default:"withargs" help:"Gateway nodes and what they have applied."`
	Enrol      ctlNodesEnrol  `cmd:"" help:"Make a one-time token with which a node comes."`
	Enrolments ctlEnrolments  `cmd:"" help:"One-time tokens that no node has used yet."`
	Drain      ctlNodesDrain  `cmd:"" help:"Make a node not ready, so that load balancers move on."`
	Resume     ctlNodesResume `cmd:"" help:"Take a drained node back into service."`
	Remove     ctlNodesRemove `cmd:"" help:"Remove a node for good: it is let in no more."`
}

// ctlNode names one node.
type ctlNode struct {
	ctlFlags
	Name        string `arg:"" help:"Of the node."`
	Environment string `default:"production" help:"The node's environment."`
}

func (c *ctlNode) call(ctx context.Context, io *ctlIO, method, verb, said string) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, method, escaped("/environments/%s/nodes/%s", c.Environment, c.Name)+verb, nil, nil, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]string{"node": c.Name, "environment": c.Environment})
	}
	s.say("%s in %s %s.", c.Name, c.Environment, said)
	return nil
}

type ctlNodesDrain struct{ ctlNode }

// Run tells the node to drain.
func (c *ctlNodesDrain) Run(ctx context.Context, io *ctlIO) error {
	return c.call(ctx, io, "POST", "/drain", "is told to drain; 'portico nodes' shows when it is")
}

type ctlNodesResume struct{ ctlNode }

// Run tells the node to take calls again.
func (c *ctlNodesResume) Run(ctx context.Context, io *ctlIO) error {
	return c.call(ctx, io, "POST", "/resume", "is told to take calls again")
}

type ctlNodesRemove struct{ ctlNode }

// Run removes the node.
func (c *ctlNodesRemove) Run(ctx context.Context, io *ctlIO) error {
	return c.call(ctx, io, "DELETE", "", "is removed, and let in no more")
}

type ctlNodesEnrol struct {
	ctlFlags
	Name        string `arg:"" optional:"" help:"What the node is to be called. Default: it chooses."`
	Environment string `default:"production" help:"Where it is to come."`
	Out         string `placeholder:"FILE" help:"Write the token to this file (0600) and not to the terminal."`
}

// Run makes a token and prints how to use it.
func (c *ctlNodesEnrol) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	in := map[string]string{}
	if c.Name != "" {
		in["name"] = c.Name
	}
	var made struct {
		Token     string
		ExpiresAt time.Time `json:"expires_at"`
	}
	raw, err := s.call(ctx, "POST", escaped("/environments/%s/enrolments", c.Environment), nil, in, &made)
	if err != nil {
		return err
	}
	if c.Out != "" {
		return os.WriteFile(c.Out, []byte(made.Token+"\n"), 0o600)
	}
	if c.JSON {
		return printJSON(io.Out, json.RawMessage(raw))
	}
	s.say("Good once, until %s:", made.ExpiresAt.Local().Format("15:04 on 2 January 2006"))
	fmt.Fprintln(io.Out, made.Token)
	s.say("Start the node with it: PORTICO_ENROL_TOKEN=… portico gateway --manager-url %s", c.URL)
	return nil
}

type ctlNodesList struct {
	ctlFlags
	Environment string `help:"Only of this environment."`
}

// Run prints the gateway nodes.
func (c *ctlNodesList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	environments, err := s.environments(ctx)
	if err != nil {
		return err
	}
	items := []json.RawMessage{}
	for _, e := range environments {
		if c.Environment != "" && c.Environment != e.Slug {
			continue
		}
		nodes, err := s.nodes(ctx, e.Slug)
		if err != nil {
			return err
		}
		items = append(items, nodes...)
	}
	if c.Environment != "" && len(items) == 0 {
		if _, err := s.nodes(ctx, c.Environment); err != nil {
			return err // there is no such environment
		}
	}
	heading := []string{"NODE", "ENVIRONMENT", "STATE", "APPLIED", "BEHIND", "TOOK", "APIS", "GRANTS", "REFUSED", "BUILD"}
	return printItems(s, items, heading, nodeAnswer.row)
}

func (s *session) environments(ctx context.Context) ([]environmentAnswer, error) {
	var all struct{ Items []environmentAnswer }
	err := s.get(ctx, "/environments", nil, &all)
	return all.Items, err
}

func (s *session) nodes(ctx context.Context, environment string) ([]json.RawMessage, error) {
	var all struct{ Items []json.RawMessage }
	err := s.get(ctx, escaped("/environments/%s/nodes", environment), nil, &all)
	return all.Items, err
}

type ctlStatus struct{ ctlFlags }

// Run prints who asks, the environments and their nodes.
func (c *ctlStatus) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	var me struct {
		Name     string
		Operator bool
		Tenants  []struct {
			Tenant struct{ Slug string }
			Roles  []string
		}
	}
	identity, err := s.call(ctx, "GET", "/whoami", nil, nil, &me)
	if err != nil {
		return err
	}
	environments, err := s.environments(ctx)
	if err != nil {
		return err
	}
	nodes := map[string][]json.RawMessage{}
	for _, e := range environments {
		if nodes[e.Slug], err = s.nodes(ctx, e.Slug); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(io.Out, map[string]any{"identity": json.RawMessage(identity), "nodes": nodes})
	}
	tenants := []string{}
	for _, t := range me.Tenants {
		tenants = append(tenants, t.Tenant.Slug)
	}
	role := ""
	if me.Operator {
		role = ", operator"
	}
	s.say("%s%s at %s. Tenants: %s.", me.Name, role, c.URL, orNone(tenants))
	rows := [][]string{{"ENVIRONMENT", "KIND", "GATEWAY", "NEWEST", "NODES LIVE", "UP TO DATE"}}
	for _, e := range environments {
		live, current := 0, 0
		for _, raw := range nodes[e.Slug] {
			var n nodeAnswer
			if err := json.Unmarshal(raw, &n); err != nil {
				return fmt.Errorf("read node: %w", err)
			}
			if n.State == "live" {
				live++
			}
			if n.Behind == 0 {
				current++
			}
		}
		of := func(k int) string { return fmt.Sprintf("%d of %d", k, len(nodes[e.Slug])) }
		rows = append(rows, []string{e.Slug, e.Kind, e.GatewayURL, fmt.Sprintf("#%d", e.Sequence), of(live), of(current)})
	}
	return s.table(rows)
}
