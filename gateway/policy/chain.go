package policy

import (
	"context"
	"errors"
	"slices"

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

// Grants finds what the holder of a secret may call, nil for nobody. It must
// not lock.
type Grants interface {
	Grant(hash *[32]byte) *Grant
	// Saw hears that a grant was used, from time to time. It must not block.
	Saw(grant *Grant)
}

// Tools are what steps are compiled with.
type Tools struct {
	Grants   Grants
	Limiter  *Limiter
	KeySets  KeySets            // of issuers; nil: none can be fetched
	Tokens   *token.Table       // that were verified; nil keeps none
	Replays  *signature.Replays // nonces that were taken; nil: none can be
	WAF      *waf.Set
	Identity *identity.Signer
}

// Chain is the steps that a request passes before its destination, and those
// that have a word about the answer. The zero value has none.
type Chain struct {
	steps   []named
	answers []hook // in the order in which an answer passes them
}

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

// runAll is Run with the environment's steps, and with a record of every step
// where one is wanted.
func (c *Chain) runAll(ctx context.Context, ex *Exchange) (err error) {
	for _, stage := range entry.Stages() {
		if err = ex.Shared.runStage(ctx, ex, stage, &ex.sharedPassed, err); err == nil || ex.Explain != nil {
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
	ex.chain.finish(ctx, ex, ex.passed, refuse)
	ex.Shared.finish(ctx, ex, ex.sharedPassed, refuse)
}

func (c *Chain) finish(ctx context.Context, ex *Exchange, passed int, refuse func(error)) {
	if c == nil {
		return
	}
	for _, h := range c.answers {
		if h.at >= passed {
			continue
		}
		if err := h.Answer(ctx, ex); err != nil {
			refuse(err)
		}
	}
}

// Compiler makes the chains of one API. Routes without policies of their own
// share a chain.
type Compiler struct {
	api                entry.API
	version, tenant    ID
	tools              Tools
	identified, public *Chain
}

// NewCompiler returns a compiler for an API that passed entry/check.
func NewCompiler(api entry.API, tools Tools) *Compiler {
	version, _ := ParseID(api.Version)
	tenant, _ := ParseID(api.Tenant)
	return &Compiler{api: api, version: version, tenant: tenant, tools: tools}
}

// Route returns the chain of one of the API's routes.
func (c *Compiler) Route(route entry.Route) *Chain {
	if len(route.Policies) > 0 {
		return c.compile(route)
	}
	shared := &c.identified
	if route.Public {
		shared = &c.public
	}
	if *shared == nil {
		*shared = c.compile(entry.Route{Public: route.Public})
	}
	return *shared
}

// compile orders by stage and, within a stage, leaves the declared order: what
// every route has, then the API's, then the route's own.
func (c *Compiler) compile(route entry.Route) *Chain {
	chain := &Chain{steps: []named{{"size", entry.Admit, sizeStep{}}}}
	own := slices.ContainsFunc(route.Policies, func(p entry.Policy) bool { return p.Kind().Stage() == entry.Identify })
	if !route.Public {
		chain.add("grant", entry.Authorize, grantStep{})
		chain.add("plan_limit", entry.Limit, planLimitStep{c.tools.Limiter})
	}
	methods := identifying(c.api.Policies)
	if own {
		methods = identifying(route.Policies)
	}
	for _, p := range c.api.Policies {
		if p.Kind().Stage() == entry.Identify && own {
			continue // the route's own take its place
		}
		c.addPolicy(chain, p, site{route: route, methods: methods})
	}
	for _, p := range route.Policies {
		c.addPolicy(chain, p, site{route: route, own: true, methods: methods})
	}
	if own { // a caller sends with every call what the API's other routes ask for
		for _, p := range identifying(c.api.Policies) {
			c.addPolicy(chain, p, site{route: route, methods: methods, stripped: true})
		}
	}
	chain.arrange()
	return chain
}

// Shared compiles an environment's own policies, which every request passes; nil
// for none.
func Shared(policies []entry.Policy, tools Tools) *Chain {
	if len(policies) == 0 {
		return nil
	}
	chain, c := &Chain{}, Compiler{tools: tools}
	for _, p := range policies {
		c.addPolicy(chain, p, site{})
	}
	chain.arrange()
	return chain
}

// arrange puts the steps in the order of their stages, and those that have a
// word about the answer in the order in which it passes them: the nearer to the
// destination, the sooner.
func (c *Chain) arrange() {
	order := map[entry.Stage]int{}
	for i, s := range entry.Stages() {
		order[s] = i
	}
	slices.SortStableFunc(c.steps, func(a, b named) int { return order[a.stage] - order[b.stage] })
	end := len(c.steps)
	for end > 0 && c.steps[end-1].stage == entry.Answer {
		end--
	}
	for _, s := range c.steps[end:] {
		if a, ok := s.Step.(Answerer); ok {
			c.answers = append(c.answers, hook{-1, s.kind, a})
		}
	}
	for i := end - 1; i >= 0; i-- {
		if a, ok := c.steps[i].Step.(Answerer); ok {
			c.answers = append(c.answers, hook{i, c.steps[i].kind, a})
		}
	}
	c.steps = c.steps[:end]
}

// site is where a policy stands.
type site struct {
	route entry.Route // zero for an environment's
	own   bool        // the route's own, not its API's
	// methods are the identify policies that hold there, in order.
	methods []entry.Policy
	// stripped says that the route asks for no credential of the policy's.
	stripped bool
}

// strips reports whether credentials are taken away there and not asked for.
func (s site) strips() bool { return s.route.Public || s.stripped }

// operation is what tells the states of a policy apart: "" where the whole API
// shares one.
func (s site) operation() string {
	if s.own {
		return s.route.Operation
	}
	return ""
}

func (c *Compiler) addPolicy(chain *Chain, p entry.Policy, at site) {
	if step := c.step(p.Config, at); step != nil {
		chain.add(string(p.Kind()), p.Kind().Stage(), step)
	}
}

// step compiles a policy, one line for each kind; nil where it has nothing to do.
func (c *Compiler) step(config entry.PolicyConfig, at site) Step {
	switch p := config.(type) {
	case *entry.KeyPolicy:
		if at.strips() {
			return stripStep{newKeyStep(*p, c.tools.Grants, at.among(p)), at.route.Public}
		}
		return newKeyStep(*p, c.tools.Grants, at.among(p))
	case *entry.JWTPolicy:
		if at.strips() {
			return stripTokenStep{newJWTStep(*p, c.tenant, c.tools, at.among(p)), at.route.Public}
		}
		return newJWTStep(*p, c.tenant, c.tools, at.among(p))
	case *entry.BasicPolicy:
		step := newBasicStep(*p, c.tools.Grants, at.among(p))
		if at.strips() {
			return stripOnly{step, "user names and passwords", at.route.Public}
		}
		return step
	case *entry.SignaturePolicy:
		step := newSignatureStep(*p, c.tools, at.among(p))
		if at.strips() {
			return stripOnly{step, "signatures", at.route.Public}
		}
		return step
	case *entry.ClientCertificatePolicy:
		if at.strips() {
			return nil
		}
		return &certificateStep{c.tools.Grants, at.among(p)}
	case *entry.AnonymousPolicy:
		if at.strips() {
			return nil
		}
		return anonymousStep{}
	case *entry.ScopesPolicy:
		if at.route.Public {
			return nil
		}
		return newScopesStep(*p)
	case *entry.ExpressionPolicy:
		return newExpressionStep(*p)
	case *entry.RateLimit:
		return newRateLimitStep(*p, c.version, at.operation(), c.tools.Limiter)
	case *entry.SpikeArrest:
		return newSpikeArrestStep(*p, c.version, at.operation(), c.tools.Limiter)
	case *entry.ConcurrencyLimit:
		return newConcurrencyStep(*p, c.version, at.operation(), c.tools.Limiter)
	case *entry.IdentityToken:
		return newIdentityTokenStep(*p, c.tools.Identity)
	case *entry.WAF:
		return newWAFStep(*p, c.tools.WAF)
	}
	return unknownStep{} // entry/check lets none pass
}

// unknownStep refuses every call: configured protection that does nothing would
// be worse.
type unknownStep struct{}

func (unknownStep) Run(context.Context, *Exchange) error {
	return errors.New("a policy of a kind that this node does not know")
}

func (c *Chain) add(kind string, stage entry.Stage, step Step) {
	c.steps = append(c.steps, named{kind, stage, step})
}

// sizeStep refuses a body that says it is too large, and bounds one that does
// not say.
type sizeStep struct{}

func (sizeStep) Run(_ context.Context, ex *Exchange) error {
	limit := ex.Scope.MaxBodyBytes
	if limit == 0 {
		limit = ex.MaxBodyBytes
	}
	if ex.BodyLength > limit {
		return TooLarge(limit)
	}
	if ex.Body != nil {
		ex.Body.Limit(limit)
	}
	return nil
}
