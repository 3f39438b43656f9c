package console

import (
	"encoding/json"
	"testing"

	"portico/internal/apim"
	"portico/internal/entry/describe"
)

// everyForm has a field of every form.
func everyForm() []describe.Field {
	least, most := int64(1), int64(10)
	pair := []describe.Field{{Name: "name", Title: "Name", Form: describe.Text, Required: true}, {Name: "on", Title: "On", Form: describe.Switch}}
	return []describe.Field{
		{Name: "text", Title: "Text", Form: describe.Text},
		{Name: "lines", Title: "Lines", Form: describe.Lines},
		{Name: "number", Title: "Number", Form: describe.Number, Min: &least, Max: &most},
		{Name: "switch", Title: "Switch", Form: describe.Switch},
		{Name: "still", Title: "Still", Form: describe.Switch, Default: "true"},
		{Name: "choice", Title: "Choice", Form: describe.Choice, Enum: []string{"a", "b"}},
		{Name: "list", Title: "List", Form: describe.List},
		{Name: "ticks", Title: "Ticks", Form: describe.List, Enum: []string{"x", "y"}},
		{Name: "numbers", Title: "Numbers", Form: describe.Numbers},
		{Name: "group", Title: "Group", Form: describe.Group, Fields: pair},
		{Name: "rows", Title: "Rows", Form: describe.Groups, Fields: append(pair, describe.Field{Name: "inner", Title: "Inner", Form: describe.Groups, Fields: pair})},
		{Name: "names", Title: "Names", Form: describe.Names},
		{Name: "json", Title: "JSON", Form: describe.JSON},
	}
}

func TestConfigurationPassesThroughItsForm(t *testing.T) {
	for name, config := range map[string]string{
		"nothing":                    `{"still":true}`,
		"text":                       `{"text":"é <b> & \"x\"","still":true}`,
		"several lines":              `{"lines":"one\n\n  two\n","still":true}`,
		"number":                     `{"number":7,"still":true}`,
		"switches":                   `{"switch":true,"still":false}`,
		"choice":                     `{"still":true,"choice":"b"}`,
		"choice that is none":        `{"still":true,"choice":"c"}`,
		"list":                       `{"still":true,"list":["one","[a-z]+","a b"]}`,
		"list with lines in it":      `{"still":true,"list":["one\ntwo"," x "]}`,
		"list that looks like JSON":  `{"still":true,"list":["[\"a\"]"]}`,
		"ticks":                      `{"still":true,"ticks":["y","z"]}`,
		"numbers":                    `{"still":true,"numbers":[3,-1]}`,
		"group":                      `{"still":true,"group":{"name":"n","on":true}}`,
		"group with a switch alone":  `{"still":true,"group":{"name":"","on":true}}`,
		"rows":                       `{"still":true,"rows":[{"name":"a"},{"name":"b","on":true,"inner":[{"name":"c"},{"name":"d"}]}]}`,
		"names in their order":       `{"still":true,"names":{"z":"1: 2","a":""}}`,
		"names that no line can say": `{"still":true,"names":{"a:b":"1","c":" x\ny"}}`,
		"names that look like JSON":  `{"still":true,"names":{"{\"a\"":"\"b\"}"}}`,
		"any value":                  `{"still":true,"json":[1,{"b":null,"a":1.50}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := configForm(everyForm(), json.RawMessage(config))
			if got := string(readConfig(&f, everyForm(), configName)); got != config || f.failed() {
				t.Errorf("got %s (%v, %s), want %s", got, f.wrong, f.message, config)
			}
		})
	}
}

func TestWhatCannotBeReadIsSaidAtItsField(t *testing.T) {
	for name, c := range map[string]struct{ field, typed string }{
		"no number":         {"number", "many"},
		"broken number":     {"number", "1.5"},
		"too small":         {"number", "0"},
		"too large":         {"number", "11"},
		"no whole numbers":  {"numbers", "1\ntwo"},
		"name with no text": {"names", "a: b\nc"},
		"name twice":        {"names", "a: b\na: c"},
		"no JSON":           {"json", "{"},
		"more than JSON":    {"json", "{} {}"},
	} {
		t.Run(name, func(t *testing.T) {
			f := filled("config."+c.field, c.typed)
			readConfig(&f, everyForm(), configName)
			if f.err("config."+c.field) == "" || len(f.wrong) != 1 || f.value("config."+c.field) != c.typed {
				t.Errorf("got %v with %q typed", f.wrong, f.value("config."+c.field))
			}
		})
	}
}

func TestRowsAreAddedAndTakenOut(t *testing.T) {
	f := configForm(everyForm(), json.RawMessage(`{"rows":[{"name":"a"},{"name":"b","inner":[{"name":"c"}]},{"name":"d","on":true,"inner":[{"name":"e"},{"name":"f"}]}]}`))
	f.values.Set("more", "config.rows")
	if !f.arranged() || f.rows("config.rows") != 4 {
		t.Fatalf("got %d rows", f.rows("config.rows"))
	}
	f.values.Del("more")
	f.values.Set("drop", "config.rows|1")
	if !f.arranged() {
		t.Fatal("nothing was taken out")
	}
	f.values.Del("drop")
	f.dropRow("config.rows[1].inner", 0)
	f.dropRow("config.rows", 9)
	const want = `{"still":true,"rows":[{"name":"a"},{"name":"d","on":true,"inner":[{"name":"f"}]}]}`
	f.values.Set("config.still", "on")
	if got := string(readConfig(&f, everyForm(), configName)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, nothing := range []string{"", "config.rows", "config.rows|x"} {
		if g := filled("drop", nothing); g.arranged() {
			t.Errorf("%q takes something out", nothing)
		}
	}
	many := filled("config.rows", "100000000")
	if many.rows("config.rows") != mostRows {
		t.Errorf("a form may have %d rows", many.rows("config.rows"))
	}
}

func TestRefusalIsSaidAtTheFieldThatItIsAbout(t *testing.T) {
	about := describe.Policy{Fields: everyForm()}
	config := json.RawMessage(`{"rows":[{"name":"a"},{"name":"b"}],"list":["x","y"],"group":{"name":"g"}}`)
	for field, want := range map[string]struct{ at, text string }{
		"policies[3].config.text":             {"config.text", "Is wrong."},
		"policies[3].config.rows[1].name":     {"config.rows[1].name", "Is wrong."},
		"policies[3].config.rows[1]":          {"config.rows", "Entry 2: is wrong."},
		"policies[3].config.list[1]":          {"config.list", "Entry 2: is wrong."},
		"policies[3].config.group.name":       {"config.group.name", "Is wrong."},
		"policies[3].config.json.deep.inside": {"config.json", "Deep.inside: is wrong."},
		"policies[3].config":                  {"", "Refused: is wrong."},
		"policies[3]":                         {"", "Refused: is wrong."},
		"policies[30].config.text":            {"", "Refused: policies[30].config.text is wrong."},
		"mounts":                              {"", "Refused: mounts is wrong."},
	} {
		t.Run(field, func(t *testing.T) {
			f := configForm(everyForm(), config)
			err := &apim.Error{Kind: apim.Invalid, Message: "refused", Fields: []apim.FieldError{{Field: field, Detail: "is wrong"}}}
			if !f.refusePolicy(err, about, "policies[3]") {
				t.Fatal("it was not taken")
			}
			got := f.message
			if want.at != "" {
				got = f.err(want.at)
			}
			if got != want.text || want.at != "" && f.message != "" {
				t.Errorf("got %q with the message %q and %v, want %q", got, f.message, f.wrong, want.text)
			}
		})
	}
}
