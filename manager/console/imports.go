package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// sourcePage asks where an OpenAPI document comes from.
type sourcePage struct {
	shell
	From    string // "upload", "folder", "paste" or "url"
	Sources []tabLink
	Into    string // "Orders v1" when a version is to be replaced
	Action  string
	Form    form
	Limit   string
}

func (h *Console) importSource(v *visit) error {
	return v.render(http.StatusOK, sourceForm(h.sourcePage(v, filled("from", v.query("from")))))
}

func (h *Console) sourcePage(v *visit, f form) sourcePage {
	l := v.links
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	here := v.carried(l.importSource())
	p := sourcePage{
		shell: v.shell("Import an API", link{"APIs", l.apis()}, link{"Import", ""}),
		From:  f.value("from"), Action: here, Form: f, Limit: strconv.Itoa(manager.MaxDocumentBytes>>20) + " MB",
	}
	if p.From != "folder" && p.From != "paste" && p.From != "url" {
		p.From = "upload"
	}
	for _, s := range []choice{{"upload", "Upload"}, {"folder", "Folder"}, {"paste", "Paste"}, {"url", "URL"}} {
		p.Sources = append(p.Sources, tabLink{s.label, with(here, "from", s.value), -1, s.value == p.From})
	}
	if slug := v.query("api"); slug != "" {
		p.Into = strings.TrimSpace(slug + " " + v.query("label"))
		if a, err := h.Catalog.API(v.ctx(), v.actor, v.tenant.ID, slug); err == nil {
			p.Into = strings.TrimSpace(a.API.Name + " " + v.query("label"))
		}
	}
	return p
}

// carriedFields are what was typed into a preview's form and goes on with the
// next document, so that mending one and importing it again loses nothing.
func carriedFields() []string {
	return []string{"api", "label", "name", "slug", "team", "server", "other", "mount", "access"}
}

// carried is a page's address with what a preview's form held.
func (v *visit) carried(page string) string {
	for _, name := range carriedFields() {
		page = with(page, name, v.query(name))
	}
	return page
}

// stageImport takes a document in. What is no document comes back with the
// line, beside what was typed.
func (h *Console) stageImport(v *visit) error {
	f, up, done, err := v.upload()
	defer done()
	if err != nil {
		if f.refuse(err, []string{"file"}, nil) {
			return v.again(f, sourceForm(h.sourcePage(v, f)))
		}
		return err
	}
	field := f.value("from")
	switch field {
	case "paste":
		if f.text("paste") == "" {
			f.fail("paste", "needs an OpenAPI document, JSON or YAML")
		}
		up = manager.Upload{FileName: "pasted", Body: strings.NewReader(f.value("paste"))}
	case "url":
		if f.text("url") == "" {
			f.fail("url", "needs an address, such as https://example.com/openapi.yaml")
		}
		up = manager.Upload{URL: f.text("url")}
	default:
		field = "file"
		if up.Folder == nil {
			f.fail("file", "choose the document, JSON or YAML, or its files as a zip archive or a folder")
		}
		up.Root = f.text("root")
	}
	if f.failed() {
		return v.again(f, sourceForm(h.sourcePage(v, f)))
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		staged, err := h.Catalog.StageImport(v.ctx(), v.actor, v.tenant.ID, up)
		if err != nil {
			return "", err
		}
		return v.carried(v.links.staged(staged.ID)), nil
	})
	if err != nil {
		var e *apim.Error
		if errors.As(err, &e) && (e.Kind == apim.Invalid || e.Kind == apim.TooLarge || e.Kind == apim.TooMany || e.Kind == apim.Unavailable || e.Kind == apim.Conflict) {
			f.refused = err
			if len(e.Fields) == 1 && e.Fields[0].Field == "root" {
				field = "root"
			}
			f.fail(field, documentError(e))
			return v.again(f, sourceForm(h.sourcePage(v, f)))
		}
		return err
	}
	return v.redirect(to)
}

// documentError writes what is wrong with a document, with its lines.
func documentError(e *apim.Error) string {
	parts := []string{}
	for _, wrong := range e.Fields {
		field, line, _ := strings.Cut(wrong.Field, ":")
		switch {
		case line != "" && field == "document":
			parts = append(parts, "line "+line+": "+wrong.Detail)
		case line != "":
			parts = append(parts, field+" line "+line+": "+wrong.Detail)
		case field == "" || field == "document" || field == "root" || field == "body" || field == "url" || field == "file":
			parts = append(parts, wrong.Detail)
		default:
			parts = append(parts, wrong.Field+": "+wrong.Detail)
		}
	}
	if len(parts) == 0 {
		return e.Message
	}
	return strings.Join(parts, ". ")
}

