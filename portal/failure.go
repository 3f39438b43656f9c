package portal

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
	"portico/ui"
)

// failureView is the page of a request that could not be answered.
type failureView struct {
	frame
	Heading string
	Text    string
	Art     string // as ui.Art
	Fields  []web.FieldProblem
	Request string // id, to quote
	Button  string
	URL     string
}

// errorPage renders a refusal or failure as a page.
func (p *portal) errorPage(c *gin.Context, problem web.Problem) {
	r, _ := p.reader(c) // what failed may fail here too; the bar then names the person alone
	v := newFailure(problem, r)
	v.frame = r.frame(v.Heading, nowhere)
	web.Render(c, problem.Status, failurePageOf(v))
}

// newFailure says what happened, what it means and what to do.
func newFailure(problem web.Problem, r *reader) failureView {
	v := failureView{Text: sentence(problem.Detail), Fields: problem.Errors, Request: problem.RequestID, Button: "To the catalog", URL: catalogPath}
	switch problem.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		v.Heading, v.Art = "There is nothing here", string(ui.ArtNothing)
		if problem.Code == "no_route" {
			v.Text = "The address may be mistyped, or from an old link."
		}
		if r.Actor.Anonymous() {
			v.Text += " Some products are shown to signed-in readers only."
			v.Button, v.URL = "Sign in", signInTo(r.here)
		}
	case http.StatusForbidden:
		v.Heading, v.Art = "You may not do this", string(ui.ArtLocked)
	case http.StatusUnauthorized:
		v.Heading, v.Art, v.Button, v.URL = "Sign in first", string(ui.ArtLocked), "Sign in", signInTo(r.here)
	case http.StatusConflict:
		v.Heading = "That is not possible as things are"
	case http.StatusRequestEntityTooLarge:
		v.Heading = "That is too large"
	case http.StatusTooManyRequests:
		v.Heading = "Too often in a short time"
	case http.StatusServiceUnavailable:
		v.Heading = "Not available right now"
		v.Text += " Calls through the gateway are not affected."
	case http.StatusInternalServerError:
		v.Heading, v.Art = "Something failed on our side", string(ui.ArtLocked)
		v.Text = "Nothing you did caused it, and it is in the operator's log. Try again; if it stays, pass the request id on."
	default:
		v.Heading = "The request was not understood"
	}
	return v
}
