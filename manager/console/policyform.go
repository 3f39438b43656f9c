package console

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/describe"
	"portico/ui"
)

// A policy's configuration in a form: its fields are named config.requests,
// config.rules[0].name. A list of objects has as many rows as its own name says.

const (
	configName = "config"
	mostRows   = 200 // of a list of objects
)

// configForm fills a form with a configuration; what it leaves out is as its
// default.
func configForm(fields []describe.Field, config json.RawMessage) form {
	f := form{values: url.Values{}}
	fillConfig(f.values, fields, configName, config)
	return f
}

func fillConfig(into url.Values, fields []describe.Field, at string, config json.RawMessage) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(config, &object); err != nil {
		object = nil // nothing is set
	}
	for _, one := range fields {
		fillField(into, one, at+"."+one.Name, object[one.Name])
	}
}

func fillField(into url.Values, one describe.Field, name string, raw json.RawMessage) {
	if string(raw) == "null" {
		raw = nil
	}
	switch one.Form {
	case describe.Switch:
		if string(raw) == "true" || raw == nil && one.Default == "true" {
			into.Set(name, "on")
		}
	case describe.Group:
		fillConfig(into, one.Fields, name, raw)
	case describe.Groups:
		var rows []json.RawMessage
		_ = json.Unmarshal(raw, &rows) // what is no list has no rows
		into.Set(name, strconv.Itoa(len(rows)))
		for i, row := range rows {
			fillConfig(into, one.Fields, rowName(name, i), row)
		}
	case describe.List:
		items := itemsOf(raw)
		if one.Enum != nil {
			into[name] = items
			return
		}
		into.Set(name, itemsText(items))
	case describe.Numbers:
		var items []json.Number
		_ = json.Unmarshal(raw, &items) // what is no list has no items
		lines := make([]string, len(items))
		for i, n := range items {
			lines[i] = n.String()
		}
		into.Set(name, strings.Join(lines, "\n"))
	case describe.Names:
		into.Set(name, namesText(raw))
	case describe.JSON:
		into.Set(name, indented(raw))
	default:
		into.Set(name, plain(raw))
	}
}

// plain is a text or a number as it is typed.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func itemsOf(raw json.RawMessage) (items []string) {
	_ = json.Unmarshal(raw, &items) // what is no list has no items
	return items
}

// itemsText writes a list one in each line, or in JSON where a line could not
// hold it.
func itemsText(items []string) string {
	text := strings.Join(items, "\n")
	if !slices.Equal(linesOf(text), items) {
		return string(encoded(items))
	}
	return text
}

// linesOf reads what itemsText writes.
func linesOf(text string) []string {
	var items []string
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "[") && json.Unmarshal([]byte(trimmed), &items) == nil {
		return items
	}
	items = nil
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			items = append(items, line)
		}
	}
	return items
}

type named struct{ name, value string }

// namesText writes an object of texts as name: value, one in each line and in
// its order, or in JSON where a line could not hold it.
func namesText(raw json.RawMessage) string {
	if raw == nil {
		return ""
	}
	pairs, ok := pairsOf(raw)
	if !ok {
		return string(raw)
	}
	lines := make([]string, len(pairs))
	for i, p := range pairs {
		lines[i] = p.name + ": " + p.value
	}
	text := strings.Join(lines, "\n")
	if got, wrong := namesOf(text); wrong != "" || !slices.Equal(got, pairs) {
		return indented(raw)
	}
	return text
}

// pairsOf reads an object of texts in its order.
func pairsOf(raw json.RawMessage) (out []named, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		value, err := d.Token()
		text, isText := value.(string)
		if err != nil || !isText {
			return nil, false
		}
		key, _ := name.(string) // an object's names are texts
		out = append(out, named{key, text})
	}
	return out, true
}

// namesOf reads what namesText writes; wrong says what cannot be read.
func namesOf(text string) (out []named, wrong string) {
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") {
		if pairs, ok := pairsOf(json.RawMessage(trimmed)); ok && json.Valid([]byte(trimmed)) {
			return pairs, ""
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		switch {
		case !ok || name == "":
			return nil, "write each as name: value; " + clip(line, 40) + " has no colon behind a name"
		case seen[name]:
			return nil, "has " + clip(name, 40) + " twice"
		}
		seen[name] = true
		out = append(out, named{name, strings.TrimSpace(value)})
	}
	return out, ""
}

