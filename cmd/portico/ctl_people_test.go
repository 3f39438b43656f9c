package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"portico/internal/apim"
	"portico/manager"
)

func TestPeopleFromTheCommandLine(t *testing.T) {
	tm := newTerminal(t)
	team := tm.field("id", "teams", "create", "Payments", "--role", "provider", "--role", "approver")
	if out := tm.ok("teams"); !strings.Contains(out, "payments") || !strings.Contains(out, "provider, approver") {
		t.Errorf("got %s", out)
	}
	tm.ok("teams", "set", "payments", "--name", "Money", "--no-roles")
	if _, errs, code := tm.run("teams", "set", "payments"); code != exitUsage || !strings.Contains(errs, "--name") {
		t.Errorf("got %d %s", code, errs)
	}
	out := tm.ok("invite", "ada@shop.example", "--role", "provider", "--grant", "approver@"+team, "--team", "payments")
	if !strings.Contains(out, "http://localhost:8082/invitation?token=portico_invitation_") {
		t.Errorf("got %s", out)
	}
	if _, errs, code := tm.run("invite", "ada@shop.example", "--grant", "approver"); code != exitUsage || !strings.Contains(errs, "ROLE@ID") {
		t.Errorf("got %d %s", code, errs)
	}
	file := filepath.Join(tm.dir, "link")
	id := tm.field("id", "invite", "bea@shop.example", "--role", "auditor")
	tm.ok("invitations", "resend", id, "--out", file)
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "portico_invitation_") {
		t.Errorf("got %s, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want the link to be its owner's alone", info.Mode(), err)
	}
	tm.ok("invitations", "revoke", id)
	if out := tm.ok("invitations"); !strings.Contains(out, "ada@shop.example") || strings.Contains(out, "bea@") || strings.Contains(out, "portico_invitation") {
		t.Errorf("got %s", out)
	}
	if out := tm.ok("members"); !strings.Contains(out, "None") {
		t.Errorf("got %s", out)
	}
	if _, errs, code := tm.run("members", "set", "nobody@shop.example", "--role", "owner"); code != exitRefused || !strings.Contains(errs, "portico members") {
		t.Errorf("got %d %s", code, errs)
	}
	tm.ok("teams", "delete", "payments")

	text := tm.field("token", "tokens", "create", "CI", "--preset", "read-only")
	if out := tm.ok("tokens"); !strings.Contains(out, "read-only") || strings.Contains(out, text) {
		t.Errorf("got %s", out)
	}
	if out := tm.ok("tokens", "list", "--all"); !strings.Contains(out, "BY") || !strings.Contains(out, "read-only") || strings.Contains(out, text) {
		t.Errorf("got %s", out)
	}
	if out := tm.ok("tokens", "create", "forever", "--never", "--scope", "publish api"); !strings.Contains(out, "publish api, until never") {
		t.Errorf("got %s", out)
	}
	tm.env["PORTICO_TOKEN"] = text
	if _, errs, code := tm.run("teams", "create", "Mine"); code != exitRefused || !strings.Contains(errs, "token_scope") {
		t.Errorf("got %d %s, want the scope to be too narrow", code, errs)
	}
}

