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
}

func newLimits(list []entry.RateLimit) []limit {
	out := make([]limit, len(list))
	for i, l := range list {
		out[i] = newLimit(l, "")
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
	h := fnv.New64a()
	h.Write(strconv.AppendInt(nil, int64(l.Requests), 10))
	h.Write(strconv.AppendInt([]byte{'/'}, l.PeriodMS, 10))
	h.Write(strconv.AppendInt([]byte{'+'}, burst, 10))
	h.Write([]byte(l.By + "@" + declared))
	return limit{h.Sum64(), interval, interval * burst, int64(l.Requests), burst, period}
}

// rateLimitStep is the policy "rate_limit" of an API or a route.
type rateLimitStep struct {
	limit   limit
	by      string
	version ID
	limiter *Limiter
}

func newRateLimitStep(l entry.RateLimit, version ID, operation string, limiter *Limiter) *rateLimitStep {
	return &rateLimitStep{newLimit(l, version.String()+operation), l.By, version, limiter}
}

// Run implements Step.
func (s *rateLimitStep) Run(_ context.Context, ex *Exchange) error {
	var key uint64
	switch {
	case s.by == "api":
		key = s.limiter.key(s.limit.id, s.version[:])
	case s.by == "caller" && ex.Caller.Grant != nil:
		key = s.limiter.key(s.limit.id, ex.Caller.Grant.Application[:])
	default: // by address, and a caller nobody identified is an address
		address := ex.Client.Unmap().As16()
		if ex.Client.Is6() && !ex.Client.Is4In6() {
			clear(address[8:]) // one customer has a whole /64 to choose from
		}
		key = s.limiter.key(s.limit.id, address[:])
	}
	v := s.limiter.take(&s.limit, key, ex.Mono)
	ex.Limits.add(&s.limit, s.by, v)
	if !v.admitted {
		return v.denied()
	}
	return nil
}

// planLimitStep counts a subscription's limits. All must admit; when one does
// not, what the others took is given back.
type planLimitStep struct{ limiter *Limiter }

// Run implements Step.
func (s planLimitStep) Run(_ context.Context, ex *Exchange) error {
	sub := ex.Caller.Subscription
	if sub == nil { // nobody's plan
		return nil
	}
	limits := sub.limits
	if limits == nil {
		if terms := sub.Terms.Load(); terms != nil {
			limits = terms.limits
		}
	}
	for i := range limits {
		v := s.limiter.take(&limits[i], s.limiter.key(limits[i].id, sub.ID[:]), ex.Mono)
		ex.Limits.add(&limits[i], "subscription", v)
		if v.admitted {
			continue
		}
		for j := range limits[:i] {
			s.limiter.refund(&limits[j], s.limiter.key(limits[j].id, sub.ID[:]), ex.Mono)
		}
		return v.denied()
	}
	return nil
}

func (v verdict) denied() error {
	wait := seconds(v.retry)
	return &Denied{
		Status: http.StatusTooManyRequests, Code: "rate_limited",
		Detail:     "Too many calls. Call again in " + strconv.FormatInt(wait, 10) + " s.",
		RetryAfter: time.Duration(wait) * time.Second,
	}
}

// seconds rounds up, and to at least one.
func seconds(ns int64) int64 {
	return max((ns+int64(time.Second)-1)/int64(time.Second), 1)
}

// LimitReports are the limits that a request was counted by.
type LimitReports struct {
	list  [12]report
	count int
}

type report struct {
	limit *limit
	by    string
	verdict
}

func (r *LimitReports) add(l *limit, by string, v verdict) {
	if r.count < len(r.list) {
		r.list[r.count] = report{l, by, v}
		r.count++
	}
}

// SetHeaders tells the caller its limits, after
// draft-ietf-httpapi-ratelimit-headers: all of them in RateLimit-Policy, the
// tightest in RateLimit. It does nothing when the request was not limited.
func (r *LimitReports) SetHeaders(ex *Exchange) {
	if r.count == 0 {
		return
	}
	tightest := 0
	grown := ex.Scratch()
	for i := range r.list[:r.count] {
		rep := &r.list[i]
		if i > 0 {
			grown = append(grown, ", "...)
		}
		grown = rep.appendName(grown)
		grown = strconv.AppendInt(append(grown, ";q="...), rep.limit.quota, 10)
		if rep.limit.period%int64(time.Second) == 0 {
			grown = strconv.AppendInt(append(grown, ";w="...), rep.limit.period/int64(time.Second), 10)
		}
		best := &r.list[tightest]
		if !rep.admitted && best.admitted || rep.admitted == best.admitted && rep.remaining < best.remaining {
			tightest = i
		}
	}
	ex.Answer.Header.Set("RateLimit-Policy", ex.Keep(grown))
	rep := &r.list[tightest]
	grown = rep.appendName(ex.Scratch())
	grown = strconv.AppendInt(append(grown, ";r="...), rep.remaining, 10)
	grown = strconv.AppendInt(append(grown, ";t="...), seconds(max(rep.reset, rep.retry)), 10)
	ex.Answer.Header.Set("RateLimit", ex.Keep(grown))
}

// appendName writes a structured field's string such as "subscription-60s".
func (r *report) appendName(dst []byte) []byte {
	dst = append(append(append(dst, '"'), r.by...), '-')
	if r.limit.period%int64(time.Second) == 0 {
		dst = append(strconv.AppendInt(dst, r.limit.period/int64(time.Second), 10), 's')
	} else {
		dst = append(strconv.AppendInt(dst, r.limit.period/int64(time.Millisecond), 10), "ms"...)
	}
	return append(dst, '"')
}
