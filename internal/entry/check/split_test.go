package check_test

import (
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func TestBadSelectorsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		selector entry.Selector
		want     string // part of the reason; "" it is good
	}{
		"header":              {entry.Selector{In: "header", Name: "X-Version", Value: "2"}, ""},
		"query":               {entry.Selector{In: "query", Name: "v", Value: "a b"}, ""},
		"type":                {entry.Selector{In: "media_type", Value: "application/vnd.acme.v2+json"}, ""},
		"type's parameter":    {entry.Selector{In: "media_type", Name: "version", Value: "2"}, ""},
		"place":               {entry.Selector{In: "body", Name: "x", Value: "2"}, "want"},
		"header's name":       {entry.Selector{In: "header", Name: "X Version", Value: "2"}, "not a header's name"},
		"accept":              {entry.Selector{In: "header", Name: "Accept", Value: "2"}, "select by media_type"},
		"managed":             {entry.Selector{In: "header", Name: "X-Forwarded-V", Value: "2"}, "another meaning"},
		"credential":          {entry.Selector{In: "header", Name: "Authorization", Value: "2"}, "another meaning"},
		"query's name":        {entry.Selector{In: "query", Name: "a&b", Value: "2"}, "not usable"},
		"no value":            {entry.Selector{In: "header", Name: "X-Version"}, "its value"},
		"space around":        {entry.Selector{In: "query", Name: "v", Value: " 2"}, "its value"},
		"no type":             {entry.Selector{In: "media_type", Value: "v2"}, "not a media type"},
		"any type":            {entry.Selector{In: "media_type", Value: "application/*"}, "not a media type"},
		"quality":             {entry.Selector{In: "media_type", Name: "q", Value: "1"}, "cannot"},
		"control characters":  {entry.Selector{In: "header", Name: "X-Version", Value: "a\x00"}, "its value"},
		"quotes in the value": {entry.Selector{In: "media_type", Name: "version", Value: `"2"`}, "its value"},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			a.Mounts[0].Select = c.selector
			if c.want == "cannot" {
				c.want = "can select a version"
			}
			if c.want == "" {
				want(t, check.API(a))
			} else {
				want(t, check.API(a), "mounts[0].select: "+c.want)
			}
		})
	}
	a := goodAPI()
	a.Mounts = []entry.Mount{
		{BasePath: "/a", Select: entry.Selector{In: "header", Name: "X-V", Value: "1"}},
		{BasePath: "/a", Select: entry.Selector{In: "header", Name: "x-v", Value: "1"}},
		{BasePath: "/b", Select: entry.Selector{In: "header", Name: "X-V", Value: "1"}, Default: true},
	}
	want(t, check.API(a), "mounts[1]: twice", "mounts[2].default: selects")
}

// Versions may share a place as long as a call can tell them apart.
func TestVersionsShareAPlaceUntilTheyCannotBeToldApart(t *testing.T) {
	by := func(n int, name string, mounts ...entry.Mount) entry.API {
		a := goodAPI()
		a.Version, a.Name, a.Mounts = uuid(n), name, mounts
		return a
	}
	place := func(s entry.Selector) entry.Mount { return entry.Mount{BasePath: "/a", Select: s} }
	index := check.NewIndex()
	v1 := by(1, "orders v1", place(entry.Selector{In: "header", Name: "X-V", Value: "1"}), place(entry.Selector{}))
	v2 := by(2, "orders v2", place(entry.Selector{In: "header", Name: "X-V", Value: "2"}), place(entry.Selector{In: "query", Name: "v", Value: "1"}))
	for _, a := range []entry.API{v1, v2} {
		want(t, index.Conflicts(a))
		index.Put(a)
	}
	want(t, index.Conflicts(by(3, "orders v3", place(entry.Selector{In: "header", Name: "x-v", Value: "1"}))), "mounts[0]: /a with header x-v: 1 is taken by orders v1")
	want(t, index.Conflicts(by(3, "orders v3", place(entry.Selector{}))), "mounts[0]: /a is taken by orders v1")

	// A default moves within its API alone.
	index = check.NewIndex()
	byDefault := entry.Mount{BasePath: "/a", Default: true}
	v1.Mounts, v2.Mounts = []entry.Mount{byDefault}, []entry.Mount{byDefault}
	index.Put(v1)
	want(t, index.Conflicts(v2))
	other := v2
	other.Version, other.API = uuid(3), uuid(77)
	want(t, index.Conflicts(other), "mounts[0]: taken by orders v1")
	index.Put(v2)
	index.Remove(v1.Version)
	want(t, index.Conflicts(other), "mounts[0]: taken by orders v2")
}

func TestBadSplitsAreRefusedByField(t *testing.T) {
	good := func() entry.API {
		a := goodAPI()
		a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "next", Targets: []entry.Target{{URL: "https://next.example"}}})
		a.Split = &entry.Split{Run: "r1", Candidates: map[string]string{"main": "next"}, PerMille: 5, Sticky: "cookie", Rules: []entry.SplitRule{
			{In: "header", Name: "X-Beta", Candidate: true}, {In: "cookie", Name: "beta", Value: "no"}, {In: "caller", Callers: []string{uuid(9)}, Candidate: true},
		}}
		a.Mirror = &entry.Mirror{Run: "r1", Upstream: "next", PerMille: 1000, MaxBodyBytes: 1, Concurrency: 1}
		return a
	}
	want(t, check.API(good()))
	for name, c := range map[string]struct {
		change func(*entry.API)
		want   []string
	}{
		"share":          {func(a *entry.API) { a.Split.PerMille = 1001 }, []string{"split.per_mille: 0 to 1000"}},
		"run":            {func(a *entry.API) { a.Split.Run = "a;b" }, []string{"split.run: letters"}},
		"no candidate":   {func(a *entry.API) { a.Split.Candidates = nil }, []string{"split.candidates: empty"}},
		"unknown":        {func(a *entry.API) { a.Split.Candidates["main"] = "moon" }, []string{`split.candidates: "moon"`}},
		"itself":         {func(a *entry.API) { a.Split.Candidates["main"] = "main" }, []string{"split.candidates: not two"}},
		"sticky":         {func(a *entry.API) { a.Split.Sticky = "glue" }, []string{`split.sticky: got "glue"`}},
		"rule's place":   {func(a *entry.API) { a.Split.Rules[0].In = "body" }, []string{"split.rules[0].in: body"}},
		"rule's name":    {func(a *entry.API) { a.Split.Rules[1].Name = "a b" }, []string{"split.rules[1].name: not the name of a cookie"}},
		"nobody":         {func(a *entry.API) { a.Split.Rules[2].Callers = nil }, []string{"split.rules[2].callers: 1 to"}},
		"no uuid":        {func(a *entry.API) { a.Split.Rules[2].Callers = []string{"x"} }, []string{"split.rules[2].callers[0]: 32"}},
		"mirror":         {func(a *entry.API) { a.Mirror.Upstream = "x" }, []string{"mirror.upstream: x"}},
		"mirror's share": {func(a *entry.API) { a.Mirror.PerMille = -1 }, []string{"mirror.per_mille: 0 to"}},
		"mirror's size":  {func(a *entry.API) { a.Mirror.MaxBodyBytes = 1 << 30 }, []string{"mirror.max_body_bytes: 0 to"}},
		"mirrors":        {func(a *entry.API) { a.Mirror.Concurrency = 0 }, []string{"mirror.concurrency: 1 to"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := good()
			c.change(&a)
			want(t, check.API(a), c.want...)
		})
	}
}
