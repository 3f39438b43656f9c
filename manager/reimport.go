package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/openapi"
)

// ImportChanges compare a staged import with the draft that it is to replace:
// three ways, between the document that the draft was made of, what was edited
// in the draft, and the new document. Operations are the same by their id, then
// by method and path.
type ImportChanges struct {
	Version   apim.Version // whose draft it is
	Added     []apim.Route
	Removed   []apim.Route  // as the draft has them
	Changed   []RouteChange // the same operation, described in another way
	Renamed   []RouteChange // another operation id at the same method and path; what was edited goes with it
	Kept      []string      // operations with something edited that stays
	Conflicts []ImportConflict
	Upstream  []string // the addresses that the upstream will have; none when they have to be given
}

// RouteChange is an operation before and after. What names the differences:
// "method", "path", "conditions", "access", "deprecated", "summary".
type RouteChange struct {
	From, To apim.Route
	What     []string
}

// ImportConflict is something that was edited in the draft and changed in the
// document as well. The draft's wins unless its ID is in AcceptImport.TakeNew.
type ImportConflict struct {
	ID        string // "upstream", "access:<operation id>"
	Operation string // "" for the upstream
	Was       string // in the document that the draft was made of
	Mine      string // in the draft
	New       string // in the new document
}

// original is what a draft's document said, before anybody edited the draft.
type original struct {
	document apim.ID
	routes   map[string]apim.Route // by operation id
	upstream string
}

// CompareImport says what accepting a staged import would change in a version's
// draft.
func (c *Catalog) CompareImport(ctx context.Context, actor apim.Actor, tenant, id, version apim.ID) (ImportChanges, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return ImportChanges{}, err
	}
	t := c.Store.Tenant(tenant)
	staged, _, err := t.Import(ctx, id, c.now())
	if err != nil {
		return ImportChanges{}, err
	}
	v, err := t.Version(ctx, version)
	if err != nil {
		return ImportChanges{}, err
	}
	if err := c.allowVersion(ctx, t, actor, apim.Write, v.API); err != nil {
		return ImportChanges{}, err
	}
	from, err := c.originalOf(ctx, t, v)
	if err != nil {
		return ImportChanges{}, err
	}
	m := newMerge(from, v.Runtime, staged, false, nil)
	out := m.changes
	out.Version = v
	out.Upstream = m.upstream("")
	return out, nil
}

// originalOf scans the document that a version's draft was made of.
func (c *Catalog) originalOf(ctx context.Context, t store.Tenant, v apim.Version) (original, error) {
	out := original{document: v.Document, routes: map[string]apim.Route{}}
	if v.Document == "" {
		return out, nil
	}
	d, err := t.Document(ctx, v.Document)
	if err != nil {
		return out, err
	}
	raw, err := t.DocumentBody(ctx, d.Digest)
	if err != nil {
		return out, err
	}
	base := ""
	if absoluteURL(d.Source) == nil {
		base = d.Source
	}
	outline, err := openapi.Scan(ctx, raw, openapi.ScanOptions{SourceURL: base})
	if err != nil {
		return out, fmt.Errorf("scan document %s again: %w", d.ID, err)
	}
	list, _ := routes(outline)
	for _, r := range list {
		out.routes[r.Operation] = r
	}
	out.upstream = usable(outline.Servers)
	return out, nil
}

// merge puts a new document into a draft.
type merge struct {
	from    original
	draft   apim.Runtime
	staged  apim.Import
	public  bool // operations that the document leaves open are to be public
	take    map[string]bool
	routes  []apim.Route
	changes ImportChanges
}

func newMerge(from original, draft apim.Runtime, staged apim.Import, public bool, take []string) *merge {
	m := &merge{from: from, draft: draft, staged: staged, public: public, take: map[string]bool{}}
	for _, id := range take {
		m.take[id] = true
	}
	m.mergeRoutes()
	m.upstream("") // notes the conflict, if there is one
	return m
}

// mergeRoutes makes the routes of the new document, with what was edited in
// those that the draft has.
func (m *merge) mergeRoutes() {
	have := map[string]apim.Route{}
	for _, r := range m.draft.Routes {
		have[r.Operation] = r
	}
	gone := map[string]apim.Route{} // by method and path, of operation ids that the new document lacks
	stays := map[string]bool{}
	for _, r := range m.staged.Routes {
		stays[r.Operation] = true
	}
	for _, r := range m.draft.Routes {
		if !stays[r.Operation] {
			gone[place(r)] = r
		}
	}
	matched := map[string]bool{}
	for _, r := range m.staged.Routes {
		was, known := have[r.Operation]
		if !known {
			if was, known = gone[place(r)]; known {
				delete(gone, place(r))
			}
		}
		if !known {
			m.changes.Added = append(m.changes.Added, r)
			r.Public = r.Public && m.public
			m.routes = append(m.routes, r)
			continue
		}
		matched[was.Operation] = true
		m.routes = append(m.routes, m.merged(was, r))
	}
	for _, r := range m.draft.Routes {
		if !matched[r.Operation] {
			m.changes.Removed = append(m.changes.Removed, r)
		}
	}
}

