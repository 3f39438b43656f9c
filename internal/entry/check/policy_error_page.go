package check

import (
	"fmt"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/render"
)

func (p *problems) errorPage(at string, c *entry.ErrorPage) {
	if len(c.Statuses) == 0 {
		p.add(at+".statuses", "names no status")
	}
	p.statuses(at+".statuses", c.Statuses, 400)
	if len(c.Codes) > 64 {
		p.add(at+".codes", "want at most 64, got %d", len(c.Codes))
	}
	for i, code := range c.Codes {
		if code == "" || len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			p.add(fmt.Sprintf("%s.codes[%d]", at, i), "%q cannot be a problem's code", code)
		}
	}
	if c.Status != 0 {
		p.between(at+".status", int64(c.Status), 400, 599)
	}
	if c.Status == 0 && len(c.JSON) == 0 && c.HTML == "" && c.Text == "" && !c.Upstream {
		p.add(at, "changes nothing: give a page, a status, or the upstream's answers")
	}
	if len(c.JSON) > 0 {
		_, err := render.JSON(c.JSON, render.OfProblem)
		p.addErr(at+".json", err)
	}
	if c.HTML != "" {
		_, err := render.HTML(c.HTML, render.OfProblem)
		p.addErr(at+".html", err)
	}
	if c.Text != "" {
		_, err := render.Text(c.Text, render.OfProblem)
		p.addErr(at+".text", err)
	}
}
