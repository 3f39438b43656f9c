package graphql_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"

	"portico/gateway/graphql"
	"portico/internal/entry"
)

func TestOperationsAreHeldToTheRules(t *testing.T) {
	fragments := ""
	for i := range 40 {
		name, below := "f"+strings.Repeat("x", i), "f"+strings.Repeat("x", i+1)
		fragments += " fragment " + name + " on T { a: x ..." + below + " ..." + below + " }"
	}
	fragments += " fragment f" + strings.Repeat("x", 40) + " on T { id }"
	for _, c := range []struct {
		name  string
		rules entry.GraphQL
		query string
		code  string // "" for none
	}{
		{"plain", entry.GraphQL{}, `{ orders { id } }`, ""},
		{"a mutation", entry.GraphQL{}, `mutation { create(x: 1) { id } }`, ""},
		{"a subscription", entry.GraphQL{}, `subscription { created { id } }`, "graphql_operation_not_allowed"},
		{"a mutation where only queries may", entry.GraphQL{Operations: []string{"query"}}, `mutation { create { id } }`, "graphql_operation_not_allowed"},
		{"no GraphQL", entry.GraphQL{}, `{ orders { `, "graphql_invalid"},
		{"nothing", entry.GraphQL{}, ``, "graphql_invalid"},
		{"deep enough", entry.GraphQL{MaxDepth: 3}, `{ a { b { c } } }`, ""},
		{"too deep", entry.GraphQL{MaxDepth: 3}, `{ a { b { c { d } } } }`, "graphql_too_deep"},
		{"too deep by fragments", entry.GraphQL{MaxDepth: 3}, `{ a { ...f } } fragment f on T { b { ... on U { c { d } } } }`, "graphql_too_deep"},
		{"very deep", entry.GraphQL{MaxDepth: 200}, strings.Repeat("{a", 4000) + strings.Repeat("}", 4000), "graphql_invalid"},
		{"many tokens", entry.GraphQL{MaxAliases: 1000}, "{" + strings.Repeat("a ", 20_000) + "}", "graphql_invalid"},
		{"fragments that double", entry.GraphQL{MaxAliases: 1000, MaxDepth: 200}, "{ ...f }" + strings.ReplaceAll(fragments, "a: x", "x"), "graphql_too_costly"},
		{"a fragment in itself", entry.GraphQL{}, `{ ...f } fragment f on T { a { ...f } }`, "graphql_invalid"},
		{"fragments in one another", entry.GraphQL{}, `{ ...f } fragment f on T { ...g } fragment g on T { ...f }`, "graphql_invalid"},
		{"a fragment that is not there", entry.GraphQL{}, `{ ...f }`, "graphql_invalid"},
		{"aliases", entry.GraphQL{MaxAliases: 2}, `{ a: x b: x c: x }`, "graphql_too_many_aliases"},
		{"introspection", entry.GraphQL{}, `{ __schema { types { name } } }`, "graphql_introspection_off"},
		{"introspection by an alias, in a fragment", entry.GraphQL{}, `{ ...f } fragment f on Query { x: __type(name: "A") { name } }`, "graphql_introspection_off"},
		{"introspection that is allowed", entry.GraphQL{Introspection: true, Allow: []string{"/orders"}}, `{ __schema { types { name } } __typename }`, ""},
		{"denied by name", entry.GraphQL{Deny: []string{"password"}}, `{ me { x: password } }`, "graphql_field_not_allowed"},
		{"denied by path", entry.GraphQL{Deny: []string{"/me/*/secret"}}, `{ me { a { ...f } } } fragment f on T { secret }`, "graphql_field_not_allowed"},
		{"denied elsewhere", entry.GraphQL{Deny: []string{"/me/secret"}}, `{ you { secret } me { open } }`, ""},
		{"allowed", entry.GraphQL{Allow: []string{"/orders/items", "/orders/id"}}, `{ orders { id items { any { thing } } __typename } }`, ""},
		{"not allowed", entry.GraphQL{Allow: []string{"/orders/items"}}, `{ orders { id } }`, "graphql_field_not_allowed"},
		{"not allowed at the root", entry.GraphQL{Allow: []string{"/orders"}}, `{ users { id } }`, "graphql_field_not_allowed"},
		{"cost", entry.GraphQL{MaxCost: 31}, `{ orders(first: 10) { id items { n } } }`, "graphql_too_costly"},
		{"cost that fits", entry.GraphQL{MaxCost: 40}, `{ orders(first: 10) { id items { n } } }`, ""},
		{"cost by weights", entry.GraphQL{MaxCost: 100, Weights: []entry.FieldWeight{{Field: "items", Cost: 5, List: 20}}}, `{ orders { items { n } } }`, "graphql_too_costly"},
		{"cost by a variable", entry.GraphQL{MaxCost: 100}, `query($n: Int) { orders(first: $n) { id } }`, "graphql_too_costly"},
		{"cost by a variable's default", entry.GraphQL{MaxCost: 100}, `query($m: Int = 1000) { orders(first: $m) { id } }`, "graphql_too_costly"},
		{"cost beyond all numbers", entry.GraphQL{MaxCost: 100}, `{ a(first: 9999999999999) { b(first: 9999999999999999999999999) { c } } }`, "graphql_too_costly"},
		{"cost by a text", entry.GraphQL{MaxCost: 100}, `{ orders(first: "1000") { id } }`, "graphql_too_costly"},
		{"cost by a list of none", entry.GraphQL{MaxCost: 100}, `{ a(first: 0) { b(first: 1000) { c } } }`, "graphql_too_costly"},
		{"cost by an object", entry.GraphQL{MaxCost: 100}, `{ orders(page: {by: [{first: 1000}]}) { id } }`, "graphql_too_costly"},
		{"cost by an object in a variable", entry.GraphQL{MaxCost: 100}, `query($p: Page) { orders(page: $p) { id } }`, "graphql_too_costly"},
		{"cost by an object in a variable's default", entry.GraphQL{MaxCost: 100}, `query($q: Page = {first: 1000}) { orders(page: $q) { id } }`, "graphql_too_costly"},
		{"cost by a size within an object", entry.GraphQL{MaxCost: 100}, `query($n: Int) { orders(page: {first: $n}) { id } }`, "graphql_too_costly"},
		{"an object without a size", entry.GraphQL{MaxCost: 100}, `{ orders(filter: {id: 100000}) { id } }`, ""},
		{"a large argument many times", entry.GraphQL{MaxDepth: 200, MaxAliases: 1000}, "{ ...f }" + strings.Replace(strings.ReplaceAll(fragments, "a: x", "x"), "{ id }", "{ id(a: ["+strings.Repeat("1 ", 4000)+"]) }", 1), "graphql_too_costly"},
		{"two operations", entry.GraphQL{}, `query a { x } query b { y }`, "graphql_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			_, got := graphql.New(&c.rules).Check([]graphql.Request{{Query: c.query, Variables: map[string]any{"n": json.Number("1000"), "p": map[string]any{"first": json.Number("1000")}}}})
			if code := codeOf(got); code != c.code {
				t.Errorf("got %q (%v), want %q", code, got, c.code)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func codeOf(r *graphql.Refusal) string {
	if r == nil {
		return ""
	}
	return r.Code
}

func TestOnlyTheOperationThatRunsCounts(t *testing.T) {
	rules := graphql.New(&entry.GraphQL{Operations: []string{"query"}})
	const doc = `query a { x } mutation b { y }`
	if types, got := rules.Check([]graphql.Request{{Query: doc, OperationName: "a"}}); got != nil || len(types) != 1 || types[0] != "query" {
		t.Errorf("a: got %v, %v", types, got)
	}
	if _, got := rules.Check([]graphql.Request{{Query: doc, OperationName: "b"}}); codeOf(got) != "graphql_operation_not_allowed" {
		t.Errorf("b: got %v", got)
	}
	if _, got := rules.Check([]graphql.Request{{Query: doc, OperationName: "c"}}); codeOf(got) != "graphql_invalid" {
		t.Errorf("c: got %v", got)
	}
}

func TestBatchesAreCountedTogether(t *testing.T) {
	one := graphql.Request{Query: `{ orders(first: 40) { id } }`}
	if _, got := graphql.New(&entry.GraphQL{}).Check([]graphql.Request{one, one}); codeOf(got) != "graphql_batch_too_large" {
		t.Errorf("got %v", got)
	}
	rules := graphql.New(&entry.GraphQL{MaxBatch: 3, MaxCost: 200})
	if _, got := rules.Check([]graphql.Request{one, one}); got != nil {
		t.Errorf("two: got %v", got)
	}
	if _, got := rules.Check([]graphql.Request{one, one, one}); codeOf(got) != "graphql_too_costly" {
		t.Errorf("three: got %v", got)
	}
}

// FuzzDocumentsAreLookedAtWithinBounds also holds that a document means the same
// however it is laid out.
func FuzzDocumentsAreLookedAtWithinBounds(f *testing.F) {
	for _, s := range []string{
		`query($n: Int = 3) { a: orders(first: $n) { ...f } } fragment f on T { id }`, `{ a(first: 1e2, by: [{last: "3"}]) { x @skip(if: true) } # }`,
		`query($v: V = {first: $v}) { orders(by: $v) { id } }`, `mutation m { b: x(t: """ "first" """) { ... on U { b } ... { a } } } query q { y }`, `{ __schema { types } __typename }`,
	} {
		f.Add(s)
	}
	rules := graphql.New(&entry.GraphQL{MaxCost: 100, Deny: []string{"x", "/a/b"}, Allow: []string{"/a", "/orders"}})
	f.Fuzz(func(t *testing.T, query string) {
		began := time.Now()
		types, got := rules.Check([]graphql.Request{{Query: query}})
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s: %v", took, got)
		}
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		if err != nil || strings.Contains(query, `""`) || len(query) > 10_000 { // block texts are laid out as others
			return
		}
		var written strings.Builder
		formatter.NewFormatter(&written).FormatQueryDocument(doc)
		typesAgain, again := rules.Check([]graphql.Request{{Query: written.String()}})
		if codeOf(again) != codeOf(got) || !slices.Equal(types, typesAgain) {
			t.Errorf("%q: %v, laid out as %q: %v", query, got, written.String(), again)
		}
	})
}

// TestFragmentsInOneAnotherCostNoTime spreads fragments that double below a long
// chain of others, and a large variable in each.
func TestFragmentsInOneAnotherCostNoTime(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("query($v: V) { ...f0 }")
	name := func(i int) string { return fmt.Sprintf("%s%06d", strings.Repeat("f", 20), i) }
	const chain, doubling = 1000, 20
	for i := range chain + doubling {
		below := " ..." + name(i+1)
		if i > chain {
			below += below
		}
		fmt.Fprintf(&doc, " fragment %s on T {%s }", name(i), below)
	}
	fmt.Fprintf(&doc, " fragment %s on T { a(v: $v) }", name(chain+doubling))
	list := make([]any, 20_000)
	for i := range list {
		list[i] = map[string]any{}
	}
	began := time.Now()
	_, got := graphql.New(&entry.GraphQL{MaxDepth: 200}).Check([]graphql.Request{{Query: strings.Replace(doc.String(), "...f0", "..."+name(0), 1), Variables: map[string]any{"v": list}}})
	if took := time.Since(began); codeOf(got) != "graphql_too_costly" || took > time.Second {
		t.Errorf("got %v after %s", got, took)
	}
}
