package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/store"
	"portico/openapi/contract"
	"portico/openapi/spec"
	"portico/test/fake"
)

// notByCommand are the operations that no command calls, and why.
func notByCommand() map[string]string {
	return map[string]string{
		"getDescription": "the document itself, for tools that read OpenAPI: any HTTP client gets it, without a token",
		"getImport":      "'portico import' stages a document and accepts it at once, so that there is none to come back to",
	}
}

// person makes a member of shop, an owner, signs them in twice by browser, and
// returns their API token.
func (tm *terminal) person(name string) string {
	tm.t.Helper()
	ctx, core := tm.t.Context(), tm.edge.Tenants.Core
	shop, err := tm.edge.Tenants.Tenant(ctx, apim.Actor{System: true}, "shop")
	if err != nil {
		tm.t.Fatal(err)
	}
	p := apim.Person{ID: apim.NewID(apim.PrefixPerson, time.Now()), Email: strings.ToLower(name) + "@shop.example", Name: name, CreatedAt: time.Now().UTC(), Lock: 1}
	err = core.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.System().InsertPerson(ctx, p, ""); err != nil {
			return err
		}
		return tx.Tenant(shop.ID).InsertMember(ctx, apim.Member{Tenant: shop.ID, Person: p.ID, Roles: []apim.Role{apim.RoleOwner}, JoinedAt: time.Now()})
	})
	if err = errors.Join(err, core.Authz.Reload(ctx)); err != nil {
		tm.t.Fatal(err)
	}
	sessions := web.NewSessions("console", core.ConsoleURL, core.Store.Sessions("console", time.Now), time.Now)
	console := web.New(web.Config{Name: "console", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sessions: sessions, Person: tm.edge.Tenants.Person})
	console.POST("/sign-in", func(c *gin.Context) {
		if err := sessions.SignIn(c.Request.Context(), p.ID); err != nil {
			tm.t.Error(err)
		}
	})
	for range 2 {
		console.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/sign-in", nil))
	}
	_, text, err := tm.edge.Tenants.CreateToken(ctx, apim.Actor{Person: p.ID, Name: name}, shop.ID, manager.NewToken{Name: "tests"})
	if err != nil {
		tm.t.Fatal(err)
	}
	return text
}

// node lets a node in, with the token in a file.
func (tm *terminal) node(name, tokenFile string) {
	tm.t.Helper()
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		tm.t.Fatal(err)
	}
	key := bus.NodeKey{7}
	user, err := key.User()
	if err != nil {
		tm.t.Fatal(err)
	}
	box, err := key.BoxPublic()
	if err != nil {
		tm.t.Fatal(err)
	}
	if _, err := tm.edge.Fleet.Enrol(tm.t.Context(), manager.EnrolNode{Token: secret.Text(strings.TrimSpace(string(token))), Name: name, UserKey: user, BoxKey: box}); err != nil {
		tm.t.Fatal(err)
	}
}

// certificate writes a certificate for gw.example.com and its key, and returns
// the flags that name them.
func (tm *terminal) certificate(file func(string) string) string {
	tm.t.Helper()
	issued := fake.NewAuthority(tm.t, "Test CA").Issue(tm.t, "gw.example.com")
	chain, key := file("chain-"+issued.Pair.Leaf.SerialNumber.String()), file("key-"+issued.Pair.Leaf.SerialNumber.String())
	for name, text := range map[string]string{chain: issued.Chain, key: issued.Key} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			tm.t.Fatal(err)
		}
	}
	return "--chain " + chain + " --key " + key
}

// explained is the id of the one call that the gateway of the walk explains.
const explained = "0190b7e5a1c27d3e8f4a5b6c7d8e9f00"

// explaining puts a gateway in production that answers nothing and explains
// everything in the same way.
func (tm *terminal) explaining() {
	tm.t.Helper()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(entry.ExplainHeader) != "" {
			w.Header().Set(entry.ExplainIDHeader, explained)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	tm.t.Cleanup(gateway.Close)
	ctx, system := tm.t.Context(), apim.Actor{System: true}
	shop, err := tm.edge.Tenants.Tenant(ctx, system, "shop")
	if err == nil {
		_, _, err = tm.edge.Fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{GatewayURL: &gateway.URL})
	}
	if err != nil {
		tm.t.Fatal(err)
	}
	tm.edge.Catalog.Ways = oneWay{entry.Explanation{
		ID: explained, Token: explained, Environment: "production", Tenant: shop.ID.UUID(), NodeName: "gw-2", Method: "GET", Path: "/shop/orders/v1/orders",
		Status: 404, Code: "no_route", Detail: "Nothing is here.", Steps: []entry.ExplainedStep{{Step: "route", Outcome: entry.ExplainRefused, Code: "no_route"}},
		Candidates: []entry.ExplainedRoute{{API: "shop/orders v1", Reason: "base_path", Detail: "it is mounted elsewhere"}},
	}}
}

