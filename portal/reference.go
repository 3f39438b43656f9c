package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/openapi"
)

// referenceView is the page of one operation, or the list of operations when
// none is chosen.
type referenceView struct {
	frame
	versionHead
	Nav       navView
	Progress  *progressView
	Operation *operationView
	Schema    *schemaView
	Found     []operationGroup // the list
	Sample    *sampleView
	Example   *exampleView
}

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

// operationView is what an operation's reference says.
type operationView struct {
	Title, Text            string // Text is HTML
	Method, Base, Path     string
	Deprecated             bool
	DocumentationOnly      bool
	Partial                bool
	Truncated              bool
	Notes                  []string
	Public                 bool
	Groups                 []propGroup
	Body                   *bodyView
	Answers                []answerView
	DocsURL                string
	Previous, Next         string
	PreviousName, NextName string
}

// schemaView is a named schema of the document.
type schemaView struct {
	Name, Title, Text string // Text is HTML
	Type              string
	Props             []propView
	Truncated         bool
}

type propGroup struct {
	Title string
	Props []propView
}

type bodyView struct {
	Text     string // HTML
	Required bool
	Media    []mediaView
}

type mediaView struct {
	Type  string
	Kind  string // what the body as a whole is
	Props []propView
	Whole *propView // when it is not an object
}

type answerView struct {
	Status, Class string
	Text          string // HTML
	Headers       []propView
	Media         []mediaView
}

// propView is a parameter or field, as a nested list shows it.
type propView struct {
	Name, Type string
	TypeURL    string   // of the page of the schema that Type names
	Limits     string   // after the type
	Marks      []string // "required", "deprecated", "read only"
	Text       string   // HTML
	Enum       []string
	Default    string
	Example    string
	More       string // label of what is nested
	Choice     string // "one of", "any of"
	Nested     []propView
	SeeAlso    string // why nothing more is nested
	Required   bool
	Deprecated bool
	Open       bool
}

