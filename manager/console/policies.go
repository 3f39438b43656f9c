package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/manager"
)

// policyPlace is where a policy is set.
type policyPlace string

const (
	ofEnvironment policyPlace = "e"
	ofVersion     policyPlace = "v"
	ofOperation   policyPlace = "o"
	ofPlan        policyPlace = "p"
)

// policyRef names a policy by its place in a list: "v0", "o2".
type policyRef struct {
	place policyPlace
	at    int
}

// newPolicy stands in a reference's place for a policy that is to be made.
const newPolicy = "new"

// String is the reference as it stands in addresses.
func (r policyRef) String() string { return string(r.place) + strconv.Itoa(r.at) }

func refOf(s string) (policyRef, bool) {
	for _, place := range []policyPlace{ofEnvironment, ofVersion, ofOperation, ofPlan} {
		if rest, ok := strings.CutPrefix(s, string(place)); ok {
			at, err := strconv.Atoi(rest)
			return policyRef{place, at}, err == nil && at >= 0
		}
	}
	return policyRef{}, false
}

// policyHome is a list of policies that a page shows and changes: a version's, an
// operation's, an environment's, or a plan's.
type policyHome struct {
	Place   policyPlace
	List    []apim.Policy
	Problem string // what refusals call the list
	Lock    string
	Fixed   bool   // the reader may not change it
	Draft   bool   // what is changed is not in force before it is published
	For     string // "all operations of Orders v1"
	At      string // the page
	Do      string // where something is done with a policy of it
	Add     string // where kinds are chosen from
	Scope   []string
	Crumbs  []link
	Keep    func(list []apim.Policy, lock int64) (apim.Change, error)
	Show    func(status int, typed form) error
}

// open is the page with a policy open; "" is none.
func (p policyHome) open(policy string, more ...string) string {
	return with(p.At, append(append([]string{"policy", policy}, p.Scope...), more...)...) + "#policy"
}

// do is where something is done with a policy.
func (p policyHome) do(policy string, verb string) string {
	at := p.Do + "/" + policy
	if verb != "" {
		at += "/" + verb
	}
	return with(at, p.Scope...)
}

// says ends what is said of a change.
func (p policyHome) says(what string) string {
	if p.Draft {
		return what + ". Nothing is live until you publish."
	}
	return what + "."
}

// versionHome is where the policies of a version or of its operation are set.
func (h *Console) versionHome(v *visit, d manager.VersionDetail, place policyPlace, operation string) (policyHome, error) {
	name := d.API.Name + " " + d.Version.Label
	at := v.links.version(d.API.Slug, d.Version.Label)
	out := policyHome{
		Place: place, Draft: true, Lock: lockText(d.Version.Lock), Scope: []string{"operation", operation},
		At: at, Do: at + "/policies", Add: with(at+"/add-policy", "operation", operation),
		Fixed:  !v.mayWrite(d),
		Crumbs: []link{{"APIs", v.links.apis()}, {d.API.Name, v.links.api(d.API.Slug)}, {d.Version.Label, at}},
		Show: func(status int, typed form) error {
			return h.routesAgain(v, d, status, form{}, typed)
		},
	}
	update := func(change manager.DraftChange) (apim.Change, error) {
		_, err := h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, change)
		return apim.Change{}, err
	}
	switch place {
	case ofVersion:
		out.List, out.Problem, out.For = d.Version.Runtime.Policies, "policies", "all operations of "+name
		out.Keep = func(list []apim.Policy, lock int64) (apim.Change, error) {
			return update(manager.DraftChange{Policies: &list, Lock: lock})
		}
		return out, nil
	case ofOperation:
		out.Problem, out.For = "routes["+operation+"].policies", "the operation "+operation+" of "+name
		out.Keep = func(list []apim.Policy, lock int64) (apim.Change, error) {
			return update(manager.DraftChange{RoutePolicies: map[string][]apim.Policy{operation: list}, Lock: lock})
		}
		for _, r := range d.Version.Runtime.Routes {
			if operation != "" && r.Operation == operation {
				out.List = r.Policies
				return out, nil
			}
		}
	}
	return out, apim.Errorf(apim.NotFound, "there is no operation %q", operation)
}

