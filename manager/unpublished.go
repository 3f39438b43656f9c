package manager

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry/describe"
	"portico/manager/compile"
)

// Unpublished is one thing of a draft that its newest revision has not, or has
// otherwise. It holds no value of an upstream's header.
type Unpublished struct {
	Of   string // "GET /orders/{id}", "upstream main", "mount"
	Text string // what is true of it in the draft: "new", "needs no key"
}

// unpublished says in what a draft differs from a revision.
func unpublished(rev apim.Revision, v apim.Version) []Unpublished {
	var l unpublishedList
	was, is := rev.Runtime, v.Runtime
	if rev.Document != v.Document {
		l.add("document", "another one")
	}
	if !same(was.Mounts, is.Mounts) {
		l.add("mount", mountsText(was.Mounts)+" → "+mountsText(is.Mounts))
	}
	l.upstreams(was.Upstreams, is.Upstreams)
	if was.Credentials != is.Credentials {
		l.add("places of the API key", "changed")
	}
	l.limits(was.Limits, is.Limits)
	if was.MaxBodyBytes != is.MaxBodyBytes {
		l.add("size of bodies", "changed")
	}
	for _, change := range policyChanges(was.Policies, is.Policies) {
		l.add("policies of all operations", change)
	}
	l.routes(was.Routes, is.Routes)
	return l
}

type unpublishedList []Unpublished

func (l *unpublishedList) add(of, text string) { *l = append(*l, Unpublished{of, text}) }

// limits says of those limits that are not in both what they were and are.
func (l *unpublishedList) limits(was, is []apim.RateLimit) {
	gone, fresh := limitTexts(was, is), limitTexts(is, was)
	for i := range max(len(gone), len(fresh)) {
		before, now := "none", "none"
		if i < len(gone) {
			before = gone[i]
		}
		if i < len(fresh) {
			now = fresh[i]
		}
		l.add("rate limit", before+" → "+now)
	}
	if len(gone)+len(fresh) == 0 && !same(was, is) { // in order or in number
		l.add("rate limits", "changed")
	}
}

// limitTexts are the limits of a list that another has not.
func limitTexts(limits, other []apim.RateLimit) (out []string) {
	for i, p := range compile.Limits(limits) {
		if !slices.Contains(other, limits[i]) {
			out = append(out, describe.Limit(p.Config))
		}
	}
	return out
}

func (l *unpublishedList) upstreams(was, is []apim.Upstream) {
	old := map[string]apim.Upstream{}
	for _, u := range was {
		old[u.Name] = u
	}
	for _, u := range is {
		before, known := old[u.Name]
		delete(old, u.Name)
		switch text := upstreamChanges(before, u); {
		case !known:
			l.add("upstream "+u.Name, "new")
		case text != "":
			l.add("upstream "+u.Name, text)
		}
	}
	for _, u := range was {
		if _, gone := old[u.Name]; gone {
			l.add("upstream "+u.Name, "gone")
		}
	}
}

func upstreamChanges(was, is apim.Upstream) string {
	var parts []string
	if !same(was.URLs, is.URLs) {
		parts = append(parts, strings.Join(was.URLs, ", ")+" → "+strings.Join(is.URLs, ", "))
	}
	for _, d := range []struct {
		name  string
		equal bool
	}{
		{"weights", same(was.Weights, is.Weights)},
		{"protocol", was.Protocol == is.Protocol},
		{"times", was.ConnectTimeoutMS == is.ConnectTimeoutMS && was.HeaderTimeoutMS == is.HeaderTimeoutMS && was.IdleTimeoutMS == is.IdleTimeoutMS},
		{"headers", same(was.Headers, is.Headers)},
		{"traffic rules", same(was.Traffic, is.Traffic)},
		{"TLS", was.TLS == is.TLS},
	} {
		if !d.equal {
			parts = append(parts, d.name+" changed")
		}
	}
	return strings.Join(parts, "; ")
}

func (l *unpublishedList) routes(was, is []apim.Route) {
	old := map[string]apim.Route{}
	for _, r := range was {
		old[r.Operation] = r
	}
	for _, r := range is {
		before, known := old[r.Operation]
		delete(old, r.Operation)
		switch text := routeChanges(before, r); {
		case !known:
			l.add(r.Method+" "+r.Path, "new")
		case text != "":
			l.add(r.Method+" "+r.Path, text)
		}
	}
	for _, r := range was {
		if _, gone := old[r.Operation]; gone {
			l.add(r.Method+" "+r.Path, "gone")
		}
	}
}

func routeChanges(was, is apim.Route) string {
	var parts []string
	say := func(differs bool, text string) {
		if differs {
			parts = append(parts, text)
		}
	}
	say(was.Method != is.Method || was.Path != is.Path, "was "+was.Method+" "+was.Path)
	say(!was.Public && is.Public, "needs no key")
	say(was.Public && !is.Public, "needs a key")
	say(!was.Off && is.Off, "not served")
	say(was.Off && !is.Off, "served")
	say(was.Upstream != is.Upstream, "goes to upstream "+is.Upstream)
	parts = append(parts, policyChanges(was.Policies, is.Policies)...)
	say(!same(was.Predicates, is.Predicates), "conditions changed")
	say(was.Summary != is.Summary || was.Tag != is.Tag || was.Deprecated != is.Deprecated || was.Slug != is.Slug, "described otherwise")
	return strings.Join(parts, "; ")
}

// same takes no list for an empty one.
func same(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	return x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 || reflect.DeepEqual(a, b)
}

func mountsText(mounts []apim.Mount) string {
	if len(mounts) == 0 {
		return "nowhere"
	}
	parts := make([]string, len(mounts))
	for i, m := range mounts {
		parts[i] = m.Host + m.BasePath
		if s := m.Select.String(); s != "" {
			parts[i] = fmt.Sprintf("%s by %s", parts[i], s)
		}
	}
	return strings.Join(parts, ", ")
}
