package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"portico/manager"
	"portico/ui"
)

// callsView lists the calls that were explained.
type callsView struct {
	Rows    []wayRow
	All     int    // how many there are, whatever is asked for
	Poll    string // loads them again; "" once that has been often enough
	Filters []filterChip
	Clear   string // without any filter

	// The form of the filter: what there is to choose from, and what is chosen.
	Action            string
	Stays             []ui.Pair
	APIs, Apps, Class []choice
	Filter            callFilter
}

// filterChip is a condition that is set, with the list without it.
type filterChip struct{ Key, Value, Without string }

// wayRow is an explained call in the list.
type wayRow struct {
	ID, Href, Time, Method, Path, Application, Own, Upstream, Decided string

	Status  int
	Tone    ui.Tone
	Current bool
}

// Row is the id of the link that opens the call.
func (r wayRow) Row() string { return "call-" + r.ID }

// The names of what stands in the list's address.
const (
	byAPI         = "api"
	byStatus      = "status"
	byApplication = "application"
	byLike        = "like"
)

// unknownCaller is chosen for calls of nobody who is known.
const unknownCaller = "unknown"

// callFilter is what the list is to show. It stands in the page's address.
type callFilter struct {
	api, status, application string
	like                     string // id of the call that they are to be like
	page                     string // address of the page, with what has nothing to do with the list
	text                     string // what like is, for people
	liked                    *manager.Explained
}

// callFilter reads the filter from the address. A call that is not there any more
// is nothing to be like.
func (v *visit) callFilter(all []manager.Explained, version string) callFilter {
	f := callFilter{
		api: v.query(byAPI), status: v.query(byStatus), application: v.query(byApplication),
		page: with(v.links.explain(), "version", version, "in", v.query("in")),
	}
	if at := slices.IndexFunc(all, func(x manager.Explained) bool { return x.ID == v.query(byLike) }); at >= 0 {
		f.like, f.liked, f.text = all[at].ID, &all[at], likeText(all[at])
	}
	return f
}

func (f callFilter) set() bool { return f.api+f.status+f.application+f.like != "" }

// address is the list's, without one of the conditions.
func (f callFilter) address(without string) string {
	pairs := []string{byAPI, f.api, byStatus, f.status, byApplication, f.application, byLike, f.like}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == without {
			pairs[i+1] = ""
		}
	}
	return with(f.page, pairs...)
}

func (f callFilter) takes(x manager.Explained) bool {
	api, _ := versionNames(x.API)
	return (f.api == "" || f.api == api) &&
		(f.status == "" || slices.ContainsFunc(strings.Split(f.status, ","), func(one string) bool { return statusIs(x.Status, one) })) &&
		(f.application == "" || f.application == cmp.Or(x.Application, unknownCaller)) &&
		(f.liked == nil || alike(x, *f.liked))
}

// statusIs reports whether a status is "429", or one of "4xx".
func statusIs(status int, want string) bool {
	if class, ok := strings.CutSuffix(want, "xx"); ok {
		return strconv.Itoa(status/100) == class
	}
	return strconv.Itoa(status) == want
}

// explainPolls bounds how long an open page asks for new calls: ten minutes.
const explainPolls = 600

// callsOf lists the calls that the filter takes; call is the one that is open.
func (v *visit) callsOf(all []manager.Explained, f callFilter, call string) callsView {
	out := callsView{All: len(all), Filter: f, Action: v.links.explain(), Clear: f.page}
	apis, apps := map[string]bool{f.api: true}, map[string]bool{f.application: true}
	for _, x := range all {
		if api, _ := versionNames(x.API); api != "" {
			apis[api] = true
		}
		apps[cmp.Or(x.Application, unknownCaller)] = true
		if !f.takes(x) {
			continue
		}
		row := wayRowOf(x)
		row.Href, row.Current = with(f.address(""), "call", x.ID), x.ID == call
		out.Rows = append(out.Rows, row)
	}
	out.APIs, out.Apps = anyOf(apis), anyOf(apps)
	out.Class = []choice{{"", "Any"}, {"2xx", "2xx"}, {"3xx", "3xx"}, {"4xx", "4xx"}, {"5xx", "5xx"}, {"4xx,5xx", "4xx, 5xx"}}
	if f.status != "" && !slices.ContainsFunc(out.Class, func(c choice) bool { return c.value == f.status }) {
		out.Class = append(out.Class, choice{f.status, statusText(f.status)})
	}
	for _, chip := range []filterChip{{"API", f.api, byAPI}, {"Status", statusText(f.status), byStatus}, {"Application", f.application, byApplication}, {"Like", f.text, byLike}} {
		if chip.Value != "" {
			out.Filters = append(out.Filters, filterChip{chip.Key, chip.Value, f.address(chip.Without)})
		}
	}
	for _, stays := range []ui.Pair{{Key: "version", Value: v.query("version")}, {Key: "in", Value: v.query("in")}, {Key: byLike, Value: f.like}} {
		if stays.Value != "" {
			out.Stays = append(out.Stays, stays)
		}
	}
	if left, more := v.polls(explainPolls); more {
		out.Poll = with(f.address(""), "call", call, "polls", strconv.Itoa(left))
	}
	return out
}

func statusText(status string) string { return strings.ReplaceAll(status, ",", ", ") }

// anyOf are the names of a set, by name, behind the choice of any.
func anyOf(names map[string]bool) []choice {
	out := []choice{{"", "Any"}}
	for name := range names {
		if name != "" {
			out = append(out, choice{name, name})
		}
	}
	slices.SortFunc(out[1:], func(a, b choice) int { return strings.Compare(a.label, b.label) })
	return out
}

// count says how many of how many are shown.
func (c callsView) count() string {
	if len(c.Rows) == c.All {
		return count(c.All, "call", "calls")
	}
	return number(len(c.Rows)) + " of " + count(c.All, "call", "calls")
}

// around tells an open call which ones are before and after it, and where it
// closes to.
func (c callsView) around(w *wayView) {
	w.Close = c.Filter.address("")
	at := slices.IndexFunc(c.Rows, func(r wayRow) bool { return r.Current })
	if at < 0 {
		return
	}
	w.Row = c.Rows[at].Row()
	if at > 0 {
		w.Prev = c.Rows[at-1].Href
	}
	if at < len(c.Rows)-1 {
		w.Next = c.Rows[at+1].Href
	}
}

// callsAlone reports whether a request is the list's own, that loads itself again.
func callsAlone(r *http.Request) bool { return r.Header.Get("HX-Target") == "calls" }

// callsFollow loads the list again, as long as a person may be looking.
func callsFollow(c callsView) templ.Attributes {
	if c.Poll == "" {
		return nil
	}
	return templ.Attributes{"hx-get": c.Poll, "hx-trigger": "load delay:1s", "hx-select": "#calls", "hx-swap": "outerHTML"}
}

func wayRowOf(x manager.Explained) wayRow {
	row := wayRow{
		ID: x.ID, Time: time.UnixMilli(x.At).UTC().Format("15:04:05.000"), Status: x.Status, Method: x.Method, Path: clip(x.Path, 80),
		Application: x.Application, Own: nanos(ownShare(x)), Upstream: "—",
	}
	if _, took, called := calledOf(x); called {
		row.Upstream = nanos(took)
	}
	if x.Hidden {
		row.Own = "—"
	}
	row.Decided, row.Tone = decidedBy(x)
	return row
}
