package main

import (
	"strings"
	"testing"
	"time"
)

// offering is a terminal where the tenant offers orders under three plans, and
// has an application, Till.
func offering(t *testing.T) *terminal {
	t.Helper()
	tm := newTerminal(t)
	tm.ok("import", tm.file("orders.yaml", ordersYAML), "--publish")
	tm.ok("products", "create", "Orders", "--version", "orders/v1", "--public")
	tm.ok("plans", "create", "orders", "Trial", "--limit", "60/1m")
	tm.ok("plans", "create", "orders", "Plus", "--limit", "600/1m")
	tm.ok("plans", "create", "orders", "Business", "--approval", "manual", "--limit", "100/1s")
	tm.ok("applications", "create", "Till")
	return tm
}

// refused runs commands that must fail, and with what.
func (tm *terminal) refused(cases []refusedCommand) {
	tm.t.Helper()
	for _, c := range cases {
		if out, errs, code := tm.run(c.args...); code != c.code || !strings.Contains(errs, c.says) {
			tm.t.Errorf("portico %s: exit %d\n%s%s\nwant %d and %q", strings.Join(c.args, " "), code, out, errs, c.code, c.says)
		}
	}
}

type refusedCommand struct {
	args []string
	code int
	says string
}

func TestSubscriptionGoesThroughItsStates(t *testing.T) {
	tm := offering(t)
	tm.ok("environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://localhost:8090")
	id := tm.field("id", "subscribe", "Till", "orders", "business", "--reason", "to sell")
	wants(t, "approve", tm.ok("subscriptions", "approve", "till/orders", "--note", "welcome", "--starts-at", "2026-01-01", "--ends-at", "2099-06-30T12:00:00Z",
		"--limit", "10/1s/20", "--wait"), "Till: the subscription to Orders, Business is active.", "In force on 1 of 1")
	shown := tm.ok("subscriptions", "show", id)
	wants(t, "show", shown, "Till of Shop to shop/orders under business is active ("+id+").", "Note: welcome.", "Own limits: 10 per 1s, 20 at once.", "Ends: 2099-", "Reason: to sell.")
	wants(t, "undo", tm.ok("subscriptions", "undo", "till/Orders"), "is pending")
	tm.ok("approve", id)

	wants(t, "terms", tm.ok("subscriptions", "terms", id, "--limit", "5/1m", "--wait"), "is active", "In force")
	if shown = tm.ok("subscriptions", "show", id); !strings.Contains(shown, "5 per 1m") || strings.Contains(shown, "Ends") {
		t.Errorf("want the limit of its own and no end:\n%s", shown)
	}
	tm.ok("subscriptions", "terms", id, "--as-plan")
	if shown = tm.ok("subscriptions", "show", id); strings.Contains(shown, "Own limits") {
		t.Errorf("want the plan's limits:\n%s", shown)
	}
	wants(t, "suspend", tm.ok("subscriptions", "suspend", id, "--reason", "odd calls", "--environment", "Sandbox"), "is active, suspended in sandbox.")
	wants(t, "show", tm.ok("subscriptions", "show", id), "Suspended in sandbox: odd calls.")
	wants(t, "resume", tm.ok("subscriptions", "resume", id, "--environment", "sandbox"), "Business is active.")
	wants(t, "suspend", tm.ok("subscriptions", "suspend", id, "--reason", "unpaid", "--wait"), "is suspended.", "In force")
	wants(t, "resume", tm.ok("subscriptions", "resume", id), "is active.")
	wants(t, "stop", tm.ok("subscriptions", "stop", id), "is active, stopped.")
	wants(t, "start", tm.ok("subscriptions", "start", id), "is active.")

	wants(t, "change-plan", tm.ok("subscriptions", "change-plan", id, "Plus"), "Orders, Plus is active.")
	wants(t, "change-plan", tm.ok("subscriptions", "change-plan", id, "business", "--reason", "we grow"), "Orders, Plus is active, to change to business.")
	wants(t, "requests", tm.ok("requests"), "we grow", "to change to business")
	wants(t, "reject", tm.ok("subscriptions", "reject", id, "--reason", "not yet"), "Orders, Plus is active.")
	tm.ok("subscriptions", "change-plan", id, "business", "--reason", "now")
	wants(t, "withdraw", tm.ok("subscriptions", "withdraw", id), "Orders, Plus is active.")
	tm.ok("subscriptions", "change-plan", id, "business", "--reason", "at last")
	wants(t, "approve", tm.ok("subscriptions", "approve", id), "Orders, Business is active.")

	wants(t, "cancel", tm.ok("subscriptions", "cancel", id, "--note", "bye", "--wait"), "is cancelled.", "In force")
	wants(t, "renew", tm.ok("subscriptions", "renew", "till/orders", "--plan", "trial", "--environment", "production"), "Orders, Trial is active (sub_")
	again := tm.field("id", "subscriptions", "show", "Till/shop/orders")
	if again == id || tm.field("renews", "subscriptions", "show", again) != id {
		t.Errorf("%s does not renew %s", again, id)
	}
	wants(t, "show", tm.ok("subscriptions", "show", again), "Environments: production.", "Reason: to sell.")

	tm.refused([]refusedCommand{
		{[]string{"subscriptions", "suspend", again}, exitUsage, "--reason"},
		{[]string{"subscriptions", "suspend", again, "--reason", "x", "--environment", "nowhere"}, exitRefused, "there is production, sandbox"},
		{[]string{"subscriptions", "resume", again}, exitRefused, "subscription_state"},
		{[]string{"subscriptions", "terms", again}, exitUsage, "--as-plan"},
		{[]string{"subscriptions", "terms", again, "--as-plan", "--limit", "1/1s"}, exitUsage, "do not go together"},
		{[]string{"subscriptions", "terms", again, "--ends-at", "soon"}, exitUsage, "2027-06-30"},
		{[]string{"subscriptions", "change-plan", again, "gold"}, exitRefused, "it offers"},
		{[]string{"subscriptions", "show", "till"}, exitUsage, "APPLICATION/PRODUCT"},
		{[]string{"subscriptions", "show", "till/parcels"}, exitRefused, "no subscription to parcels"},
		{[]string{"subscriptions", "approve", again}, exitRefused, "already_decided"},
	})
}

