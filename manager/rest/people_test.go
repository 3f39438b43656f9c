package rest_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/test/postgres"
)

func TestTeamFromMakingToDeleting(t *testing.T) { postgres.Both(t, testTeamFromMakingToDeleting) }

func testTeamFromMakingToDeleting(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	made := s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"Payments","description":"Money.","roles":["approver","provider"]}`)
	id := text(made.ok(201), "id")
	if made.Header.Get("Location") != "/api/v1/tenants/shop/teams/payments" || made.Header.Get("ETag") == "" {
		t.Errorf("got %v", made.Header)
	}
	s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"Payments","roles":["owner"]}`).refused(422, "invalid", "roles[0]", "slug")
	s.call(s.ada, "PATCH", "/tenants/shop/teams/payments", `{"name":"Money"}`, "If-Match", `"99"`).refused(412, "changed_meanwhile")
	changed := s.call(s.ada, "PATCH", "/tenants/shop/teams/payments", `{"name":"Money"}`, "If-Match", made.Header.Get("ETag")).ok(200)
	if text(changed, "name") != "Money" || fmt.Sprint(changed["roles"]) != "[provider approver]" {
		t.Errorf("got %v", changed)
	}
	joined := s.call(s.ada, "PUT", "/tenants/shop/teams/payments/members/"+s.adaID, nil).ok(200)
	if m, _ := joined["members"].([]any); len(m) != 1 {
		t.Errorf("got %v", joined)
	}
	s.call(s.ada, "PUT", "/tenants/shop/teams/"+id+"/members/"+s.adaID, `{}`).ok(200) // again
	api := s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"team":"payments"}`).ok(200)
	product := s.call(s.ada, "PATCH", "/tenants/shop/products/orders", map[string]any{"team": id}).ok(200)
	app := s.call(s.ada, "POST", "/tenants/shop/applications", `{"name":"Inside","team":"payments"}`).ok(201)
	for _, o := range []map[string]any{api, product, app} {
		if text(o, "team") != id {
			t.Errorf("got the team %q, want %q", text(o, "team"), id)
		}
	}
	for _, list := range []string{"apis", "products"} {
		for team, want := range map[string]int{"payments": 1, id: 1, "-": 0} {
			if got := items(s.call(s.ada, "GET", "/tenants/shop/"+list+"?team="+team, nil).ok(200)); len(got) != want {
				t.Errorf("%d %s of the team %q, want %d", len(got), list, team, want)
			}
		}
		s.call(s.ada, "GET", "/tenants/shop/"+list+"?team=nobody", nil).refused(422, "invalid", "team")
	}
	owns, _ := s.call(s.ada, "GET", "/tenants/shop/teams/payments", nil).ok(200)["owns"].(map[string]any)
	if fmt.Sprint(owns) != "map[apis:1 applications:1 products:1]" {
		t.Errorf("got %v", owns)
	}
	s.call(s.ada, "DELETE", "/tenants/shop/teams/payments", nil).refused(409, "owns_things")
	s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"team":""}`).ok(200)
	s.call(s.ada, "PATCH", "/tenants/shop/products/orders", `{"team":"sellers"}`).ok(200)
	s.call(s.ada, "PATCH", "/tenants/shop/applications/inside", `{"team":"nowhere"}`).refused(422, "invalid", "team")
	s.call(s.ada, "PATCH", "/tenants/shop/applications/inside", `{"team":"sellers"}`).ok(200)
	s.call(s.ada, "DELETE", "/tenants/shop/teams/payments/members/"+s.adaID, nil).ok(200)
	s.call(s.ada, "DELETE", "/tenants/shop/teams/payments/members/"+s.adaID, nil).refused(404, "not_found")
	s.call(s.ada, "DELETE", "/tenants/shop/teams/payments", nil).ok(204)
	if list := items(s.call(s.ada, "GET", "/tenants/shop/teams", nil).ok(200)); len(list) != 1 || text(list[0], "slug") != "sellers" {
		t.Errorf("got %v", list)
	}
}

func TestMemberFromInvitationToRemoval(t *testing.T) {
	postgres.Both(t, testMemberFromInvitationToRemoval)
}

