package portal

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/ui"
)

type problemsView struct {
	frame
	Groups []problemGroup
}

type problemGroup struct {
	Name string
	Rows []problemRow
}

type problemRow struct {
	Code, Status, Title, URL string
}

type problemView struct {
	frame
	refusal
	StatusText string
	// The same texts as HTML.
	HappenedHTML, MeansHTML, RetryHTML string
	DoHTML                             []string
}

func (p *portal) problems(c *gin.Context, r *reader) error {
	v := problemsView{frame: r.frame("Error codes", atProblems)}
	for _, f := range refusals() {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Name != f.Group {
			v.Groups = append(v.Groups, problemGroup{Name: f.Group})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, problemRow{Code: f.Code, Status: strconv.Itoa(f.Status), Title: f.Title, URL: problemLink(f.Code)})
	}
	return p.render(c, http.StatusOK, problemsPageOf(v))
}

func (p *portal) problem(c *gin.Context, r *reader) error {
	f, ok := refusalOf(c.Param("code"))
	if !ok {
		return apim.Errorf(apim.NotFound, "the gateway has no error code %q", c.Param("code"))
	}
	v := problemView{
		frame: r.frame(f.Title, atProblems), refusal: f, StatusText: http.StatusText(f.Status),
		HappenedHTML: p.markdown.HTML(f.Happened), MeansHTML: p.markdown.HTML(f.Means), RetryHTML: p.markdown.HTML(f.Retry),
	}
	for _, do := range f.Do {
		v.DoHTML = append(v.DoHTML, p.markdown.HTML(do))
	}
	v.Crumbs = []ui.Crumb{{Label: "Error codes", Href: problemsPath}, {Label: f.Code}}
	return p.render(c, http.StatusOK, problemPageOf(v))
}
