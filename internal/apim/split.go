package apim

import (
	"fmt"
	"strings"
	"time"
)

// Split is how an environment's calls to a version are shared between what is
// live there and a candidate, and copied to a mirror. It belongs to what is
// deployed, not to a revision: changing it publishes nothing. Shares are per
// mille.
type Split struct {
	Tenant      ID     `json:"-"`
	Version     ID     `json:"-"`
	Environment string `json:"-"` // slug

	Candidate SplitCandidate `json:"candidate"` // zero: no split, at most a mirror
	Run       string         `json:"run"`       // names the comparison with this candidate; "" without one
	Share     int            `json:"share"`     // of calls that go to the candidate
	// Before is the share before it was last switched: the way back.
	Before int         `json:"before"`
	Sticky string      `json:"sticky"` // "", "cookie", "caller" or "address"
	Rules  []SplitRule `json:"rules"`
	Steps  SplitSteps  `json:"steps"`
	// Outcome says what the rule for steps last did or waits for.
	Outcome   string    `json:"outcome"`
	StartedAt time.Time `json:"started_at"` // when the candidate came
	MovedAt   time.Time `json:"moved_at"`   // when the share last changed

	Mirror SplitMirror `json:"mirror"` // zero: none

	UpdatedBy string    `json:"updated_by"`
	UpdatedAt time.Time `json:"updated_at"`
	Lock      int64     `json:"-"`
}

// SplitCandidate is what calls are tried with: the backends of another revision
// of the version, or addresses. One of them is set.
type SplitCandidate struct {
	Revision int      `json:"revision"`
	URLs     []string `json:"urls"` // in the place of the main upstream's
}

// None reports whether there is no candidate.
func (c SplitCandidate) None() bool { return c.Revision == 0 && len(c.URLs) == 0 }

// String names the candidate: "r8", "http://next:8080 and 1 more".
func (c SplitCandidate) String() string {
	switch {
	case c.Revision > 0:
		return fmt.Sprintf("r%d", c.Revision)
	case len(c.URLs) == 1:
		return c.URLs[0]
	case len(c.URLs) > 1:
		return fmt.Sprintf("%s and %d more", c.URLs[0], len(c.URLs)-1)
	}
	return "nothing"
}

// SplitRule sends a call to one side whatever the share is. The first that
// holds decides.
type SplitRule struct {
	In           string `json:"in"`    // "header", "cookie" or "caller"
	Name         string `json:"name"`  // of the header or cookie
	Value        string `json:"value"` // "" asks only that the name is there
	Applications []ID   `json:"applications"`
	Candidate    bool   `json:"candidate"` // where the call goes; false: to what is live
}

// SplitSteps moves the share by itself while the candidate does well, and back
// to nothing when it does not.
type SplitSteps struct {
	On    bool          `json:"on"`
	By    int           `json:"by"`    // per mille that each step adds
	Every time.Duration `json:"every"` // nanoseconds in the database
	Until int           `json:"until"` // the share at which it ends
	// Slack is by how much the candidate's share of failed calls may be above
	// the other side's, and Calls how many of its calls a judgement takes.
	Slack int `json:"slack"`
	Calls int `json:"calls"`
}

// DefaultSplitSteps returns what the form starts with: a tenth every ten
// minutes while at most half a percent more calls fail.
func DefaultSplitSteps() SplitSteps {
	return SplitSteps{By: 100, Every: 10 * time.Minute, Until: 1000, Slack: 5, Calls: 50}
}

// SplitMirror gets copies of calls; nobody gets its answers.
type SplitMirror struct {
	URLs         []string `json:"urls"`
	Run          string   `json:"run"`
	Share        int      `json:"share"`
	MaxBodyBytes int64    `json:"max_body_bytes"`
	Concurrency  int      `json:"concurrency"`
	// AllMethods copies calls that change something too, not only GET, HEAD and
	// OPTIONS.
	AllMethods bool `json:"all_methods"`
}

// None reports whether nothing is copied anywhere.
func (m SplitMirror) None() bool { return len(m.URLs) == 0 }

// Empty reports whether there is neither candidate nor mirror.
func (s Split) Empty() bool { return s.Candidate.None() && s.Mirror.None() }

