package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"
)

type ctlUsage struct {
	ctlFlags
	Mine         bool      `help:"What the tenant's own applications have called, instead of what was called of its APIs."`
	Installation bool      `help:"All that the gateway nodes were asked for, also calls of no API; for operators."`
	By           string    `enum:"version,operation,application,status,minute" default:"version" help:"What is added up: version, operation, application, status or minute."`
	API          string    `name:"api" help:"Only of this API: slug, id or name."`
	Version      string    `help:"Only of this version: its id."`
	Application  string    `help:"Only by this application: slug, id or name; of another tenant's the id."`
	Environment  string    `help:"Only in this environment."`
	Status       int       `help:"Only calls that were answered so, such as 429."`
	From         time.Time `placeholder:"TIME" help:"Not before, such as 2026-03-31T12:00:00Z. Default: an hour before --to."`
	To           time.Time `placeholder:"TIME" help:"Before. Default: now."`
}

// usageAnswer is a line of usage.
type usageAnswer struct {
	Minute          time.Time
	VersionName     string `json:"version_name"`
	Version         string
	Operation       string
	Application     string
	ApplicationName string `json:"application_name"`
	Status          int
	Code            string
	Calls           int64
	BytesIn         int64 `json:"bytes_in"`
	BytesOut        int64 `json:"bytes_out"`
	TookUS          int64 `json:"took_us"`
}

// kind is what a line is added up with.
func (u usageAnswer) kind(by string) string {
	switch by {
	case "operation":
		return cmp.Or(u.VersionName, u.Version, "no API") + " " + cmp.Or(u.Operation, "no operation")
	case "application":
		return cmp.Or(u.ApplicationName, u.Application, "nobody")
	case "status":
		if u.Status == 0 {
			return cmp.Or(u.Code, "0")
		}
		return strconv.Itoa(u.Status)
	case "minute":
		return u.Minute.UTC().Format("2006-01-02 15:04")
	}
	return cmp.Or(u.VersionName, u.Version, "no API")
}

// usageTotal is what lines of a kind add up to.
type usageTotal struct{ calls, refused, failed, in, out, took int64 }

// Run prints what was called.
func (c *ctlUsage) Run(ctx context.Context, io *ctlIO) error {
	if c.Mine && c.Installation || c.API != "" && (c.Mine || c.Installation) {
		return usagef("--mine, --installation and --api do not go together")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, query, err := c.asked(ctx, s)
	if err != nil {
		return err
	}
	items, err := s.all(ctx, path, query)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.io.Out, map[string]any{"items": items})
	}
	totals := map[string]*usageTotal{}
	for _, raw := range items {
		var u usageAnswer
		if err := json.Unmarshal(raw, &u); err != nil {
			return fmt.Errorf("read usage: %w", err)
		}
		kind := u.kind(c.By)
		if totals[kind] == nil {
			totals[kind] = &usageTotal{}
		}
		totals[kind].add(u)
	}
	if len(totals) == 0 {
		s.say("No calls.")
		return nil
	}
	rows := [][]string{{map[string]string{"version": "VERSION", "operation": "OPERATION", "application": "APPLICATION", "status": "STATUS", "minute": "MINUTE"}[c.By], "CALLS", "4XX", "5XX", "MEAN MS", "KB IN", "KB OUT"}}
	for _, kind := range slices.Sorted(maps.Keys(totals)) {
		t := totals[kind]
		rows = append(rows, []string{
			kind, fmt.Sprint(t.calls), fmt.Sprint(t.refused), fmt.Sprint(t.failed), strconv.FormatFloat(float64(t.took)/float64(max(t.calls, 1))/1000, 'f', 1, 64),
			fmt.Sprint(t.in / 1024), fmt.Sprint(t.out / 1024),
		})
	}
	return s.table(rows)
}

func (t *usageTotal) add(u usageAnswer) {
	t.calls, t.in, t.out, t.took = t.calls+u.Calls, t.in+u.BytesIn, t.out+u.BytesOut, t.took+u.TookUS
	switch u.Status / 100 {
	case 4:
		t.refused += u.Calls
	case 5:
		t.failed += u.Calls
	}
}

// asked is where the usage is and which.
func (c *ctlUsage) asked(ctx context.Context, s *session) (path string, query url.Values, err error) {
	query = url.Values{}
	for name, value := range map[string]string{"environment": c.Environment, "version": c.Version} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": c.From, "to": c.To} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339))
		}
	}
	if c.Status != 0 {
		query.Set("status", strconv.Itoa(c.Status))
	}
	if c.Installation {
		if c.Application != "" {
			query.Set("application", c.Application)
		}
		return "/usage", query, nil
	}
	for _, of := range []struct {
		name, called string
		kind         kind
	}{{"api", c.API, anAPI()}, {"application", c.Application, anApplication()}} {
		if of.called == "" {
			continue
		}
		ref, err := s.ref(ctx, of.kind, of.called)
		if err != nil {
			return "", nil, err
		}
		query.Set(of.name, ref)
	}
	below := "/usage"
	if c.Mine {
		below = "/usage/mine"
	}
	path, err = s.in(ctx, below)
	return path, query, err
}
