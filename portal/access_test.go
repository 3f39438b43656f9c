package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

var keys = regexp.MustCompile(`portico_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]+`)

func TestAutomaticPlanGivesAccessAtOnce(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	form := "/products/meridian/parcels/subscribe"
	p := b.get(form)
	p.wants(t, http.StatusOK, "Name of your first application", "Sandbox", "Growth", "approved at once")
	p = b.post(form, "nonce", p.nonce(t), "application", "new", "name", "Checkout backend", "plan", string(o.automatic.ID))
	p.wants(t, http.StatusOK, "You have access", "Make a key", "In force on 1 of 1 gateway node, 12 ms", "curl http://localhost:8080/meridian/parcels/v1")
}

func TestManualPlanWaitsForAPersonAndSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	form := "/products/meridian/parcels/subscribe"
	p := b.get(form + "?plan=" + string(o.manual.ID))
	p.wants(t, http.StatusOK, "What will you use it for?", "Request access", "403 subscription_pending", "Sandbox works at once.")
	p = b.post(form, "nonce", p.nonce(t), "application", "new", "name", "Checkout backend", "plan", string(o.manual.ID), "reason", "Delivery dates at checkout.")
	p.wants(t, http.StatusOK, "Waiting for approval", "Meridian Logistics decides on your request.", "403 subscription_pending", "Delivery dates at checkout.", "Withdraw request")
}

func TestFormsKeepWhatWasTypedAndNameTheField(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	form := "/products/meridian/parcels/subscribe"
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name   string
		path   string
		fields []string
		wants  []string // in the page's source
	}{
		{"no name for a new application", form, []string{"application", "new", "name", " ", "plan", string(o.automatic.ID)}, []string{`id="f-name"`, "Needs a value."}},
		{"no plan", form, []string{"application", "new", "name", "Checkout", "plan", ""}, []string{"Choose a plan.", `value="Checkout"`}},
		{"a plan that is not", form, []string{"application", "new", "name", "Checkout", "plan", "plan_1"}, []string{"Choose a plan."}},
		{"no application", form, []string{"application", "", "plan", string(o.automatic.ID)}, []string{"Choose an application, or make a new one."}},
		{"no reason for a person", form, []string{"application", "new", "name", "Checkout", "plan", string(o.manual.ID), "reason", " "}, []string{`name="reason"`, `id="f-reason-note"`}},
		{"an application without a name", "/applications", []string{"name", "", "description", "For the shop"}, []string{`id="f-name-note"`, "For the shop"}},
		{"an application with a very long name", "/applications", []string{"name", long}, []string{`id="f-name-note"`, long}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := b.post(c.path, append([]string{"nonce", "n-" + c.name}, c.fields...)...)
			if p.status != http.StatusUnprocessableEntity {
				t.Fatalf("got status %d, want 422: %s", p.status, p.text())
			}
			for _, want := range c.wants {
				if !strings.Contains(p.body, want) {
					t.Errorf("the page lacks %s: %s", want, p.text())
				}
			}
			if strings.Contains(p.body, "-note") && !strings.Contains(p.body, `aria-describedby="`) {
				t.Error("the field does not point to its error")
			}
		})
	}
}

func TestKeyIsShownOnce(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	w.load(o.version)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout backend", "")
	p := b.get(app)
	p.wants(t, http.StatusOK, "No keys yet", "$PORTICO_KEY")
	p = b.post(app+"/keys", "nonce", p.nonce(t))
	p.wants(t, http.StatusOK, "Copy your new key now", "shown once")
	key := keys.FindString(p.body)
	if key == "" {
		t.Fatalf("the page after minting shows no key: %s", p.text())
	}
	if want := `"Authorization: Bearer ` + key + `"`; !strings.Contains(p.text(), want) {
		t.Error("the first call does not hold the fresh key")
	}
	if got := p.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q on the page with the key, want no-store", got)
	}
	again := b.get(b.last)
	again.wants(t, http.StatusOK, "$PORTICO_KEY", key[:len("portico_live_")+4]+"…")
	again.lacks(t, key, "Copy your new key now")
}

func TestKeyOfAnotherPersonIsNotShown(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	ines, bo := w.consumer("Ines Aguilar"), w.consumer("Bo Lund")
	app, other := ines.subscribe(o, o.automatic, "Checkout", ""), bo.subscribe(o, o.automatic, "Checkout", "")
	_, tenant := ines.actor("Ines Aguilar")
	if tenant.ID == "" {
		t.Fatal("the consumer has no tenant")
	}
	// A form's nonce is not enough: the key is the person's who minted it.
	noRedirects := *ines.client
	noRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	quiet := &browser{w: w, client: &noRedirects}
	if p := quiet.post(app+"/keys", "nonce", "shared"); p.status != http.StatusSeeOther {
		t.Fatalf("minting: got %d, want 303", p.status)
	}
	if p := bo.get(other + "?fresh=shared"); keys.MatchString(p.body) {
		t.Error("another person's page shows the key")
	}
	if p := ines.get(app + "?fresh=shared"); !keys.MatchString(p.body) {
		t.Errorf("the key was lost to who minted it: %s", p.text())
	}
}

