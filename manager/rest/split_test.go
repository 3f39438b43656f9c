package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/test/postgres"
)

// counting is what nodes say.
type counting struct{ statuses []entry.Status }

func (c *counting) Statuses(string) []entry.Status { return c.statuses }

func TestCallsAreSplitThroughTheAPI(t *testing.T) { postgres.Both(t, testCallsAreSplitThroughTheAPI) }

func testCallsAreSplitThroughTheAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/versions/" + s.version + "/environments/production/split"
	none := s.call(s.ada, "GET", at, nil).ok(200)
	if none["candidate"] != nil || none["per_mille"] != 0.0 || none["live_revision"] != 1.0 || none["comparison"] != nil {
		t.Errorf("got %v, want no split", none)
	}
	set := s.call(s.ada, "PATCH", at+"?wait=applied", `{"candidate":{"urls":["https://next.example"]},"per_mille":50,"sticky":"cookie",
		"rules":[{"in":"header","name":"X-Beta","to":"candidate"},{"in":"cookie","name":"old","value":"1","to":"live"}],
		"steps":{"on":true,"by_per_mille":100,"every_ms":600000,"until_per_mille":1000,"slack_per_mille":5,"calls":50},
		"mirror":{"urls":["https://mirror.example"],"per_mille":10,"max_body_bytes":1000,"concurrency":4,"all_methods":true}}`).ok(200)
	raw, _ := json.Marshal(set)
	for _, want := range []string{
		`"urls":["https://next.example"]`, `"per_mille":50`, `"sticky":"cookie"`, `"name":"X-Beta"`, `"to":"live"`, `"every_ms":600000`,
		`"all_methods":true`, `"updated_by":"Ada"`, `"done":true`, `"nodes":0`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the answer lacks %s: %s", want, raw)
		}
	}
	run := s.runOf(t)
	s.edge.Catalog.Counts = &counting{[]entry.Status{{Node: "a", Splits: []entry.SplitReport{{
		Version: strings.TrimPrefix(s.version, "ver_"), Run: run,
		Live: &entry.BranchCounts{Classes: [6]uint64{0, 0, 90, 0, 0, 10}}, Candidate: &entry.BranchCounts{Classes: [6]uint64{0, 0, 5}, Times: []uint64{0, 5}},
	}}}}}
	seen := s.call(s.ada, "GET", at, nil).ok(200)["comparison"].(map[string]any)
	if live := seen["live"].(map[string]any); live["calls"] != 100.0 || live["failed"] != 10.0 || seen["nodes"] != 1.0 {
		t.Errorf("compared %v", seen)
	}
	if candidate := seen["candidate"].(map[string]any); candidate["calls"] != 5.0 || candidate["p99_ms"].(float64) <= 0 {
		t.Errorf("compared %v", candidate)
	}
	for _, c := range []struct {
		to   string
		want float64
	}{{"candidate", 1000}, {"back", 50}, {"live", 0}} {
		got := s.call(s.ada, "POST", at+"/switch", map[string]string{"to": c.to}).ok(200)
		if got["per_mille"] != c.want || got["steps"].(map[string]any)["on"] != false || got["change"] == nil {
			t.Errorf("switched %s: %v", c.to, got)
		}
	}
	s.call(s.ada, "POST", at+"/switch", `{"to":"moon"}`).refused(422, "invalid", "to")
	s.call(s.ada, "POST", at+"/take", nil).refused(409, "no_candidate")
	s.call(s.ada, "PATCH", at, `{"per_mille":1001}`).refused(422, "invalid", "per_mille")
	s.call(s.ada, "PATCH", at, `{"rules":[{"in":"header","name":"X","to":"moon"}]}`).refused(422, "invalid", "rules[0].to")
	s.call(s.ada, "PATCH", at, `{"sticky":"glue","candidate":{"revision":9}}`).refused(422, "invalid", "sticky")
	s.call(s.ada, "DELETE", at, nil).ok(200)
	s.call(s.ada, "DELETE", at, nil).refused(404, "not_found")

	s.call(s.ada, "PATCH", "/tenants/shop/versions/"+s.version+"/draft", `{"upstream_urls":["https://next.example"]}`).ok(200)
	offered := s.call(s.ada, "POST", at+"/offer", `{"note":"try it","per_mille":100}`).ok(200)
	if offered["candidate"].(map[string]any)["revision"] != 2.0 || offered["live_revision"] != 1.0 {
		t.Errorf("offered %v", offered)
	}
	if taken := s.call(s.ada, "POST", at+"/take", nil).ok(200); taken["live_revision"] != 2.0 || taken["candidate"] != nil {
		t.Errorf("taken %v", taken)
	}
	s.call(s.cem, "GET", at, nil).refused(404, "not_found")

	s.call(s.ada, "PUT", "/tenants/shop/environments/production/values/other_key", `{"value":"canary","secret":true}`).ok(200)
	s.call(s.ada, "PATCH", "/tenants/shop/versions/"+s.version+"/draft", `{"policies":[{"kind":"introspection","config":{"url":"https://id.example.com/introspect","issuer":"https://id.example.com/","client_id":"gateway","client_secret":"${other_key}","in":"header","name":"X-Token"}}]}`).ok(200)
	if offered = s.call(s.ada, "POST", at+"/offer", `{"per_mille":100}`).ok(200); fmt.Sprint(offered["first_uses"]) != "[other_key]" {
		t.Errorf("offered %v, which does not tell the first use of a secret", offered)
	}
	if taken := s.call(s.ada, "POST", at+"/take", nil).ok(200); taken["first_uses"] != nil {
		t.Errorf("taken %v", taken)
	}
}

