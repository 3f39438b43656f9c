package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/manager"
)

// versionHead is what every page about a version has above its tabs.
type versionHead struct {
	shell
	API       apim.API
	Label     string
	State     apim.VersionState
	Note      string // one line: revision, operations, date
	Reason    string // of deprecation or retirement
	Sunset    string
	Siblings  []siblingLink
	Tabs      []tabLink
	Live      liveView // shown after a change
	Load      loadView
	CanWrite  bool
	CanMove   bool // may publish, deprecate, retire
	Draft     bool // there are changes that are not published
	Changes   int  // how many
	Review    string
	Pace      manager.Pace // where it is live; zero where nobody knows
	Served    bool         // a revision is live somewhere
	Publish   string
	PublishTo string // "Publish r8"
	Deprecate string
	Retire    string
	About     string
	Delete    string
	Import    string
	Explain   string // where its calls are explained; "" while none is live
	Docs      string // its page in the portal, once it is offered there
}

type siblingLink struct {
	Label, Href string
	State       apim.VersionState
	Current     bool
}

type tabLink struct {
	Label, Href string
	Count       int // -1 for none
	Current     bool
}

// versionOf loads the version that the address names.
func (h *Console) versionOf(v *visit) (manager.VersionDetail, error) {
	return h.Catalog.VersionByLabel(v.ctx(), v.actor, v.tenant.ID, v.param("api"), v.param("version"))
}

// head makes what stands above the tabs; tab names the one that is open, ""
// on a dialog's page.
func (h *Console) head(v *visit, d manager.VersionDetail, tab string) versionHead {
	l, api, label := v.links, d.API.Slug, d.Version.Label
	out := versionHead{
		shell: v.shell(d.API.Name+" "+label, link{"APIs", l.apis()}, link{d.API.Name, l.api(api)}, link{label, ""}),
		API:   d.API, Label: label, State: d.Version.State,
		Reason:   d.Version.StateReason,
		CanWrite: v.mayWrite(d),
		CanMove:  v.mayMove(d),
		Draft:    d.Version.Unpublished || d.Version.Revision == 0,
		Publish:  l.version(api, label, "publish"), PublishTo: "Publish " + revision(d.Version.Revision+1),
		Deprecate: l.version(api, label, "deprecate"),
		Retire:    l.version(api, label, "retire"),
		About:     l.version(api, label, "about"),
		Delete:    l.version(api, label, "delete"),
		Import:    l.importInto(api, label),
		Served:    len(d.Deployments) > 0,
		Live:      h.liveFromQuery(v, label+" "+askedRevision(v, d.Version.Revision), "live"),
		Load:      v.load(d),
	}
	out.Changes, out.Review = len(d.Changes), l.version(api, label, "review")
	if out.Served {
		out.Explain = with(l.explain(), "version", api+"/"+label)
	}
	for _, p := range d.Products {
		if p.Listed && out.Served {
			out.Docs = portalVersion(h.PortalURL, v.tenant.Slug, api, label)
		}
	}
	if !d.Version.SunsetAt.IsZero() {
		out.Sunset = day(d.Version.SunsetAt)
	}
	out.Note = count(len(d.Version.Runtime.Routes), "operation", "operations")
	if d.Version.Revision > 0 {
		out.Note = liveNote(d) + " · " + out.Note
	}
	if d.Owner != "" {
		out.Note = d.Owner + " · " + out.Note
	}
	for _, dep := range d.Deployments {
		if dep.Environment != v.environment.Slug {
			continue
		}
		if pace, err := h.Catalog.Pace(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, dep.Environment); err == nil { // a page does without
			out.Pace = pace
			out.Note += " · " + paceText(pace.Calls)
		}
		out.Note += " · " + day(dep.At)
	}
	for _, s := range d.Siblings {
		out.Siblings = append(out.Siblings, siblingLink{s.Label, l.version(api, s.Label), s.State, s.Label == label})
	}
	out.Tabs = []tabLink{
		{"Routes & policies", l.version(api, label), -1, tab == "routes"},
		{"Traffic", l.version(api, label, "traffic"), -1, tab == "traffic"},
		{"Versions", l.version(api, label, "versions"), len(d.Siblings), tab == "versions"},
		{"Definition", l.version(api, label, "definition"), -1, tab == "definition"},
		{"Products", l.version(api, label, "products"), len(d.Products), tab == "products"},
		{"History", l.version(api, label, "history"), d.Version.Revision, tab == "history"},
	}
	return out
}