func TestManyRequestsAreDecidedAtOnce(t *testing.T) {
	tm := offering(t)
	ids := []string{}
	for _, app := range []string{"One", "Two", "Three", "Four", "Five"} {
		tm.ok("applications", "create", app)
		ids = append(ids, tm.field("id", "subscribe", app, "orders", "business", "--reason", "for "+app))
	}
	out, errs, code := tm.run("approve", ids[0], ids[1], "two/orders", "--note", "welcome", "--wait")
	if code != 0 || strings.Count(out, "approved") != 2 || !strings.Contains(out, "In force on 1 of 1") {
		t.Errorf("approve two: exit %d\n%s%s", code, out, errs)
	}
	if got := tm.field("note", "subscriptions", "show", ids[1]); got != "welcome" {
		t.Errorf("the note is %q", got)
	}
	out, errs, code = tm.run("reject", ids[0], ids[2], "--reason", "no more", "--json")
	wants(t, "reject --json", out, `"done": false`, `"done": true`)
	if wants(t, "reject", errs, "1 of 2 were not rejected"); code != exitRefused {
		t.Errorf("exit %d, want %d", code, exitRefused)
	}

	for _, answer := range []string{"", "n\n", "perhaps\n"} {
		tm.in = answer
		_, errs, code := tm.run("approve", "--all-pending")
		if wants(t, "the question", errs, "Four", "Five", "Approve all 2? [y/N]", "nothing is done"); code != exitRefused {
			t.Errorf("answered %q: exit %d, want %d", answer, code, exitRefused)
		}
	}
	tm.ok("products", "create", "Empty")
	wants(t, "approve of another product", tm.ok("approve", "--all-pending", "--product", "empty", "--yes"), "None.")
	wants(t, "requests", tm.ok("requests", "--product", "Orders"), ids[3], ids[4])
	tm.in = "y\n"
	wants(t, "approve", tm.ok("subscriptions", "approve", "--all-pending", "--product", "orders"), ids[3], ids[4], "approved")
	wants(t, "requests", tm.ok("requests"), "None.")
	if tm.ok("subscriptions", "reject", "--all-pending", "--yes", "--reason", "x", "--json"); !tm.called["decideSubscriptions"] {
		t.Error("nothing was decided at once")
	}
	tm.refused([]refusedCommand{
		{[]string{"approve"}, exitUsage, "--all-pending"},
		{[]string{"approve", ids[0], "--all-pending"}, exitUsage, "do not go together"},
		{[]string{"approve", ids[0], "--product", "orders"}, exitUsage, "--all-pending"},
		{[]string{"approve", ids[0], ids[1], "--limit", "1/1s"}, exitUsage, "one subscription at a time"},
		{[]string{"reject", "--all-pending"}, exitUsage, "--reason"},
	})
}

