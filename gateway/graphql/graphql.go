// Package graphql reads operations of GraphQL and says whether rules let them
// pass. It needs no schema, and so knows no types: what it counts is what the
// document says.
//
// Documents are bounded in tokens, nesting and, fragments being written out, in
// selections: the time that one takes does not depend on how cleverly it was
// made.
package graphql

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"portico/internal/entry"
)

const (
	maxTokens     = 10_000
	maxSelections = 50_000 // with fragments written out, over a batch
)

// Rules are compiled rules. They may be used by several at once.
type Rules struct {
	maxDepth, maxAliases, maxBatch int
	maxCost                        int64
	introspection                  bool
	operations                     []string
	allow, deny, weigh             *fields
	weights                        []entry.FieldWeight
	sizes                          []string
}

// New compiles rules that passed entry/check.
func New(c *entry.GraphQL) *Rules {
	r := &Rules{
		maxDepth: orElse(c.MaxDepth, 12), maxAliases: orElse(c.MaxAliases, 30), maxBatch: orElse(c.MaxBatch, 1), maxCost: c.MaxCost,
		introspection: c.Introspection, operations: c.Operations, weights: c.Weights, sizes: c.SizeArguments,
	}
	if len(r.operations) == 0 {
		r.operations = []string{"query", "mutation"}
	}
	if len(r.sizes) == 0 {
		r.sizes = []string{"first", "last", "limit"}
	}
	if len(c.Allow) > 0 {
		r.allow = &fields{}
		for i, f := range c.Allow {
			r.allow.add(f, i)
		}
	}
	r.deny, r.weigh = &fields{}, &fields{}
	for i, f := range c.Deny {
		r.deny.add(f, i)
	}
	for i, w := range c.Weights {
		r.weigh.add(w.Field, i)
	}
	return r
}

func orElse(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}

// Request is one operation that is asked for.
type Request struct {
	Query         string
	OperationName string
	Variables     map[string]any // of JSON; numbers as json.Number
}

