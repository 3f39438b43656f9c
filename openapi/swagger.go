package openapi

import (
	"slices"
	"strings"

	"portico/openapi/tree"
)

// fromSwagger rewrites a Swagger 2.0 document as OpenAPI 3.0. Every value
// keeps the place that it has in the original, and what has no counterpart
// becomes a finding.
//
// Source: OpenAPI Specification 2.0 (Swagger), and 3.0.3 for what is made of it.
func (s *source) fromSwagger() error {
	c := &swagger{src: s, in: s.root, out: tree.NewBuilder(s.limits.tree())}
	c.consumes, c.produces = texts(s.root.Get("consumes")), texts(s.root.Get("produces"))
	c.document()
	t, err := c.out.Tree()
	if err != nil {
		return fromTree(err)
	}
	s.found.add(s.root.Get("swagger"), SeverityInfo, FindSwagger, "",
		"This is a Swagger 2.0 document. It is read as OpenAPI 3.0 and kept as it is.")
	s.tree, s.root, s.rewritten = t, t.Root(), true
	return nil
}

// swagger is one document being rewritten.
type swagger struct {
	src                *source
	in                 tree.Node // the root
	out                *tree.Builder
	consumes, produces []string // the document's own
}

func (c *swagger) note(at tree.Node, code, hint, format string, args ...any) {
	c.src.found.add(at, SeverityWarning, code, hint, format, args...)
}

// extensions copies members whose names begin with x-, and those named.
func (c *swagger) extensions(n tree.Node, also ...string) {
	for m := range n.Children() {
		if key := m.Key(); strings.HasPrefix(key, "x-") || slices.Contains(also, key) {
			c.out.Copy(key, m)
		}
	}
}

func (c *swagger) document() {
	in := c.in
	c.out.Object("", in, func() {
		c.out.String("openapi", "3.0.3", in.Get("swagger"))
		c.extensions(in, "info", "tags", "externalDocs", "security")
		if in.Get("host").Exists() || in.Get("basePath").Exists() || in.Get("schemes").Exists() {
			c.servers(in, texts(in.Get("schemes")))
		}
		if paths := in.Get("paths"); paths.IsObject() {
			c.out.Object("paths", paths, func() {
				for p := range paths.Children() {
					c.path(p)
				}
			})
		} else {
			c.out.Copy("paths", paths)
		}
		c.out.Object("components", in, c.components)
	})
}

// servers writes the addresses that schemes, host and basePath are.
func (c *swagger) servers(at tree.Node, schemes []string) {
	host, base := strings.TrimSpace(c.in.Get("host").String()), "/"+strings.Trim(strings.TrimSpace(c.in.Get("basePath").String()), "/")
	from := c.in.Get("host")
	for _, other := range []tree.Node{c.in.Get("basePath"), at.Get("schemes"), at} {
		if !from.Exists() {
			from = other
		}
	}
	schemes = slices.DeleteFunc(schemes, func(s string) bool { return s != "http" && s != "https" })
	c.out.Array("servers", from, func() {
		add := func(address string) {
			c.out.Object("", from, func() { c.out.String("url", address, from) })
		}
		switch {
		case host == "":
			add(base)
		case len(schemes) == 0: // the one that the document came with (2.0, Swagger Object); https where that is not known
			add("https://" + host + base)
		}
		for _, scheme := range schemes {
			if host != "" {
				add(scheme + "://" + host + base)
			}
		}
	})
}

func (c *swagger) path(p tree.Node) {
	if !p.IsObject() {
		c.out.Copy(p.Key(), p)
		return
	}
	shared := p.Get("parameters")
	c.out.Object(p.Key(), p, func() {
		for m := range p.Children() {
			switch key := m.Key(); {
			case key == "$ref":
				c.out.Copy(key, m)
			case key == "parameters":
				if plain := c.plain(m); len(plain) > 0 {
					c.out.Array(key, m, func() {
						for _, one := range plain {
							c.parameter("", one)
						}
					})
				}
			case isMethod(key) && m.IsObject():
				c.operation(m, shared)
			default:
				c.out.Copy(key, m)
			}
		}
	})
}

