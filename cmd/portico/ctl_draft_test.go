package main

import (
	"strings"
	"testing"
)

func TestDraftIsChangedByCommand(t *testing.T) {
	tm := offering(t)
	tm.ok("environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://localhost:8090")
	wants(t, "versions set", tm.ok("versions", "set", "orders", "--upstream", "https://a.example", "--upstream", "https://b.example", "--mount", "/shop/second",
		"--header", "X-One=1,2=3", "--header", "X-Two=two", "--connect-timeout", "2s", "--limit", "600/1m@api", "--no-bearer", "--key-query", "",
		"--max-body-bytes", "2048", "--public", "list_orders", "--off", "odd"), "Changed the draft of orders v1; it is live after: portico publish orders v1")
	tm.ok("versions", "set", "orders", "--header", "x-two=2", "--no-header", "X-Gone", "--idle-timeout", "1m", "--on", "odd")
	shown := tm.ok("versions", "show", "orders")
	wants(t, "versions show", shown, "The draft differs: yes", "mounted at /shop/second", "https://a.example, https://b.example", "sends X-One: 1,2=3", "sends x-two: 2", "600 per 1m by api")
	if strings.Contains(shown, "X-Two") {
		t.Errorf("the header is there twice:\n%s", shown)
	}
	tm.ok("versions", "set", "orders", "--weight", "3", "--weight", "1", "--traffic", "balance.algorithm=hash", "--traffic", "balance.hash_by=header:X-Tenant",
		"--traffic", "health.kind=http", "--traffic", "health.status=200,204", "--traffic", "retry.on=connect,503", "--traffic", "ejection.any_5xx=true", "--traffic", "total_timeout_ms=9000")
	tm.ok("versions", "set", "orders", "--traffic", "balance.algorithm=ewma", "--traffic", "balance.hash_by=")
	wants(t, "versions show, traffic", tm.ok("versions", "show", "orders"), "balance.algorithm=ewma", "health.kind=http", "health.status=200,204", "retry.on=connect,503", "ejection.any_5xx=true", "total_timeout_ms=9000")
	wants(t, "versions upstreams", tm.ok("versions", "upstreams", "orders", "--environment", "production"), "NODE", "GETS NO CALLS BECAUSE")
	wants(t, "versions upstreams --json", tm.ok("versions", "upstreams", "orders", "--json"), `"items"`)
	tm.ok("versions", "set", "orders", "--protocol", "http1")
	wants(t, "versions show, protocol", tm.ok("versions", "show", "orders"), "Draft: calls it by http1")
	whole := tm.ok("versions", "show", "orders", "--json")
	wants(t, "versions show --json", whole, `"connect_timeout_ms": 2000`, `"idle_timeout_ms": 60000`, `"bearer": false`, `"header": "X-API-Key"`, `"query": ""`, `"max_body_bytes": 2048`)
	tm.refused([]refusedCommand{
		{[]string{"versions", "set", "orders"}, exitUsage, "--upstream"},
		{[]string{"versions", "set", "orders", "--host", "x.example"}, exitUsage, "--mount"},
		{[]string{"versions", "set", "orders", "--header", "X-One"}, exitUsage, "NAME=VALUE"},
		{[]string{"versions", "set", "orders", "--traffic", "balance"}, exitUsage, "KEY=VALUE"},
		{[]string{"versions", "set", "orders", "--traffic", "balance.algorithm=dice"}, exitRefused, "balance.algorithm"},
		{[]string{"versions", "set", "orders", "--protocol", "spdy"}, exitRefused, "upstream_protocol"},
		{[]string{"versions", "set", "orders", "--weight", "3"}, exitRefused, "upstream_weights"},
		{[]string{"versions", "set", "orders", "--public", "odd", "--private", "odd"}, exitUsage, "both --public and --private"},
		{[]string{"versions", "set", "orders", "--limit", "1/1s@moon"}, exitRefused, "limits[0].by"},
		{[]string{"versions", "promote", "orders"}, exitRefused, "orders v1 is not live in sandbox; it is live in: production r1"},
	})
	tm.ok("publish", "orders", "--environment", "sandbox", "--note", "second")
	wants(t, "revisions", tm.ok("versions", "revisions", "orders"), "r2", "sandbox", "second", "r1", "production")
	wants(t, "promote", tm.ok("versions", "promote", "orders", "--wait"), "orders v1 r2 of sandbox is live in production.", "In force")
	wants(t, "roll-back", tm.ok("versions", "roll-back", "orders", "v1", "1", "--environment", "Sandbox"), "orders v1 is back at r1 on sandbox.")
	wants(t, "versions list", tm.ok("versions", "list", "orders"), "production r2, sandbox r1")
	wants(t, "take-off", tm.ok("versions", "take-off", "orders", "--environment", "Sandbox", "--wait"), "orders v1 is live in sandbox no more.", "In force")
	if got := tm.ok("versions", "document", "orders"); got != ordersYAML {
		t.Errorf("the document is not what was imported:\n%s", got)
	}
	wants(t, "findings", tm.ok("versions", "findings", "orders"), "path_slash_added")
}
