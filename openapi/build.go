package openapi

import (
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"strings"

	"portico/openapi/tree"
)

// References is the reference view, one operation after the other in the
// document's order, each made when it is asked for. Those of the outline's
// Operations have the same IDs.
func (d *Document) References() iter.Seq[Reference] {
	return func(yield func(Reference) bool) {
		for i := range d.Outline.Operations {
			if !yield(d.Reference(i)) {
				return
			}
		}
	}
}

// Reference is the view of the outline's i-th operation. As many levels of
// fields are shown as fit into a page that reads well; only where not even
// one does may it grow to MaxReferenceBytes.
func (d *Document) Reference(i int) Reference {
	for depth := mostLevels; ; depth-- {
		budget := pageBytes
		if depth == 0 {
			budget = MaxReferenceBytes / 2
		}
		ref, cut := d.build(i, depth, budget)
		if (!cut && fits(ref)) || depth == 0 {
			if ref.Truncated = cut; !fits(ref) {
				ref = d.bare(i)
			}
			return ref
		}
	}
}

// mostLevels is how many levels of fields a page shows at most; deeper ones
// are on the pages of their schemas.
const mostLevels = 5

// pageBytes is about how large a page is before it shows fewer levels.
const pageBytes = 48 << 10

func fits(v any) bool {
	text, err := json.Marshal(v)
	return err == nil && len(text) <= MaxReferenceBytes
}

// bare is an operation of which nothing else fits.
func (d *Document) bare(i int) Reference {
	o := d.Outline.Operations[i]
	return Reference{
		ID: o.ID, Slug: o.Slug, Method: o.Method, Path: o.Path, Summary: clip(o.Summary, mostDescription),
		Deprecated: o.Deprecated, DocumentationOnly: o.DocumentationOnly, Truncated: true,
	}
}

func (d *Document) build(i, depth, budget int) (Reference, bool) {
	o, n := d.Outline.Operations[i], d.places[i].operation
	b := &builder{src: d.src, depth: depth, left: budget}
	ref := d.bare(i)
	ref.Truncated = false
	ref.Predicates, ref.Tags, ref.Security = o.Predicates, o.Tags, o.Security
	ref.SecurityText = d.securityText(o)
	ref.Description = clip(n.Get("description").String(), 5*mostDescription)
	if ref.Description == "" {
		ref.Description = clip(d.places[i].item.Get("description").String(), 5*mostDescription)
	}
	ref.DocsURL = webAddress(n.Get("externalDocs").Get("url").String())
	b.left -= len(ref.Description)
	ref.Parameters = b.parameters(d.Parameters(i))
	if body := d.src.resolve(n.Get("requestBody")); body.Exists() {
		ref.Body = &Body{
			Required: body.Get("required").True(), Description: clip(body.Get("description").String(), mostDescription),
			Media: b.media(body.Get("content"), false),
		}
	}
	for r := range n.Get("responses").Children() {
		if strings.HasPrefix(r.Key(), "x-") {
			continue
		}
		if b.spent() || len(ref.Responses) == mostOptions {
			b.cut = true
			break
		}
		ref.Responses = append(ref.Responses, b.response(r))
	}
	return ref, b.cut
}

func (b *builder) response(named tree.Node) Response {
	r := b.src.resolve(named)
	out := Response{Status: clip(named.Key(), 40), Description: clip(r.Get("description").String(), mostDescription)}
	if out.Description == "" {
		out.Description = clip(r.Get("summary").String(), mostDescription)
	}
	b.left -= 60 + len(out.Description)
	for h := range r.Get("headers").Children() {
		if b.spent() || len(out.Headers) == mostOptions {
			b.cut = true
			break
		}
		out.Headers = append(out.Headers, b.parameter(b.src.resolve(h), h.Key()))
	}
	out.Media = b.media(r.Get("content"), true)
	return out
}

func (b *builder) parameters(list []tree.Node) []ParameterGroup {
	var out []ParameterGroup
	for _, in := range []string{"path", "query", "header", "cookie"} {
		group := ParameterGroup{In: in}
		for _, p := range list {
			place := p.Get("in").String()
			if place == "querystring" { // OpenAPI 3.2: the whole query as one value
				place = "query"
			}
			if place != in {
				continue
			}
			if b.spent() || len(group.Parameters) == mostFields {
				b.cut = true
				break
			}
			group.Parameters = append(group.Parameters, b.parameter(p, p.Get("name").String()))
		}
		if len(group.Parameters) > 0 {
			out = append(out, group)
		}
	}
	return out
}

