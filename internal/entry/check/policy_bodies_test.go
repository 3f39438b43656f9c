package check_test

import (
	"slices"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// TestPoliciesAboutBodiesAreChecked wants every mistake at its field.
func TestPoliciesAboutBodiesAreChecked(t *testing.T) {
	for _, c := range []struct {
		kind   entry.PolicyKind
		config string
		wrong  []string // fields
	}{
		{"json_body", `{}`, []string{""}},
		{"json_body", `{"template": null}`, []string{""}},
		{"json_body", `{"template": {"a": "${bdy.x}"}}`, []string{"template"}},
		{"json_body", `{"template": {"a": "${answer.status}"}}`, []string{"template"}},
		{"json_body", `{"template": {"a": "${now()}"}, "merge": "${", "max_bytes": 5000000, "other_types": "x"}`, []string{"max_bytes", "merge", "other_types", "template"}},
		{"json_body", `{"patch": [{"op": "x", "path": "/a"}, {"op": "add", "path": "a", "value": 1}, {"op": "add", "path": "/a"}, {"op": "remove", "path": "/a", "value": 1, "from": "/b"}, {"op": "copy", "path": "/a", "from": "b"}]}`, []string{
			"patch[0].op", "patch[1].path", "patch[2].value", "patch[3].from", "patch[3].value", "patch[4].from",
		}},
		{"json_body", `{"patch": [{"op": "add", "path": "/a", "value": null}]}`, nil},
		{"json_body", `{"select": ["/a", "b"], "omit": [""]}`, []string{"omit[0]", "select[1]"}},
		{"json_body", `{"select": ["/` + strings.Repeat("a", 2000) + `"]}`, []string{"select[0]"}},
		{"json_answer", `{"omit": ["/a"], "statuses": ["2xx", "404", "1xx", "600", "ok"], "unreadable": "x"}`, []string{"statuses[2]", "statuses[3]", "statuses[4]", "unreadable"}},
		{"xml_json", `{}`, []string{""}},
		{"xml_json", `{"request": "to_yaml", "answer": "to_json"}`, []string{"request"}},
		{"xml_json", `{"answer": "to_json", "root": "a b", "answer_root": "<", "arrays": ["a/b", "a//b", "/a"], "xml_type": "text/plain", "max_bytes": -1}`, []string{
			"answer_root", "arrays[1]", "arrays[2]", "max_bytes", "root", "xml_type",
		}},
		{"error_page", `{"statuses": []}`, []string{"", "statuses"}},
		{"error_page", `{"statuses": ["200"], "codes": ["A"], "status": 200}`, []string{"codes[0]", "status", "statuses[0]"}},
		{"error_page", `{"statuses": ["4xx"], "html": "<a href=${problem.code}", "text": "${body}", "json": {"a": "${problem.x}"}}`, []string{"html", "json", "text"}},
		{"graphql", `{}`, nil},
		{"graphql", `{"max_depth": 201, "max_cost": -1, "operations": ["read"], "allow": ["orders", "/a-b"], "deny": ["a/b", "*", ""], "weights": [{"field": "/*", "cost": -1}], "size_arguments": ["1"], "web_socket": "x"}`, []string{
			"allow[0]", "allow[1]", "deny[0]", "deny[1]", "deny[2]", "max_cost", "max_depth", "operations[0]", "size_arguments[0]", "web_socket", "weights[0].cost",
		}},
	} {
		t.Run(string(c.kind)+" "+c.config[:min(len(c.config), 60)], func(t *testing.T) {
			p, err := entry.ParsePolicy(c.kind, []byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range check.Policy(p) {
				got = append(got, w.Field)
				if w.Reason == "" || strings.Contains(w.Reason, "\n") {
					t.Errorf("%s: %q", w.Field, w.Reason)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.wrong) {
				t.Errorf("got %q, want %q", got, c.wrong)
			}
		})
	}
}

func TestUnknownFieldsOfPoliciesAboutBodiesAreNamed(t *testing.T) {
	for kind, config := range map[entry.PolicyKind]string{
		"json_body": `{"omits": []}`, "json_answer": `{"patch": [{"op": "remove", "paths": "/a"}]}`, "xml_json": `{"to": "xml"}`, "error_page": `{"htm": ""}`, "graphql": `{"depth": 1}`,
	} {
		if _, err := entry.ParsePolicy(kind, []byte(config)); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}
