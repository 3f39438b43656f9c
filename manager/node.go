package manager

import (
	"context"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

const (
	enrolmentPrefix = "portico_enrol"
	enrolmentFor    = 24 * time.Hour
)

// NodeUsers signs what lets a node into the bus; bus.Operator does.
type NodeUsers interface {
	// NodeUser signs the user whose public key is given.
	NodeUser(environment, node, publicKey string) (string, error)
}

// NodeCommands tells nodes what to do, beside their configuration; the bus does.
type NodeCommands interface {
	// Command does not wait for the node. It fails when the bus is away.
	Command(ctx context.Context, environment, node string, do entry.CommandKind) error
}

// EnrolNode is what a node says of itself when it comes.
type EnrolNode struct {
	Token   secret.Text
	Name    string // wanted; an enrolment that names the node goes before it
	UserKey string // public nkey
	BoxKey  string // public X25519 key, base64
	Build   string
}

// Enrolled is what a node is told when it has come.
type Enrolled struct {
	Node apim.Node
	User string // its user on the bus, signed
}

// CreateEnrolment makes a one-time token, good for 24 hours, with which a node
// comes to an environment. The text is shown this once. An empty name lets the
// node choose; the name of a node that is there already lets that one come
// again with new keys.
func (f *Fleet) CreateEnrolment(ctx context.Context, actor apim.Actor, environment, name string) (apim.Enrolment, secret.Text, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Manage, apim.ObjectNode); err != nil {
		return apim.Enrolment{}, "", err
	}
	if f.Users == nil {
		return apim.Enrolment{}, "", apim.Errorf(apim.Conflict, "this installation runs in one process, and its gateway with it; run 'portico manager' on a NATS server to let nodes come").WithCode("one_process")
	}
	var check apim.Check
	if name != "" {
		check.Slug("name", name)
	}
	if err := check.Err(); err != nil {
		return apim.Enrolment{}, "", err
	}
	text := secret.MintToken(enrolmentPrefix)
	var out apim.Enrolment
	err := f.write(ctx, actor, func(u *unit) error {
		if _, err := u.System().Environment(ctx, environment); err != nil {
			return err
		}
		if err := u.System().SweepEnrolments(ctx, u.now.Add(-enrolmentFor)); err != nil {
			return err
		}
		out = apim.Enrolment{
			ID: apim.NewID(apim.PrefixEnrolment, u.now), Environment: environment, Name: name, CreatedBy: who(actor),
			CreatedAt: u.now, ExpiresAt: u.now.Add(enrolmentFor),
		}
		if err := u.System().InsertEnrolment(ctx, out, secret.HashHex(text.Reveal())); err != nil {
			return err
		}
		return u.record(ctx, "", "enrolment.create", out.ID, "enrolment token made for %s in %s", orAnyNode(name), environment)
	})
	return out, text, err
}

func orAnyNode(name string) string {
	if name == "" {
		return "a gateway node"
	}
	return "gateway node " + name
}

// Enrolments lists an environment's enrolment tokens that were not used yet.
func (f *Fleet) Enrolments(ctx context.Context, actor apim.Actor, environment string) ([]apim.Enrolment, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Manage, apim.ObjectNode); err != nil {
		return nil, err
	}
	if _, err := f.Store.System().Environment(ctx, environment); err != nil {
		return nil, err
	}
	return f.Store.System().Enrolments(ctx, environment, f.now())
}

// DeleteEnrolment takes back an enrolment token that was not used.
func (f *Fleet) DeleteEnrolment(ctx context.Context, actor apim.Actor, environment string, id apim.ID) error {
	if err := f.Authz.Allow(ctx, actor, "", apim.Manage, apim.ObjectNode); err != nil {
		return err
	}
	return f.write(ctx, actor, func(u *unit) error {
		if err := u.System().DeleteEnrolment(ctx, environment, id); err != nil {
			return err
		}
		return u.record(ctx, "", "enrolment.delete", id, "enrolment token for %s taken back", environment)
	})
}

