package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func TestPathsThatNoUpstreamCouldBeCalledByAreRefused(t *testing.T) {
	wrong(t, entry.PolicyPath, map[string]string{
		`{"template": "/a/{b}"}`:                                               "",
		`{"template": "a"}`:                                                    "template",
		`{"template": "/a/../b"}`:                                              "template",
		`{"template": "/a?b=c"}`:                                               "template",
		`{"template": "https://evil.example.com/"}`:                            "template",
		`{"template": "/a", "replacement": "/b"}`:                              "replacement",
		`{"prefix": "/a", "replacement": "/b"}`:                                "",
		`{"prefix": "/a"}`:                                                     "",
		`{"prefix": "a"}`:                                                      "prefix",
		`{"prefix": "/a/"}`:                                                    "prefix",
		`{"prefix": "/a//b"}`:                                                  "prefix",
		`{"prefix": "/a b"}`:                                                   "prefix",
		`{"prefix": "/"}`:                                                      "prefix",
		`{"prefix": "/a", "replacement": "//evil.example.com"}`:                "replacement",
		`{"prefix": "/a", "replacement": "/b?c"}`:                              "replacement",
		`{"prefix": "/a", "replacement": "/.."}`:                               "replacement",
		`{"prefix": "/a", "replacement": "/%2e%2e"}`:                           "replacement",
		`{"pattern": "^/a(b)(?P<c>d)", "replacement": "/$1${2}-${c}/$c"}`:      "",
		`{"pattern": "^/a(b)", "replacement": "/$2"}`:                          "replacement",
		`{"pattern": "^/a(b)", "replacement": "/$1x"}`:                         "replacement",
		`{"pattern": "^/a(b)", "replacement": "/${1"}`:                         "replacement",
		`{"pattern": "^/a(b)", "replacement": "/$"}`:                           "replacement",
		`{"pattern": "^/a", "replacement": "/b?c=d"}`:                          "replacement",
		`{"pattern": "(a"}`:                                                    "pattern",
		`{"pattern": "(?=a)"}`:                                                 "pattern",
		`{"pattern": "((a{1,100}){1,100}){1,100}"}`:                            "pattern",
		`{"pattern": "` + strings.Repeat("a", 1001) + `"}`:                     "pattern",
		`{"pattern": "a", "replacement": "` + strings.Repeat("a", 1001) + `"}`: "replacement",
	})
}

func TestPoliciesThatDoNothingAreRefused(t *testing.T) {
	for config, kind := range map[string]entry.PolicyKind{
		`{}`: entry.PolicyPath, `{"template": "/a", "prefix": "/b"}`: entry.PolicyPath, ` {}`: entry.PolicyHeaders, `{ }`: entry.PolicyAnswerHeaders,
		`{} `: entry.PolicyQuery, ` { }`: entry.PolicyAddress,
	} {
		pol, err := entry.ParsePolicy(kind, []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		if found := check.Policy(pol); len(found) != 1 || found[0].Field != "" {
			t.Errorf("%s %s: got %v", kind, config, found)
		}
	}
}

func TestPathTemplatesKnowTheirOperationsParameters(t *testing.T) {
	for made, want := range map[string]string{
		"/v2/{id}": "", "/v2/{id}/{rest...}": "", "/v2/{rest...}": "", "/v2/{other}": "routes[0].policies[0].template", "/v2/{rest}": "routes[0].policies[0].template", "/v2/{id...}": "",
	} {
		a := goodAPI()
		a.Routes = a.Routes[:1]
		a.Routes[0].Path = "/orders/{id}/{rest...}"
		a.Routes[0].Policies = append(a.Routes[0].Policies, entry.Policy{Config: &entry.PathPolicy{Template: made}})
		got := ""
		for _, p := range check.API(a) {
			got += p.Field
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", made, got, want)
		}
	}
}

func TestEnvironmentsPathTemplatesHaveNoParameters(t *testing.T) {
	for made, bad := range map[string]bool{"/maintenance": false, "/v2/{id}": true} {
		env := entry.Env{Policies: []entry.Policy{{Config: &entry.PathPolicy{Template: made}}}}
		got := false
		for _, p := range check.Env(env) {
			got = got || p.Field == "policies[0].template"
		}
		if got != bad {
			t.Errorf("%s: got refused %v, want %v", made, got, bad)
		}
	}
}