func TestSessionsFromTheCommandLine(t *testing.T) {
	tm := newTerminal(t)
	if _, errs, code := tm.run("sessions"); code != exitRefused || !strings.Contains(errs, "no person") {
		t.Errorf("a bootstrap token: got %d %s", code, errs)
	}
	ctx, tenants := t.Context(), tm.edge.Tenants
	tenants.OpenSignUp = true
	p, err := tenants.SignUp(ctx, manager.SignUp{Name: "Ada", Email: "ada@shop.example", Password: "correct horse battery"}, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	ada := apim.Actor{Person: p.ID, Name: p.Name}
	mine, err := tenants.Memberships(ctx, ada)
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := tenants.CreateToken(ctx, ada, mine[0].Tenant.ID, manager.NewToken{Name: "CLI"})
	if err != nil {
		t.Fatal(err)
	}
	sessions := tenants.Store.Sessions("portal", time.Now)
	ids := []apim.ID{apim.NewID(apim.PrefixSession, time.Now()), apim.NewID(apim.PrefixSession, time.Now()), apim.NewID(apim.PrefixSession, time.Now())}
	for _, id := range ids {
		shown := apim.Session{ID: id, Person: p.ID, Address: "192.0.2.7", Agent: "Firefox\x1b[2J", StartedAt: time.Now(), SeenAt: time.Now()}
		if err := sessions.CommitSession(ctx, string(id), []byte("x"), time.Now().Add(time.Hour), shown); err != nil {
			t.Fatal(err)
		}
	}
	tm.env["PORTICO_TOKEN"] = text
	if out := tm.ok("sessions"); strings.Count(out, "192.0.2.7") != 3 || !strings.Contains(out, "Firefox [2J") {
		t.Errorf("got %q, want all three, and nothing that steers the terminal", out)
	}
	if out := tm.ok("sessions", "end", string(ids[0])); !strings.Contains(out, "Signed out there") {
		t.Errorf("got %s", out)
	}
	if _, errs, code := tm.run("sessions", "end", string(ids[0])); code != exitRefused || !strings.Contains(errs, "no such session") {
		t.Errorf("got %d %s, want it to have ended", code, errs)
	}
	if out := tm.ok("sessions", "--json"); strings.Contains(out, string(ids[0])) || strings.Count(out, `"current": false`) != 2 {
		t.Errorf("got %s", out)
	}
	tm.ok("sessions", "end-others")
	if out := tm.ok("sessions"); !strings.Contains(out, "None") {
		t.Errorf("got %s", out)
	}
}

func TestAuditFromTheCommandLine(t *testing.T) {
	tm := newTerminal(t)
	tm.ok("teams", "create", "One")
	if out := tm.ok("audit", "--action", "team"); !strings.Contains(out, "team.create") || strings.Contains(out, "tenant.create") {
		t.Errorf("got %s", out)
	}
	file := filepath.Join(tm.dir, "audit.csv")
	tm.ok("audit", "export", "--format", "csv", "--out", file)
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "sequence,") || strings.Count(string(text), "\n") < 3 {
		t.Errorf("got %s, %v", text, err)
	}
	if out := tm.ok("audit", "export", "--installation"); !strings.Contains(out, "token.bootstrap") {
		t.Errorf("got %s", out)
	}
	if out := tm.ok("audit", "verify"); !strings.Contains(out, "shop: all 3 rows fit") { // made, team, exported
		t.Errorf("got %s", out)
	}
	if out := tm.ok("audit", "verify", "--installation"); !strings.Contains(out, "the installation: all") {
		t.Errorf("got %s", out)
	}
	// Past the manager, at the database itself, which is not changed.
	if out := tm.ok("audit", "verify", "--data", tm.dir); !strings.Contains(out, "the installation: all") || !strings.Contains(out, "shop: all 3 rows fit") {
		t.Errorf("got %s", out)
	}
	if _, errs, code := tm.run("audit", "verify", "--data", filepath.Join(tm.dir, "nowhere")); code != exitRefused || !strings.Contains(errs, "no such file") {
		t.Errorf("got %d %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(tm.dir, "nowhere")); err == nil {
		t.Error("looking made a database")
	}
	db, err := sql.Open("sqlite", filepath.Join(tm.dir, "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{"DROP TRIGGER audit_is_append_only_update", "UPDATE audit SET summary = 'nothing' WHERE sequence = 2 AND tenant_id <> ''"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"audit", "verify"}, {"audit", "verify", "--data", tm.dir, "--tenant", "shop"}} {
		out, errs, code := tm.run(args...)
		if code != exitRefused || !strings.Contains(out, "shop: row 2 (aud_") || !strings.Contains(out, "1 rows before it do") || !strings.Contains(errs, "1 of 1") {
			t.Errorf("%v: got %d %s%s, want row 2", args, code, out, errs)
		}
	}
}
