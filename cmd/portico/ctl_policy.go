package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	stdio "io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

type ctlPolicies struct {
	Kinds  ctlPolicyKinds  `cmd:"" help:"List the kinds of policies, or tell all of one: its fields and examples."`
	Show   ctlPolicyShow   `cmd:"" help:"Show what a version's draft makes calls pass, in running order, and where each step is set."`
	List   ctlPolicyList   `cmd:"" help:"List the policies that are set at a version, one of its operations, an environment, or a plan."`
	Add    ctlPolicyAdd    `cmd:"" help:"Add a policy."`
	Set    ctlPolicySet    `cmd:"" help:"Change a policy's configuration."`
	Move   ctlPolicyMove   `cmd:"" help:"Move a policy among its neighbours; the order of the stages stays the gateway's."`
	On     ctlPolicyOn     `cmd:"" help:"Switch a policy on."`
	Off    ctlPolicyOff    `cmd:"" help:"Switch a policy off, and keep it."`
	Remove ctlPolicyRemove `cmd:"" help:"Remove a policy."`
	Check  ctlPolicyCheck  `cmd:"" help:"Say what is wrong with a configuration, without a manager."`
}

type policyAnswer struct {
	Kind   string          `json:"kind"`
	Config json.RawMessage `json:"config"`
	Off    bool            `json:"off,omitempty"`
}

// policyKinds names the kinds of policies, in their order.
func policyKinds(list []policyAnswer) []string {
	var out []string
	for _, p := range list {
		kind := p.Kind
		if p.Off {
			kind += " (off)"
		}
		out = append(out, kind)
	}
	return out
}

// longestPolicy bounds what is read of a policy's configuration.
const longestPolicy = 1 << 20

// policyConfig reads a configuration: written out, from standard input (-), or
// from a file.
func (io *ctlIO) policyConfig(text string) (json.RawMessage, error) {
	raw, from := []byte(text), "the configuration"
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		in := io.In
		if from = "standard input"; text != "-" {
			from = text
			file, err := os.Open(text)
			if err != nil {
				return nil, usagef("%s; a configuration is JSON that begins with {, the name of a file, or - for standard input", err)
			}
			defer file.Close()
			in = file
		}
		var err error
		if raw, err = stdio.ReadAll(stdio.LimitReader(in, longestPolicy+1)); err != nil {
			return nil, usagef("read %s: %s", from, err)
		}
	}
	switch {
	case len(raw) > longestPolicy:
		return nil, usagef("%s is longer than %d bytes", from, longestPolicy)
	case !json.Valid(raw):
		return nil, usagef("%s is no JSON", from)
	}
	return bytes.TrimSpace(raw), nil
}

type ctlPolicyKinds struct {
	ctlFlags
	Kind string `arg:"" optional:"" help:"The kind to tell all of."`
}

type policyKindAnswer struct {
	Kind, Stage, Title, Summary, Text string
	Fields                            []policyFieldAnswer
	Examples                          []struct {
		Title  string
		Config json.RawMessage
	}
}

type policyFieldAnswer struct {
	Name, Help, Form, Default string
	Required                  bool
	Enum                      []string
	Min, Max                  *int64
	Fields                    []policyFieldAnswer
}

// values says what a field may hold.
func (f policyFieldAnswer) values() string {
	switch {
	case len(f.Enum) > 0:
		return strings.Join(f.Enum, ", ")
	case f.Min != nil && f.Max != nil:
		return fmt.Sprintf("%d to %d", *f.Min, *f.Max)
	case f.Min != nil:
		return fmt.Sprintf("%d or more", *f.Min)
	case f.Max != nil:
		return fmt.Sprintf("at most %d", *f.Max)
	}
	return f.Form
}

// Run prints the kinds of policies.
func (c *ctlPolicyKinds) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	if c.Kind == "" {
		var all struct{ Items []json.RawMessage }
		if err := s.get(ctx, "/policy-kinds", nil, &all); err != nil {
			return err
		}
		return printItems(s, all.Items, []string{"KIND", "STAGE", "WHAT IT DOES"}, func(k policyKindAnswer) []string {
			return []string{k.Kind, k.Stage, k.Summary}
		})
	}
	var k policyKindAnswer
	answer, err := s.call(ctx, http.MethodGet, escaped("/policy-kinds/%s", c.Kind), nil, nil, &k)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s (%s), of the stage %s. %s", k.Title, k.Kind, k.Stage, k.Summary)
	for _, paragraph := range strings.Split(k.Text, "\n\n") {
		s.say("\n%s", paragraph)
	}
	s.say("")
	if err := s.table(fieldRows([][]string{{"FIELD", "NEEDED", "VALUES", "DEFAULT", "WHAT IT IS"}}, "", k.Fields)); err != nil {
		return err
	}
	for _, x := range k.Examples {
		s.say("\n%s:\n  %s", x.Title, string(x.Config))
	}
	return nil
}

