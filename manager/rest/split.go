package rest

import (
	"fmt"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// split is how an environment's calls to a version are shared.
type split struct {
	Environment    string         `json:"environment"`
	LiveRevision   int            `json:"live_revision"` // 0: nothing is live there
	Candidate      *candidate     `json:"candidate,omitempty"`
	FirstUses      []string       `json:"first_uses,omitempty"`
	PerMille       int            `json:"per_mille"`
	BeforePerMille int            `json:"before_per_mille"`
	Sticky         string         `json:"sticky"`
	Rules          []splitRule    `json:"rules"`
	Steps          splitSteps     `json:"steps"`
	Outcome        string         `json:"outcome,omitempty"`
	StartedAt      time.Time      `json:"started_at,omitzero"`
	MovedAt        time.Time      `json:"moved_at,omitzero"`
	Mirror         *splitMirror   `json:"mirror,omitempty"`
	Comparison     *splitCompared `json:"comparison,omitempty"`
	UpdatedBy      string         `json:"updated_by,omitempty"`
	UpdatedAt      time.Time      `json:"updated_at,omitzero"`
	outcome
}

type candidate struct {
	Revision int      `json:"revision,omitempty"`
	URLs     []string `json:"urls,omitempty"`
}

type splitRule struct {
	In           string    `json:"in"`
	Name         string    `json:"name,omitempty"`
	Value        string    `json:"value,omitempty"`
	Applications []apim.ID `json:"applications,omitempty"`
	To           string    `json:"to"`
}

type splitSteps struct {
	On            bool  `json:"on"`
	ByPerMille    int   `json:"by_per_mille"`
	EveryMS       int64 `json:"every_ms"`
	UntilPerMille int   `json:"until_per_mille"`
	SlackPerMille int   `json:"slack_per_mille"`
	Calls         int   `json:"calls"`
}

type splitMirror struct {
	URLs         []string `json:"urls"`
	PerMille     int      `json:"per_mille"`
	MaxBodyBytes int64    `json:"max_body_bytes"`
	Concurrency  int      `json:"concurrency"`
	AllMethods   bool     `json:"all_methods"`
}

// splitCompared is what the nodes have counted of both sides.
type splitCompared struct {
	Nodes       int       `json:"nodes"`
	Live        splitSide `json:"live"`
	Candidate   splitSide `json:"candidate"`
	Mirrored    splitSide `json:"mirrored"`
	NotMirrored uint64    `json:"not_mirrored"`
}

type splitSide struct {
	Calls  uint64  `json:"calls"`
	Failed uint64  `json:"failed"`
	P50MS  float64 `json:"p50_ms"`
	P99MS  float64 `json:"p99_ms"`
}

func splitSideOf(s apim.SplitSide) splitSide {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return splitSide{Calls: s.Calls, Failed: s.Failed, P50MS: ms(s.P50), P99MS: ms(s.P99)}
}

func splitOf(d manager.SplitDetail) split {
	s := d.Split
	out := split{
		Environment: d.Environment, LiveRevision: d.Live, PerMille: s.Share, BeforePerMille: s.Before, Sticky: s.Sticky,
		Rules: each(s.Rules, splitRuleOf), Outcome: s.Outcome, StartedAt: s.StartedAt.UTC(), MovedAt: s.MovedAt.UTC(),
		Steps: splitSteps{
			On: s.Steps.On, ByPerMille: s.Steps.By, EveryMS: s.Steps.Every.Milliseconds(), UntilPerMille: s.Steps.Until,
			SlackPerMille: s.Steps.Slack, Calls: s.Steps.Calls,
		},
		FirstUses: d.FirstUses, UpdatedBy: s.UpdatedBy, UpdatedAt: s.UpdatedAt.UTC(),
	}
	if !s.Candidate.None() {
		out.Candidate = &candidate{Revision: s.Candidate.Revision, URLs: s.Candidate.URLs}
	}
	if m := s.Mirror; !m.None() {
		out.Mirror = &splitMirror{URLs: m.URLs, PerMille: m.Share, MaxBodyBytes: m.MaxBodyBytes, Concurrency: m.Concurrency, AllMethods: m.AllMethods}
	}
	if !s.Empty() {
		out.Comparison = &splitCompared{
			Nodes: d.Nodes, Live: splitSideOf(d.LiveSide), Candidate: splitSideOf(d.CandidateSide), Mirrored: splitSideOf(d.Mirrored), NotMirrored: d.NotMirrored,
		}
	}
	return out
}

func splitRuleOf(r apim.SplitRule) splitRule {
	to := "live"
	if r.Candidate {
		to = "candidate"
	}
	return splitRule{In: r.In, Name: r.Name, Value: r.Value, Applications: r.Applications, To: to}
}

// answerSplit answers with the path's split as it is now.
func answerSplit(r *request, version apim.ID, o outcome) error {
	d, err := r.Catalog.Split(r.ctx, r.actor, r.tenant.ID, version, r.c.Param("environment"))
	if err != nil {
		return err
	}
	out := splitOf(d)
	out.outcome = o
	return r.answer(http.StatusOK, d.Lock, out)
}

func showSplit(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	return answerSplit(r, id, outcome{})
}

func changeSplit(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Candidate *candidate   `json:"candidate"`
		PerMille  *int         `json:"per_mille"`
		Sticky    *string      `json:"sticky"`
		Rules     *[]splitRule `json:"rules"`
		Steps     *splitSteps  `json:"steps"`
		Mirror    *splitMirror `json:"mirror"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	change := manager.SplitChange{Share: in.PerMille, Sticky: in.Sticky, Lock: r.lock}
	var check apim.Check
	if in.Candidate != nil {
		change.Candidate = &apim.SplitCandidate{Revision: in.Candidate.Revision, URLs: in.Candidate.URLs}
	}
	if in.Rules != nil {
		rules := []apim.SplitRule{}
		for i, rule := range *in.Rules {
			if rule.To != "candidate" && rule.To != "live" {
				check.Fail(fmt.Sprintf("rules[%d].to", i), "unknown", "is %q; use candidate or live", rule.To)
			}
			rules = append(rules, apim.SplitRule{In: rule.In, Name: rule.Name, Value: rule.Value, Applications: rule.Applications, Candidate: rule.To == "candidate"})
		}
		change.Rules = &rules
	}
	if s := in.Steps; s != nil {
		if s.EveryMS < 0 || s.EveryMS > longestPeriodMS {
			check.Fail("steps.every_ms", "range", "is not from 0 to %d", int64(longestPeriodMS))
		}
		change.Steps = &apim.SplitSteps{
			On: s.On, By: s.ByPerMille, Every: time.Duration(s.EveryMS) * time.Millisecond, Until: s.UntilPerMille, Slack: s.SlackPerMille, Calls: s.Calls,
		}
	}
	if m := in.Mirror; m != nil {
		change.Mirror = &apim.SplitMirror{URLs: m.URLs, Share: m.PerMille, MaxBodyBytes: m.MaxBodyBytes, Concurrency: m.Concurrency, AllMethods: m.AllMethods}
	}
	if err := check.Err(); err != nil {
		return err
	}
	made, err := r.Catalog.SetSplit(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"), change)
	if err != nil {
		return err
	}
	return answerSplit(r, id, r.settle(made))
}

func endSplit(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	made, err := r.Catalog.EndSplit(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"))
	if err != nil {
		return err
	}
	return answerSplit(r, id, r.settle(made))
}

// offerCandidate makes the draft a revision that some calls try.
func offerCandidate(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		Note     string `json:"note"`
		PerMille int    `json:"per_mille"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	made, err := r.Catalog.OfferCandidate(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"), in.Note, in.PerMille)
	if err != nil {
		return err
	}
	return answerSplit(r, id, r.settle(made))
}

func switchSplit(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	var in struct {
		To string `json:"to"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	made, err := r.Catalog.SwitchSplit(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"), in.To)
	if err != nil {
		return err
	}
	return answerSplit(r, id, r.settle(made))
}

// takeCandidate makes the candidate's revision live.
func takeCandidate(r *request) error {
	id, err := r.id(apim.PrefixVersion, "version")
	if err != nil {
		return err
	}
	if err := r.optionalBody(&struct{}{}); err != nil {
		return err
	}
	made, err := r.Catalog.TakeCandidate(r.ctx, r.actor, r.tenant.ID, id, r.c.Param("environment"))
	if err != nil {
		return err
	}
	return answerSplit(r, id, r.settle(made.Change))
}
