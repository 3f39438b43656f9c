package check

import (
	"portico/internal/entry"
	"portico/internal/entry/expression"
)

func (p *problems) expressionPolicy(at string, e entry.ExpressionPolicy) {
	_, err := expression.Compile(e.Expression, expression.Bool)
	p.addErr(at+".expression", err)
	p.line(at+".detail", e.Detail, false)
}