func fieldRows(rows [][]string, at string, fields []policyFieldAnswer) [][]string {
	for _, f := range fields {
		rows = append(rows, []string{at + f.Name, yes(f.Required), f.values(), f.Default, f.Help})
		inner := at + f.Name + "."
		if f.Form == "groups" {
			inner = at + f.Name + "[]."
		}
		rows = fieldRows(rows, inner, f.Fields)
	}
	return rows
}

type ctlPolicyShow struct {
	ctlFlags
	ctlVersion
	Operation   string `placeholder:"OPERATION" help:"For this operation. Default: any without policies of its own."`
	Environment string `help:"With the policies of this environment."`
}

type chainStepAnswer struct {
	Stage, Kind, From, Field string
	Config                   json.RawMessage
	Runs, Off, Replaced      bool
}

func (a chainStepAnswer) row() []string {
	state := "yes"
	switch {
	case a.Off:
		state = "switched off"
	case a.Replaced:
		state = "no: the operation's own takes its place"
	}
	return []string{a.Stage, a.Kind, a.From, a.Field, state, string(a.Config)}
}

// Run prints a version's chain.
func (c *ctlPolicyShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/chain", v.ID)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Operation != "" {
		query.Set("operation", c.Operation)
	}
	if c.Environment != "" {
		e, err := s.environment(ctx, c.Environment)
		if err != nil {
			return err
		}
		query.Set("environment", e.Slug)
	}
	var chain struct{ Items []json.RawMessage }
	if err := s.get(ctx, path, query, &chain); err != nil {
		return err
	}
	return printItems(s, chain.Items, []string{"STAGE", "KIND", "FROM", "SET AT", "RUNS", "CONFIGURATION"}, chainStepAnswer.row)
}

// ctlPolicyOf says whose policies a command works on.
type ctlPolicyOf struct {
	ctlFlags
	API         string `arg:"" optional:"" name:"api" help:"Slug, id or name of the API, or id of the version."`
	Label       string `arg:"" optional:"" help:"Label of the version. Default: its only one."`
	Operation   string `placeholder:"OPERATION" help:"The operation's own, by its id."`
	Environment string `help:"An environment's, in the place of an API's."`
	Plan        string `placeholder:"PRODUCT/PLAN" help:"A plan's, in the place of an API's: those of the stage limit, for each subscription."`
}

// policyPlace is a list of policies, and the way to change it.
type policyPlace struct {
	list  []policyAnswer
	said  string // what is said of a change
	where string // "orders v1"
	save  func([]policyAnswer) ([]byte, error)
}

// find reads the list. What is saved is based on it: what somebody else changes
// meanwhile is not undone.
func (c ctlPolicyOf) find(ctx context.Context, s *session, wait ctlWait) (policyPlace, error) {
	switch {
	case c.Environment != "" && c.Plan != "":
		return policyPlace{}, usagef("--environment and --plan do not go together")
	case c.Environment != "" && (c.API != "" || c.Operation != ""):
		return policyPlace{}, usagef("--environment has policies of its own; it goes with neither an API nor --operation")
	case c.Plan != "" && (c.API != "" || c.Operation != ""):
		return policyPlace{}, usagef("--plan has policies of its own; it goes with neither an API nor --operation")
	case c.Plan != "":
		return c.ofPlan(ctx, s, wait)
	case c.Environment != "":
		return c.ofEnvironment(ctx, s, wait)
	case c.API == "":
		return policyPlace{}, usagef("name an API and its version, --environment or --plan")
	}
	v, err := ctlVersion{c.API, c.Label}.find(ctx, s)
	if err != nil {
		return policyPlace{}, err
	}
	path, err := s.in(ctx, "/versions/%s", v.ID)
	if err != nil {
		return policyPlace{}, err
	}
	var now struct {
		Draft struct {
			Policies []policyAnswer
			Routes   []struct {
				Operation string
				Policies  []policyAnswer
			}
		}
	}
	if err := s.get(ctx, path, nil, &now); err != nil {
		return policyPlace{}, err
	}
	s.match = s.tag
	name := v.API.Slug + " " + v.Label
	out := policyPlace{list: now.Draft.Policies, where: name, said: fmt.Sprintf("Changed the draft of %s; it is live after: portico publish %s", name, name)}
	if c.Operation != "" {
		var known []string
		found := false
		for _, r := range now.Draft.Routes {
			known = append(known, r.Operation)
			if r.Operation == c.Operation {
				out.list, found = r.Policies, true
			}
		}
		if !found {
			return policyPlace{}, s.unknown("%s has no operation %q; it has %s", name, c.Operation, few(known))
		}
		out.where = c.Operation + " of " + name
	}
	out.save = func(list []policyAnswer) ([]byte, error) {
		body := map[string]any{"policies": list}
		if c.Operation != "" {
			body = map[string]any{"route_policies": map[string]any{c.Operation: list}}
		}
		return s.call(ctx, http.MethodPatch, path+"/draft", nil, body, nil)
	}
	return out, nil
}

