package policy

import "portico/internal/entry"

// newSpikeArrestStep compiles the policy "spike_arrest": a rate limit without a
// burst, of which RateLimit does not tell, since nothing is ever left of it.
func newSpikeArrestStep(p entry.SpikeArrest, at declared, limiter *Limiter) *rateLimitStep {
	l := entry.RateLimit{Requests: p.Requests, PeriodMS: 1000, Burst: 1, By: p.By, Name: p.Name, Expression: p.Expression, Queue: p.Queue}
	if p.Per == "minute" {
		l.PeriodMS = 60_000
	}
	s := newRateLimitStep(l, at, limiter)
	s.limit.id, s.limit.untold = s.limit.id^spikes, true
	s.code = codeSpikeArrested
	return s
}

// spikes keeps the state of a spike arrest apart from that of a rate limit of
// the same numbers.
const spikes = 0x7370696b65
