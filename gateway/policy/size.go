package policy

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// boundsStep is the policy "size", beside the bounds that every request has.
type boundsStep struct {
	bounds    entry.SizePolicy
	types     []mediaRange
	typesText string
}

// mediaRange fits media types: one, all of a kind, or those of a suffix.
type mediaRange struct {
	open          bool // anything between the two
	before, after string
}

func newBoundsStep(c entry.SizePolicy) *boundsStep {
	s := &boundsStep{bounds: c, typesText: strings.Join(c.ContentTypes, ", ")}
	for _, t := range c.ContentTypes {
		before, after, open := strings.Cut(t, "*")
		s.types = append(s.types, mediaRange{open, before, after})
	}
	return s
}

// Run implements Step.
func (s *boundsStep) Run(_ context.Context, ex *Exchange) error {
	b := &s.bounds
	if b.PathBytes > 0 && int64(len(ex.Path.Wire)) > b.PathBytes {
		return tooLong("path", b.PathBytes)
	}
	if b.QueryBytes > 0 && int64(len(ex.Query)) > b.QueryBytes {
		return tooLong("query", b.QueryBytes)
	}
	if b.Headers > 0 && len(ex.Header.Fields()) > b.Headers {
		return headersTooLarge("The request has more than the " + strconv.Itoa(b.Headers) + " headers that this API accepts. Send fewer.")
	}
	if b.HeaderBytes > 0 && headerBytes(&ex.Header) > b.HeaderBytes {
		return headersTooLarge("The request's headers are larger than the " + bytesText(b.HeaderBytes) + " that this API accepts. Send less in them.")
	}
	if ex.Body == nil {
		return nil
	}
	if len(s.types) > 0 && !s.accepts(&ex.Header) {
		return &Denied{
			Status: http.StatusUnsupportedMediaType, Code: "content_type_refused",
			Detail: "This API does not accept a body of this media type. Send one of " + s.typesText + ", and say so in Content-Type.",
		}
	}
	if b.BodyBytes > 0 {
		if ex.BodyLength > b.BodyBytes {
			return TooLarge(b.BodyBytes)
		}
		ex.Body.Limit(b.BodyBytes)
	}
	return nil
}

// headerBytes counts headers as HTTP/1.1 writes them.
func headerBytes(h *Header) (sum int64) {
	for _, f := range h.Fields() {
		sum += int64(len(f.Name) + len(": ") + len(f.Value) + len("\r\n"))
	}
	return sum
}

// accepts looks at the one Content-Type that there has to be.
func (s *boundsStep) accepts(h *Header) bool {
	kind, count := "", 0
	for _, f := range h.Fields() {
		if FoldEqual(f.Name, "Content-Type") {
			kind = f.Value
			count++
		}
	}
	kind, _, _ = strings.Cut(kind, ";")
	if kind = strings.Trim(kind, " \t"); count != 1 {
		return false
	}
	for i := range s.types {
		if s.types[i].fits(kind) {
			return true
		}
	}
	return false
}

func (r *mediaRange) fits(kind string) bool {
	if !r.open {
		return FoldEqual(kind, r.before)
	}
	n := len(kind) - len(r.after)
	return n > len(r.before) && FoldEqual(kind[:len(r.before)], r.before) && FoldEqual(kind[n:], r.after)
}

func tooLong(what string, limit int64) error {
	return &Denied{
		Status: http.StatusRequestURITooLong, Code: "uri_too_long",
		Detail: "The " + what + " of this request is longer than the " + bytesText(limit) + " that this API accepts. Send a shorter one.",
	}
}

func headersTooLarge(detail string) error {
	return &Denied{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "header_too_large", Detail: detail}
}

func (s *boundsStep) explain(ex *Exchange) string {
	text := bytesText(headerBytes(&ex.Header)) + " in " + strconv.Itoa(len(ex.Header.Fields())) + " headers"
	if ex.Body == nil {
		return text + ", no body"
	}
	if kind, ok := ex.Header.Value("Content-Type"); ok {
		return text + ", a body of the type " + kind
	}
	return text + ", a body of no type"
}
