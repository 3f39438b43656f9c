package rest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/manager/authz"
	"portico/manager/rest"
	"portico/manager/store"
	"portico/test/postgres"
)

const onceKey = "Idempotency-Key"

func TestRequestWithAKeyIsCarriedOutOnce(t *testing.T) {
	postgres.Both(t, testRequestWithAKeyIsCarriedOutOnce)
}

func testRequestWithAKeyIsCarriedOutOnce(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	const path, body = "/tenants/client/applications", `{"name":"Kiosk"}`
	first := s.call(s.cem, "POST", path, body, onceKey, "k-1")
	again := s.call(s.cem, "POST", path, body, onceKey, "k-1")
	first.ok(201)
	again.ok(201)
	if string(again.Body) != string(first.Body) || again.Header.Get("Location") != first.Header.Get("Location") || first.Header.Get("Location") == "" ||
		again.Header.Get("ETag") != first.Header.Get("ETag") || again.Header.Get("Content-Type") != first.Header.Get("Content-Type") {
		t.Errorf("got another answer\n%s %v\n%s %v", first.Body, first.Header, again.Body, again.Header)
	}
	if first.Header.Get("Idempotency-Replayed") != "" || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %q and %q, want only the second to be said to be a replay", first.Header.Get("Idempotency-Replayed"), again.Header.Get("Idempotency-Replayed"))
	}
	if n := len(items(s.call(s.cem, "GET", path, nil).ok(200))); n != 3 {
		t.Errorf("got %d applications, want one more", n)
	}
	s.call(s.cem, "POST", path, `{"name":"Kiosk 2"}`, onceKey, "k-1").refused(422, "idempotency_key_reused")
	s.call(s.cem, "POST", path+"/till/credentials", `{"name":"x"}`, onceKey, "k-1").refused(422, "idempotency_key_reused")
	s.call(s.cem, "POST", path, body).refused(422, "invalid", "slug") // without a key it is a second one
	for _, bad := range []string{strings.Repeat("k", 256), "two words", "kö"} {
		s.call(s.cem, "POST", path, body, onceKey, bad).refused(422, "invalid", onceKey)
	}

	// Another person's key, and the same person's in another tenant, are others.
	dora := s.person("client", "Dora", apim.RoleOwner)
	s.call(dora, "POST", path, `{"name":"Dora's"}`, onceKey, "k-1").ok(201)
	for _, tenant := range []string{"client", "shop"} {
		s.call(s.operator, "POST", "/tenants/"+tenant+"/teams", `{"name":"New"}`, onceKey, "k-2").ok(201)
	}

	// What was refused changed nothing, and may be mended under the same key.
	s.call(s.cem, "POST", path, `{"name":""}`, onceKey, "k-3").refused(422, "invalid", "name", "slug")
	s.call(s.cem, "POST", path, `{"name":"Mended"}`, onceKey, "k-3").ok(201)

	s.pass(24*time.Hour + time.Second)
	s.call(s.cem, "POST", path, `{"name":"A day later"}`, onceKey, "k-1").ok(201)
}

// An answer that showed a secret is not kept: the caller is told what was made.
func TestSecretsAreNotKeptForReplay(t *testing.T) { postgres.Both(t, testSecretsAreNotKeptForReplay) }