// Check says everything that is wrong with a split.
func (s Split) Check() error {
	var check Check
	share := func(field string, n int) {
		if n < 0 || n > 1000 {
			check.Fail(field, "range", "is %d; use 0 to 1000 per mille", n)
		}
	}
	share("per_mille", s.Share)
	switch c := s.Candidate; {
	case c.Revision < 0:
		check.Fail("candidate.revision", "range", "is %d; revisions begin with 1", c.Revision)
	case c.Revision > 0 && len(c.URLs) > 0:
		check.Fail("candidate", "both", "names a revision and addresses; give one of them")
	case c.None() && s.Share > 0:
		check.Fail("candidate", "required", "is missing; name a revision or addresses before calls go there")
	case len(c.URLs) > 100:
		check.Fail("candidate.urls", "too_many", "has %d addresses, the most is 100", len(c.URLs))
	}
	switch s.Sticky {
	case "", "cookie", "caller", "address":
	default:
		check.Fail("sticky", "unknown", "is %q; use cookie, caller or address, or leave it empty", s.Sticky)
	}
	if len(s.Rules) > 50 {
		check.Fail("rules", "too_many", "has %d rules, the most is 50", len(s.Rules))
	}
	for i, r := range s.Rules {
		r.check(&check, fmt.Sprintf("rules[%d]", i))
	}
	s.Steps.check(&check)
	if s.Steps.On && s.Candidate.None() {
		check.Fail("steps.on", "candidate", "needs a candidate to step towards")
	}
	if m := s.Mirror; !m.None() {
		share("mirror.per_mille", m.Share)
		if m.MaxBodyBytes < 0 || m.MaxBodyBytes > 16<<20 {
			check.Fail("mirror.max_body_bytes", "range", "is %d; use 0 to 16777216", m.MaxBodyBytes)
		}
		if m.Concurrency < 1 || m.Concurrency > 1000 {
			check.Fail("mirror.concurrency", "range", "is %d; use 1 to 1000", m.Concurrency)
		}
		if len(m.URLs) > 100 {
			check.Fail("mirror.urls", "too_many", "has %d addresses, the most is 100", len(m.URLs))
		}
	}
	return check.Err()
}

func (r SplitRule) check(check *Check, at string) {
	switch r.In {
	case "header", "cookie":
		if r.Name == "" || len(r.Name) > 256 || strings.ContainsAny(r.Name, " \t\r\n:;=,\"") {
			check.Fail(at+".name", "name", "%q is not the name of a %s", r.Name, r.In)
		}
		if len(r.Applications) > 0 {
			check.Fail(at+".applications", "place", "belongs to rules by caller")
		}
	case "caller":
		if len(r.Applications) == 0 || len(r.Applications) > 1000 {
			check.Fail(at+".applications", "range", "names %d applications; use 1 to 1000", len(r.Applications))
		}
		for j, id := range r.Applications {
			if _, err := ParseID(PrefixApplication, string(id)); err != nil {
				check.Fail(fmt.Sprintf("%s.applications[%d]", at, j), "id", "%q is not the id of an application", id)
			}
		}
		if r.Name != "" || r.Value != "" {
			check.Fail(at+".name", "place", "belongs to rules by header or cookie")
		}
	default:
		check.Fail(at+".in", "unknown", "is %q; use header, cookie or caller", r.In)
	}
	if len(r.Value) > 4096 || strings.ContainsAny(r.Value, "\x00\r\n") {
		check.Fail(at+".value", "value", "holds a line break, or more than 4096 bytes")
	}
}

func (s SplitSteps) check(check *Check) {
	if s == (SplitSteps{}) {
		return
	}
	if s.By < 1 || s.By > 1000 {
		check.Fail("steps.by_per_mille", "range", "is %d; use 1 to 1000 per mille", s.By)
	}
	if s.Every < time.Second || s.Every > 30*24*time.Hour {
		check.Fail("steps.every_ms", "range", "is %d; use 1 second to 30 days", s.Every.Milliseconds())
	}
	if s.Until < 1 || s.Until > 1000 {
		check.Fail("steps.until_per_mille", "range", "is %d; use 1 to 1000 per mille", s.Until)
	}
	if s.Slack < 0 || s.Slack > 1000 {
		check.Fail("steps.slack_per_mille", "range", "is %d; use 0 to 1000 per mille", s.Slack)
	}
	if s.Calls < 1 || s.Calls > 1_000_000 {
		check.Fail("steps.calls", "range", "is %d; use 1 to 1000000", s.Calls)
	}
}

