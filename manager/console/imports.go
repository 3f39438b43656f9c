package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// sourcePage asks where an OpenAPI document comes from.
type sourcePage struct {
	shell
	From    string // "upload", "paste" or "url"
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
	here := with(l.importSource(), "api", v.query("api"), "label", v.query("label"))
	p := sourcePage{
		shell: v.shell("Import an API", link{"APIs", l.apis()}, link{"Import", ""}),
		From:  f.value("from"), Action: here, Form: f, Limit: strconv.Itoa(manager.MaxDocumentBytes>>20) + " MB",
	}
	if p.From != "paste" && p.From != "url" {
		p.From = "upload"
	}
	for _, s := range []choice{{"upload", "Upload"}, {"paste", "Paste"}, {"url", "URL"}} {
		p.Sources = append(p.Sources, tabLink{s.label, with(here, "from", s.value), -1, s.value == p.From})
	}
	if api := v.query("api"); api != "" {
		p.Into = strings.TrimSpace(api + " " + v.query("label"))
	}
	return p
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
		if up.Body == nil {
			f.fail("file", "choose a file: JSON or YAML, OpenAPI 3.0, 3.1 or 3.2")
		}
	}
	if f.failed() {
		return v.again(f, sourceForm(h.sourcePage(v, f)))
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		staged, err := h.Catalog.StageImport(v.ctx(), v.actor, v.tenant.ID, up)
		if err != nil {
			return "", err
		}
		return with(v.links.staged(staged.ID), "api", v.query("api"), "label", v.query("label")), nil
	})
	if err != nil {
		var e *apim.Error
		if errors.As(err, &e) && (e.Kind == apim.Invalid || e.Kind == apim.TooLarge || e.Kind == apim.TooMany || e.Kind == apim.Unavailable || e.Kind == apim.Conflict) {
			f.refused = err
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
		case line != "":
			parts = append(parts, "line "+line+": "+wrong.Detail)
		case field == "" || field == "document" || field == "body" || field == "url" || field == "file":
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

type serverView struct {
	URL, Note string
	Usable    bool
}

// consequence is what accepting an import would do, as the form stands.
type consequence struct {
	Text    string
	URL     string
	Problem string
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
	if slug := v.query("api"); slug != "" {
		a, err := h.Catalog.API(v.ctx(), v.actor, v.tenant.ID, slug)
		if err != nil {
			return f, err
		}
		f.values.Set("api", string(a.API.ID))
		f.values.Set("name", a.API.Name)
		f.values.Set("slug", a.API.Slug)
		if label := v.query("label"); label != "" {
			f.values.Set("label", label)
			if d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, slug, label); err == nil && len(d.Version.Runtime.Upstreams) > 0 && len(d.Version.Runtime.Upstreams[0].URLs) > 0 {
				f.values.Set("other", d.Version.Runtime.Upstreams[0].URLs[0]) // what was set by hand stays
				f.values.Set("server", "other")
			}
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

func (h *Console) previewPage(v *visit, imp apim.Import, f form) (previewPage, error) {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	doc := imp.Document
	p := previewPage{
		shell:   v.shell("Import "+doc.Title, link{"APIs", v.links.apis()}, link{"Import", v.links.importSource()}, link{doc.Title, ""}),
		Heading: "Import " + strings.TrimSpace(doc.Title+" "+doc.Version),
		From:    doc.Source + ", " + bytesText(doc.Bytes) + ", OpenAPI " + doc.Spec,
		Expires: moment(imp.ExpiresAt),
		Action:  v.links.staged(imp.ID), Check: v.links.stagedCheck(imp.ID), Again: v.links.importSource(),
		Form: f, Security: imp.Security, Total: len(imp.Routes), Findings: imp.Findings,
	}
	usable := false
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
			p.Routes = append(p.Routes, routeView{r.Operation, r.Method, r.Path, r.Summary, r.Upstream, r.Public, r.Off, r.Deprecated})
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
	p.APIs = []choice{{"", "A new API"}}
	for _, a := range list.Items {
		p.APIs = append(p.APIs, choice{string(a.API.ID), "A version of " + a.API.Name})
	}
	p.Makes = makes(v, f, list.Items)
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
	if in.Upstream == "other" || in.Upstream == "" {
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
