package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
)

const (
	idempotencyKey = "Idempotency-Key"
	replayed       = "Idempotency-Replayed" // in an answer that is a former one

	// largestKept bounds an answer that is kept; all of ours are far smaller.
	largestKept = 1 << 20
	keepWithin  = 5 * time.Second
)

// kept is an answer as it is given again.
type kept struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// keptHeaders are an answer's own; all others belong to the exchange.
var keptHeaders = []string{"Content-Type", "Location", "Etag", "Cache-Control"}

// once answers a request under an idempotency key: from the answer to an equal
// one, or by its handler.
func (r *request) once(key string, handle func(*request) error) error {
	body := &digested{ReadCloser: r.c.Request.Body, sum: sha256.New()}
	r.c.Request.Body = body
	attempt, err := r.Tenants.Once(r.ctx, r.actor, key, func() (string, error) {
		rest, err := body.digest()
		if err != nil {
			return "", web.BodyError(err)
		}
		u, sum := r.c.Request.URL, sha256.New()
		for _, part := range []string{r.c.Request.Method, u.Path, u.RawQuery, rest} {
			_, _ = io.WriteString(sum, part+"\n") // a hash takes everything
		}
		return hex.EncodeToString(sum.Sum(nil)), nil
	})
	if err != nil {
		return err
	}
	if attempt.Answer != nil {
		return r.replay(attempt.Answer)
	}
	r.ctx = attempt.Context(r.ctx)
	r.c.Request = r.c.Request.WithContext(r.ctx)
	w := &recorder{ResponseWriter: r.c.Writer}
	r.c.Writer = w
	if err := handle(r); err != nil {
		web.Fail(r.c, err)
	}
	r.c.Writer = w.ResponseWriter
	if err := r.keep(attempt.Keep, w); err != nil {
		r.Log.WarnContext(r.ctx, "an answer was not kept for its idempotency key", "error", err)
	}
	return nil
}

// keep outlasts the client: one that left is the one that asks again.
func (r *request) keep(keep func(context.Context, []byte) error, w *recorder) error {
	if w.body.Len() > largestKept {
		return nil
	}
	a := kept{Status: w.Status(), Header: map[string]string{}, Body: w.body.Bytes()}
	for _, name := range keptHeaders {
		if v := w.Header().Get(name); v != "" {
			a.Header[name] = v
		}
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), keepWithin)
	defer cancel()
	return keep(ctx, raw)
}

func (r *request) replay(raw []byte) error {
	var a kept
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	for name, v := range a.Header {
		r.c.Header(name, v)
	}
	r.c.Header(replayed, "true")
	r.c.Status(a.Status)
	_, _ = r.c.Writer.Write(a.Body) // the client is gone when this fails
	return nil
}

// digested sums up a body while it is read.
type digested struct {
	io.ReadCloser
	sum hash.Hash
}

func (d *digested) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	_, _ = d.sum.Write(p[:n])
	return n, err
}

// digest reads what nobody has read and returns the sum of all.
func (d *digested) digest() (string, error) {
	if _, err := io.Copy(io.Discard, d); err != nil {
		return "", err
	}
	return hex.EncodeToString(d.sum.Sum(nil)), nil
}

// recorder remembers an answer while it is written.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.body.Len() <= largestKept {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

func (w *recorder) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// idempotent returns the request's handler under its idempotency key, if it has
// one. Methods other than POST are idempotent by themselves.
func idempotent(r *request, rt route) func(*request) error {
	key := r.c.GetHeader(idempotencyKey)
	if rt.method != http.MethodPost || key == "" {
		return rt.handle
	}
	return func(r *request) error { return r.once(key, rt.handle) }
}
