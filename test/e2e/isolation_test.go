package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/openapi/contract"
	described "portico/openapi/spec"
	"portico/test/process"
)

// TestAnotherTenantsThingsAreNotThere asks for everything of the demo as
// somebody of another tenant, through the own tenant's and the demo's paths.
// Nothing of it may be told, nor changed.
func TestAnotherTenantsThingsAreNotThere(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	sub := o.request(a)
	version := a.do("GET", "/tenants/demo/apis/parcels", nil).Versions[0].ID
	api1 := a.do("GET", "/tenants/demo/apis/parcels", nil).ID
	product := a.do("GET", "/tenants/demo/products/shop", nil).ID
	var in staged
	a.send("POST", imports, "application/json", process.MinimalDocument("Canary title", "https://canary.example", 2)).into(t, &in)
	team := a.do("POST", "/tenants/demo/teams", map[string]any{"name": "Shop team", "roles": []string{"provider"}}).ID
	invited := a.do("POST", "/tenants/demo/invitations", map[string]any{"email": "canary@demo.example", "roles": []string{"auditor"}}).ID
	token := a.do("POST", "/tenants/demo/tokens", map[string]any{"name": "Canary token"}).ID
	a.send("PUT", "/tenants/demo/environments/production/values/canary", "application/json", `{"value":"https://canary.example"}`)
	var keys struct {
		Items []struct{ Secrets []struct{ ID string } }
	}
	a.read("/tenants/demo/applications/"+o.app+"/credentials", &keys)
	secret := keys.Items[0].Secrets[0].ID
	const person = "per_0190b7e5a1c27d3e8f4a5b6c7d8e9f00"
	b, own := rival(t, a)
	before := a.audited("", "")

	const jsonType = "application/json"
	paths := []struct{ method, path, body string }{
		{"GET", "", ""},
		{"GET", "/members", ""},
		{"GET", "/audit", ""},
		{"GET", "/audit/export", ""},
		{"GET", "/audit/verify", ""},
		{"GET", "/tokens", ""},
		{"POST", "/tokens", `{"name":"Mine"}`},
		{"DELETE", "/tokens/" + token, ""},
		{"GET", "/members/" + person, ""},
		{"PATCH", "/members/" + person, `{"roles":["owner"]}`},
		{"DELETE", "/members/" + person, ""},
		{"GET", "/invitations", ""},
		{"POST", "/invitations", `{"email":"mine@rival.example","roles":["owner"]}`},
		{"POST", "/invitations/" + invited + "/resend", ""},
		{"DELETE", "/invitations/" + invited, ""},
		{"GET", "/teams", ""},
		{"POST", "/teams", `{"name":"Mine"}`},
		{"GET", "/teams/" + team, ""},
		{"GET", "/teams/shop-team", ""},
		{"PATCH", "/teams/" + team, `{"roles":["admin"]}`},
		{"DELETE", "/teams/" + team, ""},
		{"PUT", "/teams/" + team + "/members/" + person, ""},
		{"DELETE", "/teams/" + team + "/members/" + person, ""},
		{"POST", "/imports", `{"url":"https://canary.example/openapi.json"}`},
		{"GET", "/products", ""},
		{"POST", "/products", `{"name":"Mine"}`},
		{"GET", "/offers", ""},
		{"GET", "/offers/demo/" + product, ""},
		{"POST", "/applications", `{"name":"Mine"}`},
		{"PATCH", "/credentials/" + o.credential, `{"name":"Mine"}`},
		{"POST", "/credentials/" + o.credential + "/rotate", `{}`},
		{"DELETE", "/credentials/" + o.credential + "/secrets/" + secret, ""},
		{"POST", "/decisions", `{"decision":"approve","subscriptions":["` + sub + `"]}`},
		{"PUT", "/subscriptions/" + sub + "/terms", `{}`},
		{"POST", "/subscriptions/" + sub + "/change-plan", `{"plan":"` + o.plan + `","reason":"x"}`},
		{"POST", "/subscriptions/" + sub + "/undo", `{}`},
		{"POST", "/subscriptions/" + sub + "/resume", `{}`},
		{"POST", "/subscriptions/" + sub + "/start", `{}`},
		{"GET", "/environments/production/values", ""},
		{"PUT", "/environments/production/values/canary", `{"value":"https://rival.example"}`},
		{"DELETE", "/environments/production/values/canary", ""},
		{"GET", "/apis", ""},
		{"GET", "/apis/" + api1, ""},
		{"GET", "/apis/parcels", ""},
		{"GET", "/apis/parcels/versions/v1", ""},
		{"PATCH", "/apis/" + api1, `{"name":"Mine"}`},
		{"DELETE", "/apis/" + api1, ""},
		{"GET", "/versions/" + version, ""},
		{"PATCH", "/versions/" + version + "/draft", `{"max_body_bytes":1}`},
		{"POST", "/versions/" + version + "/publish", `{"environment":"production"}`},
		{"POST", "/versions/" + version + "/roll-back", `{"environment":"production","revision":1}`},
		{"POST", "/versions/" + version + "/deprecate", `{}`},
		{"POST", "/versions/" + version + "/retire", `{"reason":"x"}`},
		{"GET", "/versions/" + version + "/revisions", ""},
		{"GET", "/versions/" + version + "/findings", ""},
		{"GET", "/versions/" + version + "/chain", ""},
		{"GET", "/versions/" + version + "/document", ""},
		{"GET", "/imports/" + in.ID, ""},
		{"GET", "/imports/" + in.ID + "/changes/" + version, ""},
		{"PATCH", "", `{"key_prefix":"mine"}`},
		{"POST", "/plans/" + o.plan + "/close", `{}`},
		{"POST", "/plans/" + o.plan + "/keep", ""},
		{"GET", "/tokens/all", ""},
		{"POST", "/versions/" + version + "/take-off", `{"environment":"production"}`},
		{"POST", "/imports/" + in.ID + "/accept", `{}`},
		{"GET", "/products/" + product, ""},
		{"PATCH", "/products/" + product, `{"name":"Mine"}`},
		{"DELETE", "/products/" + product, ""},
		{"POST", "/products/" + product + "/plans", `{"name":"Mine"}`},
		{"GET", "/plans/" + o.plan, ""},
		{"PATCH", "/plans/" + o.plan, `{"name":"Mine"}`},
		{"GET", "/applications", ""},
		{"GET", "/applications/" + o.app, ""},
		{"PATCH", "/applications/" + o.app, `{"name":"Mine"}`},
		{"DELETE", "/applications/" + o.app, ""},
		{"GET", "/applications/" + o.app + "/credentials", ""},
		{"POST", "/applications/" + o.app + "/credentials", `{"name":"Mine"}`},
		{"POST", "/credentials/" + o.credential + "/revoke", ""},
		{"POST", "/environments/production/explain-tokens", `{"api":"` + api1 + `"}`},
		{"GET", "/environments/production/explanations", ""},
		{"GET", "/environments/production/explanations/" + strings.Repeat("0", 32), ""},
		{"GET", "/usage", ""},
		{"GET", "/usage/mine", ""},
		{"POST", "/versions/" + version + "/environments/production/cache/purge", `{}`},
		{"GET", "/versions/" + version + "/environments/production/split", ""},
		{"PATCH", "/versions/" + version + "/environments/production/split", `{"per_mille":500}`},
		{"DELETE", "/versions/" + version + "/environments/production/split", ""},
		{"POST", "/versions/" + version + "/environments/production/split/offer", `{}`},
		{"POST", "/versions/" + version + "/environments/production/split/switch", `{}`},
		{"POST", "/versions/" + version + "/environments/production/split/take", `{}`},
		{"GET", "/versions/" + version + "/upstreams", ""},
		{"GET", "/versions/" + version + "/targets", ""},
		{"POST", "/versions/" + version + "/environments/production/targets/check", ""},
		{"GET", "/subscriptions?show=all", ""},
		{"GET", "/subscriptions/" + sub, ""},
		{"POST", "/subscriptions", `{"application":"` + o.app + `","plan":"` + o.plan + `","reason":"mine"}`},
		{"POST", "/subscriptions/" + sub + "/approve", `{}`},
		{"POST", "/subscriptions/" + sub + "/reject", `{"reason":"x"}`},
		{"POST", "/subscriptions/" + sub + "/withdraw", `{}`},
		{"POST", "/subscriptions/" + sub + "/cancel", `{}`},
		{"POST", "/subscriptions/" + sub + "/stop", `{}`},
		{"POST", "/subscriptions/" + sub + "/suspend", `{"reason":"x"}`},
	}
	document, err := contract.Load(described.Management())
	if err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for _, o := range document.Operations() { // a new one cannot be forgotten
		path, below := strings.CutPrefix(o.Path, "/tenants/{tenant}")
		if !below {
			continue
		}
		form := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
		asked := false
		for _, c := range paths {
			asked = asked || c.method == o.Method && form.MatchString(strings.Split(c.path, "?")[0])
		}
		if !asked {
			t.Errorf("%s %s is not asked for", o.Method, o.Path)
		}
	}
	for _, tenant := range []string{"demo", own} {
		for _, c := range paths {
			if tenant == own && (!strings.Contains(c.path, "_") || strings.HasPrefix(c.path, "/offers/")) && c.path != "/teams/shop-team" {
				continue // the stranger's own lists, and what is offered to all
			}
			t.Run(tenant+" "+c.method+" "+c.path, func(t *testing.T) {
				media := ""
				if c.body != "" {
					media = jsonType
				}
				got := api{t, b.API}.send(c.method, "/tenants/"+tenant+c.path, media, c.body)
				ofOthers := tenant == own && strings.HasPrefix(c.path, "/subscriptions") && c.method == "POST" && strings.HasSuffix(c.path, "/subscriptions")
				if got.status != http.StatusNotFound && !(ofOthers && got.status == http.StatusUnprocessableEntity) {
					t.Errorf("got %d %s, want 404", got.status, got.body)
				}
				for _, told := range []string{"Parcels", "Canary", "Demo", "bootstrap", "to try", "Shop", "already"} {
					if strings.Contains(got.body, told) {
						t.Errorf("got %s, which tells of %q", got.body, told)
					}
				}
			})
		}
	}
	if after := a.audited("", ""); after != before {
		t.Errorf("the demo's audit log went from %d to %d rows", before, after)
	}
	if got := a.do("GET", "/tenants/demo/subscriptions/"+sub, nil).State; got != "pending" {
		t.Errorf("the request is %s, want pending", got)
	}
}