func TestDoubleSubmitsAreOneSubmit(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	form := "/products/meridian/parcels/subscribe"
	nonce := b.get(form).nonce(t)
	request := []string{"nonce", nonce, "application", "new", "name", "Checkout", "plan", string(o.automatic.ID)}
	first, second := b.post(form, request...), b.post(form, request...)
	first.wants(t, http.StatusOK, "You have access")
	second.wants(t, http.StatusOK, "You have access")
	for range 2 {
		b.post("/applications", "nonce", "two", "name", "Nightly sync").wants(t, http.StatusOK, "Nightly sync")
	}
	actor, tenant := b.actor("Ines Aguilar")
	all := must[apim.List[manager.ApplicationDetail]](t)(w.access.Applications(t.Context(), actor, tenant.ID, apim.Page{}))
	if len(all.Items) != 2 {
		t.Fatalf("got %d applications, want 2", len(all.Items))
	}
	for range 2 { // the browser drops the first answer; the second has the key
		b.post("/applications/checkout/keys", "nonce", "key").wants(t, http.StatusOK, "Copy your new key now")
	}
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	if len(detail.Credentials) != 1 || len(detail.Subscriptions) != 1 {
		t.Errorf("got %d keys and %d subscriptions, want 1 and 1", len(detail.Credentials), len(detail.Subscriptions))
	}
	w.pass(time.Minute)
	b.post("/applications/checkout/keys", "nonce", "key").lacks(t, "Copy your new key now")
}

func TestRefusedFormCanBeSentAgain(t *testing.T) {
	w := newWorld(t)
	w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	if p := b.post("/applications", "nonce", "one", "name", ""); p.status != http.StatusUnprocessableEntity {
		t.Fatalf("got %d, want 422", p.status)
	}
	b.post("/applications", "nonce", "one", "name", "Checkout").wants(t, http.StatusOK, "Checkout", "No keys yet")
}

func TestApplicationOfAnotherTenantDoesNotExist(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	ines, bo := w.consumer("Ines Aguilar"), w.consumer("Bo Lund")
	app := ines.subscribe(o, o.manual, "Checkout", "Delivery dates.")
	sub := ines.last[:strings.IndexAny(ines.last+"?", "?")]
	ines.post(app+"/keys", "nonce", "k")
	actor, tenant := ines.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	revoke := fmt.Sprintf("%s/keys/%s/revoke", app, detail.Credentials[0].ID)
	byID := "/applications/" + string(detail.Application.ID)
	for _, path := range []string{app, byID, app + "/delete", app + "/keys/new", revoke, sub, sub + "/withdraw", sub + "/cancel"} {
		if p := bo.get(path); p.status != http.StatusNotFound || strings.Contains(p.body, "Delivery dates.") {
			t.Errorf("GET %s: got %d, want 404", path, p.status)
		}
	}
	for _, path := range []string{app + "/keys", byID + "/keys", revoke, sub + "/withdraw", sub + "/cancel", sub + "/stop"} {
		if p := bo.post(path); p.status != http.StatusNotFound {
			t.Errorf("POST %s: got %d, want 404", path, p.status)
		}
	}
	ines.get(sub).wants(t, http.StatusOK, "Waiting for approval")
	ines.get(app).wants(t, http.StatusOK, "Active")
}

func TestSubscriptionIsWithdrawnStoppedAndCancelled(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	b.subscribe(o, o.manual, "Waiting one", "Delivery dates.")
	pending := b.last[:strings.IndexAny(b.last+"?", "?")]
	b.get(pending+"/withdraw").wants(t, http.StatusOK, "Withdraw the request for Parcels", "Keep it")
	for range 2 {
		b.post(pending+"/withdraw").wants(t, http.StatusOK, "Cancelled", "Request access again")
	}

	b.subscribe(o, o.automatic, "Running one", "")
	active := b.last[:strings.IndexAny(b.last+"?", "?")]
	for range 2 {
		b.post(active+"/stop").wants(t, http.StatusOK, "Stopped by you", "Start again")
	}
	for range 2 {
		b.post(active+"/start").wants(t, http.StatusOK, "You have access", "Stop for now")
	}
	b.get(active+"/cancel").wants(t, http.StatusOK, "Cancel Parcels for Running one")
	for range 2 {
		b.post(active+"/cancel").wants(t, http.StatusOK, "Cancelled")
	}
	if p := b.post(active + "/explode"); p.status != http.StatusNotFound {
		t.Errorf("an action that is not: got %d, want 404", p.status)
	}
}

