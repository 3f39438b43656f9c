package manager_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/postgres"
)

// asking is a policy whose secret is written as a text.
func asking(written string) apim.Policy {
	return raw("introspection", `{"url":"https://id.example.com/introspect","issuer":"https://id.example.com/","client_id":"gateway","client_secret":`+written+`,"in":"header","name":"X-Token"}`)
}

func TestSecretsOfPoliciesAreSealedForNodes(t *testing.T) {
	postgres.Both(t, testSecretsOfPoliciesAreSealedForNodes)
}

func testSecretsOfPoliciesAreSealedForNodes(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	key := bus.NodeKey{1}
	node := must[apim.Node](t)(m.fleet.EnsureNode(ctx, "production", "gw-1", must[string](t)(key.BoxPublic())))
	version := m.offer.version.ID
	operation := must[manager.VersionDetail](t)(m.catalog.Version(ctx, m.provider, m.shop.ID, version)).Version.Runtime.Routes[0].Operation
	set := func(name, text string, hidden bool) apim.Change {
		t.Helper()
		_, change, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Environment: "production", Name: name, Value: secret.Text(text), Secret: hidden})
		if err != nil {
			t.Fatal(err)
		}
		return change
	}
	draft := func(change manager.DraftChange) {
		t.Helper()
		if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, version, change); err != nil {
			t.Fatal(err)
		}
	}
	publish := func() error {
		_, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, version, "production", "")
		return err
	}
	// One that is off stands before, so that places in the draft and in the entry
	// differ; JSON may write a reference in other ways.
	draft(manager.DraftChange{
		Policies:      &[]apim.Policy{switchedOff(asking(`"${off}"`)), limitPolicy(5), asking(`"\u0024{own}"`)},
		RoutePolicies: map[string][]apim.Policy{operation: {limitPolicy(6), asking(`"${at_operation}"`)}},
	})
	at := "routes[" + operation + "].policies[1].config.client_secret"
	wantFields(t, publish(), "policies[2].config.client_secret "+at)
	set("own", "open", false)
	set("at_operation", "-----BEGIN KEY-----\nx", true)
	err := publish()
	wantFields(t, err, "policies[2].config.client_secret "+at)
	if !strings.Contains(err.Error(), "no secret") || !strings.Contains(err.Error(), "several lines") {
		t.Errorf("got %v", err)
	}
	if err := m.catalog.DeleteValue(ctx, m.provider, m.shop.ID, "production", "own"); err != nil {
		t.Fatal(err)
	}
	set("own", "canary-own", true)
	set("at_operation", "canary-op", true)
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	opens := func(box *secret.Box) string {
		t.Helper()
		api := m.liveEntry("production", version)
		read := func(list []entry.Policy, at string) string {
			for i, p := range list {
				c, ok := p.Config.(*entry.IntrospectionPolicy)
				if !ok {
					continue
				}
				if c.ClientSecret.Ref != "" || c.ClientSecret.Sealed == nil {
					t.Fatalf("an entry holds %+v", c)
				}
				sealed := must[[]byte](t)(base64.StdEncoding.DecodeString(c.ClientSecret.Sealed.Box))
				plain, err := box.Open(sealed, entry.PolicySecretInfo(version.UUID(), at, i, p.Kind(), "client_secret"))
				if err != nil {
					return "closed"
				}
				return string(plain)
			}
			return ""
		}
		for _, r := range api.Routes {
			if r.Operation == operation {
				return read(api.Policies, "") + " " + read(r.Policies, operation)
			}
		}
		return ""
	}
	current := func() *secret.Box {
		t.Helper()
		_, raw := m.opened(key, node)
		return must[*secret.Box](t)(secret.NewBox([32]byte(raw)))
	}
	if got := opens(current()); got != "canary-own canary-op" {
		t.Errorf("a node reads %q", got)
	}
	// A value that changes is in force at once.
	before := set("own", "canary-own", true)
	if after := set("at_operation", "canary-new", true); after.Sequence != before.Sequence+1 || opens(current()) != "canary-own canary-new" {
		t.Errorf("got %+v after %+v, and a node reads %q", after, before, opens(current()))
	}
	if again := set("off", "x", true); again != (apim.Change{}) {
		t.Errorf("a value that only a policy which is off refers to was published: %+v", again)
	}
	// A node that was removed reads nothing that is sealed after.
	m.fleet.Users, m.fleet.Commands = signing{}, &told{}
	gone := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, m.enrolment(""), "gw-2", bus.NodeKey{2})))
	_, old := m.opened(bus.NodeKey{2}, gone.Node)
	if err := m.fleet.RemoveNode(ctx, system, "production", "gw-2"); err != nil {
		t.Fatal(err)
	}
	if got := opens(must[*secret.Box](t)(secret.NewBox([32]byte(old)))); got != "closed closed" {
		t.Errorf("the removed node reads %q", got)
	}
	if got := opens(current()); got != "canary-own canary-new" {
		t.Errorf("after the removal of another the node reads %q", got)
	}
	for _, name := range []string{"own", "at_operation"} {
		refused(t, m.catalog.DeleteValue(ctx, m.provider, m.shop.ID, "production", name), apim.Conflict)
	}
	// Nobody is told.
	for what, told := range map[string]any{
		"the chain":   must[[]manager.ChainStep](t)(m.catalog.Chain(ctx, m.provider, m.shop.ID, version, "production", operation)),
		"the version": must[manager.VersionDetail](t)(m.catalog.Version(ctx, m.provider, m.shop.ID, version)),
		"the audit":   must[apim.List[apim.AuditLink]](t)(m.tenants.AuditLog(ctx, system, m.shop.ID, apim.AuditFilter{}, apim.Page{Limit: 100})),
		"the values":  must[[]apim.EnvironmentValue](t)(m.catalog.Values(ctx, m.provider, m.shop.ID, "production")),
	} {
		text := string(must[[]byte](t)(json.Marshal(told)))
		if strings.Contains(text, "canary") {
			t.Errorf("%s tells a secret: %s", what, text)
		}
		if what == "the chain" && !strings.Contains(text, "${at_operation}") {
			t.Errorf("the chain shows no reference: %s", text)
		}
	}
	draft(manager.DraftChange{Policies: &[]apim.Policy{}, RoutePolicies: map[string][]apim.Policy{operation: {}}})
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	if err := m.catalog.DeleteValue(ctx, m.provider, m.shop.ID, "production", "own"); err != nil {
		t.Errorf("a value that nothing live refers to: %v", err)
	}
}