func testSecretsAreNotKeptForReplay(t *testing.T, place postgres.Place) {
	address := ""
	s := newScene(t, func(t testing.TB) string { address = place(t); return address })
	var secrets []string
	for _, c := range []struct{ token, path, body, field string }{
		{s.cem, "/tenants/client/applications/till/credentials", `{"name":"second"}`, "key"},
		{s.cem, "/tenants/client/credentials/" + s.credential + "/rotate", `{"grace_ms":1000}`, "key"},
		{s.ada, "/tenants/shop/invitations", `{"email":"eva@shop.example","roles":["auditor"]}`, "link"},
		{s.ada, "/tenants/shop/invitations/" + s.invited + "/resend", ``, "link"},
		{s.operator, "/tenants/shop/tokens", `{"name":"CI"}`, "token"},
	} {
		first := s.call(c.token, "POST", c.path, c.body, onceKey, "k"+c.path)
		if first.Status/100 != 2 {
			t.Fatalf("%s: got %d %s", c.path, first.Status, first.Body)
		}
		made := first.ok(first.Status)
		secrets = append(secrets, text(made, c.field))
		again := s.call(c.token, "POST", c.path, c.body, onceKey, "k"+c.path)
		p := again.refused(409, "already_done")
		if text(made, c.field) == "" || strings.Contains(string(again.Body), text(made, c.field)) || !strings.Contains(p.Detail, text(made, "id")) {
			t.Errorf("%s: got %q, want the id and no secret", c.path, p.Detail)
		}
	}
	rows, err := postgres.SQL(t, address).Query("SELECT body, header, object FROM idempotency")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var body []byte
		var header, object string
		if err := rows.Scan(&body, &header, &object); err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			if strings.Contains(string(body)+header+object, secret) {
				t.Errorf("a secret is kept: %s %s %s", body, header, object)
			}
		}
	}
	if n != len(secrets) || rows.Err() != nil {
		t.Errorf("got %d rows, %v, want %d", n, rows.Err(), len(secrets))
	}
}

// Every POST takes a key; what shows a secret says so.
func TestEveryPostIsIdempotent(t *testing.T) { postgres.Both(t, testEveryPostIsIdempotent) }

func testEveryPostIsIdempotent(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	document := map[string][]string{}
	for _, d := range s.contract.Operations() {
		document[d.Method+" "+d.Path] = d.Gives
	}
	replayed := 0
	for i, o := range s.edge.Operations() {
		if o.Method != "POST" {
			continue
		}
		shows := slices.ContainsFunc([]string{"key", "token", "link"}, func(f string) bool { return slices.Contains(document["POST "+o.Path], f) })
		if strings.HasSuffix(o.Path, "/revoke") {
			shows = false // a key that is revoked is not shown
		}
		if shows != o.Secret {
			t.Errorf("%s: the document shows a secret: %v, the table says %v", o.Path, shows, o.Secret)
		}
		path, body, key := s.fill(o.Path, owner(o.Path)), bodyFor(o), fmt.Sprint("k-", i)
		first := s.call(s.operator, "POST", path, body, onceKey, key)
		again := s.call(s.operator, "POST", path, body, onceKey, key)
		switch {
		case first.Status/100 != 2:
			if again.Status != first.Status || again.Header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s was refused with %d, and the second time got %d", o.Path, first.Status, again.Status)
			}
		case o.Secret:
			again.refused(409, "already_done")
		default:
			if again.Status != first.Status || string(again.Body) != string(first.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: got %d, then %d\n%s\n%s", o.Path, first.Status, again.Status, first.Body, again.Body)
			}
			replayed++
		}
	}
	if replayed < 8 {
		t.Errorf("only %d requests were carried out; the test has to reach more", replayed)
	}
}

