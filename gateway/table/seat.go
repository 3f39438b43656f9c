package table

import (
	"cmp"
	"slices"
	"strings"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// place is a host and a base path.
type place struct{ Host, BasePath string }

// seat is what a place leads to. It never changes: another takes its place.
type seat struct {
	api     *API     // takes the calls that ask for no version; nil: they are refused
	choices *choices // nil: the place is api's alone
}

// choices are the versions that share a place, and how a call asks for each.
type choices struct {
	list []choice

	headers, queries, params []string // names that select, each once
	types                    bool     // media types select by themselves

	vary      []policy.Field // what every answer of the place says
	byDefault []policy.Field // and one of the default version
	ways      string         // how to ask for each, in words
}

type choice struct {
	entry.Selector
	api       *API
	announced []policy.Field
}

// with returns the seat after one of an API's mounts was added.
func (s seat) with(selector entry.Selector, api *API) seat {
	if selector == (entry.Selector{}) {
		s.api = api
		return s.rebuilt(s.list())
	}
	return s.rebuilt(append(s.others(selector), choice{Selector: selector, api: api}))
}

// without returns the seat after one of an API's mounts was taken away.
func (s seat) without(selector entry.Selector, api *API) seat {
	if selector == (entry.Selector{}) {
		if s.api == api {
			s.api = nil
		}
		return s.rebuilt(s.list())
	}
	return s.rebuilt(slices.DeleteFunc(slices.Clone(s.list()), func(c choice) bool {
		return c.Folded() == selector.Folded() && c.api == api
	}))
}

func (s seat) list() []choice {
	if s.choices == nil {
		return nil
	}
	return s.choices.list
}

// others returns the choices but for the one of this selector.
func (s seat) others(selector entry.Selector) []choice {
	return slices.DeleteFunc(slices.Clone(s.list()), func(c choice) bool { return c.Folded() == selector.Folded() })
}

func (s seat) rebuilt(list []choice) seat {
	if len(list) == 0 {
		return seat{api: s.api}
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b choice) int {
		return cmp.Or(strings.Compare(a.api.Name, b.api.Name), strings.Compare(a.String(), b.String()))
	})
	c := &choices{list: list}
	add := func(names *[]string, name string) {
		if !slices.Contains(*names, name) {
			*names = append(*names, name)
		}
	}
	var vary, ways []string
	for i := range list {
		switch one := list[i].Folded(); {
		case one.In == "header":
			add(&c.headers, one.Name)
			if !slices.ContainsFunc(vary, func(v string) bool { return strings.EqualFold(v, one.Name) }) {
				vary = append(vary, list[i].Name)
			}
		case one.In == "query":
			add(&c.queries, one.Name)
		case one.Name == "":
			c.types = true
		default:
			add(&c.params, one.Name)
		}
		ways = append(ways, list[i].api.Name+" by "+list[i].String())
	}
	if c.types || len(c.params) > 0 {
		vary = append(vary, "Accept", "Content-Type")
	}
	if len(vary) > 0 {
		c.vary = []policy.Field{{Name: "Vary", Value: strings.Join(vary, ", ")}}
	}
	if c.ways = strings.Join(ways, "; "); len(c.ways) > 1000 {
		c.ways = strings.ToValidUTF8(c.ways[:1000], "") + " …"
	}
	for i := range list {
		list[i].announced = slices.Concat(list[i].api.Announced, c.vary)
	}
	if s.api != nil {
		c.byDefault = slices.Concat(s.api.Announced, c.vary)
	}
	return seat{api: s.api, choices: c}
}

// empty reports whether nobody is at the place any more.
func (s seat) empty() bool { return s.api == nil && s.choices == nil }