func rowName(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// rows is how many rows a list of objects has in the form.
func (f form) rows(name string) int {
	n, err := strconv.Atoi(f.value(name))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, mostRows)
}

// addRow gives a list of objects one row more.
func (f *form) addRow(name string) {
	f.values.Set(name, strconv.Itoa(min(f.rows(name)+1, mostRows)))
}

// dropRow takes row i out of a list of objects.
func (f *form) dropRow(name string, i int) {
	n := f.rows(name)
	if i < 0 || i >= n {
		return
	}
	kept := url.Values{}
	for key, values := range f.values {
		at := i
		for ; at < n; at++ {
			if strings.HasPrefix(key, rowName(name, at)+".") || key == rowName(name, at) {
				break
			}
		}
		switch {
		case at == n:
			kept[key] = values
		case at > i:
			kept[rowName(name, at-1)+strings.TrimPrefix(key, rowName(name, at))] = values
		}
	}
	kept.Set(name, strconv.Itoa(n-1))
	f.values = kept
}

// readConfig reads a configuration from a form and notes what cannot be read.
// Whether it can be served is not asked here.
func readConfig(f *form, fields []describe.Field, at string) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, one := range fields {
		raw := readField(f, one, at+"."+one.Name)
		if raw == nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(encoded(one.Name))
		b.WriteByte(':')
		b.Write(raw)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// readField is a field's value in JSON, nil where nothing is set.
func readField(f *form, one describe.Field, name string) json.RawMessage {
	text := strings.ReplaceAll(f.value(name), "\r\n", "\n")
	switch one.Form {
	case describe.Switch:
		switch {
		case f.checked(name):
			return json.RawMessage("true")
		case one.Default == "true":
			return json.RawMessage("false")
		}
		return nil
	case describe.Group:
		raw := readConfig(f, one.Fields, name)
		if string(raw) == untouched(one.Fields) {
			return nil
		}
		return raw
	case describe.Groups:
		return readRows(f, one, name)
	case describe.Lines:
		if strings.TrimSpace(text) == "" && !one.Required {
			return nil
		}
		return encoded(text)
	case describe.Number:
		return readNumber(f, one, name, text)
	case describe.Numbers:
		var items []json.RawMessage
		for _, line := range strings.Fields(strings.ReplaceAll(text, ",", " ")) {
			if _, err := strconv.ParseInt(line, 10, 64); err != nil {
				f.fail(name, "write whole numbers; "+clip(line, 40)+" is none")
				return nil
			}
			items = append(items, json.RawMessage(line))
		}
		if items == nil {
			return nil
		}
		return encoded(items)
	case describe.List:
		items := linesOf(text)
		if one.Enum != nil {
			items = f.values[name]
		}
		if len(items) == 0 {
			return nil
		}
		return encoded(items)
	case describe.Names:
		return readNames(f, name, text)
	case describe.JSON:
		return readJSON(f, name, text)
	default:
		if text = strings.TrimSpace(text); text == "" && !one.Required {
			return nil
		}
		return encoded(text)
	}
}

func readRows(f *form, one describe.Field, name string) json.RawMessage {
	var rows []json.RawMessage
	blank := untouched(one.Fields)
	for i := range f.rows(name) {
		if row := readConfig(f, one.Fields, rowName(name, i)); string(row) != blank {
			rows = append(rows, row)
		}
	}
	if rows == nil {
		return nil
	}
	return encoded(rows)
}

func readNumber(f *form, one describe.Field, name, text string) json.RawMessage {
	text = strings.ReplaceAll(strings.TrimSpace(text), ",", "")
	if text == "" {
		if one.Required && one.Min != nil && *one.Min > 0 {
			f.fail(name, "needs a number")
		}
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || one.Min != nil && n < *one.Min || one.Max != nil && n > *one.Max {
		f.fail(name, "use a whole number"+rangeText(one))
		return nil
	}
	return json.RawMessage(strconv.FormatInt(n, 10))
}

func rangeText(one describe.Field) string {
	switch {
	case one.Min != nil && one.Max != nil:
		return " from " + number(*one.Min) + " to " + number(*one.Max)
	case one.Min != nil:
		return " of at least " + number(*one.Min)
	case one.Max != nil:
		return " of at most " + number(*one.Max)
	}
	return ""
}

func readNames(f *form, name, text string) json.RawMessage {
	pairs, wrong := namesOf(text)
	if wrong != "" {
		f.fail(name, wrong)
		return nil
	}
	if len(pairs) == 0 {
		return nil
	}
	var b bytes.Buffer
	for i, p := range pairs {
		b.WriteByte("{,"[min(i, 1)])
		b.Write(encoded(p.name))
		b.WriteByte(':')
		b.Write(encoded(p.value))
	}
	b.WriteByte('}')
	return b.Bytes()
}

func readJSON(f *form, name, text string) json.RawMessage {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		f.fail(name, "is no JSON: "+err.Error())
		return nil
	}
	return b.Bytes()
}

// untouched is what is read from fields that nobody has filled in.
func untouched(fields []describe.Field) string {
	empty := form{values: url.Values{}}
	fillConfig(empty.values, fields, configName, nil)
	return string(readConfig(&empty, fields, configName))
}

// encoded writes what always can be written: texts, and lists of them.
func encoded(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(b.Bytes())
}

// policyInput is a field as the page shows it.
type policyInput struct {
	describe.Field
	Name   string
	View   ui.FieldView
	Err    string
	Inputs []policyInput // of a group
	Rows   []policyRow   // of a list of objects
	Ticks  []ui.FieldView
	Fixed  bool
}

type policyRow struct {
	Name   string
	Inputs []policyInput
}

// policyInputs are the fields of a configuration with what a form holds.
func policyInputs(f form, fields []describe.Field, at string, fixed bool) []policyInput {
	out := make([]policyInput, 0, len(fields))
	for _, one := range fields {
		name := at + "." + one.Name
		in := policyInput{Field: one, Name: name, Err: f.err(name), Fixed: fixed}
		in.View = ui.FieldView{
			Label: one.Title, Name: name, Value: f.value(name), Err: in.Err, Hint: hintOf(one), Disabled: fixed,
			Optional: !one.Required && one.Form != describe.Switch, AutoComplete: "off",
		}
		switch one.Form {
		case describe.Switch:
			in.View.Kind, in.View.Value, in.View.Checked = "switch", "on", f.checked(name)
		case describe.Choice:
			in.View.Kind, in.View.Options = "select", optionsOf(one, f.value(name))
		case describe.Number:
			in.View.Attrs = map[string]any{"inputmode": "numeric"}
		case describe.Lines, describe.JSON:
			in.View.Kind, in.View.Mono, in.View.Rows = "area", true, min(max(4, 1+strings.Count(in.View.Value, "\n")), 20)
		case describe.List, describe.Names, describe.Numbers:
			in.View.Kind, in.View.Mono, in.View.Rows = "area", true, min(max(2, 1+strings.Count(in.View.Value, "\n")), 20)
			in.Ticks = ticksOf(one, name, f, fixed)
		case describe.Secret:
			if (entry.Secret{Ref: in.View.Value}).Name() == "" {
				in.View.Value = "" // it may be a secret, which no page shows
			}
		case describe.Group:
			in.Inputs = policyInputs(f, one.Fields, name, fixed)
		case describe.Groups:
			for i := range f.rows(name) {
				row := policyRow{Name: rowName(name, i)}
				row.Inputs = policyInputs(f, one.Fields, row.Name, fixed)
				in.Rows = append(in.Rows, row)
			}
		}
		out = append(out, in)
	}
	return out
}

// hintOf is a field's help with what else can be said of it.
func hintOf(one describe.Field) string {
	parts := []string{one.Help}
	switch {
	case one.Max != nil && one.Min != nil && *one.Min > 0:
		parts = append(parts, "From "+number(*one.Min)+" to "+number(*one.Max)+".")
	case one.Max != nil:
		parts = append(parts, "At most "+number(*one.Max)+".")
	case one.Min != nil && *one.Min > 1:
		parts = append(parts, "At least "+number(*one.Min)+".")
	}
	switch one.Form {
	case describe.List, describe.Numbers:
		if one.Enum == nil {
			parts = append(parts, "One in each line.")
		}
	case describe.Names:
		parts = append(parts, "One in each line, as name: value.")
	case describe.JSON:
		parts = append(parts, "As JSON.")
	case describe.Secret:
		parts = append(parts, "Write ${name} of a secret value of the environment.")
	}
	if one.Default != "" && one.Form != describe.Switch && one.Form != describe.Choice && !strings.Contains(one.Help, "Empty:") {
		parts = append(parts, "Empty: "+one.Default+".")
	}
	return strings.Join(parts, " ")
}

// optionsOf are the values of a choice; one that is none of them is shown
// nevertheless, so that it is not changed unseen.
func optionsOf(one describe.Field, value string) []ui.Option {
	var out []ui.Option
	if !one.Required || value == "" {
		label := "Choose…"
		switch {
		case one.Default != "":
			label = "Default: " + one.Default
		case !one.Required:
			label = "Not set"
		}
		out = append(out, ui.Option{Label: label})
	}
	values := one.Enum
	if value != "" && !slices.Contains(values, value) {
		values = append(slices.Clone(values), value)
	}
	for _, v := range values {
		if v != "" {
			out = append(out, ui.Option{Value: v, Label: v})
		}
	}
	return out
}

// ticksOf are the boxes of a list whose items are known.
func ticksOf(one describe.Field, name string, f form, fixed bool) []ui.FieldView {
	if one.Enum == nil {
		return nil
	}
	values := slices.Clone(one.Enum)
	for _, v := range f.values[name] {
		if !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	var out []ui.FieldView
	for _, v := range values {
		out = append(out, ui.FieldView{
			Label: v, Name: name, ID: "f-" + name + "-" + v, Kind: "checkbox", Value: v, Checked: f.chosen(name, v), Disabled: fixed,
		})
	}
	return out
}

// inputName is the input that a problem at a field belongs to: itself, or what
// it is in; "" for none.
func inputName(inputs []policyInput, field string) string {
	known := map[string]bool{}
	var note func([]policyInput)
	note = func(list []policyInput) {
		for _, in := range list {
			known[in.Name] = true
			note(in.Inputs)
			for _, row := range in.Rows {
				note(row.Inputs)
			}
		}
	}
	note(inputs)
	for field != "" && !known[field] {
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return field
}

// policySummary is a configuration in a few words.
func policySummary(fields []describe.Field, config json.RawMessage) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(config, &object) != nil {
		return ""
	}
	var parts []string
	for _, one := range fields {
		raw, ok := object[one.Name]
		if !ok || len(parts) == 3 {
			continue
		}
		if text := summaryOf(one, raw); text != "" {
			parts = append(parts, text)
		}
	}
	return clip(strings.Join(parts, ", "), 70)
}

func summaryOf(one describe.Field, raw json.RawMessage) string {
	word := strings.ToLower(one.Title[:1]) + one.Title[1:]
	switch one.Form {
	case describe.Switch:
		if string(raw) == "true" {
			return word
		}
		return "not " + word
	case describe.Choice:
		return plain(raw)
	case describe.Number:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n != 0 {
			if name, unit, ok := strings.Cut(strings.TrimSuffix(word, ")"), " ("); ok {
				return name + " " + number(n) + " " + unit
			}
			return word + " " + number(n)
		}
	case describe.Text, describe.Secret:
		if text := plain(raw); text != "" {
			return word + " " + clip(text, 30)
		}
	case describe.List:
		if items := itemsOf(raw); len(items) == 1 {
			return clip(items[0], 30)
		} else if len(items) > 1 {
			return clip(items[0], 30) + " and " + number(len(items)-1) + " more"
		}
	case describe.Names:
		if pairs, ok := pairsOf(raw); ok && len(pairs) > 0 {
			names := make([]string, len(pairs))
			for i, p := range pairs {
				names[i] = p.name
			}
			return clip(strings.Join(names, ", "), 40)
		}
	case describe.Groups:
		var rows []json.RawMessage
		if json.Unmarshal(raw, &rows) == nil && len(rows) > 0 {
			return word + " " + number(len(rows))
		}
	}
	return ""
}
