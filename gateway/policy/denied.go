package policy

import (
	"net/http"
	"time"
	"unicode/utf8"

	"portico/gateway/contract"
)

// Denied is a refusal that the caller is told about. Steps, lanes and upstreams
// return it; gateway/problem.go alone turns it into an answer.
type Denied struct {
	Status int
	Code   string // snake_case, stable, documented: WIRE.md
	Detail string // one or two plain sentences that say what to do next

	RetryAfter time.Duration // 0 for none
	Challenges []string      // WWW-Authenticate, on 401, and on 403 of a token
	Allow      string        // on 405
	Close      bool          // the connection cannot be used any further

	Errors []contract.Wrong // everything that is not as the document says, up to a bound

	Cause error // for the operator's log; never sent
}

// Error is for logs: code, and cause where there is one.
func (d *Denied) Error() string {
	if d.Cause != nil {
		return d.Code + ": " + d.Cause.Error()
	}
	return d.Code
}

// Unwrap returns the cause.
func (d *Denied) Unwrap() error { return d.Cause }

// StatusGone stands for an answer that a caller did not wait for; nginx counts
// such calls by the same number. It is never sent.
const StatusGone = 499

// BadRequest is the refusal of a request that cannot be read as it stands. The
// connection is closed after it.
func BadRequest(detail string) *Denied {
	return &Denied{Status: http.StatusBadRequest, Code: "request_invalid", Detail: detail, Close: true}
}

// TooLarge is the refusal of a body beyond the limit.
func TooLarge(limit int64) *Denied {
	return &Denied{
		Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
		Detail: "The request body is larger than the " + bytesText(limit) + " that this API accepts. Send a smaller one.", Close: true,
	}
}

// Clip shortens a text to most bytes or a little more, where it quotes what
// somebody else has written.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
