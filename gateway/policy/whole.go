package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"portico/gateway/coding"
)

// mediaType returns what a Content-Type says without its parameters, "" for
// none.
func mediaType(h *Header) string {
	value, _ := h.Value("Content-Type")
	if i := strings.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	return strings.Trim(value, " \t")
}

// hasSuffixFold is strings.HasSuffix without regard to case.
func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && FoldEqual(s[len(s)-len(suffix):], suffix)
}

// isJSON reports whether a media type is JSON, or written in it.
func isJSON(media string) bool {
	return FoldEqual(media, "application/json") || FoldEqual(media, "text/json") || hasSuffixFold(media, "+json")
}

// isCoded reports whether a body is compressed or otherwise coded.
func isCoded(h *Header) bool {
	coding, ok := h.Value("Content-Encoding")
	return ok && coding != "" && !FoldEqual(coding, "identity")
}

// wholeRequest reads the body of a request that a policy reads. What it is not
// to be is refused.
func wholeRequest(ex *Exchange, limit int64) ([]byte, error) {
	if isCoded(&ex.Header) {
		return nil, &Denied{
			Status: http.StatusUnsupportedMediaType, Code: "encoding_unsupported",
			Detail: "The request's body is encoded, and this API reads it as it is. Send it without Content-Encoding.",
		}
	}
	if ex.BodyLength > limit {
		return nil, TooLarge(limit)
	}
	return ex.Body.Whole(limit)
}

// hasBody reports whether the request may have a body that is not empty.
func hasBody(ex *Exchange) bool { return ex.Body != nil && ex.BodyLength != 0 }

// replaceBody puts a body that was made of another in its place. What described
// the other's bytes is taken away.
func replaceBody(ex *Exchange, data []byte) {
	ex.SetBody(data)
	dropDigests(&ex.Header)
}

// replaceAnswer puts a body that was made of the answer's in its place. The
// answer's tag says no more than that both mean the same, and ranges are of the
// one before.
func replaceAnswer(ex *Exchange, data []byte) {
	ex.SetAnswer(data)
	remade(ex)
}

// remade adapts the head of an answer whose body is not the upstream's.
func remade(ex *Exchange) {
	h := &ex.Answer.Header
	dropDigests(h)
	h.Del("Accept-Ranges")
	if tag, ok := h.Value("ETag"); ok && !strings.HasPrefix(tag, "W/") {
		h.Set("ETag", "W/"+tag)
	}
}

func dropDigests(h *Header) {
	h.DelFunc(func(f Field) bool {
		for _, name := range []string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"} {
			if FoldEqual(f.Name, name) {
				return true
			}
		}
		return false
	})
}

// askStep asks the upstream for a whole answer that is not compressed, on behalf
// of a step of the stage answer.
type askStep struct{}

// Run implements Step.
func (askStep) Run(_ context.Context, ex *Exchange) error {
	ex.AskPlain() // whatever the call says that it is: a caller may say anything
	return nil
}

func (askStep) explain(*Exchange) string {
	return "the upstream is asked for an answer that is whole and not compressed"
}

// AskPlain asks the upstream for an answer that is not compressed, and not in
// parts. What the caller accepts is there again when its answer is finished.
func (ex *Exchange) AskPlain() {
	ex.narrow("identity")
	ex.AskWhole()
}

// AskWhole asks the upstream for an answer that is not in parts.
func (ex *Exchange) AskWhole() {
	ex.Header.Del("Range")
	ex.Header.Del("If-Range")
}

// AskReadable asks the upstream for an answer in a coding that both the caller
// accepts and the gateway can undo, if in any. What the caller accepts is there
// again when its answer is finished.
func (ex *Exchange) AskReadable() {
	accepts, ok := ex.Header.Joined("Accept-Encoding")
	if !ok || accepts == "" {
		return // the caller wishes for none
	}
	start, unknown := ex.Scratch(), false
	grown := start
	for item := range strings.SplitSeq(accepts, ",") {
		item = strings.Trim(item, " \t")
		name, _, _ := strings.Cut(item, ";")
		if _, known := coding.Parse(strings.TrimRight(name, " \t")); !known {
			unknown = true // "*" too: it stands for any
			continue
		}
		if item != "" {
			grown = append(append(grown, item...), ", "...)
		}
	}
	switch {
	case !unknown:
	case len(grown) == len(start):
		ex.narrow("identity")
	default:
		ex.narrow(ex.Keep(grown[:len(grown)-len(", ")]))
	}
}

