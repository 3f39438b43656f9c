package lint

import (
	"context"
	"fmt"
	"math"

	"portico/openapi"
	"portico/openapi/tree"
)

// Rule is what Rules tells of a rule.
type Rule struct {
	Code     string           `json:"code"` // group/name
	Severity openapi.Severity `json:"severity"`
	Title    string           `json:"title"` // what holds when the rule passes
	Fix      string           `json:"fix"`   // what to do when it does not
}

// Report is what a run found.
type Report struct {
	Findings []openapi.Finding `json:"findings"` // rule by rule, in the document's order
	Omitted  int               `json:"omitted,omitempty"`
	Rules    int               `json:"rules"`  // how many were run
	Passed   int               `json:"passed"` // how many found nothing
	Score    int               `json:"score"`  // 0 to 100
}

// rule is a Rule with its check.
type rule struct {
	Rule
	check func(*check)
}

// Rules are the rules that Run runs, in its order.
func Rules() []Rule {
	var out []Rule
	for _, r := range rules() {
		out = append(out, r.Rule)
	}
	return out
}

func rules() []rule {
	return []rule{
		operationSummary(), operationDescription(), parameterDescription(), apiDescription(), contactLicense(),
		tagDeclared(), successResponse(), errorResponse(), successExample(), operationID(), getWithBody(),
		unusedComponent(), pathCasing(), trailingSlash(), httpsOnly(), operationSecurity(), numericID(),
	}
}

// Run runs every rule over a document. A context that ends leaves out the
// rules that are left, and they count as not run.
//
// The score is the weighted share of places that keep the rules:
//
//	score = 100 × Σ weight × (1 − broken ⁄ places)  ⁄  Σ weight
//
// over the rules that had a place to look at: an operation, a server, a
// component. A rule weighs 5 if it finds errors, 3 for warnings, 1 for
// information. A document with findings scores at most 99, and 100 is kept
// for those without.
func Run(ctx context.Context, doc *openapi.Document) Report {
	report := Report{Findings: []openapi.Finding{}}
	got, most := 0.0, 0.0
	for _, r := range rules() {
		if ctx.Err() != nil {
			break
		}
		c := &check{doc: doc, rule: r.Rule}
		r.check(c)
		report.Rules++
		report.Findings = append(report.Findings, c.findings...)
		report.Omitted += c.broken - len(c.findings)
		if c.broken == 0 {
			report.Passed++
		}
		if c.places > 0 {
			w := weight(r.Severity)
			most += w
			got += w * (1 - math.Min(1, float64(c.broken)/float64(c.places)))
		}
	}
	report.Score = 100
	if most > 0 {
		report.Score = int(math.Round(100 * got / most))
	}
	if len(report.Findings) > 0 {
		report.Score = min(report.Score, 99)
	}
	return report
}

func weight(s openapi.Severity) float64 {
	switch s {
	case openapi.SeverityError:
		return 5
	case openapi.SeverityWarning:
		return 3
	}
	return 1
}

// mostFindings is how many findings of one rule are listed; all are counted.
const mostFindings = 100

// check is one rule's run over a document.
type check struct {
	doc      *openapi.Document
	rule     Rule
	places   int // where the rule had something to look at
	broken   int // of these, where it is broken
	findings []openapi.Finding
}

// breaks notes that the rule is broken at a place. Call it at most once for
// each place counted.
func (c *check) breaks(at tree.Node, format string, args ...any) {
	if c.broken++; c.broken > mostFindings {
		return
	}
	c.findings = append(c.findings, openapi.Finding{
		Code: c.rule.Code, Severity: c.rule.Severity, Message: fmt.Sprintf(format, args...),
		File: at.File(), Pointer: at.Pointer(), Line: at.Line(), Hint: c.rule.Fix,
	})
}

// operations calls f for every operation, each of which is a place.
func (c *check) operations(f func(i int, o openapi.Operation, n tree.Node)) {
	for i, o := range c.doc.Outline.Operations {
		c.places++
		f(i, o, c.doc.Operation(i))
	}
}

// title is an operation as a message names it.
func title(o openapi.Operation) string { return o.Method + " " + clip(o.PathGiven) }

// clip keeps a hostile document's names from flooding a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}
