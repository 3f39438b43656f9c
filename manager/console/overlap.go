package console

import (
	"portico/internal/apim"
	"portico/internal/entry/template"
)

// mostCompared bounds how many pairs of routes a page compares: of a document
// with tens of thousands of operations it says nothing of overlaps.
const mostCompared = 500_000

// mostYielded is how many routes are named that come before one.
const mostYielded = 2

// yields says of the routes on a page which others take some of their calls,
// because their templates come first: GET /users/me before GET /users/{id}.
func yields(shown []routeView, all []apim.Route) {
	if len(shown)*len(all) > mostCompared {
		return
	}
	paths := make([]template.Path, len(all))
	for i, r := range all {
		paths[i], _ = template.Parse(r.Path) // one that does not parse overlaps nothing
	}
	for i := range shown {
		own, err := template.Parse(shown[i].Path)
		if err != nil || shown[i].Off {
			continue
		}
		named := 0
		for j, r := range all {
			if r.Off || r.Method != shown[i].Method || r.Operation == shown[i].Operation || len(paths[j].Segments) == 0 {
				continue
			}
			if paths[j].Compare(own) >= 0 || !paths[j].Overlaps(own) {
				continue
			}
			switch {
			case named == 0:
				shown[i].Yields = "after " + r.Path
			case named < mostYielded:
				shown[i].Yields += ", " + r.Path
			case named == mostYielded:
				shown[i].Yields += " and others"
			}
			named++
		}
	}
}
