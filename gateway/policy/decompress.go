package policy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"portico/gateway/coding"
	"portico/internal/entry"
)

// decompressStep unpacks bodies within limits.
type decompressStep struct {
	config entry.DecompressPolicy
	limits coding.Limits
}

const (
	mostUnpacked = 64 << 20
	mostRatio    = 10
	mostCodings  = 2 // of one body
)

func newDecompressStep(config entry.DecompressPolicy) *decompressStep {
	s := &decompressStep{config: config, limits: coding.Limits{Bytes: config.MaxBytes, Ratio: config.MaxRatio}}
	if s.limits.Bytes == 0 {
		s.limits.Bytes = mostUnpacked
	}
	if s.limits.Ratio == 0 {
		s.limits.Ratio = mostRatio
	}
	return s
}

// codingsOf returns the codings of a body, in the order in which they are undone;
// false where one is not known, or there are too many.
func codingsOf(h *Header) (list []coding.Coding, ok bool) {
	for _, f := range h.Fields() {
		if !FoldEqual(f.Name, "Content-Encoding") {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			c, known := coding.Parse(strings.Trim(name, " \t"))
			if !known || c != 0 && len(list) == mostCodings {
				return nil, false
			}
			if c != 0 {
				list = append([]coding.Coding{c}, list...)
			}
		}
	}
	return list, true
}

// through unpacks a source. The limits hold for each coding.
func (s *decompressStep) through(list []coding.Coding, source io.Reader) io.Reader {
	for _, c := range list {
		source = coding.Unpack(c, source, s.limits)
	}
	return source
}

// Run implements Step.
func (s *decompressStep) Run(_ context.Context, ex *Exchange) error {
	if !s.config.Requests || ex.Body == nil {
		return nil
	}
	list, ok := codingsOf(&ex.Header)
	if !ok {
		return unknownCoding()
	}
	if len(list) == 0 {
		return nil
	}
	ex.Body.Unpack(func(source io.Reader) io.Reader { return &unpackedRequest{s.through(list, source), s.limits.Bytes} })
	ex.BodyLength = -1
	for _, name := range [...]string{"Content-Encoding", "Content-Length", "Content-MD5", "Content-Digest", "Digest"} {
		ex.Header.Del(name)
	}
	return nil
}

func unknownCoding() error {
	return &Denied{
		Status: http.StatusUnsupportedMediaType, Code: "encoding_unsupported",
		Detail: "The request's body has a Content-Encoding that is not known here. Use gzip, br, zstd or deflate, two at most, or none.",
	}
}

// unpackedRequest words what is wrong with what a caller sends.
type unpackedRequest struct {
	io.Reader
	limit int64
}

// Read implements io.Reader.
func (u *unpackedRequest) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case errors.Is(err, coding.ErrTooLarge):
		return 0, &Denied{
			Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
			Detail: "The request's body unpacks to more than is accepted: " + bytesText(u.limit) + " at most, and no more than a few times what is sent. Send a smaller one.",
			Close:  true, Cause: err,
		}
	case errors.Is(err, coding.ErrMalformed):
		return 0, BadRequest("The request's body is not packed as its Content-Encoding says, or not whole.")
	}
	return n, err
}

// Answer implements Answerer.
func (s *decompressStep) Answer(_ context.Context, ex *Exchange) error {
	a := &ex.Answer
	if !s.config.Answers || a.Local || a.Tunnel != nil || a.Told != 0 || a.Status == http.StatusPartialContent || a.Status == http.StatusNotModified {
		return nil
	}
	list, ok := codingsOf(&a.Header)
	if !ok || len(list) == 0 || noTransform(&a.Header) {
		return nil
	}
	waits := a.Length >= 0 || !streams(&a.Header)
	a.Length = -1
	a.Header.Del("Content-Encoding")
	remade(ex)
	if a.Body == nil || ex.Method == http.MethodHead {
		return nil
	}
	body := &unpackedAnswer{source: a.Body, reader: s.through(list, a.Body)}
	body.ready, _ = a.Body.(interface{ Ready() bool })
	a.Body = body
	if err := body.begin(waits); err != nil {
		return &Denied{
			Status: http.StatusBadGateway, Code: "upstream_invalid",
			Detail: "The service behind this API gave an answer that is not packed as it says, or unpacks to more than is accepted. Tell the API's provider.", Cause: err,
		}
	}
	if body.err != nil { // all of it is there
		a.Length = int64(len(body.begun))
	}
	return nil
}

// streams reports whether a body is one whose parts are of use each.
func streams(h *Header) bool {
	kind, _ := h.Value("Content-Type")
	kind, _, _ = strings.Cut(kind, ";")
	kind = strings.ToLower(strings.Trim(kind, " \t"))
	switch kind {
	case "text/event-stream", "application/x-ndjson", "application/ndjson", "application/json-seq", "application/jsonl", "application/stream+json":
		return true
	}
	return strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, GRPC)
}

// unpackedAnswer is the unpacked body of an answer.
type unpackedAnswer struct {
	source io.ReadCloser
	ready  interface{ Ready() bool } // nil: the source does not say
	reader io.Reader
	begun  []byte // was read before anything went out
	err    error  // after it
}

// begin reads what has come, up to coding.FreeBytes and a bit, so that a body that
// is not what it says is refused rather than broken off. It waits for what is no
// stream.
func (u *unpackedAnswer) begin(waits bool) error {
	piece := make([]byte, 16<<10)
	for len(u.begun) <= coding.FreeBytes && (waits || u.ready != nil && u.ready.Ready()) {
		n, err := u.reader.Read(piece)
		u.begun = append(u.begun, piece[:n]...)
		if u.err = err; errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Read implements io.Reader.
func (u *unpackedAnswer) Read(p []byte) (int, error) {
	if len(u.begun) > 0 {
		n := copy(p, u.begun)
		u.begun = u.begun[n:]
		return n, nil
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.reader.Read(p)
}

// Ready reports whether the next Read need not wait.
func (u *unpackedAnswer) Ready() bool {
	return len(u.begun) > 0 || u.err != nil || u.ready != nil && u.ready.Ready()
}

// Close implements io.Closer.
func (u *unpackedAnswer) Close() error { return u.source.Close() }
