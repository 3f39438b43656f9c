package contract

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
	"unicode/utf8"

	"portico/internal/entry/schema"
)

// Head is where a call's parameters are read.
type Head interface {
	// PathValue is a parameter of the path, decoded.
	PathValue(name string) (string, bool)
	// Query is raw.
	Query() string
	// Header is a header's values joined by commas.
	Header(name string) (string, bool)
	// Cookies are all of the Cookie headers, joined by semicolons.
	Cookies() string
}

// Strictness says how far a contract goes.
type Strictness struct {
	Unknown  bool // query parameters that are not described are wrong
	Directed bool // so is what is read-only in a request, or write-only in an answer
}

// Parameters holds a call's to the contract.
func (c *Contract) Parameters(h Head, how Strictness) []Wrong {
	var out found
	list, ok := fields(h.Query())
	if !ok {
		out.add("query", "", "", "cannot be read: it holds too many parameters, or a percent sign that is none of an encoding")
		return out
	}
	used := make([]bool, len(list))
	cookies := ""
	for i := range c.parameters {
		p := &c.parameters[i]
		var v schema.Value
		there, raw := false, ""
		switch p.In {
		case "query":
			if p.Type == "" {
				v, there = p.written(list, c.claimed, used)
				raw = emptiness(list, p.Name)
			} else {
				raw, there = first(list, p.Name, used)
			}
		case "path":
			if raw, there = h.PathValue(p.Name); !there {
				continue // the route has no such part
			}
			v = p.single(raw)
		case "header":
			if raw, there = h.Header(p.Name); there {
				v = p.single(raw)
			}
		case "cookie":
			if cookies == "" {
				cookies = h.Cookies()
			}
			if v, raw, there = p.cookie(cookies); !there {
				raw = ""
			}
		default:
			continue
		}
		switch {
		case !there:
			if p.Required {
				out.add(p.In, p.Name, "", "is missing")
			}
			continue
		case p.AllowEmpty && raw == "":
			continue
		case p.Type != "":
			if v, ok = encoded(p.Type, raw); !ok {
				out.add(p.In, p.Name, "", "is no "+p.Type)
				continue
			}
		}
		out.check(p.In, p.Name, p.schema, v, schema.Options{Direction: schema.Request, Strict: how.Directed})
	}
	if how.Unknown {
		for i, f := range list {
			if !used[i] {
				out.add("query", f.name, "", "is not known")
			}
		}
	}
	return out
}

// claimed reports whether a parameter of the query has the name.
func (c *Contract) claimed(name string) bool {
	return slices.ContainsFunc(c.parameters, func(p parameter) bool {
		return p.In == "query" && (p.Name == name || slices.Contains(p.names, name))
	})
}

// emptiness is the first value of a name, to tell whether it is empty.
func emptiness(list []field, name string) string {
	for _, f := range list {
		if f.name == name {
			return f.value
		}
	}
	return " "
}

func first(list []field, name string, used []bool) (value string, there bool) {
	for i, f := range list {
		if f.name == name {
			if used[i] = true; !there {
				value, there = f.value, true
			}
		}
	}
	return value, there
}

// encoded reads a parameter that has a media type.
func encoded(mediaType, text string) (schema.Value, bool) {
	if !isJSON(baseType(mediaType)) {
		return text, true
	}
	v, err := schema.Parse([]byte(text), schema.DefaultLimits())
	return v, err == nil
}

func (p *parameter) cookie(all string) (v schema.Value, raw string, there bool) {
	var list []field
	for pair := range strings.SplitSeq(all, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if name != "" && len(list) < maxFields {
			value = strings.Trim(value, `"`)
			list = append(list, field{name, value, value})
		}
	}
	raw, there = first(list, p.Name, make([]bool, len(list)))
	if p.Type != "" {
		return nil, raw, there
	}
	v, there = p.written(list, func(string) bool { return true }, make([]bool, len(list)))
	return v, raw, there
}

// HasBody reports whether the contract describes a request's body.
func (c *Contract) HasBody() bool { return len(c.body) > 0 || c.bodyRequired }

