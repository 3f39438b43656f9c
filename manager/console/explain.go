package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/ui"
)

// explainPage tries calls and shows their way through the gateway.
type explainPage struct {
	shell
	Environment apim.Environment
	Form        form
	Action      string
	Versions    []choice
	Elsewhere   []link // the environments in which the version that is asked for is live, when it is not here
	None        string // where to go when nothing can be called; "" when something can
	MayTry      bool
	Folded      bool // the form stands back behind the calls
	Token       tokenView
	Calls       callsView
	Open        *wayView
	Gone        bool       // the call that the address names is not kept any more
	Tried       *triedView // where no node has explained the call
}

// tokenView is a command line with a token in it, shown this once.
type tokenView struct {
	Tokens []ui.Token
	Until  string
}

// triedView is the answer to a call that was made from the page.
type triedView struct {
	Status  int
	Took    string
	Headers []ui.Pair
	Body    []ui.Token
	Note    string
}

func (h *Console) explain(v *visit) error {
	v.lookIn(v.query("in"))
	f := filled("version", v.query("version"), "method", "GET", "path", v.query("path"), "headers", v.query("headers"))
	if m := v.query("method"); m != "" {
		f.values.Set("method", m)
	}
	return h.explainPage(v, http.StatusOK, f, tokenView{}, nil, v.query("call"))
}

func (h *Console) explainPage(v *visit, status int, f form, token tokenView, tried *manager.Tried, call string) error {
	all, err := h.Catalog.Explanations(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, "")
	if err != nil {
		return err
	}
	if tried != nil && tried.Explained != nil {
		call = tried.Explained.ID
	}
	filter := v.callFilter(all, f.value("version"))
	calls := v.callsOf(all, filter, call)
	if callsAlone(v.c.Request) { // each second, of every page that is open
		return v.fragment(callsTable(calls, v.environment.Name))
	}
	p := explainPage{
		shell: v.shell("Explain", link{"Explain", ""}), Environment: v.environment, Form: f, Action: with(v.links.explain(), "in", v.query("in")), Token: token,
		MayTry: v.can(apim.Write, apim.ObjectAPI), Calls: calls,
	}
	p.Folded = v.c.Request.Method == http.MethodGet && (call != "" || filter.set() || len(all) > 0 && v.query("version")+v.query("path") == "")
	open := slices.IndexFunc(all, func(x manager.Explained) bool { return x.ID == call })
	switch {
	case open >= 0:
		way, err := h.wayOf(v, all[open])
		if err != nil {
			return err
		}
		if tried != nil {
			way.Tried = triedOf(*tried)
		}
		p.Calls.around(&way)
		h.further(v, &way, all[open], all, filter)
		if p.MayTry && !all[open].Hidden {
			way.Post = p.Action
			way.repeat(v, all[open], tried != nil, f)
		}
		p.Open = &way
	case tried != nil:
		p.Tried = triedOf(*tried)
	default:
		p.Gone = call != ""
	}
	if err := h.choose(v, &p); err != nil {
		return err
	}
	return v.render(status, explainView(p))
}

// further adds the ways on from a call: a link for somebody else, and calls like
// it.
func (h *Console) further(v *visit, w *wayView, x manager.Explained, all []manager.Explained, f callFilter) {
	w.Link = strings.TrimSuffix(h.ConsoleURL, "/") + with(v.links.explain(), "call", x.ID, "in", x.Environment)
	for _, o := range all {
		if o.ID == x.ID || !alike(o, x) {
			continue
		}
		row := wayRowOf(o)
		row.Href = with(f.address(""), "call", o.ID)
		w.Alike = append(w.Alike, row)
	}
	if len(w.Alike) > 0 {
		f.like = x.ID
		w.AlikeHref = f.address("")
	}
}

// alike reports whether two calls went the same way, to the same status.
func alike(a, b manager.Explained) bool {
	return !a.Hidden && !b.Hidden && a.Status == b.Status && a.Method == b.Method && a.VersionUUID == b.VersionUUID && a.Operation == b.Operation &&
		(a.Operation != "" || a.Path == b.Path)
}

func likeText(x manager.Explained) string {
	of := x.Operation
	if of == "" {
		of = x.Path
	}
	return x.Method + " " + of + " answered " + strconv.Itoa(x.Status)
}