func (c *swagger) operation(n, shared tree.Node) {
	c.out.Object(n.Key(), n, func() {
		c.extensions(n, "tags", "summary", "description", "externalDocs", "operationId", "deprecated", "security")
		if own := texts(n.Get("schemes")); len(own) > 0 {
			c.servers(n, own)
		}
		list := n.Get("parameters")
		if plain := c.plain(list); len(plain) > 0 {
			c.out.Array("parameters", list, func() {
				for _, one := range plain {
					c.parameter("", one)
				}
			})
		}
		consumes := c.consumes
		if own := n.Get("consumes"); own.Exists() {
			consumes = texts(own)
		}
		c.body(n, append(c.input(list), c.input(shared)...), consumes)
		produces := c.produces
		if own := n.Get("produces"); own.Exists() {
			produces = texts(own)
		}
		if responses := n.Get("responses"); responses.IsObject() {
			c.out.Object("responses", responses, func() {
				for r := range responses.Children() {
					c.response(r.Key(), r, produces)
				}
			})
		} else {
			c.out.Copy("responses", responses)
		}
	})
}

// resolved is a parameter or response, wherever a reference of it leads.
func (c *swagger) resolved(n tree.Node) tree.Node {
	for range c.src.limits.MaxRefChain {
		ref := n.Get("$ref")
		if ref.Kind() != tree.String || !strings.HasPrefix(ref.String(), "#") {
			return n
		}
		n = c.src.tree.Follow(ref.String()[1:])
	}
	return tree.Node{}
}

func isInput(n tree.Node) bool {
	in := n.Get("in").String()
	return in == "body" || in == "formData"
}

// plain are the parameters of a list that stay parameters.
func (c *swagger) plain(list tree.Node) []tree.Node {
	var out []tree.Node
	for n := range list.Children() {
		if !isInput(c.resolved(n)) {
			out = append(out, n)
		}
	}
	return out
}

// input are the parameters of a list that become the request's body.
func (c *swagger) input(list tree.Node) []tree.Node {
	var out []tree.Node
	for n := range list.Children() {
		if isInput(c.resolved(n)) {
			out = append(out, n)
		}
	}
	return out
}

// body writes what body and formData parameters are together. The operation's
// own come first and win.
func (c *swagger) body(at tree.Node, input []tree.Node, consumes []string) {
	if len(input) == 0 {
		return
	}
	for _, n := range input {
		whole := c.resolved(n)
		if whole.Get("in").String() != "body" {
			continue
		}
		if name, ok := strings.CutPrefix(n.Get("$ref").String(), "#/parameters/"); ok && slices.Equal(consumes, c.consumes) {
			c.out.Object("requestBody", n, func() { c.out.String("$ref", "#/components/requestBodies/"+name, n.Get("$ref")) })
			return
		}
		c.requestBody("requestBody", whole, consumes)
		return
	}
	form := "application/x-www-form-urlencoded"
	fields := []tree.Node{}
	seen := map[string]bool{}
	for _, n := range input {
		whole := c.resolved(n)
		if name := whole.Get("name").String(); !seen[name] {
			seen[name] = true
			fields = append(fields, whole)
		}
		if whole.Get("type").String() == "file" {
			form = "multipart/form-data"
		}
	}
	types := slices.DeleteFunc(slices.Clone(consumes), func(t string) bool {
		return t != "multipart/form-data" && (t != "application/x-www-form-urlencoded" || form == "multipart/form-data")
	})
	if len(types) == 0 {
		types = []string{form}
	}
	c.out.Object("requestBody", at.Get("parameters"), func() {
		if slices.ContainsFunc(fields, func(f tree.Node) bool { return f.Get("required").True() }) {
			c.out.Bool("required", true, at)
		}
		c.out.Object("content", at, func() {
			for _, media := range types {
				c.out.Object(media, at, func() { c.form(at, fields) })
			}
		})
	})
}

// form writes the schema of a form with these fields.
func (c *swagger) form(at tree.Node, fields []tree.Node) {
	c.out.Object("schema", at, func() {
		c.out.String("type", "object", at)
		c.out.Object("properties", at, func() {
			for _, f := range fields {
				c.out.Object(f.Get("name").String(), f, func() {
					c.out.Copy("description", f.Get("description"))
					c.simple(f)
				})
			}
		})
		required := slices.DeleteFunc(slices.Clone(fields), func(f tree.Node) bool { return !f.Get("required").True() })
		if len(required) > 0 {
			c.out.Array("required", at, func() {
				for _, f := range required {
					c.out.String("", f.Get("name").String(), f.Get("name"))
				}
			})
		}
	})
	listed := slices.DeleteFunc(slices.Clone(fields), func(f tree.Node) bool { return f.Get("type").String() != "array" })
	if len(listed) > 0 {
		c.out.Object("encoding", at, func() {
			for _, f := range listed {
				c.out.Object(f.Get("name").String(), f, func() { c.collection(f, "query") })
			}
		})
	}
}

