package manager

import (
	"context"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/manager/compile"
)

// Fleet is what concerns environments and their gateway nodes.
type Fleet struct {
	Core
	Confirm  Confirmations
	Commands NodeCommands
	Users    NodeUsers // nil where the only node is this process's own
}

// EnsureEnvironment makes an environment at start, or lets it follow the
// gateway's address. Once an operator has chosen that, it follows only an
// address that the process was given, not one that it found: chosen says which.
func (f *Fleet) EnsureEnvironment(ctx context.Context, slug, name string, kind apim.EnvironmentKind, gatewayURL string, chosen bool) (apim.Environment, error) {
	want := apim.Environment{Slug: slug, Name: name, Kind: kind, GatewayURL: strings.TrimRight(gatewayURL, "/"), Settings: apim.DefaultEnvironmentSettings()}
	if err := checkEnvironment(want); err != nil {
		return apim.Environment{}, err
	}
	var env apim.Environment
	err := f.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) (err error) {
		env, err = u.System().Environment(ctx, slug)
		switch {
		case apim.KindOf(err) == apim.NotFound:
			env, _, err = f.makeEnvironment(ctx, u, want)
			return err
		case err != nil:
			return err
		case env.Kind != want.Kind:
			return apim.Errorf(apim.Conflict, "environment %s is of kind %s, and its keys with it; the kind cannot change", env.Slug, env.Kind)
		case env.GatewayURL == want.GatewayURL || env.AddressChosen && !chosen:
			_, err = f.emitEnvironment(ctx, u, &env)
			return err
		}
		env.GatewayURL = want.GatewayURL
		_, err = f.saveEnvironment(ctx, u, &env)
		return err
	})
	return env, err
}

// CreateEnvironment makes an environment. Its settings are the defaults, unless
// they are given.
func (f *Fleet) CreateEnvironment(ctx context.Context, actor apim.Actor, in apim.Environment) (apim.Environment, apim.Change, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Environment{}, apim.Change{}, err
	}
	in.GatewayURL, in.AddressChosen = strings.TrimRight(in.GatewayURL, "/"), true
	in.Settings.Policies = written(in.Settings.Policies)
	if in.Name == "" {
		in.Name = in.Slug
	}
	if err := checkEnvironment(in); err != nil {
		return apim.Environment{}, apim.Change{}, err
	}
	var env apim.Environment
	var change apim.Change
	err := f.write(ctx, actor, func(u *unit) (err error) {
		env, change, err = f.makeEnvironment(ctx, u, in)
		return err
	})
	return env, change, err
}

// EnvironmentChange changes an environment; nil fields stay.
type EnvironmentChange struct {
	Name, GatewayURL *string
	Settings         *apim.EnvironmentSettings
	Lock             int64
}

// UpdateEnvironment changes an environment's name, address and settings.
func (f *Fleet) UpdateEnvironment(ctx context.Context, actor apim.Actor, slug string, in EnvironmentChange) (apim.Environment, apim.Change, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Environment{}, apim.Change{}, err
	}
	var env apim.Environment
	var change apim.Change
	err := f.write(ctx, actor, func(u *unit) (err error) {
		if env, err = u.System().Environment(ctx, slug); err != nil {
			return err
		}
		if err := apim.CheckLock("environment", env.Lock, in.Lock); err != nil {
			return err
		}
		set(&env.Name, in.Name)
		if in.GatewayURL != nil {
			env.GatewayURL, env.AddressChosen = strings.TrimRight(*in.GatewayURL, "/"), true
		}
		if in.Settings != nil {
			env.Settings = *in.Settings
			env.Settings.Policies = written(env.Settings.Policies)
		}
		if err := checkEnvironment(env); err != nil {
			return err
		}
		if in.Settings != nil {
			if err := f.knownKinds(slug, env.Settings.Policies); err != nil {
				return err
			}
		}
		change, err = f.saveEnvironment(ctx, u, &env)
		return err
	})
	return env, change, err
}

