package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

func TestUsageIsAddedUp(t *testing.T) {
	tm := newTerminal(t)
	wants(t, "no usage", tm.ok("usage"), "No calls.")
	tm.ok("import", tm.file("orders.yaml", ordersYAML), "--publish")
	var version struct{ ID string }
	if err := json.Unmarshal([]byte(tm.ok("versions", "show", "orders", "v1", "--json")), &version); err != nil {
		t.Fatal(err)
	}
	minute := time.Now().UTC().Add(-10 * time.Minute).Truncate(time.Minute)
	line := func(at time.Time, status int, code string, calls int64) apim.Usage {
		return apim.Usage{Minute: at, Version: apim.ID(version.ID), Operation: "listOrders", Status: status, Code: code, Calls: calls, BytesOut: 2048, TookUS: 1500 * calls}
	}
	_, err := tm.edge.Fleet.Store.CountUsage(t.Context(), []apim.UsagePiece{{Environment: "production", Node: "n", Spool: strings.Repeat("0", 32), Segment: 1, To: 3, Lines: []apim.Usage{
		line(minute, 200, "", 7), line(minute.Add(time.Minute), 200, "", 2), line(minute, 401, "credential_missing", 3), line(minute, 502, "upstream_unreachable", 1),
	}}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cells := func(out, row string) string {
		t.Helper()
		for _, l := range strings.Split(out, "\n") {
			if strings.HasPrefix(l, row) {
				return strings.Join(strings.Fields(strings.TrimPrefix(l, row)), " ")
			}
		}
		t.Fatalf("no row %q in\n%s", row, out)
		return ""
	}
	if got, want := cells(tm.ok("usage"), "Orders v1"), "13 3 1 1.5 0 8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cells(tm.ok("usage", "--by", "status", "--api", "orders"), "401"); !strings.HasPrefix(got, "3 3 0") {
		t.Errorf("got %q", got)
	}
	if got := cells(tm.ok("usage", "--by", "minute", "--status", "200"), minute.Add(time.Minute).Format("2006-01-02 15:04")); !strings.HasPrefix(got, "2 0 0") {
		t.Errorf("got %q", got)
	}
	if out := tm.ok("usage", "--installation", "--json"); strings.Count(out, `"calls"`) < 4 || !json.Valid([]byte(out)) {
		t.Errorf("got %s", out)
	}
	if _, errs, code := tm.run("usage", "--mine", "--api", "orders"); code != exitUsage || !strings.Contains(errs, "do not go together") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
