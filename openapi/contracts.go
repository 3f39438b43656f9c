package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portico/openapi/tree"
)

// Contracts are what machines hold calls of some operations to, and make answers
// of: plain data that needs the document no more. Schemas are JSON Schema
// 2020-12, whatever the document is, and refer to one another by "#/$defs/NAME".
type Contracts struct {
	Schemas    []byte               // an object by name; nil for none
	Operations map[string]*Contract // by the operation's ID
}

// Contract is one operation's.
type Contract struct {
	Parameters   []ContractParameter
	Body         []ContractContent
	BodyRequired bool
	Answers      []ContractAnswer
}

// ContractParameter is a parameter, or a header of an answer.
type ContractParameter struct {
	Name, In, Style               string
	Explode, Required, AllowEmpty bool
	Type                          string // media type of its value; "" where it has a style
	Schema                        []byte
	Sample                        string // of an answer's header
}

// ContractContent is a body by its media type.
type ContractContent struct {
	Type     string
	Schema   []byte
	Fields   []ContractParameter // of a form, where the document says how they are written
	Examples []ContractExample
}

// ContractExample is a body. One that was made up has no name.
type ContractExample struct{ Name, Body string }

// ContractAnswer is an answer by its status, as the document writes it.
type ContractAnswer struct {
	Status  string
	Headers []ContractParameter
	Content []ContractContent
}

// ContractNeeds say what of an operation is wanted.
type ContractNeeds struct{ Request, Answers, Examples bool }

// Open reads a document as Load does, but for the second reading by kin-openapi,
// which only adds findings.
func Open(ctx context.Context, raw []byte, opts ScanOptions) (*Document, error) {
	return open3(ctx, raw, LoadOptions{SourceURL: opts.SourceURL, Limits: opts.Limits})
}

// Contracts returns those of the operations that wanted names by ID; those that
// the document does not have are left out. It refuses what takes more than most
// bytes, and what a schema cannot be made of, saying where.
func (d *Document) Contracts(wanted map[string]ContractNeeds, most int) (*Contracts, error) {
	w := &contractWriter{
		src: d.src, left: most, names: map[int]string{}, taken: map[string]bool{},
		old: strings.HasPrefix(d.src.version, "3.0") || strings.HasPrefix(d.src.version, "2"),
	}
	out := &Contracts{Operations: map[string]*Contract{}}
	for i, op := range d.Outline.Operations {
		needs, ok := wanted[op.ID]
		if !ok {
			continue
		}
		one, err := w.operation(d.places[i], needs)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", op.ID, err)
		}
		out.Operations[op.ID] = one
	}
	schemas, err := w.shared()
	if err != nil {
		return nil, err
	}
	out.Schemas = schemas
	return out, nil
}

// contractWriter writes schemas so that they stand for themselves.
type contractWriter struct {
	src   *source
	old   bool // the document's schemas are of OpenAPI 3.0
	left  int  // bytes
	names map[int]string
	taken map[string]bool
	queue []tree.Node // named and not written yet
}

// maxExampleBytes bounds one example; a larger one is left out.
const maxExampleBytes = 64 << 10

func (w *contractWriter) spend(n int) error {
	if w.left -= n; w.left < 0 {
		return fmt.Errorf("its schemas and examples take more bytes than a version may have")
	}
	return nil
}

func (w *contractWriter) operation(at place, needs ContractNeeds) (*Contract, error) {
	out := &Contract{}
	if needs.Request {
		for _, p := range w.src.parameters(at.item, at.operation) {
			one, err := w.parameter(p, p.Get("name").String(), p.Get("in").String())
			if err != nil {
				return nil, fmt.Errorf("parameter %q: %w", short(one.Name), err)
			}
			out.Parameters = append(out.Parameters, one)
		}
		body := w.src.resolve(at.operation.Get("requestBody"))
		out.BodyRequired = body.Get("required").True()
		var err error
		if out.Body, err = w.content(body.Get("content"), needs.Request, false); err != nil {
			return nil, fmt.Errorf("request body: %w", err)
		}
	}
	if !needs.Answers && !needs.Examples {
		return out, nil
	}
	for node := range at.operation.Get("responses").Children() {
		status := node.Key()
		if strings.HasPrefix(status, "x-") {
			continue
		}
		res := w.src.resolve(node)
		answer := ContractAnswer{Status: strings.ToUpper(status)}
		if status == "default" {
			answer.Status = status
		}
		for h := range res.Get("headers").Children() {
			name := h.Key()
			if strings.EqualFold(name, "Content-Type") {
				continue
			}
			one, err := w.parameter(w.src.resolve(h), name, "header")
			if err != nil {
				return nil, fmt.Errorf("header %q of %s: %w", short(name), status, err)
			}
			if needs.Examples {
				one.Sample = w.headerSample(w.src.resolve(h))
			}
			if !needs.Answers {
				one.Schema = nil
			}
			answer.Headers = append(answer.Headers, one)
		}
		var err error
		if answer.Content, err = w.content(res.Get("content"), needs.Answers, needs.Examples); err != nil {
			return nil, fmt.Errorf("answer %s: %w", status, err)
		}
		out.Answers = append(out.Answers, answer)
	}
	return out, nil
}