func TestAUserNameForAnUpstreamHoldsNoColon(t *testing.T) {
	postgres.Both(t, testAUserNameForAnUpstreamHoldsNoColon)
}

func testAUserNameForAnUpstreamHoldsNoColon(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, version := t.Context(), m.offer.version.ID
	set := func(name, text string) error {
		_, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Environment: "production", Name: name, Value: secret.Text(text), Secret: true})
		return err
	}
	publish := func() error {
		_, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, version, "production", "")
		return err
	}
	refusedColon := func(err error) {
		t.Helper()
		wantFields(t, err, "policies[0].config.username")
		if text := err.Error(); !strings.Contains(text, "holds a colon") || strings.Contains(text, "canary") {
			t.Errorf("got %v", err)
		}
	}
	must[apim.Version](t)(m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, version, manager.DraftChange{
		Policies: &[]apim.Policy{raw("upstream_basic", `{"username":"${user}","password":"${password}"}`)},
	}))
	for name, text := range map[string]string{"user": "canary:user", "password": "canary:password"} {
		if err := set(name, text); err != nil {
			t.Fatal(err)
		}
	}
	refusedColon(publish())
	if err := set("user", "gateway"); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	refusedColon(set("user", "canary:user"))
}

func TestASecretIsNeverWrittenIntoAPolicy(t *testing.T) {
	postgres.Both(t, testASecretIsNeverWrittenIntoAPolicy)
}

func testASecretIsNeverWrittenIntoAPolicy(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	for written, field := range map[string]string{
		`"canary"`:                              "policies[0].config.client_secret",
		`"canary ${name}"`:                      "policies[0].config.client_secret",
		`"${Canary}"`:                           "policies[0].config.client_secret",
		`""`:                                    "policies[0].config.client_secret",
		`{"sealed":{"key":1,"box":"Y2FuYXJ5"}}`: "policies[0].config.client_secret",
		`["canary"]`:                            "policies[0].config.client_secret",
		`{"opened":"canary"}`:                   "policies[0].config.opened",
	} {
		_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v.ID, manager.DraftChange{Policies: &[]apim.Policy{asking(written)}})
		wantFields(t, err, field)
		if text := fmt.Sprint(err); strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") {
			t.Errorf("%s: the refusal tells it: %s", written, text)
		}
		if written == `"canary"` && (!strings.Contains(err.Error(), "secret value of the environment") || !strings.Contains(err.Error(), "${api_secret}")) {
			t.Errorf("the refusal does not say what to do: %v", err)
		}
	}
	_, _, err := p.fleet.UpdateEnvironment(t.Context(), system, "production", manager.EnvironmentChange{Settings: &apim.EnvironmentSettings{
		MaxBodyBytes: 1, ConnectTimeoutMS: 1, HeaderTimeoutMS: 1, IdleTimeoutMS: 1, MaxStaleMS: 1, Policies: []apim.Policy{asking(`"${own}"`)},
	}})
	wantFields(t, err, "policies[0] policies[0].config.client_secret")
}
