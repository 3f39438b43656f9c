package fault_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"portico/test/process"
)

// auditRows reads the tenant's audit log, the newest first, of one action.
func (r *ring) auditRows(manager int, action string) (objects []string) {
	r.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Items      []struct{ Action, Object string }
			NextCursor string `json:"next_cursor"`
		}
		if err := r.do(manager, "GET", "/audit?limit=200&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			r.t.Fatal(err)
		}
		for _, row := range page.Items {
			if row.Action == action {
				objects = append(objects, row.Object)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return objects
		}
	}
}

// P9: a manager that is killed amid decisions leaves each of them that it
// acknowledged decided and in the audit log once, none half made, and the chain
// whole.
func TestManagerKilledAmidDecisionsKeepsEachWithItsAuditRow(t *testing.T) {
	r := newRing(t)
	const rounds = 4
	var mu sync.Mutex
	acknowledged, asked := map[string]bool{}, map[string]bool{} // subscriptions
	next := 0
	for round := range rounds {
		one := round % 2
		var working sync.WaitGroup
		enough := make(chan struct{})
		gone := make(chan struct{})
		var once sync.Once
		for range 3 {
			working.Go(func() {
				for {
					select {
					case <-gone:
						return
					default:
					}
					mu.Lock()
					next++
					slug := fmt.Sprintf("app-%d", next)
					mu.Unlock()
					var app, sub process.Object
					if r.do(one, "POST", "/applications", map[string]any{"slug": slug, "name": slug}, &app) != nil ||
						r.do(one, "POST", "/subscriptions", map[string]any{"application": app.ID, "plan": r.market.Plan, "reason": "to try"}, &sub) != nil {
						return
					}
					mu.Lock()
					asked[sub.ID] = true
					mu.Unlock()
					if r.do(one, "POST", "/subscriptions/"+sub.ID+"/approve", nil, nil) != nil {
						return
					}
					mu.Lock()
					acknowledged[sub.ID] = true
					if len(acknowledged) >= (round+1)*5 {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		r.Managers[one].Kill() // amid the next
		close(gone)
		working.Wait()
		r.again(r.Managers[one], false)
	}
	rows := map[string]int{}
	for _, object := range r.auditRows(0, "subscription.approve") {
		rows[object]++
	}
	undecided := 0
	for id := range asked {
		var sub process.Object
		if err := r.do(1, "GET", "/subscriptions/"+id, nil, &sub); err != nil {
			t.Fatal(err)
		}
		switch {
		case acknowledged[id] && (sub.State != "active" || rows[id] != 1):
			t.Errorf("%s was acknowledged; it is %s, with %d rows in the audit log", id, sub.State, rows[id])
		case sub.State == "active" != (rows[id] == 1) || rows[id] > 1:
			t.Errorf("%s is %s, with %d rows in the audit log", id, sub.State, rows[id])
		case sub.State == "pending":
			undecided++
		}
	}
	t.Logf("%d decisions acknowledged, %d asked for and not made", len(acknowledged), undecided)
	for manager := range r.Managers {
		var check struct {
			Rows  int
			Whole bool
		}
		if err := r.do(manager, "GET", "/audit/verify", nil, &check); err != nil || !check.Whole || check.Rows < len(acknowledged) {
			t.Errorf("the chain: %+v %v", check, err)
		}
	}
	if out, err := r.Run(t.Context(), "audit", "verify", "--tenant", "acme"); err != nil {
		t.Errorf("portico audit verify: %v\n%s", err, out)
	}
}
