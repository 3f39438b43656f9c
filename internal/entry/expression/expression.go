// Package expression compiles the expressions that policies hold: small texts in
// the language of expr-lang/expr over a request, its caller and the claims of
// its token. A publish compiles what a node will run, so that both say the same
// of it.
//
// It bounds what an expression may cost: its length, its nodes, the memory and
// the time of a run. There are no loops in loops, no ranges, no variables and no
// functions but a list that neither grows its input nor looks at anything else.
// It deliberately reaches nothing beyond Env: not the body, not the clock, not
// the node.
package expression

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Bounds of an expression.
const (
	MaxBytes = 2048
	MaxNodes = 200
	memory   = 10_000 // elements of the lists that one run makes
)

// Env is all that an expression sees.
type Env struct {
	Request Request        `expr:"request"`
	Caller  Caller         `expr:"caller"`
	Claims  map[string]any `expr:"claims"` // of a verified token; nil for none
}

// Request is what the caller sent. Of headers, parameters and values it holds
// those that the expression names, and "" for what is not there.
type Request struct {
	Method    string            `expr:"method"`
	Host      string            `expr:"host"`
	Path      string            `expr:"path"`      // decoded, without the query
	Operation string            `expr:"operation"` // of the API
	Address   string            `expr:"address"`   // the client's
	Secure    bool              `expr:"secure"`    // it came by TLS
	Headers   map[string]string `expr:"headers"`   // by name in lower case
	Query     map[string]string `expr:"query"`     // several of a name with commas
	Params    map[string]string `expr:"params"`    // of the path
}

// Caller is who calls, as far as the identify policies know. Ids are as people
// see them: "app_…", "plan_…", "ten_…"; "" where there is none.
type Caller struct {
	By          string   `expr:"by"` // the policy that identified it: "key", "jwt", "anonymous"; "" for none
	Application string   `expr:"application"`
	Name        string   `expr:"name"` // the application's
	Tenant      string   `expr:"tenant"`
	Plan        string   `expr:"plan"`
	Scopes      []string `expr:"scopes"` // of a verified token
}

// Want is what an expression has to come to.
type Want int

// What can be wanted.
const (
	Bool Want = iota // true or false
	Text             // a text, a number or a bool, to count by
)

// Program is a compiled expression. It may be run by several goroutines.
type Program struct {
	// What of a request it looks at; whoever fills an Env need fill no more.
	Headers, Query, Params []string // names, of headers in lower case
	Address                bool
	Caller, Claims         bool

	program *vm.Program
	runs    sync.Pool
}

// Run is one run of a program: fill in its Env, then ask for the result.
type Run struct {
	Env
	machine vm.VM
	program *Program
}

// Compile reads an expression. Its errors are for whoever wrote it.
func Compile(source string, want Want) (*Program, error) {
	switch {
	case strings.TrimSpace(source) == "":
		return nil, errors.New("is empty")
	case len(source) > MaxBytes:
		return nil, fmt.Errorf("is longer than %d bytes", MaxBytes)
	}
	config := conf.CreateNew()
	config.MaxNodes = MaxNodes
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, readable(err)
	}
	looks := &looker{}
	if err := looks.at(&tree.Node); err != nil {
		return nil, err
	}
	options := []expr.Option{expr.Env(&Env{}), expr.MaxNodes(MaxNodes), expr.Patch(lowerer{})}
	if want == Bool {
		options = append(options, expr.AsBool())
	}
	compiled, err := expr.Compile(source, options...)
	if err != nil {
		return nil, readable(err)
	}
	return &Program{
		Headers: looks.named["headers"], Query: looks.named["query"], Params: looks.named["params"],
		Address: looks.roots["request.address"], Caller: looks.roots["caller"], Claims: looks.roots["claims"], program: compiled,
	}, nil
}

// readable leaves out the drawing that the library adds to its errors.
func readable(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(text)
}

// Begin returns an empty run. Give it back with End.
func (p *Program) Begin() *Run {
	if run, ok := p.runs.Get().(*Run); ok {
		return run
	}
	run := &Run{program: p, machine: vm.VM{MemoryBudget: memory}}
	run.Request.Headers, run.Request.Query, run.Request.Params = map[string]string{}, map[string]string{}, map[string]string{}
	return run
}

// End takes a run back, which holds nothing of its request from then on.
func (p *Program) End(run *Run) {
	headers, query, params := run.Request.Headers, run.Request.Query, run.Request.Params
	clear(headers)
	clear(query)
	clear(params)
	run.Env = Env{Request: Request{Headers: headers, Query: query, Params: params}}
	p.runs.Put(run)
}

// Bool returns what a program that was compiled for Bool comes to. An error says
// that it comes to nothing: a claim that is not there was compared with a number,
// or its like.
func (r *Run) Bool() (bool, error) {
	out, err := r.machine.Run(r.program.program, &r.Env)
	if err != nil {
		return false, readable(err)
	}
	is, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("comes to a %T, not to true or false", out)
	}
	return is, nil
}

// Text returns what a program comes to as a text; "" is of what is not there.
func (r *Run) Text() (string, error) {
	out, err := r.machine.Run(r.program.program, &r.Env)
	if err != nil {
		return "", readable(err)
	}
	switch v := out.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return "", fmt.Errorf("comes to a %T, not to a text or a number", out)
}
