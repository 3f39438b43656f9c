package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
)

const (
	onceHeader     = "Idempotency-Key"
	longestOnceKey = 255
	onceKept       = 64 << 10 // bytes of an answer
)

// once carries the request out, unless one with the same Idempotency-Key was:
// then its answer is given again. What was refused changed nothing and may be
// sent again with the same key.
func (r *request) once(rt route, key string) error {
	if len(key) > longestOnceKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fieldf(onceHeader, "malformed", "is not 1 to %d visible ASCII characters without spaces", longestOnceKey)
	}
	fingerprint, done, err := r.fingerprint(rt)
	if err != nil {
		return err
	}
	defer done()
	requests := &manager.Requests{Core: r.Tenants.Core}
	ctx, have, mine, err := requests.Begin(r.ctx, r.actor, r.tenant.ID, hash(key), fingerprint)
	if err != nil {
		return err
	}
	if !mine {
		return r.again(have, fingerprint)
	}
	kept := &keeping{ResponseWriter: r.c.Writer}
	r.ctx, r.c.Writer = ctx, kept
	r.c.Request = r.c.Request.WithContext(ctx)
	answered := false
	defer func() {
		r.c.Writer = kept.ResponseWriter
		if !answered {
			r.warn("request with an Idempotency-Key not released", requests.Forget(ctx))
		}
	}()
	if err := rt.handle(r); err != nil {
		return err
	}
	if status := kept.Status(); status < 200 || status > 299 {
		return nil
	}
	answered = true
	r.warn("answer of a request with an Idempotency-Key not kept", requests.Answer(ctx, kept.answer(rt)))
	return nil
}

func (r *request) warn(message string, err error) {
	if err != nil {
		r.Log.WarnContext(r.ctx, message, "error", err)
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// fingerprint reads the whole request, puts its body back, and returns what
// tells it from another one. done gives up what the body lies in.
func (r *request) fingerprint(rt route) (print string, done func(), err error) {
	c, done := r.c, func() {}
	h := sha256.New()
	for _, part := range []string{c.Request.Method, c.Request.URL.EscapedPath(), c.Request.URL.RawQuery, c.GetHeader("Content-Type"), c.GetHeader("If-Match")} {
		_, _ = io.WriteString(h, part+"\x00") // never returns an error
	}
	if c.Request.Body == nil {
		return hex.EncodeToString(h.Sum(nil)), done, nil
	}
	if rt.maxBody == 0 {
		body, err := io.ReadAll(c.Request.Body)
		if err != nil {
			return "", done, web.BodyError(err)
		}
		_, _ = h.Write(body)
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
		return hex.EncodeToString(h.Sum(nil)), done, nil
	}
	file, err := os.CreateTemp("", "portico-request-*")
	if err != nil {
		return "", done, err
	}
	done = func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }
	_, err = io.Copy(io.MultiWriter(file, h), c.Request.Body)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	} else {
		err = web.BodyError(err)
	}
	if err != nil {
		done()
		return "", func() {}, err
	}
	c.Request.Body = io.NopCloser(file)
	return hex.EncodeToString(h.Sum(nil)), done, nil
}

// again answers a request that was sent before.
func (r *request) again(have manager.OnceAnswer, fingerprint string) error {
	switch {
	case have.Fingerprint != fingerprint:
		return apim.Errorf(apim.Invalid, "this Idempotency-Key was sent with another request in the last 24 hours; use a new key for each").WithCode("idempotency_key_reused")
	case !have.Committed:
		r.c.Header("Retry-After", "1")
		return apim.Errorf(apim.Conflict, "the request with this Idempotency-Key is being carried out; send it again in a moment").WithCode("idempotency_in_progress")
	case have.Answered:
		for name, value := range have.Header {
			r.c.Header(name, value)
		}
		r.c.Header("Idempotency-Replayed", "true")
		if len(have.Body) == 0 {
			r.c.Status(have.Status)
			return nil
		}
		r.c.Data(have.Status, have.Header["Content-Type"], have.Body)
		return nil
	}
	if at := have.Header["Location"]; at != "" {
		r.c.Header("Location", at)
	}
	r.c.Header("Idempotency-Replayed", "true")
	if have.Status == 0 {
		return apim.Errorf(apim.Conflict, "this was carried out; its answer is still on its way, or was lost. Look at what there is now").WithCode("already_done")
	}
	return apim.Errorf(apim.Conflict, "this was carried out already (%s); its answer is not kept, as none is that is long or shows a secret. Look at what there is, and make another one if the secret is lost", have.Object).WithCode("already_done")
}

// keeping writes an answer and remembers it.
type keeping struct {
	gin.ResponseWriter
	body    bytes.Buffer
	tooLong bool
}

func (k *keeping) Write(b []byte) (int, error) {
	k.remember(b)
	return k.ResponseWriter.Write(b)
}

func (k *keeping) WriteString(s string) (int, error) {
	k.remember([]byte(s))
	return k.ResponseWriter.WriteString(s)
}

func (k *keeping) remember(b []byte) {
	if left := onceKept - k.body.Len(); len(b) > left {
		k.tooLong = true
		b = b[:max(left, 0)]
	}
	k.body.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (k *keeping) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// answer is what is kept: of an answer with a secret, or one that is too long,
// that it was given and of what.
func (k *keeping) answer(rt route) manager.OnceAnswer {
	out := manager.OnceAnswer{Status: k.Status(), Header: map[string]string{}, Body: []byte{}}
	for _, name := range []string{"Content-Type", "Location", "ETag"} {
		if value := k.Header().Get(name); value != "" {
			out.Header[name] = value
		}
	}
	if rt.secret || k.tooLong {
		out.Object = idIn(k.body.Bytes())
		return out
	}
	out.Answered, out.Body = true, k.body.Bytes()
	return out
}

// idIn returns the id of the object that an answer begins, "" for none. The
// answer may have been cut.
func idIn(answer []byte) string {
	dec := json.NewDecoder(bytes.NewReader(answer))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return ""
		}
		if name == "id" {
			id, _ := strconv.Unquote(string(value)) // ids need no escapes
			return id
		}
	}
	return ""
}