func TestSubscriptionsAreFilteredAndPaged(t *testing.T) {
	tm := offering(t)
	tm.ok("products", "create", "Other")
	tm.ok("plans", "create", "other", "Free")
	for _, app := range []string{"One", "Two", "Three"} {
		tm.ok("applications", "create", app)
		tm.ok("subscribe", app, "orders", "trial")
	}
	tm.ok("subscribe", "one", "other")
	tm.ok("subscriptions", "cancel", "two/orders")
	count := func(args ...string) int {
		t.Helper()
		return strings.Count(tm.ok(append([]string{"subscriptions", "list"}, args...)...), "sub_")
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"", 4},
		{"--state active", 3},
		{"--state cancelled", 1},
		{"--product Orders", 3},
		{"--application One", 2},
		{"--product other --application one", 1},
		{"--show waiting", 0},
		{"--show automatic", 4},
		{"--limit 3", 3},
		{"--limit 3 --all", 4},
		{"--mine", 4},
		{"--mine --state cancelled", 1},
		{"--mine --product shop/other", 1},
		{"--mine --application two", 1},
	} {
		if got := count(strings.Fields(c.args)...); got != c.want {
			t.Errorf("subscriptions %s: %d, want %d", c.args, got, c.want)
		}
	}
	cursor := tm.field("next_cursor", "subscriptions", "--limit", "3")
	wants(t, "a page", tm.ok("subscriptions", "--limit", "3"), "There are more: --all prints them too, --cursor "+cursor)
	if got := count("--limit", "3", "--cursor", cursor); got != 1 {
		t.Errorf("the page after: %d, want 1", got)
	}
	tm.refused([]refusedCommand{
		{[]string{"subscriptions", "--product", "nothing"}, exitRefused, "there is orders, other"},
		{[]string{"subscriptions", "--state", "waiting"}, exitUsage, "--state"},
		{[]string{"subscriptions", "--mine", "--show", "waiting"}, exitUsage, "--mine"},
		{[]string{"subscriptions", "--limit", "900"}, exitRefused, "limit"},
	})
}

func TestMomentsAreDaysOrTimes(t *testing.T) {
	for text, want := range map[string]string{"2027-06-30": "2027-06-30T00:00:00Z", "2027-06-30T12:00:00+02:00": "2027-06-30T10:00:00Z"} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err != nil || m.at.Format(time.RFC3339) != want {
			t.Errorf("%s: got %s, %v, want %s", text, m.at, err, want)
		}
	}
	for _, text := range []string{"", "tomorrow", "30.06.2027", "2027-06-31", "2027-06-30 12:00"} {
		if err := new(moment).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
