package table

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/entry/template"
)

// mostCandidates bounds what Explain tells.
const mostCandidates = 8

// Explain says which routes and mounts a request was near to, and why each of
// them was or was not taken: the one that was taken first, then the nearest.
// route and api are what Match returned. It tells only of APIs that may be
// seen, and looks at all of them: it is for requests whose way is asked for, and
// their number is bounded by who asks. Any number of goroutines may call it.
func (t *Table) Explain(ex *policy.Exchange, route *Route, api *API, sees func(*API) bool) []entry.ExplainedRoute {
	var found []candidate
	if api != nil && sees(api) {
		_, base := t.find(ex.Host, ex.Path.Decoded)
		below := ex.Path.Decoded[base:]
		if below == "" {
			below = "/"
		}
		for _, r := range api.matcher.routes() {
			found = append(found, r.candidate(ex, below, route))
		}
	} else {
		t.seats.each(func(at place, there seat) {
			if there.api != nil && sees(there.api) {
				found = append(found, mountCandidate(ex, entry.Mount{Host: at.Host, BasePath: at.BasePath}, there.api))
			}
			for _, c := range there.list() {
				if sees(c.api) {
					found = append(found, mountCandidate(ex, entry.Mount{Host: at.Host, BasePath: at.BasePath, Select: c.Selector}, c.api))
				}
			}
		})
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.near, a.near), cmp.Compare(a.API, b.API), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Detail, b.Detail))
	})
	var out []entry.ExplainedRoute
	for _, c := range found {
		if len(out) == mostCandidates || c.near <= 0 {
			break
		}
		out = append(out, c.ExplainedRoute)
	}
	return out
}

// candidate is a route with how near it is; 0 is not worth a word.
type candidate struct {
	entry.ExplainedRoute
	near int
}

const (
	chosen     = 1 << 20 // the one
	fullPath   = 1 << 16 // its path matches
	predicated = 1 << 12 // and nothing but a predicate was missing
)

// routes lists what the matcher finds.
func (m *matcher) routes() (out []*Route) {
	take := func(l *leaf) {
		if l == nil {
			return
		}
		for _, mr := range l.methods {
			out = append(out, mr.list()...)
		}
	}
	var walk func(n *node)
	walk = func(n *node) {
		take(n.leaf)
		take(n.rest)
		n.children(func(child **node) { walk(*child) })
	}
	walk(&m.root)
	return out
}

func (r *Route) candidate(ex *policy.Exchange, below string, taken *Route) candidate {
	c := candidate{ExplainedRoute: entry.ExplainedRoute{API: r.Scope.Name, Route: r.method + " " + r.path.Source}}
	same, matches := r.near(below)
	unmet := unmet(ex, r.predicates)
	method := r.method == ex.Method || ex.Method == http.MethodHead && r.method == http.MethodGet
	switch {
	case r == taken:
		c.near, c.Reason, c.Detail = chosen, "chosen", "this route takes the call"
		if len(r.predicates) > 0 {
			c.Detail += ", with " + predicateText(r.predicates)
		}
	case !matches:
		c.near, c.Reason = same, "path"
		c.Detail = pathText(r.path, below)
	case !method:
		c.near, c.Reason, c.Detail = fullPath, "method", "the path matches, but this is the method "+r.method+" and the call's is "+ex.Method
	case unmet != "":
		c.near, c.Reason, c.Detail = fullPath+predicated, "predicate", unmet
	default:
		c.near, c.Reason, c.Detail = fullPath+predicated, "precedence", "matches too, but a more exact route comes first"
	}
	return c
}

// near counts how many leading segments of a path fit, and whether all do.
func (r *Route) near(below string) (same int, matches bool) {
	parts := strings.Split(below[1:], "/")
	for i, seg := range r.path.Segments {
		switch {
		case seg.Kind == template.Rest:
			return i + 1, true
		case i == len(parts) || !segmentFits(seg, parts[i]):
			return same + sameLater(r.path.Segments[i:], parts[min(i, len(parts)):]), false
		}
		same += 2
	}
	return same, len(parts) == len(r.path.Segments)
}

// sameLater lets a path with one wrong segment be nearer than one with many.
func sameLater(segments []template.Segment, parts []string) int {
	if len(segments) != len(parts) || len(parts) < 1 {
		return 0
	}
	n := 1
	for i := range parts {
		if segments[i].Kind == template.Literal && (segmentFits(segments[i], parts[i]) || similar(segments[i].Text(), parts[i])) {
			n++
		}
	}
	return n
}

