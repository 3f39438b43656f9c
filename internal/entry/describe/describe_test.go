package describe_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/entry/describe"
)

func TestEveryKindIsDescribed(t *testing.T) {
	for _, p := range describe.Policies() {
		t.Run(string(p.Kind), func(t *testing.T) {
			if p.Title == "" || !strings.HasSuffix(p.Summary, ".") || p.Text == "" || len(p.Examples) == 0 || p.Stage == "" {
				t.Errorf("is not described whole: %+v", p.About)
			}
			described(t, "", p.Fields)
			for _, x := range p.Examples {
				parsed, err := entry.ParsePolicy(p.Kind, []byte(x.Config))
				if err != nil {
					t.Errorf("example %q: %v", x.Title, err)
					continue
				}
				for _, wrong := range check.Policy(parsed) {
					t.Errorf("example %q: %s: %s", x.Title, wrong.Field, wrong.Reason)
				}
			}
		})
	}
}

func described(t *testing.T, at string, fields []describe.Field) {
	t.Helper()
	for _, f := range fields {
		if !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s%s has no help, or one that is no sentence: %q", at, f.Name, f.Help)
		}
		if f.Form == describe.JSON && f.Fields != nil || f.Form == describe.Group && f.Fields == nil {
			t.Errorf("%s%s is of form %s with %d fields", at, f.Name, f.Form, len(f.Fields))
		}
		described(t, at+f.Name+".", f.Fields)
	}
}

func TestUnknownKindIsNotDescribed(t *testing.T) {
	if _, ok := describe.Of("magic"); ok {
		t.Error("magic is described")
	}
}
