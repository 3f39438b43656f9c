package table

import (
	"net/http"
	"strings"

	"portico/gateway/policy"
)

// choose returns the version that a call asks for, and sets what its answer
// says. A call that asks for none gets the place's default; one that asks for
// two, or for one that is not there, is refused rather than served by a version
// that it did not mean.
func (s seat) choose(ex *policy.Exchange) (*API, error) {
	c := s.choices
	ex.Announced = c.vary
	p := picking{list: c.list}
	for _, name := range c.headers {
		p.header(ex, name)
	}
	for _, name := range c.queries {
		p.query(ex, name)
	}
	if c.types || len(c.params) > 0 {
		p.mediaTypes(ex, c)
	}
	switch {
	case p.unclear:
		return nil, unversioned("version_ambiguous", "This call asks for more than one version. Ask for one alone: ", c)
	case p.found != nil:
		ex.Announced = p.found.announced
		return p.found.api, nil
	case p.unknown:
		return nil, unversioned("version_unknown", "This call asks for a version that is not published here. Published are: ", c)
	case s.api == nil && ex.Method == http.MethodOptions: // which version a browser will ask for is not known before it calls
		if _, asks := policy.Preflight(ex); asks {
			return c.list[0].api, nil
		}
		fallthrough
	case s.api == nil:
		return nil, unversioned("version_missing", "This address has several versions, and none answers calls that ask for none. Ask for one: ", c)
	}
	ex.Announced = c.byDefault
	return s.api, nil
}

func unversioned(code, detail string, c *choices) *policy.Denied {
	return &policy.Denied{Status: http.StatusBadRequest, Code: code, Detail: detail + c.ways + "."}
}

// picking is the search for what a call asks for.
type picking struct {
	list    []choice
	found   *choice
	unclear bool // two versions are asked for, or one place says two things
	unknown bool // something is asked for that is not there
}

func (p *picking) take(c *choice) {
	switch {
	case c == nil:
		p.unknown = true
	case p.found != nil && p.found.api != c.api:
		p.unclear = true
	default:
		p.found = c
	}
}

// by returns the choice of a place whose value fits.
func (p *picking) by(in, name string, fits func(value string) bool) *choice {
	for i := range p.list {
		if c := &p.list[i]; c.In == in && policy.FoldEqual(c.Name, name) && fits(c.Value) {
			return c
		}
	}
	return nil
}

func (p *picking) header(ex *policy.Exchange, name string) {
	count, value := 0, ""
	for _, f := range ex.Header.Fields() {
		if policy.FoldEqual(f.Name, name) {
			count++
			value = f.Value
		}
	}
	switch {
	case count > 1:
		p.unclear = true
	case count == 1:
		p.take(p.by("header", name, func(v string) bool { return v == value }))
	}
}

func (p *picking) query(ex *policy.Exchange, name string) {
	raw, count := policy.QueryValue(ex.Query, name)
	if count > 1 {
		p.unclear = true
	}
	if count != 1 {
		return
	}
	for i := range p.list {
		if c := &p.list[i]; c.In == "query" && c.Name == name && policy.QueryEqual(raw, c.Value) {
			p.take(c)
			return
		}
	}
	p.unknown = true
}

// mediaTypes reads Accept, of which the most wanted type that selects counts,
// and Content-Type.
func (p *picking) mediaTypes(ex *policy.Exchange, c *choices) {
	var wanted *choice
	best, unknown := 0, false
	for _, f := range ex.Header.Fields() {
		accept := policy.FoldEqual(f.Name, "Accept")
		if !accept && !policy.FoldEqual(f.Name, "Content-Type") {
			continue
		}
		for rest := f.Value; rest != ""; {
			var item string
			item, rest = cutQuoted(rest, ',')
			selects, asks, quality := p.mediaType(item, c)
			switch {
			case !accept && (selects != nil || asks):
				p.take(selects)
			case quality == 0:
			case selects != nil && quality > best:
				wanted, best = selects, quality
			case selects == nil && asks:
				unknown = true
			}
		}
	}
	if wanted != nil || unknown {
		p.take(wanted)
	}
}

// mediaType reads one type with its parameters. asks says that it names a
// version, known or not; quality is in thousandths.
func (p *picking) mediaType(item string, c *choices) (selects *choice, asks bool, quality int) {
	quality = 1000
	kind, rest := cutQuoted(item, ';')
	kind = strings.Trim(kind, " \t")
	if c.types {
		selects = p.by("media_type", "", func(v string) bool { return policy.FoldEqual(v, kind) })
		asks = selects != nil
	}
	for rest != "" {
		var param string
		param, rest = cutQuoted(rest, ';')
		name, value, _ := strings.Cut(param, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if policy.FoldEqual(name, "q") {
			quality = thousandths(value)
			continue
		}
		for _, known := range c.params {
			if !policy.FoldEqual(known, name) {
				continue
			}
			asks = true
			if one := p.by("media_type", name, func(v string) bool { return v == value }); one != nil && selects == nil {
				selects = one
			} else if one != nil && one.api != selects.api {
				p.unclear = true
			}
		}
	}
	return selects, asks, quality
}

// cutQuoted cuts at a byte that does not stand between quotes.
func cutQuoted(s string, at byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == at && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// thousandths reads a quality: 0, 0.5, 1.000. What is none counts as 1.
func thousandths(s string) int {
	if s == "" || s[0] != '0' {
		return 1000
	}
	n, scale := 0, 100
	for i := 2; i < len(s) && scale > 0; i++ {
		if s[i] < '0' || s[i] > '9' {
			return 1000
		}
		n += int(s[i]-'0') * scale
		scale /= 10
	}
	return n
}