// previewPage shows what would be made of a staged document.
type previewPage struct {
	shell
	Heading  string
	From     string // "orders.yaml, 214 KB, OpenAPI 3.1"
	Expires  string
	Action   string
	Check    string
	Again    string // another source
	Form     form
	Makes    consequence
	Files    []string
	Keep     bool // the first of the servers is the draft's
	APIs     []choice
	Owner    ownerField // of a new API
	Servers  []serverView
	Ask      bool // the document gives no upstream that can be used
	Security []apim.SecurityMapping
	Open     int // operations that the document leaves open
	Routes   []routeView
	Total    int
	Findings []apim.Finding
	Errors   int
	Warnings int
}

// serverView is a choice of upstream.
type serverView struct {
	URL, Note string
	Usable    bool
}

// keepServer stands in the form for the upstream that the draft would have if
// nothing is said.
const keepServer = "keep"

// consequence is what accepting an import would do, as the form stands.
type consequence struct {
	Text    string
	URL     string
	Problem string
	Changes *changesView // where a draft is replaced
}

// changesView is what a new document changes in a draft.
type changesView struct {
	Rows      []changeRow
	Kept      int
	Conflicts []manager.ImportConflict // but for the upstream, which the form asks for
	Take      url.Values               // how they are settled so far
}

type changeRow struct {
	Kind, Method, Path, Operation, Note string
}

const routesPreviewed = 200

func (h *Console) preview(v *visit) error {
	imp, err := h.stagedOf(v)
	if err != nil {
		return err
	}
	f, err := h.proposal(v, imp)
	if err != nil {
		return err
	}
	p, err := h.previewPage(v, imp, f)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, previewForm(p))
}

func (h *Console) stagedOf(v *visit) (apim.Import, error) {
	id, err := apim.ParseID(apim.PrefixImport, v.param("import"))
	if err != nil {
		return apim.Import{}, err
	}
	return h.Catalog.StagedImport(v.ctx(), v.actor, v.tenant.ID, id)
}

// proposal fills the preview's form: with what the address asks for, else with
// what the document proposes.
func (h *Console) proposal(v *visit, imp apim.Import) (form, error) {
	f := filled("api", "", "name", imp.Proposed.Name, "slug", imp.Proposed.Slug, "label", imp.Proposed.Label, "access", "key")
	for _, name := range carriedFields() {
		if value := v.query(name); value != "" {
			f.values.Set(name, value)
		}
	}
	if slug := v.query("api"); slug != "" {
		a, err := h.Catalog.API(v.ctx(), v.actor, v.tenant.ID, slug)
		if err != nil {
			return f, err
		}
		f.values.Set("api", string(a.API.ID))
		f.values.Set("name", a.API.Name)
		f.values.Set("slug", a.API.Slug)
	}
	into, err := h.into(v, f)
	if err != nil {
		return f, err
	}
	if into != nil { // what was chosen before stays, unless another choice was carried here
		if v.query("server") == "" {
			f.values.Set("server", keepServer)
		}
		if v.query("access") == "" && manager.Opened(into.Runtime) {
			f.values.Set("access", "document")
		}
	}
	if !f.has("server") {
		f.values.Set("server", imp.Proposed.Upstream)
		if imp.Proposed.Upstream == "" {
			f.values.Set("server", "other")
		}
	}
	return f, nil
}

// into is the version whose draft the form would replace; nil for none.
func (h *Console) into(v *visit, f form) (*apim.Version, error) {
	api, label := f.value("api"), f.text("label")
	if api == "" || label == "" {
		return nil, nil
	}
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	if apim.KindOf(err) == apim.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if d.Version.State == apim.Retired {
		return nil, nil
	}
	return &d.Version, nil
}

