package policy

import (
	"context"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"

	"portico/internal/entry"
)

// limit is a rate limit ready to count. Times are nanoseconds.
type limit struct {
	id       uint64 // of its numbers, and of where it is declared
	interval int64  // between two requests at the average rate
	full     int64  // the whole burst, as time
	quota    int64
	burst    int64
	period   int64
	slice    int64 // a sliding window's parts; 0 for a limit of none
	untold   bool  // in RateLimit
	planned  bool  // one of the numbers of a plan, which has no step of its own
}

func newLimits(list []entry.RateLimit) []limit {
	out := make([]limit, len(list))
	for i, l := range list {
		out[i] = newLimit(l, "")
		out[i].planned = true
	}
	return out
}

// newLimit compiles a limit. The interval is rounded up, so that the average
// is never exceeded.
func newLimit(l entry.RateLimit, declared string) limit {
	period := l.PeriodMS * int64(time.Millisecond)
	burst := int64(l.Burst)
	if burst == 0 {
		burst = int64(l.Requests)
	}
	interval := (period + int64(l.Requests) - 1) / int64(l.Requests)
	out := limit{interval: interval, full: interval * burst, quota: int64(l.Requests), burst: burst, period: period}
	if l.Algorithm == entry.AlgorithmSlidingWindow {
		out.slice = period / windowSlices
	}
	out.id = limitID(int64(l.Requests), l.PeriodMS, burst, out.slice, l.By, l.Name+l.Expression, declared)
	return out
}

// limitID tells limits apart by what they say and where they are declared.
func limitID(a, b, c, d int64, by, name, declared string) uint64 {
	h := fnv.New64a()
	for _, n := range [...]int64{a, b, c, d} {
		h.Write(append(strconv.AppendInt(nil, n, 10), '/'))
	}
	h.Write([]byte(by + "\x00" + name + "@" + declared))
	return h.Sum64()
}

// rateLimitStep is the policy "rate_limit" of an API or a route, and
// "spike_arrest", which is one of a burst of 1.
type rateLimitStep struct {
	limit    limit
	counted  counted
	queue    queue
	code     string
	declared declared
	limiter  *Limiter
}

func newRateLimitStep(l entry.RateLimit, at declared, limiter *Limiter) *rateLimitStep {
	return &rateLimitStep{
		newLimit(l, at.state()), newCounted(l.By, l.Name, l.Expression, at), newQueue(l.Queue), codeRateLimited, at, limiter,
	}
}

// The codes of refusals by limits.
const (
	codeRateLimited        = "rate_limited"
	codeSpikeArrested      = "spike_arrested"
	codeConcurrencyLimited = "concurrency_limited"
)

// Run implements Step.
func (s *rateLimitStep) Run(ctx context.Context, ex *Exchange) error {
	key := s.counted.key(s.limiter, s.limit.id, ex)
	v := s.limiter.lines.pass(ctx, ex, s, key, s.queue)
	ex.Limits.add(report{limit: &s.limit, by: s.counted.by, key: key, verdict: v})
	if !v.admitted {
		return ex.refused(s.limiter, v, s.code, s.declared)
	}
	return nil
}

// pass implements gate.
func (s *rateLimitStep) pass(key uint64, now int64) verdict {
	return s.limiter.take(&s.limit, key, now)
}

// pace implements gate.
func (s *rateLimitStep) pace() int64 {
	if s.limit.slice > 0 {
		return 0
	}
	return s.limit.interval
}

// bySubscription is what limits of plans are counted by.
const bySubscription = "subscription"

// planLimitStep counts a subscription's limits, then passes its plan's policies.
// All must admit.
type planLimitStep struct{ limiter *Limiter }

// Run implements Step.
func (s planLimitStep) Run(ctx context.Context, ex *Exchange) error {
	sub := ex.Caller.Subscription
	if sub == nil { // nobody's plan
		return nil
	}
	terms := sub.Terms.Load()
	if terms == nil { // the plan has been closed since the call was authorised
		return nil
	}
	limits := terms.limits
	if sub.limits > 0 {
		limits = ex.Caller.Grant.some.limits[sub.limits-1]
	}
	for i := range limits {
		key := s.limiter.key(limits[i].id, sub.ID[:])
		v := s.limiter.take(&limits[i], key, ex.Mono)
		ex.Limits.add(report{limit: &limits[i], by: bySubscription, key: key, verdict: v})
		if !v.admitted {
			return ex.refused(s.limiter, v, codeRateLimited, declared{planned: true, plan: terms.Name})
		}
	}
	for _, step := range terms.steps {
		if err := step.Run(ctx, ex); err != nil {
			return err
		}
	}
	return nil
}

// newPlanStep compiles a policy of a plan.
func newPlanStep(p entry.Policy, at declared, limiter *Limiter) Step {
	switch c := p.Config.(type) {
	case *entry.RateLimit:
		return newRateLimitStep(*c, at, limiter)
	case *entry.SpikeArrest:
		return newSpikeArrestStep(*c, at, limiter)
	case *entry.ConcurrencyLimit:
		return newConcurrencyStep(*c, at, limiter)
	}
	return unknownStep{} // entry/check lets none pass
}

// refused gives back what other limits took, and returns the refusal.
func (ex *Exchange) refused(m *Limiter, v verdict, code string, at declared) error {
	ex.Limits.giveBack(m, ex.Mono)
	if v.gone {
		return &Broken{errGone}
	}
	wait := seconds(v.retry)
	return &Denied{
		Status: http.StatusTooManyRequests, Code: code,
		Detail:     "Too many calls for " + at.text() + ". Call again in " + strconv.FormatInt(wait, 10) + " s.",
		RetryAfter: time.Duration(wait) * time.Second,
	}
}

// seconds rounds up, and to at least one.
func seconds(ns int64) int64 {
	return max((ns+int64(time.Second)-1)/int64(time.Second), 1)
}