// paceText writes how many calls there are: "61.2 req/s".
func paceText(c manager.Calls) string {
	if c.Number == 0 {
		return "no calls in ten minutes"
	}
	return perSecond(c) + " req/s"
}

// perSecond writes how many calls a second there are, "—" for none.
func perSecond(c manager.Calls) string {
	switch {
	case c.Number == 0:
		return "—"
	case c.PerSecond < 0.05:
		return "< 0.1"
	case c.PerSecond < 100:
		return strconv.FormatFloat(c.PerSecond, 'f', 1, 64)
	}
	return number(int64(c.PerSecond + 0.5))
}

// withinText writes how long 99 of 100 calls took, as far as that is told apart:
// "≤ 100 ms"; "—" for none.
func withinText(c manager.Calls) string {
	switch {
	case c.Number == 0:
		return "—"
	case c.Within == 0:
		return "> 5 s"
	}
	return "≤ " + took(c.Within.Milliseconds())
}

func liveNote(d manager.VersionDetail) string {
	if len(d.Deployments) == 0 {
		return "not live anywhere"
	}
	parts := make([]string, len(d.Deployments))
	for i, dep := range d.Deployments {
		parts[i] = revision(dep.Revision) + " in " + dep.Environment
	}
	return strings.Join(parts, ", ")
}

// loadView is how far the second phase of an import has come.
type loadView struct {
	State   apim.LoadState
	Text    string
	Done    int
	Total   int
	PollURL string
}

func (l loadView) busy() bool { return l.State == apim.LoadWaiting || l.State == apim.Loading }

// stageText says what the loader does.
func stageText(stage string) string {
	switch stage {
	case "load":
		return "Following its references"
	case "validate":
		return "Checking the document and its style"
	case "reference":
		return "Writing the reference pages"
	}
	return "Reading the document in full"
}

func (l loadView) of() string {
	if l.Total == 0 {
		return ""
	}
	return number(l.Done) + " of " + number(l.Total)
}

// follow makes the bar load itself again until the document is read.
func (l loadView) follow() templ.Attributes {
	return templ.Attributes{"hx-get": with(l.PollURL, "was", "busy"), "hx-trigger": "load delay:700ms", "hx-swap": "outerHTML"}
}

func (v *visit) load(d manager.VersionDetail) loadView {
	if d.Document.ID == "" {
		return loadView{}
	}
	out := loadView{
		State: d.Document.State, Done: d.Document.Done, Total: d.Document.Total,
		PollURL: v.links.version(d.API.Slug, d.Version.Label, "progress"),
	}
	switch d.Document.State {
	case apim.LoadWaiting:
		out.Text = "Waiting to be read in full"
	case apim.Loading:
		out.Text = stageText(d.Document.Stage)
	case apim.LoadFailed:
		out.Text = "Could not be read in full; its routes work all the same"
	}
	return out
}

// routesPage is the tab Routes & policies.
type routesPage struct {
	versionHead
	Version   apim.ID
	Lock      string
	Operation string   // whose policies are shown; "" for those of all
	Scopes    []choice // operations that can be chosen
	ScopeURL  string
	Add       string // where a policy is added
	Steps     []stepView
	Step      stepView // the open one; zero when none is
	StepForm  form
	Policy    *policyPanel // what is open, where somebody has set it
	Products  []productLink
	Call      callView
	Filter    string
	FilterURL string
	Total     int
	Shown     string // "1–100 of 1,104"
	Routes    []routeView
	Rewrites  bool   // a route that is shown has another path at its upstream
	Scoped    bool   // one asks for scopes
	Share     string // the gateway's, of calls that were explained
	Earlier   string
	Later     string
	Save      string
	StepSave  string
	Upstreams []upstreamView
	Upstream  string // edit
	Check     string // has nodes ask the targets; "" where nobody can be asked
	Mounts    []mountView
	Mount     string // edit
	Split     splitView
	Form      form
	here      string
}

