package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

type ctlSplit struct {
	Show   ctlSplitShow   `cmd:"" default:"withargs" help:"Show how a version's calls are shared, and how both sides do."`
	Set    ctlSplitSet    `cmd:"" help:"Change the candidate, its share, rules, steps or the mirror. In force at once."`
	Switch ctlSplitSwitch `cmd:"" help:"Send all calls to the candidate, to what is live, or back, at once."`
	Offer  ctlSplitOffer  `cmd:"" help:"Make the draft the candidate, without making it live."`
	Take   ctlSplitTake   `cmd:"" help:"Make the candidate's revision live and end the split."`
	End    ctlSplitEnd    `cmd:"" help:"End the split and the mirror."`
}

// ctlSplitOf names a split on the command line.
type ctlSplitOf struct {
	ctlFlags
	ctlVersion
	Environment string `default:"production" help:"Where it is live."`
}

// splitAnswer is how calls are shared.
type splitAnswer struct {
	Environment  string
	LiveRevision int `json:"live_revision"`
	Candidate    *struct {
		Revision int
		URLs     []string
	}
	FirstUses []string `json:"first_uses"`
	PerMille  int      `json:"per_mille"`
	Sticky    string
	Rules     []splitRuleAnswer
	Steps     struct {
		On            bool  `json:"on"`
		ByPerMille    int   `json:"by_per_mille"`
		EveryMS       int64 `json:"every_ms"`
		UntilPerMille int   `json:"until_per_mille"`
		SlackPerMille int   `json:"slack_per_mille"`
		Calls         int   `json:"calls"`
	}
	Outcome string
	Mirror  *struct {
		URLs     []string
		PerMille int `json:"per_mille"`
	}
	Comparison *struct {
		Nodes                     int
		Live, Candidate, Mirrored splitSideAnswer
		NotMirrored               uint64 `json:"not_mirrored"`
	}
}

type splitRuleAnswer struct {
	In           string   `json:"in"`
	Name         string   `json:"name,omitempty"`
	Value        string   `json:"value,omitempty"`
	Applications []string `json:"applications,omitempty"`
	To           string   `json:"to"`
}

type splitSideAnswer struct {
	Calls, Failed uint64
	P50MS         float64 `json:"p50_ms"`
	P99MS         float64 `json:"p99_ms"`
}

func (a splitSideAnswer) row(name string) []string {
	failed := "-"
	if a.Calls > 0 {
		failed = fmt.Sprintf("%.2f %%", 100*float64(a.Failed)/float64(a.Calls))
	}
	return []string{name, strconv.FormatUint(a.Calls, 10), failed, fmt.Sprintf("%.1f ms", a.P50MS), fmt.Sprintf("%.1f ms", a.P99MS)}
}

// candidate names the candidate, "" for none.
func (a splitAnswer) candidate() string {
	switch {
	case a.Candidate == nil:
		return ""
	case a.Candidate.Revision > 0:
		return "r" + strconv.Itoa(a.Candidate.Revision)
	}
	return strings.Join(a.Candidate.URLs, ", ")
}

func percentOf(perMille int) string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(perMille)/10, 'f', 1, 64), ".0") + " %"
}

// perMille reads "12.5", as percent.
func perMille(flag, text string) (int, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "%"), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 100 {
		return 0, usagef("--%s %s is not a share; use a number of percent from 0 to 100", flag, text)
	}
	return int(math.Round(n * 10)), nil
}

// call asks something of the split and reads it as it is then.
func (c ctlSplitOf) call(ctx context.Context, io *ctlIO, method, verb string, query url.Values, body any) (*session, versionAnswer, splitAnswer, []byte, error) {
	var out splitAnswer
	s, err := c.open(io)
	if err != nil {
		return nil, versionAnswer{}, out, nil, err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return nil, v, out, nil, err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return nil, v, out, nil, err
	}
	path, err := s.in(ctx, "/versions/%s/environments/%s/split"+verb, v.ID, e.Slug)
	if err != nil {
		return nil, v, out, nil, err
	}
	answer, err := s.call(ctx, method, path, query, body, &out)
	return s, v, out, answer, err
}

// change asks for a change of the split and says what it is now.
func (c ctlSplitOf) change(ctx context.Context, io *ctlIO, wait ctlWait, method, verb string, body any) error {
	s, v, now, answer, err := c.call(ctx, io, method, verb, wait.query(), body)
	if err != nil {
		return err
	}
	if now.Candidate == nil {
		return s.done(answer, "All calls to %s %s go to r%d in %s.", v.API.Slug, v.Label, now.LiveRevision, now.Environment)
	}
	return s.done(answer, "%s of the calls to %s %s go to %s in %s.%s", percentOf(now.PerMille), v.API.Slug, v.Label, now.candidate(), now.Environment, now.toTake())
}