// requestBody writes a body parameter.
func (c *swagger) requestBody(key string, n tree.Node, consumes []string) {
	if len(consumes) == 0 {
		consumes = []string{"application/json"}
	}
	c.out.Object(key, n, func() {
		c.extensions(n, "description", "required")
		c.out.Object("content", n, func() {
			for _, media := range consumes {
				c.out.Object(media, n, func() { c.schema("schema", n.Get("schema")) })
			}
		})
	})
}

// parameter writes a parameter that stays one.
func (c *swagger) parameter(key string, n tree.Node) {
	if n.Get("$ref").Exists() || !n.IsObject() {
		c.reference(key, n)
		return
	}
	c.out.Object(key, n, func() {
		c.extensions(n, "name", "in", "description", "required", "allowEmptyValue")
		if n.Get("type").String() == "array" {
			c.collection(n, n.Get("in").String())
		}
		c.out.Object("schema", n, func() { c.simple(n) })
	})
}

// collection writes style and explode for a collectionFormat.
func (c *swagger) collection(n tree.Node, in string) {
	format := n.Get("collectionFormat")
	style, explode := "simple", false
	if in == "query" {
		style = "form"
		switch format.String() {
		case "ssv":
			style = "spaceDelimited"
		case "pipes":
			style = "pipeDelimited"
		case "multi":
			explode = true
		}
	}
	if f := format.String(); f == "tsv" || in != "query" && f != "" && f != "csv" {
		c.note(format, FindSwaggerFormat, "Callers see it as separated by commas.", "OpenAPI 3 has no counterpart of the collection format %q here.", short(f))
	}
	at := format
	if !at.Exists() {
		at = n
	}
	c.out.String("style", style, at)
	c.out.Bool("explode", explode, at)
}

// simple writes the schema that a parameter, header or item is without one.
func (c *swagger) simple(n tree.Node) {
	for m := range n.Children() {
		switch key := m.Key(); key {
		case "type":
			if m.String() == "file" {
				c.out.String("type", "string", m)
				c.out.String("format", "binary", m)
			} else {
				c.out.Copy(key, m)
			}
		case "items":
			c.out.Object("items", m, func() {
				if ref := m.Get("$ref"); ref.Exists() { // not allowed, and common
					c.out.String("$ref", c.moved(ref), ref)
					return
				}
				c.simple(m)
			})
		case "format", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern",
			"maxItems", "minItems", "uniqueItems", "enum", "multipleOf", "example":
			c.out.Copy(key, m)
		case "schema": // not allowed beside a type, and found all the same
			if !n.Get("type").Exists() {
				for inner := range m.Children() {
					c.schemaMember(inner)
				}
			}
		case "x-nullable":
			c.out.Copy("nullable", m)
		}
	}
}

func (c *swagger) response(key string, n tree.Node, produces []string) {
	if n.Get("$ref").Exists() || !n.IsObject() || strings.HasPrefix(key, "x-") {
		c.reference(key, n)
		return
	}
	schema, examples := n.Get("schema"), n.Get("examples")
	c.out.Object(key, n, func() {
		c.extensions(n, "description")
		if headers := n.Get("headers"); headers.IsObject() {
			c.out.Object("headers", headers, func() {
				for h := range headers.Children() {
					c.out.Object(h.Key(), h, func() {
						c.out.Copy("description", h.Get("description"))
						c.out.Object("schema", h, func() { c.simple(h) })
					})
				}
			})
		}
		media := slices.Clone(produces)
		for e := range examples.Children() {
			if !slices.Contains(media, e.Key()) && strings.Contains(e.Key(), "/") {
				media = append(media, e.Key())
			}
		}
		if !schema.Exists() && examples.Len() == 0 {
			return
		}
		file := schema.Get("type").String() == "file"
		if len(media) == 0 {
			media = []string{"application/json"}
			if file {
				media = []string{"application/octet-stream"}
			}
		}
		c.out.Object("content", n, func() {
			for _, m := range media {
				c.out.Object(m, n, func() {
					c.schema("schema", schema)
					c.out.Copy("example", examples.Get(m))
				})
			}
		})
	})
}

