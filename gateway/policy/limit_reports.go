package policy

import (
	"strconv"
	"time"
)

// LimitReports are the limits that a request was counted by. The zero value has
// none.
type LimitReports struct{ list []report }

type report struct {
	limit *limit
	by    string
	key   uint64
	given bool // back
	verdict
}

func (r *LimitReports) add(rep report) { r.list = append(r.list, rep) }

// reset forgets the reports and keeps the memory.
func (r *LimitReports) reset() {
	clear(r.list)
	r.list = r.list[:0]
}

// giveBack gives back what the limits took of a request that another one
// refuses.
func (r *LimitReports) giveBack(m *Limiter, now int64) {
	for i := range r.list {
		rep := &r.list[i]
		if !rep.admitted || rep.given {
			continue
		}
		m.refund(rep.limit, rep.key, rep.taken, now)
		rep.given = true
		rep.remaining++
		if rep.limit.slice == 0 {
			rep.reset = max(rep.reset-rep.limit.interval, 0)
		}
	}
}

// SetHeaders tells the caller its limits, after
// draft-ietf-httpapi-ratelimit-headers: all of them in RateLimit-Policy, the
// tightest in RateLimit. It does nothing when the request was not limited.
func (r *LimitReports) SetHeaders(ex *Exchange) {
	if len(r.list) == 0 {
		return
	}
	var tightest *report
	grown := ex.Scratch()
	for i := range r.list {
		rep := &r.list[i]
		if rep.limit.untold {
			continue
		}
		if tightest != nil {
			grown = append(grown, ", "...)
		}
		grown = rep.appendName(grown)
		grown = strconv.AppendInt(append(grown, ";q="...), rep.limit.quota, 10)
		if rep.limit.period%int64(time.Second) == 0 {
			grown = strconv.AppendInt(append(grown, ";w="...), rep.limit.period/int64(time.Second), 10)
		}
		if tightest == nil || rep.tighter(tightest) {
			tightest = rep
		}
	}
	if tightest == nil {
		return
	}
	ex.Answer.Header.Set("RateLimit-Policy", ex.Keep(grown))
	grown = tightest.appendName(ex.Scratch())
	grown = strconv.AppendInt(append(grown, ";r="...), tightest.remaining, 10)
	grown = strconv.AppendInt(append(grown, ";t="...), seconds(max(tightest.reset, tightest.retry)), 10)
	ex.Answer.Header.Set("RateLimit", ex.Keep(grown))
}

// tighter reports whether r has less left than other.
func (r *report) tighter(other *report) bool {
	if r.admitted != other.admitted {
		return !r.admitted
	}
	return r.remaining < other.remaining
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
