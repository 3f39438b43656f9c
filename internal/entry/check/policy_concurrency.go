package check

import "portico/internal/entry"

func (p *problems) concurrency(at string, c entry.ConcurrencyLimit) {
	p.between(at+".calls", int64(c.Calls), 1, 1_000_000)
	p.counted(at, c.By, c.Name, c.Expression)
	p.queue(at, c.Queue)
}