// Body holds a request's to the contract. known is false where its media type is
// none of those that are described.
func (c *Contract) Body(contentType string, data []byte, how Strictness) (wrong []Wrong, known bool) {
	var out found
	switch {
	case len(data) == 0:
		if c.bodyRequired {
			out.add("body", "", "", "is missing")
		}
		return out, true
	case len(c.body) == 0:
		return nil, true
	}
	described := pick(c.body, contentType)
	if described == nil {
		return []Wrong{{In: "header", Parameter: "Content-Type", Reason: "is none of " + mediaTypes(c.body)}}, false
	}
	described.check(&out, contentType, data, schema.Options{Direction: schema.Request, Strict: how.Directed})
	return out, true
}

// ChecksBody reports whether a body of the media type is looked at, so that it has
// to be whole.
func (c *Contract) ChecksBody(contentType string) bool {
	described := pick(c.body, contentType)
	return described == nil && len(c.body) > 0 || described.looks(contentType)
}

func (c *content) looks(contentType string) bool {
	if c == nil || c.schema == nil {
		return false
	}
	t := baseType(contentType)
	return isJSON(t) || t == "application/x-www-form-urlencoded" || t == "multipart/form-data" || strings.HasPrefix(t, "text/") && t != "text/event-stream"
}

func mediaTypes(list []content) string {
	var out []string
	for i := range list {
		if len(out) == 8 {
			out = append(out, "…")
			break
		}
		out = append(out, list[i].mediaType)
	}
	return strings.Join(out, ", ")
}

func (c *content) check(out *found, contentType string, data []byte, o schema.Options) {
	if !c.looks(contentType) {
		return
	}
	var v schema.Value
	var err error
	switch t := baseType(contentType); {
	case isJSON(t):
		v, err = schema.Parse(data, schema.DefaultLimits())
	case t == "application/x-www-form-urlencoded":
		v, err = c.form(data)
	case t == "multipart/form-data":
		v, err = c.multipart(contentType, data)
	default:
		v = string(data)
	}
	if err != nil {
		out.add("body", "", "", err.Error())
		return
	}
	out.check("body", "", c.schema, v, o)
}

// form reads a form's fields as an object's properties.
func (c *content) form(data []byte) (schema.Value, error) {
	list, ok := fields(string(data))
	if !ok {
		return nil, errors.New("is no form, or one of too many fields")
	}
	o := &schema.Object{}
	used := make([]bool, len(list))
	for i := range c.fields {
		f := c.fields[i]
		if f.schema = c.schema.Property(f.Name); f.schema != nil {
			f.shape = shapeOf(f.schema)
		}
		v, there := schema.Value(nil), false
		if f.Type != "" {
			var text string
			if text, there = first(list, f.Name, used); there {
				if v, ok = encoded(f.Type, text); !ok {
					v = text
				}
			}
		} else {
			v, there = f.written(list, func(string) bool { return true }, used)
		}
		if there {
			o.Add(f.Name, v)
		}
	}
	for i, f := range list {
		if !used[i] {
			c.put(o, f.name, f.value)
		}
	}
	return o, nil
}

// maxParts bounds a multipart body.
const maxParts = 1_000

func (c *content) multipart(contentType string, data []byte) (schema.Value, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, errors.New("names no boundary in its Content-Type")
	}
	o := &schema.Object{}
	reader := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	for n := 0; ; n++ {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil || n == maxParts {
			return nil, errors.New("is no form of parts, or one of too many")
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, errors.New("breaks off within a part")
		}
		name := part.FormName()
		switch t := baseType(part.Header.Get("Content-Type")); {
		case name == "":
			return nil, errors.New("has a part without a name")
		case isJSON(t):
			v, err := schema.Parse(text, schema.DefaultLimits())
			if err != nil {
				return nil, err
			}
			c.append(o, name, v)
		case part.FileName() != "" || !utf8.Valid(text):
			c.append(o, name, "") // a file is not looked into
		default:
			c.put(o, name, string(text))
		}
	}
}

// append adds a member; one that comes again makes a list, and so does one that
// should be one.
func (c *content) append(o *schema.Object, name string, v schema.Value) {
	before, there := o.Get(name)
	if !there {
		if _, isList := v.([]schema.Value); !isList && shapeOf(c.schema.Property(name)).list {
			v = []schema.Value{v}
		}
		o.Add(name, v)
		return
	}
	list, ok := before.([]schema.Value)
	if !ok {
		list = []schema.Value{before}
	}
	for i := range o.Members {
		if o.Members[i].Name == name {
			o.Members[i].Value = append(list, v)
		}
	}
}
