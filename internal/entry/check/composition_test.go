package check_test

import (
	"encoding/json"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func TestCompositionIsRefusedAtItsFields(t *testing.T) {
	good := func() entry.Composition {
		return entry.Composition{
			Calls: []entry.CompositionCall{
				{Name: "one", Path: "/one/${request.params.id}"},
				{Name: "two", Path: "/two?x=${calls.one.body.x}", After: []string{"one"}},
				{Name: "three", Path: "/three/${calls.one.status}", After: []string{"two"}},
			},
			Answer: json.RawMessage(`{"a": "${calls.two.body}"}`),
		}
	}
	if found := check.Policy(entry.Policy{Config: new(entry.Composition)}); len(found) == 0 {
		t.Error("an empty one passes")
	}
	c := good()
	for _, p := range check.Policy(entry.Policy{Config: &c}) {
		t.Errorf("good one: %s: %s", p.Field, p.Reason)
	}
	for field, spoil := range map[string]func(*entry.Composition){
		"answer":                   func(c *entry.Composition) { c.Answer = json.RawMessage(`{"a": "${calls.four.body}"}`) },
		"status":                   func(c *entry.Composition) { c.Status = 204 },
		"calls[1].after[0]":        func(c *entry.Composition) { c.Calls[1].After[0] = "three" },
		"calls[1].path":            func(c *entry.Composition) { c.Calls[1].After = nil },
		"calls[0].path":            func(c *entry.Composition) { c.Calls[0].Path = "https://elsewhere/${request.params.id}" },
		"calls[2].name":            func(c *entry.Composition) { c.Calls[2].Name = "one" },
		"calls[0].name":            func(c *entry.Composition) { c.Calls[0].Name = "a.b" },
		"calls[0].body":            func(c *entry.Composition) { c.Calls[0].Body = json.RawMessage(`{}`) },
		"calls[0].method":          func(c *entry.Composition) { c.Calls[0].Method = "TRACE" },
		"calls[0].timeout_ms":      func(c *entry.Composition) { c.Calls[0].TimeoutMS = -1 },
		"calls[0].headers.Host":    func(c *entry.Composition) { c.Calls[0].Headers = map[string]string{"Host": "x"} },
		"calls[0].headers.X-A":     func(c *entry.Composition) { c.Calls[0].Headers = map[string]string{"X-A": "${nonsense(}"} },
		"calls[0].headers.Cookie":  func(c *entry.Composition) { c.Calls[0].Headers = map[string]string{"Cookie": "${calls.two.body}"} },
		"calls[2].headers.Traffic": func(c *entry.Composition) { c.Calls[2].Headers = map[string]string{"Traffic": "${answer.status}"} },
	} {
		c := good()
		spoil(&c)
		found := check.Policy(entry.Policy{Config: &c})
		ok := false
		for _, p := range found {
			ok = ok || p.Field == field
		}
		if !ok {
			t.Errorf("%s: got %v", field, found)
		}
	}
}
