package portal

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

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
		Progress:    progress(provider, v, r.here),
	}
	if id == "" {
		view.frame = r.frame("Reference of "+v.API.Name+" "+v.Label, atCatalog)
		view.Nav = newNav(provider, v, lines, "", c.Query("filter"), c.Query("tag"))
		view.Found = listOperations(provider, v, lines, view.Nav)
		view.versionHead.Places = placeChoices(v, view.versionHead.Reference)
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
	view.versionHead.Places = placeChoices(v, operationLink(provider, v.API.Slug, v.Label, slug(line)))
	view.Nav = newNav(provider, v, lines, id, c.Query("filter"), "")
	view.Operation = p.schemaLinks(provider, v).operation(ref, partial, line, v.URL)
	if asks := v.Asks.String(); asks != "" {
		view.Operation.Notes = append(view.Operation.Notes, v.Label+" is asked for by "+asks)
	}
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
	for _, sample := range openapi.Samples(ref, openapi.SampleTarget{BaseURL: v.URL, Says: says(v.Asks), Auth: sampleAuth(v.Credentials, line.Public)}) {
		s.Languages = append(s.Languages, languageTab{Name: sample.Language, Title: sample.Title, URL: with(page, "lang", sample.Language), Current: sample.Language == chosen})
		if sample.Language == chosen {
			s.Tokens = sample.Tokens
		}
	}
	if !line.Public {
		s.Note = keyNote(v)
	}
	return s
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
