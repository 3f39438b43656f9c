package check

import "portico/internal/entry"

func (p *problems) spikeArrest(at string, s entry.SpikeArrest) {
	p.between(at+".requests", int64(s.Requests), 1, 1_000_000)
	if s.Per != "second" && s.Per != "minute" {
		p.add(at+".per", "want \"second\" or \"minute\", got %q", s.Per)
	}
	p.counted(at, s.By, s.Name, s.Expression)
	p.queue(at, s.Queue)
}