// repeat says how a call is made again. The values of its headers and of its
// query are not kept: where it had some that matter, a person fills them in. One
// that was made here a moment ago stands in the form, whole.
func (w *wayView) repeat(v *visit, x manager.Explained, mine bool, f form) {
	version, path := f.value("version"), pathAgain(x)
	if api, label := versionNames(x.API); api != "" {
		version = api + "/" + label
	}
	safe := x.Method == http.MethodGet || x.Method == http.MethodHead || x.Method == http.MethodOptions
	pairs := func(path, headers string) []ui.Pair {
		return []ui.Pair{{Key: "do", Value: "call"}, {Key: "version", Value: version}, {Key: "method", Value: x.Method}, {Key: "path", Value: path}, {Key: "headers", Value: headers}}
	}
	var names []string
	for _, name := range x.Headers {
		if !ordinary(name) {
			names = append(names, name+": ")
		}
	}
	switch {
	case safe && mine && f.value("body") == "":
		version = f.value("version")
		w.Replay = pairs(f.text("path"), f.value("headers"))
	case path == "":
	case safe && len(names) == 0 && len(x.Query) == 0:
		w.Replay = pairs(path, "")
	default:
		if len(x.Query) > 0 {
			path += "?" + strings.Join(x.Query, "=&") + "="
		}
		w.Again = with(v.links.explain(), "version", version, "method", x.Method, "path", path, "headers", strings.Join(names, "\n"), "in", v.query("in"))
	}
	for i, e := range w.Elsewhere {
		switch {
		case len(w.Replay) > 0:
			w.Elsewhere[i].Post = with(v.links.explain(), "in", e.Environment)
		case w.Again != "":
			w.Elsewhere[i].Href = with(w.Again, "in", e.Environment)
		}
	}
}

// pathAgain is the path of a call as it is written to call it again; "" where not
// all of it is told.
func pathAgain(x manager.Explained) string {
	switch {
	case strings.HasSuffix(x.Path, untold), strings.ContainsRune(x.Path, utf8.RuneError):
		return ""
	case len(x.Steps) == 0: // the head was refused: it is told as it came
		return x.Path
	}
	return (&url.URL{Path: x.Path}).EscapedPath()
}

// versionNames are the slug and the label in "demo/orders v1", as nodes name what
// was called; "" for nothing.
func versionNames(name string) (api, label string) {
	of, label, ok := strings.Cut(name, " ")
	if !ok {
		return "", ""
	}
	_, api, _ = strings.Cut(of, "/")
	return api, label
}

// ordinary reports whether a header is one that every client sends by itself.
func ordinary(name string) bool {
	switch strings.ToLower(name) {
	case "host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-length", "traceparent", "tracestate", strings.ToLower(entry.ExplainHeader):
		return true
	}
	return false
}

// callable lists the versions that are live in the environment.
func (h *Console) callable(v *visit) ([]choice, error) {
	apis, err := h.Catalog.APIs(v.ctx(), v.actor, v.tenant.ID, manager.APIQuery{Page: apim.Page{Limit: 200}})
	if err != nil {
		return nil, err
	}
	var out []choice
	for _, a := range apis.Items {
		for _, s := range a.Versions {
			if slices.ContainsFunc(s.Live, func(d apim.Deployment) bool { return d.Environment == v.environment.Slug }) {
				out = append(out, choice{a.API.Slug + "/" + s.Label, a.API.Name + " " + s.Label})
			}
		}
	}
	return out, nil
}

// choose fills in what can be called. The version that is asked for is always among
// it, and chosen: no other is called in its place.
func (h *Console) choose(v *visit, p *explainPage) (err error) {
	if p.Versions, err = h.callable(v); err != nil {
		return err
	}
	asked := p.Form.value("version")
	if asked == "" && len(p.Versions) == 0 {
		p.None = v.links.apis()
		return nil
	}
	if asked == "" {
		asked = p.Versions[0].value
		p.Form.values.Set("version", asked)
	}
	listed := slices.ContainsFunc(p.Versions, func(c choice) bool { return c.value == asked })
	if listed && p.Form.value("path") != "" {
		return nil
	}
	api, label, _ := strings.Cut(asked, "/")
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	name := d.API.Name + " " + label
	switch kind := apim.KindOf(err); {
	case kind == apim.NotFound || kind == apim.Forbidden:
		name = asked
		p.Form.fail("version", "there is no version "+asked)
	case err != nil:
		return err
	case !listed:
		p.elsewhere(v, d, asked, name)
	}
	if !listed {
		p.Versions = append(p.Versions, choice{asked, name})
	}
	if p.Form.value("path") == "" {
		p.Form.values.Set("path", firstPath(d.Version.Runtime))
	}
	return nil
}

