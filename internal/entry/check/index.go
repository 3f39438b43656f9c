package check

import (
	"fmt"

	"portico/internal/entry"
)

// Index remembers which version holds which mount, so that checking one API
// costs what its own mounts cost however many others there are. It is not safe
// for concurrent use.
type Index struct {
	byMount   map[entry.Mount]holder
	byVersion map[string][]entry.Mount
}

type holder struct {
	version, api, name string
	byDefault          bool
}

// NewIndex returns an index that holds nothing.
func NewIndex() *Index {
	return &Index{byMount: map[entry.Mount]holder{}, byVersion: map[string][]entry.Mount{}}
}

// Conflicts says which of an API's mounts another version holds. It names the
// other by its name alone.
func (x *Index) Conflicts(a entry.API) []Problem {
	p := problems{key: entry.Key("api." + a.Version)}
	for i, m := range a.Mounts {
		if by, taken := x.byMount[folded(m)]; taken && by.version != a.Version && !by.yields(a, m) {
			p.add(fmt.Sprintf("mounts[%d]", i), "%s is taken by %s", mountText(m), by.name)
		}
	}
	return p.list
}

// Put records an API's mounts in place of those it had. A mount that another
// version holds stays with that version, but for a default that moves on.
func (x *Index) Put(a entry.API) {
	x.Remove(a.Version)
	var held []entry.Mount
	for _, m := range a.Mounts {
		byDefault := m.Default
		if by, taken := x.byMount[folded(m)]; !taken || by.yields(a, m) {
			m = folded(m)
			x.byMount[m] = holder{a.Version, a.API, a.Name, byDefault}
			held = append(held, m)
		}
	}
	if len(held) > 0 {
		x.byVersion[a.Version] = held
	}
}

// Remove frees a version's mounts and reports whether it held any.
func (x *Index) Remove(version string) bool {
	held := x.byVersion[version]
	for _, m := range held {
		if x.byMount[m].version == version {
			delete(x.byMount, m)
		}
	}
	delete(x.byVersion, version)
	return len(held) > 0
}

// yields reports whether the mount may go to another version: both have it by
// the setting of their API.
func (h holder) yields(to entry.API, m entry.Mount) bool {
	return h.byDefault && m.Default && h.api == to.API
}

// folded returns a mount as it is compared.
func folded(m entry.Mount) entry.Mount {
	m.Select, m.Default = m.Select.Folded(), false
	return m
}

func mountText(m entry.Mount) string {
	path := m.BasePath
	if path == "" {
		path = "/"
	}
	if m.Select != (entry.Selector{}) {
		return m.Host + path + " with " + m.Select.String()
	}
	return m.Host + path
}