// stepView is a column of the colonnade.
type stepView struct {
	Key       string // "size", "key", "grant", "plan", newLimit, a limitKey, or a policyRef
	Kind      string // of the policy, or what stands for one
	Stage     string
	set       setStep
	Took      string // the median of calls that were explained; "" where none is known
	Title     string
	Text      string
	Note      string
	Href      string
	Off       bool
	Inherited bool   // set elsewhere
	Replaced  bool   // the operation has its own in its place
	Move      string // where its place among others is changed; "" where it stays
	Among     string // those that it can change places with have the same
	Current   bool
	Plans     []planLine // that add theirs
}

type routeView struct {
	Operation, Method, Path, Summary, Upstream string
	Public, Off, Deprecated                    bool
	Yields                                     string // to which routes some of its calls go
	Policies                                   string // where its own are set
	Own                                        []ownPolicy
	Target                                     string // its path at the upstream, or what answers there
	Scope                                      string // that a caller's token must have
	PerSecond, Within                          string
}

// ownPolicy is a policy of an operation in the list of routes.
type ownPolicy struct {
	Title string
	Off   bool
	// Overrides names the column that does not run there: "Overrides 2".
	Overrides string
}

type upstreamView struct {
	Name    string
	Targets []targetView
	// Algorithm is how calls are spread, and Spread what is on beside: "checked by
	// HTTP".
	Algorithm, Spread string
	Times             string
	Wrong             []string // what is amiss with all of it
	Silent            string   // nodes that were asked and have not answered
	Used              int      // routes
}

// targetView is an address with what the nodes say of it.
type targetView struct {
	URL   string
	Tone  string // of its dot: "ok", "bad", "" where nobody has said
	State string
	Note  string
	Took  string    // until answers begin: "41 ms", "41 ms to 88 ms", "no traffic"; "" where nobody knows
	Trend []float64 // of it
	Check bool      // nodes can be told to ask it
	Left  bool      // the draft does not have it any more
	Found []foundView
}

// foundView is what a node found when it asked a target just now.
type foundView struct {
	Node, Text string
	Bad        bool
}

type mountView struct{ Path, URL, Select string }

type productLink struct {
	Name, Href, Note string
	Listed           bool
}

const routesPerPage = 100

func (h *Console) versionRoutes(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	return h.routesAgain(v, d, http.StatusOK, form{}, form{})
}

// toRoutes leads from where a form of the page is sent to, and shown again at, to
// the page.
func (h *Console) toRoutes(v *visit) error {
	return v.redirect(with(v.links.version(v.param("api"), v.param("version")), "operation", v.query("operation"), "policy", v.param("policy")))
}

