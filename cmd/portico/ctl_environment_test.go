package main

import (
	"strings"
	"testing"
)

func TestEnvironmentsFromTheCommandLine(t *testing.T) {
	tm := newTerminal(t)
	id := tm.field("id", "environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://localhost:8090", "--name", "Try it",
		"--max-stale", "30s", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "192.0.2.1/32")
	wants(t, "environments", tm.ok("environments"), "production   Production", "sandbox      Try it", "http://localhost:8090", id)
	shown := tm.ok("environments", "show", "try it")
	wants(t, "environments show", shown, "Try it (sandbox, "+id+"), sandbox, at http://localhost:8090.", "10.0.0.0/8, 192.0.2.1/32", "30s", "serves on")
	wants(t, "environments set", tm.ok("environments", "set", id, "--name", "Sandbox", "--gateway-url", "http://localhost:8091",
		"--max-body-bytes", "1024", "--connect-timeout", "1500ms", "--header-timeout", "2s", "--idle-timeout", "3m", "--max-stale", "1h", "--refuse-stale",
		"--no-trusted-proxies", "--wait"), "Changed environment sandbox.", "In force on 1 of 1 nodes, 7 ms.")
	shown = tm.ok("environments", "show", "sandbox")
	wants(t, "environments show", shown, "Sandbox (sandbox", "localhost:8091", "1024 bytes", "1.5s", "2s", "3m", "1h", "refuses calls")
	if strings.Contains(shown, "10.0.0.0") {
		t.Errorf("the proxies are still trusted:\n%s", shown)
	}
	tm.ok("environments", "set", "sandbox", "--no-refuse-stale")
	wants(t, "environments show", tm.ok("environments", "show", "Sandbox"), "serves on", "1h")
	wants(t, "environments change", tm.ok("environments", "change", "sandbox", "1", "--wait"), "sandbox #1: In force on 1 of 1 nodes, 7 ms.")

	tm.ok("environments", "create", "third", "--kind", "sandbox", "--gateway-url", "http://localhost:8092")
	if _, errs, code := tm.run("environments", "delete", "third"); code != exitRefused || !strings.Contains(errs, "Delete environment third") {
		t.Errorf("delete, unanswered: exit %d %s", code, errs)
	}
	wants(t, "environments delete", tm.ok("environments", "delete", "third", "--yes"), "Environment third is deleted.")
	if strings.Contains(tm.ok("environments"), "third") {
		t.Error("the environment is there still")
	}

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"environments", "set", "sandbox"}, exitUsage, "--max-stale"},
		{[]string{"environments", "set", "sandbox", "--max-stale", "1us"}, exitUsage, "--max-stale"},
		{[]string{"environments", "set", "sandbox", "--trusted-proxy", "10.0.0.0/8", "--no-trusted-proxies"}, exitUsage, "do not go together"},
		{[]string{"environments", "set", "sandbox", "--max-stale", "0s"}, exitRefused, "max_stale_ms"},
		{[]string{"environments", "set", "nowhere", "--name", "X"}, exitRefused, `no environment "nowhere"; there is production, sandbox`},
		{[]string{"environments", "create", "third", "--kind", "other", "--gateway-url", "http://x"}, exitUsage, "--kind"},
		{[]string{"environments", "change", "sandbox", "99"}, exitRefused, "99"},
	} {
		if _, errs, code := tm.run(c.args...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d %s, want %d and %q", c.args, code, errs, c.code, c.says)
		}
	}
}

func TestValuesFromTheCommandLine(t *testing.T) {
	tm := newTerminal(t)
	tm.ok("environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://localhost:8090")
	wants(t, "values set", tm.ok("values", "set", "backend=https://a.example/?x=y", "--environment", "sandbox"), "Set backend in sandbox. Nothing that is live there refers to ${backend} yet.")
	for _, more := range [][]string{nil, {"--wait"}} {
		if out := tm.ok(append([]string{"values", "set", "backend=https://b.example"}, more...)...); strings.Contains(out, "Published") || strings.Contains(out, "In force") {
			t.Errorf("a value that nothing live refers to is said to be published:\n%s", out)
		}
	}
	tm.in = ordersYAML
	tm.ok("import", "-", "--slug", "orders", "--label", "v1", "--upstream", "${backend}/v1", "--mount", "/shop/orders", "--access", "document")
	tm.ok("publish", "orders", "v1")
	if out := tm.ok("values", "set", "backend=https://c.example", "--wait"); strings.Contains(out, "Nothing") || !strings.Contains(out, "In force on 1 of 1 nodes, 7 ms.") {
		t.Errorf("a value that is referred to:\n%s", out)
	}
	tm.ok("values", "set", "backend=https://b.example")
	tm.in = "hush-hush\n"
	tm.ok("values", "set", "token", "--secret", "--environment", "Production")
	listed := tm.ok("values")
	wants(t, "values", listed, "backend  sandbox      https://a.example/?x=y", "backend  production   https://b.example", "(secret)")
	if strings.Contains(listed, "hush") || strings.Contains(tm.ok("values", "--json"), "hush") {
		t.Errorf("a secret is shown:\n%s", listed)
	}
	if here := tm.ok("values", "list", "--environment", "sandbox"); strings.Contains(here, "b.example") {
		t.Errorf("another environment's values are listed:\n%s", here)
	}
	wants(t, "values unset", tm.ok("values", "unset", "backend", "--environment", "sandbox"), "backend is unset in sandbox.")

	tm.in = ""
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"values", "set", "token=hush", "--secret"}, exitUsage, "not given as an argument"},
		{[]string{"values", "set", "token"}, exitUsage, "NAME=VALUE"},
		{[]string{"values", "set", "token", "--secret"}, exitUsage, "standard input"},
		{[]string{"values", "set", "Token=1"}, exitRefused, "name"},
		{[]string{"values", "unset", "nothing"}, exitRefused, "nothing"},
		{[]string{"values", "set", "a=b", "--environment", "nowhere"}, exitRefused, "nowhere"},
	} {
		if _, errs, code := tm.run(c.args...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d %s, want %d and %q", c.args, code, errs, c.code, c.says)
		}
	}
}
