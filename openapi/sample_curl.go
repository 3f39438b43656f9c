package openapi

import "strings"

// curl writes the call for a POSIX shell.
func (c *call) curl() []Token {
	var t tokens
	t.f("curl")
	switch c.method {
	case "GET":
	case "HEAD":
		t.p(" ").f("-I") // with -X it would wait for a body
	default:
		t.p(" ").f("-X").p(" " + c.method)
	}
	t.p(" ")
	if query := c.keyQuery(); query != "" {
		t.s(`"` + shellDouble(c.url+query))
		c.curlKey(&t)
		t.s(`"`)
	} else {
		t.p(shellWord(c.url))
	}
	if name, before := c.keyHeader(); name != "" {
		t.p(" \\\n  ").f("-H").p(" ").s(`"` + shellDouble(name+": "+before))
		c.curlKey(&t)
		t.s(`"`)
	}
	for _, h := range c.headers {
		t.p(" \\\n  ").f("-H").p(" ").s(shellSingle(h.name + ": " + h.value))
	}
	switch {
	case c.bodyType == "":
	case c.multipart():
		for _, f := range c.form {
			if f.file {
				f.value = "@" + fileName
			}
			t.p(" \\\n  ").f("-F").p(" ").s(shellSingle(f.name + "=" + f.value))
		}
	case len(c.form) > 0:
		for _, f := range c.form {
			t.p(" \\\n  ").f("--data-urlencode").p(" ").s(shellSingle(f.name + "=" + f.value))
		}
	default:
		t.p(" \\\n  ").f("-H").p(" ").s(`"Content-Type: ` + shellDouble(c.bodyType) + `"`)
		c.curlBody(&t)
	}
	return t
}

func (c *call) curlBody(t *tokens) {
	if c.body == "" {
		return
	}
	if !c.bodyJSON {
		t.p(" \\\n  ").f("--data-binary").p(" ").s(shellSingle(c.body))
		return
	}
	quote := func(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }
	t.p(" \\\n  ").f("-d").p(" '").json(c.body, "  ", nil, quote).p("'")
}

func (c *call) curlKey(t *tokens) {
	if c.fromEnv {
		t.m("$" + c.key)
		return
	}
	t.m(shellDouble(c.key))
}

// shellSingle quotes a text so that the shell leaves it alone.
func shellSingle(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// shellDouble escapes what a shell would change between double quotes.
func shellDouble(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s)
}

// shellWord quotes a text only if it must be.
func shellWord(s string) string {
	for _, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(":/._-%@+,=", r)
		if !plain {
			return shellSingle(s)
		}
	}
	return s
}
