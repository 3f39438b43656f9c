package rest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
)

// The bounds of timeout_ms.
const (
	defaultWait = 5 * time.Second
	longestWait = 30 * time.Second
)

// body reads the request's JSON.
func (r *request) body(dst any) error { return web.DecodeJSON(r.c, dst, false) }

// optionalBody reads the request's JSON where there is some.
func (r *request) optionalBody(dst any) error { return web.DecodeJSON(r.c, dst, true) }

// id reads an id of one kind from the path. One of another kind is NotFound.
func (r *request) id(prefix, param string) (apim.ID, error) {
	return apim.ParseID(prefix, r.c.Param(param))
}

// ref returns the id for a path parameter that may be an id or a slug; bySlug
// looks the latter up.
func (r *request) ref(prefix, param string, bySlug func(slug string) (apim.ID, error)) (apim.ID, error) {
	if id, err := r.id(prefix, param); err == nil {
		return id, nil
	}
	return bySlug(r.c.Param(param))
}

// answer writes a value, with an ETag when the object has a lock.
func (r *request) answer(status int, lock int64, value any) error {
	if lock > 0 {
		r.c.Header("ETag", `"`+strconv.FormatInt(lock, 10)+`"`)
	}
	web.JSON(r.c, status, value)
	return nil
}

// made answers 201 with the new object's address, below the path's tenant.
func (r *request) made(path string, lock int64, value any) error {
	r.c.Header("Location", Base+"/tenants/"+r.tenant.Slug+path)
	return r.answer(http.StatusCreated, lock, value)
}

// gone answers a deletion that says nothing.
func (r *request) gone() error {
	r.c.Status(http.StatusNoContent)
	return nil
}

// ifMatch reads the lock from an If-Match header. Where no object is matched
// the header is refused: ignoring it would make the change that it forbids.
func ifMatch(header string, matches bool) (int64, error) {
	if header == "" || header == "*" && matches {
		return 0, nil
	}
	if !matches {
		return 0, &apim.Error{
			Kind: apim.Invalid, Message: "this request cannot be tied to a state of the object",
			Fields: []apim.FieldError{{Field: "If-Match", Code: "not_supported", Detail: "leave the header out"}},
		}
	}
	text, ok := strings.CutPrefix(header, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || !closed || err != nil || n < 1 {
		return 0, apim.Errorf(apim.Conflict, "If-Match %s is no ETag of this object; load it again", header).WithCode("changed_meanwhile")
	}
	return n, nil
}

// waitFor reads ?wait=applied&timeout_ms=.
func waitFor(c *gin.Context) (time.Duration, error) {
	var check apim.Check
	wait, waiting := c.GetQuery("wait")
	if waiting && wait != "applied" {
		check.Fail("wait", "unknown", "takes only the value applied")
	}
	timeout := defaultWait
	if text, given := c.GetQuery("timeout_ms"); given {
		ms, err := strconv.Atoi(text)
		if err != nil || ms < 1 || ms > int(longestWait.Milliseconds()) {
			check.Fail("timeout_ms", "range", "is not a whole number from 1 to %d", longestWait.Milliseconds())
		}
		if !waiting {
			check.Fail("timeout_ms", "without_wait", "means nothing without wait=applied")
		}
		timeout = time.Duration(ms) * time.Millisecond
	}
	if !waiting {
		timeout = 0
	}
	return timeout, check.Err()
}

// choice refuses a query parameter that is none of some values; left out it is
// the first.
func choice(c *gin.Context, name string, values ...string) (string, error) {
	got, given := c.GetQuery(name)
	if !given {
		return values[0], nil
	}
	for _, v := range values {
		if got == v && v != "" {
			return v, nil
		}
	}
	var check apim.Check
	check.Fail(name, "unknown", "takes one of %s", strings.TrimPrefix(strings.Join(values, ", "), ", "))
	return "", check.Err()
}

// outcome is what answers to changes say of the nodes. Its zero value is of a
// change that reaches none.
type outcome struct {
	Change  *change  `json:"change,omitempty"`
	Applied *applied `json:"applied,omitempty"`
}

// settle tells which change was published and waits for the nodes when the
// caller asked for it. The change itself is made: failing to hear of the nodes
// is said in the answer and does not undo it.
func (r *request) settle(c apim.Change) outcome {
	if c.Sequence == 0 {
		return outcome{}
	}
	out := outcome{Change: &change{Environment: c.Environment, Sequence: c.Sequence}}
	if r.timeout == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
	defer cancel()
	confirmed, err := r.Fleet.WaitApplied(ctx, r.actor, c)
	if err != nil {
		r.Log.WarnContext(r.ctx, "nodes not heard after a change", "environment", c.Environment, "sequence", c.Sequence, "error", err)
		confirmed = apim.Applied{Change: c, TookMS: -1}
	}
	out.Applied = appliedOf(confirmed)
	return out
}

// list is one page of a list.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty"`
}

func listOf[D, T any](l apim.List[D], convert func(D) T) list[T] {
	return list[T]{Items: each(l.Items, convert), NextCursor: l.NextCursor}
}

// each converts all items; none is an empty list, never null.
func each[D, T any](items []D, convert func(D) T) []T {
	out := make([]T, len(items))
	for i, item := range items {
		out[i] = convert(item)
	}
	return out
}

// orEmpty keeps a list of text from being null.
func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func fieldf(field, code, format string, args ...any) error {
	var check apim.Check
	check.Fail(field, code, "%s", fmt.Sprintf(format, args...))
	return check.Err()
}
