// Package waf looks at requests with the OWASP Core Rule Set, by Coraza. It says
// what it has found and how bad that is; the policy "waf" decides.
//
// There is one set of rules for each paranoia level, whoever uses it: rules take
// some ten megabytes and a good part of a second to read. So the rules themselves
// never decide (they run as "detection only"); what a policy leaves out, and where
// its threshold is, is reckoned over what they have found, with the scores of the
// rule set: 5 for a critical finding, 4 for an error, 3 for a warning, 2 for a
// notice.
//
// Answers are not looked at.
package waf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"
)

// Levels is how many paranoia levels there are; the first finds least, and
// errs least.
const Levels = 4

// MaxBodyBytes bounds the body that may be looked at.
const MaxBodyBytes = 8 << 20

// Set has the rules. The zero value is ready; it is safe for concurrent use.
type Set struct{ levels [Levels]rules }

type rules struct {
	once sync.Once
	waf  coraza.WAF
	err  error
}

// Request is what is looked at. Its strings are not kept.
type Request struct {
	Client  string // an address
	Method  string
	Target  string // path and query, as they came
	Proto   string // "HTTP/1.1"
	Host    string // "" for none
	Headers func(add func(name, value string))
	Body    []byte // nil where it is not to be looked at
}

// Finding is what one rule has found.
type Finding struct {
	Rule      int
	Message   string
	Score     int
	Arguments []string // names of the parameters where it was found; none for elsewhere
}

// Prepare reads the rules of a level where that was not done yet. It may be called
// in a goroutine of its own, before the first request needs them.
func (s *Set) Prepare(level int) error {
	_, err := s.rules(level)
	return err
}

func (s *Set) rules(level int) (coraza.WAF, error) {
	if level < 1 || level > Levels {
		return nil, fmt.Errorf("there is no paranoia level %d", level)
	}
	r := &s.levels[level-1]
	r.once.Do(func() {
		r.waf, r.err = coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(directives(level)))
	})
	return r.waf, r.err
}

func directives(level int) string {
	limit := strconv.Itoa(MaxBodyBytes)
	return `Include @coraza.conf-recommended
Include @crs-setup.conf.example
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit ` + limit + `
SecRequestBodyInMemoryLimit ` + limit + `
SecResponseBodyAccess Off
SecAuditEngine Off
SecAction "id:100,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=` + strconv.Itoa(level) + `"
Include @owasp_crs/REQUEST-*.conf
`
}

// Look returns what the rules of a level find in a request.
func (s *Set) Look(level int, r *Request) ([]Finding, error) {
	waf, err := s.rules(level)
	if err != nil {
		return nil, err
	}
	tx := waf.NewTransaction()
	defer func() { _ = tx.Close() }() // it holds nothing that could fail to be freed but temporary files
	tx.ProcessConnection(r.Client, 0, "", 0)
	tx.ProcessURI(r.Target, r.Method, r.Proto)
	if r.Host != "" {
		tx.AddRequestHeader("Host", r.Host)
		tx.SetServerName(r.Host)
	}
	r.Headers(tx.AddRequestHeader)
	tx.ProcessRequestHeaders()
	if len(r.Body) > 0 {
		if _, _, err := tx.WriteRequestBody(r.Body); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if _, err := tx.ProcessRequestBody(); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	var found []Finding
	for _, m := range tx.MatchedRules() {
		if f, ok := finding(m); ok {
			found = append(found, f)
		}
	}
	return found, nil
}

// finding reads what a rule has found; false for the rules that only set things
// up or sum up.
func finding(m types.MatchedRule) (Finding, bool) {
	id := m.Rule().ID()
	if id >= firstSummary || id < firstRule || id >= firstSetup && id < firstAttack {
		return Finding{}, false
	}
	score := scoreOf(m.Rule().Severity())
	if score == 0 {
		return Finding{}, false
	}
	f := Finding{Rule: id, Message: m.Message(), Score: score}
	for _, d := range m.MatchedDatas() {
		name, key := d.Variable().Name(), d.Key()
		if !strings.HasPrefix(name, "ARGS") || key == "" {
			return f, true // also elsewhere
		}
		if !slices.Contains(f.Arguments, key) {
			f.Arguments = append(f.Arguments, key)
		}
	}
	return f, true
}

// How the numbers of rules are given out: what reads bodies, then the setting up
// of the rule set, the rules of requests, and what sums up.
const (
	firstRule    = 200_000
	firstSetup   = 900_000
	firstAttack  = 911_000
	firstSummary = 949_000
)

func scoreOf(s types.RuleSeverity) int {
	switch s {
	case types.RuleSeverityEmergency, types.RuleSeverityAlert, types.RuleSeverityCritical:
		return 5
	case types.RuleSeverityError:
		return 4
	case types.RuleSeverityWarning:
		return 3
	case types.RuleSeverityNotice:
		return 2
	}
	return 0
}
