package console

import (
	"strings"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// callView is a command line that calls the version as it is live.
type callView struct {
	Tokens []ui.Token // none: nothing is live
	Note   string
	KeyAt  string // page in the portal where a key is got; "" when none is needed
}

// keyVariable stands for the reader's key: no page holds one.
const keyVariable = "$PORTICO_KEY"

// callOf makes a command line for the first operation that can be called as it
// stands: a GET without parameters, one that needs no key before others.
func callOf(v *visit, d manager.VersionDetail) callView {
	if d.URL == "" || len(d.Deployments) == 0 {
		return callView{}
	}
	var best *apim.Route
	for i, r := range d.Version.Runtime.Routes {
		if r.Off || r.Method != "GET" || strings.Contains(r.Path, "{") || len(r.Predicates) > 0 {
			continue
		}
		if best == nil || r.Public && !best.Public {
			best = &d.Version.Runtime.Routes[i]
		}
	}
	if best == nil {
		return callView{}
	}
	out := callView{Note: best.Summary}
	out.Tokens = []ui.Token{{Kind: ui.Function, Text: "curl"}, {Text: " '" + strings.ReplaceAll(d.URL+best.Path, "'", "'\\''") + "'"}}
	if best.Public {
		out.Note = strings.TrimSpace(out.Note + " · needs no key")
		return out
	}
	places := d.Version.Runtime.Credentials
	header := "Authorization: Bearer " + keyVariable
	if places.Header != "" {
		header = places.Header + ": " + keyVariable
	} else if !places.Bearer {
		return callView{}
	}
	before, _, _ := strings.Cut(header, keyVariable)
	out.Tokens = append(out.Tokens,
		ui.Token{Text: " \\\n  "}, ui.Token{Kind: ui.Function, Text: "-H"}, ui.Token{Kind: ui.String, Text: " \"" + before},
		ui.Token{Kind: ui.Variable, Text: keyVariable}, ui.Token{Kind: ui.String, Text: "\""})
	for _, p := range d.Products {
		if p.Listed {
			out.KeyAt = portalProduct(v.h.PortalURL, v.tenant.Slug, p.Slug)
			break
		}
	}
	return out
}