// TestTakenMountTellsNothingOfItsHolder: the own tenant's is named, another
// tenant's cannot even be asked for.
func TestTakenMountTellsNothingOfItsHolder(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	operator := apiOf(t, p)
	b, own := rival(t, operator)
	document := process.MinimalDocument("Mine", "https://mine.example", 1)
	stage := func(a api, tenant string) string {
		var in staged
		a.send("POST", "/tenants/"+tenant+"/imports", "application/json", document).into(t, &in)
		return "/tenants/" + tenant + "/imports/" + in.ID + "/accept"
	}
	taken := operator.post(stage(operator, "demo"), `{"slug":"again","mount_path":"/demo/parcels/v1"}`).problem(t)
	if len(taken.Errors) != 1 || taken.Errors[0].Field != "mount_path" || !taken.says("Parcels v1") {
		t.Errorf("in the own tenant: got %+v, want mount_path and who holds it", taken)
	}
	there, free := b.post(stage(b, own), `{"mount_path":"/demo/parcels/v1"}`), b.post(stage(b, own), `{"mount_path":"/demo/nothing/v1"}`)
	if there.status != http.StatusUnprocessableEntity || free.status != there.status {
		t.Errorf("another tenant's mount: got %d, a free one: %d, want 422", there.status, free.status)
	}
	if x, y := there.problem(t), free.problem(t); fmt.Sprint(x.Errors) != fmt.Sprint(y.Errors) || x.Detail != y.Detail || x.Code != y.Code {
		t.Errorf("a taken mount of another tenant is told from a free one: %+v, %+v", x, y)
	}
	given := operator.post(stage(operator, own), `{"slug":"held","mount_path":"/demo/parcels/v1"}`).problem(t)
	if given.says("Parcels") || given.says("Demo") || len(given.Errors) != 1 || given.Errors[0].Field != "mount_path" {
		t.Errorf("by an operator for another tenant: got %+v", given)
	}
}

