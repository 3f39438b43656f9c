package lane

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"portico/gateway/policy"
)

// write sends the exchange's answer. An error means that the client did not get
// all of it, and the connection must end.
func (f *full) write(w http.ResponseWriter, r *http.Request, ex *policy.Exchange) error {
	if ex.Answer.Body != nil {
		defer ex.Answer.Body.Close()
	}
	rc := http.NewResponseController(w)
	h := w.Header()
	for _, field := range ex.Answer.Header.Fields() {
		h.Add(field.Name, field.Value)
	}
	if _, said := h["Content-Type"]; !said {
		h["Content-Type"] = nil // net/http would guess
	}
	if ex.Answer.Length >= 0 && mayHaveLength(ex.Answer.Status) {
		h["Content-Length"] = []string{strconv.FormatInt(ex.Answer.Length, 10)}
	}
	unread := !ex.Body.Ended()
	if f.lanes.draining.Load() || ex.Answer.Close || unread && !ex.Answer.Local {
		h["Connection"] = []string{"close"}
	}
	if unread {
		// What the client still sends is read for a moment, so that it sees the
		// answer rather than a reset, and no longer: it must not hold us.
		defer func() { _ = rc.SetReadDeadline(time.Now().Add(lingerTime)) }()
	}
	if err := rc.SetWriteDeadline(time.Now().Add(f.lanes.times.Write)); err != nil {
		return err
	}
	w.WriteHeader(ex.Answer.Status)
	if ex.Answer.Body == nil || r.Method == http.MethodHead {
		return nil
	}
	if ex.Answer.Length < 0 { // events may be long in coming; the head must not wait for them
		if err := rc.Flush(); err != nil {
			return &policy.Broken{Cause: err}
		}
	}
	if err := f.stream(w, rc, ex); err != nil {
		return err
	}
	for _, field := range ex.Answer.Trailer.Fields() {
		h.Add(http.TrailerPrefix+field.Name, field.Value)
	}
	return nil
}

// mayHaveLength tells the statuses whose answers say how long they are.
func mayHaveLength(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

var errShort = errors.New("upstream: answer shorter than it said")

// stream copies the body and flushes whatever has come when the upstream
// pauses.
func (f *full) stream(w http.ResponseWriter, rc *http.ResponseController, ex *policy.Exchange) error {
	buf := f.buffers.Get().(*[buffer]byte)
	defer f.buffers.Put(buf)
	sent := int64(0)
	for {
		n, err := ex.Answer.Body.Read(buf[:])
		if n > 0 {
			if err := rc.SetWriteDeadline(time.Now().Add(f.lanes.times.Write)); err != nil {
				return err
			}
			if _, err := w.Write(buf[:n]); err != nil {
				return &policy.Broken{Cause: err}
			}
			sent += int64(n)
			ex.Sent = sent
			if err == nil && sent != ex.Answer.Length && n < len(buf) {
				if err := rc.Flush(); err != nil {
					return &policy.Broken{Cause: err}
				}
			}
		}
		switch {
		case err == io.EOF && ex.Answer.Length >= 0 && sent < ex.Answer.Length:
			return errShort
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

const buffer = 32 << 10