// narrow has the upstream see another Accept-Encoding than the caller has sent.
func (ex *Exchange) narrow(coding string) {
	if !ex.narrowed {
		ex.accepts, _ = ex.Header.Joined("Accept-Encoding")
		ex.narrowed = true
	}
	ex.Header.Set("Accept-Encoding", coding)
}

// restoreAccepts undoes narrow, for those who choose an encoding.
func (ex *Exchange) restoreAccepts() {
	if ex.accepts == "" {
		ex.Header.Del("Accept-Encoding")
	} else {
		ex.Header.Set("Accept-Encoding", ex.accepts)
	}
}

// askMedia asks the upstream for another media type than the caller does, whose
// wish is there again when the answer is finished.
func (ex *Exchange) askMedia(media string) {
	if !ex.turned {
		ex.acceptsMedia, _ = ex.Header.Joined("Accept")
		ex.turned = true
	}
	ex.Header.Set("Accept", media)
}

// restoreMedia undoes askMedia, for those who choose a media type.
func (ex *Exchange) restoreMedia() {
	if ex.acceptsMedia == "" {
		ex.Header.Del("Accept")
	} else {
		ex.Header.Set("Accept", ex.acceptsMedia)
	}
}

// changeable reports whether an answer has a body of its own that a policy may
// change, as far as its status tells.
func changeable(ex *Exchange) bool {
	a := &ex.Answer
	return a.Tunnel == nil && (a.Body != nil || ex.Method == http.MethodHead) && a.Status >= 200 && a.Status != http.StatusNoContent &&
		a.Status != http.StatusPartialContent && a.Status != http.StatusNotModified && !isGRPC(&a.Header)
}

// errEncoded is of an answer that is compressed though nobody asked for that.
var errEncoded = errors.New("the answer is encoded though it was asked for as it is")

// wholeAnswer reads the answer's body as it is. When it is too large or encoded
// it can still be sent: whole is false then.
func wholeAnswer(ex *Exchange, limit int64) (data []byte, whole bool, err error) {
	a := &ex.Answer
	if isCoded(&a.Header) {
		return nil, false, errEncoded
	}
	if a.Length > limit {
		return nil, false, ErrAnswerTooLarge
	}
	data, err = io.ReadAll(io.LimitReader(a.Body, limit+1))
	if err != nil {
		return nil, true, err
	}
	if int64(len(data)) > limit {
		a.Body = &resumed{io.MultiReader(bytes.NewReader(data), a.Body), a.Body}
		return nil, false, ErrAnswerTooLarge
	}
	ex.SetAnswer(data)
	return data, true, nil
}

// resumed is a body whose beginning was read.
type resumed struct {
	io.Reader
	io.Closer
}

// unreadableAnswer is the refusal of an answer that a policy could not do
// with what it is there for.
func unreadableAnswer(cause error) error {
	if denied := (*Denied)(nil); errors.As(cause, &denied) {
		return cause // the upstream has failed in the middle of it
	}
	return &Denied{
		Status: http.StatusBadGateway, Code: "answer_unusable",
		Detail: "The service behind this API gave an answer that the gateway could not change as it has to. Tell the API's provider.", Cause: cause,
	}
}

// unreadableBody is the refusal of a request's body that cannot be read.
func unreadableBody(why string) error {
	return &Denied{
		Status: http.StatusBadRequest, Code: "body_invalid",
		Detail: "The request's body cannot be read: it " + why + ". Correct it and call again.",
	}
}

// statuses are statuses and classes of them.
type statuses struct{ is [600]bool }

// newStatuses reads what entry/check has passed; others stand there when the list
// is empty.
func newStatuses(list []string, others ...string) *statuses {
	if len(list) == 0 {
		list = others
	}
	s := &statuses{}
	for _, text := range list {
		if len(text) != 3 {
			continue
		}
		for i := range s.is {
			digits := [3]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)}
			if digits[0] == text[0] && (text[1:] == "xx" || string(digits[1:]) == text[1:]) {
				s.is[i] = true
			}
		}
	}
	return s
}

func (s *statuses) has(status int) bool { return status >= 0 && status < len(s.is) && s.is[status] }
