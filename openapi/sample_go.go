package openapi

import (
	"strconv"
	"strings"
)

// golang writes the call as a whole program, with the standard library.
func (c *call) golang() []Token {
	var t tokens
	body, multi := c.goBody(), c.multipart() && len(c.form) > 0
	c.goImports(&t, body != "", multi)
	t.k("func").p(" ").f("main").p("() {\n")
	reader := "nil"
	switch {
	case multi:
		reader = "&body"
		c.goForm(&t)
	case body != "":
		reader = "body"
		t.p("\tbody := strings.").f("NewReader").p("(").s(body).p(")\n")
	}
	t.p("\treq, err := http.").f("NewRequest").p("(").s(strconv.Quote(c.method)).p(", ")
	if query := c.keyQuery(); query != "" {
		c.goKey(&t, c.url+query)
	} else {
		t.s(strconv.Quote(c.url))
	}
	t.p(", ")
	if reader == "nil" {
		t.k("nil")
	} else {
		t.p(reader)
	}
	t.p(")\n")
	goCheck(&t)
	c.goHeaders(&t, multi)
	t.p("\tres, err := http.DefaultClient.").f("Do").p("(req)\n")
	goCheck(&t)
	t.k("\tdefer").p(" res.Body.").f("Close").p("()\n\tanswer, err := io.").f("ReadAll").p("(res.Body)\n")
	goCheck(&t)
	t.p("\tfmt.").f("Println").p("(res.Status, ").f("string").p("(answer))\n}\n")
	return t
}

func (c *call) goImports(t *tokens, body, multi bool) {
	fromEnv := c.fromEnv && c.auth.In != ""
	t.k("package").p(" main\n\n").k("import").p(" (\n")
	for _, p := range []struct {
		path string
		used bool
	}{
		{"bytes", multi},
		{"fmt", true},
		{"io", true},
		{"log", true},
		{"mime/multipart", multi},
		{"net/http", true},
		{"os", fromEnv},
		{"strings", body && !multi},
	} {
		if p.used {
			t.p("\t").s(strconv.Quote(p.path)).p("\n")
		}
	}
	t.p(")\n\n")
}

// goForm writes a multipart body.
func (c *call) goForm(t *tokens) {
	t.k("\tvar").p(" body bytes.Buffer\n\tform := multipart.").f("NewWriter").p("(&body)\n")
	for _, f := range c.form {
		if f.file {
			t.k("\tif").p(" part, err := form.").f("CreateFormFile").p("(").s(strconv.Quote(f.name)).p(", ").s(strconv.Quote(fileName)).p("); err == ").k("nil").p(" {\n")
			t.p("\t\tio.").f("WriteString").p("(part, ").s(`"contents"`).p(")\n\t}\n")
			continue
		}
		t.p("\tform.").f("WriteField").p("(").s(strconv.Quote(f.name)).p(", ").s(strconv.Quote(f.value)).p(")\n")
	}
	t.p("\tform.").f("Close").p("()\n")
}

func (c *call) goHeaders(t *tokens, multi bool) {
	set := func(name string) *tokens {
		return t.p("\treq.Header.").f("Set").p("(").s(strconv.Quote(name)).p(", ")
	}
	if name, before := c.keyHeader(); name != "" {
		set(name)
		c.goKey(t, before)
		t.p(")\n")
	}
	for _, h := range c.headers {
		set(h.name).s(strconv.Quote(h.value)).p(")\n")
	}
	switch {
	case multi:
		set("Content-Type").p("form.").f("FormDataContentType").p("())\n")
	case c.bodyType != "":
		set("Content-Type").s(strconv.Quote(c.bodyType)).p(")\n")
	}
}

func goCheck(t *tokens) {
	t.k("\tif").p(" err != ").k("nil").p(" {\n\t\tlog.").f("Fatal").p("(err)\n\t}\n")
}

// goBody is the body as a Go string, or "".
func (c *call) goBody() string {
	text := c.body
	if len(c.form) > 0 {
		text = c.formText()
	}
	switch {
	case text == "":
		return ""
	case c.bodyJSON && !strings.Contains(text, "`"):
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// goKey writes a string that ends with the key.
func (c *call) goKey(t *tokens, before string) {
	if !c.fromEnv {
		q, k := strconv.Quote(before), strconv.Quote(c.key)
		t.s(q[:len(q)-1]).m(k[1 : len(k)-1]).s(`"`)
		return
	}
	if before != "" {
		t.s(strconv.Quote(before)).p("+")
	}
	t.p("os.").f("Getenv").p("(").m(strconv.Quote(c.key)).p(")")
}
