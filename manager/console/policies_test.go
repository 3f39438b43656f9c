package console_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// filledIn returns what a browser would send of the form whose action is at a
// path, without its buttons.
func (a answer) filledIn(action string) []string {
	a.t.Helper()
	root, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		a.t.Fatal(err)
	}
	var found *html.Node
	for n := range root.Descendants() {
		if n.Data == "form" && strings.HasPrefix(attr(n, "action"), action) {
			found = n
		}
	}
	if found == nil {
		a.t.Fatalf("%s: no form at %s", a.path, action)
	}
	var out []string
	for n := range found.Descendants() {
		name, value := attr(n, "name"), attr(n, "value")
		switch kind := attr(n, "type"); {
		case name == "":
			continue
		case n.Data == "textarea":
			value = ""
			if n.FirstChild != nil {
				value = n.FirstChild.Data
			}
		case n.Data == "select":
			value = chosenOf(n)
		case n.Data != "input" || (kind == "checkbox" || kind == "radio") && !has(n, "checked"):
			continue
		}
		out = append(out, name, strings.ReplaceAll(value, "\n", "\r\n"))
	}
	return out
}

func chosenOf(n *html.Node) string {
	first, any := "", false
	for o := range n.Descendants() {
		if o.Data != "option" {
			continue
		}
		if has(o, "selected") {
			return attr(o, "value")
		}
		if !any {
			first, any = attr(o, "value"), true
		}
	}
	return first
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// set changes a value of a form that was filled in.
func set(pairs []string, changes ...string) []string {
	out := append([]string(nil), pairs...)
	for c := 0; c+1 < len(changes); c += 2 {
		found := false
		for i := 0; i+1 < len(out); i += 2 {
			if out[i] == changes[c] {
				out[i+1], found = changes[c+1], true
			}
		}
		if !found {
			out = append(out, changes[c], changes[c+1])
		}
	}
	return out
}

// draft are the policies of Orders v1 and of one operation of it.
func (s *site) draft(operation string) []apim.Policy {
	s.t.Helper()
	d, err := s.catalog.VersionByLabel(s.t.Context(), system(), s.tenantID("acme"), "orders", "v1")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range d.Version.Runtime.Routes {
		if r.Operation == operation {
			return r.Policies
		}
	}
	return d.Version.Runtime.Policies
}

const ordersPage = "/t/acme/apis/orders/v1"

// Every example of every kind passes through the form that is made for it and is
// the same afterwards: what is shown, typed and kept agree.
func TestExamplesOfEveryKindPassThroughTheirForms(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	version, _ := s.offer(s.tenantID("acme"))
	for _, p := range describe.Policies() {
		for i, x := range p.Examples {
			t.Run(string(p.Kind)+" "+x.Title, func(t *testing.T) {
				in := *b
				in.t = t
				got := in.added(s, p, strconv.Itoa(i))
				if len(got) != 1 || got[0].Kind != string(p.Kind) || got[0].Off {
					t.Fatalf("the draft has the policies %+v", got)
				}
				if is, want := meant(t, p.Kind, got[0].Config), meant(t, p.Kind, []byte(x.Config)); is != want {
					t.Errorf("got %s\nwant %s", is, want)
				}
				if _, err := s.catalog.UpdateDraft(t.Context(), system(), s.tenantID("acme"), version, manager.DraftChange{Policies: &[]apim.Policy{}, RoutePolicies: map[string][]apim.Policy{"getOrder": {}}}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// added adds an example to an operation, or to the version where it cannot stand
// alone, and returns the policies there.
func (b *browser) added(s *site, p describe.Policy, example string) []apim.Policy {
	b.t.Helper()
	refused := ""
	for _, operation := range []string{"getOrder", ""} {
		scope := "&kind=" + string(p.Kind) + "&operation=" + operation
		form := b.get(ordersPage+"?policy=new&example="+example+scope).
			shows(http.StatusOK, "New: "+p.Title, "Add to the draft").filledIn(ordersPage + "/policies/new")
		a := b.post(ordersPage+"/policies/new?"+scope, form...)
		if a.status == http.StatusOK {
			a.shows(http.StatusOK, p.Title, "Save in the draft")
			return s.draft(operation)
		}
		refused = a.text()
	}
	b.t.Fatal(refused)
	return nil
}

// meant is a configuration as it is understood.
func meant(t *testing.T, kind entry.PolicyKind, config []byte) string {
	t.Helper()
	parsed, err := entry.ParsePolicy(kind, config)
	if err != nil {
		t.Fatalf("%v: %s", err, config)
	}
	raw, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPolicyIsAddedCorrectedMovedSwitchedAndRemoved(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	b.get(ordersPage).shows(http.StatusOK, "Add policy", "1 inherited Request size", "2 API key", "3 Subscription")
	b.get(ordersPage+"/add-policy").shows(http.StatusOK, "Add a policy", "How often, and how many at once", "Rate limit", "Admits so many calls in a period.")
	b.get(ordersPage+"/add-policy?q=rate+calls").shows(http.StatusOK, "Rate limit").hides("Identifies the calling application")
	b.get(ordersPage+"/add-policy?q=zzz").shows(http.StatusOK, "Nothing matches")

	empty := b.get(ordersPage+"?policy=new&kind=rate_limit").shows(http.StatusOK, "New: Rate limit", "Begin with an example", "The period in milliseconds").filledIn(ordersPage + "/policies/new")
	add := ordersPage + "/policies/new?kind=rate_limit"
	wrong := b.post(add, set(empty, "config.requests", "many", "config.period_ms", "1000")...)
	wrong.shows(http.StatusUnprocessableEntity, "New: Rate limit").has(`value="many"`, `value="1000"`)
	wrong.fieldError("config.requests")
	wrong = b.post(add, set(empty, "config.requests", "5", "config.period_ms", "999999999999")...) // what entry/check says stands at its field too
	wrong.shows(http.StatusUnprocessableEntity).has(`value="999999999999"`)
	wrong.fieldError("config.period_ms")
	if len(s.draft("")) != 0 {
		t.Fatal("a policy that is wrong was kept")
	}
	b.post(add, set(empty, "config.requests", "5", "config.period_ms", "1,000", "config.by", "api")...).
		shows(http.StatusOK, "is added. Nothing is live until you publish.", "1 unpublished change", "requests 5, period 1,000 ms, api", "Save in the draft")
	second := b.get(ordersPage + "?policy=new&kind=rate_limit&example=0").filledIn(ordersPage + "/policies/new")
	a := b.post(add, second...).shows(http.StatusOK, "requests 60", "Earlier", "Switch off", "Remove").hides("Later")

	lock := a.hidden("lock")
	a = b.post(ordersPage+"/policies/v1/earlier", "lock", lock).shows(http.StatusOK, "is moved", "Later").hides("Earlier")
	if got := s.draft(""); len(got) != 2 || !strings.Contains(string(got[0].Config), "60000") {
		t.Fatalf("after the move the draft has %+v", got)
	}
	b.post(ordersPage+"/policies/v0/later", "lock", lock).shows(http.StatusOK, "changed meanwhile") // an old page moves nothing
	a = b.post(ordersPage+"/policies/v0/off", "lock", a.hidden("lock")).shows(http.StatusOK, "is switched off", "Switch on")
	if got := s.draft(""); !got[0].Off || got[1].Off {
		t.Fatalf("after the switch the draft has %+v", got)
	}
	b.post(ordersPage+"/policies/v0", append(a.filledIn(ordersPage+"/policies/v0#"), "x", "")...).shows(http.StatusOK)
	if got := s.draft(""); !got[0].Off {
		t.Error("saving switched the policy on")
	}
	ask := b.get(ordersPage+"/policies/v0/remove").shows(http.StatusOK, "Remove Rate limit", "Switch it off instead")
	b.post(ordersPage+"/policies/v0/remove", "lock", ask.hidden("lock")).shows(http.StatusOK, "is removed")
	if got := s.draft(""); len(got) != 1 || !strings.Contains(string(got[0].Config), `"api"`) {
		t.Fatalf("after the removal the draft has %+v", got)
	}
	for _, gone := range []string{"v7", "e0", "o0", "x"} {
		b.post(ordersPage+"/policies/"+gone+"/off", "lock", "").shows(http.StatusNotFound)
	}
	third := b.get(ordersPage + "?policy=new&kind=rate_limit&example=0").filledIn(ordersPage + "/policies/new")
	a = b.post(add, third...).shows(http.StatusOK)
	a = b.post(ordersPage+"/policies/v1/place", "lock", a.hidden("lock"), "to", "v0").shows(http.StatusOK, "is moved")
	if got := s.draft(""); !strings.Contains(string(got[1].Config), `"api"`) {
		t.Fatalf("after it was dragged the draft has %+v", got)
	}
	b.post(ordersPage+"/policies/v1/place", "lock", a.hidden("lock"), "to", "v9").shows(http.StatusNotFound)
	b.post(ordersPage + "/policies/v0/sideways").shows(http.StatusNotFound)
	b.post(ordersPage + "/policies/new?kind=magic").shows(http.StatusNotFound)
}

func TestASecretOfAPolicyIsChosenAmongValues(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	const add = ordersPage + "/policies/new?kind=introspection"
	page := func() answer {
		return b.get(ordersPage+"?policy=new&kind=introspection&example=2").shows(http.StatusOK, "New: Token introspection")
	}
	form := page().has(`value="${introspection_token}"`).filledIn(ordersPage + "/policies/new")
	wrong := b.post(add, set(form, "config.token", "canary-typed")...)
	wrong.shows(http.StatusUnprocessableEntity, "a secret is never written here").hides("canary-typed")
	wrong.fieldError("config.token")
	if strings.Contains(wrong.body, "canary-typed") {
		t.Error("the page gives back what may be a secret")
	}
	if _, _, err := s.catalog.SetValue(t.Context(), system(), s.tenantID("acme"), manager.ValueInput{Name: "asker", Value: "canary", Secret: true}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.catalog.SetValue(t.Context(), system(), s.tenantID("acme"), manager.ValueInput{Name: "host", Value: "x"}); err != nil {
		t.Fatal(err)
	}
	chosen := page().has(`<option value="${asker}"`, `<option value="${introspection_token}" selected`).hides("${host}", "canary")
	form = chosen.filledIn(ordersPage + "/policies/new")
	b.post(add, set(form, "config.token", "${asker}")...).shows(http.StatusOK, "is added").hides("canary")
	if got := s.draft(""); len(got) != 1 || !strings.Contains(string(got[0].Config), `"token":"${asker}"`) {
		t.Errorf("the draft has %+v", got)
	}
}

func TestOperationHasPoliciesOfItsOwnAndShowsWhatItInherits(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	all := b.get(ordersPage + "?policy=new&kind=rate_limit&example=1").filledIn(ordersPage + "/policies/new")
	b.post(ordersPage+"/policies/new?kind=rate_limit", all...).shows(http.StatusOK)
	here := ordersPage + "?operation=createOrder"
	own := b.get(here + "&policy=new&kind=rate_limit&example=0").shows(http.StatusOK).filledIn(ordersPage + "/policies/new")
	b.post(ordersPage+"/policies/new?kind=rate_limit&operation=createOrder", own...).shows(http.StatusOK, "POST /orders · 1 policy of its own", "inherited Rate limit")
	if len(s.draft("createOrder")) != 1 || len(s.draft("")) != 1 {
		t.Fatalf("got %+v and %+v", s.draft("createOrder"), s.draft(""))
	}
	inherited := b.get(here+"&policy=v0").shows(http.StatusOK, "Set for all operations of Orders v1", "Change it there").hides("Save in the draft", "Switch off")
	if !strings.Contains(inherited.body, "disabled") {
		t.Error("the fields of an inherited policy can be typed into")
	}
	b.get(here+"&policy=key").shows(http.StatusOK, "It is set for all operations").hides("Save in the draft")
	a := b.get(here+"&policy=o0").shows(http.StatusOK, "Save in the draft", "Try a call and see its way")
	for _, href := range a.links() {
		if strings.Contains(href, "/explain?") && strings.Contains(href, "method=POST") && strings.Contains(href, "path=%2Facme%2Forders%2Fv1%2Forders") {
			b.get(href).shows(http.StatusOK, "Try a call and explain it").has(`value="/acme/orders/v1/orders"`)
			return
		}
	}
	t.Errorf("no link leads to the operation's explanation: %q", a.links())
}

func TestWhoMayOnlyReadChangesNoPolicy(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	form := b.get(ordersPage + "?policy=new&kind=rate_limit&example=1").filledIn(ordersPage + "/policies/new")
	b.post(ordersPage+"/policies/new?kind=rate_limit", form...).shows(http.StatusOK)
	auditor, person, _ := s.consumer("audit")
	s.join(acme, person.Person, apim.RoleAuditor)
	auditor.get(ordersPage+"?policy=v0").shows(http.StatusOK, "Rate limit", "requests 1,000").hides("Save in the draft", "Switch off", "Remove", "Add policy")
	auditor.get(ordersPage + "?policy=new&kind=rate_limit").shows(http.StatusOK).hides("Add to the draft")
	auditor.get(ordersPage + "/add-policy").shows(http.StatusForbidden)
	auditor.post(ordersPage+"/policies/new?kind=rate_limit", form...).shows(http.StatusForbidden)
	for _, verb := range []string{"off", "earlier", "remove"} {
		auditor.post(ordersPage + "/policies/v0/" + verb).shows(http.StatusForbidden)
	}
	if got := s.draft(""); len(got) != 1 || got[0].Off {
		t.Errorf("the draft has %+v", got)
	}
}

func TestEnvironmentsPoliciesAreSetAndShownWhereTheyApply(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	acme := s.tenantID("acme")
	s.offer(acme)
	page := "/t/acme/environments/production/policies"
	b.get("/t/acme/environments/production").shows(http.StatusOK, "0 policies are set.")
	b.get(page).shows(http.StatusOK, "Policies of Production", "No policies")
	b.get("/t/acme/environments/production/add-policy").shows(http.StatusOK, "For every API of Production.", "Rate limit").hides("draft")
	form := b.get(page+"?policy=new&kind=rate_limit&example=1").shows(http.StatusOK, "New: Rate limit", "Add policy").filledIn(page + "/new")
	wrong := b.post(page+"/new?kind=rate_limit", set(form, "config.period_ms", "999999999999")...).shows(http.StatusUnprocessableEntity)
	wrong.fieldError("config.period_ms")
	b.post(page+"/new?kind=rate_limit", form...).shows(http.StatusOK, "Rate limit is added.", "requests 1,000", "is in force on 3 of 3 nodes", "Save policy").hides("until you publish")
	a := b.get(ordersPage+"?policy=e0").shows(http.StatusOK, "inherited Rate limit", "Set for every API of Production.", "Change it there").hides("Save in the draft", "Switch off")
	a.has("disabled")
	b.post(ordersPage+"/policies/e0", form...).shows(http.StatusNotFound)

	a = b.get(page + "?policy=e0")
	a = b.post(page+"/e0/off", "lock", a.hidden("lock")).shows(http.StatusOK, "Rate limit is switched off.", "Switch on")
	ask := b.get(page+"/e0/remove").shows(http.StatusOK, "Remove Rate limit").hides("until you publish")
	b.post(page+"/e0/remove", "lock", a.hidden("lock")).shows(http.StatusOK, "Rate limit is removed.", "No policies")
	b.post(page+"/e0/remove", "lock", ask.hidden("lock")).shows(http.StatusNotFound)

	provider, person, _ := s.consumer("provides")
	s.join(acme, person.Person, apim.RoleProvider)
	provider.get(page).shows(http.StatusForbidden)
	provider.get("/t/acme/environments/production/add-policy").shows(http.StatusForbidden)
	provider.post(page+"/new?kind=rate_limit", form...).shows(http.StatusForbidden)
}

func TestReferenceOfPoliciesIsForEverybody(t *testing.T) {
	s := newSite(t)
	s.operator()
	acme := s.tenantID("acme")
	consumer, actor, _ := s.consumer("halden")
	s.join(acme, actor.Person, apim.RoleConsumer)
	list := consumer.get("/t/acme/policies").shows(http.StatusOK, "Policies", "Limit", "Admits so many calls in a period.")
	for _, p := range describe.Policies() {
		path := "/t/acme/policies/" + string(p.Kind)
		if !slices.Contains(list.links(), path) {
			t.Errorf("the reference does not lead to %s", path)
		}
		page := consumer.get(path).shows(http.StatusOK, p.Title, p.Summary, string(p.Stage))
		for _, f := range p.Fields {
			page.shows(http.StatusOK, f.Name, f.Help)
		}
		for _, x := range p.Examples {
			page.shows(http.StatusOK, x.Title)
		}
	}
	consumer.get("/t/acme/palette?q=rate+lim").shows(http.StatusOK, "Rate limit")
	consumer.get("/t/acme/policies?q=rate").shows(http.StatusOK, "Rate limit").hides("API key")
	consumer.get("/t/acme/policies/magic").shows(http.StatusNotFound)
}
