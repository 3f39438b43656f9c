package render_test

import (
	"encoding/json"
	"sync"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

func change(t *testing.T, c entry.JSONChange) *render.Change {
	t.Helper()
	out, wrong := render.NewChange(c, render.OfRequest)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return out
}

func TestChangeIsDoneInItsOrder(t *testing.T) {
	c := change(t, entry.JSONChange{
		Template: json.RawMessage(`{"id":"${body.id}","tags":"${body.tags}","drop":1,"keep":{"x":1,"y":2}}`),
		Patch: []entry.JSONPatch{
			{Op: "add", Path: "/tags/-", Value: json.RawMessage(`"${body.quantity}"`)},
			{Op: "copy", From: "/tags", Path: "/also"},
			{Op: "remove", Path: "/also/0"},
		},
		Merge:  json.RawMessage(`{"keep":{"z":"${body.name}"},"id":null}`),
		Select: []string{"/tags", "/also", "/keep", "/drop"},
		Omit:   []string{"/drop", "/keep/x"},
	})
	got, err := c.Apply(inputs(t, order))
	if want := `{"also":["y",3],"keep":{"y":2,"z":"Ann \"A\" <b>"},"tags":["x","y",3]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// TestOneChangeServesManyCallsAtOnce would see values that calls share.
func TestOneChangeServesManyCallsAtOnce(t *testing.T) {
	c := change(t, entry.JSONChange{
		Template: json.RawMessage(`{"list":[{"a":1}],"body":"${body}"}`),
		Patch: []entry.JSONPatch{
			{Op: "add", Path: "/new", Value: json.RawMessage(`{"deep":{"list":[]}}`)},
			{Op: "add", Path: "/new/deep/list/-", Value: json.RawMessage(`1`)},
			{Op: "add", Path: "/list/0/b", Value: json.RawMessage(`{"c":2}`)},
		},
		Merge: json.RawMessage(`{"new":{"deep":{"m":{"n":1}}}}`),
		Omit:  []string{"/list/0/a", "/body/x"},
	})
	const want = `{"body":{"y":2},"list":[{"b":{"c":2}}],"new":{"deep":{"list":[1],"m":{"n":1}}}}`
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				body, _ := tree.Decode([]byte(`{"x":1,"y":2}`))
				if got, err := c.Apply(&render.Inputs{Body: body}); err != nil || string(got) != want {
					t.Errorf("got %s, %v, want %s", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestChangeEndsAtItsLimit(t *testing.T) {
	c := change(t, entry.JSONChange{Template: json.RawMessage(`["${body}","${body}"]`), MaxBytes: 1000})
	body := make([]any, 300)
	for i := range body {
		body[i] = "x"
	}
	if got, err := c.Apply(&render.Inputs{Body: body}); err == nil {
		t.Errorf("got %d bytes", len(got))
	}
}
