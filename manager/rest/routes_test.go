package rest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager/rest"
	"portico/test/postgres"
)

func TestRoutesAndDocumentSayTheSame(t *testing.T) { postgres.Both(t, testRoutesAndDocumentSayTheSame) }

func testRoutesAndDocumentSayTheSame(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	served := map[string]rest.Operation{}
	for _, o := range w.edge.Operations() {
		served[o.Method+" "+o.Path] = o
	}
	for _, d := range w.contract.Operations() {
		name := d.Method + " " + d.Path
		o, ok := served[name]
		if !ok {
			t.Errorf("%s is in the document and not served", name)
			continue
		}
		delete(served, name)
		query := slices.Sorted(slices.Values(o.Query))
		if !slices.Equal(query, d.Query) {
			t.Errorf("%s: serves parameters %v, the document has %v", name, query, d.Query)
		}
		if o.Needs != d.Permission {
			t.Errorf("%s: needs %q, the document says %q", name, o.Needs, d.Permission)
		}
		if o.Matches != slices.Contains(d.Headers, "If-Match") {
			t.Errorf("%s: If-Match is honoured: %v, the document disagrees", name, o.Matches)
		}
		if (o.Method == "POST") != slices.Contains(d.Headers, "Idempotency-Key") {
			t.Errorf("%s: every POST, and nothing else, takes an Idempotency-Key; the document disagrees", name)
		}
	}
	for name := range served {
		t.Errorf("%s is served and not in the document", name)
	}
}

func TestTheRouterHasNothingBesideTheTable(t *testing.T) {
	postgres.Both(t, testTheRouterHasNothingBesideTheTable)
}

func testTheRouterHasNothingBesideTheTable(t *testing.T, place postgres.Place) {
	w := newWorld(t, place)
	table := map[string]bool{}
	for _, o := range w.edge.Operations() {
		table[o.Method+" "+rest.Base+strings.NewReplacer("{", ":", "}", "").Replace(o.Path)] = true
	}
	for _, r := range w.handler.(*gin.Engine).Routes() {
		if !table[r.Method+" "+r.Path] {
			t.Errorf("%s %s is routed past the table", r.Method, r.Path)
		}
		delete(table, r.Method+" "+r.Path)
	}
	for name := range table {
		t.Errorf("%s is in the table and not routed", name)
	}
}

// fill replaces the parameters of a path by those of the scene.
func (s *scene) fill(path, tenant string) string {
	return strings.NewReplacer(
		"{tenant}", tenant, "{import}", s.imported, "{kind}", "rate_limit", "{api}", "orders", "{label}", "v1", "{version}", s.version,
		"{product}", "orders", "{plan}", s.trial, "{provider}", "shop", "{application}", "till", "{credential}", s.credential,
		"{subscription}", s.pending, "{environment}", "production", "{sequence}", "1", "{node}", "gw-1", "{value}", "orders_url", "{explanation}", strings.Repeat("0", 32), "{secret}", "sec_"+strings.Repeat("0", 32), "{certificate}", "cert_"+strings.Repeat("0", 32), "{enrolment}", "enr_"+strings.Repeat("0", 32), "{token}", "tok_"+strings.Repeat("0", 32),
		"{person}", s.adaID, "{team}", "sellers", "{invitation}", s.invited, "{session}", "ses_"+strings.Repeat("0", 32),
	).Replace(path)
}

// owner returns the tenant that an operation's objects of the scene are in.
func owner(path string) string {
	for _, consumers := range []string{"/applications", "/credentials"} {
		if strings.Contains(path, consumers) {
			return "client"
		}
	}
	return "shop"
}

func TestNobodyIsToldToSignIn(t *testing.T) { postgres.Both(t, testNobodyIsToldToSignIn) }

func testNobodyIsToldToSignIn(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for _, o := range s.edge.Operations() {
		if o.Needs == "anybody" {
			continue
		}
		a := s.call("", o.Method, s.fill(o.Path, owner(o.Path)), nil)
		a.refused(401, "sign_in")
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s: no WWW-Authenticate", o.Method, o.Path)
		}
	}
}

