package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ctlExplain calls a gateway and shows the call's way.
type ctlExplain struct {
	ctlFlags
	Method      string   `arg:"" help:"Of the call, such as GET."`
	Path        string   `arg:"" help:"With its query; below the gateway's address, such as /demo/parcels/v1/parcels."`
	Header      []string `short:"H" sep:"none" placeholder:"NAME:VALUE" help:"A header. Repeat it for more. What is secret is better read from a file: @FILE."`
	Data        string   `short:"d" placeholder:"TEXT" help:"The body, or @FILE, or @- for standard input."`
	Host        string   `help:"Host of the call, where the API is mounted at one of its own."`
	API         string   `help:"Show calls to this API alone, by slug. Needed where you may not see all of the tenant's."`
	Environment string   `default:"production" help:"Whose gateway is called."`
	TokenOnly   bool     `help:"Make no call: print the header that explains one, good for five minutes."`
}

type explainTokenAnswer struct {
	ID, Token, Header string
	GatewayURL        string    `json:"gateway_url"`
	ExpiresAt         time.Time `json:"expires_at"`
}

type explanationAnswer struct {
	ID, Node, Method, Path, API, Operation, Application, Plan, Code, Detail string

	At         time.Time
	Hidden     bool
	Revision   int
	Status     int
	Sequence   uint64
	Candidates []struct{ API, Route, Reason, Detail string }
	Steps      []struct {
		Step, Outcome, Code, Detail string
		TookUS                      float64 `json:"took_us"`
	}
	TookUS     float64 `json:"took_us"`
	UpstreamUS float64 `json:"upstream_us"`
	Remedies   []string
}

// Run makes the call and prints its way.
func (c *ctlExplain) Run(ctx context.Context, io *ctlIO) error {
	if !strings.HasPrefix(c.Path, "/") {
		return usagef("%q is no path: it begins with a slash, and the gateway's address is left out", c.Path)
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/environments/%s/explain-tokens", e.Slug)
	if err != nil {
		return err
	}
	in := map[string]string{}
	if c.API != "" {
		in["api"] = c.API
	}
	var made explainTokenAnswer
	raw, err := s.call(ctx, http.MethodPost, path, nil, in, &made)
	if err != nil {
		return err
	}
	if c.TokenOnly {
		if c.JSON {
			return s.raw(raw)
		}
		fmt.Fprintf(io.Out, "%s: %s\n", made.Header, made.Token)
		return nil
	}
	id, err := c.try(ctx, io, made)
	if err != nil {
		return err
	}
	if path, err = s.in(ctx, "/environments/%s/explanations/%s", e.Slug, id); err != nil {
		return err
	}
	var way explanationAnswer
	if raw, err = s.call(ctx, http.MethodGet, path, url.Values{"wait_ms": {"5000"}}, nil, &way); err != nil {
		return err
	}
	if c.JSON {
		return s.raw(raw)
	}
	return way.print(s)
}

// try makes the call and returns the id of its explanation.
func (c *ctlExplain) try(ctx context.Context, in *ctlIO, token explainTokenAnswer) (string, error) {
	body, err := c.body(in)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(c.Method), token.GatewayURL+c.Path, body)
	if err != nil {
		return "", usagef("this cannot be called: %s", err)
	}
	for _, h := range c.Header {
		if file, ok := strings.CutPrefix(h, "@"); ok {
			raw, err := readInput(in, file)
			if err != nil {
				return "", err
			}
			h = strings.TrimSpace(string(raw))
		}
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return "", usagef("%q is no header; write NAME:VALUE", name)
		}
		req.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if c.Host != "" {
		req.Host = c.Host
	}
	req.Header.Set(token.Header, token.Token)
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return "", &unreachable{address: token.GatewayURL, cause: err}
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, longestAnswer)); err != nil {
		fmt.Fprintf(in.Err, "portico: the answer broke off: %s\n", err)
	}
	id := res.Header.Get("X-Portico-Explain-Id")
	if id == "" {
		return "", fmt.Errorf("the gateway at %s answered %s and explained nothing; does the environment's gateway stand there, and are its clock and the manager's right?", token.GatewayURL, res.Status)
	}
	return id, nil
}

