package manager_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// signing signs like bus.Operator, and told remembers what nodes were told.
type (
	signing struct{}
	told    struct {
		all  []string
		away bool
	}
)

func (signing) NodeUser(environment, node, publicKey string) (string, error) {
	return environment + " " + node + " " + publicKey, nil
}

func (c *told) Command(_ context.Context, environment, node string, do entry.CommandKind) error {
	if c.away {
		return errors.New("the bus is away")
	}
	c.all = append(c.all, string(do)+" "+environment+" "+node)
	return nil
}

// coming is what a node with a key says when it comes.
func coming(t *testing.T, token secret.Text, name string, key bus.NodeKey) manager.EnrolNode {
	t.Helper()
	return manager.EnrolNode{
		Token: token, Name: name, Build: "1.0",
		UserKey: must[string](t)(key.User()), BoxKey: must[string](t)(key.BoxPublic()),
	}
}

func (w *world) enrolment(name string) secret.Text {
	w.t.Helper()
	_, token, err := w.fleet.CreateEnrolment(w.t.Context(), system, "production", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// opened is the environment's key as a node opens it; nil when it cannot.
func (w *world) opened(key bus.NodeKey, node apim.Node) (uint64, []byte) {
	w.t.Helper()
	items := must[[]entry.Item](w.t)(w.store.LoadEntries(w.t.Context(), "production", []entry.Key{entry.KeysKey}))
	if len(items) == 0 {
		w.t.Fatal("no key was published")
	}
	body := must[entry.Keys](w.t)(entry.Decode[entry.Keys](items[0]))
	box, err := key.Box()
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := secret.OpenFor(box, body.Sealed[node.ID.UUID()], entry.KeyInfo("production", body.Number))
	if err != nil {
		return body.Number, nil
	}
	return body.Number, raw
}

func TestNodesComeByAOneTimeToken(t *testing.T) { postgres.Both(t, testNodesComeByAOneTimeToken) }

func testNodesComeByAOneTimeToken(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	_, _, err := w.fleet.CreateEnrolment(ctx, system, "production", "")
	refused(t, err, apim.Conflict) // one process
	w.fleet.Users = signing{}
	token := w.enrolment("")
	got := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, token, "gw-2", bus.NodeKey{2})))
	if got.Node.Name != "gw-2" || got.User != "production "+got.Node.ID.UUID()+" "+got.Node.UserKey || w.audited("", "node.enrol") != 1 {
		t.Errorf("got %+v", got)
	}
	if n, key := w.opened(bus.NodeKey{2}, got.Node); n != 1 || len(key) != 32 {
		t.Errorf("the node opens key %d as %d bytes", n, len(key))
	}
	again := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, token, "gw-2", bus.NodeKey{2}))) // its answer was lost
	if again.Node.ID != got.Node.ID || again.User != got.User || w.audited("", "node.enrol") != 1 {
		t.Errorf("got %+v the second time, want the same", again)
	}
	for name, in := range map[string]manager.EnrolNode{
		"another node": coming(t, token, "gw-3", bus.NodeKey{3}), "no token": coming(t, "", "gw-3", bus.NodeKey{3}),
		"half a token": coming(t, token[:20], "gw-3", bus.NodeKey{3}),
	} {
		if _, err := w.fleet.Enrol(ctx, in); apim.KindOf(err) != apim.Forbidden {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	_, err = w.fleet.Enrol(ctx, coming(t, w.enrolment(""), "gw-2", bus.NodeKey{3}))
	refused(t, err, apim.Conflict) // the name is taken
	bad := coming(t, w.enrolment(""), "Gw 3", bus.NodeKey{3})
	bad.UserKey, bad.BoxKey = "me", "x"
	_, err = w.fleet.Enrol(ctx, bad)
	wantFields(t, err, "box_key name user_key")
	late := w.enrolment("")
	w.pass(25 * time.Hour)
	_, err = w.fleet.Enrol(ctx, coming(t, late, "gw-9", bus.NodeKey{9}))
	refused(t, err, apim.Forbidden)
	if all := must[[]apim.Enrolment](t)(w.fleet.Enrolments(ctx, system, "production")); len(all) != 0 {
		t.Errorf("got %+v, want none that is good", all)
	}
}

func TestEnrolmentsAreTakenBackWhileUnused(t *testing.T) {
	postgres.Both(t, testEnrolmentsAreTakenBackWhileUnused)
}

func testEnrolmentsAreTakenBackWhileUnused(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	w.fleet.Users = signing{}
	token := w.enrolment("gw-7")
	all := must[[]apim.Enrolment](t)(w.fleet.Enrolments(ctx, system, "production"))
	if len(all) != 1 || all[0].Name != "gw-7" || all[0].CreatedBy == "" {
		t.Fatalf("got %+v", all)
	}
	if err := w.fleet.DeleteEnrolment(ctx, system, "production", all[0].ID); err != nil {
		t.Fatal(err)
	}
	refused(t, w.fleet.DeleteEnrolment(ctx, system, "production", all[0].ID), apim.NotFound)
	_, err := w.fleet.Enrol(ctx, coming(t, token, "gw-7", bus.NodeKey{7}))
	refused(t, err, apim.Forbidden)
}

func TestRemovedNodeOpensNothingNewAndItsNameIsFree(t *testing.T) {
	postgres.Both(t, testRemovedNodeOpensNothingNewAndItsNameIsFree)
}

func testRemovedNodeOpensNothingNewAndItsNameIsFree(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	commands := &told{}
	w.fleet.Users, w.fleet.Commands = signing{}, commands
	stays := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, w.enrolment(""), "stays", bus.NodeKey{1})))
	goes := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, w.enrolment(""), "goes", bus.NodeKey{2})))
	_, before := w.opened(bus.NodeKey{2}, goes.Node)
	if err := w.fleet.RemoveNode(ctx, system, "production", "goes"); err != nil {
		t.Fatal(err)
	}
	if got := commands.all; len(got) != 1 || got[0] != "leave production "+goes.Node.ID.UUID() {
		t.Errorf("nodes were told %v", got)
	}
	if n, key := w.opened(bus.NodeKey{2}, goes.Node); key != nil {
		t.Errorf("the removed node opens key %d", n)
	}
	n, after := w.opened(bus.NodeKey{1}, stays.Node)
	if n != 2 || len(after) != 32 || string(after) == string(before) {
		t.Errorf("the other node opens key %d, the old one: %v", n, string(after) == string(before))
	}
	if gone := must[[]string](t)(w.store.RemovedNodes(ctx, "production")); len(gone) != 1 || gone[0] != goes.Node.UserKey {
		t.Errorf("the bus is to let in no more: %v", gone)
	}
	refused(t, w.fleet.RemoveNode(ctx, system, "production", "goes"), apim.NotFound)
	next := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, w.enrolment(""), "goes", bus.NodeKey{3})))
	if next.Node.ID == goes.Node.ID {
		t.Error("the new node is the removed one")
	}
	// A token made for a node's name gives it new keys, and ends the old ones.
	renewed := must[manager.Enrolled](t)(w.fleet.Enrol(ctx, coming(t, w.enrolment("goes"), "whatever", bus.NodeKey{4})))
	if renewed.Node.Name != "goes" {
		t.Errorf("got %+v", renewed.Node)
	}
	if gone := must[[]string](t)(w.store.RemovedNodes(ctx, "production")); len(gone) != 2 {
		t.Errorf("the bus is to let in no more: %v", gone)
	}
}