func (c ctlPolicyOf) ofEnvironment(ctx context.Context, s *session, wait ctlWait) (policyPlace, error) {
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return policyPlace{}, err
	}
	path := escaped("/environments/%s", e.Slug)
	var now struct {
		Settings struct{ Policies []policyAnswer }
	}
	if err := s.get(ctx, path, nil, &now); err != nil {
		return policyPlace{}, err
	}
	s.match = s.tag
	return policyPlace{
		list: now.Settings.Policies, where: e.Slug, said: fmt.Sprintf("Changed the policies of %s.", e.Slug),
		save: func(list []policyAnswer) ([]byte, error) {
			return s.call(ctx, http.MethodPatch, path, wait.query(), map[string]any{"settings": map[string]any{"policies": list}}, nil)
		},
	}, nil
}

func (c ctlPolicyOf) ofPlan(ctx context.Context, s *session, wait ctlWait) (policyPlace, error) {
	path, err := s.plan(ctx, c.Plan)
	if err != nil {
		return policyPlace{}, err
	}
	var now planAnswer
	if err := s.get(ctx, path, nil, &now); err != nil {
		return policyPlace{}, err
	}
	s.match = s.tag
	return policyPlace{
		list: now.Policies, where: "plan " + now.Slug, said: fmt.Sprintf("Changed the policies of plan %s.", now.Slug),
		save: func(list []policyAnswer) ([]byte, error) {
			return s.call(ctx, http.MethodPatch, path, wait.query(), map[string]any{"policies": list}, nil)
		},
	}, nil
}

// at refuses a place that the list does not have.
func (p policyPlace) at(index int) error {
	if index < 0 || index >= len(p.list) {
		return usagef("%s has no policy %d; it has %d, counted from 0", p.where, index, len(p.list))
	}
	return nil
}

// change reads the list, lets edit change it, and saves it.
func (c ctlPolicyOf) change(ctx context.Context, io *ctlIO, wait ctlWait, edit func(policyPlace) ([]policyAnswer, error)) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	place, err := c.find(ctx, s, wait)
	if err != nil {
		return err
	}
	list, err := edit(place)
	if err != nil {
		return err
	}
	answer, err := place.save(append([]policyAnswer{}, list...))
	if err != nil {
		return err
	}
	return s.done(answer, "%s", place.said)
}

type ctlPolicyList struct{ ctlPolicyOf }

// Run prints policies.
func (c *ctlPolicyList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	place, err := c.find(ctx, s, ctlWait{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]any{"items": append([]policyAnswer{}, place.list...)})
	}
	if len(place.list) == 0 {
		s.say("%s has no policies of its own.", place.where)
		return nil
	}
	rows := [][]string{{"INDEX", "KIND", "OFF", "CONFIGURATION"}}
	for i, p := range place.list {
		rows = append(rows, []string{strconv.Itoa(i), p.Kind, yes(p.Off), string(p.Config)})
	}
	return s.table(rows)
}

type ctlPolicyAdd struct {
	Kind   string `arg:"" help:"Kind of the policy; 'portico policies kinds' tells them."`
	Config string `arg:"" help:"Its configuration: JSON, a file's name, or - for standard input."`
	ctlPolicyOf
	ctlWait
	At       *int `placeholder:"INDEX" help:"Where in the list, counted from 0. Default: at its end."`
	Disabled bool `help:"Add it switched off."`
}

// Run adds a policy.
func (c *ctlPolicyAdd) Run(ctx context.Context, io *ctlIO) error {
	config, err := io.policyConfig(c.Config)
	if err != nil {
		return err
	}
	return c.change(ctx, io, c.ctlWait, func(p policyPlace) ([]policyAnswer, error) {
		at := len(p.list)
		if c.At != nil {
			at = *c.At
		}
		if at < 0 || at > len(p.list) {
			return nil, usagef("--at %d is no place among the %d policies of %s; use 0 to %d", at, len(p.list), p.where, len(p.list))
		}
		return slices.Insert(p.list, at, policyAnswer{Kind: c.Kind, Config: config, Off: c.Disabled}), nil
	})
}

