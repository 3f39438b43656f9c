package console

import (
	"net/http"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// askedRevision is the revision that the address names, after a roll back, else
// the newest.
func askedRevision(v *visit, newest int) string {
	if n, err := strconv.Atoi(v.query("revision")); err == nil && n > 0 && n <= newest {
		return revision(n)
	}
	return revision(newest)
}

// versionsPage is the tab Versions.
type versionsPage struct {
	versionHead
	Rows []versionRow
}

type versionRow struct {
	Label, Href string
	State       apim.VersionState
	Revision    string
	Live        string
	Operations  string
	Score       int
	Unpublished bool
	Current     bool
}

func (h *Console) versionVersions(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	p := versionsPage{versionHead: h.head(v, d, "versions")}
	for _, s := range d.Siblings {
		row := versionRowOf(v, d.API.Slug, s)
		row.Current = s.ID == d.Version.ID
		p.Rows = append(p.Rows, row)
	}
	return v.render(http.StatusOK, versionsTab(p))
}

func versionRowOf(v *visit, api string, s manager.VersionSummary) versionRow {
	row := versionRow{
		Label: s.Label, Href: v.links.version(api, s.Label), State: s.State, Revision: "—", Live: "—",
		Operations: number(s.Operations), Score: s.Score, Unpublished: s.Unpublished,
	}
	if s.Revision > 0 {
		row.Revision = revision(s.Revision)
	}
	for i, dep := range s.Live {
		if i == 0 {
			row.Live = ""
		} else {
			row.Live += ", "
		}
		row.Live += revision(dep.Revision) + " in " + dep.Environment
	}
	return row
}

// reviewPage is what a publish would change.
type reviewPage struct {
	versionHead
	Newest string // "r7"
	Rows   []manager.Unpublished
}

func (h *Console) review(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	p := reviewPage{versionHead: h.head(v, d, ""), Newest: revision(d.Version.Revision)}
	for _, c := range d.Changes {
		p.Rows = append(p.Rows, manager.Unpublished{Of: title(c.Of), Text: policyWords(c.Text)})
	}
	return v.render(http.StatusOK, reviewTab(p))
}

// policyWords names the kinds of policies in a text as the pages do.
func policyWords(text string) string {
	parts := strings.Split(text, "; ")
	for i, part := range parts {
		kind, what, _ := strings.Cut(part, " ")
		if about, known := describe.Of(entry.PolicyKind(kind)); known {
			parts[i] = about.Title + " " + what
		}
	}
	return strings.Join(parts, "; ")
}

// definitionPage is the tab Definition.
type definitionPage struct {
	versionHead
	None     bool
	Facts    []fact
	Download string
	Security []apim.SecurityMapping
	Findings findingsView
}

// findingsView is what the scan and the lint found.
type findingsView struct {
	Score  int // -1 until the document was read in full
	Passed int
	Total  int
	Items  []apim.Finding
	Later  string
	First  string
}

func (h *Console) versionDefinition(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	p := definitionPage{versionHead: h.head(v, d, "definition"), None: d.Document.ID == "", Security: d.Version.Runtime.Security}
	if p.None {
		return v.render(http.StatusOK, definitionTab(p))
	}
	p.Download = v.links.version(d.API.Slug, d.Version.Label, "document")
	p.Facts = documentFacts(d.Document)
	list, err := h.Catalog.Findings(v.ctx(), v.actor, v.tenant.ID, d.Document.ID, apim.Page{Limit: 50, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	self := v.links.version(d.API.Slug, d.Version.Label, "definition")
	p.Findings = findingsView{Score: d.Document.Score, Passed: d.Document.Passed, Total: d.Document.Findings, Items: list.Items}
	if list.NextCursor != "" {
		p.Findings.Later = with(self, "cursor", list.NextCursor)
	}
	if v.query("cursor") != "" {
		p.Findings.First = self
	}
	return v.render(http.StatusOK, definitionTab(p))
}

func documentFacts(d apim.Document) []fact {
	facts := []fact{
		{"Title", d.Title},
		{"Format", d.SpecName() + ", " + d.Format},
		{"Its own version", d.Version},
		{"Operations", number(d.Operations)},
		{"Size", bytesText(d.Bytes)},
		{"From", d.Source},
		{"Imported", moment(d.CreatedAt)},
		{"SHA-256", d.Digest},
	}
	out := facts[:0]
	for _, f := range facts {
		if f.Text != "" {
			out = append(out, f)
		}
	}
	return out
}

// versionProgress is the fragment that follows the second phase of an import.
func (h *Console) versionProgress(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	load := v.load(d)
	if !load.busy() && v.query("was") == "busy" {
		v.c.Header("HX-Refresh", "true") // the page around it has more to show now
	}
	return v.fragment(progress(load))
}

// download hands out the document as it was imported.
func (h *Console) download(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	if d.Document.ID == "" {
		return apim.Errorf(apim.NotFound, "%s %s has no document", d.API.Name, d.Version.Label)
	}
	doc, raw, err := h.Catalog.DocumentBytes(v.ctx(), v.actor, v.tenant.ID, d.Document.ID)
	if err != nil {
		return err
	}
	kind := "application/json"
	if doc.Format == "yaml" {
		kind = "application/yaml"
	}
	v.c.Header("Content-Disposition", `attachment; filename="`+d.API.Slug+"-"+d.Version.Label+"."+doc.Format+`"`)
	v.c.Data(http.StatusOK, kind, raw)
	return nil
}

// versionProductsPage is the tab Products.
type versionProductsPage struct {
	versionHead
	Products   []productLink
	NewProduct string
	Subs       string
}

func (h *Console) versionProducts(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	p := versionProductsPage{
		versionHead: h.head(v, d, "products"), Products: v.productLinks(d.Products),
		Subs: count(d.Subscribers, "live subscription", "live subscriptions"),
	}
	if v.can(apim.Write, apim.ObjectProduct) {
		p.NewProduct = with(v.links.newProduct(), "version", string(d.Version.ID))
	}
	return v.render(http.StatusOK, versionProductsTab(p))
}

// historyPage is the tab History.
type historyPage struct {
	versionHead
	Rows  []revisionRow
	Later string
	First string
	// TakeOff is where a version is taken off an environment; rows say which.
	TakeOff string
}

type revisionRow struct {
	Number   string
	Note, By string
	When     string
	Ago      string
	Live     []string // environments
	RollBack string
	TakeOff  []choice // environments that it is live in, beside another
}

func (h *Console) versionHistory(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	list, err := h.Catalog.Revisions(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, apim.Page{Limit: 30, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := historyPage{versionHead: h.head(v, d, "history"), TakeOff: v.links.version(d.API.Slug, d.Version.Label, "take-off")}
	for _, r := range list.Items {
		row := revisionRow{
			Number: revision(r.Number), Note: r.Note, By: r.By, When: moment(r.CreatedAt), Ago: agoPhrase(v.now, r.CreatedAt),
		}
		for _, dep := range d.Deployments {
			if dep.Revision == r.Number {
				row.Live = append(row.Live, dep.Environment)
				for _, e := range v.environments {
					if p.CanMove && e.Slug == dep.Environment && len(d.Deployments) > 1 {
						row.TakeOff = append(row.TakeOff, choice{e.Slug, e.Name})
					}
				}
			}
		}
		if p.CanMove && len(row.Live) < max(1, len(d.Deployments)) {
			row.RollBack = v.links.rollBack(d.API.Slug, d.Version.Label, r.Number)
		}
		p.Rows = append(p.Rows, row)
	}
	self := v.links.version(d.API.Slug, d.Version.Label, "history")
	if list.NextCursor != "" {
		p.Later = with(self, "cursor", list.NextCursor)
	}
	if v.query("cursor") != "" {
		p.First = self
	}
	return v.render(http.StatusOK, historyTab(p))
}
