package console

import (
	"cmp"
	"errors"
	"fmt"
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
	for _, place := range []policyPlace{ofEnvironment, ofVersion, ofOperation} {
		if rest, ok := strings.CutPrefix(s, string(place)); ok {
			at, err := strconv.Atoi(rest)
			return policyRef{place, at}, err == nil && at >= 0
		}
	}
	return policyRef{}, false
}

// placeOf is where a new policy of a page goes.
func placeOf(operation string) policyPlace {
	if operation != "" {
		return ofOperation
	}
	return ofVersion
}

// policiesOf are the policies that are set at a place.
func (v *visit) policiesOf(d manager.VersionDetail, place policyPlace, operation string) ([]apim.Policy, error) {
	switch place {
	case ofVersion:
		return d.Version.Runtime.Policies, nil
	case ofOperation:
		for _, r := range d.Version.Runtime.Routes {
			if operation != "" && r.Operation == operation {
				return r.Policies, nil
			}
		}
		return nil, apim.Errorf(apim.NotFound, "there is no operation %q", operation)
	}
	return v.environment.Settings.Policies, nil
}

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

// policyAt is the version's page with a policy open; "" is none.
func (v *visit) policyAt(d manager.VersionDetail, operation, policy string) string {
	return with(v.links.version(d.API.Slug, d.Version.Label), "operation", operation, "policy", policy) + "#policy"
}

// policyAsked is the policy that a page is to show open.
func (v *visit) policyAsked() string { return cmp.Or(v.param("policy"), v.query("policy")) }

// policyDo is where something is done with a policy.
func (v *visit) policyDo(d manager.VersionDetail, operation, policy string, verb ...string) string {
	return with(v.links.version(d.API.Slug, d.Version.Label, append([]string{"policies", policy}, verb...)...), "operation", operation)
}

// policyPanel is an open policy that somebody has set, or is about to.
type policyPanel struct {
	describe.Policy
	Number     int // in the chain; 0 for a new one
	Paragraphs []string
	Examples   []link // to begin a new one with
	Inputs     []policyInput
	Form       form
	Fixed      bool   // it cannot be changed here
	Where      string // it is set, where that is elsewhere
	WhereHref  string
	Save       string
	Earlier    string // "" where it is the first of its stage and place
	Later      string
	Off        string // what switches it off, or on
	IsOff      bool
	Remove     string
	Reference  string
	Test       string // where a call is tried; "" while none is live
	TestNote   string
}

