package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

// Problem is a refusal as RFC 9457 has it, with Portico's members.
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"`
	Errors    []FieldProblem `json:"errors,omitempty"`
	RequestID string         `json:"request_id"`
}

// FieldProblem is what is wrong with one field.
type FieldProblem struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Codes of refusals that only HTTP knows; they have statuses of their own.
const (
	codeMalformed = "malformed_json"
	codeMethod    = "method_not_allowed"
	codeMedia     = "unsupported_media_type"
	codeChanged   = "changed_meanwhile" // apim.CheckLock's
)

// ProblemOf returns what err looks like to the client. Internal failures say
// nothing of their cause.
func ProblemOf(c *gin.Context, err error) Problem {
	p := Problem{Type: "about:blank", RequestID: RequestID(c.Request.Context())}
	var e *apim.Error
	switch {
	case errors.As(err, &e):
		p.Status, p.Code, p.Detail = statusOf(c, e), e.Code, e.Message
		if p.Code == "" {
			p.Code = string(e.Kind)
		}
		for _, f := range e.Fields {
			p.Errors = append(p.Errors, FieldProblem(f))
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Status, p.Code = http.StatusServiceUnavailable, "timed_out"
		p.Detail = "the answer took too long; try again in a moment"
	default:
		p.Status, p.Code = http.StatusInternalServerError, "internal"
		p.Detail = "something failed inside Portico, and it is in the log under this request's id"
	}
	p.Title = http.StatusText(p.Status)
	if u := edgeOf(c).ProblemURL; u != "" {
		p.Type = u + p.Code
	}
	return p
}

func statusOf(c *gin.Context, e *apim.Error) int {
	switch e.Code {
	case codeMalformed:
		return http.StatusBadRequest
	case codeMethod:
		return http.StatusMethodNotAllowed
	case codeMedia:
		return http.StatusUnsupportedMediaType
	case codeChanged:
		if c.GetHeader("If-Match") != "" {
			return http.StatusPreconditionFailed
		}
	}
	switch e.Kind {
	case apim.Invalid:
		return http.StatusUnprocessableEntity
	case apim.NotFound:
		return http.StatusNotFound
	case apim.Conflict:
		return http.StatusConflict
	case apim.Forbidden:
		return http.StatusForbidden
	case apim.SignIn:
		return http.StatusUnauthorized
	case apim.TooLarge:
		return http.StatusRequestEntityTooLarge
	case apim.TooMany:
		return http.StatusTooManyRequests
	case apim.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Fail ends the request with a problem: the edge's error page, or
// application/problem+json. The cause goes to the access log alone. Handlers
// return after it; later handlers of the chain do not run.
func Fail(c *gin.Context, err error) {
	p := ProblemOf(c, err)
	c.Set(outcomeKey{}, outcome{code: p.Code, cause: causeOf(err)})
	c.Abort()
	if c.Writer.Written() {
		return // too late for another answer; the log has it
	}
	if p.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Bearer realm="Portico"`)
	}
	c.Header("Cache-Control", "no-store")
	if page := edgeOf(c).ErrorPage; page != nil {
		page(c, p)
		return
	}
	c.Header("Content-Type", "application/problem+json")
	body, err := json.Marshal(p)
	if err != nil {
		panic("a problem of strings cannot be written: " + err.Error())
	}
	c.Status(p.Status)
	_, _ = c.Writer.Write(body) // the client is gone when this fails
}

// causeOf returns what the log should say beside the code: all of an internal
// failure, and the hidden cause of a refusal.
func causeOf(err error) error {
	var e *apim.Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return err
}
