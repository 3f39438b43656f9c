package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
)

// What a split and a mirror may hold.
const (
	MaxSplitRules      = 50
	MaxSplitCallers    = 1_000
	MaxMirrorBodyBytes = 16 << 20
	MaxMirrored        = 1_000 // at once, on a node
)

// Selector says what is wrong with how a mount is selected.
func Selector(s entry.Selector) error {
	if s == (entry.Selector{}) {
		return nil
	}
	lower := strings.ToLower(s.Name)
	switch s.In {
	case "header":
		switch {
		case !isToken(s.Name):
			return fmt.Errorf("%q is not a header's name", s.Name)
		case lower == "accept", lower == "content-type":
			return fmt.Errorf("%s is read as media types: select by media_type", s.Name)
		case reservedHeader(lower), lower == "authorization", lower == "cookie":
			return fmt.Errorf("%s has another meaning and cannot select a version", s.Name)
		}
	case "query":
		if s.Name == "" || len(s.Name) > 256 || strings.ContainsAny(s.Name, "&=#+% ") {
			return fmt.Errorf("%q is not usable as a query parameter's name", s.Name)
		}
	case "media_type":
		kind, sub, found := strings.Cut(s.Value, "/")
		switch {
		case s.Name == "" && (!found || !isToken(kind) || !isToken(sub) || strings.ContainsRune(s.Value, '*')):
			return fmt.Errorf("%q is not a media type such as application/vnd.acme.v2+json", s.Value)
		case s.Name == "":
			return nil
		case !isToken(s.Name) || lower == "q" || lower == "charset" || lower == "boundary":
			return fmt.Errorf("%q is not a media type's parameter that can select a version", s.Name)
		}
	default:
		return fmt.Errorf("want \"header\", \"query\" or \"media_type\", got %q", s.In)
	}
	if s.Value == "" || len(s.Value) > 256 || strings.TrimSpace(s.Value) != s.Value || strings.ContainsFunc(s.Value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' }) {
		return fmt.Errorf("its value %q is not usable: want 1 to 256 characters, without quotes or space around", s.Value)
	}
	return nil
}

func (p *problems) split(a entry.API, upstreams map[string]bool) {
	s := a.Split
	if s == nil {
		return
	}
	p.run("split.run", s.Run)
	p.between("split.per_mille", int64(s.PerMille), 0, 1000)
	if len(s.Candidates) == 0 {
		p.add("split.candidates", "is empty")
	}
	for own, candidate := range s.Candidates {
		if !upstreams[own] || !upstreams[candidate] || own == candidate {
			p.add("split.candidates", "%q and %q are not two of the API's upstreams", own, candidate)
		}
	}
	switch s.Sticky {
	case "", "cookie", "caller", "address":
	default:
		p.add("split.sticky", "want \"cookie\", \"caller\" or \"address\", got %q", s.Sticky)
	}
	if len(s.Rules) > MaxSplitRules {
		p.add("split.rules", "want at most %d, got %d", MaxSplitRules, len(s.Rules))
	}
	for i, r := range s.Rules {
		p.splitRule(fmt.Sprintf("split.rules[%d]", i), r)
	}
}

func (p *problems) splitRule(at string, r entry.SplitRule) {
	if strings.ContainsAny(r.Value, "\x00\r\n") || len(r.Value) > 4096 {
		p.add(at+".value", "is not usable")
	}
	switch r.In {
	case "header", "cookie":
		if !isToken(r.Name) {
			p.add(at+".name", "%q is not the name of a %s", r.Name, r.In)
		}
		if len(r.Callers) > 0 {
			p.add(at+".callers", "belongs to rules by caller")
		}
	case "caller":
		if r.Name != "" || r.Value != "" {
			p.add(at+".name", "belongs to rules by header or cookie")
		}
		if len(r.Callers) == 0 || len(r.Callers) > MaxSplitCallers {
			p.add(at+".callers", "want 1 to %d, got %d", MaxSplitCallers, len(r.Callers))
		}
		for j, id := range r.Callers {
			p.uuid(fmt.Sprintf("%s.callers[%d]", at, j), id)
		}
	default:
		p.add(at+".in", "want \"header\", \"cookie\" or \"caller\", got %q", r.In)
	}
}

func (p *problems) mirror(m *entry.Mirror, upstreams map[string]bool) {
	if m == nil {
		return
	}
	p.run("mirror.run", m.Run)
	if !upstreams[m.Upstream] {
		p.add("mirror.upstream", "%q is not one of the API's upstreams", m.Upstream)
	}
	p.between("mirror.per_mille", int64(m.PerMille), 0, 1000)
	p.between("mirror.max_body_bytes", m.MaxBodyBytes, 0, MaxMirrorBodyBytes)
	p.between("mirror.concurrency", int64(m.Concurrency), 1, MaxMirrored)
}

// run accepts what may stand in a cookie.
func (p *problems) run(field, run string) {
	if run == "" || len(run) > 64 || strings.ContainsFunc(run, func(r rune) bool { return !isAlnum(byte(r)) || r > 'z' }) {
		p.add(field, "want 1 to 64 letters and digits, got %q", run)
	}
}
