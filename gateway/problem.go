package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"portico/gateway/contract"
	"portico/gateway/policy"
)

// problem is an error as callers read it, after RFC 9457.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`

	Errors []contract.Wrong `json:"errors,omitempty"`
}

// mostDetail bounds a sentence, in bytes.
const mostDetail = 2 << 10

// render is the one place where an error becomes an answer. Anything that is
// not a *policy.Denied is our own fault, and the caller learns no more of it.
func render(ex *policy.Exchange, problemURL string, err error) *policy.Denied {
	denied := (*policy.Denied)(nil)
	if !errors.As(err, &denied) {
		denied = &policy.Denied{
			Status: http.StatusInternalServerError, Code: "internal",
			Detail: "The gateway could not handle this call. Tell its operator, with the request id.", Cause: err,
		}
	}
	if len(denied.Detail) > mostDetail { // it may quote what the caller has sent
		shorter := *denied
		shorter.Detail = policy.Clip(denied.Detail, mostDetail)
		denied = &shorter
	}
	p := problem{
		Type: "about:blank", Title: http.StatusText(denied.Status), Status: denied.Status,
		Detail: denied.Detail, Code: denied.Code, RequestID: ex.RequestID,
		Errors: denied.Errors,
	}
	if problemURL != "" {
		p.Type = problemURL + denied.Code
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil { // strings and a number always encode
		text.Reset()
	}
	a := &ex.Answer
	if a.Body != nil {
		a.Body.Close()
	}
	a.Header.Reset()
	a.Trailer.Reset()
	a.Status, a.Told, a.Local, a.Close = denied.Status, 0, true, a.Close || denied.Close
	a.Header.Add("Content-Type", "application/problem+json")
	a.Header.Add("Cache-Control", "no-store")
	for _, challenge := range denied.Challenges {
		a.Header.Add("WWW-Authenticate", challenge)
	}
	if denied.Allow != "" {
		a.Header.Add("Allow", denied.Allow)
	}
	if denied.RetryAfter > 0 {
		a.Header.Add("Retry-After", strconv.Itoa(int(denied.RetryAfter.Seconds())))
	}
	if kind, ok := grpcKind(ex); ok {
		tellGRPC(a, kind, denied)
		return denied
	}
	a.Length, a.Body = int64(text.Len()), io.NopCloser(&text)
	return denied
}
