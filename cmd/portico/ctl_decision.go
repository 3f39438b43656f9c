package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// ctlDecided names the requests that are decided on.
type ctlDecided struct {
	Subscription []string `arg:"" optional:"" help:"Ids of the requests (sub_…), or APPLICATION/PRODUCT."`
	AllPending   bool     `help:"All that wait, after they were shown."`
	Product      string   `help:"With --all-pending: only those to this product, by slug, id or name."`
	Yes          bool     `help:"With --all-pending: do not ask first."`
}

// mostDecisions is how many the management API decides on at once.
const mostDecisions = 200

// find returns the ids of the requests. All that wait are shown first.
func (c ctlDecided) find(ctx context.Context, s *session, verb string) ([]string, error) {
	switch {
	case c.AllPending && len(c.Subscription) > 0:
		return nil, usagef("--all-pending and named subscriptions do not go together")
	case !c.AllPending && len(c.Subscription) == 0:
		return nil, usagef("name a subscription, or give --all-pending; 'portico requests' lists what waits")
	case !c.AllPending && c.Product != "":
		return nil, usagef("--product needs --all-pending")
	}
	ids := []string{}
	for _, called := range c.Subscription {
		sub, err := s.subscription(ctx, called)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, sub.ID) {
			ids = append(ids, sub.ID)
		}
	}
	if !c.AllPending {
		return ids, nil
	}
	path, err := s.in(ctx, "/subscriptions")
	if err != nil {
		return nil, err
	}
	query := url.Values{"show": {"waiting"}}
	if c.Product != "" {
		ref, err := s.ref(ctx, aProduct(), c.Product)
		if err != nil {
			return nil, err
		}
		query.Set("product", ref)
	}
	items, err := s.all(ctx, path, query)
	if err != nil {
		return nil, err
	}
	rows := [][]string{inboxHeading()}
	for _, raw := range items {
		var sub subscriptionAnswer
		if err := json.Unmarshal(raw, &sub); err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		ids = append(ids, sub.ID)
		rows = append(rows, sub.inboxRow())
	}
	if len(ids) == 0 || c.Yes {
		return ids, nil
	}
	shown := *s
	shown.io = &ctlIO{Out: s.io.Err} // standard output is the answer's
	if err := shown.table(rows); err != nil {
		return nil, err
	}
	return ids, s.confirm(false, "%s all %d?", verb, len(ids))
}

// decided is what came of one of several decisions.
type decided struct {
	ID           string
	Done         bool
	Code, Detail string
	Change       *struct {
		Environment string
		Sequence    uint64
	}
}

// decide decides on several requests, each by itself, and prints what came of
// each. One that was not decided so is a failure, after all are told.
func (c ctlDecided) decide(ctx context.Context, s *session, wait ctlWait, ids []string, verb, said, reason string) error {
	path, err := s.in(ctx, "/decisions")
	if err != nil {
		return err
	}
	items := []json.RawMessage{}
	for some := range slices.Chunk(ids, mostDecisions) {
		body := map[string]any{"decision": verb, "subscriptions": some}
		putText(body, "reason", reason)
		var answer struct{ Items []json.RawMessage }
		if _, err := s.call(ctx, http.MethodPost, path, nil, body, &answer); err != nil {
			return err
		}
		items = append(items, answer.Items...)
	}
	failed, newest := 0, map[string]uint64{}
	for _, raw := range items {
		var d decided
		if err := json.Unmarshal(raw, &d); err != nil {
			return fmt.Errorf("read decision: %w", err)
		}
		if !d.Done {
			failed++
		}
		if d.Change != nil {
			newest[d.Change.Environment] = max(newest[d.Change.Environment], d.Change.Sequence)
		}
	}
	applied, err := s.confirmed(ctx, wait, newest)
	if err != nil {
		return err
	}
	if s.flags.JSON {
		if err := printJSON(s.io.Out, map[string]any{"items": items, "applied": applied}); err != nil {
			return err
		}
	} else {
		err := printItems(s, items, []string{"ID", "OUTCOME"}, func(d decided) []string {
			if d.Done {
				return []string{d.ID, said}
			}
			return []string{d.ID, d.Detail + " (" + d.Code + ")"}
		})
		if err != nil {
			return err
		}
		for _, raw := range applied {
			var said confirmation
			if err := json.Unmarshal(fmt.Appendf(nil, `{"applied":%s}`, raw), &said); err != nil {
				return fmt.Errorf("read change: %w", err)
			}
			s.say("%s", said)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d were not %s", failed, len(items), said)
	}
	return nil
}

// confirmed waits for the newest change of each environment, where that was
// asked for.
func (s *session) confirmed(ctx context.Context, wait ctlWait, newest map[string]uint64) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	if !wait.Wait {
		return out, nil
	}
	for environment, sequence := range newest {
		answer, err := s.call(ctx, http.MethodGet, escaped("/environments/%s/changes/%s", environment, sequence), wait.query(), nil, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, answer)
	}
	return out, nil
}

