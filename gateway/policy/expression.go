package policy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/expression"
)

// expressionStep lets through what its expression is true for.
type expressionStep struct {
	program *expression.Program // nil lets nothing through
	detail  string
}

func newExpressionStep(config entry.ExpressionPolicy) *expressionStep {
	program, err := expression.Compile(config.Expression, expression.Bool)
	if err != nil { // entry/check lets none pass
		program = nil
	}
	return &expressionStep{program, orText(config.Detail, "The API's provider does not allow this call.")}
}

// Run implements Step.
func (s *expressionStep) Run(_ context.Context, ex *Exchange) error {
	if s.program == nil {
		return errors.New("an expression that this node cannot read")
	}
	run := BeginExpression(s.program, ex)
	is, err := run.Bool()
	s.program.End(run)
	if is && err == nil {
		return nil
	}
	return &Denied{Status: http.StatusForbidden, Code: "not_allowed", Detail: s.detail, Cause: err}
}

func (s *expressionStep) explain(*Exchange) string { return "the expression has to be true" }

// BeginExpression fills a run with what its program looks at of a request. What
// it holds are views: the run ends with the request.
func BeginExpression(p *expression.Program, ex *Exchange) *expression.Run {
	run := p.Begin()
	r := &run.Request
	r.Method, r.Host, r.Path, r.Secure = ex.Method, ex.Host, ex.Path.Decoded, ex.Secure
	if ex.Scope != nil {
		r.Operation = ex.Scope.Operation
	}
	if p.Address {
		r.Address = ex.Client.Unmap().String()
	}
	for _, name := range p.Headers {
		r.Headers[name] = joined(&ex.Header, name)
	}
	for _, name := range p.Query {
		r.Query[name] = queryText(ex.Query, name)
	}
	for _, name := range p.Params {
		r.Params[name], _ = ex.Params.Value(name)
	}
	if p.Caller {
		fillCaller(&run.Caller, &ex.Caller)
	}
	if p.Claims {
		run.Claims = ex.Caller.Claims.Map()
	}
	return run
}

func fillCaller(to *expression.Caller, from *Caller) {
	to.By, to.Scopes = string(from.By), from.Scopes
	if g := from.Grant; g != nil {
		to.Application, to.Name, to.Tenant = "app_"+g.Application.String(), g.Name, "ten_"+g.Tenant.String()
	}
	if s := from.Subscription; s != nil {
		to.Plan = "plan_" + s.Terms.Plan.String()
	}
}

// joined returns all fields of a name as one text (RFC 9110 section 5.3).
func joined(h *Header, name string) (value string) {
	count := 0
	for _, f := range h.Fields() {
		if !FoldEqual(f.Name, name) {
			continue
		}
		if count++; count > 1 {
			value += ", "
		}
		value += f.Value
	}
	return value
}

// queryText returns a parameter, decoded. Several of one name are joined with
// commas, so that nobody is let through for one while the upstream reads
// another. One that cannot be decoded stays as it came.
func queryText(query, name string) string {
	first, count := "", 0
	var several []byte
	for pair := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if !QueryEqual(k, name) {
			continue
		}
		if plain, err := url.QueryUnescape(v); err == nil {
			v = plain
		}
		switch count++; count {
		case 1:
			first = v
		case 2:
			several = append(append(append(several, first...), ','), v...)
		default:
			several = append(append(several, ','), v...)
		}
	}
	if count < 2 {
		return first
	}
	return string(several)
}