// homeOf is the list that the address speaks of, and the policy of it.
func (h *Console) homeOf(v *visit) (policyHome, policyRef, error) {
	operation := v.query("operation")
	ref, named := refOf(v.param("policy"))
	if !named {
		ref = policyRef{ofVersion, -1}
		if operation != "" {
			ref.place = ofOperation
		}
	}
	if v.param("environment") != "" {
		env, isNew, err := v.environmentOfPath()
		switch {
		case err == nil && isNew:
			err = apim.Errorf(apim.NotFound, "the environment is not made yet")
		case err == nil && !v.actor.Operator:
			err = apim.Errorf(apim.Forbidden, "only an operator may change environments")
		}
		return h.environmentHome(v, env), ref, err
	}
	if v.param("plan") != "" {
		home, err := h.planOfHome(v)
		return home, ref, err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return policyHome{}, ref, err
	}
	home, err := h.versionHome(v, d, ref.place, operation)
	if err != nil && (ref.place == ofEnvironment || ref.place == ofPlan) {
		err = goneError()
	}
	return home, ref, err
}

// heldPolicy is homeOf for a policy that must be there.
func (h *Console) heldPolicy(v *visit) (policyHome, int, error) {
	home, ref, err := h.homeOf(v)
	if err == nil && (ref.place != home.Place || ref.at < 0 || ref.at >= len(home.List)) {
		err = goneError()
	}
	return home, ref.at, err
}

func goneError() error {
	return apim.Errorf(apim.NotFound, "there is no such policy any more; somebody has changed the chain").WithCode("policy_gone")
}

// policyAt is the version's page with a policy open; "" is none.
func (v *visit) policyAt(d manager.VersionDetail, operation, policy string) string {
	return with(v.links.version(d.API.Slug, d.Version.Label), "operation", operation, "policy", policy) + "#policy"
}

// policyAsked is the policy that a page is to show open.
func (v *visit) policyAsked() string { return cmp.Or(v.param("policy"), v.query("policy")) }

// placeFrom is the place that a chain calls from.
func placeFrom(from string) policyPlace {
	switch from {
	case manager.FromEnvironment:
		return ofEnvironment
	case manager.FromOperation:
		return ofOperation
	}
	return ofVersion
}

// policyPanel is an open policy that somebody has set, or is about to.
type policyPanel struct {
	describe.Policy
	Number     int // in the chain; 0 for a new one
	Paragraphs []string
	Examples   []link // to begin a new one with
	Inputs     []policyInput
	Form       form
	Lock       string
	Where      string // it is set, where that is elsewhere
	WhereHref  string
	Save       string // "" where it cannot be changed here
	Submit     string
	Cancel     string // of a new one
	Earlier    string // "" where it is the first of its stage and place
	Later      string
	Switch     string // what switches it off, or on
	IsOff      bool
	Remove     string
	Reference  string
	Test       string // where a call is tried; "" while none is live
	TestNote   string
	Purge      string // what is stored, "" for policies that store nothing
}

// chain fills in what the page shows of the chain. typed is a form that is shown
// again, the zero form otherwise.
func (h *Console) chain(v *visit, d manager.VersionDetail, p *routesPage, typed form) (err error) {
	rt := d.Version.Runtime
	for _, r := range rt.Routes {
		if r.Operation == v.query("operation") {
			p.Operation = r.Operation
		}
	}
	place := ofVersion
	if p.Operation != "" {
		place = ofOperation
	}
	home, err := h.versionHome(v, d, place, p.Operation)
	if err != nil {
		return err
	}
	p.ScopeURL, p.Scopes = home.At, operationChoices(rt.Routes, p.Operation)
	if !home.Fixed {
		p.Add = home.Add
	}
	if p.Steps, err = h.steps(v, d, p.Operation); err != nil {
		return err
	}
	number := openStep(p.Steps, v.policyAsked())
	if number > 0 {
		p.Step = p.Steps[number-1]
	}
	p.StepForm = typed
	ref, own := refOf(p.Step.Key)
	switch {
	case own:
		p.Policy, err = h.versionPolicy(v, d, p.Operation, ref, number, typed)
	case v.policyAsked() == newPolicy && !home.Fixed:
		p.Policy = v.newPolicy(home, typed)
	case typed.values == nil:
		p.StepForm = stepForm(p.Step.Key, rt)
	}
	return err
}

// openStep marks the step that is open and returns its number, 0 for none.
func openStep(steps []stepView, key string) int {
	for i, s := range steps {
		if s.Key == key {
			steps[i].Current = true
			return i + 1
		}
	}
	return 0
}