func testMemberFromInvitationToRemoval(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	ctx := t.Context()
	invited := s.call(s.ada, "POST", "/tenants/shop/invitations", map[string]any{
		"email": "Eva@Shop.example", "roles": []string{"provider"}, "grants": []map[string]string{{"role": "approver", "on": s.product}}, "teams": []string{"sellers"},
	}).ok(201)
	again := s.call(s.ada, "POST", "/tenants/shop/invitations/"+text(invited, "id")+"/resend", nil).ok(200)
	link, err := url.Parse(text(again, "link"))
	if err != nil || text(again, "link") == text(invited, "link") || text(invited, "email") != "eva@shop.example" {
		t.Fatalf("got %v, %v", again, err)
	}
	if list := items(s.call(s.ada, "GET", "/tenants/shop/invitations", nil).ok(200)); len(list) != 2 || list[0]["link"] != nil {
		t.Errorf("got %v, want no link in the list", list)
	}
	s.call(s.ada, "POST", "/tenants/shop/invitations", `{"email":"eva@shop.example","roles":["auditor"]}`).refused(409, "already_invited")
	s.call(s.ada, "POST", "/tenants/shop/invitations", `{"email":"x","roles":["king"]}`).refused(422, "invalid", "email", "roles[0]")
	p, err := s.edge.Tenants.JoinByInvitation(ctx, secret.Text(link.Query().Get("token")), "Eva", "correct horse battery", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	path := "/tenants/shop/members/" + string(p.ID)
	shown := s.call(s.ada, "GET", path, nil)
	m := shown.ok(200)
	if fmt.Sprint(m["roles"]) != "[provider]" || len(m["grants"].([]any)) != 1 || len(m["teams"].([]any)) != 1 || text(m, "signed_in_at") == "" {
		t.Errorf("got %v", m)
	}
	s.call(s.ada, "PATCH", path, `{"roles":["auditor"]}`, "If-Match", `"99"`).refused(412, "changed_meanwhile")
	m = s.call(s.ada, "PATCH", path, `{"roles":["auditor"],"grants":[]}`, "If-Match", shown.Header.Get("ETag")).ok(200)
	if fmt.Sprint(m["roles"]) != "[auditor]" || len(m["grants"].([]any)) != 0 {
		t.Errorf("got %v", m)
	}
	s.call(s.ada, "PATCH", path, map[string]any{"grants": []map[string]string{{"role": "provider", "on": "ver_1"}}}).refused(422, "invalid", "grants[0]")
	s.call(s.ada, "PATCH", "/tenants/shop/members/"+s.adaID, `{"roles":["admin"]}`).refused(409, "last_owner")
	s.call(s.ada, "DELETE", "/tenants/shop/members/"+s.adaID, nil).refused(409, "last_owner")
	s.call(s.ada, "DELETE", path, nil).ok(204)
	s.call(s.ada, "GET", path, nil).refused(404, "not_found")
	s.call(s.ada, "DELETE", "/tenants/shop/invitations/"+s.invited, nil).ok(204)
	s.call(s.ada, "DELETE", "/tenants/shop/invitations/"+s.invited, nil).refused(404, "not_found")
}

func TestTokensHaveScopesAndAnEnd(t *testing.T) { postgres.Both(t, testTokensHaveScopesAndAnEnd) }

func testTokensHaveScopesAndAnEnd(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	made := s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","preset":"publish"}`).ok(201)
	if text(made, "preset") != "publish" || !strings.Contains(fmt.Sprint(made["scopes"]), "publish api") {
		t.Errorf("got %v", made)
	}
	s.call(text(made, "token"), "GET", "/tenants/shop/apis", nil).ok(200)
	s.call(text(made, "token"), "POST", "/tenants/shop/teams", `{"name":"x"}`).refused(403, "token_scope")
	s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","preset":"all"}`).refused(422, "invalid", "preset")
	s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","preset":"full","scopes":["read api"]}`).refused(422, "invalid", "preset")
	s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","scopes":["fly api"]}`).refused(422, "invalid", "scopes[0]")
	s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","expires_at":"2999-01-01T00:00:00Z"}`).refused(422, "invalid", "expires_at")
	never := s.call(s.operator, "POST", "/tenants/shop/tokens", `{"name":"CI","never_expires":true,"scopes":["read api"]}`).ok(201)
	if _, ends := never["expires_at"]; ends || never["preset"] != nil {
		t.Errorf("got %v, want no end and no preset", never)
	}
	if len(items(s.call(s.operator, "GET", "/tenants/shop/tokens", nil).ok(200))) != 2 {
		t.Error("the list does not have both")
	}
	s.call(s.operator, "DELETE", "/tenants/shop/tokens/"+text(made, "id"), nil).ok(204)
	s.call(text(made, "token"), "GET", "/tenants/shop/apis", nil).refused(401, "token_invalid")
}

func TestAuditLogByAPI(t *testing.T) { postgres.Both(t, testAuditLogByAPI) }

func testAuditLogByAPI(t *testing.T, place postgres.Place) {
	address := ""
	s := newScene(t, func(t testing.TB) string { address = place(t); return address })
	s.call(s.ada, "PATCH", "/tenants/shop/apis/orders", `{"contact":"=HYPERLINK(1)"}`).ok(200)
	list := items(s.call(s.ada, "GET", "/tenants/shop/audit?action=api.change&actor=Ada", nil).ok(200))
	if len(list) != 1 || !strings.Contains(fmt.Sprint(list[0]["after"]), "HYPERLINK") || list[0]["before"] == nil || text(list[0], "previous_hash") == "" {
		t.Fatalf("got %v", list)
	}
	for query, want := range map[string]int{
		"object=" + text(list[0], "object") + "&action=api": 2, "actor=" + s.adaID + "&limit=2": 2, "actor=Eve": 0,
		"from=" + s.clock().Add(time.Hour).Format(time.RFC3339): 0,
	} {
		if got := len(items(s.call(s.ada, "GET", "/tenants/shop/audit?"+query, nil).ok(200))); got != want {
			t.Errorf("%s: got %d rows, want %d", query, got, want)
		}
	}
	s.call(s.ada, "GET", "/tenants/shop/audit?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil).refused(422, "invalid", "to")

	lines := s.call(s.ada, "GET", "/tenants/shop/audit/export", nil)
	if lines.Status != 200 || lines.Header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(lines.Header.Get("Content-Disposition"), "audit.ndjson") {
		t.Errorf("got %d %v", lines.Status, lines.Header)
	}
	n := 0
	for line := range strings.Lines(string(lines.Body)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil || row["sequence"] != float64(n+1) || !strings.HasPrefix(text(row, "tenant"), "ten_") {
			t.Fatalf("line %d: %v %s", n+1, err, line)
		}
		n++
	}
	if n < 5 {
		t.Errorf("got %d lines, want the log", n)
	}
	table := s.call(s.ada, "GET", "/tenants/shop/audit/export?format=csv&action=api", nil)
	rows, err := csv.NewReader(strings.NewReader(string(table.Body))).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "sequence" || table.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("got %v, %v", rows, err)
	}
	eve := s.person("shop", "=HYPERLINK(1)", apim.RoleAdmin)
	s.call(eve, "POST", "/tenants/shop/teams", `{"name":"@SUM(A1)","slug":"sum"}`).ok(201)
	hers := string(s.call(s.ada, "GET", "/tenants/shop/audit/export?format=csv&action=team.create", nil).Body)
	rows, err = csv.NewReader(strings.NewReader(hers)).ReadAll()
	if err != nil || !strings.Contains(hers, "'=HYPERLINK(1)") {
		t.Errorf("got %s, %v, want her name marked as text", hers, err)
	}
	for _, row := range rows {
		for _, c := range row {
			if c != "" && strings.ContainsRune("=+-@\t\r\n", rune(c[0])) {
				t.Errorf("a spreadsheet would take %q for a formula", c)
			}
		}
	}
	empty := s.call(s.ada, "GET", "/tenants/shop/audit/export?format=csv&actor=Eve", nil)
	if !strings.HasPrefix(string(empty.Body), "sequence,id,at") {
		t.Errorf("got %q, want the head", empty.Body)
	}

	whole := s.call(s.ada, "GET", "/tenants/shop/audit/verify", nil).ok(200)
	newest := items(s.call(s.ada, "GET", "/tenants/shop/audit?limit=1", nil).ok(200))[0]
	if whole["whole"] != true || whole["rows"].(float64) <= float64(n) || whole["head"] != newest["hash"] {
		t.Errorf("got %v", whole)
	}
	if got := s.call(s.operator, "GET", "/audit/verify", nil).ok(200); got["whole"] != true {
		t.Errorf("got %v", got)
	}
	if len(items(s.call(s.operator, "GET", "/audit?action=token", nil).ok(200))) == 0 || s.call(s.operator, "GET", "/audit/export", nil).Status != 200 {
		t.Error("the operator does not see the installation's log")
	}
	s.call(s.ada, "GET", "/audit", nil).refused(403, "forbidden")

	db := postgres.SQL(t, address)
	for _, drop := range []string{"DROP TRIGGER audit_is_append_only ON audit", "DROP TRIGGER audit_is_append_only_update"} {
		_, _ = db.Exec(drop) // one of them is this dialect's
	}
	if _, err := db.Exec("UPDATE audit SET summary = 'x' WHERE sequence = 3 AND tenant_id <> ''"); err != nil {
		t.Fatal(err)
	}
	broken := s.call(s.ada, "GET", "/tenants/shop/audit/verify", nil).ok(200)
	at, _ := broken["broken"].(map[string]any)
	if broken["whole"] != false || at["sequence"] != float64(3) || broken["rows"] != float64(2) || text(at, "detail") == "" || text(at, "id") == "" {
		t.Errorf("got %v, want row 3", broken)
	}
}

func TestEverybodysTokensByAPI(t *testing.T) { postgres.Both(t, testEverybodysTokensByAPI) }

func testEverybodysTokensByAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	pia := s.person("shop", "Pia", apim.RoleProvider)
	if first := s.call(s.ada, "GET", "/tenants/shop/tokens/all?limit=1", nil).ok(200); len(items(first)) != 1 || text(first, "next_cursor") == "" {
		t.Errorf("got %v, want one and a way on", first)
	}
	all := s.call(s.ada, "GET", "/tenants/shop/tokens/all", nil)
	if n := len(items(all.ok(200))); n != 2 || strings.Contains(string(all.Body), "portico_token") || strings.Contains(string(all.Body), "Cem") {
		t.Errorf("got %s, want Pia's and Ada's, without what they are made of", all.Body)
	}
	s.call(pia, "GET", "/tenants/shop/tokens/all", nil).refused(403, "forbidden")
	s.call(s.cem, "GET", "/tenants/shop/tokens/all", nil).refused(404, "not_found")
	ids := map[string]string{}
	for _, token := range items(all.ok(200)) {
		ids[text(token, "maker")] = text(token, "id")
	}
	hers, adas := ids["Pia"], ids["Ada"]
	s.call(s.cem, "DELETE", "/tenants/client/tokens/"+hers, nil).refused(404, "not_found")
	s.call(pia, "DELETE", "/tenants/shop/tokens/"+adas, nil).refused(404, "not_found")
	s.call(s.ada, "DELETE", "/tenants/shop/tokens/"+hers, nil).ok(204)
	s.call(pia, "GET", "/whoami", nil).refused(401, "token_invalid")
}