// changes compares a document with the draft that the form would replace. It
// answers the upstream that the draft would keep, too.
func (h *Console) changes(v *visit, imp apim.Import, f form) (*changesView, *serverView, error) {
	into, err := h.into(v, f)
	if into == nil || err != nil {
		return nil, nil, err
	}
	c, err := h.Catalog.CompareImport(v.ctx(), v.actor, v.tenant.ID, imp.ID, into.ID)
	if err != nil {
		return nil, nil, err
	}
	out := &changesView{Kept: len(c.Kept), Take: f.values}
	row := func(kind string, r apim.Route, note string) {
		out.Rows = append(out.Rows, changeRow{kind, r.Method, r.Path, r.Operation, note})
	}
	for _, r := range c.Removed {
		row("removed", r, "callers get 404 once this is published")
	}
	for _, r := range c.Renamed {
		row("renamed", r.To, "was "+r.From.Operation+"; what was edited goes with it")
	}
	for _, r := range c.Changed {
		row("changed", r.To, changeNote(r))
	}
	for _, r := range c.Added {
		row("added", r, "")
	}
	var keep *serverView
	if len(c.Upstream) > 0 {
		keep = &serverView{URL: strings.Join(c.Upstream, ", "), Note: "as it is in the draft", Usable: true}
		if same := upstreamOf(into.Runtime); same != keep.URL {
			keep.Note = "from the new document; the draft, in which nobody changed it, has " + same
		}
	}
	for _, one := range c.Conflicts {
		if one.ID == "upstream" {
			keep.Note = "edited in the draft; the document had " + one.Was + " and has " + one.New + " now"
			continue
		}
		out.Conflicts = append(out.Conflicts, one)
	}
	return out, keep, nil
}

func upstreamOf(rt apim.Runtime) string {
	if len(rt.Upstreams) == 0 {
		return ""
	}
	return strings.Join(rt.Upstreams[0].URLs, ", ")
}

// changeNote says what a document now says of an operation.
func changeNote(c manager.RouteChange) string {
	var out []string
	for _, what := range c.What {
		switch what {
		case "method", "path":
			out = append(out, "was "+c.From.Method+" "+c.From.Path)
		case "conditions":
			out = append(out, "other conditions")
		case "access":
			if c.To.Public {
				out = append(out, "open to everybody")
			} else {
				out = append(out, "asks for a key")
			}
		case "deprecated":
			if c.To.Deprecated {
				out = append(out, "deprecated")
			} else {
				out = append(out, "no longer deprecated")
			}
		case "summary":
			out = append(out, "another summary")
		}
	}
	return strings.Join(slices.Compact(out), ", ")
}

func (h *Console) previewPage(v *visit, imp apim.Import, f form) (previewPage, error) {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	doc := imp.Document
	p := previewPage{
		shell:   v.shell("Import "+doc.Title, link{"APIs", v.links.apis()}, link{"Import", v.links.importSource()}, link{doc.Title, ""}),
		Heading: "Import " + strings.TrimSpace(doc.Title+" "+doc.Version),
		From:    doc.Source + ", " + bytesText(doc.Bytes) + ", " + doc.SpecName(),
		Expires: moment(imp.ExpiresAt),
		Action:  v.links.staged(imp.ID), Check: v.links.stagedCheck(imp.ID), Again: v.links.importSource(),
		Form: f, Files: imp.Files, Security: imp.Security, Total: len(imp.Routes), Findings: imp.Findings,
	}
	changes, keep, err := h.changes(v, imp, f)
	if err != nil {
		return p, err
	}
	usable := keep != nil
	if keep != nil {
		p.Servers = append(p.Servers, *keep)
	} else if f.value("server") == keepServer {
		f.values.Set("server", imp.Proposed.Upstream)
	}
	for _, s := range imp.Servers {
		note := s.Description
		if s.Template != "" && s.Template != s.URL {
			note = strings.TrimSpace(note + " " + s.Template)
		}
		p.Servers = append(p.Servers, serverView{s.URL, note, s.Usable})
		usable = usable || s.Usable
	}
	p.Ask = !usable
	for _, r := range imp.Routes {
		if r.Public {
			p.Open++
		}
		if len(p.Routes) < routesPreviewed {
			p.Routes = append(p.Routes, routeView{Operation: r.Operation, Method: r.Method, Path: r.Path, Summary: r.Summary, Upstream: r.Upstream, Public: r.Public, Off: r.Off, Deprecated: r.Deprecated})
		}
	}
	for _, s := range imp.Security {
		if s.Becomes == "public" {
			p.Open = max(p.Open, s.Operations)
		}
	}
	for _, finding := range imp.Findings {
		switch finding.Severity {
		case "error":
			p.Errors++
		case "warning":
			p.Warnings++
		}
	}
	list, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return p, err
	}
	if p.Owner, err = h.ownerField(v, apim.ObjectAPI, "", "", f); err != nil {
		return p, err
	}
	p.Owner.Hint = "Of a new API: its members have the team's roles on it. One that is there keeps its owner."
	p.APIs = []choice{{"", "A new API"}}
	for _, a := range list.Items {
		p.APIs = append(p.APIs, choice{string(a.API.ID), "A version of " + a.API.Name})
	}
	p.Makes = makes(v, f, list.Items)
	p.Makes.Changes, p.Keep = changes, keep != nil
	return p, nil
}