func TestDrainingIsSaidToTheNodeAndRecorded(t *testing.T) {
	postgres.Both(t, testDrainingIsSaidToTheNodeAndRecorded)
}

func testDrainingIsSaidToTheNodeAndRecorded(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	ctx := t.Context()
	commands := &told{}
	w.fleet.Commands = commands
	node := must[apim.Node](t)(w.fleet.EnsureNode(ctx, "production", "gw-1", boxKey))
	for _, resume := range []bool{false, true} {
		if err := w.fleet.Drain(ctx, system, "production", "gw-1", resume); err != nil {
			t.Fatal(err)
		}
	}
	if got := commands.all; len(got) != 2 || got[0] != "drain production "+node.ID.UUID() || got[1] != "resume production "+node.ID.UUID() {
		t.Errorf("nodes were told %v", got)
	}
	if w.audited("", "node.drain") != 1 || w.audited("", "node.resume") != 1 {
		t.Error("it is not in the audit log")
	}
	refused(t, w.fleet.Drain(ctx, system, "production", "gw-2", false), apim.NotFound)
	refused(t, w.fleet.RemoveNode(ctx, system, "production", "gw-1"), apim.Conflict) // this process's own
	commands.away = true
	refused(t, w.fleet.Drain(ctx, system, "production", "gw-1", false), apim.Unavailable)
}
