package check

import "portico/internal/entry"

func (p *problems) decompressPolicy(at string, c entry.DecompressPolicy) {
	if !c.Requests && !c.Answers {
		p.add(at, "unpacks neither requests nor answers")
	}
	p.between(at+".max_bytes", c.MaxBytes, 0, 64<<20)
	p.between(at+".max_ratio", c.MaxRatio, 0, 10)
}
