package portal

import (
	"fmt"

	"portico/internal/apim"
	"portico/manager"
	"portico/openapi"
)

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
