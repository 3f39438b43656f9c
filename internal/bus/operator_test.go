package bus_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"portico/internal/bus"
	"portico/internal/entry"
)

const nodeID = "0123456789abcdef0123456789abcdef"

// installation is a server that several processes share, and a manager on it.
func installation(t *testing.T) (url string, dir string, o *bus.Operator, manager *bus.Bus) {
	t.Helper()
	dir = t.TempDir()
	if made, err := bus.WriteSetup(dir, "127.0.0.1:4222", filepath.Join(dir, "store")); err != nil || !made {
		t.Fatalf("got made %v, %v", made, err)
	}
	srv, err := bus.StartServer(bus.ServerOptions{Config: filepath.Join(dir, bus.ServerFile), Listen: "127.0.0.1:0", Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	if o, err = bus.ReadOperator(filepath.Join(dir, bus.OperatorFile)); err != nil {
		t.Fatal(err)
	}
	manager, err = bus.Connect(bus.Options{URL: srv.URL(), Operator: o, Name: "manager", Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	return srv.URL(), dir, o, manager
}

// account makes an environment's account, as soon as the server is there.
func account(t *testing.T, b *bus.Bus, a bus.Account) {
	t.Helper()
	var err error
	waitFor(t, "the account of "+a.Environment, func() bool { err = b.PutAccount(t.Context(), a); return err == nil })
}

// enrolled returns a node's credentials.
func enrolled(t *testing.T, o *bus.Operator, environment string, key bus.NodeKey) bus.Credentials {
	t.Helper()
	public, err := key.User()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := o.NodeUser(environment, nodeID, public)
	if err != nil {
		t.Fatal(err)
	}
	as, err := key.Credentials(signed)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func TestNodesHearReportAndObeyWithWhatTheyWereGivenAtEnrolment(t *testing.T) {
	url, _, o, manager := installation(t)
	account(t, manager, bus.Account{Environment: "production"})
	env := manager.Environment("production")
	waitFor(t, "the bucket", func() bool { _, err := env.Prepare(t.Context()); return err == nil })
	snapshot(t, env)
	small, big := grant(t, 1, 1, 10), grant(t, 2, 1, 600<<10)
	put(t, env, small, big)

	as := enrolled(t, o, "production", bus.NodeKey{1})
	line, err := bus.Connect(bus.Options{URL: url, Credentials: &as, Inbox: bus.NodeInbox(nodeID), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	n := watching(t, line.Environment("production"))
	n.until(t, "the entry", hears(small))
	n.until(t, "the large one", hears(big))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := make(chan entry.Status, 1)
	go func() {
		_ = env.Statuses(ctx, func(s entry.Status) {
			select {
			case heard <- s:
			default:
			}
		})
	}()
	told := make(chan entry.Command, 2)
	go func() { _ = line.Environment("production").Commands(ctx, nodeID, func(c entry.Command) { told <- c }) }()
	waitFor(t, "the status", func() bool {
		_ = line.Environment("production").Report(ctx, entry.Status{Node: nodeID, Environment: "production"})
		return len(heard) > 0
	})
	for to, do := range map[string]entry.CommandKind{nodeID: entry.Drain, entry.EveryNode: entry.Resume} {
		waitFor(t, "the command "+string(do), func() bool {
			if err := env.Command(ctx, to, entry.Command{Do: do}); err != nil {
				t.Fatal(err)
			}
			select {
			case c := <-told:
				return c.Do == do
			case <-time.After(50 * time.Millisecond):
				return false
			}
		})
	}
}

// A node is the least trusted machine of an installation: what it may not do is
// refused by the server, also by the side doors of JetStream, which answers
// wherever it is asked to.
func TestNodesCanChangeNothingAndReachNoOtherEnvironment(t *testing.T) {
	url, _, o, manager := installation(t)
	for _, slug := range []string{"production", "sandbox"} {
		account(t, manager, bus.Account{Environment: slug})
		env := manager.Environment(slug)
		waitFor(t, "the bucket", func() bool { _, err := env.Prepare(t.Context()); return err == nil })
		snapshot(t, env)
		put(t, env, grant(t, 1, 1, 10))
	}
	as := enrolled(t, o, "production", bus.NodeKey{1})
	refused := make(chan string, 100)
	conn, err := nats.Connect(url, nats.UserJWTAndSeed(as.JWT, as.Seed.Reveal()), nats.CustomInboxPrefix(bus.NodeInbox(nodeID)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err.Error() }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, subject := range []string{
		"$KV.portico-production.env", "$KV.portico-sandbox.env", "status.production.another", "usage.production.another", "usage.sandbox." + nodeID, "ack.production." + nodeID, "status.sandbox." + nodeID, "explain.production.another", "explain.sandbox." + nodeID,
		"command.production.all", "nudge.production", "head.production", "question", "members", "$SYS.REQ.CLAIMS.UPDATE",
		"$JS.API.STREAM.DELETE.KV_portico-production", "$JS.API.STREAM.PURGE.KV_portico-production", "$JS.API.STREAM.CREATE.X",
		"$JS.API.STREAM.INFO.KV_portico-sandbox", "$JS.API.STREAM.MSG.DELETE.KV_portico-production", "$O.portico-objects-production.C.x",
	} {
		if err := conn.Publish(subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-refused:
			if !strings.Contains(got, "Permissions Violation for Publish to \""+subject) {
				t.Errorf("%s: got %s", subject, got)
			}
		case <-time.After(patience):
			t.Errorf("publishing to %s is not refused", subject)
		}
	}
	for _, subject := range []string{">", "status.>", "$KV.>", "command.>", "_INBOX.>", "_INBOX_another.>", "command.sandbox.all", "usage.>", "ack.production.another", "ack.sandbox." + nodeID} {
		if _, err := conn.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-refused:
			if !strings.Contains(got, "Permissions Violation for Subscription to \""+subject) {
				t.Errorf("%s: got %s", subject, got)
			}
		case <-time.After(patience):
			t.Errorf("listening to %s is not refused", subject)
		}
	}
	// Answers and deliveries aimed at another environment's bucket stay in this account.
	create := `{"stream_name":"KV_portico-production","config":{"name":"c","deliver_subject":"$KV.portico-sandbox.pushed","deliver_policy":"all","ack_policy":"none"}}`
	if _, err := conn.Request("$JS.API.CONSUMER.CREATE.KV_portico-production.c", []byte(create), patience); err != nil {
		t.Fatal(err)
	}
	if err := conn.PublishRequest("$JS.API.STREAM.INFO.KV_portico-production", "$KV.portico-sandbox.info", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Request("$JS.API.STREAM.INFO.KV_portico-production", nil, patience); err != nil { // the others were before
		t.Fatal(err)
	}
	for _, f := range snapshot(t, manager.Environment("sandbox")) {
		if f.Err != nil || !strings.HasPrefix(f.Key, "grant.") {
			t.Errorf("the sandbox holds %+v", f)
		}
	}
}

func TestRevokedNodeIsPutOutAndLetInNoMore(t *testing.T) {
	url, _, o, manager := installation(t)
	account(t, manager, bus.Account{Environment: "production"})
	lines := map[bus.NodeKey]*bus.Bus{}
	for _, key := range []bus.NodeKey{{1}, {2}} {
		as := enrolled(t, o, "production", key)
		line, err := bus.Connect(bus.Options{URL: url, Credentials: &as, Inbox: bus.NodeInbox(nodeID), Log: logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
		lines[key] = line
		waitFor(t, "the connection", func() bool { _, ok := line.Connected(); return ok })
	}
	gone, err := bus.NodeKey{1}.User()
	if err != nil {
		t.Fatal(err)
	}
	account(t, manager, bus.Account{Environment: "production", Revoked: []string{gone}})
	waitFor(t, "the end of the revoked one", func() bool { _, ok := lines[bus.NodeKey{1}].Connected(); return !ok })
	if _, ok := lines[bus.NodeKey{2}].Connected(); !ok {
		t.Error("the other node was put out too")
	}
	as := enrolled(t, o, "production", bus.NodeKey{1})
	if _, err := nats.Connect(url, nats.UserJWTAndSeed(as.JWT, as.Seed.Reveal())); err == nil {
		t.Error("a revoked node was let in again")
	}
}

// The account of a deleted environment is for nobody; when its name is used
// again, who was removed before stays out.
func TestClosedAccountLetsNobodyInAndItsNameOpensNothingOfBefore(t *testing.T) {
	url, _, o, manager := installation(t)
	old := enrolled(t, o, "sandbox", bus.NodeKey{1})
	removed, err := bus.NodeKey{1}.User()
	if err != nil {
		t.Fatal(err)
	}
	account(t, manager, bus.Account{Environment: "sandbox"})
	env := manager.Environment("sandbox")
	waitFor(t, "the bucket", func() bool { _, err := env.Prepare(t.Context()); return err == nil })
	snapshot(t, env)
	put(t, env, grant(t, 1, 1, 10))
	if err := env.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Drop(t.Context()); err != nil {
		t.Errorf("the second time: %v", err)
	}
	account(t, manager, bus.Account{Environment: "sandbox", Revoked: []string{removed}, Closed: true})
	manager.Forget("sandbox")
	for name, key := range map[string]bus.NodeKey{"removed": {1}, "another": {2}} {
		as := enrolled(t, o, "sandbox", key)
		if _, err := nats.Connect(url, nats.UserJWTAndSeed(as.JWT, as.Seed.Reveal())); err == nil {
			t.Errorf("%s was let into the closed account", name)
		}
	}

	account(t, manager, bus.Account{Environment: "sandbox", Revoked: []string{removed}})
	again := manager.Environment("sandbox")
	waitFor(t, "the new bucket", func() bool { made, err := again.Prepare(t.Context()); return err == nil && made })
	if _, err := nats.Connect(url, nats.UserJWTAndSeed(old.JWT, old.Seed.Reveal())); err == nil {
		t.Error("a node of before was let in")
	}
	fresh := enrolled(t, o, "sandbox", bus.NodeKey{3})
	conn, err := nats.Connect(url, nats.UserJWTAndSeed(fresh.JWT, fresh.Seed.Reveal()))
	if err != nil {
		t.Fatalf("a new node: %v", err)
	}
	conn.Close()
}

func TestPortalMayAskAndNudgeAndNothingElse(t *testing.T) {
	url, dir, _, manager := installation(t)
	as, err := bus.ReadCredentials(filepath.Join(dir, bus.PortalFile))
	if err != nil {
		t.Fatal(err)
	}
	portal, err := bus.Connect(bus.Options{URL: url, Credentials: &as, Inbox: bus.PortalInbox, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer portal.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	nudged := make(chan string, 10)
	go func() {
		defer close(done)
		_ = manager.Answer(ctx, func(_ context.Context, q []byte) []byte { return append([]byte("heard "), q...) })
	}()
	go func() { _ = manager.Nudges(ctx, func(slug string) { nudged <- slug }) }()
	defer func() { cancel(); <-done }()
	waitFor(t, "the answer", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := portal.Ask(ctx, []byte("this"))
		return err == nil && string(got) == "heard this"
	})
	waitFor(t, "the nudge", func() bool { portal.Nudge("production"); return len(nudged) > 0 })
	claims, err := jwt.DecodeUserClaims(as.JWT)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(claims.Pub.Allow, " "); got != "nudge.* question" {
		t.Errorf("a portal may publish to %s", got)
	}
}

func TestSetupIsWrittenOnceAndKeptPrivate(t *testing.T) {
	_, dir, _, _ := installation(t)
	before, err := os.ReadFile(filepath.Join(dir, bus.OperatorFile))
	if err != nil {
		t.Fatal(err)
	}
	if made, err := bus.WriteSetup(dir, "127.0.0.1:4222", dir); err != nil || made {
		t.Errorf("got made %v, %v the second time", made, err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, bus.OperatorFile)); err != nil || string(after) != string(before) {
		t.Errorf("the operator changed, %v", err)
	}
	for _, name := range []string{bus.OperatorFile, bus.PortalFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v", name, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bus.ReadOperator(filepath.Join(dir, bus.OperatorFile)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a seed that others may read: got %v", err)
	}
	if _, err := bus.ReadCredentials(filepath.Join(dir, bus.PortalFile)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("credentials that others may read: got %v", err)
	}
	conf, err := os.ReadFile(filepath.Join(dir, bus.ServerFile))
	if err != nil || strings.Contains(string(conf), strings.TrimSpace(string(before))) {
		t.Errorf("the server's configuration holds the seed, %v", err)
	}
}