func (w *contractWriter) headerSample(h tree.Node) string {
	n := h.Get("example")
	for e := range h.Get("examples").Children() {
		if !n.Exists() {
			n = w.src.resolve(e).Get("value")
		}
	}
	var text []byte
	if n.Exists() {
		text = n.AppendJSON(nil, "")
	} else if schema := h.Get("schema"); schema.Exists() {
		m := sampler{src: w.src, answer: true, fit: true, left: sampleBytes}
		text = m.append(nil, schema, 0)
	}
	var s string
	if json.Unmarshal(text, &s) == nil {
		text = []byte(s)
	}
	if len(text) > 1000 || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return string(text)
}

func (w *contractWriter) parameter(p tree.Node, name, in string) (ContractParameter, error) {
	out := ContractParameter{
		Name: name, In: in, Style: p.Get("style").String(), Explode: p.Get("explode").True(),
		Required: p.Get("required").True(), AllowEmpty: p.Get("allowEmptyValue").True(),
	}
	if out.Style == "" {
		out.Style = "simple"
		if in == "query" || in == "cookie" {
			out.Style = "form"
		}
	}
	if !p.Get("explode").Exists() {
		out.Explode = out.Style == "form"
	}
	schema := p.Get("schema")
	for c := range p.Get("content").Children() {
		out.Type, out.Style, out.Explode, schema = c.Key(), "", false, w.src.resolve(c).Get("schema")
		break
	}
	if !schema.Exists() {
		return out, nil
	}
	var err error
	out.Schema, err = w.schema(schema)
	return out, err
}