// runOf names the comparison that is live.
func (s *scene) runOf(t *testing.T) string {
	t.Helper()
	key, err := entry.APIKey(strings.TrimPrefix(s.version, "ver_"))
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.store.LoadEntries(t.Context(), "production", []entry.Key{key})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	api, err := entry.Decode[entry.API](items[0])
	if err != nil {
		t.Fatal(err)
	}
	return api.Split.Run
}

func TestVersionsAreToldApartThroughTheAPI(t *testing.T) {
	postgres.Both(t, testVersionsAreToldApartThroughTheAPI)
}

func testVersionsAreToldApartThroughTheAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	at := "/tenants/shop/versions/" + s.version
	changed := s.call(s.ada, "PATCH", at+"/draft", `{"mounts":[{"base_path":"/shop/orders/v1"},
		{"base_path":"/shop/orders","select":{"in":"header","name":"X-Version","value":"1"}},
		{"base_path":"/shop/orders","select":{"in":"media_type","value":"application/vnd.shop.v1+json"}}]}`).ok(200)
	raw, _ := json.Marshal(changed["draft"])
	if !strings.Contains(string(raw), `"select":{"in":"header","name":"X-Version","value":"1"}`) || !strings.Contains(string(raw), `"value":"application/vnd.shop.v1+json"`) {
		t.Errorf("the draft lacks its selectors: %s", raw)
	}
	s.call(s.ada, "PATCH", at+"/draft", `{"mounts":[{"base_path":"/shop/orders","select":{"in":"header","name":"Accept","value":"1"}}]}`).refused(422, "invalid", "mounts[0]")
	if got := s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"default_version":"newest"}`).ok(200); text(got, "default_version") != "newest" {
		t.Errorf("got %v", got)
	}
	s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"default_version":"v9"}`).refused(422, "invalid", "default_version")
	s.call(s.ada, "POST", at+"/publish", `{"environment":"production"}`).ok(200)
	if got := s.call(s.ada, "GET", "/tenants/shop/apis/orders", nil).ok(200); text(got, "default_version") != "newest" {
		t.Errorf("got %v", got)
	}
}