// merged is one operation that the draft and the new document have. One that
// the new document asks a credential for needs one, unless it was opened by
// hand; none is opened because the document changed.
func (m *merge) merged(was, found apim.Route) apim.Route {
	said, known := m.from.routes[was.Operation]
	if !known {
		said = was
	}
	out := found
	edited := was.Public != (said.Public && Opened(m.draft))
	out.Public, out.Policies = was.Public, was.Policies
	if was.Public && !edited && !found.Public {
		out.Public = false
	}
	if said.Public != found.Public && out.Public != found.Public {
		id := "access:" + found.Operation
		m.changes.Conflicts = append(m.changes.Conflicts, ImportConflict{
			ID: id, Operation: found.Operation, Was: access(said.Public), Mine: access(out.Public), New: access(found.Public),
		})
		if m.take[id] {
			out.Public = found.Public
		}
	}
	off := was.Off && !said.Off
	out.Off = found.Off || off
	if edited || off || len(was.Policies) > 0 {
		m.changes.Kept = append(m.changes.Kept, found.Operation)
	}
	change := RouteChange{From: was, To: out, What: differences(was, said, found)}
	switch {
	case was.Operation != found.Operation:
		m.changes.Renamed = append(m.changes.Renamed, change)
	case len(change.What) > 0:
		m.changes.Changed = append(m.changes.Changed, change)
	}
	return out
}

// Opened reports whether what a document leaves open was made public when the
// draft was made of it.
func Opened(draft apim.Runtime) bool {
	return slices.ContainsFunc(draft.Security, func(s apim.SecurityMapping) bool { return s.Becomes == "public" })
}

// access is how it is said who may call an operation.
func access(public bool) string {
	if public {
		return "public"
	}
	return "key"
}

// place is what a request to an operation looks like, whatever its parameters
// are called.
func place(r apim.Route) string {
	var b strings.Builder
	b.WriteString(r.Method + " ")
	inside := false
	for _, c := range r.Path {
		switch {
		case c == '{':
			inside = true
			b.WriteByte('{')
		case c == '}':
			inside = false
			b.WriteByte('}')
		case !inside:
			b.WriteRune(c)
		}
	}
	for _, p := range r.Predicates {
		b.WriteString("\x00" + p.In + "\x00" + p.Name + "\x00" + p.Value)
	}
	return b.String()
}

// differences names what another document says of an operation.
func differences(was, said, found apim.Route) []string {
	var out []string
	for _, d := range []struct {
		name    string
		differs bool
	}{
		{"method", was.Method != found.Method},
		{"path", was.Path != found.Path},
		{"conditions", !slices.Equal(was.Predicates, found.Predicates)},
		{"access", said.Public != found.Public},
		{"deprecated", was.Deprecated != found.Deprecated},
		{"summary", was.Summary != found.Summary},
	} {
		if d.differs {
			out = append(out, d.name)
		}
	}
	return out
}

// upstream is where the main upstream's calls go: what was typed, else what was
// edited in the draft, else what the new document says.
func (m *merge) upstream(typed string) []string {
	var mine []string
	for _, u := range m.draft.Upstreams {
		if u.Name == mainUpstream {
			mine = u.URLs
		}
	}
	found := m.staged.Proposed.Upstream
	switch {
	case typed != "":
		return []string{typed}
	case len(mine) == 0 && found == "":
		return nil
	case len(mine) == 0:
		return []string{found}
	case found == "", slices.Equal(mine, []string{found}):
		return mine
	case slices.Equal(mine, []string{m.from.upstream}):
		return []string{found}
	case found == m.from.upstream:
		return mine
	}
	if !slices.ContainsFunc(m.changes.Conflicts, func(c ImportConflict) bool { return c.ID == "upstream" }) {
		m.changes.Conflicts = append([]ImportConflict{{ID: "upstream", Was: m.from.upstream, Mine: strings.Join(mine, ", "), New: found}}, m.changes.Conflicts...)
	}
	if m.take["upstream"] {
		return []string{found}
	}
	return mine
}

// unknown are the conflicts to be settled that there are none of.
func (m *merge) unknown() []string {
	var out []string
	for id := range m.take {
		if !slices.ContainsFunc(m.changes.Conflicts, func(c ImportConflict) bool { return c.ID == id }) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