// toTake says what taking the candidate needs beyond publishing, "" for nothing.
func (a splitAnswer) toTake() string {
	if len(a.FirstUses) == 0 {
		return ""
	}
	return " Making it live is the first use of the secret ${" + strings.Join(a.FirstUses, "}, ${") + "}, and needs who may set values."
}

type ctlSplitShow struct{ ctlSplitOf }

// Run prints a split.
func (c *ctlSplitShow) Run(ctx context.Context, io *ctlIO) error {
	s, v, now, answer, err := c.call(ctx, io, http.MethodGet, "", nil, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	if now.Candidate == nil {
		s.say("%s %s in %s: all calls go to r%d.", v.API.Slug, v.Label, now.Environment, now.LiveRevision)
	} else {
		s.say("%s %s in %s: %s to %s, the rest to r%d.%s", v.API.Slug, v.Label, now.Environment, percentOf(now.PerMille), now.candidate(), now.LiveRevision, now.toTake())
	}
	if now.Sticky != "" {
		s.say("A caller stays on its side, by %s.", now.Sticky)
	}
	for _, r := range now.Rules {
		s.say("Rule: %s: %s %s", r.To, r.In, strings.TrimSpace(strings.Join(append(r.Applications, r.Name, r.Value), " ")))
	}
	if now.Steps.On {
		s.say("Steps: +%s every %s until %s, while at most %s more of its calls fail.", percentOf(now.Steps.ByPerMille),
			time.Duration(now.Steps.EveryMS)*time.Millisecond, percentOf(now.Steps.UntilPerMille), percentOf(now.Steps.SlackPerMille))
	}
	if now.Outcome != "" {
		s.say("Last: %s", now.Outcome)
	}
	if now.Mirror != nil {
		s.say("Mirror: %s to %s", percentOf(now.Mirror.PerMille), strings.Join(now.Mirror.URLs, ", "))
	}
	if now.Comparison == nil {
		return nil
	}
	rows := [][]string{{"SIDE", "CALLS", "5XX", "P50", "P99"}, now.Comparison.Live.row("live"), now.Comparison.Candidate.row("candidate")}
	if now.Mirror != nil {
		rows = append(rows, now.Comparison.Mirrored.row("mirror"))
	}
	return s.table(rows)
}

type ctlSplitSet struct {
	ctlSplitOf
	ctlWait
	Revision    *int           `help:"The candidate: a revision's upstreams."`
	Upstream    []string       `placeholder:"URL" help:"The candidate: addresses in the place of the main upstream's. Give it again for more."`
	Share       *string        `placeholder:"PERCENT" help:"Of the calls that no rule decides, such as 12.5."`
	Sticky      *string        `enum:"cookie,caller,address,none" help:"Keep a caller on its side: by cookie, caller, address, or none."`
	Rule        []string       `sep:"none" placeholder:"SIDE:IN NAME[=VALUE]" help:"All rules that decide before the share, such as 'candidate:header X-Beta=yes' or 'live:caller app_…'. Give it again for more."`
	NoRules     bool           `help:"Take the rules away."`
	Step        *string        `placeholder:"PERCENT" help:"Move the share by itself: add this much each time."`
	Every       *time.Duration `placeholder:"10m" help:"With --step: how often. Default: 10m."`
	Until       string         `placeholder:"PERCENT" default:"100" help:"With --step: where it ends."`
	Slack       string         `placeholder:"PERCENT" default:"0.5" help:"With --step: how many more of the candidate's calls may fail. Above that it goes back to 0."`
	Calls       int            `default:"50" help:"With --step: how many of the candidate's calls a judgement takes."`
	NoSteps     bool           `help:"Move the share by itself no more."`
	Mirror      []string       `placeholder:"URL" help:"Copy calls to these addresses; nobody gets the answers. Give it again for more."`
	MirrorShare string         `placeholder:"PERCENT" default:"1" help:"With --mirror: share of the calls."`
	MirrorAll   bool           `help:"With --mirror: also calls that change something, not only GET, HEAD and OPTIONS."`
	NoMirror    bool           `help:"Copy nothing any more."`
}

// Run changes a split.
func (c *ctlSplitSet) Run(ctx context.Context, io *ctlIO) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --revision, --upstream, --share, --sticky, --rule, --step or --mirror")
	}
	return c.change(ctx, io, c.ctlWait, http.MethodPatch, "", body)
}

