package policy

import (
	"context"
	"slices"

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
	Grants  Grants
	Limiter *Limiter
}

// Chain is the steps that a request passes before its destination.
type Chain struct{ steps []named }

type named struct {
	kind  string
	stage entry.Stage
	Step
}

// Run passes a request through the chain. The first error ends it.
func (c *Chain) Run(ctx context.Context, ex *Exchange) error {
	if ex.Explain != nil {
		return c.explain(ctx, ex)
	}
	for i := range c.steps {
		if err := c.steps[i].Run(ctx, ex); err != nil {
			return err
		}
	}
	return nil
}

// Compiler makes the chains of one API. Routes without policies of their own
// share a chain.
type Compiler struct {
	api                entry.API
	version            ID
	tools              Tools
	identified, public *Chain
}

// NewCompiler returns a compiler for an API that passed entry/check.
func NewCompiler(api entry.API, tools Tools) *Compiler {
	version, _ := ParseID(api.Version)
	return &Compiler{api: api, version: version, tools: tools}
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
	for _, p := range c.api.Policies {
		if p.Kind().Stage() == entry.Identify && own {
			continue // the route's own takes its place
		}
		c.addPolicy(chain, p, route.Public, "")
	}
	for _, p := range route.Policies {
		c.addPolicy(chain, p, route.Public, route.Operation)
	}
	order := map[entry.Stage]int{}
	for i, s := range entry.Stages() {
		order[s] = i
	}
	slices.SortStableFunc(chain.steps, func(a, b named) int { return order[a.stage] - order[b.stage] })
	return chain
}

func (c *Compiler) addPolicy(chain *Chain, p entry.Policy, public bool, operation string) {
	var step Step
	switch {
	case p.Key != nil && public:
		step = stripStep{newKeyStep(*p.Key, c.tools.Grants)}
	case p.Key != nil:
		step = newKeyStep(*p.Key, c.tools.Grants)
	case p.RateLimit != nil:
		step = newRateLimitStep(*p.RateLimit, c.version, operation, c.tools.Limiter)
	}
	chain.add(string(p.Kind()), p.Kind().Stage(), step)
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