// versionPolicy is an open policy of a version's chain; what is set elsewhere is
// shown and cannot be changed.
func (h *Console) versionPolicy(v *visit, d manager.VersionDetail, operation string, ref policyRef, number int, typed form) (*policyPanel, error) {
	var home policyHome
	var err error
	where, href := "", ""
	switch {
	case ref.place == ofEnvironment:
		home = h.environmentHome(v, v.environment)
		where = "Set for every API of " + v.environment.Name + "."
		if v.actor.Operator {
			href = home.open(ref.String())
		}
	default:
		home, err = h.versionHome(v, d, ref.place, operation)
		if ref.place == ofVersion && operation != "" {
			where, href = "Set for all operations of "+d.API.Name+" "+d.Version.Label+".", v.policyAt(d, "", ref.String())
		}
	}
	if err != nil || ref.at >= len(home.List) {
		return nil, err
	}
	home.Fixed = home.Fixed || where != ""
	out := v.policyPanel(home, ref.at, number, typed)
	out.Where, out.WhereHref = where, href
	out.test(v, d, operation)
	if out.Kind == entry.PolicyCache && len(d.Deployments) > 0 && v.mayMove(d) {
		out.Purge = v.links.version(d.API.Slug, d.Version.Label, "purge")
	}
	return out, nil
}

func (v *visit) policyPanel(home policyHome, at, number int, typed form) *policyPanel {
	one := home.List[at]
	about, known := describe.Of(entry.PolicyKind(one.Kind))
	if !known {
		about = describe.Policy{Kind: entry.PolicyKind(one.Kind), About: describe.About{Title: one.Kind, Summary: "This build does not know the kind."}}
	}
	if typed.values == nil {
		typed = configForm(about.Fields, one.Config)
	}
	out := &policyPanel{
		Policy: about, Number: number, Paragraphs: paragraphs(about.Text), Form: typed, Lock: home.Lock, IsOff: one.Off,
		Reference: v.links.policyKind(about.Kind), Inputs: policyInputs(typed, about.Fields, configName, home.Fixed || !known),
	}
	v.chooseSecrets(out.Inputs)
	if home.Fixed {
		return out
	}
	key := policyRef{home.Place, at}.String()
	out.Remove, out.Switch = home.do(key, "remove"), home.do(key, "off")
	if one.Off {
		out.Switch = home.do(key, "on")
	}
	if !known {
		return out
	}
	out.Save, out.Submit = home.do(key, ""), "Save policy"
	if home.Draft {
		out.Submit = "Save in the draft"
	}
	if neighbour(home.List, at, -1) >= 0 {
		out.Earlier = home.do(key, "earlier")
	}
	if neighbour(home.List, at, 1) >= 0 {
		out.Later = home.do(key, "later")
	}
	return out
}

// newPolicy is the panel of a policy that is to be added; nil for a kind that
// nobody knows.
func (v *visit) newPolicy(home policyHome, typed form) *policyPanel {
	about, known := describe.Of(entry.PolicyKind(v.query("kind")))
	if !known || !home.takes(about) {
		return nil
	}
	if typed.values == nil {
		config := home.fresh()
		if i, err := strconv.Atoi(v.query("example")); err == nil && i >= 0 && i < len(about.Examples) {
			config = []byte(about.Examples[i].Config)
		}
		typed = configForm(about.Fields, config)
	}
	out := &policyPanel{
		Policy: about, Paragraphs: paragraphs(about.Text), Form: typed, Lock: home.Lock, Reference: v.links.policyKind(about.Kind),
		Save: with(home.do(newPolicy, ""), "kind", string(about.Kind)), Submit: "Add policy", Cancel: home.open(""),
		Inputs: policyInputs(typed, about.Fields, configName, false),
	}
	v.chooseSecrets(out.Inputs)
	if home.Draft {
		out.Submit = "Add to the draft"
	}
	for i, x := range about.Examples {
		out.Examples = append(out.Examples, link{x.Title, home.open(newPolicy, "kind", string(about.Kind), "example", strconv.Itoa(i))})
	}
	return out
}

// test says where a call can be tried that passes the policy.
func (p *policyPanel) test(v *visit, d manager.VersionDetail, operation string) {
	if len(d.Deployments) == 0 {
		p.TestNote = "Publish the version; then a call's way through its policies can be tried."
		return
	}
	if d.Version.Unpublished {
		p.TestNote = "Calls meet what is live: publish first to see what you changed."
	}
	pairs := []string{"version", d.API.Slug + "/" + d.Version.Label}
	for _, r := range d.Version.Runtime.Routes {
		if r.Operation == operation && operation != "" && len(d.Version.Runtime.Mounts) > 0 {
			pairs = append(pairs, "method", r.Method, "path", d.Version.Runtime.Mounts[0].BasePath+r.Path)
		}
	}
	p.Test = with(v.links.explain(), pairs...)
}