// checkEnvironment asks what the nodes will ask, in the fields' own names.
func checkEnvironment(env apim.Environment) error {
	var fields apim.Check
	fields.Slug("slug", env.Slug)
	fields.Require("name", env.Name)
	fields.Length("name", env.Name, 120)
	if env.Kind != apim.Production && env.Kind != apim.Sandbox {
		fields.Fail("kind", "unknown", "use production or sandbox")
	}
	if err := absoluteURL(env.GatewayURL); err != nil {
		fields.Fail("gateway_url", "url", "%s", err)
	}
	if env.Settings.MaxStaleMS == 0 {
		fields.Fail("max_stale_ms", "range", "is not at least 1")
	}
	told := map[string]bool{}
	for _, p := range policyProblems("policies", env.Settings.Policies) {
		told[p.Field+"\x00"+p.Detail] = true
		fields.Fail(p.Field, p.Code, "%s", p.Detail)
	}
	env.Settings.Policies = servedPolicies(env.Settings.Policies)
	for _, p := range check.Env(compile.Env(env, "")) {
		switch field := policyField(p.Field, "policies", env.Settings.Policies, 0); {
		case field == "name", field == "kind", field == "gateway_url", told[field+"\x00"+p.Reason]:
		default:
			fields.Fail(field, "not_servable", "%s", p.Reason)
		}
	}
	return fields.Err()
}

func (f *Fleet) makeEnvironment(ctx context.Context, u *unit, env apim.Environment) (apim.Environment, apim.Change, error) {
	epoch, err := u.System().FirstEpoch(ctx, env.Slug)
	if err != nil {
		return env, apim.Change{}, err
	}
	env.ID, env.Epoch, env.CreatedAt, env.Lock = apim.NewID(apim.PrefixEnvironment, u.now), epoch, u.now, 1
	if err := u.System().InsertEnvironment(ctx, env); err != nil {
		return env, apim.Change{}, err
	}
	if err := u.record(ctx, "", "environment.create", env.ID, "environment %s made, answering at %s", env.Slug, env.GatewayURL); err != nil {
		return env, apim.Change{}, err
	}
	change, err := f.emitEnvironment(ctx, u, &env)
	return env, change, err
}

func (f *Fleet) saveEnvironment(ctx context.Context, u *unit, env *apim.Environment) (apim.Change, error) {
	before, err := u.System().Environment(ctx, env.Slug)
	if err != nil {
		return apim.Change{}, err
	}
	if err := u.System().UpdateEnvironment(ctx, env); err != nil {
		return apim.Change{}, err
	}
	err = u.recordChange(ctx, "", "environment.change", env.ID, environmentFacts(before), environmentFacts(*env),
		"environment %s changed, answering at %s%s", env.Slug, env.GatewayURL, toldPolicies(policyChanges(before.Settings.Policies, env.Settings.Policies)))
	if err != nil {
		return apim.Change{}, err
	}
	return f.emitEnvironment(ctx, u, env)
}

func environmentFacts(e apim.Environment) any {
	return map[string]any{"name": e.Name, "gateway_url": e.GatewayURL, "settings": e.Settings}
}

func (f *Fleet) emitEnvironment(ctx context.Context, u *unit, env *apim.Environment) (apim.Change, error) {
	items, err := f.environmentItems(ctx, u, *env)
	if err != nil {
		return apim.Change{}, err
	}
	change, err := u.emit(ctx, env.Slug, items)
	env.Sequence = change.Sequence
	return change, err
}

