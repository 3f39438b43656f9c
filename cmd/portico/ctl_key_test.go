package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portico/test/fake"
)

func TestKeysFromTheCommandLine(t *testing.T) {
	tm := offering(t)
	tm.ok("environments", "create", "sandbox", "--kind", "sandbox", "--gateway-url", "http://localhost:8090", "--name", "Try it")
	key, errs, code := tm.run("keys", "create", "Till", "laptop", "--environment", "try it", "--expires", "2099-06-30", "--address", "10.0.0.0/8",
		"--address", "::1", "--referrer", "*.shop.example", "--quiet", "--wait")
	if code != 0 || errs != "" || !strings.HasPrefix(key, "portico_test_") || strings.Count(key, "\n") != 1 {
		t.Fatalf("keys create --quiet: exit %d, %q %q; want the key alone", code, key, errs)
	}
	listed := tm.ok("keys", "list", "till")
	wants(t, "keys list", listed, "laptop  sandbox", "2099-06-30", "10.0.0.0/8, ::1/128, *.shop.example", "works")
	if strings.Contains(listed, strings.TrimSpace(key)) {
		t.Error("the list shows a whole key")
	}
	wants(t, "keys set", tm.ok("keys", "set", "till/laptop", "--name", "desk", "--any-referrer", "--address", "192.0.2.0/24", "--wait"),
		"desk may be used only from 192.0.2.0/24.", "In force on 1 of 1")
	wants(t, "keys set", tm.ok("keys", "set", "till/desk", "--unrestricted"), "desk may be used from anywhere.")

	rotated := tm.ok("keys", "rotate", "till/desk", "--grace", "30m", "--wait")
	if first, _, _ := strings.Cut(rotated, "\n"); !strings.HasPrefix(first, "portico_test_") || first == strings.TrimSpace(key) {
		t.Errorf("the new key is not alone on the first line: %q", rotated)
	}
	wants(t, "keys rotate", rotated, "The old one works until", "In force on 1 of 1")
	if listed = tm.ok("keys", "list", "till"); strings.Count(listed, "…") < 3 {
		t.Errorf("want both secrets, and when the old one ends:\n%s", listed)
	}
	wants(t, "keys end-secret", tm.ok("keys", "end-secret", "till/Desk", "--wait"), "desk has its new secret alone.", "In force")
	wants(t, "keys rotate", tm.ok("keys", "rotate", "till/desk", "--grace", "0s"), "The old one has ended.")

	file := filepath.Join(tm.dir, "key")
	if out := tm.ok("keys", "rotate", "till/desk", "--out", file); out != "" {
		t.Errorf("--out prints %q", out)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "portico_test_") {
		t.Errorf("got %q, %v, want the key", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want the key to be its owner's alone", info.Mode(), err)
	}
	id := tm.field("id", "keys", "create", "till", "desk")
	tm.refused([]refusedCommand{
		{[]string{"keys", "revoke", "till/desk"}, exitUsage, id},
		{[]string{"keys", "revoke", "till/phone"}, exitRefused, "it has desk, desk"},
		{[]string{"keys", "revoke", "desk"}, exitUsage, "APPLICATION/NAME"},
		{[]string{"keys", "revoke", "tills/desk"}, exitRefused, "there is till"},
		{[]string{"keys", "set", id}, exitUsage, "--address"},
		{[]string{"keys", "set", id, "--address", "10.0.0.0/8", "--any-address"}, exitUsage, "do not go together"},
		{[]string{"keys", "set", id, "--address", "everywhere"}, exitRefused, "addresses"},
		{[]string{"keys", "rotate", id, "--grace", "-1s"}, exitUsage, "--grace"},
		{[]string{"keys", "rotate", id, "--grace", "9999h"}, exitRefused, "grace_ms"},
		{[]string{"keys", "rotate", id, "--quiet", "--json"}, exitUsage, "--quiet"},
		{[]string{"keys", "create", "till", "--expires", "soon"}, exitUsage, "2027-06-30"},
		{[]string{"keys", "end-secret", id}, exitRefused, "one secret alone"},
	})
	tm.ok("keys", "revoke", id)
	wants(t, "revoke of the one that works", tm.ok("keys", "revoke", "till/desk"), "Revoked till/desk.")
}

func TestCredentialsOfEveryKindFromTheCommandLine(t *testing.T) {
	tm := offering(t)
	first, second := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	wants(t, "basic", tm.ok("keys", "create", "till", "desk", "--kind", "basic", "--user", "till"), "portico_live_password_", "It is the password of till.")
	wants(t, "signature", tm.ok("keys", "create", "till", "signs", "--kind", "signature"), "portico_live_signing_", "Sign with it as key id sig_")
	wants(t, "jwt", tm.ok("keys", "create", "till", "tokens", "--kind", "jwt", "--issuer", "https://issuer.example/", "--subject", "till"), "Registered tokens")
	wants(t, "certificate", tm.ok("keys", "create", "till", "cert", "--kind", "certificate", "--certificate", first), "Registered cert")
	wants(t, "signature rotated", tm.ok("keys", "rotate", "till/signs"), "portico_live_signing_", "Sign with it as key id sig_", "The old one works until")
	file := filepath.Join(tm.dir, "next.pem")
	if err := os.WriteFile(file, []byte(second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "certificate followed", tm.ok("keys", "rotate", "till/cert", "--certificate", file), "cert has its next certificate. The old one works until")
	wants(t, "list", tm.ok("keys", "list", "till"), "KIND", "till …", "sig_", "till of https://issuer.example/", first[:16]+"…, "+second[:16]+"…")
	proof := filepath.Join(tm.dir, "token")
	if err := os.WriteFile(proof, []byte(fake.Proof("https://issuer.example/", "kiosk")), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "jwt with its proof", tm.ok("keys", "create", "till", "kiosk", "--kind", "jwt", "--issuer", "https://issuer.example/", "--subject", "kiosk", "--proof", proof), "Registered kiosk")
	wants(t, "jwt renewed", tm.ok("keys", "rotate", "till/tokens", "--expires", "2099-06-30"), "tokens is taken until 2099-06-30")
	tm.refused([]refusedCommand{
		{[]string{"keys", "create", "till", "--kind", "jwt", "--issuer", "https://issuer.example/", "--subject", "desk", "--proof", proof}, exitRefused, "another client"},
		{[]string{"keys", "create", "till", "--kind", "magic"}, exitUsage, "--kind"},
		{[]string{"keys", "create", "till", "--kind", "jwt"}, exitRefused, "issuer"},
		{[]string{"keys", "create", "till", "--kind", "certificate", "--certificate", filepath.Join(tm.dir, "none.pem")}, exitUsage, "--certificate"},
		{[]string{"keys", "create", "till", "--kind", "certificate", "--certificate", first}, exitRefused, "registered for"},
		{[]string{"keys", "rotate", "till/tokens"}, exitRefused, "its issuer renews"},
	})
}
