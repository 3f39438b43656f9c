package balance

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is how a call on an endpoint went.
type Outcome uint8

// The outcomes.
const (
	Answered    Outcome = iota // with a status below 500
	Failed                     // with a status of 500 or above that is the service's own
	Unavailable                // with 502, 503 or 504
	Unreachable                // no connection could be made
	Broken                     // the connection broke before an answer, or what came was none
	Late                       // there was no answer in time
	Abandoned                  // it is the caller who ended it; this says nothing of the endpoint
	Untried                    // this node could connect nowhere; neither does this
)

func (o Outcome) fails(any5xx bool) bool {
	return o >= Unavailable && o < Abandoned || o == Failed && any5xx
}

// String says it to people.
func (o Outcome) String() string {
	switch o {
	case Answered:
		return "answered"
	case Failed:
		return "answered with a server error"
	case Unavailable:
		return "answered that it is not available"
	case Unreachable:
		return "cannot be connected to"
	case Broken:
		return "broke off without an answer"
	case Late:
		return "did not answer in time"
	case Untried:
		return "was not called: this node has no descriptor left to connect with"
	}
	return "abandoned by the caller"
}

// Endpoint is one address that calls go to. Make it with NewEndpoint; it is in
// one Group at a time.
type Endpoint struct {
	Name string // the same for the same address, in every process
	Data any    // the caller's, who sets it before first use

	failures atomic.Int32 // in a row
	under    atomic.Int64 // calls under way, where they are counted
	average  atomic.Uint64
	stamp    atomic.Int64 // when average was last moved
	latency  latency

	mu        sync.Mutex // guards what follows
	known     bool       // it has been in a group
	since     int64      // when its slow start began; 0: none under way
	sick      string
	sickSince int64
	until     int64 // ejected until
	outSince  int64
	outWhy    string
	times     int // ejected in a row
}

// NewEndpoint returns an endpoint that is taken for fit.
func NewEndpoint(name string, data any) *Endpoint { return &Endpoint{Name: name, Data: data} }

// Under returns how many calls are under way, where they are counted.
func (e *Endpoint) Under() int { return int(e.under.Load()) }

// Sick reports whether a check found the endpoint not well.
func (e *Endpoint) Sick() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sick != ""
}

func (e *Endpoint) met() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known
}

// meet begins the endpoint's time in a group, slowly where it comes late.
func (e *Endpoint) meet(now int64, late bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known && late {
		e.since = max(now, 1)
	}
	e.known = true
}

func (e *Endpoint) outUntil() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.until
}

func (e *Endpoint) eject(now int64, s Ejection, outcome Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	// One that has done well for as long as it can be out begins anew.
	if e.until == 0 && e.times > 0 && now-e.outSince > 2*int64(s.Max) {
		e.times = 0
	}
	e.times++
	e.until = now + min(int64(s.Base)*int64(e.times), int64(max(s.Max, s.Base)))
	e.outSince, e.outWhy = now, outcome.String()
}

func (e *Endpoint) setHealth(now int64, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := (e.sick == "") != (why == "")
	if changed && why == "" {
		e.since = max(now, 1)
		e.failures.Store(0)
	} else if changed {
		e.sickSince = now
	}
	e.sick = why
}

// settle reports whether the endpoint's share changed, and whether it will.
func (e *Endpoint) settle(now int64, s Settings) (changed, waits bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.until > 0 && e.until <= now {
		e.until, e.since, changed = 0, max(now, 1), true
		e.failures.Store(int32(max(s.Ejection.Failures-1, 0))) // the next failure is enough
	}
	if e.since > 0 {
		changed = true
		if now-e.since >= int64(s.SlowStart) {
			e.since = 0
		}
	}
	return changed, e.until > 0 || e.since > 0
}

// share returns the part of its weight that the endpoint gets now, in
// thousandths; 0 when it is not fit.
func (e *Endpoint) share(now int64, slow time.Duration) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.sick != "" || e.until > now:
		return 0
	case slow <= 0 || e.since == 0 || now-e.since >= int64(slow):
		return whole
	}
	return max(int((now-e.since)*whole/int64(slow)), firstShare)
}

const (
	whole      = 1000
	firstShare = 100 // of whole, with which a slow start begins
)

// Unfit returns why the endpoint gets no calls, but in a panic; "" when it does.
func (e *Endpoint) Unfit(now int64) (why string) {
	u, _ := e.unfit(now)
	return u.Why
}

func (e *Endpoint) unfit(now int64) (Unfit, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.sick != "":
		return Unfit{e, e.sick, e.sickSince, 0}, true
	case e.until > now:
		return Unfit{e, e.outWhy, e.outSince, e.until}, true
	}
	return Unfit{}, false
}

// memory is how long the average of an endpoint remembers, and how far failures alone
// raise it: what doubles without an end is never forgotten.
const memory = 10 * time.Second

// observe moves the average: up at once, down slowly.
func (e *Endpoint) observe(now int64, took time.Duration, failed bool) {
	have := math.Float64frombits(e.average.Load())
	value := float64(took)
	if failed { // what fails fast is not fast
		value = max(value, min(2*have, float64(memory)), float64(time.Second))
	}
	before := e.stamp.Swap(now)
	if value < have {
		keep := math.Exp(-float64(max(now-before, 0)) / float64(memory))
		value = have*keep + value*(1-keep)
	}
	e.average.Store(math.Float64bits(value))
}

// cost is how long a call sent now would have to wait, as far as is known.
func (e *Endpoint) cost(now int64) float64 {
	under := e.under.Load()
	average := math.Float64frombits(e.average.Load())
	if average == 0 {
		if under > 0 {
			return float64(under) * float64(time.Second) // nothing is known of it yet
		}
		return 0
	}
	if idle := now - e.stamp.Load(); idle > 0 { // or it would never get a second chance
		average *= math.Exp(-float64(idle) / float64(memory))
	}
	return average * float64(under+1)
}
