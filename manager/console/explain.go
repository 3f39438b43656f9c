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
	"portico/ui/icon"
)

// explainPage tries calls and shows their way through the gateway.
type explainPage struct {
	shell
	Environment apim.Environment
	Form        form
	Action      string
	Search      string           // finds versions while one types
	Found       []ui.PaletteItem // without a script: versions that may be meant
	Chosen      bool             // a version was chosen just now: the cursor goes on from there
	Elsewhere   []link           // the environments in which the version that is asked for is live, when it is not here
	None        string           // where to go when nothing can be called; "" when something can
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
		MayTry: v.can(apim.Write, apim.ObjectAPI), Calls: calls, Chosen: v.c.GetHeader("HX-Target") == "called",
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

// mostFound is how many versions are offered at once.
const mostFound = 12

// callable lists versions that are live in the environment, of the APIs that are
// asked for by a part of a name, slug or tag; "orders/v" asks for labels as well.
func (h *Console) callable(v *visit, asked string) ([]ui.PaletteItem, error) {
	name, label, _ := strings.Cut(clip(strings.TrimSpace(asked), 100), "/")
	apis, err := h.searchAPIs(v, name, v.environment.Slug, mostFound)
	if err != nil {
		return nil, err
	}
	var out []ui.PaletteItem
	for _, a := range apis {
		for _, s := range a.Versions {
			if strings.HasPrefix(s.Label, label) && liveIn(s.Live, v.environment.Slug) {
				is := a.API.Slug + "/" + s.Label
				out = append(out, hit(a.API.Name+" "+s.Label, name, with(v.links.explain(), "version", is, "in", v.environment.Slug), icon.Waypoints(), is))
			}
		}
	}
	return out[:min(len(out), mostFound)], nil
}

func liveIn(deployments []apim.Deployment, environment string) bool {
	return slices.ContainsFunc(deployments, func(d apim.Deployment) bool { return d.Environment == environment })
}

// versionsFound answers the field for a version while somebody types in it. What
// stands there before that asks for nothing.
func (h *Console) versionsFound(v *visit) error {
	v.lookIn(v.query("in"))
	asked := v.query("version")
	typed := asked != v.query("chosen")
	if !typed {
		asked = ""
	}
	found, err := h.callable(v, asked)
	if err != nil {
		return err
	}
	return v.fragment(ui.PickerResults(versionField, found, typed))
}

// versionField is the id of the field for a version.
const versionField = "f-version"

// choose says what is called: the version that is asked for, whether it can be called
// or not, and no other in its place; the first that can where none is.
func (h *Console) choose(v *visit, p *explainPage) (err error) {
	asked := p.Form.text("version")
	p.Search = with(v.links.explain()+"/versions", "in", v.query("in"))
	if asked == "" || p.Form.value("do") == "find" {
		if p.Found, err = h.callable(v, asked); err != nil {
			return err
		}
	}
	switch {
	case p.Form.value("do") == "find":
		if len(p.Found) == 0 {
			p.Form.fail("version", "nothing that is live in "+v.environment.Name+" has that in its name")
		}
		return nil
	case asked == "" && len(p.Found) == 0:
		p.None = v.links.apis()
		return nil
	case asked == "":
		asked, p.Found = p.Found[0].Note, nil
		p.Form.values.Set("version", asked)
	}
	p.Search = with(p.Search, "chosen", asked)
	api, label, _ := strings.Cut(asked, "/")
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	switch kind := apim.KindOf(err); {
	case kind == apim.NotFound || kind == apim.Forbidden:
		p.Form.fail("version", "there is no version "+asked)
		if p.Found, err = h.callable(v, asked); err != nil {
			return err
		}
	case err != nil:
		return err
	case !liveIn(d.Deployments, v.environment.Slug):
		p.elsewhere(v, d, asked, d.API.Name+" "+label)
	}
	if p.Form.value("path") == "" {
		p.Form.values.Set("path", firstPath(d.Version.Runtime))
	}
	return nil
}

// elsewhere says where a version is live that is not live here.
func (p *explainPage) elsewhere(v *visit, d manager.VersionDetail, version, name string) {
	var out []link
	for _, e := range v.environments {
		switch {
		case !liveIn(d.Deployments, e.Slug):
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
	v.c.Header("Cache-Control", "no-store") // headers that were typed stand in the form again
	api, label, _ := strings.Cut(f.text("version"), "/")
	if f.value("do") == "find" {
		return h.explainPage(v, http.StatusOK, f, tokenView{}, nil, "")
	}
	d, err := h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, api, label)
	if apim.KindOf(err) == apim.NotFound { // the page says so
		return h.explainPage(v, http.StatusUnprocessableEntity, f, tokenView{}, nil, "")
	}
	if err != nil {
		return err
	}
	if f.value("do") == "token" {
		token, err := h.mint(v, f, api)
		if err != nil && !f.refuse(err, []string{"version"}, map[string]string{"api": "version"}) {
			return err
		}
		status := http.StatusOK
		if f.failed() {
			status = v.status(f)
		}
		return h.explainPage(v, status, f, token, nil, "")
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
