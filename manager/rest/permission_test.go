package rest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

// Every route declares what it needs, in words that permissions are made of.
func TestEveryRouteDeclaresItsPermission(t *testing.T) {
	postgres.Both(t, testEveryRouteDeclaresItsPermission)
}

func testEveryRouteDeclaresItsPermission(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	for _, o := range w.edge.Operations() {
		if o.Needs == "anybody" || o.Needs == "signed in" {
			continue
		}
		verb, object, _ := strings.Cut(o.Needs, " ")
		if !slices.Contains(apim.Verbs(), apim.Verb(verb)) || !slices.Contains(apim.Objects(), apim.Object(object)) {
			t.Errorf("%s %s needs %q, which is no permission", o.Method, o.Path, o.Needs)
		}
	}
}

// scoped returns a token of the operator with these scopes.
func (s *scene) scoped(tenant string, scopes ...apim.Scope) string {
	s.t.Helper()
	ctx := s.t.Context()
	id := apim.ID("")
	if tenant != "" {
		at, err := s.edge.Tenants.Tenant(ctx, apim.Actor{System: true}, tenant)
		if err != nil {
			s.t.Fatal(err)
		}
		id = at.ID
	}
	operator, err := s.edge.Tenants.TokenActor(ctx, s.operator)
	if err != nil {
		s.t.Fatal(err)
	}
	_, text, err := s.edge.Tenants.CreateToken(ctx, operator, id, manager.NewToken{Name: "scoped", Scopes: scopes})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// A token with every scope but a route's own is refused there, and one with
// that scope alone, beside reading, is not: each route asks for what it says.
func TestTokensReachTheRoutesOfTheirScopes(t *testing.T) {
	postgres.Both(t, testTokensReachTheRoutesOfTheirScopes)
}

func testTokensReachTheRoutesOfTheirScopes(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	with, without := map[string]string{}, map[string]string{}
	for _, o := range s.edge.Operations() {
		if o.Needs == "anybody" || o.Needs == "signed in" || o.Needs == "read tenant" || with[o.Needs] != "" {
			continue
		}
		verb, object, _ := strings.Cut(o.Needs, " ")
		var others apim.Scopes
		for _, v := range apim.Verbs() {
			for _, other := range apim.Objects() {
				// Writing a kind of object lets it be read.
				if same := string(other) == object; same && (string(v) == verb || verb == "read") {
					continue
				}
				others = append(others, apim.Scope(v)+" "+apim.Scope(other))
			}
		}
		with[o.Needs], without[o.Needs] = s.scoped("", apim.Scope(o.Needs), "read *"), s.scoped("", others...)
	}
	if len(with) < 20 {
		t.Fatalf("got %d permissions, want all that routes need", len(with))
	}
	for _, o := range s.edge.Operations() {
		if with[o.Needs] == "" || strings.HasSuffix(o.Path, "/cancel") {
			continue // cancel is either side's, by one of two permissions
		}
		path := s.fill(o.Path, owner(o.Path))
		if o.Method == "POST" && strings.HasSuffix(o.Path, "/subscriptions") {
			path = s.fill(o.Path, "client") // where the application is that its body names
		}
		if a := s.call(without[o.Needs], o.Method, path, bodyFor(o)); a.Status != 403 || !strings.Contains(string(a.Body), "token_scope") {
			t.Errorf("%s with all scopes but %q: got %d %s, want 403 token_scope", a.call, o.Needs, a.Status, a.Body)
		}
	}
	for _, o := range s.edge.Operations() {
		if with[o.Needs] == "" || o.Method == "DELETE" || strings.HasSuffix(o.Path, "/cancel") {
			continue // what is deleted is not there for the next
		}
		a := s.call(with[o.Needs], o.Method, s.fill(o.Path, owner(o.Path)), bodyFor(o))
		if refused := a.Status == 403 || a.Status == 401; refused && !strings.Contains(string(a.Body), "token_by_token") {
			t.Errorf("%s with the scope %q: got %d %s", a.call, o.Needs, a.Status, a.Body)
		}
	}
}

// Nobody assigns what is not theirs to say: a field that the document does not
// have is refused by its name, on every route that takes a body.
func TestMassAssignmentIsRefusedByName(t *testing.T) {
	postgres.Both(t, testMassAssignmentIsRefusedByName)
}

func testMassAssignmentIsRefusedByName(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	takes := map[string][]string{}
	for _, d := range s.contract.Operations() {
		takes[d.Method+" "+d.Path] = d.Takes
	}
	tested := 0
	for _, o := range s.edge.Operations() {
		if o.Method != "POST" && o.Method != "PATCH" && o.Method != "PUT" || strings.HasSuffix(o.Path, "/imports") {
			continue // a staged import's body is the document itself
		}
		for _, field := range []string{
			"role", "roles", "tenant", "tenant_id", "state", "operator", "owner", "person", "id", "lock", "decided_by", "automatic", "hash", "inviter", "bootstrap",
		} {
			if slices.Contains(takes[o.Method+" "+o.Path], field) {
				continue
			}
			body := map[string]any{}
			if text, ok := bodyFor(o).(string); ok {
				_ = json.Unmarshal([]byte(text), &body)
			}
			body[field] = "owner"
			a := s.call(s.operator, o.Method, s.fill(o.Path, owner(o.Path)), body)
			a.refused(422, "invalid", field)
			if !strings.Contains(string(a.Body), "unknown_field") {
				t.Errorf("%s with %s: got %s, want unknown_field", a.call, field, a.Body)
			}
			tested++
		}
	}
	if tested < 300 {
		t.Errorf("tested %d fields only", tested)
	}
}
