package check

import (
	"fmt"
	"math"
	"math/bits"

	"portico/internal/entry"
	"portico/internal/entry/expression"
)

// rateLimit keeps the numbers within what a limiter can count in 63 bits of
// nanoseconds.
func (p *problems) rateLimit(at string, l entry.RateLimit) {
	p.between(at+".requests", int64(l.Requests), 1, 1_000_000_000)
	p.between(at+".period_ms", l.PeriodMS, 1, 366*24*60*60*1000)
	p.between(at+".burst", int64(l.Burst), 0, 1_000_000_000)
	switch {
	case l.Algorithm != "" && l.Algorithm != entry.AlgorithmGCRA && l.Algorithm != entry.AlgorithmSlidingWindow:
		p.add(at+".algorithm", "want \"gcra\" or \"sliding_window\", got %q", l.Algorithm)
	case l.Algorithm == entry.AlgorithmSlidingWindow && l.Burst != 0:
		p.add(at+".burst", "a sliding window has none: all of a period's calls may come at once")
	}
	if l.Requests < 1 || l.PeriodMS < 1 || l.PeriodMS > 366*24*60*60*1000 {
		return
	}
	interval := max(l.PeriodMS*1_000_000/int64(l.Requests), 1)
	if l.PeriodMS*1_000_000 < int64(l.Requests) {
		p.add(at+".requests", "is more than one in a nanosecond")
	}
	if hi, lo := bits.Mul64(uint64(interval), uint64(max(l.Burst, 0))); hi != 0 || lo > math.MaxInt64/4 {
		p.add(at+".burst", "takes longer than 73 years to refill")
	}
}

// counted checks what a limit counts by.
func (p *problems) counted(at, by, name, source string) {
	switch by {
	case "subscription", "caller", "credential", "address", "api", "expression":
		if name != "" {
			p.add(at+".name", "is of limits by header, query or claim, got %q", name)
		}
	case "header":
		if !isToken(name) {
			p.add(at+".name", "%q is not a header's name", name)
		}
	case "query":
		if name == "" || !isQueryName(name) {
			p.add(at+".name", "%q is not usable as a query parameter's name", name)
		}
	case "claim":
		if name == "" || len(name) > 256 {
			p.add(at+".name", "%q is not usable as a claim's name", name)
		}
	default:
		p.add(at+".by", "want \"subscription\", \"caller\", \"credential\", \"address\", \"api\", \"header\", \"query\", \"claim\" or \"expression\", got %q", by)
	}
	if by == "expression" {
		_, err := expression.Compile(source, expression.Text)
		p.addErr(at+".expression", err)
	} else if source != "" {
		p.add(at+".expression", "is of limits by expression")
	}
}

// sameLimit refuses a limit that stands in its list already: both would count
// each call in one place, and so twice. The other's place is not told: in a draft
// it is not the one in the entry.
func (p *problems) sameLimit(field string, list []entry.Policy, i int) {
	for j := range i {
		if a := unqueued(list[i].Config); a != nil && a == unqueued(list[j].Config) {
			p.add(fmt.Sprintf("%s[%d]", field, i), "is the same limit as another %s before it, and each call would count twice", list[i].Kind())
			return
		}
	}
}

// unqueued returns what tells limits apart, however they are written; nil for
// what is none.
func unqueued(config entry.PolicyConfig) any {
	switch c := config.(type) {
	case *entry.RateLimit:
		return spelledOut(*c)
	case *entry.SpikeArrest:
		l := *c
		l.Queue = entry.Queue{}
		return l
	case *entry.ConcurrencyLimit:
		l := *c
		l.Queue = entry.Queue{}
		return l
	}
	return nil
}

// spelledOut says what a limit leaves out, and nothing of who waits.
func spelledOut(l entry.RateLimit) entry.RateLimit {
	l.Queue = entry.Queue{}
	if l.Algorithm == "" {
		l.Algorithm = entry.AlgorithmGCRA
	}
	if l.Burst == 0 {
		l.Burst = l.Requests
	}
	return l
}

// The most that may wait for one key, and how long.
const (
	maxQueueLength = 1000
	maxQueueMS     = 60_000
)

func (p *problems) queue(at string, q entry.Queue) {
	p.between(at+".queue.length", int64(q.Length), 0, maxQueueLength)
	p.between(at+".queue.wait_ms", q.WaitMS, 0, maxQueueMS)
	switch {
	case q.Length > 0 && q.WaitMS == 0:
		p.add(at+".queue.wait_ms", "calls that wait need a time to do so")
	case q.Length == 0 && q.WaitMS > 0:
		p.add(at+".queue.length", "0 calls may wait, however long")
	}
}
