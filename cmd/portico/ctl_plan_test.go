package main

import (
	"strings"
	"testing"
)

func TestPlansAreChangedAndClosedByCommand(t *testing.T) {
	tm := offering(t)
	tm.ok("plans", "set", "orders/trial", "--name", "Try it", "--price", "1 a day", "--approval", "manual", "--limit", "5/1s", "--max-key-life", "90d", "--description", "For trying.")
	wants(t, "plans show", tm.ok("plans", "show", "orders/try it"), "Try it", "1 a day", "manual", "5 per 1s", "2160h")
	tm.ok("plans", "set", "orders/trial", "--no-limits", "--max-key-life", "0s", "--approval", "automatic")
	if shown := tm.ok("plans", "list", "orders"); strings.Contains(shown, "2160h") || strings.Contains(shown, "5 per") || strings.Count(shown, "plan_") != 3 {
		t.Errorf("want three plans, Try it without bounds:\n%s", shown)
	}
	tm.ok("subscribe", "till", "orders", "trial")

	wants(t, "plans close --dry-run", tm.ok("plans", "close", "orders/trial", "--at", "2099-01-01", "--dry-run"), "lose access", "Till", "Shop", "sub_")
	_, errs, code := tm.run("plans", "close", "orders/trial")
	if wants(t, "the question", errs, "Till", "Close plan trial? [y/N]", "nothing is done"); code != exitRefused {
		t.Errorf("exit %d, want %d", code, exitRefused)
	}
	if got := tm.field("state", "plans", "show", "orders/trial"); got != "published" {
		t.Errorf("the plan is %s", got)
	}
	tm.in = "yes\n"
	tm.ok("plans", "move", "orders/trial", "deprecated")
	wants(t, "plans close", tm.ok("plans", "close", "orders/trial", "--at", "2099-01-01"), "Plan trial closes on 2099-01-01", "1 subscriptions end then", "portico plans keep plan_")
	wants(t, "plans list", tm.ok("plans", "list", "orders"), "deprecated, closes 2099-01-01")
	wants(t, "plans keep", tm.ok("plans", "keep", "orders/trial"), "Plan trial is deprecated, and stays.")
	wants(t, "plans close", tm.ok("plans", "close", "orders/trial", "--yes", "--wait"), "Plan trial is closed; 1 subscriptions ended.", "In force")
	if got := tm.field("state", "subscriptions", "show", "till/orders"); got != "expired" {
		t.Errorf("the subscription is %s, want it expired", got)
	}
	tm.refused([]refusedCommand{
		{[]string{"plans", "set", "orders/plus"}, exitUsage, "--max-key-life"},
		{[]string{"plans", "set", "orders/plus", "--max-key-life", "long"}, exitUsage, "90d"},
		{[]string{"plans", "set", "orders/plus", "--limit", "1/1s", "--no-limits"}, exitUsage, "do not go together"},
		{[]string{"plans", "set", "orders/plus", "--approval", "nobody"}, exitRefused, "approval"},
		{[]string{"plans", "close", "orders/plus", "--at", "2099-01-01", "--yes"}, exitRefused, "only a deprecated plan"},
		{[]string{"plans", "keep", "orders/gold"}, exitRefused, "business"},
	})
}

func TestProductsAreChangedAndSharedByCommand(t *testing.T) {
	tm := offering(t)
	tm.ok("tenants", "create", "bank", "Bank")
	tm.env["PORTICO_TENANT"] = "shop"
	tm.ok("teams", "create", "Sellers")
	wants(t, "products set", tm.ok("products", "set", "orders", "--name", "Order desk", "--summary", "Orders.", "--visibility", "shared", "--shared-with", "bank",
		"--team", "Sellers", "--no-listed"), "Changed product orders.")
	wants(t, "products show", tm.ok("products", "show", "Order desk"), "Order desk (orders", "shared, listed: no.", "Shared with: bank.")
	wants(t, "products of a team", tm.ok("products", "--team", "sellers"), "orders")
	wants(t, "products of no team", tm.ok("products", "--team", "-"), "None.")
	tm.ok("products", "set", "orders", "--visibility", "private", "--not-shared", "--listed", "--no-versions", "--no-team")
	wants(t, "products show", tm.ok("products", "show", "orders"), "APIs: none.", "private, listed: yes.")
	tm.ok("products", "create", "Second", "--shared-with", "bank", "--version", "orders/v1")
	wants(t, "products", tm.ok("products"), "Second", "shared")
	tm.refused([]refusedCommand{
		{[]string{"products", "set", "orders"}, exitUsage, "--visibility"},
		{[]string{"products", "set", "orders", "--team", "sellers", "--no-team"}, exitUsage, "do not go together"},
		{[]string{"products", "set", "orders", "--shared-with", "bank", "--not-shared"}, exitUsage, "do not go together"},
		{[]string{"products", "set", "orders", "--version", "nothing/v1"}, exitRefused, "nothing"},
		{[]string{"products", "create", "Third", "--public", "--shared-with", "bank"}, exitUsage, "do not go together"},
	})
}
