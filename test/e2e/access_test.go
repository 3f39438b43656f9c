package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/test/process"
)

// offered is a manual plan on the demo's API, an application and its key.
type offered struct{ plan, app, key, credential string }

func offer(a api, name string) offered {
	a.t.Helper()
	const tenant = "/tenants/demo"
	version := a.do("GET", tenant+"/apis/parcels", nil).Versions[0].ID
	a.do("POST", tenant+"/products", map[string]any{"slug": name, "name": name, "listed": true, "visibility": "public", "versions": []string{version}})
	plan := a.do("POST", tenant+"/products/"+name+"/plans", map[string]any{
		"slug": "all", "name": "All", "approval": "manual", "state": "published", "limits": []any{},
	})
	app := a.do("POST", tenant+"/applications", map[string]any{"slug": name, "name": name})
	cred := a.do("POST", tenant+"/applications/"+name+"/credentials?wait=applied", map[string]any{"name": "k"})
	return offered{plan.ID, app.ID, cred.Key, cred.ID}
}

func (o offered) request(a api) string {
	a.t.Helper()
	return a.do("POST", "/tenants/demo/subscriptions?wait=applied", map[string]any{"application": o.app, "plan": o.plan, "reason": "to try"}).ID
}

func TestRequestApprovalAndRevocationDecideTheCall(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	url := p.Gateway + "/demo/parcels/v1/parcels"
	step := func(what string, status int, code string) {
		t.Helper()
		got, body := call(t, url, o.key)
		if got != status || !strings.Contains(body, code) {
			t.Errorf("%s: got %d %s, want %d %s", what, got, body, status, code)
		}
	}
	step("before a request", 403, "subscription_missing")
	sub := o.request(a)
	step("while it waits", 403, "subscription_pending")
	const subs = "/tenants/demo/subscriptions/"
	a.do("POST", subs+sub+"/approve?wait=applied", nil)
	step("approved", 200, "prc_1001")
	a.do("POST", subs+sub+"/suspend?wait=applied", map[string]any{"reason": "too much"})
	step("suspended", 403, "subscription_suspended")
	a.do("POST", subs+sub+"/resume?wait=applied", nil)
	step("resumed", 200, "prc_1001")
	a.do("POST", subs+sub+"/stop?wait=applied", nil)
	step("stopped by its owner", 403, "subscription_")
	a.do("POST", subs+sub+"/start?wait=applied", nil)
	step("started again", 200, "prc_1001")
	a.do("POST", "/tenants/demo/credentials/"+o.credential+"/revoke?wait=applied", nil)
	step("key revoked", 401, "credential_invalid")
	if got, body := call(t, url, ""); got != 401 || !strings.Contains(body, "credential_missing") {
		t.Errorf("without a key: got %d %s", got, body)
	}
	if got, body := call(t, p.Gateway+"/demo/parcels/v1/status", ""); got != 200 {
		t.Errorf("the public operation: got %d %s", got, body)
	}
}

func TestRevokedKeyIsRefusedFromTheAcknowledgementOn(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	a.do("POST", "/tenants/demo/subscriptions/"+o.request(a)+"/approve?wait=applied", nil)
	for i := range 30 {
		cred := a.do("POST", "/tenants/demo/applications/shop/credentials?wait=applied", map[string]any{"name": fmt.Sprint(i)})
		if got, body := call(t, p.Gateway+"/demo/parcels/v1/parcels", cred.Key); got != 200 {
			t.Fatalf("acknowledged key %d: got %d %s", i, got, body)
		}
		a.do("POST", "/tenants/demo/credentials/"+cred.ID+"/revoke?wait=applied", nil)
		if got, body := call(t, p.Gateway+"/demo/parcels/v1/parcels", cred.Key); got != 401 {
			t.Fatalf("revoked key %d: got %d %s", i, got, body)
		}
	}
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	data := t.TempDir()
	first := start(t, process.Options{Demo: true, Data: data})
	a := apiOf(t, first)
	o := offer(a, "shop")
	sub := o.request(a)
	a.do("POST", "/tenants/demo/subscriptions/"+sub+"/approve", nil) // acknowledged, not confirmed by nodes
	first.Kill()

	again := start(t, process.Options{Demo: true, Data: data, Ports: &first.Ports})
	if got := apiOf(t, again).do("GET", "/tenants/demo/subscriptions/"+sub, nil); got.State != "active" {
		t.Errorf("got state %q, want active", got.State)
	}
	eventually(t, "the key works after a kill", 5*time.Second, func() bool {
		got, _ := call(t, again.Gateway+"/demo/parcels/v1/parcels", o.key)
		return got == http.StatusOK
	})
}

// The clients stand behind a load balancer of the usual kind: it sends nothing
// more to a node whose /readyz is not 200, and finds that out by asking.
func TestTermAndPublishUnderLoadFailNoRequest(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	a.do("POST", "/tenants/demo/subscriptions/"+o.request(a)+"/approve?wait=applied", nil)
	version := a.do("GET", "/tenants/demo/apis/parcels", nil).Versions[0].ID

	var callers sync.WaitGroup
	var answered, wrong atomic.Int64
	var notReady atomic.Bool
	for range 8 {
		callers.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !notReady.Load() {
				if err := demoCall(client, p.Gateway, o.key); err != nil {
					wrong.Add(1)
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	callers.Go(func() {
		for !notReady.Load() {
			res, err := http.Get(p.Ops + "/readyz")
			if err != nil {
				t.Errorf("/readyz went away before it said 503: %v", err)
				notReady.Store(true)
				return
			}
			res.Body.Close()
			notReady.Store(res.StatusCode != http.StatusOK)
			time.Sleep(20 * time.Millisecond) // a load balancer's interval
		}
	})
	for i := range 20 {
		if _, err := a.Publish(t.Context(), "demo", version, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("it ended with %v", err)
	}
	callers.Wait()
	if wrong.Load() != 0 || answered.Load() < 100 {
		t.Errorf("%d of %d calls failed", wrong.Load(), answered.Load())
	}
}

func demoCall(client *http.Client, gateway, key string) error {
	req, err := http.NewRequest(http.MethodGet, gateway+"/demo/parcels/v1/parcels/prc_1001", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", key)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", res.StatusCode)
	}
	return nil
}
