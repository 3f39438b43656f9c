package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/test/process"
)

// audited counts the rows of the demo's audit log, with an action and on an
// object where they are named.
func (a api) audited(action, object string) int {
	a.t.Helper()
	n, cursor := 0, ""
	for {
		var page struct {
			Items      []struct{ Action, Object string }
			NextCursor string `json:"next_cursor"`
		}
		a.read("/tenants/demo/audit?limit=200"+cursor, &page)
		for _, row := range page.Items {
			if (action == "" || row.Action == action) && (object == "" || row.Object == object) {
				n++
			}
		}
		if page.NextCursor == "" {
			return n
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// outcomes counts the answers by status.
func outcomes(all []answer) map[int]int {
	out := map[int]int{}
	for _, one := range all {
		out[one.status]++
	}
	return out
}

func TestFiftyApprovalsAtOnceAreOneDecision(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	sub := o.request(a)
	all := a.together(50, "POST", "/tenants/demo/subscriptions/"+sub+"/approve", `{}`)
	for _, got := range all {
		if got.status != http.StatusOK && got.status != http.StatusConflict {
			t.Errorf("got %d %s, want 200 or 409", got.status, got.body)
		}
	}
	if n := a.audited("subscription.approve", sub); n != 1 {
		t.Errorf("got %d audit rows, want 1; answers %v", n, outcomes(all))
	}
	if outcomes(all)[http.StatusOK] == 0 {
		t.Errorf("nobody was told that it is approved: %v", outcomes(all))
	}
	eventually(t, "the key works", 5e9, func() bool {
		status, _ := call(t, p.Gateway+"/demo/parcels/v1/parcels", o.key)
		return status == http.StatusOK
	})
}

func TestApprovalAndRejectionAtOnceAreOneOfThem(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	for range 5 {
		sub := o.request(a)
		path := "/tenants/demo/subscriptions/" + sub
		done := make(chan []answer, 1)
		go func() { done <- a.together(6, "POST", path+"/reject", `{"reason":"not now"}`) }()
		approved, rejected := a.together(6, "POST", path+"/approve", `{}`), <-done
		state := a.do("GET", path, nil).State
		x, y := a.audited("subscription.approve", sub), a.audited("subscription.reject", sub)
		yes, no := outcomes(approved)[200] > 0, outcomes(rejected)[200] > 0
		if x+y != 1 || yes == no || (state == "active") != yes || (state == "rejected") != no {
			t.Errorf("%s with %d approvals and %d rejections in the log; answers %v, %v", state, x, y, outcomes(approved), outcomes(rejected))
		}
		if state == "active" {
			a.do("POST", path+"/cancel?wait=applied", nil)
		} else if status, body := call(t, p.Gateway+"/demo/parcels/v1/parcels", o.key); status == http.StatusOK {
			t.Errorf("rejected, and the gateway answers %d %s", status, body)
		}
	}
}

func TestDoubleSubmitsHaveOneOutcome(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	version := a.do("GET", "/tenants/demo/apis/parcels", nil).Versions[0].ID
	for _, c := range []struct {
		name, path, body, action string
		later                    int // of all answers but the first
	}{
		{"a product", "/products", `{"name":"Twin","slug":"twin"}`, "product.create", 422},
		{"an application", "/applications", `{"name":"Twin","slug":"twin"}`, "application.create", 422},
		{"a request", "/subscriptions", `{"application":"` + o.app + `","plan":"` + o.plan + `","reason":"twice"}`, "subscription.request", 201}, // the same request again
	} {
		t.Run(c.name, func(t *testing.T) {
			a := api{t, a.API}
			before := a.audited(c.action, "")
			made := map[string]bool{}
			for _, one := range a.together(8, "POST", "/tenants/demo"+c.path, c.body) {
				var of process.Object
				switch one.status {
				case http.StatusCreated:
					one.into(t, &of)
					made[of.ID] = true
				case c.later:
				default:
					t.Errorf("got %d %s, want 201 or %d", one.status, one.body, c.later)
				}
			}
			if len(made) != 1 {
				t.Errorf("made %v, want one", made)
			}
			if rows := a.audited(c.action, "") - before; rows != 1 {
				t.Errorf("got %d audit rows, want 1", rows)
			}
		})
	}
	all := a.together(8, "POST", "/tenants/demo/versions/"+version+"/publish?wait=applied", `{"environment":"production"}`)
	numbers := map[string]bool{}
	for _, one := range all {
		if one.status != http.StatusCreated && one.status != http.StatusOK && one.status != http.StatusConflict {
			t.Errorf("publish: got %d %s", one.status, one.body)
		}
		if _, rest, found := strings.Cut(one.body, `"number":`); found {
			number, _, _ := strings.Cut(rest, ",")
			numbers[number] = true
		}
	}
	var revisions struct{ Items []struct{ Number int } }
	a.read("/tenants/demo/versions/"+version+"/revisions", &revisions)
	seen := map[int]bool{}
	for _, r := range revisions.Items {
		if seen[r.Number] {
			t.Errorf("revision %d is there twice", r.Number)
		}
		seen[r.Number] = true
	}
	t.Logf("8 publishes at once: %v, revisions answered %v, there %v", outcomes(all), numbers, seen)
	if status, body := call(t, p.Gateway+"/demo/parcels/v1/parcels", p.Key); status != http.StatusOK {
		t.Errorf("the demo: got %d %s", status, body)
	}
}