// chain fills in what the page shows of the chain. typed is a form that is shown
// again, the zero form otherwise.
func (h *Console) chain(v *visit, d manager.VersionDetail, p *routesPage, typed form) (err error) {
	l, rt := v.links, d.Version.Runtime
	for _, r := range rt.Routes {
		if r.Operation == v.query("operation") {
			p.Operation = r.Operation
		}
	}
	base := l.version(d.API.Slug, d.Version.Label)
	p.ScopeURL, p.Policies = base, l.policies()
	if p.CanWrite {
		p.Add = with(l.version(d.API.Slug, d.Version.Label, "add-policy"), "operation", p.Operation)
	}
	p.Scopes = operationChoices(rt.Routes, p.Operation)
	if p.Steps, err = h.steps(v, d, p.Operation); err != nil {
		return err
	}
	asked := v.policyAsked()
	number := 0
	for i, s := range p.Steps {
		if s.Key == asked && number == 0 {
			p.Steps[i].Current, p.Step, number = true, p.Steps[i], i+1
		}
	}
	p.StepForm = typed
	if ref, own := refOf(p.Step.Key); own {
		p.Policy = v.policyPanel(d, p, ref, number, typed)
		return nil
	}
	if asked == newPolicy && p.CanWrite {
		p.Policy = v.newPolicyPanel(d, p.Operation, typed)
		return nil
	}
	if typed.values == nil {
		p.StepForm = stepForm(p.Step.Key, rt)
	}
	return nil
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

func ownPolicies(r apim.Route) (out []ownPolicy) {
	for _, p := range r.Policies {
		about, known := describe.Of(entry.PolicyKind(p.Kind))
		if !known {
			about.Title = p.Kind
		}
		out = append(out, ownPolicy{about.Title, p.Off})
	}
	return out
}

func paragraphs(text string) (out []string) {
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (v *visit) policyPanel(d manager.VersionDetail, page *routesPage, ref policyRef, number int, typed form) *policyPanel {
	list, err := v.policiesOf(d, ref.place, page.Operation)
	if err != nil || ref.at >= len(list) {
		return nil
	}
	one, operation := list[ref.at], page.Operation
	about, known := describe.Of(entry.PolicyKind(one.Kind))
	if !known {
		about = describe.Policy{Kind: entry.PolicyKind(one.Kind), About: describe.About{Title: one.Kind, Summary: "This build does not know the kind."}}
	}
	if typed.values == nil {
		typed = configForm(about.Fields, one.Config)
	}
	out := &policyPanel{
		Policy: about, Number: number, Paragraphs: paragraphs(about.Text), Form: typed, IsOff: one.Off,
		Fixed: !page.CanWrite || page.Step.Inherited || !known, Reference: v.links.policyKind(about.Kind),
	}
	out.Inputs = policyInputs(typed, about.Fields, configName, out.Fixed)
	out.test(v, d, operation)
	switch {
	case ref.place == ofEnvironment:
		out.Where = "Set for every API of the environment " + v.environment.Name + "."
		if v.can(apim.Write, apim.ObjectEnvironment) {
			out.WhereHref = v.links.editEnvironment(v.environment.Slug)
		}
	case page.Step.Inherited:
		out.Where, out.WhereHref = "Set for all operations of "+d.API.Name+" "+d.Version.Label+".", v.policyAt(d, "", ref.String())
	}
	if !page.CanWrite || page.Step.Inherited {
		return out
	}
	key := ref.String()
	out.Off, out.Remove = v.policyDo(d, operation, key, "off"), v.policyDo(d, operation, key, "remove")
	if one.Off {
		out.Off = v.policyDo(d, operation, key, "on")
	}
	if known {
		out.Save = v.policyDo(d, operation, key)
		if neighbour(list, ref.at, -1) >= 0 {
			out.Earlier = v.policyDo(d, operation, key, "earlier")
		}
		if neighbour(list, ref.at, 1) >= 0 {
			out.Later = v.policyDo(d, operation, key, "later")
		}
	}
	return out
}

// neighbour is the next policy of the same stage in a direction, -1 for none.
func neighbour(list []apim.Policy, at, step int) int {
	stage := entry.PolicyKind(list[at].Kind).Stage()
	for i := at + step; i >= 0 && i < len(list); i += step {
		if entry.PolicyKind(list[i].Kind).Stage() == stage {
			return i
		}
	}
	return -1
}

func (v *visit) newPolicyPanel(d manager.VersionDetail, operation string, typed form) *policyPanel {
	about, known := describe.Of(entry.PolicyKind(v.query("kind")))
	if !known {
		return nil
	}
	if typed.values == nil {
		config := []byte("{}")
		if i, err := strconv.Atoi(v.query("example")); err == nil && i >= 0 && i < len(about.Examples) {
			config = []byte(about.Examples[i].Config)
		}
		typed = configForm(about.Fields, config)
	}
	out := &policyPanel{
		Policy: about, Paragraphs: paragraphs(about.Text), Form: typed, Reference: v.links.policyKind(about.Kind),
		Save:   with(v.policyDo(d, operation, newPolicy), "kind", string(about.Kind)),
		Inputs: policyInputs(typed, about.Fields, configName, false),
	}
	for i, x := range about.Examples {
		href := with(v.links.version(d.API.Slug, d.Version.Label), "operation", operation, "policy", newPolicy, "kind", string(about.Kind), "example", strconv.Itoa(i))
		out.Examples = append(out.Examples, link{x.Title, href + "#policy"})
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

// savePolicy takes the form of a policy that somebody has set, or adds one.
func (h *Console) savePolicy(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	operation, at := v.query("operation"), v.param("policy")
	ref, _ := refOf(at)
	if at == newPolicy {
		ref.place = placeOf(operation)
	}
	list, err := v.policiesOf(d, ref.place, operation)
	if err != nil {
		return err
	}
	kind := v.query("kind")
	if at != newPolicy {
		if ref.place == ofEnvironment || ref.at >= len(list) {
			return goneError()
		}
		kind = list[ref.at].Kind
	}
	about, known := describe.Of(entry.PolicyKind(kind))
	if !known {
		return apim.Errorf(apim.NotFound, "there is no policy of kind %q", kind)
	}
	again := func() error {
		status := http.StatusOK
		if f.failed() {
			status = v.status(f)
		}
		return h.routesAgain(v, d, status, form{}, f)
	}
	if f.arranged() {
		return again()
	}
	config := readConfig(&f, about.Fields, configName)
	if f.failed() {
		return again()
	}
	changed := slices.Clone(list)
	if at == newPolicy {
		ref.at = len(changed)
		changed = append(changed, apim.Policy{Kind: kind})
	}
	changed[ref.at].Config = config
	typed := configForm(about.Fields, config)
	typed.values.Set("lock", f.value("lock"))
	f = typed
	if _, err := h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, draftOf(ref, operation, changed, f)); err != nil {
		if !f.refusePolicy(err, about, listName(ref, operation)+"["+strconv.Itoa(ref.at)+"]") {
			return err
		}
		return again()
	}
	done := about.Title + " saved in the draft."
	if at == newPolicy {
		done = about.Title + " added to the draft."
	}
	v.flash(toneOK, done+" Nothing is live until you publish.")
	return v.redirect(v.policyAt(d, operation, ref.String()))
}

func goneError() error {
	return apim.Errorf(apim.NotFound, "there is no such policy any more; somebody has changed the chain").WithCode("policy_gone")
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

func draftOf(ref policyRef, operation string, list []apim.Policy, f form) manager.DraftChange {
	change := manager.DraftChange{Lock: lockOf(f)}
	if ref.place == ofOperation {
		change.RoutePolicies = map[string][]apim.Policy{operation: list}
	} else {
		change.Policies = &list
	}
	return change
}

// listName is what refusals call the list that a policy is in.
func listName(ref policyRef, operation string) string {
	if ref.place == ofOperation {
		return "routes[" + operation + "].policies"
	}
	return "policies"
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
		name := inputName(inputs, strings.TrimPrefix(field, "."))
		switch {
		case own && name != "":
			detail := wrong.Detail
			if rest := strings.TrimPrefix(strings.TrimPrefix(field, "."), name); rest != "" {
				detail = entryText(rest) + detail
			}
			f.fail(name, detail)
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

// entryText names an entry of a list in a sentence: "[2]" is its third.
func entryText(index string) string {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(index, "["), "]"))
	if err != nil {
		return strings.Trim(index, ".[]") + ": "
	}
	return fmt.Sprintf("entry %d: ", n+1)
}

// movePolicy changes a policy's place in its stage, or whether it is in force.
func (h *Console) movePolicy(v *visit) error {
	return h.changePolicy(v, func(f form, list []apim.Policy, at int) ([]apim.Policy, int, string, error) {
		name := policyTitle(list[at])
		switch verb := v.param("verb"); verb {
		case "off", "on":
			list[at].Off = verb == "off"
			return list, at, name + " is switched " + verb + " in the draft.", nil
		case "earlier", "later":
			to := neighbour(list, at, map[string]int{"earlier": -1, "later": 1}[verb])
			if to < 0 {
				return list, at, name + " cannot go further: the order of the stages is the gateway's.", nil
			}
			list[at], list[to] = list[to], list[at]
			return list, to, name + " moved in the draft.", nil
		case "before":
			return before(list, at, f.value("before"), name)
		}
		return nil, 0, "", apim.Errorf(apim.NotFound, "there is no %q of a policy", v.param("verb"))
	})
}

// before puts a policy where another one of its list and stage stands.
func before(list []apim.Policy, at int, target, name string) ([]apim.Policy, int, string, error) {
	ref, ok := refOf(target)
	if !ok || ref.at >= len(list) {
		return nil, 0, "", goneError()
	}
	if entry.PolicyKind(list[at].Kind).Stage() != entry.PolicyKind(list[ref.at].Kind).Stage() {
		return list, at, name + " stays: a policy moves within its stage.", nil
	}
	moved := list[at]
	list = slices.Insert(slices.Delete(list, at, at+1), ref.at, moved)
	return list, ref.at, name + " moved in the draft.", nil
}

func policyTitle(p apim.Policy) string {
	about, _ := describe.Of(entry.PolicyKind(p.Kind))
	return cmp.Or(about.Title, p.Kind)
}

// changePolicy changes the list that a policy is in; change returns the list,
// where the policy is then (-1: nowhere), and what to say.
func (h *Console) changePolicy(v *visit, change func(f form, list []apim.Policy, at int) ([]apim.Policy, int, string, error)) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	operation := v.query("operation")
	ref, list, err := v.policyOf(d, operation)
	if err != nil {
		return err
	}
	list, at, done, err := change(f, slices.Clone(list), ref.at)
	if err != nil {
		return err
	}
	if _, err := h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, draftOf(ref, operation, list, f)); err != nil {
		if !f.refuse(err, nil, nil) {
			return err
		}
		v.flash(toneBad, f.message)
		return v.redirect(v.policyAt(d, operation, v.param("policy")))
	}
	v.flash(toneOK, done+" Nothing is live until you publish.")
	to := ""
	if at >= 0 {
		to = policyRef{ref.place, at}.String()
	}
	return v.redirect(v.policyAt(d, operation, to))
}

// policyOf is the policy that the address names, and the list that it is in.
func (v *visit) policyOf(d manager.VersionDetail, operation string) (policyRef, []apim.Policy, error) {
	ref, ok := refOf(v.param("policy"))
	if !ok || ref.place == ofEnvironment {
		return ref, nil, goneError()
	}
	list, err := v.policiesOf(d, ref.place, operation)
	if err == nil && ref.at >= len(list) {
		err = goneError()
	}
	return ref, list, err
}

func (h *Console) removePolicyForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	operation := v.query("operation")
	ref, list, err := v.policyOf(d, operation)
	if err != nil {
		return err
	}
	p := h.dialog(v, d, form{})
	p.Heading, p.Submit, p.Danger = "Remove "+policyTitle(list[ref.at]), "Remove policy", true
	p.Intro = "Its settings are gone with it. Switch it off instead to keep them. Calls meet it until you publish."
	p.Action = v.policyDo(d, operation, ref.String(), "remove")
	p.Back = v.policyAt(d, operation, ref.String())
	return v.render(http.StatusOK, removePolicyDialog(p))
}

func (h *Console) removePolicy(v *visit) error {
	return h.changePolicy(v, func(_ form, list []apim.Policy, at int) ([]apim.Policy, int, string, error) {
		name := policyTitle(list[at])
		return slices.Delete(list, at, at+1), -1, name + " removed from the draft.", nil
	})
}

// policyList is kinds of policies by stage, to read about or to choose from.
type policyList struct {
	Query  string
	Action string // where the search goes
	Hidden string // operation that it keeps
	Stages []policyStage
}

type policyStage struct {
	Stage entry.Stage
	Text  string
	Kinds []policyLink
}

type policyLink struct {
	describe.Policy
	Href string
}

func stagePolicies(q string, href func(describe.Policy) string) []policyStage {
	var out []policyStage
	for _, stage := range entry.Stages() {
		one := policyStage{Stage: stage, Text: policyStageText(stage)}
		for _, p := range describe.Policies() {
			if p.Stage == stage && holdsAll(string(p.Kind)+" "+p.Title+" "+p.Summary+" "+string(stage), q) {
				one.Kinds = append(one.Kinds, policyLink{p, href(p)})
			}
		}
		if len(one.Kinds) > 0 {
			out = append(out, one)
		}
	}
	return out
}

func holdsAll(text, q string) bool {
	for _, word := range strings.Fields(q) {
		if !holds(text, word) {
			return false
		}
	}
	return true
}

// policyStageText says what a stage is for.
func policyStageText(s entry.Stage) string {
	switch s {
	case entry.Admit:
		return "Which requests are looked at at all"
	case entry.Identify:
		return "Who calls"
	case entry.Authorize:
		return "Whether the caller may"
	case entry.Limit:
		return "How often, and how many at once"
	case entry.Shape:
		return "What the upstream is asked, and how"
	case entry.Destination:
		return "Who answers in the upstream's place"
	}
	return "What the caller gets"
}

// addPolicyPage lists the kinds that can be added.
type addPolicyPage struct {
	versionHead
	List  policyList
	Where string
	Back  string
}

func (h *Console) addPolicy(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	p := addPolicyPage{versionHead: h.head(v, d, "routes"), Where: "all operations of " + d.API.Name + " " + d.Version.Label}
	if !p.CanWrite {
		return apim.Errorf(apim.Forbidden, "policies of this version are not yours to change")
	}
	operation := v.query("operation")
	if operation != "" {
		if _, err := v.policiesOf(d, ofOperation, operation); err != nil {
			return err
		}
		p.Where = "the operation " + operation
	}
	p.Back = v.policyAt(d, operation, "")
	p.List = policyList{
		Query: clip(v.query("q"), 100), Action: v.links.version(d.API.Slug, d.Version.Label, "add-policy"), Hidden: operation,
	}
	p.List.Stages = stagePolicies(p.List.Query, func(one describe.Policy) string {
		return with(v.links.version(d.API.Slug, d.Version.Label), "operation", operation, "policy", newPolicy, "kind", string(one.Kind)) + "#policy"
	})
	return v.render(http.StatusOK, addPolicyView(p))
}

// policiesPage is the reference of all kinds.
type policiesPage struct {
	shell
	List policyList
}

func (h *Console) policies(v *visit) error {
	p := policiesPage{shell: v.shell("Policies", link{"Policies", ""}), List: policyList{Query: clip(v.query("q"), 100), Action: v.links.policies()}}
	p.List.Stages = stagePolicies(p.List.Query, func(one describe.Policy) string { return v.links.policyKind(one.Kind) })
	return v.render(http.StatusOK, policiesView(p))
}

// policyKindPage is the reference of one kind.
type policyKindPage struct {
	shell
	describe.Policy
	Paragraphs []string
	Rows       []fieldRow
	Code       []describe.Example
}

// fieldRow is a field in the table of a kind's fields.
type fieldRow struct {
	Name, Takes, Help string
	Required          bool
}

func (h *Console) policyKind(v *visit) error {
	about, known := describe.Of(entry.PolicyKind(v.param("kind")))
	if !known {
		return apim.Errorf(apim.NotFound, "there is no policy of kind %q", v.param("kind"))
	}
	p := policyKindPage{
		shell:  v.shell(about.Title, link{"Policies", v.links.policies()}, link{about.Title, ""}),
		Policy: about, Paragraphs: paragraphs(about.Text), Rows: fieldRows(about.Fields, ""),
	}
	for _, x := range about.Examples {
		p.Code = append(p.Code, describe.Example{Title: x.Title, Config: indented([]byte(`{"kind":` + string(encoded(about.Kind)) + `,"config":` + x.Config + `}`))})
	}
	return v.render(http.StatusOK, policyKindView(p))
}

func fieldRows(fields []describe.Field, at string) (out []fieldRow) {
	for _, one := range fields {
		row := fieldRow{Name: at + one.Name, Takes: takesText(one), Help: one.Help, Required: one.Required}
		if one.Default != "" {
			row.Help += " Default: " + one.Default + "."
		}
		out = append(out, row)
		inside := at + one.Name + "."
		if one.Form == describe.Groups {
			inside = at + one.Name + "[]."
		}
		out = append(out, fieldRows(one.Fields, inside)...)
	}
	return out
}

// takesText says what a field holds.
func takesText(one describe.Field) string {
	switch one.Form {
	case describe.Number:
		return "number" + rangeText(one)
	case describe.Switch:
		return "true or false"
	case describe.Choice:
		return strings.Join(one.Enum, ", ")
	case describe.List:
		if one.Enum != nil {
			return "list of " + strings.Join(one.Enum, ", ")
		}
		return "list of texts"
	case describe.Numbers:
		return "list of numbers"
	case describe.Group:
		return "object"
	case describe.Groups:
		return "list of objects"
	case describe.Names:
		return "texts by name"
	case describe.JSON:
		return "any JSON"
	}
	return "text"
}
