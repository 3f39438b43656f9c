package main

import "testing"

func TestObjectsAreCalledBySlugIDOrName(t *testing.T) {
	tm := offering(t)
	tm.ok("applications", "create", "The shop's own", "--slug", "own")
	tm.ok("applications", "create", "Twin", "--slug", "first-twin")
	tm.ok("applications", "create", "twin", "--slug", "second-twin")
	for _, k := range []struct{ group, slug, name string }{{"applications", "own", "THE SHOP'S OWN"}, {"apis", "orders", "Orders"}, {"products", "orders", "Orders"}} {
		id := tm.field("id", k.group, "show", k.slug)
		for _, called := range []string{id, k.name} {
			if got := tm.field("id", k.group, "show", called); got != id {
				t.Errorf("%s show %s: got %s, want %s", k.group, called, got, id)
			}
		}
	}
	plan := tm.field("id", "plans", "show", "orders/trial")
	for _, called := range []string{plan, "Orders/Trial"} {
		if got := tm.field("id", "plans", "show", called); got != plan {
			t.Errorf("plans show %s: got %s, want %s", called, got, plan)
		}
	}
	version := tm.field("id", "versions", "show", "orders")
	if got := tm.field("id", "versions", "show", version); got != version {
		t.Errorf("versions show %s: got %s", version, got)
	}
	team := tm.field("id", "teams", "create", "Pay & ship", "--slug", "pay")
	tm.ok("applications", "set", "own", "--team", "pay & ship")
	if got := tm.field("team", "applications", "show", "own"); got != team {
		t.Errorf("the team is %s, want %s", got, team)
	}
	tm.ok("applications", "set", "own", "--no-team", "--name", "Ours")
	wants(t, "applications", tm.ok("applications"), "Ours")
	tm.refused([]refusedCommand{
		{[]string{"applications", "show", "twin"}, exitUsage, "2 are called"},
		{[]string{"applications", "show", "Nobody"}, exitRefused, "there is first-twin, own, second-twin, till"},
		{[]string{"applications", "show", "app_00000000000000000000000000000000"}, exitRefused, "not_found"},
		{[]string{"applications", "show", "Nobody", "--json"}, exitRefused, `"code":"not_found"`},
		{[]string{"applications", "set", "own"}, exitUsage, "--team"},
		{[]string{"plans", "show", "trial"}, exitUsage, "PRODUCT/PLAN"},
		{[]string{"plans", "show", "orders/gold"}, exitRefused, "business"},
		{[]string{"versions", "show", "orders", "v9"}, exitRefused, "it has v1"},
	})
}
