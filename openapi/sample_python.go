package openapi

// python writes the call with httpx.
func (c *call) python() []Token {
	var t tokens
	name, before := c.keyHeader()
	query := c.keyQuery()
	if c.fromEnv && (name != "" || query != "") {
		t.k("import").p(" os\n\n")
	}
	t.k("import").p(" httpx\n\nanswer = httpx.").f("request").p("(\n    ").s(quoted(c.method)).p(",\n    ")
	if query != "" {
		c.pythonKey(&t, c.url+query)
	} else {
		t.s(quoted(c.url))
	}
	t.p(",\n")
	typed := c.bodyType != "" && !c.bodyJSON && len(c.form) == 0
	if name != "" || len(c.headers) > 0 || typed {
		t.p("    headers={\n")
		if name != "" {
			t.p("        ").s(quoted(name)).p(": ")
			c.pythonKey(&t, before)
			t.p(",\n")
		}
		for _, h := range c.headers {
			t.p("        ").s(quoted(h.name)).p(": ").s(quoted(h.value)).p(",\n")
		}
		if typed {
			t.p("        ").s(`"Content-Type"`).p(": ").s(quoted(c.bodyType)).p(",\n")
		}
		t.p("    },\n")
	}
	c.pythonBody(&t)
	t.p(")\n").f("print").p("(answer.status_code, answer.text)\n")
	return t
}

func (c *call) pythonBody(t *tokens) {
	switch {
	case len(c.form) > 0:
		word := "data"
		if c.multipart() {
			word = "files"
		}
		t.p("    " + word + "={\n")
		for _, f := range c.form {
			t.p("        ").s(quoted(f.name)).p(": ")
			switch {
			case f.file:
				t.f("open").p("(").s(quoted(fileName)).p(", ").s(`"rb"`).p(")")
			case c.multipart():
				t.p("(").k("None").p(", ").s(quoted(f.value)).p(")")
			default:
				t.s(quoted(f.value))
			}
			t.p(",\n")
		}
		t.p("    },\n")
	case c.bodyJSON:
		t.p("    json=").json(c.body, "    ", map[string]string{"true": "True", "false": "False", "null": "None"}, same).p(",\n")
	case c.body != "":
		t.p("    content=").s(quoted(c.body)).p(",\n")
	}
}

// pythonKey writes a string that ends with the key.
func (c *call) pythonKey(t *tokens, before string) {
	if !c.fromEnv {
		q, k := quoted(before), quoted(c.key)
		t.s(q[:len(q)-1]).m(k[1 : len(k)-1]).s(`"`)
		return
	}
	if before != "" {
		t.s(quoted(before)).p(" + ")
	}
	t.p("os.environ[").m(quoted(c.key)).p("]")
}
