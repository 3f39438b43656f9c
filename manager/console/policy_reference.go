package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
)

// policyList is kinds of policies by stage, to read about or to choose from.
type policyList struct {
	Query     string
	Action    string // where the search goes
	Operation string // that the search keeps
	Stages    []policyStage
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
	case describe.Secret:
		return "${name} of a secret value"
	}
	return "text"
}
