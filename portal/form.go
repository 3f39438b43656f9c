package portal

import (
	"errors"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/ui"
)

// fieldErrors is what was wrong with a form: beside its fields, and as a
// whole.
type fieldErrors struct {
	Message string
	Fields  map[string]string
}

func (e fieldErrors) of(field string) string { return e.Fields[field] }

// fieldsOf reads a refusal that the form itself can show: wrong input, or a
// conflict with what there is. What concerns no field of the form, or is no
// field's matter, becomes the message.
func fieldsOf(err error, fields ...string) (fieldErrors, bool) {
	var refused *apim.Error
	if !errors.As(err, &refused) {
		return fieldErrors{}, false
	}
	switch refused.Kind {
	case apim.Invalid, apim.Conflict, apim.TooLarge, apim.TooMany:
	default:
		return fieldErrors{}, false
	}
	out := fieldErrors{Fields: map[string]string{}}
	var rest []string
	for _, f := range refused.Fields {
		name, _, _ := strings.Cut(f.Field, "[") // addresses[1] is the field addresses
		if slices.Contains(fields, name) && out.Fields[name] == "" {
			out.Fields[name] = sentence(f.Detail)
		} else {
			rest = append(rest, f.Field+": "+f.Detail)
		}
	}
	switch {
	case len(out.Fields) == 0 && len(rest) == 0:
		out.Message = sentence(refused.Message)
	case len(rest) > 0:
		out.Message = sentence(strings.Join(rest, "; "))
	}
	return out, true
}

// sentence makes a use case's message, which begins in lower case, one for a
// page.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	r := []rune(s)
	s = strings.ToUpper(string(r[:1])) + string(r[1:])
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

func options(choices []choice) []ui.Option {
	var all []ui.Option
	for _, c := range choices {
		all = append(all, ui.Option{Value: c.Value, Label: c.Label})
	}
	return all
}

func chosen(choices []choice) string {
	for _, c := range choices {
		if c.Chosen {
			return c.Value
		}
	}
	return ""
}

func (v applicationForm) dialog() ui.DialogView {
	d := ui.DialogView{
		ID: "application", Title: "New application", Text: "It holds keys and subscriptions of one program of yours.",
		Action: v.Action, Submit: "Create application", Cancel: v.Back, Size: ui.Medium,
	}
	if v.Edits != "" {
		d.Title, d.Text, d.Submit = "Edit "+v.Edits, "Its keys and subscriptions stay as they are.", "Save application"
	}
	return d
}

func (v newKeyView) dialog() ui.DialogView {
	return ui.DialogView{
		ID: "new-key", Title: "New credential for " + v.Application, Text: "What is secret you see once.",
		Action: v.Action, Submit: "Add it", Cancel: v.Back, Size: ui.Medium,
	}
}

// fits says which kind to choose.
func (v newKeyView) fits() string {
	if v.Fits == "" {
		return "What the APIs that you call ask for. Most take an API key."
	}
	return v.Fits
}

func (v subscriptionView) ended() bool {
	return v.State == "Rejected" || v.State == "Cancelled" || v.State == "Expired"
}

func planCount(plans []planColumn) string {
	return [...]string{"n1", "n1", "n2", "n3", "n4"}[min(len(plans), 4)]
}

func publicSentence(n int) string {
	if n == 1 {
		return "One operation needs no key; the reference says which."
	}
	return number(n) + " operations need no key; the reference says which."
}

func (p *progressView) stage() string {
	if p.Stage == "" {
		return "Waiting to be read"
	}
	return sentence(p.Stage)
}

func (p *progressView) text() string {
	if p.Total == 0 {
		return ""
	}
	return number(p.Done) + " of " + number(p.Total)
}

// progressAttrs make the notice ask again until the document is read.
func progressAttrs(p *progressView) templ.Attributes {
	if p.Failed || p.Finished {
		return nil
	}
	return templ.Attributes{"hx-get": p.Poll, "hx-trigger": "load delay:2s", "hx-swap": "outerHTML"}
}

func proofAttrs(p *proofView) templ.Attributes {
	if p.Done || p.Poll == "" {
		return nil
	}
	return templ.Attributes{"hx-get": p.Poll, "hx-trigger": "load delay:1s", "hx-swap": "outerHTML"}
}
