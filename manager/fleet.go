package manager

import (
	"context"

	"portico/internal/apim"
)

// Fleet is what concerns environments and their gateway nodes.
type Fleet struct {
	Core
	Confirm Confirmations
}

// EnsureEnvironment makes an environment, or updates its gateway URL, at
// start. It is the only way to make one in this release.
func (f *Fleet) EnsureEnvironment(ctx context.Context, slug, name string, kind apim.EnvironmentKind, gatewayURL string) (apim.Environment, error) {
	return apim.Environment{}, errUnbuilt
}

// Environments lists all environments in the order they were made.
func (f *Fleet) Environments(ctx context.Context, actor apim.Actor) ([]apim.Environment, error) {
	return nil, errUnbuilt
}

// EnsureNode enrols a node of this process (serve); it is idempotent.
func (f *Fleet) EnsureNode(ctx context.Context, environment, name string) (apim.Node, error) {
	return apim.Node{}, errUnbuilt
}

// Nodes lists an environment's nodes with what they last said, for operators
// and members of any tenant.
func (f *Fleet) Nodes(ctx context.Context, actor apim.Actor, environment string) ([]apim.Node, error) {
	return nil, errUnbuilt
}

// Applied returns what the nodes confirm of a change now.
func (f *Fleet) Applied(ctx context.Context, actor apim.Actor, c apim.Change) (apim.Applied, error) {
	return apim.Applied{}, errUnbuilt
}

// WaitApplied returns when every enrolled node has confirmed, or when ctx ends.
func (f *Fleet) WaitApplied(ctx context.Context, actor apim.Actor, c apim.Change) (apim.Applied, error) {
	return apim.Applied{}, errUnbuilt
}