// secondManager is another process on the same database.
func (w *world) secondManager() *world {
	w.t.Helper()
	other := &world{t: w.t, contract: w.contract, store: w.store, nodes: w.nodes, now: w.clock(), operator: w.operator}
	allow, err := authz.New(w.t.Context(), w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	core := w.edge.Tenants.Core
	core.Authz = allow
	edge := &rest.Edge{
		Catalog: &manager.Catalog{Core: core, Confirm: w.nodes}, Access: &manager.Access{Core: core}, Tenants: &manager.Tenants{Core: core},
		Fleet: &manager.Fleet{Core: core, Confirm: w.nodes}, Log: w.edge.Log,
		Sessions: web.NewSessions("console", core.ConsoleURL, w.store.Sessions("console", w.clock), w.clock),
	}
	other.edge, other.handler = edge, edge.Handler()
	return other
}

// 40 equal requests at once, to two managers: one application, one answer.
func TestEqualRequestsAtOnceAreOne(t *testing.T) { postgres.Both(t, testEqualRequestsAtOnceAreOne) }

func testEqualRequestsAtOnceAreOne(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	managers := []*world{s.world, s.secondManager()}
	before := len(items(s.call(s.cem, "GET", "/tenants/client/applications", nil).ok(200)))
	answers := make([]answer, 40)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = managers[i%2].call(s.cem, "POST", "/tenants/client/applications", `{"name":"Kiosk"}`, onceKey, "k-1")
		})
	}
	wg.Wait()
	made := map[string]bool{}
	for _, a := range answers {
		switch a.Status {
		case 201:
			made[text(a.ok(201), "id")] = true
		default:
			a.refused(409, map[bool]string{true: "idempotency_in_progress", false: "already_done"}[strings.Contains(string(a.Body), "in_progress")])
		}
	}
	if len(made) != 1 {
		t.Errorf("got %d applications in the answers: %v", len(made), made)
	}
	if n := len(items(s.call(s.cem, "GET", "/tenants/client/applications", nil).ok(200))); n != before+1 {
		t.Errorf("got %d applications more, want one", n-before)
	}
	managers[1].call(s.cem, "POST", "/tenants/client/applications", `{"name":"Kiosk"}`, onceKey, "k-1").ok(201)
}

// A manager that dies in the middle leaves no doubt: what was not noted with
// the change was not done and is done by the next try; a try that was taken
// over changes nothing any more; a change whose answer was lost is said to be
// made.
func TestRequestSurvivesItsManager(t *testing.T) { postgres.Both(t, testRequestSurvivesItsManager) }

func testRequestSurvivesItsManager(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	const path, body = "/tenants/client/applications", `{"name":"Kiosk"}`
	requests := &manager.Requests{Core: s.edge.Tenants.Core}
	actor, err := s.edge.Tenants.TokenActor(t.Context(), s.cem)
	if err != nil {
		t.Fatal(err)
	}
	client := apim.ID(text(s.call(s.cem, "GET", "/tenants/client", nil).ok(200), "id"))
	for _, c := range []struct{ key, body string }{{"k-1", body}, {"k-2", `{"name":"Second"}`}} {
		s.call(s.cem, "POST", path, `{"name":""}`, onceKey, c.key).refused(422, "invalid", "name", "slug")
	}
	// Begun by a manager that then dies. The print is taken from a request that
	// was carried out.
	print := func(key, body string) string {
		var p string
		s.call(s.cem, "POST", path, body, onceKey, "print-"+key).ok(201)
		err := s.store.Write(t.Context(), func(*store.Tx) error { return nil })
		_, have, _, err2 := requests.Begin(t.Context(), actor, client, hashOf("print-"+key), "other")
		if p = have.Fingerprint; err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return p
	}
	dead, _, mine, err := requests.Begin(t.Context(), actor, client, hashOf("k-1"), print("k-1", `{"name":"Third"}`))
	if err != nil || !mine {
		t.Fatal(mine, err)
	}
	third := `{"name":"Third"}`
	s.call(s.cem, "POST", path, third, onceKey, "k-1").refused(409, "idempotency_in_progress")
	s.pass(15*time.Minute + time.Second)
	s.call(s.cem, "POST", path, `{"name":"Other"}`, onceKey, "k-1").refused(422, "idempotency_key_reused")
	a := s.call(s.cem, "POST", path, third, onceKey, "k-1")
	a.refused(422, "invalid", "slug") // taken over, and carried out: the name is taken since the print was made
	if _, err := s.edge.Access.CreateApplication(dead, actor, client, manager.ApplicationInput{Name: new("Zombie")}); apim.KindOf(err) != apim.Conflict {
		t.Errorf("got %v, want the dead try to change nothing", err)
	}
	if got := s.call(s.cem, "GET", path+"/zombie", nil); got.Status != 404 {
		t.Errorf("got %d, want no application of the dead try", got.Status)
	}
	// The change is made, and then the manager dies before the answer is kept.
	fourth := `{"name":"Fourth"}`
	lost, _, mine, err := requests.Begin(t.Context(), actor, client, hashOf("k-4"), print("k-4", fourth))
	if err != nil || !mine {
		t.Fatal(mine, err)
	}
	if _, err := s.edge.Access.CreateApplication(lost, actor, client, manager.ApplicationInput{Name: new("Made")}); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Hour)
	s.call(s.cem, "POST", path, fourth, onceKey, "k-4").refused(409, "already_done")
	if err := requests.Forget(lost); err != nil {
		t.Fatal(err)
	}
	s.call(s.cem, "POST", path, fourth, onceKey, "k-4").refused(409, "already_done") // what was made is not forgotten
}

