package openapi

import (
	"net/url"
	"slices"
	"strings"

	"portico/openapi/tree"
)

// call is a request that satisfies an operation, before a language is chosen.
type call struct {
	method  string
	url     string // with the query, without the key
	headers []pair // without the credential
	auth    SampleAuth
	key     string
	fromEnv bool // key is the name of an environment variable

	bodyType string // media type; "" is no body
	body     string // JSON laid out, or text
	bodyJSON bool
	form     []pair // of a form body
}

type pair struct {
	name, value string
	file        bool // of a multipart form: the contents of a file
}

// fileName is what samples upload where a form wants a file.
const fileName = "file.bin"

const defaultKey = "$PORTICO_KEY"

func newCall(ref Reference, target SampleTarget) *call {
	c := &call{method: ref.Method, auth: target.Auth, key: target.Key}
	if c.key == "" {
		c.key = defaultKey
	}
	c.key, c.fromEnv = strings.CutPrefix(c.key, "$")
	if c.auth.In == "header" && c.auth.Name == "" {
		c.auth.Name = "X-API-Key"
	}
	if c.auth.In == "query" && c.auth.Name == "" {
		c.auth.Name = "api_key"
	}
	path, query := ref.Path, []string{}
	says := slices.Concat(target.Says, ref.Predicates)
	for _, p := range says {
		if p.In == "header" {
			c.headers = append(c.headers, pair{name: p.Name, value: p.Value})
		} else if p.Value == "" {
			query = append(query, url.QueryEscape(p.Name))
		} else {
			query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.Value))
		}
	}
	for _, g := range ref.Parameters {
		for _, p := range g.Parameters {
			value := sampleValue(p)
			switch {
			case g.In == "path":
				path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
				path = strings.ReplaceAll(path, "{"+p.Name+"...}", url.PathEscape(value))
			case !p.Required || c.has(p.Name) || predicated(says, p.Name):
			case g.In == "query":
				query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(value))
			case g.In == "header" && !managed(p.Name):
				c.headers = append(c.headers, pair{name: p.Name, value: oneLine(value)})
			case g.In == "cookie":
				c.headers = append(c.headers, pair{name: "Cookie", value: oneLine(p.Name + "=" + value)})
			}
		}
	}
	c.url = strings.TrimRight(target.BaseURL, "/") + fillRest(path)
	if len(query) > 0 {
		c.url += "?" + strings.Join(query, "&")
	}
	c.setBody(ref.Body)
	return c
}

// has reports whether a parameter is the credential's own.
func (c *call) has(name string) bool {
	return c.auth.Name != "" && strings.EqualFold(name, c.auth.Name)
}

func predicated(list []Predicate, name string) bool {
	return slices.ContainsFunc(list, func(p Predicate) bool { return strings.EqualFold(p.Name, name) })
}

// managed are the headers that OpenAPI says to describe elsewhere.
func managed(name string) bool {
	return slices.Contains([]string{"accept", "authorization", "content-type", "content-length", "host"}, strings.ToLower(name))
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// fillRest names what parameters the document forgot to describe.
func fillRest(path string) string {
	return strings.NewReplacer("{", "", "...}", "", "}", "").Replace(path)
}

// sampleValue is a value for a parameter.
func sampleValue(p Property) string {
	for _, v := range append([]string{p.Example, p.Default}, p.Enum...) {
		if v != "" && v != "null" && !strings.HasPrefix(v, "[") && !strings.HasPrefix(v, "{") && !strings.HasSuffix(v, "…") {
			return v
		}
	}
	switch kind := strings.TrimPrefix(p.Type, "array of "); kind {
	case "integer", "number":
		return "1"
	case "boolean":
		return "true"
	default:
		if v := formatSample(kind); v != "" {
			return v
		}
	}
	return p.Name
}

func (c *call) setBody(body *Body) {
	if body == nil || len(body.Media) == 0 {
		return
	}
	media := body.Media[0]
	for _, like := range []func(string) bool{isForm, isJSON} { // JSON wins
		for _, m := range body.Media {
			if like(m.Type) {
				media = m
				break
			}
		}
	}
	if c.bodyType = media.Type; strings.Contains(c.bodyType, "*") {
		c.bodyType = "application/json"
	}
	if media.Example == nil {
		c.body, c.bodyJSON = "", false
		if isJSON(c.bodyType) {
			c.body, c.bodyJSON = "{}", true
		}
		return
	}
	c.body = media.Example.Text
	t, err := tree.ParseJSON([]byte(c.body), tree.Limits{MaxBytes: MaxReferenceBytes, MaxDepth: 1000, MaxValues: MaxReferenceBytes})
	c.bodyJSON = err == nil && isJSON(c.bodyType)
	if c.bodyJSON {
		c.body = string(t.Root().AppendJSON(nil, "  "))
	}
	if err == nil && isForm(c.bodyType) {
		for m := range t.Root().Children() {
			c.form = append(c.form, pair{name: m.Key(), value: formValue(m), file: c.multipart() && isFile(media.Schema, m.Key())})
		}
	}
}

func isFile(schema *Property, name string) bool {
	return schema != nil && slices.ContainsFunc(schema.Properties, func(p Property) bool {
		return p.Name == name && (p.Type == "binary" || p.Type == "array of binary")
	})
}

func formValue(n tree.Node) string {
	if n.Kind() == tree.String {
		return n.Text()
	}
	return string(n.AppendJSON(nil, ""))
}

func (c *call) multipart() bool { return strings.HasPrefix(c.bodyType, "multipart/") }

// formText is the body of a URL-encoded form.
func (c *call) formText() string {
	var parts []string
	for _, f := range c.form {
		parts = append(parts, url.QueryEscape(f.name)+"="+url.QueryEscape(f.value))
	}
	return strings.Join(parts, "&")
}

// keyQuery is what leads to the key in the URL, or "".
func (c *call) keyQuery() string {
	if c.auth.In != "query" {
		return ""
	}
	if strings.Contains(c.url, "?") {
		return "&" + url.QueryEscape(c.auth.Name) + "="
	}
	return "?" + url.QueryEscape(c.auth.Name) + "="
}

// keyHeader is the name of the header with the key and what stands before the
// key in it; "" for none.
func (c *call) keyHeader() (name, before string) {
	switch c.auth.In {
	case "bearer":
		return "Authorization", "Bearer "
	case "header":
		return c.auth.Name, ""
	}
	return "", ""
}