// elsewhere says where a version is live that was not listed, unless it is live here.
func (p *explainPage) elsewhere(v *visit, d manager.VersionDetail, version, name string) {
	var out []link
	for _, e := range v.environments {
		switch {
		case !slices.ContainsFunc(d.Deployments, func(dep apim.Deployment) bool { return dep.Environment == e.Slug }):
		case e.Slug == v.environment.Slug:
			return
		default:
			out = append(out, link{e.Name, with(v.links.explain(), "version", version, "method", v.query("method"), "path", v.query("path"), "headers", v.query("headers"), "in", e.Slug)})
		}
	}
	text := name + " is not live in " + v.environment.Name
	if len(out) == 0 {
		text += ", nor anywhere else"
	}
	p.Elsewhere = out
	p.Form.fail("version", text)
}

// firstPath is something to begin with: the path of the version's first
// operation that can be called as it stands, else its mount.
func firstPath(rt apim.Runtime) string {
	if len(rt.Mounts) == 0 {
		return ""
	}
	base := rt.Mounts[0].BasePath
	for _, r := range rt.Routes {
		if !r.Off && r.Method == http.MethodGet && !strings.Contains(r.Path, "{") && len(r.Predicates) == 0 {
			return base + r.Path
		}
	}
	return base + "/"
}

// tryCall makes the call that was typed, or a token for one's own machine.
func (h *Console) tryCall(v *visit) error {
	v.lookIn(v.query("in"))
	f, err := v.form()
	if err != nil {
		return err
	}
	api, label, _ := strings.Cut(f.value("version"), "/")
	if f.value("do") == "token" {
		token, err := h.mint(v, f, api)
		if err != nil && !f.refuse(err, []string{"version"}, map[string]string{"api": "version"}) {
			return err
		}
		status := http.StatusOK
		if f.failed() {
			status = v.status(f)
		}
		v.c.Header("Cache-Control", "no-store")
		return h.explainPage(v, status, f, token, nil, "")
	}
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	if err != nil {
		return err
	}
	in := manager.TryInput{
		Environment: v.environment.Slug, Version: d.Version.ID, Method: f.value("method"), Path: f.text("path"),
		Headers: headersOf(&f), Body: f.value("body"),
	}
	var tried *manager.Tried
	if !f.failed() {
		got, err := h.Catalog.TryCall(v.ctx(), v.actor, v.tenant.ID, in)
		if err != nil && !f.refuse(err, []string{"version", "method", "path", "headers", "body"}, nil) {
			return err
		}
		if err == nil {
			tried = &got
		}
	}
	status := http.StatusOK
	if f.failed() {
		status = v.status(f)
	}
	v.c.Header("Cache-Control", "no-store") // headers that were typed stand in the form again
	return h.explainPage(v, status, f, tokenView{}, tried, "")
}

// headersOf reads "Name: value" lines.
func headersOf(f *form) (out []manager.TryHeader) {
	for line := range strings.Lines(f.value("headers")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			f.fail("headers", "write Name: value, one in a line; "+clip(name, 40)+" has no colon")
			return nil
		}
		out = append(out, manager.TryHeader{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return out
}

// mint makes a token and the command line that uses it.
func (h *Console) mint(v *visit, f form, api string) (tokenView, error) {
	token, err := h.Catalog.MintExplainToken(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, api)
	if err != nil {
		return tokenView{}, err
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	out := tokenView{Until: clock(v.now, token.ExpiresAt)}
	add := func(kind ui.TokenKind, text string) {
		out.Tokens = append(out.Tokens, ui.Token{Kind: kind, Text: text})
	}
	add(ui.Function, "curl")
	add(ui.Text, " -i ")
	if m := f.value("method"); m != "" && m != http.MethodGet {
		add(ui.Function, "-X")
		add(ui.Text, " "+m+" ")
	}
	add(ui.String, quote(token.Environment.GatewayURL+f.text("path")))
	add(ui.Text, " \\\n  ")
	add(ui.Function, "-H")
	add(ui.Text, " ")
	add(ui.String, quote(entry.ExplainHeader+": "+token.Text.Reveal()))
	return out, nil
}
