package expression_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/entry/expression"
)

func fill(run *expression.Run) {
	run.Request.Method, run.Request.Path, run.Request.Address = "POST", "/orders/7", "192.0.2.1"
	run.Request.Headers["x-tenant"], run.Request.Query["page"], run.Request.Params["id"] = "acme", "2", "7"
	run.Caller = expression.Caller{By: "jwt", Application: "app_1", Plan: "plan_1", Tenant: "ten_1", Scopes: []string{"read", "write"}}
	run.Claims = map[string]any{"level": 3, "ratio": 0.5, "admin": true, "groups": []any{"a", "b"}, "realm": map[string]any{"roles": []any{"x"}}}
}

func TestExpressionsSeeRequestCallerAndClaims(t *testing.T) {
	for source, want := range map[string]bool{
		`request.method == "POST" && request.path startsWith "/orders/"`: true,
		`request.headers["X-Tenant"] == "acme"`:                          true,
		`request.headers.Accept == ""`:                                   true,
		`request.query.page == "2" and request.params["id"] == "7"`:      true,
		`request.address in ["192.0.2.1", "192.0.2.2"]`:                  true,
		`request.secure`: false,
		`caller.by == "jwt" && "write" in caller.scopes`:                                       true,
		`caller.application == "app_1" && caller.plan != "plan_2" && caller.tenant == "ten_1"`: true,
		`claims.level >= 3 and claims.ratio < 1`:                                               true,
		`claims.admin`:                                                                         true,
		`any(claims.groups, # == "b")`:                                                         true,
		`all(claims.groups, {# matches "^[ab]$"})`:                                             true,
		`"x" in claims.realm.roles`:                                                            true,
		`claims.nothing == nil`:                                                                true,
		`claims?.nothing?.deeper == "x"`:                                                       false,
		`len(claims.groups) == 2 ? true : false`:                                               true,
	} {
		program, err := expression.Compile(source, expression.Bool)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		run := program.Begin()
		fill(run)
		if got, err := run.Bool(); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", source, got, err, want)
		}
		program.End(run)
	}
}

func TestExpressionsThatReachFurtherAreRefused(t *testing.T) {
	for source, want := range map[string]string{
		"":                          "is empty",
		`request.method`:            "bool",
		`1 + 1`:                     "bool",
		`env.secret == ""`:          "not known",
		`$env.request.method == ""`: "not known",
		`request.body == ""`:        "body",
		`request == nil`:            "no value of its own",
		`(true ? request : request).headers["a"] == ""`: "no value of its own",
		`request.headers[request.method] == ""`:         "written out",
		`"x" in request.headers`:                        "written out",
		`all(request.query, true)`:                      "written out",
		`now() > date("2020-01-01")`:                    "not available",
		`len(repeat("x", 1000000)) > 0`:                 "not available",
		`len(1..1000000) > 0`:                           "ranges",
		`let x = 1; x == 1`:                             "variables",
		`any(claims.a, any(claims.b, # == 1))`:          "inside one another",
		`"a" matches request.method`:                    "written out",
		`"a" matches "("`:                               "regular expression",
		`"a" matches "((a{100}){100}){100}"`:            "",
		`"a" matches "(abcde){200}"`:                    "too large",
		`system("x")`:                                   "no such function",
		`claims.toString()`:                             "no such function",
		`toJSON(claims) == ""`:                          "not available",
		strings.Repeat("!", 3000) + "true":              "longer",
		"true" + strings.Repeat(" && true", 150):        "node",
		`request.method == `:                            "unexpected",
		`map(claims.a, #) == []`:                        "not available",
	} {
		_, err := expression.Compile(source, expression.Bool)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want it to hold %q", source, err, want)
		}
	}
}

func TestWhatComesToNothingIsAnError(t *testing.T) {
	for _, source := range []string{`claims.missing > 3`, `claims.missing.deeper == 1`, `claims.level`, `any(claims.level, true)`} {
		program, err := expression.Compile(source, expression.Bool)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		run := program.Begin()
		fill(run)
		if got, err := run.Bool(); err == nil {
			t.Errorf("%s: got %v, want an error", source, got)
		}
		program.End(run)
	}
}

func TestTextsAreCountedBy(t *testing.T) {
	for source, want := range map[string]string{
		`claims.level`: "3", `claims.ratio`: "0.5", `claims.admin`: "true", `claims.missing`: "",
		`request.headers["X-Tenant"] + "/" + caller.application`: "acme/app_1",
	} {
		program, err := expression.Compile(source, expression.Text)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		run := program.Begin()
		fill(run)
		if got, err := run.Text(); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", source, got, err, want)
		}
		program.End(run)
	}
}

func TestARunHoldsNothingOfTheOneBefore(t *testing.T) {
	program, err := expression.Compile(`request.headers["x-tenant"] == "acme" || claims.admin == true || caller.by != ""`, expression.Bool)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		run := program.Begin()
		if got, err := run.Bool(); err != nil || got {
			t.Fatalf("got %v, %v", got, err)
		}
		fill(run)
		program.End(run)
	}
}

// TestTheWorstExpressionEndsSoon runs what costs most of what is let through, over
// the largest inputs.
func TestTheWorstExpressionEndsSoon(t *testing.T) {
	long := strings.Repeat("a", 32<<10)
	groups := make([]any, 1000)
	for i := range groups {
		groups[i] = long[:8]
	}
	for _, source := range []string{
		`request.headers.a matches "(a?){60}a{60}b"`,
		`any(claims.groups, upper(#) + upper(request.headers.a) == "x")`,
		"(" + strings.Repeat("request.headers.a + ", 30) + `"") == "x"`,
	} {
		program, err := expression.Compile(source, expression.Bool)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		run := program.Begin()
		run.Request.Headers["a"] = long
		run.Claims = map[string]any{"groups": groups}
		began := time.Now()
		if got, err := run.Bool(); err != nil || got {
			t.Errorf("%.40s: got %v, %v", source, got, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%.40s: took %v", source, took)
		} else {
			t.Logf("%.40s: took %v", source, took)
		}
		program.End(run)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`request.method == "GET"`)
	f.Add(`any(claims.groups, # == "b") ? true : caller.by in ["key"]`)
	f.Fuzz(func(t *testing.T, source string) {
		program, err := expression.Compile(source, expression.Bool)
		if err != nil {
			return
		}
		run := program.Begin()
		defer program.End(run)
		fill(run)
		_, _ = run.Bool() // may come to nothing, but not panic
	})
}
