package console_test

import (
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

// The list is narrowed by conditions that stand in its address, each with a way
// back; what is open leads to its neighbours in that list.
func TestExplainedCallsAreFilteredByTheAddress(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	call := func(id, api, application string, status int) entry.Explanation {
		x := s.limited(s.tenantID("acme").UUID())
		x.ID, x.API, x.Application, x.Status, x.Path = id, api, application, status, "/path-of-"+id
		return x
	}
	s.catalog.Ways = ways{
		call("c1", "acme/orders v1", "Till", 429), call("c2", "acme/orders v2", "Till", 504), call("c3", "acme/stock v1", "Till", 429),
		call("c4", "acme/orders v1", "", 401), call("c5", "acme/orders v1", "Till", 200),
	}
	for _, c := range []struct {
		query, count string
		shows        string // the ends of the paths that are listed, in order
		chips        []string
	}{
		{"", "5 calls", "12345", nil},
		{"api=orders", "4 of 5 calls", "1245", []string{"Remove API orders"}},
		{"status=4xx", "3 of 5 calls", "134", []string{"Remove Status 4xx"}},
		{"status=4xx,5xx&api=orders", "3 of 5 calls", "124", []string{"Remove Status 4xx, 5xx", "Remove API orders"}},
		{"status=504", "1 of 5 calls", "2", []string{"Remove Status 504"}},
		{"application=unknown", "1 of 5 calls", "4", []string{"Remove Application unknown"}},
		{"api=orders&status=4xx&application=Till", "1 of 5 calls", "1", []string{"Remove API orders", "Remove Status 4xx", "Remove Application Till"}},
		{"api=nothing", "0 of 5 calls", "", []string{"Remove API nothing"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			a := b.get("/t/acme/explain?"+c.query).shows(http.StatusOK, c.count)
			for _, chip := range c.chips {
				a.has(`aria-label="` + chip + `"`)
			}
			listed := ""
			for _, id := range "12345" {
				if strings.Contains(a.body, `id="call-c`+string(id)+`"`) {
					listed += string(id)
				}
			}
			if listed != c.shows {
				t.Errorf("lists %q, want %q", listed, c.shows)
			}
		})
	}
	b.get("/t/acme/explain?api=nothing").shows(http.StatusOK, "No call is like that", "Clear filter")
	// Each condition is taken away alone.
	b.get("/t/acme/explain?api=orders&status=4xx").has(`href="/t/acme/explain?api=orders"`, `href="/t/acme/explain?status=4xx"`)
	// What is open knows those before and after it in the list as it is narrowed.
	open := b.get("/t/acme/explain?api=orders&call=c2").shows(http.StatusOK, "504")
	open.has(`id="way-prev"`, `href="/t/acme/explain?api=orders&amp;call=c1"`, `href="/t/acme/explain?api=orders&amp;call=c4"`, `data-row-id="call-c2"`, `<dialog class="drawer" id="way"`)
	if first := b.get("/t/acme/explain?api=orders&call=c1"); !strings.Contains(first.body, `aria-label="Previous call" class="btn quiet sm ico" id="way-prev" role="link"`) {
		t.Error("before the first call there is another one")
	}
}

// The list that loads itself again does not load the call that stands beside it.
func TestTheListAloneIsLoadedAgain(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	s.offer(s.tenantID("acme"))
	s.catalog.Ways = ways{s.limited(s.tenantID("acme").UUID())}
	req := b.request(http.MethodGet, "/t/acme/explain?call=a1", "", nil)
	req.Header.Set("HX-Request", "true")
	req.Header.Set("HX-Target", "calls")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.post("/t/acme/apis/orders/v1/policies/limit", "requests", "5", "period", "minute", "by", "caller").shows(http.StatusSeeOther)
	b.client.CheckRedirect = nil
	a := b.send(req).shows(http.StatusOK, "Explained calls")
	a.has(`id="calls"`, `aria-selected="true"`)
	for _, part := range []string{"<dialog", "<form", "<nav"} {
		if strings.Contains(a.body, part) {
			t.Errorf("%s comes with the list", part)
		}
	}
	b.get("/t/acme/explain").shows(http.StatusOK, "Saved in the draft") // which was not told to the list
	// A drawer that stood there already does not slide in again.
	for at, still := range map[string]bool{"/t/acme/explain": false, "/t/acme/explain?call=a0": true} {
		req := b.request(http.MethodGet, "/t/acme/explain?call=a1", "", nil)
		req.Header.Set("HX-Target", "explained")
		req.Header.Set("HX-Current-URL", s.server.URL+at)
		if got := strings.Contains(b.send(req).body, `class="drawer still"`); got != still {
			t.Errorf("from %s: still %v, want %v", at, got, still)
		}
	}
}
