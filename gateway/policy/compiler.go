package policy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"portico/gateway/contract"
	"portico/internal/entry"
	"portico/internal/entry/schema"
	"portico/internal/entry/value"
)

// Compiler makes the chains of one API. Routes without policies of their own
// share a chain.
type Compiler struct {
	api                entry.API
	version, tenant    ID
	tools              Tools
	identified, public *Chain
	made               map[entry.PolicyConfig]Step // by the pointers that the API's entry holds
	schemas            *schema.Set                 // that contracts share; nil until one asks
	described          *entry.Contract
	compiled           *contract.Contract // of described, which several policies of a route ask for
}

// NewCompiler returns a compiler for an API that passed entry/check.
func NewCompiler(api entry.API, tools Tools) *Compiler {
	version, _ := ParseID(api.Version)
	tenant, _ := ParseID(api.Tenant)
	return &Compiler{api: api, version: version, tenant: tenant, tools: tools}
}

// Route returns the chain of one of the API's routes.
func (c *Compiler) Route(route entry.Route) *Chain {
	if len(route.Policies) > 0 || route.Contract != nil {
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
	mock := slices.ContainsFunc(slices.Concat(c.api.Policies, route.Policies), func(p entry.Policy) bool { return p.Kind() == entry.PolicyMock })
	own := slices.ContainsFunc(route.Policies, func(p entry.Policy) bool { return p.Kind().Stage() == entry.Identify })
	composed := slices.ContainsFunc(route.Policies, func(p entry.Policy) bool { return p.Kind() == entry.PolicyComposition })
	if !route.Public {
		chain.add("grant", entry.Authorize, grantStep{mock})
		chain.add("plan_limit", entry.Limit, planLimitStep{c.tools.Limiter})
	}
	methods := identifying(c.api.Policies)
	if own {
		methods = identifying(route.Policies)
	}
	for _, p := range c.api.Policies {
		if p.Kind().Stage() == entry.Identify && own || p.Kind() == entry.PolicyComposition && composed {
			continue // the route's own take their place
		}
		c.addPolicy(chain, p, site{route: route, methods: methods, mock: mock})
	}
	for _, p := range route.Policies {
		c.addPolicy(chain, p, site{route: route, own: true, methods: methods, mock: mock})
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
//
// Why the stage answer comes after shape: what a cache keeps is shown to it again
// with every hit, and what it does to a body presupposes that it was unpacked.
func (c *Chain) arrange() {
	order := map[entry.Stage]int{}
	for i, s := range entry.Stages() {
		order[s] = i
	}
	slices.SortStableFunc(c.steps, func(a, b named) int { return order[a.stage] - order[b.stage] })
	for _, s := range c.steps {
		switch step := bare(s.Step).(type) {
		case *corsStep:
			c.cors = step
		case askStep:
			c.whole = true
		case *validateBothStep:
			c.whole = c.whole || step.answer == "refuse"
		case *xmlJSONStep:
			c.whole = c.whole || step.answer != nil
		case *identityTokenStep:
			c.identity = append(c.identity, strings.ToLower(step.header))
		case *queryStep:
			c.tells(step)
		}
	}
	end := len(c.steps)
	for end > 0 && c.steps[end-1].stage == entry.Answer {
		end--
	}
	for _, s := range c.steps[end:] {
		if a, ok := s.Step.(Answerer); ok {
			phase := readied
			if _, packs := a.(*compressStep); packs {
				phase = packed
			}
			c.answers[phase] = append(c.answers[phase], hook{-1, s.kind, a})
		}
	}
	for i := end - 1; i >= 0; i-- {
		if s, ok := bare(c.steps[i].Step).(*cacheStep); ok {
			s.chain, s.at = c, i
		}
		if a, ok := c.steps[i].Step.(Answerer); ok {
			phase := leaving
			if order[c.steps[i].stage] >= order[entry.Shape] {
				phase = shaped
			}
			c.answers[phase] = append(c.answers[phase], hook{i, c.steps[i].kind, a})
		}
	}
	c.steps = c.steps[:end]
}

// tells notes of what a step makes the query, which no upstream can name in Vary.
func (c *Chain) tells(step *queryStep) {
	for i := range len(step.set) + len(step.add) {
		for _, part := range step.edit(i).value.Parts {
			switch part.Of {
			case value.Header:
				c.told = append(c.told, strings.ToLower(part.Text))
			case value.Client:
				c.address = true
			}
		}
	}
}

// identifies reports whether a step says in a header who calls.
func (c *Chain) identifies(header string) bool { return c != nil && contains(c.identity, header) }

func (c *Chain) tellsAddress() bool { return c != nil && c.address }

// readsWhole reports whether a step reads answers, of which it must get no part.
func (c *Chain) readsWhole() bool { return c != nil && c.whole }

// site is where a policy stands.
type site struct {
	route entry.Route // zero for an environment's
	own   bool        // the route's own, not its API's
	mock  bool        // the route has a mock
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
	step, stage := c.step(p.Config, at), p.Kind().Stage()
	if step == nil {
		return
	}
	add := func(stage entry.Stage, step Step) {
		if at.mock && (stage == entry.Shape || stage == entry.Destination) && p.Kind() != entry.PolicyValidate && p.Kind() != entry.PolicyMock {
			step = aside(step)
		}
		chain.add(string(p.Kind()), stage, step)
	}
	add(stage, step)
	if a, ok := step.(accompanied); ok {
		if stage, other := a.besides(); other != nil {
			add(stage, other)
		}
	}
}

// contract compiles the route's; nil for none, or one that cannot be compiled,
// which entry/check lets not pass.
func (c *Compiler) contract(route entry.Route) *contract.Contract {
	if route.Contract == nil {
		return nil
	}
	if c.schemas == nil {
		set, err := schema.NewSet(c.api.Schemas)
		if err != nil {
			return nil
		}
		c.schemas = set
	}
	if c.described != route.Contract {
		c.described = route.Contract
		c.compiled, _ = contract.New(route.Contract, c.schemas) // nil where it fails
	}
	return c.compiled
}

// step compiles a policy, one line for each kind; nil where it has nothing to do.
func (c *Compiler) step(config entry.PolicyConfig, at site) Step {
	switch p := config.(type) {
	case *entry.AddressPolicy:
		return c.once(p, func() Step { return newAddressStep(*p) })
	case *entry.HeadersPolicy:
		return newHeadersStep(*p)
	case *entry.AnswerHeadersPolicy:
		return newAnswerHeadersStep(*p)
	case *entry.QueryPolicy:
		return newQueryStep(*p)
	case *entry.PathPolicy:
		return newPathStep(*p)
	case *entry.SizePolicy:
		return newBoundsStep(*p)
	case *entry.BotsPolicy:
		return c.once(p, func() Step { return newBotsStep(*p, c.tools.Bots) })
	case *entry.CORSPolicy:
		return newCORSStep(*p)
	case *entry.KeyPolicy:
		if at.strips() {
			return stripStep{newKeyStep(*p, c.tools, at.among(p)), at.route.Public}
		}
		return newKeyStep(*p, c.tools, at.among(p))
	case *entry.JWTPolicy:
		if at.strips() {
			return stripTokenStep{newJWTStep(*p, c.tenant, c.tools, at.among(p)), at.route.Public}
		}
		return newJWTStep(*p, c.tenant, c.tools, at.among(p))
	case *entry.IntrospectionPolicy:
		step := newIntrospectionStep(*p, c.tenant, c.tools, at.among(p))
		if at.strips() {
			return stripTokenStep{step.jwtStep, at.route.Public}
		}
		return step
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
		return newRateLimitStep(*p, c.declared(at), c.tools.Limiter)
	case *entry.Validate:
		return newValidateStep(*p, c.contract(at.route), c.tools.Reported)
	case *entry.Mock:
		return newMockStep(*p, c.contract(at.route))
	case *entry.SpikeArrest:
		return newSpikeArrestStep(*p, c.declared(at), c.tools.Limiter)
	case *entry.ConcurrencyLimit:
		return newConcurrencyStep(*p, c.declared(at), c.tools.Limiter)
	case *entry.CachePolicy:
		return newCacheStep(*p, c.tools.Cache)
	case *entry.CompressPolicy:
		return c.once(p, func() Step { return newCompressStep(*p) })
	case *entry.DecompressPolicy:
		return newDecompressStep(*p)
	case *entry.Composition:
		return newCompositionStep(p, c.destination)
	case *entry.JSONBody:
		return newJSONBodyStep(p)
	case *entry.XMLJSON:
		return newXMLJSONStep(p)
	case *entry.ErrorPage:
		return newErrorPageStep(p, at)
	case *entry.GraphQL:
		return newGraphQLStep(p)
	case *entry.JSONAnswer:
		return newJSONAnswerStep(p)
	case *entry.IdentityToken:
		return c.once(p, func() Step { return newIdentityTokenStep(*p, c.tools.Identity) })
	case *entry.UpstreamBasic:
		return newUpstreamBasicStep(*p, at.own)
	case *entry.UpstreamOAuth:
		return newUpstreamOAuthStep(*p, c.tenant, c.tools.ClientTokens, at.own)
	case *entry.UpstreamSigV4:
		return newUpstreamSigV4Step(*p, c.tools.Now, at.own)
	case *entry.WAF:
		return newWAFStep(*p, c.tools.WAF)
	}
	return unknownStep{} // entry/check lets none pass
}

// declared says where a limit is set that stands there.
func (c *Compiler) declared(at site) declared {
	return declared{version: c.version, operation: at.operation()}
}

// destination returns what an upstream's name stands for; "" is the first one.
func (c *Compiler) destination(upstream string) Destination {
	if upstream == "" && len(c.api.Upstreams) > 0 {
		upstream = c.api.Upstreams[0].Name
	}
	return c.tools.Destination(upstream)
}

// accompanied is a step with another one beside it, in a stage of its own; nil for
// none.
type accompanied interface {
	besides() (entry.Stage, Step)
}

// once compiles a policy that may be large and knows nothing of where it stands
// once for all routes.
func (c *Compiler) once(config entry.PolicyConfig, compile func() Step) Step {
	step, ok := c.made[config]
	if !ok {
		if c.made == nil {
			c.made = map[entry.PolicyConfig]Step{}
		}
		step = compile()
		c.made[config] = step
	}
	return step
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