func (c *ctlSplitSet) body() (map[string]any, error) {
	body := map[string]any{}
	switch {
	case c.Revision != nil && len(c.Upstream) > 0:
		return nil, usagef("--revision and --upstream do not go together")
	case c.Revision != nil:
		body["candidate"] = map[string]any{"revision": *c.Revision}
	case len(c.Upstream) > 0:
		body["candidate"] = map[string]any{"urls": c.Upstream}
	}
	if c.Share != nil {
		share, err := perMille("share", *c.Share)
		if err != nil {
			return nil, err
		}
		body["per_mille"] = share
	}
	if c.Sticky != nil {
		body["sticky"] = strings.TrimSuffix(*c.Sticky, "none")
	}
	rules := []splitRuleAnswer{}
	for _, text := range c.Rule {
		r, err := splitRule(text)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	switch {
	case c.NoRules && len(rules) > 0:
		return nil, usagef("--rule and --no-rules do not go together")
	case c.NoRules || len(rules) > 0:
		body["rules"] = rules
	}
	if err := c.steps(body); err != nil {
		return nil, err
	}
	return body, c.mirror(body)
}

func splitRule(text string) (splitRuleAnswer, error) {
	side, rest, _ := strings.Cut(text, ":")
	rest, value, _ := strings.Cut(rest, "=")
	words := strings.Fields(rest)
	if side != "candidate" && side != "live" || len(words) < 2 {
		return splitRuleAnswer{}, usagef("--rule %s cannot be read; write it as 'candidate:header X-Beta=yes', 'live:cookie old' or 'candidate:caller app_…'", text)
	}
	r := splitRuleAnswer{In: words[0], To: side, Value: value}
	if r.In == "caller" {
		r.Applications = words[1:]
	} else {
		r.Name = strings.Join(words[1:], " ")
	}
	return r, nil
}

func (c *ctlSplitSet) steps(body map[string]any) error {
	if c.NoSteps && c.Step != nil {
		return usagef("--step and --no-steps do not go together")
	}
	by, every := "10", 10*time.Minute
	switch {
	case c.Step != nil:
		by = *c.Step
	case !c.NoSteps:
		return nil
	}
	if c.Every != nil {
		every = *c.Every
	}
	steps := map[string]any{"on": !c.NoSteps, "every_ms": every.Milliseconds(), "calls": c.Calls}
	for name, of := range map[string][2]string{"by_per_mille": {"step", by}, "until_per_mille": {"until", c.Until}, "slack_per_mille": {"slack", c.Slack}} {
		n, err := perMille(of[0], of[1])
		if err != nil {
			return err
		}
		steps[name] = n
	}
	body["steps"] = steps
	return nil
}

func (c *ctlSplitSet) mirror(body map[string]any) error {
	switch {
	case c.NoMirror && len(c.Mirror) > 0:
		return usagef("--mirror and --no-mirror do not go together")
	case c.NoMirror:
		body["mirror"] = map[string]any{"urls": []string{}}
	case len(c.Mirror) > 0:
		share, err := perMille("mirror-share", c.MirrorShare)
		if err != nil {
			return err
		}
		body["mirror"] = map[string]any{"urls": c.Mirror, "per_mille": share, "max_body_bytes": 64 << 10, "concurrency": 16, "all_methods": c.MirrorAll}
	}
	return nil
}

type ctlSplitSwitch struct {
	ctlSplitOf
	ctlWait
	To string `required:"" enum:"candidate,live,back" help:"candidate, live, or back to the share before the last switch."`
}

// Run switches all calls to one side.
func (c *ctlSplitSwitch) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, c.ctlWait, http.MethodPost, "/switch", map[string]string{"to": c.To})
}

type ctlSplitOffer struct {
	ctlSplitOf
	ctlWait
	Share string `placeholder:"PERCENT" default:"0" help:"Of the calls that try it."`
	Note  string `help:"What changed, for the list of revisions."`
}

// Run makes the draft the candidate.
func (c *ctlSplitOffer) Run(ctx context.Context, io *ctlIO) error {
	share, err := perMille("share", c.Share)
	if err != nil {
		return err
	}
	return c.change(ctx, io, c.ctlWait, http.MethodPost, "/offer", map[string]any{"note": c.Note, "per_mille": share})
}

type ctlSplitTake struct {
	ctlSplitOf
	ctlWait
}

// Run makes the candidate live.
func (c *ctlSplitTake) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, c.ctlWait, http.MethodPost, "/take", map[string]string{})
}

type ctlSplitEnd struct {
	ctlSplitOf
	ctlWait
}

// Run ends a split.
func (c *ctlSplitEnd) Run(ctx context.Context, io *ctlIO) error {
	return c.change(ctx, io, c.ctlWait, http.MethodDelete, "", nil)
}
