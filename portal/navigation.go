package portal

import (
	"slices"
	"strings"

	"portico/manager"
)

// navView is the operation navigation. With many operations only the chosen
// group is unfolded, so that a page of an API with thousands stays small.
type navView struct {
	Action   string // of the filter
	Filter   string
	Tag      string
	Total    int
	Groups   []navGroup
	Nothing  bool // the filter matches nothing
	Current  string
	Method   string // of the operation on the page
	Title    string
	Compact  bool
	More     int // matches of the filter that are not shown
	ClearURL string
}

type navGroup struct {
	Name, URL, Count string
	Open             bool
	Items            []navItem
}

type navItem struct {
	Title, Method, URL string
	Current            bool
	Deprecated         bool
}

type operationGroup struct {
	Name string
	Rows []operationHit
}

// manyOperations is from when on the navigation folds its groups.
const manyOperations = 120

// mostFound bounds what the filter shows.
const mostFound = 100

type lineGroup struct {
	Name  string
	Lines []manager.OperationLine
}

// groupOperations groups operations by tag, in the order of the document. What
// has no tag comes last.
func groupOperations(lines []manager.OperationLine) []lineGroup {
	index := map[string]int{}
	var groups []lineGroup
	for _, line := range lines {
		i, ok := index[line.Tag]
		if !ok {
			i = len(groups)
			index[line.Tag] = i
			groups = append(groups, lineGroup{Name: line.Tag})
		}
		groups[i].Lines = append(groups[i].Lines, line)
	}
	if i := slices.IndexFunc(groups, func(g lineGroup) bool { return g.Name == "" }); i >= 0 {
		rest := groups[i]
		rest.Name = "Other"
		if len(groups) == 1 {
			rest.Name = "Operations"
		}
		groups = append(slices.Delete(groups, i, i+1), rest)
	}
	return groups
}

// newNav lays the navigation out around the operation with the id, or for a
// filter or a chosen tag.
func newNav(provider string, v manager.OfferedVersion, lines []manager.OperationLine, id, filter, tag string) navView {
	base := referenceLink(provider, v.API.Slug, v.Label)
	n := navView{Action: base, Filter: strings.TrimSpace(filter), Tag: tag, Total: len(lines), Current: id, ClearURL: base, Compact: len(lines) > manyOperations}
	shown := lines
	if n.Filter != "" {
		shown = filterOperations(lines, n.Filter)
		n.Nothing = len(shown) == 0
		if len(shown) > mostFound {
			n.More = len(shown) - mostFound
			shown = shown[:mostFound]
		}
	}
	for _, line := range lines {
		if line.Operation == id && id != "" {
			n.Method, n.Title = line.Method, title(line)
			if n.Tag == "" {
				n.Tag = line.Tag
			}
		}
	}
	if id == "" && n.Tag == "" && n.Filter == "" && n.Compact {
		n.Tag = groupOperations(lines)[0].Name // one is always unfolded
	}
	var folded []navGroup
	for _, g := range groupOperations(shown) {
		group := navGroup{Name: g.Name, Count: number(len(g.Lines)), URL: with(base, "tag", g.Name)}
		group.Open = !n.Compact || n.Filter != "" || g.Name == n.Tag || id != "" && g.Lines[0].Tag == n.Tag
		if group.Open {
			for _, line := range g.Lines {
				group.Items = append(group.Items, navItem{
					Title: title(line), Method: line.Method, Deprecated: line.Deprecated, Current: line.Operation == id && id != "",
					URL: operationLink(provider, v.API.Slug, v.Label, slug(line)),
				})
			}
		}
		if group.Open {
			n.Groups = append(n.Groups, group)
		} else {
			folded = append(folded, group)
		}
	}
	n.Groups = append(n.Groups, folded...)
	return n
}

// listOperations is the main column of the reference while no operation is
// chosen: what the filter found, the chosen group, or all of a small API.
func listOperations(provider string, v manager.OfferedVersion, lines []manager.OperationLine, n navView) []operationGroup {
	shown := lines
	if n.Filter != "" {
		shown = filterOperations(lines, n.Filter)
	}
	var groups []operationGroup
	left := mostFound
	for i, g := range groupOperations(shown) {
		switch {
		case n.Filter == "" && n.Tag != "" && g.Name != n.Tag:
			continue
		case n.Filter == "" && n.Tag == "" && n.Compact && i > 0:
			continue
		}
		group := operationGroup{Name: g.Name}
		for _, line := range g.Lines {
			if n.Filter != "" && left == 0 {
				break
			}
			left--
			group.Rows = append(group.Rows, operationHit{
				Method: line.Method, Path: line.Path, Title: title(line), Deprecated: line.Deprecated,
				URL: operationLink(provider, v.API.Slug, v.Label, slug(line)),
			})
		}
		if len(group.Rows) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}
