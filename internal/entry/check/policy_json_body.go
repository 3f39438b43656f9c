package check

import (
	"fmt"
	"strconv"

	"portico/internal/entry"
	"portico/internal/entry/render"
)

func (p *problems) jsonBody(at string, c *entry.JSONBody) {
	p.jsonChange(at, c.Change(), render.OfRequest)
	p.choice(at+".other_types", c.OtherTypes, "", "refuse", "pass")
}

func (p *problems) jsonAnswer(at string, c *entry.JSONAnswer) {
	p.jsonChange(at, c.Change(), render.OfAnswer)
	p.choice(at+".unreadable", c.Unreadable, "", "refuse", "pass")
	p.statuses(at+".statuses", c.Statuses, 200)
}

func (p *problems) jsonChange(at string, c entry.JSONChange, use render.For) {
	_, wrong := render.NewChange(c, use)
	for _, w := range wrong {
		field := at
		if w.Field != "" {
			field += "." + w.Field
		}
		p.add(field, "%s", w.Reason)
	}
}

// choice checks a choice; want holds "" where it may be left out.
func (p *problems) choice(field, got string, want ...string) {
	text := ""
	for _, w := range want {
		if got == w {
			return
		}
		if w != "" {
			text += fmt.Sprintf(" or %q", w)
		}
	}
	p.add(field, "want %s, got %q", text[len(" or "):], got)
}

// statuses checks a list of statuses and their classes, none below least.
func (p *problems) statuses(field string, list []string, least int) {
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		low := s
		if len(s) == 3 && s[1:] == "xx" {
			low = s[:1] + "00"
		}
		if n, err := strconv.Atoi(low); err != nil || len(s) != 3 || n < least || n > 599 {
			p.add(at, "want a status of %d to 599, or a class such as %dxx, got %q", least, least/100, s)
		}
	}
}
