package manager

import (
	"context"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager/compile"
)

// Fleet is what concerns environments and their gateway nodes.
type Fleet struct {
	Core
	Confirm  Confirmations
	Commands NodeCommands
	Users    NodeUsers // nil where the only node is this process's own
}

// EnsureEnvironment makes an environment, or updates its gateway URL, at
// start. It is the only way to make one in this release.
func (f *Fleet) EnsureEnvironment(ctx context.Context, slug, name string, kind apim.EnvironmentKind, gatewayURL string) (apim.Environment, error) {
	var check apim.Check
	check.Slug("slug", slug)
	check.Require("name", name)
	if kind != apim.Production && kind != apim.Sandbox {
		check.Fail("kind", "unknown", "use production or sandbox")
	}
	if err := absoluteURL(gatewayURL); err != nil {
		check.Fail("gateway_url", "url", "%s", err)
	}
	if err := check.Err(); err != nil {
		return apim.Environment{}, err
	}
	var env apim.Environment
	err := f.write(ctx, apim.Actor{System: true, Name: "Portico"}, func(u *unit) (err error) {
		env, err = f.ensureEnvironment(ctx, u, apim.Environment{Slug: slug, Name: name, Kind: kind, GatewayURL: strings.TrimRight(gatewayURL, "/")})
		return err
	})
	return env, err
}

func (f *Fleet) ensureEnvironment(ctx context.Context, u *unit, want apim.Environment) (apim.Environment, error) {
	sys := u.System()
	env, err := sys.Environment(ctx, want.Slug)
	switch {
	case apim.KindOf(err) == apim.NotFound:
		env = want
		env.ID, env.Epoch, env.CreatedAt, env.Lock = apim.NewID(apim.PrefixEnvironment, u.now), 1, u.now, 1
		if err := sys.InsertEnvironment(ctx, env); err != nil {
			return env, err
		}
		if err := u.record(ctx, "", "environment.create", env.ID, "environment %s made, answering at %s", env.Slug, env.GatewayURL); err != nil {
			return env, err
		}
	case err != nil:
		return env, err
	case env.Kind != want.Kind:
		return env, apim.Errorf(apim.Conflict, "environment %s is of kind %s, and its keys with it; the kind cannot change", env.Slug, env.Kind)
	case env.Name != want.Name || env.GatewayURL != want.GatewayURL:
		env.Name, env.GatewayURL = want.Name, want.GatewayURL
		if err := sys.UpdateEnvironment(ctx, &env); err != nil {
			return env, err
		}
		if err := u.record(ctx, "", "environment.change", env.ID, "environment %s answers at %s", env.Slug, env.GatewayURL); err != nil {
			return env, err
		}
	}
	items, err := f.environmentItems(ctx, u, env)
	if err != nil {
		return env, err
	}
	change, err := u.emit(ctx, env.Slug, items)
	env.Sequence = change.Sequence
	return env, err
}

// environmentItems is what an environment has whatever is deployed to it: its
// own entry, and the terms of every open plan.
func (f *Fleet) environmentItems(ctx context.Context, u *unit, env apim.Environment) ([]entry.Item, error) {
	settings := compile.DefaultSettings()
	if f.PortalURL != "" {
		settings.ProblemURL = f.PortalURL + "/docs/problems/"
	}
	it, err := entry.Encode(entry.EnvKey, entry.Position{}, compile.Env(env, settings))
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
	var check apim.Check
	check.Slug("name", name)
	if err := check.Err(); err != nil {
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
