package openapi

import "net/url"

// Credential is what a call shows beside API keys, which [Samples] knows.
type Credential struct {
	// Kind is "basic", "message" or "simple" for a signature, "token" or
	// "certificate".
	Kind string
	ID   string // user name, or the key id of a signature
	// Secret is the password or signing secret as the sample shows it; "" is the
	// environment variable PORTICO_SECRET.
	Secret string
	In     string // of a token: "bearer", "header" or "cookie"
	Name   string // of a token's header or cookie
}

// emptyBody is the SHA-256 of no body.
const emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// SampleWith is a call of an operation in curl that shows a credential which is no
// API key; ok is false where a signed call would have a body, whose digest no line
// of a shell makes well.
func SampleWith(ref Reference, target SampleTarget, with Credential) (sample CodeSample, ok bool) {
	target.Auth, target.Key = SampleAuth{}, with.Secret
	if target.Key == "" {
		target.Key = "$PORTICO_SECRET"
	}
	c := newCall(ref, target)
	if (with.Kind == "message" || with.Kind == "simple") && c.bodyType != "" {
		return CodeSample{}, false
	}
	var t tokens
	switch with.Kind {
	case "message":
		c.message(&t, with.ID)
	case "simple":
		c.simple(&t)
	}
	for _, token := range c.curl() {
		t.add(token.Class, token.Text)
	}
	next := func(flag string) *tokens { return t.p(" \\\n  ").f(flag).p(" ") }
	switch with.Kind {
	case "basic":
		next("-u").s(`"` + shellDouble(with.ID+":"))
		c.curlKey(&t)
		t.s(`"`)
	case "certificate":
		next("--cert").p("client.pem ").f("--key").p(" client-key.pem")
	case "token":
		switch with.In {
		case "cookie":
			next("-b").s(`"` + shellDouble(with.Name+"="))
		case "header":
			next("-H").s(`"` + shellDouble(with.Name+": "))
		default:
			next("-H").s(`"Authorization: Bearer `)
		}
		t.m("$TOKEN").s(`"`)
	case "message":
		next("-H").s(`"Signature-Input: sig=$signed"`)
		next("-H").s(`"Signature: sig=:$signature:"`)
	case "simple":
		next("-H").s(`"X-Key-Id: ` + shellDouble(with.ID) + `"`)
		next("-H").s(`"X-Timestamp: $stamp"`)
		next("-H").s(`"X-Signature: $signature"`)
	}
	return CodeSample{"curl", "curl", t}, true
}

// message signs by HTTP message signatures (RFC 9421).
func (c *call) message(t *tokens, id string) {
	path, query := c.target()
	covered, lines, values := `\"@method\" \"@path\"`, `"@method": %s\n"@path": %s\n`, c.method+" "+shellWord(path)
	if query != "" {
		covered, lines, values = covered+` \"@query\"`, lines+`"@query": %s\n`, values+" "+shellSingle(query)
	}
	t.p("signed=").s(`"(` + covered + `);created=$(date +%s);keyid=\"` + shellDouble(id) + `\""`).p("\n")
	t.p("signature=$(").f("printf").p(" ").s(shellSingle(lines + `"@signature-params": %s`)).p(" " + values + " ").s(`"$signed"`)
	c.hmac(t, "-binary")
	t.p(" | ").f("base64").p(" | ").f("tr").p(" -d '\\n')\n")
}

// simple signs by headers of the gateway's own.
func (c *call) simple(t *tokens) {
	path, query := c.target()
	t.p("stamp=$(").f("date").p(" +%s)\n")
	t.p("signature=$(").f("printf").p(" ").s(shellSingle(`%s\n%s\n%s\n` + emptyBody)).p(" ").s(`"$stamp"`).p(" " + c.method + " " + shellWord(path+query))
	c.hmac(t, "-hex")
	t.p(" | ").f("sed").p(" 's/.* //')\n")
}

func (c *call) hmac(t *tokens, form string) {
	t.p(" |\n  ").f("openssl").p(" dgst -sha256 -hmac ").s(`"`)
	c.curlKey(t)
	t.s(`"`).p(" " + form)
}

// target is what a signature covers of the address: its path, and its query with
// the question mark, "" for none.
func (c *call) target() (path, query string) {
	u, err := url.Parse(c.url)
	if err != nil {
		return "/", ""
	}
	path = u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	return path, query
}
