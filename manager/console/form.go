package console

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// choice is an option of a select or a group of radio buttons.
type choice struct{ value, label string }

// form is what somebody typed and what is wrong with it. The zero value is an
// empty form without errors.
type form struct {
	values  url.Values
	wrong   map[string]string // by field
	message string            // what is wrong with the whole
	once    string            // see receipts
	focus   string            // the field that the cursor is to be in; "" for none
	refused error             // the use case's refusal, when it is what is wrong
}

// filled returns a form that shows these values, given as name and value.
func filled(pairs ...string) form {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return form{values: values}
}

func (f form) value(name string) string { return f.values.Get(name) }

func (f form) text(name string) string { return strings.TrimSpace(f.values.Get(name)) }

func (f form) has(name string) bool { return f.values.Has(name) }

// checked reports whether a check box was ticked.
func (f form) checked(name string) bool { return f.values.Get(name) != "" }

// chosen reports whether value is among those of a field with several.
func (f form) chosen(name, value string) bool {
	for _, v := range f.values[name] {
		if v == value {
			return true
		}
	}
	return false
}

func (f form) err(name string) string { return f.wrong[name] }

// fail notes what is wrong with a field.
func (f *form) fail(field, detail string) {
	if f.wrong == nil {
		f.wrong = map[string]string{}
	}
	if f.wrong[field] == "" {
		f.wrong[field] = sentence(detail)
	}
}

func (f form) failed() bool { return len(f.wrong) > 0 || f.message != "" }

// refuse takes an error of a use case into the form and reports whether it
// could: only what the person can correct belongs in a form. rename maps the
// use case's field names, as they are or without their indexes, to the form's;
// names that are on neither go into the message.
func (f *form) refuse(err error, fields []string, rename map[string]string) bool {
	var e *apim.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case apim.Invalid, apim.Conflict, apim.TooLarge, apim.TooMany, apim.Unavailable:
	default:
		if e.Code != manager.CodeSecretUse { // another may press it, or the draft does without
			return false
		}
	}
	f.refused = err
	on := map[string]bool{}
	for _, name := range fields {
		on[name] = true
	}
	var loose []string
	for _, wrong := range e.Fields {
		name := wrong.Field
		if _, ok := rename[name]; !ok {
			name = indexes.ReplaceAllString(name, "")
		}
		if renamed, ok := rename[name]; ok {
			name = renamed
		}
		if on[name] {
			f.fail(name, wrong.Detail)
		} else {
			loose = append(loose, wrong.Field+" "+wrong.Detail)
		}
	}
	if len(loose) > 0 || len(e.Fields) == 0 {
		f.message = sentence(e.Message)
		if len(loose) > 0 {
			f.message = sentence(e.Message + ": " + strings.Join(loose, "; "))
		}
	}
	return true
}

// indexes are what field names of lists hold: "urls[0]", "routes[listOrders]".
var indexes = regexp.MustCompile(`\[[^\]]*\]`)

// sentence gives a message of the domain its capital and full stop.
func sentence(s string) string {
	s = title(strings.TrimSpace(s))
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "…") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