// components writes what references lead to.
func (c *swagger) components() {
	section := func(name string, from tree.Node, keep func(tree.Node) bool, add func(tree.Node)) {
		any := false
		for n := range from.Children() {
			any = any || keep(n)
		}
		if !any {
			return
		}
		c.out.Object(name, from, func() {
			for n := range from.Children() {
				if keep(n) {
					add(n)
				}
			}
		})
	}
	all := func(tree.Node) bool { return true }
	section("schemas", c.in.Get("definitions"), all, func(n tree.Node) { c.schema(n.Key(), n) })
	section("parameters", c.in.Get("parameters"), func(n tree.Node) bool { return !isInput(c.resolved(n)) }, func(n tree.Node) { c.parameter(n.Key(), n) })
	section("requestBodies", c.in.Get("parameters"), func(n tree.Node) bool { return c.resolved(n).Get("in").String() == "body" },
		func(n tree.Node) { c.requestBody(n.Key(), c.resolved(n), c.consumes) })
	section("responses", c.in.Get("responses"), all, func(n tree.Node) { c.response(n.Key(), n, c.produces) })
	section("securitySchemes", c.in.Get("securityDefinitions"), all, c.securityScheme)
}

func (c *swagger) securityScheme(n tree.Node) {
	if !n.IsObject() {
		c.out.Copy(n.Key(), n)
		return
	}
	kind := n.Get("type")
	c.out.Object(n.Key(), n, func() {
		c.extensions(n, "description")
		switch kind.String() {
		case "basic":
			c.out.String("type", "http", kind)
			c.out.String("scheme", "basic", kind)
		case "oauth2":
			c.out.Copy("type", kind)
			flow := n.Get("flow")
			name := map[string]string{"accessCode": "authorizationCode", "application": "clientCredentials"}[flow.String()]
			if name == "" {
				name = flow.String()
			}
			c.out.Object("flows", flow, func() {
				c.out.Object(name, flow, func() {
					c.out.Copy("authorizationUrl", n.Get("authorizationUrl"))
					c.out.Copy("tokenUrl", n.Get("tokenUrl"))
					if scopes := n.Get("scopes"); scopes.Exists() {
						c.out.Copy("scopes", scopes)
					} else {
						c.out.Object("scopes", n, func() {})
					}
				})
			})
		default:
			c.out.Copy("type", kind)
			c.out.Copy("name", n.Get("name"))
			c.out.Copy("in", n.Get("in"))
		}
	})
}

// schema writes a schema.
func (c *swagger) schema(key string, n tree.Node) {
	if !n.IsObject() {
		c.out.Copy(key, n)
		return
	}
	c.out.Object(key, n, func() {
		for m := range n.Children() {
			c.schemaMember(m)
		}
	})
}

func (c *swagger) schemaMember(m tree.Node) {
	switch key := m.Key(); key {
	case "$ref":
		c.out.String(key, c.moved(m), m)
	case "type":
		if m.String() == "file" {
			c.out.String(key, "string", m)
			c.out.String("format", "binary", m)
			return
		}
		c.out.Copy(key, m)
	case "discriminator":
		if m.Kind() == tree.String {
			c.out.Object(key, m, func() { c.out.Copy("propertyName", m) })
			return
		}
		c.out.Copy(key, m)
	case "x-nullable":
		c.out.Copy("nullable", m)
	case "properties", "patternProperties", "definitions":
		if !m.IsObject() {
			c.out.Copy(key, m)
			return
		}
		c.out.Object(key, m, func() {
			for p := range m.Children() {
				c.schema(p.Key(), p)
			}
		})
	case "allOf", "anyOf", "oneOf", "items":
		if m.IsArray() {
			c.out.Array(key, m, func() {
				for one := range m.Children() {
					c.schema("", one)
				}
			})
			return
		}
		c.schema(key, m)
	case "additionalProperties", "not":
		c.schema(key, m)
	default:
		c.out.Copy(key, m)
	}
}

// reference writes an object that is a reference, or whatever stands there.
func (c *swagger) reference(key string, n tree.Node) {
	ref := n.Get("$ref")
	if ref.Kind() != tree.String {
		c.out.Copy(key, n)
		return
	}
	c.out.Object(key, n, func() { c.out.String("$ref", c.moved(ref), ref) })
}

// moved is where a reference leads once the document is rewritten.
func (c *swagger) moved(ref tree.Node) string {
	text := ref.String()
	for _, m := range [][2]string{
		{"#/definitions/", "#/components/schemas/"},
		{"#/parameters/", "#/components/parameters/"},
		{"#/responses/", "#/components/responses/"},
		{"#/securityDefinitions/", "#/components/securitySchemes/"},
	} {
		if rest, ok := strings.CutPrefix(text, m[0]); ok {
			return m[1] + rest
		}
	}
	return text
}