// Refusal is why an operation may not pass.
type Refusal struct {
	Code    string
	Message string
	Line    int // in the document; 0 unknown
	Column  int
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

func refusal(code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid is the refusal of a request that is none.
func Invalid(format string, args ...any) *Refusal { return refusal("graphql_invalid", format, args...) }

// Check looks at the operations of one call. It returns their types, and a
// refusal or nil.
func (r *Rules) Check(batch []Request) (types []string, refused *Refusal) {
	if len(batch) > r.maxBatch {
		return nil, refusal("graphql_batch_too_large", "The call has %d operations; %d may come together.", len(batch), r.maxBatch)
	}
	v := visit{rules: r}
	for _, one := range batch {
		operation, refused := v.begin(one)
		if refused != nil {
			return nil, refused
		}
		types = append(types, string(operation.Operation))
		if !slices.Contains(r.operations, string(operation.Operation)) {
			return nil, refusal("graphql_operation_not_allowed", "Operations of the type %s are not allowed here.", operation.Operation)
		}
		cost, err := v.selections(operation.SelectionSet, place{depth: 1, allow: r.allow.start(), deny: r.deny.start(), weigh: r.weigh.start()})
		if err != nil {
			if errors.As(err, &refused) {
				return nil, refused
			}
			return nil, Invalid("%s", err)
		}
		if v.cost = sum(v.cost, cost); r.maxCost > 0 && v.cost > r.maxCost {
			return nil, refusal("graphql_too_costly", "The call costs %d, and %d is what one may cost. Ask for less, or in smaller pages.", v.cost, r.maxCost)
		}
	}
	return types, nil
}

// visit is one call being looked at.
type visit struct {
	rules     *Rules
	fragments map[string]*ast.FragmentDefinition
	within    map[string]bool // fragments that are being written out
	variables map[string]any
	defaults  map[string]*ast.Value
	// What was found of lists' sizes.
	ofFields    map[*ast.Field]sized
	ofVariables map[string]sized

	visited int
	aliases int
	cost    int64
}

// begin parses a document and finds the operation that will be run.
func (v *visit) begin(one Request) (*ast.OperationDefinition, *Refusal) {
	if one.Query == "" {
		return nil, Invalid("The request has no document. Send it as query; one that is persisted cannot be looked at.")
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: one.Query}, maxTokens)
	if err != nil {
		refused := Invalid("The document cannot be read: %s", err)
		if at := (*gqlerror.Error)(nil); errors.As(err, &at) {
			refused.Message = "The document cannot be read: " + at.Message
			if len(at.Locations) > 0 {
				refused.Line, refused.Column = at.Locations[0].Line, at.Locations[0].Column
			}
		}
		return nil, refused
	}
	v.fragments, v.variables, v.defaults, v.within = map[string]*ast.FragmentDefinition{}, one.Variables, map[string]*ast.Value{}, map[string]bool{}
	v.ofFields, v.ofVariables = map[*ast.Field]sized{}, map[string]sized{}
	for _, f := range doc.Fragments {
		if v.fragments[f.Name] != nil {
			return nil, Invalid("The fragment %s stands there twice.", f.Name)
		}
		v.fragments[f.Name] = f
	}
	var chosen *ast.OperationDefinition
	for _, o := range doc.Operations {
		if one.OperationName != "" && o.Name != one.OperationName {
			continue
		}
		if chosen != nil {
			return nil, Invalid("The document has several operations. Name one, and give each a name of its own.")
		}
		chosen = o
	}
	if chosen == nil {
		return nil, Invalid("The document does not have the operation that is asked for.")
	}
	for _, d := range chosen.VariableDefinitions {
		v.defaults[d.Variable] = d.DefaultValue
	}
	return chosen, nil
}

// place is where a selection stands.
type place struct {
	depth              int
	allow, deny, weigh []*fields
	free               bool // below a field that is allowed whole, or where all are
}

// selections returns what a set of selections costs.
func (v *visit) selections(set ast.SelectionSet, at place) (int64, error) {
	total := int64(0)
	for _, s := range set {
		if v.visited++; v.visited > maxSelections {
			return 0, refusal("graphql_too_costly", "The call has more than %d selections when its fragments are written out.", maxSelections)
		}
		var cost int64
		var err error
		switch s := s.(type) {
		case *ast.Field:
			cost, err = v.field(s, at)
		case *ast.InlineFragment:
			cost, err = v.selections(s.SelectionSet, at)
		case *ast.FragmentSpread:
			cost, err = v.spread(s, at)
		}
		if err != nil {
			return 0, err
		}
		total = sum(total, cost)
	}
	return total, nil
}

func (v *visit) spread(s *ast.FragmentSpread, at place) (int64, error) {
	f := v.fragments[s.Name]
	if f == nil {
		return 0, Invalid("The fragment %s is not there.", s.Name)
	}
	if v.within[s.Name] {
		return 0, Invalid("The fragment %s holds itself.", s.Name)
	}
	v.within[s.Name] = true
	cost, err := v.selections(f.SelectionSet, at)
	delete(v.within, s.Name)
	return cost, err
}

func (v *visit) field(f *ast.Field, at place) (int64, error) {
	r := v.rules
	if at.depth > r.maxDepth {
		return 0, refusal("graphql_too_deep", "Fields stand deeper in one another than %d. Ask for less at once.", r.maxDepth)
	}
	if f.Alias != f.Name {
		if v.aliases++; v.aliases > r.maxAliases {
			return 0, refusal("graphql_too_many_aliases", "The call has more than %d aliases.", r.maxAliases)
		}
	}
	switch f.Name {
	case "__typename":
		return 0, nil
	case "__schema", "__type":
		if r.introspection && at.depth == 1 {
			at.free = true
		} else {
			return 0, refusal("graphql_introspection_off", "The schema cannot be read here.")
		}
	}
	below := place{depth: at.depth + 1, deny: next(at.deny, f.Name), weigh: next(at.weigh, f.Name), free: at.free}
	if _, denied := r.deny.match(below.deny, f.Name); denied {
		return 0, refusal("graphql_field_not_allowed", "The field %s may not be asked for here.", f.Name)
	}
	if r.allow != nil && !at.free {
		below.allow = next(at.allow, f.Name)
		if len(below.allow) == 0 {
			return 0, refusal("graphql_field_not_allowed", "The field %s may not be asked for here.", f.Name)
		}
		_, below.free = r.allow.match(below.allow, "")
	}
	cost, times := int64(1), int64(1)
	if i, ok := r.weigh.match(below.weigh, f.Name); ok {
		cost, times = r.weights[i].Cost, max(r.weights[i].List, 1)
	}
	if n, ok := v.size(f); ok {
		times = n
	}
	held, err := v.selections(f.SelectionSet, below)
	return product(times, sum(cost, held)), err
}

// sum and product stop at the largest number there is.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func product(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
