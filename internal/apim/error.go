package apim

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what sort of refusal an Error is. HTTP numbers are
// internal/web's.
type ErrorKind string

// The kinds of refusal. Anything that is not an Error is an internal failure.
const (
	Invalid     ErrorKind = "invalid"     // the input is wrong; Fields says where
	NotFound    ErrorKind = "not_found"   // no such thing in the caller's tenant
	Conflict    ErrorKind = "conflict"    // the thing's state does not allow it, or a name is taken
	Forbidden   ErrorKind = "forbidden"   // the actor may not
	SignIn      ErrorKind = "sign_in"     // there is no actor
	TooLarge    ErrorKind = "too_large"   // beyond a stated limit
	TooMany     ErrorKind = "too_many"    // too often; try later
	Unavailable ErrorKind = "unavailable" // a part that is needed is away; try later
)

// Error is a refusal that crosses the control plane's layers. Message is for
// the user: what happened, what it means, what to do. Cause is for the
// operator's log and is never shown.
type Error struct {
	Kind    ErrorKind
	Code    string // snake_case, finer than Kind; "" is the Kind
	Message string
	Fields  []FieldError
	Cause   error
}

// FieldError is what is wrong with one field of the input. Field is its name
// as the caller wrote it, with dots and [n] for what lies inside.
type FieldError struct {
	Field  string
	Code   string
	Detail string
}

// Errorf returns an Error of a kind. A cause may be wrapped with %w; its text
// is then part of the message.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// WithCode sets the finer code and returns e.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// Error returns the message with the fields' after it.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Detail
	}
	if e.Message == "" {
		return strings.Join(parts, "; ")
	}
	return e.Message + ": " + strings.Join(parts, "; ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first Error in err's chain, "" when there is
// none: an internal failure, or nil.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Check gathers everything that is wrong with an input. The zero value is
// ready to use; it is not safe for concurrent use.
type Check struct {
	fields []FieldError
	more   int // than are told
}

// mostFields is how many fields an Error tells of: what is wrong may have been
// sent by somebody who wants the answer to be large.
const mostFields = 100

// Fail notes that a field is wrong.
func (c *Check) Fail(field, code, format string, args ...any) {
	if len(c.fields) == mostFields {
		c.more++
		return
	}
	c.fields = append(c.fields, FieldError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Require fails the field when value is empty, and reports whether it is not.
func (c *Check) Require(field, value string) bool {
	if strings.TrimSpace(value) == "" {
		c.Fail(field, "required", "needs a value")
		return false
	}
	return true
}

// Length fails the field when value has more than most characters.
func (c *Check) Length(field, value string, most int) {
	if n := len([]rune(value)); n > most {
		c.Fail(field, "too_long", "has %d characters, the most is %d", n, most)
	}
}

// Slug fails the field when value is not a slug.
func (c *Check) Slug(field, value string) {
	if err := CheckSlug(value); err != nil {
		c.Fail(field, "slug", "%s", err)
	}
}

// Err returns an Invalid error with all that failed, nil when nothing did.
func (c *Check) Err() error {
	if len(c.fields) == 0 {
		return nil
	}
	message := "some fields need another look"
	if c.more > 0 {
		message += fmt.Sprintf("; there are %d more than are told here", c.more)
	}
	return &Error{Kind: Invalid, Message: message, Fields: c.fields}
}
