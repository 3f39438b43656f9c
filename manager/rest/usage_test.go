package rest_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/test/postgres"
)

// counted makes the scene one in which the till was refused three times and has
// called twice, half an hour ago, and somebody called no API.
func (s *scene) counted() {
	s.t.Helper()
	minute := s.clock().Add(-30 * time.Minute).Truncate(time.Minute)
	took := make([]int64, apim.UsageBuckets)
	took[2], took[apim.UsageBuckets-1] = 1, 1
	p := apim.UsagePiece{Environment: "production", Node: "node", Spool: strings.Repeat("0", 32), Segment: 1, To: 6, Lines: []apim.Usage{
		{Minute: minute, Version: apim.ID(s.version), Operation: "listOrders", Application: apim.ID(s.application), Status: 200, Calls: 2, BytesIn: 1, BytesOut: 2048, TookUS: 6_003_000, UpstreamUS: 5, Took: took},
		{Minute: minute.Add(time.Minute), Version: apim.ID(s.version), Application: apim.ID(s.application), Status: 403, Code: "subscription_pending", Calls: 3},
		{Minute: minute, Status: 404, Code: "no_route", Calls: 1},
	}}
	if fresh, err := s.store.CountUsage(s.t.Context(), []apim.UsagePiece{p}, s.clock()); err != nil || !fresh[0] {
		s.t.Fatal(fresh, err)
	}
}

func TestUsageIsListedForEachSide(t *testing.T) { postgres.Both(t, testUsageIsListedForEachSide) }

func testUsageIsListedForEachSide(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.counted()
	for _, side := range []struct{ token, path string }{{s.ada, "/tenants/shop/usage"}, {s.cem, "/tenants/client/usage/mine"}} {
		lines := items(s.call(side.token, "GET", side.path, nil).ok(200))
		if len(lines) != 2 {
			t.Fatalf("%s: got %v, want two lines", side.path, lines)
		}
		refused, answered := lines[0], lines[1] // newest first
		if refused["status"] != 403.0 || text(refused, "code") != "subscription_pending" || refused["calls"] != 3.0 {
			t.Errorf("%s: got %v", side.path, refused)
		}
		if text(answered, "version_name") != "Orders v1" || text(answered, "application_name") != "Till" || text(answered, "operation") != "listOrders" || answered["bytes_out"] != 2048.0 || answered["took_us"] != 6003000.0 {
			t.Errorf("%s: got %v", side.path, answered)
		}
		ranges, _ := answered["durations"].([]any)
		if len(ranges) != 2 || ranges[0].(map[string]any)["up_to_ms"] != 5.0 || ranges[1].(map[string]any)["up_to_ms"] != nil {
			t.Errorf("%s: got durations %v", side.path, ranges)
		}
	}
	if lines := items(s.call(s.cem, "GET", "/tenants/client/usage", nil).ok(200)); len(lines) != 0 {
		t.Errorf("the client offers nothing, and got %v", lines)
	}
	if lines := items(s.call(s.operator, "GET", "/usage", nil).ok(200)); len(lines) != 3 {
		t.Errorf("the installation: got %v, want the call of no API too", lines)
	}
}

func TestUsageIsNarrowedAndPaged(t *testing.T) { postgres.Both(t, testUsageIsNarrowedAndPaged) }

func testUsageIsNarrowedAndPaged(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.counted()
	at := func(d time.Duration) string { return s.clock().Add(d).UTC().Format(time.RFC3339) }
	for query, want := range map[string]int{
		"api=orders": 2, "api=" + s.version: -1, "version=" + s.version: 2, "version=ver_x": 0, "status=403": 1, "application=" + s.application: 2,
		"application=app_x": 0, "environment=production": 2, "environment=sandbox": 0, "from=" + at(-28*time.Minute): 0, "from=" + at(-2*time.Hour): 2,
		"to=" + at(-40*time.Minute): 0,
	} {
		a := s.call(s.ada, "GET", "/tenants/shop/usage?"+query, nil)
		if want < 0 {
			a.refused(404, "not_found")
		} else if lines := items(a.ok(200)); len(lines) != want {
			t.Errorf("%s: got %d lines, want %d", query, len(lines), want)
		}
	}
	first := s.call(s.ada, "GET", "/tenants/shop/usage?limit=1", nil).ok(200)
	second := s.call(s.ada, "GET", "/tenants/shop/usage?limit=1&cursor="+text(first, "next_cursor"), nil).ok(200)
	if a, b := items(first), items(second); len(a) != 1 || len(b) != 1 || a[0]["status"] == b[0]["status"] || text(second, "next_cursor") != "" {
		t.Errorf("got %v, then %v", first, second)
	}
	s.call(s.ada, "GET", "/tenants/shop/usage?status=many", nil).refused(422, "invalid", "status")
	s.call(s.ada, "GET", "/tenants/shop/usage?status=600", nil).refused(422, "invalid", "status")
	s.call(s.ada, "GET", "/tenants/shop/usage?from=yesterday", nil).refused(422, "invalid", "from")
	s.call(s.ada, "GET", "/tenants/shop/usage?from="+at(0)+"&to="+at(-time.Hour), nil).refused(422, "invalid", "to")
	s.call(s.cem, "GET", "/tenants/client/usage/mine?application=nobody", nil).refused(404, "not_found")
}