// makes tells what accepting would do, and what stands against it.
func makes(v *visit, f form, apis []manager.APISummary) consequence {
	slug, label, name := f.text("slug"), f.text("label"), f.text("name")
	var into *manager.APISummary
	for i, a := range apis {
		if id := f.value("api"); id != "" && string(a.API.ID) == id || id == "" && a.API.Slug == slug {
			into = &apis[i]
		}
	}
	var out consequence
	if into != nil && f.value("api") == "" {
		out.Problem = "There is an API " + slug + " already: " + into.API.Name + ". Choose it above to add a version, or take another slug."
	}
	if into != nil {
		slug, name = into.API.Slug, into.API.Name
	}
	if slug == "" || label == "" {
		out.Text = "Give a slug and a version to see where it will be."
		return out
	}
	out.Text = "Makes the API " + name + " with a draft " + label + "."
	if into != nil {
		out.Text = "Adds a draft " + label + " to " + name + "; its other versions stay."
		for _, s := range into.Versions {
			if s.Label == label {
				out.Text = "Replaces the draft of " + name + " " + label + ". What is live stays live until you publish."
				if s.State == apim.Retired {
					out.Problem = name + " " + label + " is retired. Take another version."
				}
			}
		}
	}
	mount := f.text("mount")
	if mount == "" {
		mount = "/" + v.tenant.Slug + "/" + slug + "/" + label
	}
	out.URL = strings.TrimSuffix(v.environment.GatewayURL, "/") + mount
	return out
}

// checkImport answers with the consequence of the form as it stands.
func (h *Console) checkImport(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	list, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return err
	}
	out := makes(v, f, list.Items)
	imp, err := h.stagedOf(v)
	if err != nil {
		return err
	}
	if out.Changes, _, err = h.changes(v, imp, f); err != nil {
		return err
	}
	if f.value("api") == "" && f.text("slug") != "" {
		if err := apim.CheckSlug(f.text("slug")); err != nil {
			out.Problem = "Slug: " + err.Error() + "."
		}
	}
	if f.text("label") != "" {
		if err := apim.CheckLabel(f.text("label")); err != nil {
			out.Problem = "Version: " + err.Error() + "."
		}
	}
	return v.fragment(makesPanel(out))
}

// acceptImport makes the draft. The same form twice makes one.
func (h *Console) acceptImport(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	imp, err := h.stagedOf(v)
	if err != nil {
		return err
	}
	in := manager.AcceptImport{
		API: apim.ID(f.value("api")), Label: f.text("label"), MountPath: f.text("mount"),
		Access: f.value("access"), Upstream: f.value("server"),
	}
	if in.API == "" {
		in.Name, in.Slug, in.Team = f.text("name"), f.text("slug"), apim.ID(f.value("team"))
	}
	for name, values := range f.values {
		if id, ok := strings.CutPrefix(name, "take:"); ok && len(values) > 0 && values[0] == "new" {
			in.TakeNew = append(in.TakeNew, id)
		}
	}
	slices.Sort(in.TakeNew)
	if in.Upstream == keepServer {
		in.Upstream = ""
	} else if in.Upstream == "other" || in.Upstream == "" {
		in.Upstream = f.text("other")
		if in.Upstream == "" {
			f.fail("other", "needs the address of your service, such as https://orders.internal:8443")
		}
	}
	var version apim.Version
	if !f.failed() {
		version, err = h.Catalog.AcceptImport(v.ctx(), v.actor, v.tenant.ID, imp.ID, in)
	}
	if err != nil && !f.refuse(err, []string{"api", "name", "slug", "label", "mount", "access", "other", "team"}, map[string]string{"upstream": "other", "mount_path": "mount"}) {
		return err
	}
	if f.failed() {
		p, err := h.previewPage(v, imp, f)
		if err != nil {
			return err
		}
		return v.again(f, previewForm(p))
	}
	d, err := h.Catalog.Version(v.ctx(), v.actor, v.tenant.ID, version.ID)
	if err != nil {
		return err
	}
	v.flash(toneOK, "The draft of "+d.API.Name+" "+version.Label+" is made. Nothing is live until you publish.")
	return v.redirect(v.links.version(d.API.Slug, version.Label))
}
