// Package describe says what each kind of policy is for, to people: its page in
// the reference, and the form that sets it. The fields are read from the
// configuration's own struct, so that nothing is described that is not there.
//
// It decides nothing: whether a configuration can be served is entry/check's to
// say.
//
// A field's struct tags are `help` (a sentence or two, required), `enum` (its
// values, with commas), `min` and `max` (of numbers), `default` (what an empty
// field means), and `lines` (true for a text of several lines).
package describe

import (
	"reflect"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// Policy describes a kind of policy.
type Policy struct {
	Kind  entry.PolicyKind
	Stage entry.Stage
	About
	Fields []Field
}

// About is what its author says of a kind.
type About struct {
	Title    string // "Rate limit"
	Summary  string // one sentence
	Text     string // paragraphs, apart by empty lines; plain text
	Examples []Example
}

// Example is a configuration that works.
type Example struct {
	Title  string
	Config string // JSON, an object
}

// Form is how a field is filled in.
type Form string

// The forms of fields.
const (
	Text    Form = "text"
	Lines   Form = "lines"  // a text of several
	Number  Form = "number" // a whole one
	Switch  Form = "switch"
	Choice  Form = "choice"  // one of Enum
	List    Form = "list"    // of texts; where Enum is set, of those
	Numbers Form = "numbers" // a list of whole ones
	Group   Form = "group"   // an object of Fields
	Groups  Form = "groups"  // a list of objects of Fields
	Names   Form = "names"   // an object of texts by name
	JSON    Form = "json"    // any value
	Secret  Form = "secret"  // a text, ${name} of a secret value of the environment
)

// Field describes a field of a configuration, or of an object in it.
type Field struct {
	Name     string // as it stands in JSON
	Title    string // made of Name
	Help     string
	Form     Form
	Required bool
	Enum     []string
	Default  string
	Min, Max *int64 // nil: none said here
	Fields   []Field
}

// Policies describes every kind, in the order of their stages.
func Policies() []Policy {
	kinds := entry.PolicyKinds()
	out := make([]Policy, 0, len(kinds))
	for _, k := range kinds {
		p, _ := Of(k)
		out = append(out, p)
	}
	return out
}

// Of describes one kind; false for an unknown one.
func Of(kind entry.PolicyKind) (Policy, bool) {
	config := entry.NewPolicyConfig(kind)
	if config == nil {
		return Policy{}, false
	}
	return Policy{Kind: kind, Stage: kind.Stage(), About: abouts[kind], Fields: fields(reflect.TypeOf(config).Elem())}, true
}

func fields(t reflect.Type) []Field {
	var out []Field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		one := Field{
			Name: name, Title: title(name), Help: f.Tag.Get("help"), Default: f.Tag.Get("default"),
			Required: !strings.Contains(options, "omit"), Min: number(f.Tag.Get("min")), Max: number(f.Tag.Get("max")),
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			one.Enum = strings.Split(enum, ",")
		}
		one.Form, one.Fields = form(f.Type, one.Enum != nil, f.Tag.Get("lines") == "true")
		if one.Form == Switch {
			one.Required = false
		}
		out = append(out, one)
	}
	return out
}

func form(t reflect.Type, choice, lines bool) (Form, []Field) {
	if t == reflect.TypeFor[[]byte]() || t.String() == "json.RawMessage" {
		return JSON, nil
	}
	if t == reflect.TypeFor[entry.Secret]() {
		return Secret, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return form(t.Elem(), choice, lines)
	case reflect.Bool:
		return Switch, nil
	case reflect.Int, reflect.Int64, reflect.Int32:
		return Number, nil
	case reflect.String:
		switch {
		case choice:
			return Choice, nil
		case lines:
			return Lines, nil
		}
		return Text, nil
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.Struct:
			return Groups, fields(t.Elem())
		case reflect.String:
			return List, nil
		case reflect.Int, reflect.Int64, reflect.Int32:
			return Numbers, nil
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return Names, nil
		}
	case reflect.Struct:
		return Group, fields(t)
	}
	return JSON, nil
}

func number(s string) *int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// title makes "Period (ms)" of "period_ms".
func title(name string) string {
	unit := ""
	for ending, text := range map[string]string{"_ms": " (ms)", "_bytes": " (bytes)"} {
		if rest, ok := strings.CutSuffix(name, ending); ok {
			name, unit = rest, text
		}
	}
	name = strings.ReplaceAll(name, "_", " ")
	for _, word := range []string{"json", "url", "jwt", "jwks", "id", "ip", "cors", "xml", "api", "html"} {
		words := strings.Fields(name)
		for i, w := range words {
			if w == word || w == word+"s" {
				words[i] = strings.ToUpper(word) + strings.TrimPrefix(w, word)
			}
		}
		name = strings.Join(words, " ")
	}
	return strings.ToUpper(name[:1]) + name[1:] + unit
}