// routesPage makes the page; found is what nodes say of the upstreams, nil where
// they are not asked yet.
func (h *Console) routesPage(v *visit, d manager.VersionDetail, f, step form, found []upstreamView) (out routesPage, err error) {
	l, api, label := v.links, d.API.Slug, d.Version.Label
	rt := d.Version.Runtime
	out = routesPage{
		versionHead: h.head(v, d, "routes"), Version: d.Version.ID, Lock: lockText(d.Version.Lock), Form: f,
		Filter: strings.TrimSpace(v.query("q")), FilterURL: l.version(api, label), Total: len(rt.Routes),
		Save: l.version(api, label, "routes"), StepSave: l.version(api, label, "policies", v.policyAsked()),
		Upstream: l.version(api, label, "upstream"), Mount: l.version(api, label, "mount"),
		Products: v.productLinks(d.Products), Call: callOf(v, d), Upstreams: found,
	}
	if found == nil {
		if out.Upstreams, err = h.upstreamViews(v, d, false, ""); err != nil {
			return out, err
		}
	}
	if v.environment.Slug != "" {
		s, err := h.Catalog.Split(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
		if err != nil {
			return out, err
		}
		out.Split = v.splitOf(d, s)
	}
	if out.CanMove && slices.ContainsFunc(d.Deployments, func(dep apim.Deployment) bool { return dep.Environment == v.environment.Slug }) {
		out.Check = l.version(api, label, "targets", "check")
	}
	for _, m := range rt.Mounts {
		out.Mounts = append(out.Mounts, mountView{m.Host + m.BasePath, mountURL(v.environment, m), m.Select.String()})
	}
	if err := h.chain(v, d, &out, step); err != nil {
		return out, err
	}
	if err := h.stepTimes(v, d, &out); err != nil {
		return out, err
	}
	out.page(v, d)
	return out, nil
}

// routesAgain shows the page, with what is wrong in one of its forms.
func (h *Console) routesAgain(v *visit, d manager.VersionDetail, status int, f, step form) error {
	p, err := h.routesPage(v, d, f, step, nil)
	if err != nil {
		return err
	}
	return v.render(status, routesTab(p))
}

// page picks the routes that the filter and the page number show.
func (p *routesPage) page(v *visit, d manager.VersionDetail) {
	routes := d.Version.Runtime.Routes
	match := routes
	if p.Filter != "" {
		match = nil
		for _, r := range routes {
			if matches(r, p.Filter) {
				match = append(match, r)
			}
		}
	}
	at, err := strconv.Atoi(v.query("from"))
	if err != nil || at < 0 || at >= len(match) {
		at = 0
	}
	end := min(at+routesPerPage, len(match))
	typed := p.Form.values["operation"]
	for _, r := range match[at:end] {
		if slices.Contains(typed, r.Operation) { // what was chosen is not saved yet, and stays
			r.Public, r.Off = p.Form.chosen("public", r.Operation), !p.Form.chosen("on", r.Operation)
		}
		calls := p.Pace.Operations[r.Operation]
		one := routeView{
			Operation: r.Operation, Method: r.Method, Path: r.Path, Summary: r.Summary, Upstream: r.Upstream, Public: r.Public, Off: r.Off, Deprecated: r.Deprecated,
			Policies: with(p.FilterURL, "operation", r.Operation) + "#policy", Own: p.ownPolicies(r),
			Target: v.targetPath(d, r), Scope: scopesAsked(v.routePolicies(d, r)), PerSecond: perSecond(calls), Within: withinText(calls),
		}
		p.Rewrites, p.Scoped = p.Rewrites || one.Target != r.Path, p.Scoped || one.Scope != ""
		p.Routes = append(p.Routes, one)
	}
	yields(p.Routes, routes)
	if len(match) > 0 {
		p.Shown = number(at+1) + "–" + number(end) + " of " + number(len(match))
	}
	self := with(p.FilterURL, "q", p.Filter, "policy", v.policyAsked(), "operation", p.Operation)
	p.here = with(self, "from", strconv.Itoa(at))
	if at > 0 {
		p.Earlier = with(self, "from", strconv.Itoa(max(0, at-routesPerPage)))
	}
	if end < len(match) {
		p.Later = with(self, "from", strconv.Itoa(end))
	}
}

func matches(r apim.Route, filter string) bool {
	line := strings.ToLower(r.Method + " " + r.Path + " " + r.Operation + " " + r.Summary + " " + r.Tag)
	for _, word := range strings.Fields(strings.ToLower(filter)) {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}

func timesText(u apim.Upstream) string {
	var parts []string
	for _, t := range []struct {
		name string
		ms   int
	}{{"connect", u.ConnectTimeoutMS}, {"first answer", u.HeaderTimeoutMS}, {"idle", u.IdleTimeoutMS}} {
		if t.ms > 0 {
			parts = append(parts, t.name+" "+took(int64(t.ms)))
		}
	}
	if len(parts) == 0 {
		parts = []string{"times of the environment"}
	}
	if name := protocolText(u.Protocol); name != "" {
		parts = append([]string{name}, parts...)
	}
	return strings.Join(parts, " · ")
}

// protocolText names how an upstream is called, where it is not the usual way.
func protocolText(protocol string) string {
	switch protocol {
	case "http2":
		return "HTTP/2"
	case "h2c":
		return "HTTP/2 without TLS"
	case "auto":
		return "HTTP/2 where it is offered"
	}
	return ""
}

// mountURL writes where a mount is found on an environment's gateway.
func mountURL(e apim.Environment, m apim.Mount) string {
	if m.Host != "" {
		return "https://" + m.Host + m.BasePath
	}
	return strings.TrimSuffix(e.GatewayURL, "/") + m.BasePath
}

func (v *visit) productLinks(products []apim.Product) []productLink {
	out := make([]productLink, 0, len(products))
	for _, p := range products {
		out = append(out, productLink{p.Name, v.links.product(p.Slug), visibilityText(p), p.Listed})
	}
	return out
}

func visibilityText(p apim.Product) string {
	switch p.Visibility {
	case apim.VisiblePublic:
		return "everybody finds it"
	case apim.VisibleShared:
		return "this tenant and " + count(len(p.SharedWith), "named organisation finds it", "named organisations find it")
	}
	return "only this tenant finds it"
}

func lockText(lock int64) string { return strconv.FormatInt(lock, 10) }

func lockOf(f form) int64 {
	n, err := strconv.ParseInt(f.value("lock"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// saveRoutes takes the switches of the routes that were shown.
func (h *Console) saveRoutes(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	change := manager.DraftChange{Public: map[string]bool{}, Off: map[string]bool{}, Lock: lockOf(f)}
	shown := f.values["operation"]
	for _, r := range d.Version.Runtime.Routes {
		if !slices.Contains(shown, r.Operation) {
			continue
		}
		if public := f.chosen("public", r.Operation); public != r.Public {
			change.Public[r.Operation] = public
		}
		if off := !f.chosen("on", r.Operation); off != r.Off {
			change.Off[r.Operation] = off
		}
	}
	to := back(f)
	if to == rootPath {
		to = v.links.version(d.API.Slug, d.Version.Label)
	}
	if len(change.Public)+len(change.Off) == 0 {
		return v.redirect(to)
	}
	v.comesFrom(to, v.links.version(d.API.Slug, d.Version.Label))
	if _, err := h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, change); err != nil {
		if !f.refuse(err, nil, nil) {
			return err
		}
		return h.routesAgain(v, d, v.status(f), f, form{})
	}
	n := len(change.Public) + len(change.Off)
	v.flash(toneOK, "Saved "+count(n, "route switch", "route switches")+" in the draft. Nothing is live until you publish.")
	return v.redirect(to)
}

// fixed reports whether what every version has cannot be changed on this page.
func (p routesPage) fixed() bool { return !p.CanWrite || p.Operation != "" }

// anotherLimit reports whether a limit of the version's own is open, beside which
// another may be set.
func (p routesPage) anotherLimit() bool {
	own := 0
	for _, s := range p.Steps {
		if isLimit(s.Key) && s.Key != newLimit {
			own++
		}
	}
	return !p.fixed() && isLimit(p.Step.Key) && p.Step.Key != newLimit && own < manager.MaxVersionLimits
}

// mountNote says whether callers find the version at its mount now.
func mountNote(p routesPage) string {
	if !p.Served {
		return "callers find it here after the first publish"
	}
	if p.Draft {
		return "as in the draft"
	}
	return "live"
}

// Self is this page with its filter and its place in the list.
func (p routesPage) Self() string { return p.here }
