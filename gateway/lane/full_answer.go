package lane

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"portico/gateway/policy"
)

// write sends the exchange's answer. An error means that the client did not get
// all of it, and the connection must end.
func (c *fullCall) write(ex *policy.Exchange) error {
	a := &ex.Answer
	if c.conn.http1 != nil {
		c.conn.http1.Resume()
	}
	if a.Body != nil {
		defer a.Body.Close()
	}
	h := c.w.Header()
	setFields(h, "", a.Header.Fields(), 3)
	if _, said := h["Content-Type"]; !said {
		h["Content-Type"] = nil // net/http would guess
	}
	if a.Length >= 0 && mayHaveLength(a.Status) {
		h["Content-Length"] = []string{strconv.FormatInt(a.Length, 10)}
	}
	if c.ends(ex) {
		h["Connection"] = []string{"close"}
	}
	c.lenient.Store(true)
	if c.conn.http1 != nil && !ex.Body.Ended() {
		c.conn.http1.Relent()
		// What the client still sends is read for a moment, so that it sees the
		// answer rather than a reset, and no longer: it must not hold us.
		defer func() {
			_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(lingerTime))
		}()
	}
	c.patience()
	c.w.WriteHeader(a.Wire())
	c.writeBy.Store(0)
	bodied := a.Body != nil && ex.Method != http.MethodHead
	if bodied {
		if err := c.stream(ex); err != nil {
			return err
		}
		setFields(h, http.TrailerPrefix, a.Trailer.Fields(), 0)
	}
	// net/http sends what is left when nobody watches any more. By HTTP/1.1 it takes
	// this back before the next request; by HTTP/2 a head alone is left to its pings.
	if bodied || c.conn.http1 != nil {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.full.lanes.times.Write))
	}
	return nil
}

// ends reports whether the answer is the last of its connection. By HTTP/2 a
// request that cannot be used harms no other on it. By HTTP/1.1 none may follow
// a body that nobody has read: net/http would begin to watch the connection when
// it throws the rest away, after it has stopped watching, and break off in the
// middle of the next request.
func (c *fullCall) ends(ex *policy.Exchange) bool {
	if c.full.lanes.draining.Load() {
		return true
	}
	return c.conn.http1 != nil && (ex.Answer.Close || !ex.Body.Ended())
}

// setFields writes fields into a header of net/http; more are to come.
func setFields(h http.Header, prefix string, fields []policy.Field, more int) {
	values := make([]string, 0, len(fields)+more)
	for _, f := range fields {
		name := prefix + textproto.CanonicalMIMEHeaderKey(f.Name)
		if have := h[name]; have != nil {
			h[name] = append(have, f.Value)
			continue
		}
		n := len(values)
		values = append(values, f.Value)
		h[name] = values[n : n+1 : n+1]
	}
}

// mayHaveLength tells the statuses whose answers say how long they are.
func mayHaveLength(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

var errShort = errors.New("upstream: answer shorter than it said")

// stream copies the body and flushes whatever has come when the upstream
// pauses.
func (c *fullCall) stream(ex *policy.Exchange) error {
	buf := c.full.buffers.Get().(*[buffer]byte)
	defer c.full.buffers.Put(buf)
	body := ex.Answer.Body
	may, _ := body.(ready)
	if c.conn.http1 != nil {
		may = nil // a small body of no known length would lose its trailers
	}
	sent, flushed := int64(0), false
	for {
		// What has come, the head included, must not wait for what has not.
		if !flushed && sent != ex.Answer.Length && (may == nil && ex.Answer.Length < 0 || may != nil && !may.Ready()) {
			if err := c.flush(); err != nil {
				return &policy.Broken{Cause: err}
			}
		}
		flushed = false
		n, err := body.Read(buf[:])
		if n > 0 {
			if err := c.send(buf[:n]); err != nil {
				return &policy.Broken{Cause: err}
			}
			sent += int64(n)
			ex.Sent = sent
		} else {
			flushed = true
		}
		switch {
		case err == io.EOF && ex.Answer.Length >= 0 && sent < ex.Answer.Length:
			return errShort
		case err == io.EOF:
			return nil
		case err != nil: // what has come goes out, and the end of it says that it is not whole
			_ = c.flush()
			return err
		}
	}
}

const buffer = 32 << 10

// send writes to the client, who has the time of a write for it. What the upstream
// takes until there is more to send is not the client's.
func (c *fullCall) send(b []byte) error {
	c.patience()
	defer c.writeBy.Store(0)
	_, err := c.w.Write(b)
	return err
}

// flush sends what net/http keeps, in the same time.
func (c *fullCall) flush() error {
	c.patience()
	defer c.writeBy.Store(0)
	return http.NewResponseController(c.w).Flush()
}

// writeInterim sends an answer before the answer.
func (c *fullCall) writeInterim(status int, fields []policy.Field) error {
	h := c.w.Header()
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
	c.patience()
	c.w.WriteHeader(status)
	c.writeBy.Store(0)
	clear(h)
	return nil
}
