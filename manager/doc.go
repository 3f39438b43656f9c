// Package manager holds the control plane's use cases: what people and
// programs can do with Portico, one method each.
//
// Every method has the same shape: check the actor, load, let the domain
// (internal/apim) decide, save and emit, all in one transaction. Nothing
// remote happens inside it. What the gateway nodes need is compiled in that
// transaction and lies in the environment's entry rows, which manager/publish
// delivers afterwards; a returned apim.Change says where, and Fleet tells when
// the nodes have confirmed it.
//
// The package deliberately knows no HTTP, no page and no bus. Errors that
// callers may show are *apim.Error; anything else is an internal failure.
// All types are safe for concurrent use after construction.
package manager

import (
	"context"
	"log/slog"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager/authz"
	"portico/manager/store"
)

// Core is what every group of use cases works with. All fields are needed.
type Core struct {
	Store *store.Store
	Authz *authz.Authorizer
	Now   func() time.Time
	Log   *slog.Logger
	// Nudge tells the publisher that an environment has something to deliver.
	// It must not block.
	Nudge func(environment string)
	// Live tells what the nodes can serve; nil where no node is heard.
	Live LiveNodes
	// Box opens and seals what the database keeps secret; nil in a portal.
	Box *secret.Box
	// PortalURL and ConsoleURL are the addresses people use, without a slash
	// at the end.
	PortalURL, ConsoleURL string
}

// Confirmations tells what gateway nodes have applied. manager/collect
// implements it.
type Confirmations interface {
	// Applied returns what the nodes confirm of a change now.
	Applied(ctx context.Context, c apim.Change) (apim.Applied, error)
	// Wait returns when every enrolled node has confirmed, or when ctx ends;
	// then Done is false and the answer names who has not.
	Wait(ctx context.Context, c apim.Change) (apim.Applied, error)
	// Nodes returns the environment's nodes with what they last said.
	Nodes(ctx context.Context, environment string) ([]apim.Node, error)
}

// LiveNodes tells what gateway nodes that can be reached last said.
// manager/collect implements it.
type LiveNodes interface {
	// Reachable returns the newest status of each enrolled node of an environment
	// that was heard lately. It does not wait for any.
	Reachable(environment string) []entry.Status
}

// UpstreamHealths tells how gateway nodes find upstreams. manager/collect
// implements it.
type UpstreamHealths interface {
	// Upstreams returns what each enrolled node of an environment says of the
	// upstreams of a version, which is a uuid.
	Upstreams(ctx context.Context, environment, version string) ([]apim.NodeUpstreams, error)
	// Targets asks the nodes how a version's targets are, and waits for those that
	// can be reached until ctx ends. With check they ask the targets first.
	Targets(ctx context.Context, environment string, look entry.Look) ([]apim.NodeTargets, error)
}

// Explanations tells the ways of calls that gateway nodes were asked for lately.
// manager/collect implements it. Tenants are uuids.
type Explanations interface {
	// Explanation returns one, and waits for it until ctx ends.
	Explanation(ctx context.Context, environment, tenant, id string) (x entry.Explanation, ok bool)
	// Explanations returns all of a tenant, the newest first.
	Explanations(environment, tenant string) []entry.Explanation
}