func TestDecisionsReachTheConsumersPages(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.manual, "Checkout", "Delivery dates.")
	sub := b.last[:strings.IndexAny(b.last+"?", "?")]
	id := apim.ID(sub[strings.LastIndexByte(sub, '/')+1:])
	if _, _, err := w.access.Reject(t.Context(), w.provider, w.providerTenant.ID, id, "Tell us the peak, then it goes through."); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{sub, app} {
		b.get(path).wants(t, http.StatusOK, "Rejected", "Tell us the peak, then it goes through.")
	}
	b.subscribe(o, o.manual, "Second", "Peaks of 40/s.")
	sub = b.last[:strings.IndexAny(b.last+"?", "?")]
	id = apim.ID(sub[strings.LastIndexByte(sub, '/')+1:])
	if _, _, err := w.access.Approve(t.Context(), w.provider, w.providerTenant.ID, id, manager.Decision{Note: ""}); err != nil {
		t.Fatal(err)
	}
	b.get(sub).wants(t, http.StatusOK, "You have access")
	if _, _, err := w.access.Suspend(t.Context(), w.provider, w.providerTenant.ID, id, "Invoice 2291 is unpaid.", ""); err != nil {
		t.Fatal(err)
	}
	b.get(sub).wants(t, http.StatusOK, "Suspended by Meridian Logistics", "Invoice 2291 is unpaid.")
}

func TestKeyIsRevokedAfterAQuestion(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	b.post(app+"/keys", "nonce", "k", "name", "Shop", "days", "30").wants(t, http.StatusOK, "Shop", "Ends in 30 days")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	revoke := fmt.Sprintf("%s/keys/%s/revoke", app, detail.Credentials[0].ID)
	b.get(revoke).wants(t, http.StatusOK, "Revoke Shop", "stops working on every gateway node")
	if p := b.post(revoke); !strings.Contains(p.body, "Shop is revoked.") {
		t.Error("the page after revoking does not say what happened")
	}
	b.post(revoke).wants(t, http.StatusOK, "Revoked just now")
	b.get(app)
	if p := b.get(app); strings.Contains(p.body, "Shop is revoked.") {
		t.Error("what happened is said again on the next page")
	}
}

func TestDeletingAnApplicationTwiceIsHarmless(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	b.post(app+"/keys", "nonce", "k")
	b.get(app+"/delete").wants(t, http.StatusOK, "This revokes 1 key and cancels 1 subscription.")
	for range 2 {
		b.post(app+"/delete").wants(t, http.StatusOK, "No applications yet")
	}
}

func TestApplicationWithAccessCannotAskAgain(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	b.subscribe(o, o.automatic, "Checkout", "")
	b.get("/products/meridian/parcels/subscribe").wants(t, http.StatusOK, "Already subscribed", "New application")
	actor, tenant := b.actor("Ines Aguilar")
	detail := must[manager.ApplicationDetail](t)(w.access.Application(t.Context(), actor, tenant.ID, "checkout"))
	p := b.post("/products/meridian/parcels/subscribe", "nonce", "x", "application", string(detail.Application.ID), "plan", string(o.manual.ID), "reason", "More.")
	if p.status != http.StatusUnprocessableEntity {
		t.Errorf("got %d, want 422 with the reason: %s", p.status, p.text())
	}
}

func TestFormsOpenInADialogWhereThereIsAScript(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	app := b.subscribe(o, o.automatic, "Checkout", "")
	for _, path := range []string{"/applications/new", app + "/keys/new"} {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil))
		req.Header.Set("HX-Request", "true")
		req.Header.Set("HX-Target", "dialogs")
		p := b.do(req)
		if p.status != http.StatusOK || !strings.Contains(p.body, "<dialog") || strings.Contains(p.body, "<html") {
			t.Errorf("%s: got %d and no dialog alone", path, p.status)
		}
	}
}

func TestSubmitsAtTheSameTimeAreOneSubmit(t *testing.T) {
	w := newWorld(t)
	o := w.publish("Parcels", parcels, apim.VisiblePublic)
	b := w.consumer("Ines Aguilar")
	form := url.Values{"nonce": {"same"}, "application": {"new"}, "name": {"Checkout"}, "plan": {string(o.automatic.ID)}}.Encode()
	answers := make(chan string, 8)
	for range cap(answers) {
		go func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/products/meridian/parcels/subscribe", strings.NewReader(form))
			if err != nil {
				answers <- err.Error()
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := b.client.Do(req)
			if err != nil {
				answers <- err.Error()
				return
			}
			_ = res.Body.Close()
			answers <- fmt.Sprintf("%d %s", res.StatusCode, res.Request.URL.Path)
		}()
	}
	first := <-answers
	for range cap(answers) - 1 {
		if got := <-answers; got != first || !strings.HasPrefix(got, "200 /applications/checkout/subscriptions/") {
			t.Errorf("got %q and %q, want the same subscription's page", got, first)
		}
	}
	actor, tenant := b.actor("Ines Aguilar")
	all := must[apim.List[manager.ApplicationDetail]](t)(w.access.Applications(t.Context(), actor, tenant.ID, apim.Page{}))
	if len(all.Items) != 1 || len(all.Items[0].Subscriptions) != 1 {
		t.Errorf("got %d applications, want one with one subscription", len(all.Items))
	}
}