// mostScopes bounds the chooser of operations; the list of routes leads to all.
const mostScopes = 200

func operationChoices(routes []apim.Route, operation string) []choice {
	out := []choice{{"", "All operations"}}
	for i, r := range routes {
		if i < mostScopes || r.Operation == operation || len(r.Policies) > 0 {
			label := r.Method + " " + r.Path
			if len(r.Policies) > 0 {
				label += " · " + count(len(r.Policies), "policy of its own", "policies of its own")
			}
			out = append(out, choice{r.Operation, label})
		}
	}
	return out
}

func policyTitle(p apim.Policy) string {
	about, _ := describe.Of(entry.PolicyKind(p.Kind))
	return cmp.Or(about.Title, p.Kind)
}

func paragraphs(text string) (out []string) {
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// neighbour is the next policy of the same stage in a direction, -1 for none.
func neighbour(list []apim.Policy, at, step int) int {
	for i := at + step; i >= 0 && i < len(list); i += step {
		if stageOf(list[i]) == stageOf(list[at]) {
			return i
		}
	}
	return -1
}

func stageOf(p apim.Policy) entry.Stage { return entry.PolicyKind(p.Kind).Stage() }

// savePolicy takes the form of a policy that somebody has set, or adds one.
func (h *Console) savePolicy(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	var home policyHome
	var at int
	kind, isNew := v.query("kind"), v.param("policy") == newPolicy
	if isNew {
		home, _, err = h.homeOf(v)
		at = len(home.List)
	} else if home, at, err = h.heldPolicy(v); err == nil {
		kind = home.List[at].Kind
	}
	if err != nil {
		return err
	}
	about, known := describe.Of(entry.PolicyKind(kind))
	if !known {
		return apim.Errorf(apim.NotFound, "there is no policy of kind %q", kind)
	}
	if isNew && !home.takes(about) {
		return apim.Errorf(apim.Invalid, "a policy of kind %s cannot be set for %s: plans take those of the stage limit", kind, home.For)
	}
	v.comesFrom(home.open(v.param("policy"), "kind", v.query("kind")), home.At)
	if f.arranged() {
		return home.Show(http.StatusOK, f)
	}
	config := readConfig(&f, about.Fields, configName)
	if f.failed() {
		return home.Show(v.status(f), f)
	}
	list := slices.Clone(home.List)
	if isNew {
		list = append(list, apim.Policy{Kind: kind})
	}
	list[at].Config = config
	lock := lockOf(f)
	f = configForm(about.Fields, config)
	change, err := home.Keep(list, lock)
	if err != nil {
		if !f.refusePolicy(err, about, home.Problem+"["+strconv.Itoa(at)+"]") {
			return err
		}
		return home.Show(v.status(f), f)
	}
	done := about.Title + " is saved"
	if isNew {
		done = about.Title + " is added"
	}
	v.flash(toneOK, home.says(done))
	return v.redirect(withChange(home.open(policyRef{home.Place, at}.String()), change))
}

// arranged gives a list of the form a row more, or one less, where one of the
// buttons for that was pressed.
func (f *form) arranged() bool {
	if name := f.value("more"); name != "" {
		f.addRow(name)
		return true
	}
	name, rest, ok := strings.Cut(f.value("drop"), "|")
	at, err := strconv.Atoi(rest)
	if !ok || err != nil {
		return false
	}
	f.dropRow(name, at)
	return true
}

// refusePolicy takes a refusal into the form of a policy, whose fields it calls
// at.config.…; what it says of others goes into the message.
func (f *form) refusePolicy(err error, about describe.Policy, at string) bool {
	if !f.refuse(err, nil, nil) {
		return false
	}
	var e *apim.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return true
	}
	inputs := policyInputs(*f, about.Fields, configName, false)
	var loose []string
	for _, wrong := range e.Fields {
		field, own := strings.CutPrefix(wrong.Field, at)
		field = strings.TrimPrefix(field, ".")
		name := inputName(inputs, field)
		switch {
		case own && name != "":
			f.fail(name, entryText(strings.TrimPrefix(field, name))+wrong.Detail)
		case own:
			loose = append(loose, wrong.Detail)
		default:
			loose = append(loose, wrong.Field+" "+wrong.Detail)
		}
	}
	f.message = ""
	if len(loose) > 0 {
		f.message = sentence(e.Message + ": " + strings.Join(loose, "; "))
	}
	return true
}

