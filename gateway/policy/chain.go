package policy

import (
	"context"
	"errors"
	"time"

	"portico/gateway/cache"
	"portico/gateway/identity"
	"portico/gateway/signature"
	"portico/gateway/token"
	"portico/gateway/waf"
	"portico/internal/entry"
)

// Step is one compiled policy. It is shared by all requests of its routes and
// keeps nothing of any.
type Step interface {
	Run(ctx context.Context, ex *Exchange) error
}

// Destination answers a request that has passed its chain: an upstream, and
// in time a cache, a composition or a model.
type Destination interface {
	Call(ctx context.Context, ex *Exchange) error
}

// Sided is a Destination whose answers may be of something else for one call than
// for another, such as a live version and its candidate.
type Sided interface {
	// DecideSide decides which it is to be, notes it in the exchange, and returns
	// its name: "" for the usual one.
	DecideSide(ex *Exchange) string
}

// Side is what was decided for a call. The zero value is nothing.
type Side struct {
	Decided, Candidate bool
	Drawn              int // the lot of a caller that is to keep it; -1 for nobody
}

// Grants finds what the holder of a secret may call, nil for nobody. It must
// not lock.
type Grants interface {
	Grant(hash *[32]byte) *Grant
	// Saw hears that a grant was used, from time to time. It must not block.
	Saw(grant *Grant)
}

// Tools are what steps are compiled with.
type Tools struct {
	Cache    *cache.Store // of answers; nil: none are kept
	Grants   Grants
	Limiter  *Limiter
	Reported *Reported          // nil: what validation lets pass is not counted
	KeySets  KeySets            // of issuers; nil: none can be fetched
	Tokens   *token.Tables      // that were verified; nil keeps none
	Issuers  Issuers            // that are asked about tokens; nil: none can be
	Bots     *Bots              // nil: they are neither counted nor remembered
	Replays  *signature.Replays // nonces of signatures that were taken; nil: none can be
	WAF      *waf.Set
	Identity *identity.Signer
	// ClientTokens are those that the gateway gets for upstreams; nil: none can be had.
	ClientTokens ClientTokens
	Now          func() time.Time // nil: time.Now
	// Destination gives what a route of the API calls, by the name of its upstream.
	Destination func(upstream string) Destination
}

// Chain is the steps that a request passes before its destination, and those
// that have a word about the answer. The zero value has none.
type Chain struct {
	steps    []named
	answers  [phases][]hook // in the order in which an answer passes them
	cors     *corsStep      // the nearest to the route; nil for none
	whole    bool           // a step reads answers, of which a part would say nothing to it
	identity []string       // headers that say who calls, in lower case
	told     []string       // headers of which the query is made, in lower case
	address  bool           // the query is made of the caller's address
}

// The phases in which an answer passes the steps that have a word about it: as a
// destination it has come from what shapes requests, then it is made ready, then
// packed, then it leaves by where requests come in. An environment's follow the
// API's in each.
//
// Why packing comes by itself: whatever else of the stage answer reads a body,
// wherever that is declared, can read none that is packed.
const (
	shaped  = iota // steps of the stages shape and destination
	readied        // of the stage answer
	packed         // those of it that compress
	leaving        // of the stages before shape
	phases
)

type named struct {
	kind  string
	stage entry.Stage
	Step
}

// hook is a step that has a word about the answer.
type hook struct {
	at   int // its index in steps; -1 for one of the stage answer, which is always asked
	kind string
	Answerer
}

// ask is Answer, with a record of it where one is wanted.
func (h *hook) ask(ctx context.Context, ex *Exchange) error {
	if ex.Explain != nil {
		return explainedAnswer(ctx, ex, h.kind, h.Answerer)
	}
	return h.Answer(ctx, ex)
}

// Answerer is a step that has a word about the answer: it may change it, or
// refuse it with an error that takes its place. Steps of the stage answer see
// every answer of their routes, those of the gateway itself included (Local);
// others see the answers to requests that passed them.
type Answerer interface {
	Answer(ctx context.Context, ex *Exchange) error
}