type exampleView struct {
	Title, Note string
	Text        string
	Language    string
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

func (p *portal) reference(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	v, offers, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
	if err != nil {
		return err
	}
	provider := c.Param("provider")
	id := strings.TrimPrefix(c.Param("operation"), "/")
	view := referenceView{
		versionHead: p.newVersionHead(provider, v, offers, "reference"),
		Progress:    progress(v.Document),
	}
	if id == "" {
		view.frame = r.frame("Reference of "+v.API.Name+" "+v.Label, atCatalog)
		view.Nav = newNav(provider, v, lines, "", c.Query("filter"), c.Query("tag"))
		view.Found = listOperations(provider, v, lines, view.Nav)
		view.frame.Wide = true
		return p.render(c, http.StatusOK, referencePageOf(view))
	}
	ref, partial, err := p.Catalog.OfferedReference(ctx, r.Actor, r.Tenant.ID, v.Version, id)
	if err != nil {
		return err
	}
	id = ref.ID
	at := slices.IndexFunc(lines, func(l manager.OperationLine) bool { return l.Operation == id })
	line := manager.OperationLine{Operation: id, Slug: ref.Slug, Method: ref.Method, Path: ref.Path, Summary: ref.Summary}
	if at >= 0 {
		line = lines[at]
	}
	view.frame = r.frame(title(line)+" · "+v.API.Name, atCatalog)
	view.frame.Wide = true
	view.Nav = newNav(provider, v, lines, id, c.Query("filter"), "")
	view.Operation = p.schemaLinks(provider, v).operation(ref, partial, line, v.URL)
	if at > 0 {
		view.Operation.Previous, view.Operation.PreviousName = operationLink(provider, v.API.Slug, v.Label, slug(lines[at-1])), title(lines[at-1])
	}
	if at >= 0 && at+1 < len(lines) {
		view.Operation.Next, view.Operation.NextName = operationLink(provider, v.API.Slug, v.Label, slug(lines[at+1])), title(lines[at+1])
	}
	view.Sample = operationSample(c, ref, v, line, operationLink(provider, v.API.Slug, v.Label, slug(line)))
	view.Example = answerExample(ref)
	return p.render(c, http.StatusOK, referencePageOf(view))
}

// slug is what an operation is called in addresses.
func slug(line manager.OperationLine) string {
	if line.Slug != "" {
		return line.Slug
	}
	return line.Operation
}

func operationSample(c *gin.Context, ref openapi.Reference, v manager.OfferedVersion, line manager.OperationLine, page string) *sampleView {
	if ref.DocumentationOnly {
		return nil
	}
	chosen := language(c)
	s := &sampleView{Title: title(line), URL: page}
	for _, sample := range openapi.Samples(ref, openapi.SampleTarget{BaseURL: v.URL, Auth: sampleAuth(v.Credentials, line.Public)}) {
		s.Languages = append(s.Languages, languageTab{Name: sample.Language, Title: sample.Title, URL: with(page, "lang", sample.Language), Current: sample.Language == chosen})
		if sample.Language == chosen {
			s.Tokens = sample.Tokens
		}
	}
	if !line.Public {
		s.Note = "Set PORTICO_KEY to your application's key."
	}
	return s
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

// schemaLinks lays out what a document describes, with links to the pages of
// its named schemas.
type schemaLinks struct {
	markdown *markdown
	to       func(schema string) string // "" when it has no page yet
}

func (p *portal) schemaLinks(provider string, v manager.OfferedVersion) schemaLinks {
	loaded := v.Document.State == apim.Loaded
	return schemaLinks{markdown: p.markdown, to: func(schema string) string {
		if !loaded {
			return ""
		}
		return schemaLink(provider, v.API.Slug, v.Label, schema)
	}}
}

// schema shows a named schema of the document.
func (p *portal) schema(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	v, offers, err := p.offeredVersion(c, r)
	if err != nil {
		return err
	}
	schema, err := p.Catalog.OfferedSchema(ctx, r.Actor, r.Tenant.ID, v.Version, strings.TrimPrefix(c.Param("schema"), "/"))
	if err != nil {
		return err
	}
	lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, v.Version)
	if err != nil {
		return err
	}
	provider := c.Param("provider")
	view := referenceView{
		frame:       r.frame(schema.Name+" · "+v.API.Name, atCatalog),
		versionHead: p.newVersionHead(provider, v, offers, "reference"),
		Nav:         newNav(provider, v, lines, "", "", ""),
		Schema:      p.schemaLinks(provider, v).schema(schema),
	}
	view.frame.Wide = true
	if schema.Example.Text != "" {
		view.Example = &exampleView{Note: "application/json", Text: schema.Example.Text, Language: schema.Example.Language}
		if schema.Example.Synthesised {
			view.Example.Note += ", made from the schema"
		}
	}
	return p.render(c, http.StatusOK, referencePageOf(view))
}

func (l schemaLinks) schema(s openapi.Schema) *schemaView {
	whole := s.Property
	whole.Description = "" // stands above
	v := &schemaView{Name: s.Name, Title: s.Title, Text: l.markdown.HTML(s.Description), Type: whole.Type, Truncated: s.Truncated}
	if len(whole.Properties) > 0 && whole.Choice == "" && len(whole.Enum) == 0 {
		v.Props = l.props(whole.Properties, 0)
	} else {
		whole.Ref = ""
		v.Props = []propView{l.prop(whole, 0)}
	}
	return v
}

func (l schemaLinks) operation(ref openapi.Reference, partial bool, line manager.OperationLine, base string) *operationView {
	o := &operationView{
		Title: title(line), Text: l.markdown.HTML(ref.Description), Method: ref.Method, Base: base, Path: ref.Path,
		Deprecated: ref.Deprecated, DocumentationOnly: ref.DocumentationOnly, Partial: partial, Truncated: ref.Truncated,
		DocsURL: ref.DocsURL, Public: line.Public,
	}
	for _, pr := range ref.Predicates {
		where := "with the " + pr.In + " " + pr.Name
		if pr.Value != "" {
			where += " = " + pr.Value
		}
		o.Notes = append(o.Notes, where)
	}
	names := map[string]string{"path": "Path", "query": "Query", "header": "Headers", "cookie": "Cookies"}
	for _, g := range ref.Parameters {
		o.Groups = append(o.Groups, propGroup{Title: names[g.In], Props: l.props(g.Parameters, 0)})
	}
	if ref.Body != nil {
		o.Body = &bodyView{Text: l.markdown.HTML(ref.Body.Description), Required: ref.Body.Required, Media: l.media(ref.Body.Media)}
	}
	for _, a := range ref.Responses {
		o.Answers = append(o.Answers, answerView{
			Status: a.Status, Class: statusClass(a.Status), Text: l.markdown.HTML(a.Description),
			Headers: l.props(a.Headers, 0), Media: l.media(a.Media),
		})
	}
	return o
}

func statusClass(status string) string {
	if status != "" && status[0] >= '2' && status[0] <= '5' {
		return "s" + status[:1]
	}
	return ""
}

func (l schemaLinks) media(all []openapi.Media) []mediaView {
	var views []mediaView
	for _, m := range all {
		v := mediaView{Type: m.Type}
		if m.Schema != nil {
			v.Kind = m.Schema.Type
			if len(m.Schema.Properties) > 0 && m.Schema.Choice == "" {
				v.Props = l.props(m.Schema.Properties, 0)
				if m.Schema.More > 0 {
					v.Props = append(v.Props, propView{SeeAlso: count(m.Schema.More, "more field is", "more fields are") + " in the document."})
				}
			} else {
				whole := l.prop(*m.Schema, 0)
				v.Whole = &whole
			}
		}
		views = append(views, v)
	}
	return views
}

func (l schemaLinks) props(all []openapi.Property, depth int) []propView {
	var views []propView
	for _, prop := range all {
		views = append(views, l.prop(prop, depth))
	}
	return views
}

func (l schemaLinks) prop(prop openapi.Property, depth int) propView {
	v := propView{
		Name: prop.Name, Type: prop.Type, Text: l.markdown.HTML(prop.Description), Enum: prop.Enum,
		Default: prop.Default, Example: prop.Example, Required: prop.Required, Deprecated: prop.Deprecated,
	}
	if v.Name == "*" {
		v.Name = "any other name"
	}
	if prop.Ref != "" {
		v.TypeURL = l.to(prop.Ref)
	}
	for _, c := range prop.Constraints {
		v.Limits += " · " + c
	}
	if prop.Nullable {
		v.Limits += " · or null"
	}
	if prop.ReadOnly {
		v.Marks = append(v.Marks, "read only")
	}
	if prop.WriteOnly {
		v.Marks = append(v.Marks, "write only")
	}
	switch {
	case len(prop.Options) > 0:
		v.Choice, v.Nested = prop.Choice, l.props(prop.Options, depth+1)
		v.More = fmt.Sprintf("%s %s", prop.Choice, count(len(prop.Options)+prop.More, "form", "forms"))
		for i := range v.Nested {
			if v.Nested[i].Name == "" {
				v.Nested[i].Name = fmt.Sprintf("form %d", i+1)
			}
		}
	case len(prop.Properties) > 0:
		v.Nested = l.props(prop.Properties, depth+1)
		v.More = count(len(prop.Properties), "field", "fields")
		if prop.More > 0 {
			v.More = fmt.Sprintf("%d of %s", len(prop.Properties), count(len(prop.Properties)+prop.More, "field", "fields"))
		}
	case prop.Recursive:
		v.SeeAlso = "The same fields as " + prop.Ref + " above."
	case prop.More > 0 && len(prop.Enum) > 0:
		v.SeeAlso = count(prop.More, "more value is", "more values are") + " in the document."
	case prop.More > 0:
		v.SeeAlso = count(prop.More, "more field is", "more fields are") + " in the document."
	}
	v.Open = depth == 0 && len(v.Nested) > 0 && len(v.Nested) <= 6
	return v
}

// answerExample is the body of the first answer that succeeds, as the document
// gives it or as its schema says.
func answerExample(ref openapi.Reference) *exampleView {
	for _, a := range ref.Responses {
		if a.Status != "default" && (a.Status == "" || a.Status[0] != '2') {
			continue
		}
		for _, m := range a.Media {
			if m.Example == nil || m.Example.Text == "" {
				continue
			}
			e := &exampleView{Title: a.Status, Note: m.Type, Text: m.Example.Text, Language: m.Example.Language}
			if m.Example.Synthesised {
				e.Note += ", made from the schema"
			}
			return e
		}
	}
	return nil
}