// entryText names what is wrong inside a field, in a sentence: "[2]" is the third
// entry of a list.
func entryText(inside string) string {
	inside = strings.Trim(inside, ".[]")
	if inside == "" {
		return ""
	}
	if n, err := strconv.Atoi(inside); err == nil {
		return "entry " + number(n+1) + ": "
	}
	return inside + ": "
}

// movePolicy changes a policy's place in its stage, or whether it is in force.
func (h *Console) movePolicy(v *visit) error {
	return h.changePolicy(v, func(f form, list []apim.Policy, at int) ([]apim.Policy, int, string, error) {
		name := policyTitle(list[at])
		switch verb := v.param("verb"); verb {
		case "off", "on":
			list[at].Off = verb == "off"
			return list, at, name + " is switched " + verb, nil
		case "earlier", "later":
			to := neighbour(list, at, map[string]int{"earlier": -1, "later": 1}[verb])
			if to < 0 {
				return list, at, name + " stays: a policy moves within its stage", nil
			}
			list[at], list[to] = list[to], list[at]
			return list, to, name + " is moved", nil
		case "place":
			ref, ok := refOf(f.value("to"))
			if !ok || ref.at >= len(list) {
				return nil, 0, "", goneError()
			}
			if stageOf(list[at]) != stageOf(list[ref.at]) {
				return list, at, name + " stays: a policy moves within its stage", nil
			}
			moved := list[at]
			return slices.Insert(slices.Delete(list, at, at+1), ref.at, moved), ref.at, name + " is moved", nil
		}
		return nil, 0, "", apim.Errorf(apim.NotFound, "there is no %q of a policy", v.param("verb"))
	})
}

// changePolicy changes the list that a policy is in; change returns the list,
// where the policy is then (-1: nowhere), and what to say.
func (h *Console) changePolicy(v *visit, change func(f form, list []apim.Policy, at int) ([]apim.Policy, int, string, error)) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	home, at, err := h.heldPolicy(v)
	if err != nil {
		return err
	}
	list, at, done, err := change(f, slices.Clone(home.List), at)
	if err != nil {
		return err
	}
	live, err := home.Keep(list, lockOf(f))
	if err != nil {
		if !f.refuse(err, nil, nil) {
			return err
		}
		v.flash(toneBad, f.message)
		return v.redirect(home.open(v.param("policy")))
	}
	v.flash(toneOK, home.says(done))
	to := ""
	if at >= 0 {
		to = policyRef{home.Place, at}.String()
	}
	return v.redirect(withChange(home.open(to), live))
}

func (h *Console) removePolicyForm(v *visit) error {
	home, at, err := h.heldPolicy(v)
	if err != nil {
		return err
	}
	key, name := policyRef{home.Place, at}.String(), policyTitle(home.List[at])
	p := dialogPage{
		Dialog: v.wantsDialog(), Heading: "Remove " + name, Submit: "Remove policy", Danger: true, Lock: home.Lock,
		Intro:  "Its settings are gone with it. Switch it off instead to keep them.",
		Action: home.do(key, "remove"), Back: home.open(key),
	}
	if home.Draft {
		p.Intro += " Calls meet it until you publish."
	}
	p.shell = v.shell(p.Heading, append(home.Crumbs, link{p.Heading, ""})...)
	return v.render(http.StatusOK, removePolicyDialog(p))
}

func (h *Console) removePolicy(v *visit) error {
	return h.changePolicy(v, func(_ form, list []apim.Policy, at int) ([]apim.Policy, int, string, error) {
		name := policyTitle(list[at])
		return slices.Delete(list, at, at+1), -1, name + " is removed", nil
	})
}

// addPolicyPage lists the kinds that can be added.
type addPolicyPage struct {
	shell
	List policyList
	Text string
	Back string
}

func (h *Console) addPolicy(v *visit) error {
	home, _, err := h.homeOf(v)
	if err == nil && home.Fixed {
		err = apim.Errorf(apim.Forbidden, "the policies of %s are not yours to change", home.For)
	}
	if err != nil {
		return err
	}
	p := addPolicyPage{
		shell: v.shell("Add a policy", append(home.Crumbs, link{"Add a policy", ""})...), Back: home.open(""), Text: "For " + home.For + ".",
		List: policyList{Query: clip(v.query("q"), 100), Action: home.Add, Operation: v.query("operation")},
	}
	if home.Draft {
		p.Text += " It is added to the draft; nothing is live until you publish."
	}
	p.List.Stages = home.kinds(p.List.Query)
	return v.render(http.StatusOK, addPolicyView(p))
}