// parameter describes a parameter or header, whose schema may stand in its
// content as well.
func (b *builder) parameter(n tree.Node, name string) Property {
	schema := n.Get("schema")
	if !schema.Exists() {
		for media := range n.Get("content").Children() {
			schema = b.src.resolve(media).Get("schema")
			break
		}
	}
	p := b.property(schema, name, n.Get("required").True() || n.Get("in").String() == "path", 0)
	if text := n.Get("description").String(); text != "" {
		p.Description = clip(text, mostDescription)
		b.left -= len(p.Description)
	}
	p.Deprecated = p.Deprecated || n.Get("deprecated").True()
	if e, ok := b.src.mediaExample(n); ok {
		p.Example = literalText(e)
	}
	return p
}

func (b *builder) media(content tree.Node, answer bool) []Media {
	var out []Media
	for named := range content.Children() {
		if b.spent() || len(out) == 10 {
			b.cut = true
			break
		}
		n := b.src.resolve(named)
		m := Media{Type: clip(named.Key(), mostValue)}
		schema := n.Get("schema")
		if !schema.Exists() {
			schema = n.Get("itemSchema") // OpenAPI 3.2: of each event or line of a stream
		}
		if schema.Exists() {
			p := b.property(schema, "", false, 0)
			m.Schema = &p
		}
		b.examples(&m, n, schema, answer)
		out = append(out, m)
	}
	return out
}

// examples are the document's own, or one made of the schema.
func (b *builder) examples(m *Media, n, schema tree.Node, answer bool) {
	take := func(name, summary string, value tree.Node) {
		if value.Size() > 2000 || len(m.Others) == 9 {
			b.cut = true
			return
		}
		e := Example{Name: clip(name, mostValue), Summary: clip(summary, mostValue)}
		e.Text, e.Language = exampleText(value, m.Type)
		if len(e.Text) > 24<<10 {
			b.cut = true
			return
		}
		b.left -= 60 + len(e.Text) + len(e.Text)/8
		if m.Example == nil {
			m.Example = &e
		} else if !b.spent() {
			m.Others = append(m.Others, e)
		}
	}
	if e := n.Get("example"); e.Exists() {
		take("", "", e)
	}
	for named := range n.Get("examples").Children() {
		e := b.src.resolve(named)
		if value := exampleValue(e); value.Exists() {
			take(named.Key(), e.Get("summary").String(), value)
		}
	}
	if m.Example == nil && schema.Exists() {
		if e, ok := b.src.synthesised(schema, "", m.Type, answer); ok {
			b.left -= 60 + len(e.Text) + len(e.Text)/8
			m.Example = &e
		}
	}
}

// exampleValue is the value of an Example Object: 3.2 has it in two forms more.
func exampleValue(e tree.Node) tree.Node {
	for _, key := range []string{"value", "dataValue", "serializedValue"} {
		if v := e.Get(key); v.Exists() {
			return v
		}
	}
	return tree.Node{}
}

func (s *source) mediaExample(n tree.Node) (tree.Node, bool) {
	if e := n.Get("example"); e.Exists() {
		return e, true
	}
	for named := range n.Get("examples").Children() {
		v := exampleValue(s.resolve(named))
		return v, v.Exists()
	}
	return tree.Node{}, false
}

func isJSON(mediaType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	t = strings.TrimSpace(t)
	return t == "application/json" || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "/json") || t == "*/*" || t == "application/*"
}

func isForm(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/x-www-form-urlencoded") || strings.HasPrefix(mediaType, "multipart/")
}

// exampleText lays out an example. A string that holds the body itself, as
// XML does, is shown as it is.
func exampleText(value tree.Node, mediaType string) (text, language string) {
	if value.Kind() == tree.String && !isJSON(mediaType) {
		if strings.Contains(mediaType, "xml") {
			return value.Text(), "xml"
		}
		return value.Text(), "text"
	}
	if value.Kind() == tree.String && strings.HasPrefix(strings.TrimSpace(value.Text()), "{") && json.Valid([]byte(value.Text())) {
		return value.Text(), "json" // JSON inside a string, as some documents write it
	}
	return string(value.AppendJSON(nil, "  ")), "json"
}

// synthesised is an example made of a schema, which may be a named one, for
// JSON and forms.
func (s *source) synthesised(schema tree.Node, name, mediaType string, answer bool) (Example, bool) {
	if !isJSON(mediaType) && !isForm(mediaType) {
		return Example{}, false
	}
	m := &sampler{src: s, answer: answer, left: sampleBytes}
	if name != "" {
		m.above = []string{name}
	}
	compact := m.append(nil, schema, 0)
	if len(compact) > 24<<10 {
		return Example{}, false
	}
	return Example{Text: indent(compact), Language: "json", Synthesised: true}, true
}

func indent(compact []byte) string {
	t, err := tree.ParseJSON(compact, tree.Limits{MaxBytes: len(compact), MaxDepth: 1000, MaxValues: len(compact) + 1})
	if err != nil {
		return string(compact)
	}
	return string(t.Root().AppendJSON(nil, "  "))
}

func webAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || len(address) > 2000 {
		return ""
	}
	return address
}
