package openapi

import (
	"strings"

	"portico/openapi/tree"
)

// javaScript writes the call with fetch, for browsers' developers and Node.
func (c *call) javaScript() []Token {
	var t tokens
	if c.multipart() {
		t.k("const").p(" form = ").k("new").p(" ").f("FormData").p("();\n")
		for _, f := range c.form {
			t.p("form.").f("append").p("(").s(quoted(f.name)).p(", ")
			if f.file {
				t.k("new").p(" ").f("Blob").p("([").s(`"contents"`).p("]), ").s(quoted(fileName)).p(");\n")
				continue
			}
			t.s(quoted(f.value)).p(");\n")
		}
	}
	t.k("const").p(" res = ").k("await").p(" ").f("fetch").p("(")
	if query := c.keyQuery(); query != "" {
		c.javaScriptKey(&t, c.url+query)
	} else {
		t.s(quoted(c.url))
	}
	t.p(", {\n  method: ").s(quoted(c.method)).p(",\n")
	c.javaScriptHeaders(&t)
	switch {
	case c.multipart():
		t.p("  body: form,\n")
	case len(c.form) > 0:
		t.p("  body: ").k("new").p(" ").f("URLSearchParams").p("({\n")
		for _, f := range c.form {
			t.p("    ").s(quoted(f.name)).p(": ").s(quoted(f.value)).p(",\n")
		}
		t.p("  }),\n")
	case c.bodyJSON:
		t.p("  body: JSON.").f("stringify").p("(").json(c.body, "  ", nil, same).p("),\n")
	case c.body != "":
		t.p("  body: ").s(quoted(c.body)).p(",\n")
	}
	t.p("});\n").k("const").p(" answer = ").k("await").p(" res.").f("text").p("();\n")
	return t
}

func (c *call) javaScriptHeaders(t *tokens) {
	name, before := c.keyHeader()
	typed := c.bodyType != "" && !c.multipart() && len(c.form) == 0
	if name == "" && len(c.headers) == 0 && !typed {
		return
	}
	t.p("  headers: {\n")
	if name != "" {
		t.p("    ").s(quoted(name)).p(": ")
		c.javaScriptKey(t, before)
		t.p(",\n")
	}
	for _, h := range c.headers {
		t.p("    ").s(quoted(h.name)).p(": ").s(quoted(h.value)).p(",\n")
	}
	if typed {
		t.p("    ").s(`"Content-Type"`).p(": ").s(quoted(c.bodyType)).p(",\n")
	}
	t.p("  },\n")
}

// javaScriptKey writes a string that ends with the key.
func (c *call) javaScriptKey(t *tokens, before string) {
	if !c.fromEnv {
		q := quoted(before)
		k := quoted(c.key)
		t.s(q[:len(q)-1]).m(k[1 : len(k)-1]).s(`"`)
		return
	}
	escaped := strings.NewReplacer(`\`, `\\`, "`", "\\`", "${", "\\${").Replace(before)
	t.s("`" + escaped).m("${process.env." + c.key + "}").s("`")
}

// quoted is a text in double quotes as JSON, JavaScript, Python and Go read it.
func quoted(s string) string { return string(tree.AppendString(nil, s)) }