// oneWay is the only way that a node has told.
type oneWay struct{ told entry.Explanation }

func (w oneWay) Explanation(_ context.Context, environment, tenant, id string) (entry.Explanation, bool) {
	return w.told, environment == w.told.Environment && tenant == w.told.Tenant && id == w.told.ID
}

func (w oneWay) Explanations(environment, tenant string) []entry.Explanation {
	if environment != w.told.Environment || tenant != w.told.Tenant {
		return nil
	}
	return []entry.Explanation{w.told}
}

// TestEveryOperationIsReachedByACommand walks through all commands, each of
// whose calls is held to the management API's document, and asks which
// operations of it were carried out.
func TestEveryOperationIsReachedByACommand(t *testing.T) {
	tm := newTerminal(t)
	operator := tm.env["PORTICO_TOKEN"]
	file := func(name string) string { return filepath.Join(tm.dir, name) }
	walk := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			tm.ok(strings.Fields(line)...)
		}
	}
	walk("status", "tenants", "tenants show", "tenants set --key-prefix acme", "environments create sandbox --kind sandbox --gateway-url http://localhost:8090",
		"environments", "environments show sandbox", "environments set sandbox --name Sandbox", "environments change sandbox 1",
		"values set backend=https://a.example", "values", "values unset backend")
	first, renewed := tm.certificate(file), tm.certificate(file)
	walk("certificates add "+first+" --default", "certificates", "certificates show gw.example.com",
		"certificates replace gw.example.com "+renewed, "certificates set gw.example.com --no-default --clients off", "certificates remove gw.example.com --yes")
	walk("nodes enrol gw-2 --out "+file("enrol"), "nodes enrol gw-3", "nodes enrolments", "nodes enrolments revoke gw-3")
	tm.node("gw-2", file("enrol"))
	tm.explaining()
	walk("explain GET /shop/orders/v1/orders", "explanations", "explanations show "+explained)
	walk("nodes", "nodes drain gw-2", "nodes resume gw-2", "nodes remove gw-2")

	walk("import "+tm.file("orders.yaml", ordersYAML), "apis", "apis show orders", "apis set orders --tag shop --contact us",
		"versions list orders", "versions show orders", "versions set orders --limit 600/1m --upstream-server-name orders.internal", "versions publish orders --environment sandbox",
		"versions promote orders", "versions set orders --no-limits", "publish orders", "versions roll-back orders v1 1", "versions revisions orders",
		"versions upstreams orders", "versions targets orders", "versions targets orders --check --environment sandbox", "versions findings orders", "import "+file("orders.yaml")+" --api orders --label v1", "versions document orders --out "+file("document"))
	walk("cache purge orders --environment sandbox", "cache purge orders --environment sandbox --tag red", "cache purge orders --environment sandbox --path /shop/orders/v1/orders")
	walk("policies kinds", "policies kinds rate_limit", "policies check key {\"bearer\":true}", `policies add rate_limit {"requests":5,"period_ms":1000,"by":"address"} orders`,
		`policies add key {"header":"X-Own"} orders v1 --operation list_orders --disabled`, "policies list orders", "policies show orders --environment sandbox",
		`policies set 0 {"requests":6,"period_ms":1000,"by":"address"} orders`, "policies move 0 0 orders", "policies off 0 orders", "policies on 0 orders", "policies remove 0 orders")
	walk("split orders --environment sandbox", "split set orders --environment sandbox --upstream https://next.example --share 5 --sticky cookie --step 10 --every 5m --mirror https://mirror.example",
		"split show orders --environment sandbox", "split switch orders --environment sandbox --to candidate", "split end orders --environment sandbox",
		"versions set orders --limit 60/1m", "split offer orders --environment sandbox --share 1", "split take orders --environment sandbox")
	walk("products create Orders --version orders/v1 --public", "products", "products show orders", "products set orders --summary Orders.",
		"plans create orders Trial", "plans create orders Business --approval manual", "plans list orders", "plans show orders/trial",
		"plans set orders/trial --price 1", "offers", "offers show orders")

	walk("applications create Till", "applications", "applications show till", "applications set till --description Sells.",
		"subscribe till orders business --reason selling", "requests", "approve till/orders", "subscriptions undo till/orders",
		"subscriptions reject till/orders --reason no", "subscribe till orders business --reason selling", "subscriptions approve --all-pending --yes",
		"subscriptions", "subscriptions show till/orders", "subscriptions terms till/orders --limit 1/1s", "subscriptions suspend till/orders --reason odd",
		"subscriptions resume till/orders", "subscriptions stop till/orders", "subscriptions start till/orders", "subscriptions change-plan till/orders trial",
		"subscriptions change-plan till/orders business --reason more", "subscriptions withdraw till/orders", "subscriptions cancel till/orders",
		"subscriptions renew till/orders --plan business --reason again", "reject till/orders --reason no")
	walk("keys create till first --out "+file("key"), "keys list till", "keys set till/first --address 127.0.0.0/8", "keys rotate till/first -q",
		"keys end-secret till/first", "keys revoke till/first", "applications delete till")
	walk("versions take-off orders --environment sandbox", "versions deprecate orders", "versions retire orders", "environments delete sandbox --yes", "plans move orders/trial deprecated", "plans close orders/trial --at 2099-01-01 --yes", "plans keep orders/trial")
	walk("usage", "usage --mine --by application", "usage --installation --by status")
	walk("products create Nothing", "products delete nothing")
	walk("import "+file("orders.yaml")+" --slug gone", "apis delete gone")

	walk("teams create Payments", "teams", "teams show Payments", "teams set payments --role approver",
		"invite bea@shop.example --role auditor", "invitations", "tokens create CI --preset read-only", "tokens", "tokens --all", "audit", "audit --installation",
		"audit export --out "+file("audit"), "audit export --installation --out "+file("audit"), "audit verify", "audit verify --installation")
	idOf := func(args ...string) string {
		t.Helper()
		var all struct{ Items []struct{ ID string } }
		if err := json.Unmarshal([]byte(tm.ok(append(args, "--json")...)), &all); err != nil || len(all.Items) == 0 {
			t.Fatalf("%v lists nothing: %v", args, err)
		}
		return all.Items[0].ID
	}
	walk("tokens revoke " + tm.field("id", "tokens", "create", "Gone"))
	walk("invitations resend "+idOf("invitations"), "invitations revoke "+idOf("invitations"))
	tm.person("Cem") // so that Ada is not the last owner
	tm.env["PORTICO_TOKEN"] = tm.person("Ada")
	walk("sessions", "sessions end "+idOf("sessions"), "sessions end-others", "members", "members show Ada", "teams add payments ada@shop.example", "teams take payments Ada", "teams delete payments")
	tm.env["PORTICO_TOKEN"] = operator
	walk("members set Ada --role auditor --role owner")
	tm.ok("tenants", "create", "bank", "Bank")
	walk("members remove Ada --tenant shop")

	terms, err := contract.Load(spec.Management())
	if err != nil {
		t.Fatal(err)
	}
	left := notByCommand()
	for _, o := range terms.Operations() {
		why, out := left[o.ID]
		delete(left, o.ID)
		switch {
		case tm.called[o.ID] && out:
			t.Errorf("%s is reached by a command, and named in the list of those that are not", o.ID)
		case !tm.called[o.ID] && why == "":
			t.Errorf("no command reaches %s (%s %s): add one, or a reason why not", o.ID, o.Method, o.Path)
		}
	}
	for id := range left {
		t.Errorf("there is no operation %s", id)
	}
	for _, command := range allCommands(t) {
		if !tm.ran[command] {
			t.Errorf("'portico %s' was not run: add it to the walk", command)
		}
	}
}

// allCommands returns all commands that work on the management API.
func allCommands(t *testing.T) []string {
	t.Helper()
	parser, err := kong.New(&ctlCommands{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, leaf := range parser.Model.Leaves(true) {
		all = append(all, commandOf(leaf))
	}
	slices.Sort(all)
	return all
}
