package check

import "portico/internal/entry"

// MaxDelayMS is how long a mock may hold an answer back.
const MaxDelayMS = 30_000

func (p *problems) mock(at string, m entry.Mock) {
	if m.Status != 0 {
		p.between(at+".status", int64(m.Status), 200, 599)
	}
	p.between(at+".delay_ms", m.DelayMS, 0, MaxDelayMS)
}