// Enrol lets a node come that shows an enrolment token. The node that has used
// it may ask again; for everybody else it is over.
func (f *Fleet) Enrol(ctx context.Context, in EnrolNode) (Enrolled, error) {
	if f.Users == nil {
		return Enrolled{}, apim.Errorf(apim.NotFound, "nodes do not come to an installation that runs in one process")
	}
	var out Enrolled
	err := f.write(ctx, apim.Actor{System: true, Name: "a gateway node"}, func(u *unit) error {
		sys := u.System()
		e, err := sys.EnrolmentByHash(ctx, secret.HashHex(in.Token.Reveal()))
		if apim.KindOf(err) == apim.NotFound {
			return apim.Errorf(apim.Forbidden, "the enrolment token is not known; ask an operator for one").WithCode("enrolment_unknown")
		}
		if err != nil {
			return err
		}
		again := !e.UsedAt.IsZero()
		node := apim.Node{
			ID: apim.NewID(apim.PrefixNode, u.now), Environment: e.Environment, Name: in.Name, UserKey: in.UserKey, BoxKey: in.BoxKey,
			Build: clipped(in.Build, 100), AppliedMS: -1, EnrolledAt: u.now,
		}
		if e.Name != "" {
			node.Name = e.Name
		}
		if err := checkNode(node); err != nil {
			return err
		}
		if err := e.Use(node.ID, in.UserKey, u.now); err != nil {
			return err
		}
		if again {
			nodes, err := sys.Nodes(ctx, e.Environment)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(nodes, func(n apim.Node) bool { return n.ID == e.Node && n.UserKey == in.UserKey })
			if i < 0 {
				return apim.Errorf(apim.Forbidden, "the node that used this token was removed; ask for a new one").WithCode("enrolment_used")
			}
			out.Node = nodes[i]
			return nil
		}
		if node, err = u.admit(ctx, node, e.Name != ""); err != nil {
			return err
		}
		e.Node = node.ID
		out.Node = node
		if err := sys.UseEnrolment(ctx, e); err != nil {
			return err
		}
		if err := u.record(ctx, "", "node.enrol", node.ID, "gateway node %s enrolled in %s", node.Name, node.Environment); err != nil {
			return err
		}
		_, err = u.emitKeys(ctx, node.Environment, false)
		return err
	})
	if err != nil {
		return Enrolled{}, err
	}
	out.User, err = f.Users.NodeUser(out.Node.Environment, out.Node.ID.UUID(), out.Node.UserKey)
	return out, err
}

// admit makes a node's row. One of the same name is in the way, unless the
// enrolment was made for it: then it gets the new keys, and the bus lets the
// old ones in no more.
func (u *unit) admit(ctx context.Context, node apim.Node, meant bool) (apim.Node, error) {
	have, err := u.System().Node(ctx, node.Environment, node.Name)
	switch {
	case apim.KindOf(err) == apim.NotFound:
		return node, u.System().InsertNode(ctx, node)
	case err != nil:
		return node, err
	case have.UserKey == node.UserKey:
		return have, nil // it lost what it was told
	case !meant:
		return node, apim.Errorf(apim.Conflict, "there is a node %s in %s already; choose another name, or ask for an enrolment token made for that one", node.Name, node.Environment).WithCode("node_exists")
	}
	if err := u.System().RemoveNode(ctx, have, u.now); err != nil {
		return node, err
	}
	return node, u.System().InsertNode(ctx, node)
}

func checkNode(n apim.Node) error {
	var check apim.Check
	check.Slug("name", n.Name)
	if len(n.UserKey) != 56 || n.UserKey[0] != 'U' || strings.Trim(n.UserKey, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		check.Fail("user_key", "key", "is not the public nkey of a user")
	}
	if _, err := secret.SealFor(n.BoxKey, nil, "check"); err != nil {
		check.Fail("box_key", "key", "%s", err)
	}
	return check.Err()
}

// RemoveNode ends a node's place in its environment: the bus lets it in no
// more, and what it knew to open is sealed anew. One that still runs is told to
// end.
func (f *Fleet) RemoveNode(ctx context.Context, actor apim.Actor, environment, name string) error {
	if err := f.Authz.Allow(ctx, actor, "", apim.Manage, apim.ObjectNode); err != nil {
		return err
	}
	node, err := f.Store.System().Node(ctx, environment, name)
	if err != nil {
		return err
	}
	if node.UserKey == "" {
		return apim.Errorf(apim.Conflict, "%s is the gateway of this process, and ends with it", name).WithCode("own_node")
	}
	// It hears that it is to leave before the bus has put it out.
	if err := f.Commands.Command(ctx, environment, node.ID.UUID(), entry.Leave); err != nil {
		f.Log.WarnContext(ctx, "removed node not told", "node", name, "error", err)
	}
	return f.write(ctx, actor, func(u *unit) error {
		if err := u.System().RemoveNode(ctx, node, u.now); err != nil {
			return err
		}
		if err := u.record(ctx, "", "node.remove", node.ID, "gateway node %s removed from %s", name, environment); err != nil {
			return err
		}
		_, err := u.emitKeys(ctx, environment, true)
		return err
	})
}

// Drain makes a node not ready, or, with resume, ready again. It is not kept: a
// node that starts anew takes calls.
func (f *Fleet) Drain(ctx context.Context, actor apim.Actor, environment, name string, resume bool) error {
	if err := f.Authz.Allow(ctx, actor, "", apim.Manage, apim.ObjectNode); err != nil {
		return err
	}
	do, action, said := entry.Drain, "node.drain", "drained"
	if resume {
		do, action, said = entry.Resume, "node.resume", "taken back into service"
	}
	var node apim.Node
	err := f.write(ctx, actor, func(u *unit) (err error) {
		if node, err = u.System().Node(ctx, environment, name); err != nil {
			return err
		}
		return u.record(ctx, "", action, node.ID, "gateway node %s in %s %s", name, environment, said)
	})
	if err != nil {
		return err
	}
	if err := f.Commands.Command(ctx, environment, node.ID.UUID(), do); err != nil {
		f.Log.WarnContext(ctx, "node not told", "node", name, "error", err)
		return apim.Errorf(apim.Unavailable, "the message bus cannot be reached, and so the node was not told; try again in a moment")
	}
	return nil
}