func (w *contractWriter) content(list tree.Node, schemas, examples bool) ([]ContractContent, error) {
	var out []ContractContent
	for m := range list.Children() {
		one := ContractContent{Type: m.Key()}
		m = w.src.resolve(m)
		schema := m.Get("schema")
		if schemas && schema.Exists() {
			var err error
			if one.Schema, err = w.schema(schema); err != nil {
				return nil, fmt.Errorf("%s: %w", short(one.Type), err)
			}
			for e := range m.Get("encoding").Children() {
				field := ContractParameter{Name: e.Key(), In: "query", Style: e.Get("style").String(), Explode: e.Get("explode").True(), Type: e.Get("contentType").String()}
				if field.Style != "" || e.Get("explode").Exists() {
					field.Type = ""
				}
				if field.Style == "" {
					field.Style = "form"
				}
				if !e.Get("explode").Exists() {
					field.Explode = field.Style == "form"
				}
				one.Fields = append(one.Fields, field)
			}
		}
		if examples {
			if one.Examples = w.examples(m, one.Type, schema); len(one.Examples) == 0 && !schemas {
				continue // nothing could be said
			}
			for _, x := range one.Examples {
				if err := w.spend(len(x.Name) + len(x.Body) + 40); err != nil {
					return nil, err
				}
			}
		}
		if err := w.spend(len(one.Type) + 60); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// examples are those of the document; where it has none, one is made up.
func (w *contractWriter) examples(m tree.Node, mediaType string, schema tree.Node) []ContractExample {
	isJSON := jsonType(mediaType)
	text := false
	if schema.Exists() {
		kinds, _ := w.src.viewOf(schema).kinds()
		text = slices.Contains(kinds, "string")
	}
	var out []ContractExample
	add := func(name string, value tree.Node) {
		if body, ok := exampleBody(value, isJSON, text); ok && len(out) < 50 {
			out = append(out, ContractExample{name, body})
		}
	}
	if e := m.Get("example"); e.Exists() {
		add("example", e)
	}
	for e := range m.Get("examples").Children() {
		name := e.Key()
		add(name, w.src.resolve(e).Get("value"))
	}
	if len(out) > 0 || !schema.Exists() {
		return out
	}
	made := sampler{src: w.src, answer: true, fit: true, left: sampleBytes}
	body := made.append(nil, schema, 0)
	if !isJSON {
		var s string
		if json.Unmarshal(body, &s) != nil {
			return nil
		}
		body = []byte(s)
	}
	return []ContractExample{{"", string(body)}}
}

// exampleBody is an example as it is sent. JSON is often given as a text of it.
func exampleBody(value tree.Node, isJSON, text bool) (string, bool) {
	if !value.Exists() {
		return "", false
	}
	body := value.AppendJSON(nil, "")
	if value.Kind() == tree.String {
		given := value.String()
		if !isJSON || !text && json.Valid([]byte(given)) {
			body = []byte(given)
		}
	} else if !isJSON {
		return "", false
	}
	return string(body), len(body) <= maxExampleBytes
}

func jsonType(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	return base == "application/json" || base == "*/*" || base == "application/*" || strings.HasSuffix(base, "+json") || base == "text/json"
}

// schema writes one that may stand anywhere.
func (w *contractWriter) schema(n tree.Node) ([]byte, error) {
	out, err := w.append(nil, n)
	if err == nil {
		err = w.spend(len(out))
	}
	return out, err
}

// shared writes the schemas that others refer to.
func (w *contractWriter) shared() ([]byte, error) {
	if len(w.queue) == 0 {
		return nil, nil
	}
	out := []byte{'{'}
	for i := 0; i < len(w.queue); i++ { // it grows meanwhile
		if i > 0 {
			out = append(out, ',')
		}
		before := len(out)
		name := w.names[w.queue[i].Index()]
		out = append(tree.AppendString(out, name), ':')
		var err error
		if out, err = w.append(out, w.queue[i]); err != nil {
			return nil, fmt.Errorf("schema %s: %w", short(name), err)
		}
		if err := w.spend(len(out) - before); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// refer returns the reference to what a reference leads to.
func (w *contractWriter) refer(n tree.Node) (string, error) {
	target, name := w.src.resolveNamed(n)
	if !target.Exists() {
		return "", fmt.Errorf("$ref %q leads to nothing", short(n.Get("$ref").String()))
	}
	known, ok := w.names[target.Index()]
	if !ok {
		for i := 1; ; i++ {
			known = name
			if name == "" || strings.ContainsFunc(name, func(r rune) bool {
				return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '_' && r != '-'
			}) {
				known = "schema"
			}
			if i > 1 || known == "schema" {
				known += "." + strconv.Itoa(i+len(w.names))
			}
			if !w.taken[known] {
				break
			}
		}
		w.names[target.Index()], w.taken[known] = known, true
		w.queue = append(w.queue, target)
	}
	return "#/$defs/" + known, nil
}

// append writes a schema as JSON Schema 2020-12.
func (w *contractWriter) append(dst []byte, n tree.Node) ([]byte, error) {
	if n.Kind() == tree.Bool {
		return n.AppendJSON(dst, ""), nil
	}
	if !n.IsObject() {
		return dst, fmt.Errorf("a schema is %s", n.Kind())
	}
	if n.Get("$ref").Kind() == tree.String && (w.old || n.Len() == 1) {
		ref, err := w.refer(n)
		return append(tree.AppendString(append(dst, `{"$ref":`...), ref), '}'), err
	}
	nullable := w.old && n.Get("nullable").True()
	apart := nullable && !n.Get("type").Exists() && !n.Get("enum").Exists() && (n.Get("allOf").Exists() || n.Get("anyOf").Exists() || n.Get("oneOf").Exists())
	if apart {
		dst = append(dst, `{"anyOf":[{"type":"null"},`...)
	}
	dst = append(dst, '{')
	start := len(dst)
	for m := range n.Children() {
		if m.Key() == "$dynamicRef" {
			return dst, fmt.Errorf("$dynamicRef cannot be followed here")
		}
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		written, err := w.keyword(dst, n, m, nullable)
		if err != nil {
			return written, err
		}
		if dst = written; len(dst) <= before+1 {
			dst = dst[:before] // it says nothing
		}
		if len(dst) > w.left+1<<20 {
			return dst, w.spend(len(dst))
		}
	}
	if dst = append(dst, '}'); apart {
		dst = append(dst, "]}"...)
	}
	return dst, nil
}

// keyword writes a member of a schema, nothing for one that binds nobody.
func (w *contractWriter) keyword(dst []byte, in, m tree.Node, nullable bool) ([]byte, error) {
	key := m.Key()
	begin := func() { dst = append(tree.AppendString(dst, key), ':') }
	switch key {
	case "$ref":
		ref, err := w.refer(in)
		begin()
		return tree.AppendString(dst, ref), err
	case "type":
		begin()
		if nullable && m.Kind() == tree.String {
			return append(tree.AppendString(append(dst, '['), m.String()), `,"null"]`...), nil
		}
		return m.AppendJSON(dst, ""), nil
	case "enum":
		begin()
		dst = m.AppendJSON(dst, "")
		if nullable && m.IsArray() && m.Len() > 0 && !slices.ContainsFunc(slices.Collect(m.Children()), func(e tree.Node) bool { return e.Kind() == tree.Null }) {
			dst = append(dst[:len(dst)-1], ",null]"...)
		}
		return dst, nil
	case "minimum", "maximum":
		other := in.Get("exclusive" + strings.ToUpper(key[:1]) + key[1:])
		if other.Kind() == tree.Bool && other.True() {
			key = other.Key()
		}
		begin()
		return m.AppendJSON(dst, ""), nil
	case "exclusiveMinimum", "exclusiveMaximum":
		if m.Kind() == tree.Bool {
			return dst, nil // minimum and maximum have said so
		}
		begin()
		return m.AppendJSON(dst, ""), nil
	case "const", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems",
		"minContains", "maxContains", "minProperties", "maxProperties", "required", "dependentRequired", "readOnly", "writeOnly":
		if key == "required" && m.Kind() == tree.Bool {
			return dst, nil // of a parameter in old documents
		}
		begin()
		return m.AppendJSON(dst, ""), nil
	case "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "not", "if", "then", "else":
		begin()
		return w.append(dst, m)
	case "allOf", "anyOf", "oneOf", "prefixItems":
		if m.Len() == 0 {
			return dst, nil
		}
		begin()
		return w.appendAll(dst, m, '[', ']')
	case "properties", "patternProperties", "dependentSchemas":
		begin()
		return w.appendAll(dst, m, '{', '}')
	case "discriminator":
		return w.discriminator(dst, in, m)
	}
	return dst, nil
}

func (w *contractWriter) appendAll(dst []byte, list tree.Node, open, end byte) ([]byte, error) {
	dst = append(dst, open)
	first := true
	for m := range list.Children() {
		if !first {
			dst = append(dst, ',')
		}
		if first = false; open == '{' {
			dst = append(tree.AppendString(dst, m.Key()), ':')
		}
		var err error
		if dst, err = w.append(dst, m); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
}

// discriminator writes one with all that it maps to, where alternatives stand
// beside it; elsewhere it tells nothing that allOf does not.
func (w *contractWriter) discriminator(dst []byte, in, m tree.Node) ([]byte, error) {
	name := m.Get("propertyName").String()
	list := in.Get("oneOf")
	if !list.IsArray() {
		list = in.Get("anyOf")
	}
	if name == "" || list.Len() == 0 {
		return dst, nil
	}
	to := map[string]string{}
	var order []string
	put := func(value, ref string) {
		if _, ok := to[value]; !ok {
			order = append(order, value)
			to[value] = ref
		}
	}
	mapped := map[int]bool{}
	for entry := range m.Get("mapping").Children() {
		text := entry.String()
		target := w.src.refs.byText[text]
		if !target.Exists() {
			target = w.src.root.Get("components").Get("schemas").Get(text)
		}
		if !target.Exists() {
			if target = w.src.tree.Follow(strings.TrimPrefix(text, "#")); !target.Exists() || !strings.HasPrefix(text, "#") {
				return dst, fmt.Errorf("discriminator maps %q to nothing", short(entry.Key()))
			}
		}
		ref, err := w.named(target, text)
		if err != nil {
			return dst, err
		}
		mapped[w.src.resolve(target).Index()] = true
		put(entry.Key(), ref)
	}
	for option := range list.Children() {
		target, component := w.src.resolveNamed(option)
		if component == "" {
			if option.Get("type").String() != "null" {
				return dst, nil // alternatives that have no name cannot be told apart by one
			}
			continue
		}
		ref, err := w.refer(option)
		if err != nil {
			return dst, err
		}
		if !mapped[target.Index()] {
			put(component, ref)
		}
	}
	dst = append(tree.AppendString(append(dst, `"discriminator":{"propertyName":`...), name), `,"mapping":{`...)
	for i, value := range order {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = tree.AppendString(append(tree.AppendString(dst, value), ':'), to[value])
	}
	return append(dst, "}}"...), nil
}

// named is refer for a value that no reference stands before.
func (w *contractWriter) named(target tree.Node, text string) (string, error) {
	target = w.src.resolve(target)
	if !target.Exists() {
		return "", fmt.Errorf("%q leads to nothing", short(text))
	}
	if known, ok := w.names[target.Index()]; ok {
		return "#/$defs/" + known, nil
	}
	known := "mapped." + strconv.Itoa(len(w.names))
	w.names[target.Index()], w.taken[known] = known, true
	w.queue = append(w.queue, target)
	return "#/$defs/" + known, nil
}