// similar tells words that differ by little: case, an s at the end, one letter.
func similar(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(b) < 3 || len(a)-len(b) > 1 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	j := 0
	for j < len(b)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	return len(a)-i-j <= 2 && len(b)-i-j <= 2
}

func segmentFits(seg template.Segment, part string) bool {
	switch seg.Kind {
	case template.Literal:
		return seg.Text() == part
	case template.Partial:
		return matchPartial(seg.Literals, part, nil)
	case template.Whole:
		return part != ""
	}
	return true
}

func pathText(path template.Path, below string) string {
	parts := strings.Split(below[1:], "/")
	for i, seg := range path.Segments {
		if i == len(parts) {
			return "the call's path ends before " + segmentText(path, i)
		}
		if !segmentFits(seg, parts[i]) {
			if parts[i] == "" {
				return "segment " + number(i+1) + " is empty, the route wants " + segmentText(path, i)
			}
			return "segment " + number(i+1) + " is " + quoted(parts[i]) + ", the route wants " + segmentText(path, i)
		}
	}
	if len(parts) == len(path.Segments)+1 && parts[len(parts)-1] == "" {
		return "the call's path ends with a slash, the route's does not"
	}
	return "the call's path goes on after the route's: " + quoted(strings.Join(parts[len(path.Segments):], "/"))
}

func segmentText(path template.Path, i int) string {
	parts := strings.Split(strings.TrimPrefix(path.Source, "/"), "/")
	if i < len(parts) && parts[i] != "" {
		return quoted(parts[i])
	}
	return "nothing there"
}

// quoted is a piece of a path as it may stand in a sentence.
func quoted(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return "“" + strings.ToValidUTF8(s, "�") + "”"
}

func number(n int) string { return strconv.Itoa(n) }

// unmet says which predicate does not hold, "" when all do. It tells what the
// route asks for, and not what the call has.
func unmet(ex *policy.Exchange, predicates []entry.Predicate) string {
	for i := range predicates {
		if holds(ex, predicates[i:i+1]) {
			continue
		}
		return "the path and the method match, but it asks for " + predicateText(predicates[i:i+1]) + ", exactly once"
	}
	return ""
}

func predicateText(predicates []entry.Predicate) string {
	var parts []string
	for _, p := range predicates {
		kind := "the header "
		if p.In == "query" {
			kind = "the query parameter "
		}
		text := kind + p.Name
		if p.Value != "" {
			text += " = " + quoted(p.Value)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " and ")
}

// selectorText says how a call asks for a version.
func selectorText(s entry.Selector) string {
	switch {
	case s.In == "header":
		return "the header " + s.Name + " = " + quoted(s.Value)
	case s.In == "query":
		return "the query parameter " + s.Name + " = " + quoted(s.Value)
	case s.Name != "":
		return "a media type with " + s.Name + "=" + s.Value
	}
	return "the media type " + s.Value
}

// mountCandidate says why a request is not below a mount.
func mountCandidate(ex *policy.Exchange, m entry.Mount, a *API) candidate {
	c := candidate{ExplainedRoute: entry.ExplainedRoute{API: a.Name}}
	path := ex.Path.Decoded
	below := path == m.BasePath || strings.HasPrefix(path, m.BasePath+"/") || m.BasePath == ""
	at := m.Host + m.BasePath
	if at == "" {
		at = "/"
	}
	switch {
	case below && m.Host != "" && m.Host != ex.Host:
		c.near, c.Reason, c.Detail = fullPath, "host", "it answers at the host "+m.Host+", and the call's is "+quoted(ex.Host)
	case below && m.Select != (entry.Selector{}):
		c.near, c.Reason, c.Detail = fullPath, "selector", "the address is its, but the call does not ask for it: "+selectorText(m.Select)
	case below:
		c.near, c.Reason, c.Detail = fullPath-1, "precedence", "it is mounted at "+at+", but a longer base path or a host of its own comes first"
	case m.Host != "" && m.Host != ex.Host:
	default:
		want, have := strings.Split(m.BasePath, "/"), strings.Split(path, "/")
		for i := 1; i < len(want); i++ {
			switch {
			case i < len(have) && want[i] == have[i]:
				c.near += 4
			case i < len(have) && similar(want[i], have[i]):
				c.near += 2
			}
		}
		c.Reason, c.Detail = "base_path", "it is mounted at "+at+", and the call's path does not begin so"
	}
	return c
}