// ErrAnswered is what a step returns when it has written the answer itself:
// nothing behind it, the destination included, is asked.
var ErrAnswered = errors.New("a policy has answered")

// Run passes a request through the chain, and through the environment's beside
// it, stage by stage. The first error ends it.
func (c *Chain) Run(ctx context.Context, ex *Exchange) error {
	ex.chain = c
	if ex.Preflight != "" {
		return preflight(ctx, ex)
	}
	if ex.Explain != nil || ex.Shared != nil {
		return c.runAll(ctx, ex)
	}
	for i := range c.steps {
		if err := c.steps[i].Run(ctx, ex); err != nil {
			ex.passed = i
			return err
		}
	}
	ex.passed = len(c.steps)
	return nil
}

// preflight runs the one policy that a browser's question before a call is for.
func preflight(ctx context.Context, ex *Exchange) error {
	step := named{string(entry.PolicyCORS), entry.Admit, preflightStep{corsOf(ex)}}
	if ex.Explain != nil {
		return step.explained(ctx, ex)
	}
	return step.Run(ctx, ex)
}

// runAll is Run with the environment's steps, and with a record of every step
// where one is wanted.
func (c *Chain) runAll(ctx context.Context, ex *Exchange) (err error) {
	for _, stage := range entry.Stages() {
		if !ex.MockOnly || stage != entry.Shape { // such as a cache, which mocks have nothing to do with
			err = ex.Shared.runStage(ctx, ex, stage, &ex.sharedPassed, err)
		}
		if err == nil || ex.Explain != nil {
			err = c.runStage(ctx, ex, stage, &ex.passed, err)
		}
		if err != nil && ex.Explain == nil {
			return err
		}
	}
	return err
}

// runStage runs the steps of a stage; after a failure it only notes that they
// were not reached.
func (c *Chain) runStage(ctx context.Context, ex *Exchange, stage entry.Stage, passed *int, failed error) error {
	if c == nil {
		return failed
	}
	for i := range c.steps {
		step := &c.steps[i]
		switch {
		case step.stage != stage:
			continue
		case failed != nil:
			if ex.Explain != nil {
				ex.Explain.Skip(step.kind, step.stage)
			}
			continue
		case ex.Explain != nil:
			failed = step.explained(ctx, ex)
		default:
			failed = step.Run(ctx, ex)
		}
		if failed == nil {
			*passed = i + 1
		}
	}
	return failed
}

// Finish shows the answer to the steps that have a word about it. An error of
// one takes the answer's place by refuse, and the others see that.
func Finish(ctx context.Context, ex *Exchange, refuse func(error)) {
	if ex.narrowed {
		ex.restoreAccepts()
	}
	if ex.turned {
		ex.restoreMedia()
	}
	for phase := range phases {
		refused := ex.chain.finish(ctx, ex, phase, ex.passed, refuse)
		refused = ex.Shared.finish(ctx, ex, phase, ex.sharedPassed, refuse) || refused
		if refused && phase == readied {
			ex.chain.page(ctx, ex)
			ex.Shared.page(ctx, ex)
		}
	}
	if cors := corsOf(ex); cors != nil {
		if ex.Explain != nil {
			_ = explainedAnswer(ctx, ex, string(entry.PolicyCORS), corsAnswer{cors}) // it refuses nothing
		} else {
			cors.answer(ex)
		}
	}
}

func (c *Chain) finish(ctx context.Context, ex *Exchange, phase, passed int, refuse func(error)) (refused bool) {
	if c == nil {
		return false
	}
	for _, h := range c.answers[phase] {
		if h.at >= passed {
			continue
		}
		if err := h.ask(ctx, ex); err != nil {
			refuse(err)
			refused, ex.page = true, 0
		}
	}
	return refused
}

// page gives a refusal its page where the one that is for it stands before the
// step that has refused. Those behind it have given theirs.
func (c *Chain) page(ctx context.Context, ex *Exchange) {
	if c == nil {
		return
	}
	for _, h := range c.answers[readied] {
		if _, ok := h.Answerer.(*errorPageStep); ok {
			_ = h.ask(ctx, ex) // it leaves out what it cannot make
		}
	}
}
