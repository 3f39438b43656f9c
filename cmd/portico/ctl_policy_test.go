package main

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/describe"
)

const oneASecond = `{"requests":1,"period_ms":1000,"by":"address"}`

func TestPoliciesAreSetByCommand(t *testing.T) {
	tm := offering(t)
	kind, _ := describe.Of(entry.PolicyRateLimit)
	wants(t, "kinds", tm.ok("policies", "kinds"), "rate_limit", "limit", kind.Summary)
	wants(t, "kinds rate_limit", tm.ok("policies", "kinds", "rate_limit"), kind.Title+" (rate_limit)", "period_ms", "address", kind.Examples[0].Title)
	wants(t, "kinds --json", tm.ok("policies", "kinds", "key", "--json"), `"kind": "key"`, `"help"`)
	wants(t, "list of none", tm.ok("policies", "list", "orders"), "orders v1 has no policies of its own.")

	wants(t, "add", tm.ok("policies", "add", "rate_limit", oneASecond, "orders"), "Changed the draft of orders v1; it is live after: portico publish orders v1")
	tm.in = strings.Replace(oneASecond, ":1,", ":2,", 1)
	tm.ok("policies", "add", "rate_limit", "-", "orders", "v1", "--at", "0")
	file := tm.file("policy.json", strings.Replace(oneASecond, ":1,", ":3,", 1)+"\n")
	tm.ok("policies", "add", "rate_limit", file, "orders", "--disabled")
	tm.ok("policies", "add", "key", `{"header":"X-Own"}`, "orders", "--operation", "list_orders")
	requests := func(want string, args ...string) {
		t.Helper()
		var all struct {
			Items []struct {
				Kind   string
				Config struct{ Requests int }
				Off    bool
			}
		}
		if err := json.Unmarshal([]byte(tm.ok(append(append([]string{"policies", "list"}, args...), "--json")...)), &all); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range all.Items {
			got += " " + p.Kind + ":" + string(rune('0'+p.Config.Requests))
			if p.Off {
				got += "-off"
			}
		}
		if got != want {
			t.Errorf("%v: got%s, want%s", args, got, want)
		}
	}
	requests(" rate_limit:2 rate_limit:1 rate_limit:3-off", "orders")
	requests(" key:0", "orders", "--operation", "list_orders")
	tm.ok("policies", "move", "0", "2", "orders")
	tm.ok("policies", "on", "1", "orders")
	tm.ok("policies", "off", "0", "orders")
	tm.ok("policies", "set", "2", strings.Replace(oneASecond, ":1,", ":4,", 1), "orders")
	requests(" rate_limit:1-off rate_limit:3 rate_limit:4", "orders")
	tm.ok("policies", "remove", "0", "orders")
	requests(" rate_limit:3 rate_limit:4", "orders")
	wants(t, "list", tm.ok("policies", "list", "orders"), "INDEX", "rate_limit", `"requests":3`)
	wants(t, "show", tm.ok("policies", "show", "orders", "--operation", "list_orders"), "policies[0]", "routes[list_orders].policies[0]", "the operation's own takes its place", "plan_limit")

	wants(t, "environment", tm.ok("policies", "add", "rate_limit", oneASecond, "--environment", "Production", "--wait"), "Changed the policies of production.", "In force on 1 of 1 nodes")
	requests(" rate_limit:1", "--environment", "production")
	wants(t, "environments show", tm.ok("environments", "show", "production"), "Policies", "rate_limit")
	const atOnce = `{"calls":10,"by":"subscription"}`
	wants(t, "plan", tm.ok("policies", "add", "concurrency", atOnce, "--plan", "orders/trial", "--wait"), "Changed the policies of plan trial.", "In force on 1 of 1 nodes")
	wants(t, "list of the plan", tm.ok("policies", "list", "--plan", "orders/trial"), "concurrency", `"calls":10`)
	wants(t, "plans show", tm.ok("plans", "show", "orders/trial"), "10 calls at once")
	wants(t, "show with the plans", tm.ok("policies", "show", "orders"), `"calls":10`)
	tm.ok("policies", "off", "0", "--plan", "orders/trial")
	if shown := tm.ok("plans", "show", "orders/trial"); strings.Contains(shown, "at once") {
		t.Errorf("one that is off is told of:\n%s", shown)
	}
	tm.ok("policies", "remove", "0", "--plan", "orders/trial")
	wants(t, "versions show", tm.ok("versions", "show", "orders"), "Draft: policies rate_limit, rate_limit", "key")
	wants(t, "show with it", tm.ok("policies", "show", "orders", "--environment", "production"), "environment")
	tm.ok("policies", "remove", "0", "--environment", "production")
	requests("", "--environment", "production")

	tm.refused([]refusedCommand{
		{[]string{"policies", "kinds", "magic"}, exitRefused, "magic"},
		{[]string{"policies", "add", "magic", "{}", "orders"}, exitRefused, "policies[2].kind"},
		{[]string{"policies", "add", "rate_limit", `{"requests":0}`, "orders"}, exitRefused, "policies[2].config.requests"},
		{[]string{"policies", "add", "rate_limit", `{"requests":0}`, "orders", "--operation", "list_orders"}, exitRefused, "routes[list_orders].policies[1].config.requests"},
		{[]string{"policies", "add", "key", `{"bearer":true}`, "--environment", "production"}, exitRefused, "policies[0]"},
		{[]string{"policies", "add", "key", `{"bearer":`, "orders"}, exitUsage, "no JSON"},
		{[]string{"policies", "add", "key", "no-such-file", "orders"}, exitUsage, "no-such-file"},
		{[]string{"policies", "add", "key", `{"bearer":true}`}, exitUsage, "name an API"},
		{[]string{"policies", "add", "key", `{"bearer":true}`, "orders", "--environment", "production"}, exitUsage, "--environment"},
		{[]string{"policies", "add", "key", `{"bearer":true}`, "--plan", "orders/trial"}, exitRefused, "policies[0].kind"},
		{[]string{"policies", "add", "concurrency", atOnce, "orders", "--plan", "orders/trial"}, exitUsage, "--plan"},
		{[]string{"policies", "list", "--environment", "production", "--plan", "orders/trial"}, exitUsage, "do not go together"},
		{[]string{"policies", "list", "--plan", "orders/nothing"}, exitRefused, "nothing"},
		{[]string{"policies", "add", "rate_limit", oneASecond, "orders", "--at", "3"}, exitUsage, "0 to 2"},
		{[]string{"policies", "list", "orders", "--operation", "nothing"}, exitRefused, "list_orders"},
		{[]string{"policies", "remove", "2", "orders"}, exitUsage, "counted from 0"},
		{[]string{"policies", "move", "0", "2", "orders"}, exitUsage, "counted from 0"},
	})
	requests(" rate_limit:3 rate_limit:4", "orders")
}

func TestPolicyIsCheckedWithoutAManager(t *testing.T) {
	tm := offering(t)
	tm.env["PORTICO_URL"], tm.env["PORTICO_TOKEN"] = "http://127.0.0.1:1", ""
	wants(t, "check", tm.ok("policies", "check", "rate_limit", tm.file("good.json", oneASecond)), "Nothing is wrong")
	wants(t, "check --json", tm.ok("policies", "check", "rate_limit", oneASecond, "--json"), `"valid": true`)
	tm.refused([]refusedCommand{
		{[]string{"policies", "check", "rate_limit", `{"requests":0,"period_ms":1000,"by":"moon"}`}, exitRefused, "config.by"},
		{[]string{"policies", "check", "rate_limit", `{"colour":1}`, "--json"}, exitRefused, `"field":"config.colour"`},
		{[]string{"policies", "check", "magic", `{}`}, exitRefused, "rate_limit"},
		{[]string{"policies", "check", "key", `{`}, exitUsage, "no JSON"},
	})
}
