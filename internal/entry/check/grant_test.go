package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

const goodGrantKey = entry.Key("grant.0000000000000000000000000000000000000000000000000000000000000000")

func goodEnv() entry.Env {
	return entry.Env{
		Name: "production", Kind: "production", GatewayURL: "https://api.example", TrustedProxies: []string{"10.0.0.0/8", "::1/128"},
		MaxBodyBytes: 1, ConnectTimeoutMS: 1, HeaderTimeoutMS: 1, IdleTimeoutMS: 1,
	}
}

func goodTerms() entry.Terms {
	return entry.Terms{
		Plan: uuid(20), Name: "Trial", APIs: []entry.TermsAPI{{Version: uuid(1), Operations: []string{"list"}}},
		Limits: []entry.RateLimit{{Requests: 10, PeriodMS: 1000, Burst: 5}},
	}
}

func goodGrant() entry.Grant {
	return entry.Grant{
		Credential: uuid(30), Application: uuid(31), Tenant: uuid(32), Name: "App",
		Subscriptions: []entry.Subscription{{ID: uuid(33), Terms: uuid(20), State: entry.Active}},
	}
}

func must(t *testing.T, it entry.Item, err error) entry.Item {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func goodItems(t *testing.T) []entry.Item {
	at := entry.Position{Epoch: 1, Sequence: 1}
	env, err := entry.Encode(entry.EnvKey, at, goodEnv())
	env = must(t, env, err)
	terms, err := entry.Encode("terms."+entry.Key(uuid(20)), at, goodTerms())
	terms = must(t, terms, err)
	api, err := entry.Encode("api."+entry.Key(uuid(1)), at, goodAPI())
	api = must(t, api, err)
	grant, err := entry.Encode(goodGrantKey, at, goodGrant())
	grant = must(t, grant, err)
	return []entry.Item{env, terms, api, grant, entry.Mark(entry.CompleteKey, at), entry.Mark(entry.HeadKey, at)}
}

func TestBadEnvironmentsTermsAndGrantsAreRefused(t *testing.T) {
	env := goodEnv()
	env.Name, env.Kind, env.GatewayURL, env.ProblemURL = "Prod", "test", "https://a/", "javascript:alert(1)"
	env.TrustedProxies, env.MaxBodyBytes, env.ConnectTimeoutMS = []string{"10.0.0.1", "10.0.0.1/8"}, 0, 0
	want(t, check.Env(env), "name: slug", "kind: production", "gateway_url: slash", "problem_url: http",
		"trusted_proxies[0]: network", "trusted_proxies[1]: network", "max_body_bytes: 1 to", "connect_timeout_ms: 1 to")
	env = goodEnv()
	env.ConnectTimeoutMS, env.HeaderTimeoutMS = 60_001, 60_001
	want(t, check.Env(env), "connect_timeout_ms: 1 to 60000")

	terms := goodTerms()
	terms.APIs = append(terms.APIs, entry.TermsAPI{Version: uuid(1), Operations: []string{""}}, entry.TermsAPI{Version: "x"})
	terms.Limits[0].By = "caller"
	terms.Limits = append(terms.Limits, entry.RateLimit{}, entry.RateLimit{Requests: 1, PeriodMS: 1, Name: "X", Expression: "1", Queue: entry.Queue{Length: 1, WaitMS: 1}})
	want(t, check.Terms(terms), "apis[1].version: twice", "apis[1].operations: empty", "apis[2].version: 32",
		"limits[0].by: leaves it empty", "limits[1].requests: 1 to", "limits[1].period_ms: 1 to",
		"limits[2].name: leaves it empty", "limits[2].expression: leaves it empty", "limits[2].queue: do not wait")

	terms = goodTerms()
	terms.Limits = []entry.RateLimit{{Requests: 5, PeriodMS: 1000}, {Requests: 5, PeriodMS: 1000, Burst: 6}, {Requests: 5, PeriodMS: 1000, Burst: 5}}
	want(t, check.Terms(terms), "limits[2]: the same limit as another before it")

	terms = goodTerms()
	terms.Policies = []entry.Policy{
		{Config: &entry.RateLimit{Requests: 1, PeriodMS: 1, By: "subscription", Queue: entry.Queue{Length: 1, WaitMS: 1}}},
		{Config: &entry.ConcurrencyLimit{Calls: 1, By: "api"}},
		{Config: &entry.SpikeArrest{Requests: 1, Per: "second", By: "header", Name: "X-User"}},
	}
	want(t, check.Terms(terms))
	terms.Policies = append(terms.Policies, entry.Policy{Config: &entry.ConcurrencyLimit{By: "moon"}}, terms.Policies[1], entry.Policy{}, entry.Policy{Config: &entry.Mock{}})
	want(t, check.Terms(terms), "policies[3].calls: 1 to", "policies[3].by: moon", "policies[4]: the same limit as another concurrency before it", "policies[5]: no kind", "policies[6]: stage destination")
	terms.Policies = make([]entry.Policy, check.MaxLimits+1)
	for i := range terms.Policies {
		terms.Policies[i].Config = &entry.ConcurrencyLimit{Calls: i + 1, By: "subscription"}
	}
	want(t, check.Terms(terms), "policies: at most 8, got 9")

	grant := goodGrant()
	grant.Application, grant.ExpiresAt = "", -1
	grant.Subscriptions[0].State, grant.Subscriptions[0].StartsAt, grant.Subscriptions[0].EndsAt = "approved", 10, 5
	want(t, check.Grant(goodGrantKey, grant), "application: 32", "expires_at: 0 to", `subscriptions[0].state: "approved"`, "subscriptions[0].ends_at: before")
}

func TestItemsAreRefusedBeforeTheirBodies(t *testing.T) {
	good := goodItems(t)
	for name, c := range map[string]struct {
		change func(*entry.Item)
		want   string
	}{
		"key":            {func(it *entry.Item) { it.Key = "api.x" }, ": hexadecimal digits"},
		"kind":           {func(it *entry.Item) { it.Kind = entry.KindGrant }, ": holds kind"},
		"schema":         {func(it *entry.Item) { it.Schema = 2 }, ": schema 2"},
		"no body":        {func(it *entry.Item) { it.Body = nil }, ": no body"},
		"half a body":    {func(it *entry.Item) { it.Body = it.Body[:20] }, ": "},
		"two bodies":     {func(it *entry.Item) { it.Body = append(it.Body[:len(it.Body):len(it.Body)], "{}"...) }, ": data after"},
		"unknown field":  {func(it *entry.Item) { it.Body = json.RawMessage(`{"nmae":"x"}`) }, `: unknown field "nmae"`},
		"unknown policy": {func(it *entry.Item) { it.Body = json.RawMessage(`{"policies":[{"kind":"magic","config":{}}]}`) }, `: policy kind "magic" is not known`},
		"field of policy": {func(it *entry.Item) {
			it.Body = json.RawMessage(`{"policies":[{"kind":"key","config":{"cookie":"x"}}]}`)
		}, `: unknown field "cookie"`},
		"another's body": {func(it *entry.Item) { it.Key = "api." + entry.Key(uuid(77)) }, ": another key"},
	} {
		t.Run(name, func(t *testing.T) {
			it := good[2]
			c.change(&it)
			want(t, check.Item(it), c.want)
		})
	}
	want(t, check.Item(entry.Tombstone(good[2].Key, good[2].Position)))
}

func TestEnvironmentIsCheckedAsAWhole(t *testing.T) {
	items := goodItems(t)
	other := goodAPI()
	other.Version, other.Name = uuid(50), "other/api v1"
	api, err := entry.Encode("api."+entry.Key(uuid(50)), items[0].Position, other)
	api = must(t, api, err)
	lost := goodTerms()
	lost.Plan, lost.APIs = uuid(51), []entry.TermsAPI{{Version: uuid(1), Operations: []string{"gone"}}, {Version: uuid(52)}}
	terms, err := entry.Encode("terms."+entry.Key(uuid(51)), items[0].Position, lost)
	terms = must(t, terms, err)
	stray := goodGrant()
	stray.Subscriptions[0].Terms = uuid(53)
	grant, err := entry.Encode(goodGrantKey[:len(goodGrantKey)-1]+"1", items[0].Position, stray)
	grant = must(t, grant, err)
	got := check.Environment(append(items[1:], api, terms, grant, items[3]))
	want(t, got,
		"mounts[0]: taken by demo/orders v1",
		": stands there twice",
		": is missing",
		`apis[0].operations[0]: no operation "gone"`,
		"apis[1].version: not known",
		"subscriptions[0].terms: not known",
	)
	for _, p := range got {
		if strings.Contains(p.Reason, uuid(1)) {
			t.Errorf("names another's id: %s", p)
		}
	}
}