type ctlApprove struct {
	ctlFlags
	ctlWait
	ctlDecided
	ctlTerms
	Note string `help:"For the requester."`
}

// Run approves requests.
func (c *ctlApprove) Run(ctx context.Context, io *ctlIO) error {
	terms, err := c.ctlTerms.body()
	if err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	ids, err := c.find(ctx, s, "Approve")
	if err != nil {
		return err
	}
	if len(ids) == 1 && !c.AllPending {
		body := map[string]any{}
		putText(body, "note", c.Note)
		if len(terms) > 0 {
			body["terms"] = terms
		}
		return s.transit(ctx, c.ctlWait, ids[0], http.MethodPost, "approve", body)
	}
	if len(terms) > 0 {
		return usagef("terms of its own are granted to one subscription at a time")
	}
	return c.decide(ctx, s, c.ctlWait, ids, "approve", "approved", c.Note)
}

type ctlReject struct {
	ctlFlags
	ctlWait
	ctlDecided
	Reason string `required:"" help:"Why; the requester sees it."`
}

// Run rejects requests.
func (c *ctlReject) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	ids, err := c.find(ctx, s, "Reject")
	if err != nil {
		return err
	}
	if len(ids) == 1 && !c.AllPending {
		return s.transit(ctx, c.ctlWait, ids[0], http.MethodPost, "reject", map[string]any{"reason": c.Reason})
	}
	return c.decide(ctx, s, c.ctlWait, ids, "reject", "rejected", c.Reason)
}

// ctlTerms are granted otherwise than the plan says.
type ctlTerms struct {
	StartsAt moment   `placeholder:"DAY" help:"When it begins to work: a day, or a time like 2027-06-30T12:00:00Z."`
	EndsAt   moment   `placeholder:"DAY" help:"When it ends."`
	Limit    []string `placeholder:"N/PERIOD[/BURST]" help:"Rate limit instead of the plan's limits, beside its policies, like 60/1m or 100/1s/200. Give it again for more."`
}

// body is what was given, empty for nothing.
func (c ctlTerms) body() (map[string]any, error) {
	out := map[string]any{}
	putTime(out, "starts_at", c.StartsAt)
	putTime(out, "ends_at", c.EndsAt)
	if len(c.Limit) > 0 {
		limits, err := parseLimits(c.Limit)
		if err != nil {
			return nil, err
		}
		out["limits"] = limits
	}
	return out, nil
}

// transit moves a subscription and prints what it is since.
func (s *session) transit(ctx context.Context, wait ctlWait, id, method, verb string, body any) error {
	path, err := s.in(ctx, "/subscriptions/%s/"+verb, id)
	if err != nil {
		return err
	}
	var sub subscriptionAnswer
	answer, err := s.call(ctx, method, path, wait.query(), body, &sub)
	if err != nil {
		return err
	}
	return s.done(answer, "%s: the subscription to %s, %s is %s.", sub.Application.Name, sub.Product.Name, sub.Plan.Name, sub.state())
}
