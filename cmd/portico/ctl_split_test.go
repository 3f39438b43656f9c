package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSplitByCommand(t *testing.T) {
	tm := newTerminal(t)
	tm.ok("import", tm.file("orders.yaml", ordersYAML))
	tm.ok("publish", "orders")
	tm.ok("split", "set", "orders", "--upstream", "https://next.example", "--share", "12.5", "--sticky", "caller",
		"--rule", "candidate:header X-Beta=yes", "--rule", "live:cookie old", "--step", "10", "--every", "5m", "--slack", "1", "--mirror", "https://mirror.example", "--mirror-all")
	var got splitAnswer
	if err := json.Unmarshal([]byte(tm.ok("split", "orders", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.PerMille != 125 || got.Sticky != "caller" || len(got.Rules) != 2 || got.Rules[0].Value != "yes" || !got.Steps.On || got.Steps.SlackPerMille != 10 || got.Steps.EveryMS != 300_000 || got.Mirror == nil {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"12.5 % to https://next.example", "A caller stays on its side, by caller", "Rule: candidate: header X-Beta yes", "+10 % every 5m0s", "Mirror: 1 % to https://mirror.example", "SIDE"} {
		if shown := tm.ok("split", "show", "orders"); !strings.Contains(shown, want) {
			t.Errorf("got %s, want %q in it", shown, want)
		}
	}
	if out := tm.ok("split", "switch", "orders", "--to", "candidate"); !strings.Contains(out, "100 % of the calls") {
		t.Errorf("got %s", out)
	}
	tm.ok("split", "set", "orders", "--no-rules", "--no-steps", "--no-mirror", "--sticky", "none")
	if out := tm.ok("split", "end", "orders"); !strings.Contains(out, "All calls to orders v1 go to r1") {
		t.Errorf("got %s", out)
	}
	tm.in = "canary\n"
	tm.ok("values", "set", "other_key", "--secret")
	tm.ok("policies", "add", "introspection", `{"url":"https://id.example.com/introspect","issuer":"https://id.example.com/","client_id":"gateway","client_secret":"${other_key}","in":"header","name":"X-Token"}`, "orders")
	const first = "Making it live is the first use of the secret ${other_key}, and needs who may set values."
	for _, args := range [][]string{{"split", "offer", "orders", "--share", "5"}, {"split", "show", "orders"}} {
		if out := tm.ok(args...); !strings.Contains(out, first) {
			t.Errorf("%v: got %s, want %q in it", args, out, first)
		}
	}
	if out := tm.ok("split", "take", "orders"); strings.Contains(out, "first use") {
		t.Errorf("got %s", out)
	}
	for _, args := range [][]string{
		{"split", "set", "orders"},
		{"split", "set", "orders", "--share", "101"},
		{"split", "set", "orders", "--revision", "1", "--upstream", "http://x"},
		{"split", "set", "orders", "--rule", "header X"},
		{"versions", "set", "orders", "--place", "orders"},
		{"versions", "set", "orders", "--place", "/shop/orders moon"},
		{"versions", "set", "orders", "--place", "/shop/orders", "--mount", "/shop/x"},
	} {
		if _, errs, code := tm.run(args...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	tm.ok("versions", "set", "orders", "--place", "/shop/orders header X-Version: 1", "--place", "/shop/orders media type parameter version=1", "--place", "/shop/orders/v1")
	if out := tm.ok("versions", "show", "orders"); !strings.Contains(out, "header X-Version 1") || !strings.Contains(out, "media type version 1") {
		t.Errorf("got %s", out)
	}
	tm.ok("apis", "set", "orders", "--default-version", "newest")
}
