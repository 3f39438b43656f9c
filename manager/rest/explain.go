package rest

import (
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// explainToken lets who sends it with a call see the call's way.
type explainToken struct {
	ID          string    `json:"id"`
	Token       string    `json:"token"`
	Header      string    `json:"header"`
	Environment string    `json:"environment"`
	GatewayURL  string    `json:"gateway_url"`
	API         apim.ID   `json:"api,omitempty"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// explanation is the way of a call through a gateway node.
type explanation struct {
	ID          string    `json:"id"`
	Token       string    `json:"token_id"`
	At          time.Time `json:"at"`
	Node        string    `json:"node"`
	Environment string    `json:"environment"`
	Sequence    uint64    `json:"sequence"`
	RequestID   string    `json:"request_id"`
	Method      string    `json:"method"`
	Host        string    `json:"host"`
	Path        string    `json:"path"`
	Query       []string  `json:"query"`
	Headers     []string  `json:"headers"`
	Hidden      bool      `json:"hidden"`

	API         string  `json:"api,omitempty"`
	Version     apim.ID `json:"version,omitempty"`
	Revision    int     `json:"revision,omitempty"`
	Operation   string  `json:"operation,omitempty"`
	Application string  `json:"application,omitempty"`
	Plan        string  `json:"plan,omitempty"`
	// Subscription is the one that the call was counted for, or that was not
	// enough for it.
	Subscription apim.ID `json:"subscription,omitempty"`

	Status        int              `json:"status"`
	Code          string           `json:"code,omitempty"`
	Detail        string           `json:"detail,omitempty"`
	Candidates    []explainedRoute `json:"candidates"`
	Steps         []explainedStep  `json:"steps"`
	Tries         []explainedTry   `json:"tries"`
	AnswerHeaders []string         `json:"answer_headers"`
	TookUS        float64          `json:"took_us"`
	UpstreamUS    float64          `json:"upstream_us"`
	Remedies      []string         `json:"remedies"`
}

type explainedRoute struct {
	API    string `json:"api"`
	Route  string `json:"route,omitempty"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

type explainedStep struct {
	Step    string  `json:"step"`
	Stage   string  `json:"stage,omitempty"`
	Outcome string  `json:"outcome"`
	Code    string  `json:"code,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	AtUS    float64 `json:"at_us"`
	TookUS  float64 `json:"took_us"`
}

type explainedTry struct {
	Target  string  `json:"target"`
	Reused  bool    `json:"reused"`
	Outcome string  `json:"outcome"`
	Status  int     `json:"status,omitempty"`
	AtUS    float64 `json:"at_us"`
	TookUS  float64 `json:"took_us"`
}

func explanationOf(x manager.Explained) explanation {
	out := explanation{
		ID: x.ID, Token: x.Token, At: time.UnixMilli(x.At).UTC(), Node: x.NodeName, Environment: x.Environment, Sequence: x.Sequence,
		RequestID: x.RequestID, Method: x.Method, Host: x.Host, Path: x.Path, Query: orEmpty(x.Query), Headers: orEmpty(x.Headers), Hidden: x.Hidden,
		API: x.API, Revision: x.Revision, Operation: x.Operation, Application: x.Application, Plan: x.Plan,
		Status: x.Status, Code: x.Code, Detail: x.Detail, AnswerHeaders: orEmpty(x.Headings), TookUS: micros(x.TookNS), UpstreamUS: micros(x.UpstreamNS),
		Candidates: each(x.Candidates, func(c entry.ExplainedRoute) explainedRoute { return explainedRoute(c) }),
		Steps: each(x.Steps, func(s entry.ExplainedStep) explainedStep {
			return explainedStep{s.Step, s.Stage, s.Outcome, s.Code, s.Detail, micros(s.AtNS), micros(s.TookNS)}
		}),
		Tries: each(x.Tries, func(t entry.ExplainedTry) explainedTry {
			return explainedTry{t.Target, t.Reused, t.Outcome, t.Status, micros(t.AtNS), micros(t.TookNS)}
		}),
		Remedies: each(x.Remedies, func(r manager.Remedy) string { return r.Text }),
	}
	if x.VersionUUID != "" {
		out.Version = apim.ID(apim.PrefixVersion + "_" + x.VersionUUID)
	}
	if x.SubscriptionUUID != "" {
		out.Subscription = apim.ID(apim.PrefixSubscription + "_" + x.SubscriptionUUID)
	}
	return out
}

// micros writes a time to a tenth of a microsecond.
func micros(ns int64) float64 { return float64(ns/100) / 10 }

func createExplainToken(r *request) error {
	var in struct {
		API string `json:"api"`
	}
	if err := r.optionalBody(&in); err != nil {
		return err
	}
	env, err := r.environment()
	if err != nil {
		return err
	}
	made, err := r.Catalog.MintExplainToken(r.ctx, r.actor, r.tenant.ID, env.Slug, in.API)
	if err != nil {
		return err
	}
	return r.answer(http.StatusCreated, 0, explainToken{
		ID: made.ID, Token: made.Text.Reveal(), Header: entry.ExplainHeader, Environment: env.Slug, GatewayURL: env.GatewayURL,
		API: made.API, ExpiresAt: made.ExpiresAt.UTC(),
	})
}

func listExplanations(r *request) error {
	env, err := r.environment()
	if err != nil {
		return err
	}
	all, err := r.Catalog.Explanations(r.ctx, r.actor, r.tenant.ID, env.Slug, r.c.Query("api"))
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, list[explanation]{Items: each(all, explanationOf)})
}

// longestWayWait bounds how long somebody waits for a way to come from its node.
const longestWayWait = 10 * time.Second

func showExplanation(r *request) error {
	wait := time.Duration(0)
	if text, given := r.c.GetQuery("wait_ms"); given {
		ms, err := strconv.Atoi(text)
		if err != nil || ms < 0 || time.Duration(ms)*time.Millisecond > longestWayWait {
			return fieldf("wait_ms", "range", "takes a number from 0 to %d", longestWayWait.Milliseconds())
		}
		wait = time.Duration(ms) * time.Millisecond
	}
	env, err := r.environment()
	if err != nil {
		return err
	}
	x, err := r.Catalog.Explanation(r.ctx, r.actor, r.tenant.ID, env.Slug, r.c.Param("explanation"), wait)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, explanationOf(x))
}