// Another tenant does not exist: not by its name, and not by the ids of what
// is in it.
func TestNeighboursSeeNothing(t *testing.T) { postgres.Both(t, testNeighboursSeeNothing) }

func testNeighboursSeeNothing(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.operator, "POST", "/tenants", `{"slug":"neighbour","name":"Neighbour"}`).ok(201)
	eve := s.person("neighbour", "Eve", apim.RoleOwner)
	s.product = "orders"
	secrets := []string{"Ada", "Cem", "to sell", "upstream.example", s.key, "Till", "client"}
	for _, o := range s.edge.Operations() {
		if !strings.Contains(o.Path, "{tenant}") {
			continue
		}
		for _, tenant := range []string{owner(o.Path), "neighbour"} {
			if tenant == "neighbour" && (strings.Count(o.Path, "{") == 1 || strings.Contains(o.Path, "/offers/") || strings.Contains(o.Path, "/values") || strings.HasSuffix(o.Path, "/explanations") || strings.HasSuffix(o.Path, "/explain-tokens")) {
				continue // names nothing of the other tenant, or what is public of it
			}
			a := s.call(eve, o.Method, s.fill(o.Path, tenant), bodyFor(o))
			if a.Status != 404 {
				t.Errorf("%s: got %d, want 404\n%s", a.call, a.Status, a.Body)
			}
			for _, secret := range secrets {
				if strings.Contains(string(a.Body), secret) {
					t.Errorf("%s: the answer holds %q: %s", a.call, secret, a.Body)
				}
			}
		}
	}
	if got := text(s.call(s.cem, "GET", "/tenants/client/subscriptions/"+s.pending, nil).ok(200), "state"); got != "pending" {
		t.Errorf("a neighbour moved the subscription to %s", got)
	}
}

// bodyFor returns a body that the operation would take.
func bodyFor(o rest.Operation) any {
	if o.Method == "GET" || o.Method == "DELETE" {
		return nil
	}
	for suffix, body := range map[string]string{
		"/tokens": `{"name":"x"}`, "/teams": `{"name":"x"}`, "/invitations": `{"email":"x@x.example","roles":["auditor"]}`, "/imports": ordersDocument, "/products": `{"name":"x"}`, "/plans": `{"name":"x"}`,
		"/applications": `{"name":"x"}`, "/credentials": `{"name":"x"}`, "/reject": `{"reason":"x"}`, "/suspend": `{"reason":"x"}`,
		"/roll-back": `{"revision":1}`, "/subscriptions": `{"application":"till","plan":"plan_0190b7e5a1c27d3e8f4a5b6c7d8e9f00"}`,
	} {
		if strings.HasSuffix(o.Path, suffix) {
			return body
		}
	}
	return `{}`
}

func TestRolesGiveWhatTheTableSays(t *testing.T) { postgres.Both(t, testRolesGiveWhatTheTableSays) }

func testRolesGiveWhatTheTableSays(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	// Two roles without overlap: together they show that permissions are
	// checked at all, one by one they show that each route names its own.
	may := map[apim.Role][]string{
		apim.RoleApprover: {"read api", "read product", "read subscription", "approve subscription"},
		apim.RoleConsumer: {"read application", "write application", "write credential", "read subscription", "write subscription"},
	}
	always := []string{"anybody", "signed in", "read tenant", "read member", "read team", "read token", "write token"}
	for role, verbs := range may {
		token := s.person("shop", "Only"+string(role), role)
		for _, o := range s.edge.Operations() {
			if slices.Contains(always, o.Needs) || strings.HasSuffix(o.Path, "/cancel") {
				continue // cancel is either side's, by one of two permissions
			}
			a := s.call(token, o.Method, s.fill(o.Path, "shop"), bodyFor(o))
			allowed := slices.Contains(verbs, o.Needs)
			if o.Method == "GET" && strings.HasSuffix(o.Path, "/subscriptions") {
				allowed = role == apim.RoleApprover // the provider's side: who reads nothing that is offered is not shown who asks for it
			}
			if allowed == (a.Status == 403) {
				t.Errorf("%s as %s: got %d, and it needs %q\n%s", a.call, role, a.Status, o.Needs, a.Body)
			}
		}
	}
}
