package console

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
	"portico/ui"
)

// errorView is a request that could not be answered.
type errorView struct {
	Frame   ui.Frame
	Inside  bool // a tenant's page: the navigation stays
	Art     ui.Art
	Title   string
	Text    string
	Request string
	Back    link
}

// errorPage renders a problem for people.
func (h *Console) errorPage(c *gin.Context, p web.Problem) {
	e := errorView{Text: sentence(p.Detail), Request: p.RequestID, Back: link{"Go to the overview", rootPath}}
	switch p.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		e.Title, e.Art = "Nothing here", ui.ArtNothing
	case http.StatusForbidden:
		e.Title, e.Art = "You may not do this", ui.ArtLocked
	case http.StatusUnauthorized:
		e.Title, e.Art, e.Back = "Sign in first", ui.ArtLocked, link{"Sign in", signInPath}
	case http.StatusConflict:
		e.Title, e.Art = "Not done", ui.ArtNothing
	case http.StatusServiceUnavailable:
		e.Title, e.Art = "Not available right now", ui.ArtNothing
	default:
		e.Title, e.Art = "Not done", ui.ArtNothing
		if p.Status >= http.StatusInternalServerError {
			e.Title = "This did not work"
			e.Text = "Something failed inside Portico. Traffic on the gateway is not affected. The log has it under the request's id."
		}
	}
	for _, f := range p.Errors {
		e.Text += " " + f.Field + " " + f.Detail + "."
	}
	e.Frame = ui.Frame{
		Head:  ui.Head{Title: e.Title, Theme: ui.Theme{Chosen: web.Theme(c), Action: themePath, Back: rootPath}},
		Brand: ui.Brand{Name: "Portico", Sub: "Console"},
	}
	if found, ok := c.Get(visitKey); ok {
		v := found.(*visit) // tenantPage alone sets it
		e.Frame, e.Inside = v.shell(e.Title, link{e.Title, ""}).Frame, true
		e.Back.Href = v.links.overview()
	}
	web.Render(c, p.Status, errorBody(e))
}