// environmentItems is what an environment has whatever is deployed to it: its
// own entry, and the terms of every open plan.
func (f *Fleet) environmentItems(ctx context.Context, u *unit, env apim.Environment) ([]entry.Item, error) {
	problems := ""
	if f.PortalURL != "" {
		problems = f.PortalURL + "/docs/problems/"
	}
	it, err := entry.Encode(entry.EnvKey, entry.Position{}, compile.Env(env, problems))
	if err != nil {
		return nil, err
	}
	items := []entry.Item{it}
	plans, err := u.System().OpenPlans(ctx)
	if err != nil || len(plans) == 0 {
		return items, err
	}
	products, err := u.System().ProductsByID(ctx, ids(plans, func(p apim.Plan) apim.ID { return p.Product }))
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		it, err := termsItem(p, products[p.Product])
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// Environments lists all environments in the order they were made.
func (f *Fleet) Environments(ctx context.Context, actor apim.Actor) ([]apim.Environment, error) {
	if err := signedIn(actor); err != nil {
		return nil, err
	}
	return f.Store.System().Environments(ctx)
}

// EnsureNode enrols the node of this process (serve); it is idempotent. boxKey
// is its public X25519 key, base64.
func (f *Fleet) EnsureNode(ctx context.Context, environment, name, boxKey string) (apim.Node, error) {
	var fields apim.Check
	fields.Slug("name", name)
	if err := fields.Err(); err != nil {
		return apim.Node{}, err
	}
	var node apim.Node
	err := f.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) error {
		if _, err := u.System().Environment(ctx, environment); err != nil {
			return err
		}
		var err error
		node, err = u.System().Node(ctx, environment, name)
		switch {
		case apim.KindOf(err) == apim.NotFound:
			node = apim.Node{ID: apim.NewID(apim.PrefixNode, u.now), Environment: environment, Name: name, BoxKey: boxKey, AppliedMS: -1, EnrolledAt: u.now}
			if err := u.System().InsertNode(ctx, node); err != nil {
				return err
			}
			if err := u.record(ctx, "", "node.enrol", node.ID, "gateway node %s enrolled in %s", name, environment); err != nil {
				return err
			}
		case err != nil:
			return err
		case node.BoxKey == boxKey:
			return nil
		default:
			node.BoxKey = boxKey
			if err := u.System().SetNodeKeys(ctx, node); err != nil {
				return err
			}
		}
		_, err = u.emitKeys(ctx, environment, false)
		return err
	})
	return node, err
}

// Nodes lists an environment's nodes with what they last said, for operators
// and members of any tenant.
func (f *Fleet) Nodes(ctx context.Context, actor apim.Actor, environment string) ([]apim.Node, error) {
	if err := signedIn(actor); err != nil {
		return nil, err
	}
	if _, err := f.Store.System().Environment(ctx, environment); err != nil {
		return nil, err
	}
	return f.Confirm.Nodes(ctx, environment)
}

// Applied returns what the nodes confirm of a change now.
func (f *Fleet) Applied(ctx context.Context, actor apim.Actor, c apim.Change) (apim.Applied, error) {
	if err := signedIn(actor); err != nil {
		return apim.Applied{}, err
	}
	if err := f.known(ctx, c.Environment); err != nil {
		return apim.Applied{}, err
	}
	return f.Confirm.Applied(ctx, c)
}

// WaitApplied returns when every enrolled node has confirmed, or when ctx ends.
func (f *Fleet) WaitApplied(ctx context.Context, actor apim.Actor, c apim.Change) (apim.Applied, error) {
	if err := signedIn(actor); err != nil {
		return apim.Applied{}, err
	}
	if err := f.known(ctx, c.Environment); err != nil {
		return apim.Applied{}, err
	}
	return f.Confirm.Wait(ctx, c)
}

// known refuses an environment that is not. A database that is away does not:
// what the nodes say is still good.
func (f *Fleet) known(ctx context.Context, environment string) error {
	if _, err := f.Store.System().Environment(ctx, environment); apim.KindOf(err) == apim.NotFound {
		return err
	}
	return nil
}

// signedIn refuses nobody.
func signedIn(actor apim.Actor) error {
	if actor.Anonymous() {
		return apim.Errorf(apim.SignIn, "sign in to see this")
	}
	return nil
}