type ctlPolicySet struct {
	Index  int    `arg:"" help:"Place in the list, as 'portico policies list' tells it."`
	Config string `arg:"" help:"The new configuration: JSON, a file's name, or - for standard input."`
	ctlPolicyOf
	ctlWait
}

// Run changes a policy's configuration.
func (c *ctlPolicySet) Run(ctx context.Context, io *ctlIO) error {
	config, err := io.policyConfig(c.Config)
	if err != nil {
		return err
	}
	return c.edit(ctx, io, c.ctlWait, c.Index, func(p *policyAnswer) { p.Config = config })
}

// edit changes one policy of the list.
func (c ctlPolicyOf) edit(ctx context.Context, io *ctlIO, wait ctlWait, index int, change func(*policyAnswer)) error {
	return c.change(ctx, io, wait, func(p policyPlace) ([]policyAnswer, error) {
		if err := p.at(index); err != nil {
			return nil, err
		}
		change(&p.list[index])
		return p.list, nil
	})
}

type ctlPolicyMove struct {
	Index int `arg:"" help:"Place in the list, as 'portico policies list' tells it."`
	To    int `arg:"" help:"The new place."`
	ctlPolicyOf
	ctlWait
}

// Run moves a policy.
func (c *ctlPolicyMove) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, c.ctlWait, func(p policyPlace) ([]policyAnswer, error) {
		for _, index := range []int{c.Index, c.To} {
			if err := p.at(index); err != nil {
				return nil, err
			}
		}
		one := p.list[c.Index]
		return slices.Insert(slices.Delete(p.list, c.Index, c.Index+1), c.To, one), nil
	})
}

type ctlPolicyOn struct {
	Index int `arg:"" help:"Place in the list, as 'portico policies list' tells it."`
	ctlPolicyOf
	ctlWait
}

// Run switches a policy on.
func (c *ctlPolicyOn) Run(ctx context.Context, io *ctlIO) error {
	return c.edit(ctx, io, c.ctlWait, c.Index, func(p *policyAnswer) { p.Off = false })
}

type ctlPolicyOff struct {
	Index int `arg:"" help:"Place in the list, as 'portico policies list' tells it."`
	ctlPolicyOf
	ctlWait
}

// Run switches a policy off.
func (c *ctlPolicyOff) Run(ctx context.Context, io *ctlIO) error {
	return c.edit(ctx, io, c.ctlWait, c.Index, func(p *policyAnswer) { p.Off = true })
}

type ctlPolicyRemove struct {
	Index int `arg:"" help:"Place in the list, as 'portico policies list' tells it."`
	ctlPolicyOf
	ctlWait
}

// Run removes a policy.
func (c *ctlPolicyRemove) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, c.ctlWait, func(p policyPlace) ([]policyAnswer, error) {
		if err := p.at(c.Index); err != nil {
			return nil, err
		}
		return slices.Delete(p.list, c.Index, c.Index+1), nil
	})
}

type ctlPolicyCheck struct {
	Kind   string `arg:"" help:"Kind of the policy."`
	Config string `arg:"" help:"Its configuration: JSON, a file's name, or - for standard input."`
	JSON   bool   `name:"json" help:"Print what is wrong as the management API would."`
}

// Run checks a configuration as a manager and every node of this build would.
func (c *ctlPolicyCheck) Run(_ context.Context, io *ctlIO) error {
	config, err := io.policyConfig(c.Config)
	if err != nil {
		return err
	}
	r := &refusal{Status: http.StatusUnprocessableEntity, Title: "Unprocessable Content", Code: "invalid", Detail: fmt.Sprintf("a policy of kind %s cannot be like this", c.Kind)}
	problems := []map[string]string{}
	for _, p := range manager.CheckPolicy(apim.Policy{Kind: c.Kind, Config: config}) {
		r.Errors = append(r.Errors, struct{ Field, Code, Detail string }{p.Field, p.Code, p.Detail})
		problems = append(problems, map[string]string{"field": p.Field, "code": p.Code, "detail": p.Detail})
	}
	switch {
	case len(problems) == 0 && c.JSON:
		return printJSON(io.Out, map[string]any{"kind": c.Kind, "valid": true})
	case len(problems) == 0:
		fmt.Fprintf(io.Out, "Nothing is wrong with this policy of kind %s.\n", c.Kind)
		return nil
	case c.JSON:
		raw, err := json.Marshal(map[string]any{"type": "about:blank", "title": r.Title, "status": r.Status, "code": r.Code, "detail": r.Detail, "errors": problems})
		if err != nil {
			return fmt.Errorf("write refusal: %w", err)
		}
		r.raw = raw
	}
	return r
}
