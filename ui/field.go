package ui

import (
	"strconv"

	"github.com/a-h/templ"
)

// Option is one choice of a select or a group.
type Option struct {
	Value    string
	Label    string
	Note     string // Choices: a second line
	Badge    string // Choices: why it cannot be chosen, or what it is
	Avatar   string // Choices: name whose initials stand before it
	Disabled bool
}

// FieldView is a labelled control with its hint and its error.
type FieldView struct {
	Label        string
	Name         string
	ID           string // made from Name if empty
	Kind         string // "text" (default), "password", "email", "url", "number", "date", "range", "file", "select", "area", "checkbox", "switch"
	Value        string
	Placeholder  string
	Hint         string
	Err          string // replaces the hint
	Options      []Option
	Checked      bool
	Optional     bool // says so beside the label
	Required     bool
	Disabled     bool
	ReadOnly     bool
	Mono         bool
	HideLabel    bool
	Focus        bool   // gets the focus when the page or dialog opens
	Rows         int    // of an area; 4 if zero
	AutoComplete string // "username", "current-password", "off"
	Accept       string // of a file: ".yaml,.json"
	CheckURL     string // validates on change: gets the form, answers with this field
	Attrs        templ.Attributes
}

func (v FieldView) id() string {
	if v.ID != "" {
		return v.ID
	}
	return "f-" + v.Name
}

func (v FieldView) noteID() string { return v.id() + "-note" }

// control are the attributes that every kind of control has.
func (v FieldView) control() templ.Attributes {
	a := templ.Attributes{"id": v.id(), "name": v.Name}
	if v.Err != "" {
		a["aria-invalid"] = "true"
	}
	if v.Err != "" || v.Hint != "" {
		a["aria-describedby"] = v.noteID()
	}
	for key, on := range map[string]bool{
		"required": v.Required, "disabled": v.Disabled, "readonly": v.ReadOnly, "autofocus": v.Focus,
	} {
		if on {
			a[key] = true
		}
	}
	for key, value := range map[string]string{"placeholder": v.Placeholder, "autocomplete": v.AutoComplete, "accept": v.Accept} {
		if value != "" {
			a[key] = value
		}
	}
	if v.CheckURL != "" {
		a = attrs(a, templ.Attributes{
			"hx-post": v.CheckURL, "hx-trigger": "change", "hx-target": "closest .field", "hx-swap": "outerHTML", "hx-include": "closest form",
		})
	}
	return attrs(a, v.Attrs)
}

func (v FieldView) input() templ.Attributes {
	kind := v.Kind
	if kind == "" {
		kind = "text"
	}
	a := templ.Attributes{"type": kind, "class": v.class("input")}
	if kind == "range" {
		a["class"] = "range" // data-out and data-rest in Attrs name elements that show its value
	}
	if v.Value != "" && kind != "file" {
		a["value"] = v.Value
	}
	return attrs(v.control(), a)
}

func (v FieldView) area() templ.Attributes {
	rows := v.Rows
	if rows == 0 {
		rows = 4
	}
	return attrs(v.control(), templ.Attributes{"rows": strconv.Itoa(rows), "class": v.class("area")})
}

func (v FieldView) tick() templ.Attributes {
	a := templ.Attributes{"type": "checkbox"}
	if v.Value != "" {
		a["value"] = v.Value
	}
	if v.Checked {
		a["checked"] = true
	}
	if v.Kind == "switch" {
		a["role"] = "switch"
	}
	return attrs(v.control(), a)
}

func (v FieldView) class(name string) string {
	if v.Mono {
		return name + " mono"
	}
	return name
}

// ChoicesView is a group of radio buttons, of which one is chosen.
type ChoicesView struct {
	Legend  string
	Name    string
	Value   string
	Options []Option
	Err     string
}

func (v ChoicesView) radio(i int, o Option) templ.Attributes {
	a := templ.Attributes{"type": "radio", "name": v.Name, "value": o.Value, "id": "f-" + v.Name + "-" + strconv.Itoa(i)}
	if o.Value == v.Value {
		a["checked"] = true
	}
	if o.Disabled {
		a["disabled"] = true
	}
	return a
}

func (v ChoicesView) group() templ.Attributes {
	if v.Err == "" {
		return nil
	}
	return templ.Attributes{"aria-describedby": "f-" + v.Name + "-note"}
}

// SearchView is a form that filters a list as one types, and by Enter without a script.
type SearchView struct {
	Action      string // GET
	Name        string // "q" if empty
	Value       string
	Label       string // accessible name
	Placeholder string
	Target      string // CSS id selector of what it changes: "#results"
	Also        string // CSS id selector of what else it changes: links with the condition in them
	Hidden      []Pair // other conditions to keep
	Slash       bool   // "/" puts the cursor here
	Size        Size   // Small 180, Medium 280, Large 440 px
}

func (v SearchView) name() string {
	if v.Name == "" {
		return "q"
	}
	return v.Name
}

func (v SearchView) form() templ.Attributes {
	if v.Target == "" {
		return nil
	}
	a := attrs(swap(v.Action, v.Target), templ.Attributes{"hx-trigger": "input changed delay:150ms from:find input, submit"})
	if v.Also != "" {
		a["hx-select-oob"] = v.Also
	}
	return a
}

func (v SearchView) input() templ.Attributes {
	a := templ.Attributes{
		"class": "input", "type": "search", "name": v.name(), "id": "s-" + v.name(), "value": v.Value,
		"placeholder": v.Placeholder, "aria-label": v.Label, "autocomplete": "off",
	}
	if v.Slash {
		a["data-slash"] = true
		a["aria-keyshortcuts"] = "/"
	}
	return a
}