func (c *ctlExplain) body(in *ctlIO) (io.Reader, error) {
	file, ok := strings.CutPrefix(c.Data, "@")
	switch {
	case c.Data == "":
		return nil, nil
	case !ok:
		return strings.NewReader(c.Data), nil
	}
	raw, err := readInput(in, file)
	return strings.NewReader(string(raw)), err
}

// readInput reads a file, or standard input for -.
func readInput(in *ctlIO, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in.In)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("%s", err)
	}
	return raw, nil
}

// micros writes a time as people read it.
func micros(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%.2f s", us/1e6)
	case us >= 10_000:
		return fmt.Sprintf("%.0f ms", us/1e3)
	case us >= 1000:
		return fmt.Sprintf("%.1f ms", us/1e3)
	}
	return fmt.Sprintf("%.0f µs", us)
}

func (w explanationAnswer) print(s *session) error {
	s.say("%d %s %s", w.Status, w.Method, w.Path)
	line := "Node " + w.Node + fmt.Sprintf(", #%d", w.Sequence)
	if w.API != "" {
		line += ", " + w.API + fmt.Sprintf(" r%d", w.Revision)
	}
	if w.Application != "" {
		line += ", " + w.Application
	}
	s.say("%s. %s in all, %s of it waiting for the upstream.", line, micros(w.TookUS), micros(w.UpstreamUS))
	if w.Hidden {
		s.say("The call reached no API of yours, so its steps are not shown.")
	}
	if w.Detail != "" {
		s.say("%s: %s", w.Code, w.Detail)
	}
	if len(w.Steps) > 0 {
		rows := [][]string{{"STEP", "OUTCOME", "TOOK", "DETAIL"}}
		for _, step := range w.Steps {
			outcome, took := step.Outcome, micros(step.TookUS)
			if step.Code != "" {
				outcome += ", " + step.Code
			}
			if step.Outcome == "skipped" {
				outcome, took = "not reached", ""
			}
			rows = append(rows, []string{step.Step, outcome, took, step.Detail})
		}
		if err := s.table(rows); err != nil {
			return err
		}
	}
	if len(w.Candidates) > 0 && w.Candidates[0].Reason != "chosen" {
		rows := [][]string{{"NEAR", "WHY NOT"}}
		for _, near := range w.Candidates {
			rows = append(rows, []string{strings.TrimSpace(near.API + " " + near.Route), near.Detail})
		}
		if err := s.table(rows); err != nil {
			return err
		}
	}
	for i, remedy := range w.Remedies {
		if i == 0 {
			s.say("What would have let it through:")
		}
		s.say("  %s", remedy)
	}
	return nil
}

// ctlExplanations shows calls that were explained lately, by whatever made them.
type ctlExplanations struct {
	List ctlExplanationList `cmd:"" default:"withargs" help:"Calls that were explained in the last 30 minutes."`
	Show ctlExplanationShow `cmd:"" help:"The way of one call."`
}

type ctlExplanationList struct {
	ctlFlags
	API         string `help:"Only calls to this API, by slug."`
	Environment string `default:"production" help:"Whose nodes explained them."`
}

// Run prints the calls.
func (c *ctlExplanationList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/environments/%s/explanations", c.Environment)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.API != "" {
		query.Set("api", c.API)
	}
	var all struct{ Items []json.RawMessage }
	if err := s.get(ctx, path, query, &all); err != nil {
		return err
	}
	return printItems(s, all.Items, []string{"ID", "STATUS", "CALL", "API", "DECIDED BY", "TOOK", "AT"}, explanationAnswer.row)
}

func (w explanationAnswer) row() []string {
	decided := ""
	for _, step := range w.Steps {
		if step.Outcome == "refused" {
			decided = step.Step
		}
	}
	return []string{w.ID, fmt.Sprint(w.Status), w.Method + " " + w.Path, w.API, decided, micros(w.TookUS), when(w.At)}
}

type ctlExplanationShow struct {
	ctlFlags
	ID          string `arg:"" help:"Of the explanation; the call's answer names it in X-Portico-Explain-Id."`
	Environment string `default:"production" help:"Whose node explained it."`
}

// Run prints the way of a call.
func (c *ctlExplanationShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/environments/%s/explanations/%s", c.Environment, c.ID)
	if err != nil {
		return err
	}
	var way explanationAnswer
	raw, err := s.call(ctx, http.MethodGet, path, nil, nil, &way)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(raw)
	}
	return way.print(s)
}