// TestKeysThatAreNotGoodAreRefused at the gateway, in words that help and tell
// nothing else.
func TestKeysThatAreNotGoodAreRefused(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	a.do("POST", "/tenants/demo/subscriptions/"+o.request(a)+"/approve?wait=applied", nil)
	ends := time.Now().Add(1500 * time.Millisecond).UTC()
	short := a.do("POST", "/tenants/demo/applications/shop/credentials?wait=applied", map[string]any{"name": "short", "expires_at": ends})
	revoked := a.do("POST", "/tenants/demo/applications/shop/credentials?wait=applied", map[string]any{"name": "gone"})
	a.do("POST", "/tenants/demo/credentials/"+revoked.ID+"/revoke?wait=applied", nil)
	url := p.Gateway + "/demo/parcels/v1/parcels"
	if status, body := call(t, url, short.Key); status != http.StatusOK && time.Now().Before(ends) {
		t.Errorf("before its end: got %d %s", status, body)
	}
	eventually(t, "the key has expired", 5*time.Second, func() bool {
		status, body := call(t, url, short.Key)
		return status == http.StatusUnauthorized && strings.Contains(body, "credential_expired")
	})
	other := o.key[:len(o.key)-1] + "A"
	if other == o.key {
		other = o.key[:len(o.key)-1] + "B"
	}
	for _, c := range []struct {
		name, code string
		header     []string
		query      string
	}{
		{"revoked", "credential_invalid", []string{"X-API-Key", revoked.Key}, ""},
		{"a letter wrong", "credential_invalid", []string{"X-API-Key", other}, ""},
		{"half", "credential_invalid", []string{"X-API-Key", o.key[:30]}, ""},
		{"empty", "credential_", []string{"X-API-Key", ""}, ""},
		{"its hash", "credential_invalid", []string{"X-API-Key", strings.Repeat("ab", 32)}, ""},
		{"with spaces", "credential_invalid", []string{"X-API-Key", o.key[:20] + " " + o.key[20:]}, ""},
		{"very long", "credential_invalid", []string{"X-API-Key", strings.Repeat("k", 20_000)}, ""},
		{"two different", "credential_invalid", []string{"X-API-Key", o.key, "Authorization", "Bearer " + p.Key}, ""},
		{"two different headers", "credential_invalid", []string{"X-API-Key", o.key, "X-API-Key", p.Key}, ""},
		{"header and query", "credential_invalid", []string{"X-API-Key", o.key}, "?api_key=" + p.Key},
		{"one good, one not", "credential_invalid", []string{"X-API-Key", o.key, "Authorization", "Bearer " + other}, ""},
		{"basic", "credential_missing", []string{"Authorization", "Basic dXNlcjpwYXNz"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.header); i += 2 {
				req.Header.Add(c.header[i], c.header[i+1])
			}
			got := roundTrip(t, req)
			refusal := got.problem(t)
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(refusal.Code, c.code) {
				t.Errorf("got %d %s, want 401 %s", got.status, got.body, c.code)
			}
			if got.header.Get("WWW-Authenticate") == "" || strings.Contains(got.body, o.key[20:40]) {
				t.Errorf("got %v %s, want a challenge and no key", got.header, got.body)
			}
		})
	}
	for _, same := range []string{"header", "query", "bearer"} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		switch same {
		case "header":
			req.Header.Set("x-api-key", o.key)
		case "query":
			req.URL.RawQuery = "api_key=" + o.key
		case "bearer":
			req.Header.Set("Authorization", "bearer "+o.key)
		}
		if got := roundTrip(t, req); got.status != http.StatusOK {
			t.Errorf("a good key by %s: got %d %s", same, got.status, got.body)
		}
	}
}