func TestKeptRequestsAreBoundedAndSwept(t *testing.T) {
	postgres.Both(t, testKeptRequestsAreBoundedAndSwept)
}

func testKeptRequestsAreBoundedAndSwept(t *testing.T, place postgres.Place) {
	address := ""
	s := newScene(t, func(t testing.TB) string { address = place(t); return address })
	db := postgres.SQL(t, address)
	s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"One"}`, onceKey, "k-1").ok(201)
	insert := `INSERT INTO idempotency SELECT tenant_id, owner, key || '-' || n.i, fingerprint, attempt, committed, answered, status, header, body, object, leased_to, expires_at
		FROM idempotency, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n) n`
	if _, err := db.Exec(insert); err != nil {
		t.Fatal(err)
	}
	p := s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"Two"}`, onceKey, "k-2")
	if p.Status != 429 {
		t.Errorf("got %d %s, want 429", p.Status, p.Body)
	}
	s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"Two"}`).ok(201)                 // without a key
	s.call(s.ada, "POST", "/tenants/shop/teams", `{"name":"One"}`, onceKey, "k-1").ok(201) // what is kept is still told
	s.call(s.cem, "POST", "/tenants/client/teams", `{"name":"Two"}`, onceKey, "k-2").ok(201)
	if err := s.store.SweepOnce(t.Context(), s.clock().Add(25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM idempotency").Scan(&n); err != nil || n != 0 {
		t.Errorf("got %d rows, %v, want none", n, err)
	}
	// An answer beyond the bound is not kept either; the body of a long request
	// lies in a file meanwhile.
	paths := make([]string, 800)
	for i := range paths {
		paths[i] = fmt.Sprintf(`"/things/%d":{"get":{"operationId":"thing_%d","summary":"A thing among many","responses":{"200":{"description":"OK"}}}}`, i, i)
	}
	document := `{"openapi":"3.1.0","info":{"title":"Long","version":"1"},"servers":[{"url":"https://a.example"}],"paths":{` + strings.Join(paths, ",") + `}}`
	first := s.call(s.ada, "POST", "/tenants/shop/imports", document, onceKey, "k-3")
	again := s.call(s.ada, "POST", "/tenants/shop/imports", document, onceKey, "k-3").refused(409, "already_done")
	if id := text(first.ok(201), "id"); len(first.Body) <= 64<<10 || !strings.Contains(again.Detail, id) {
		t.Errorf("got an answer of %d bytes and %q, want the import's id", len(first.Body), again.Detail)
	}
	s.call(s.ada, "POST", "/tenants/shop/imports", document+" ", onceKey, "k-3").refused(422, "idempotency_key_reused")
	if err := db.QueryRow("SELECT max(length(body)) FROM idempotency").Scan(&n); err != nil || n != 0 {
		t.Errorf("got a body of %d bytes, %v, want none", n, err)
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