func TestSessionsByAPI(t *testing.T) { postgres.Both(t, testSessionsByAPI) }

func testSessionsByAPI(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	sessions := s.store.Sessions("portal", s.clock)
	for _, id := range []apim.ID{"ses_" + apim.ID(strings.Repeat("1", 32)), "ses_" + apim.ID(strings.Repeat("2", 32))} {
		err := sessions.CommitSession(t.Context(), string(id), []byte("x"), s.clock().Add(time.Hour), apim.Session{
			ID: id, Person: apim.ID(s.adaID), Address: "192.0.2.1", Agent: "Firefox", StartedAt: s.clock(), SeenAt: s.clock(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := items(s.call(s.ada, "GET", "/sessions", nil).ok(200))
	if len(list) != 2 || text(list[0], "use") != "portal" || list[0]["current"] != false {
		t.Fatalf("got %v", list)
	}
	s.call(s.ada, "DELETE", "/sessions/"+text(list[0], "id"), nil).ok(204)
	s.call(s.ada, "DELETE", "/sessions/"+text(list[0], "id"), nil).refused(404, "not_found")
	s.call(s.cem, "DELETE", "/sessions/"+text(list[1], "id"), nil).refused(404, "not_found")
	s.call(s.ada, "DELETE", "/sessions", nil).ok(204)
	if left := items(s.call(s.ada, "GET", "/sessions", nil).ok(200)); len(left) != 0 {
		t.Errorf("got %v, want none", left)
	}
	s.call(s.operator, "GET", "/sessions", nil).refused(403, "forbidden") // a token of no person
}