// Begin makes the comparison with a candidate a new one.
func (s *Split) Begin(run string, at time.Time) {
	s.Run, s.StartedAt, s.Outcome = run, at, ""
	s.MovedAt = at
}

// Move changes the share.
func (s *Split) Move(share int, at time.Time) {
	if share != s.Share {
		s.Share, s.MovedAt = share, at
	}
}

// Switch sends all calls to one side at once: "candidate", "live", or "back" to
// the share before the last switch. Steps end with it.
func (s *Split) Switch(to string, at time.Time) error {
	if s.Candidate.None() {
		return Errorf(Conflict, "there is no candidate to switch to or from; set one first").WithCode("no_candidate")
	}
	share := 0
	switch to {
	case "candidate":
		share = 1000
	case "live":
	case "back":
		share = s.Before
	default:
		return &Error{Kind: Invalid, Message: "calls cannot be switched there", Fields: []FieldError{{"to", "unknown", fmt.Sprintf("is %q; use candidate, live or back", to)}}}
	}
	before := s.Share
	s.Move(share, at)
	s.Before, s.Steps.On = before, false
	s.Outcome = ""
	return nil
}

// SplitSide is what the nodes have counted of one side.
type SplitSide struct {
	Calls  uint64
	Failed uint64 // answered with 5xx
	P50    time.Duration
	P99    time.Duration
	// Bands count the calls by how long they took, the quickest first. Each band
	// ends at twice the time of the one before; those at the end are left out where
	// nothing is in them.
	Bands []SplitBand
}

// SplitBand is how many calls took less than Below, and not less than the band
// before it says.
type SplitBand struct {
	Below time.Duration
	Calls uint64
}

// FailedShare returns the share of calls that failed, 0 to 1.
func (s SplitSide) FailedShare() float64 {
	if s.Calls == 0 {
		return 0
	}
	return float64(s.Failed) / float64(s.Calls)
}

// Judge decides what the rule for steps does at a time: counted is what both
// sides did since the share last moved. It changes the split and reports
// whether the share moved; the outcome is told in words either way.
func (s *Split) Judge(live, candidate SplitSide, at time.Time) (moved bool) {
	if !s.Steps.On || s.Candidate.None() {
		return false
	}
	enough := candidate.Calls >= uint64(s.Steps.Calls)
	if limit := live.FailedShare() + float64(s.Steps.Slack)/1000; enough && candidate.FailedShare() > limit {
		s.Outcome = fmt.Sprintf("back to 0 %%: %s of the candidate's calls failed, at most %s may", percent(candidate.FailedShare()), percent(limit))
		s.Before = s.Share
		s.Move(0, at)
		s.Steps.On = false
		return true
	}
	next := min(s.Share+s.Steps.By, s.Steps.Until)
	switch {
	case next <= s.Share:
		s.Steps.On, s.Outcome = false, fmt.Sprintf("done at %s", percent(float64(s.Share)/1000))
	case at.Sub(s.MovedAt) < s.Steps.Every:
	case !enough && s.Share > 0:
		s.Outcome = fmt.Sprintf("waits for %d calls to the candidate before the next step", s.Steps.Calls)
	default:
		s.Outcome = fmt.Sprintf("went to %s: %s of the candidate's calls failed, %s of the others", percent(float64(next)/1000), percent(candidate.FailedShare()), percent(live.FailedShare()))
		if s.Share == 0 {
			s.Outcome = "began with " + percent(float64(next)/1000)
		}
		s.Move(next, at)
		if next >= s.Steps.Until {
			s.Steps.On = false
			s.Outcome += "; that was the last step"
		}
		return true
	}
	return false
}

// percent writes a share as people read it: "0.5 %", "25 %".
func percent(share float64) string {
	text := fmt.Sprintf("%.2f", share*100)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + " %"
}
