package check

import "portico/internal/entry"

// MaxValidatedBytes is the largest body that can be validated.
const MaxValidatedBytes = 64 << 20

func (p *problems) validate(at string, v entry.Validate) {
	p.oneOf(at+".request", v.Request, "refuse", "report", "off")
	p.oneOf(at+".answer", v.Answer, "off", "report", "refuse")
	p.oneOf(at+".large", v.Large, "error", "pass")
	p.between(at+".max_bytes", v.MaxBytes, 0, MaxValidatedBytes)
	if v.Request == "off" && (v.Answer == "" || v.Answer == "off") {
		p.add(at, "looks at neither requests nor answers")
	}
}

// oneOf accepts "", which is the first of them.
func (p *problems) oneOf(field, got string, words ...string) {
	if got == "" {
		return
	}
	list := ""
	for i, w := range words {
		if got == w {
			return
		}
		if i > 0 {
			list += ", "
		}
		list += w
	}
	p.add(field, "want one of %s, got %q", list, got)
}
