package lane

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"portico/gateway/policy"
	"portico/gateway/socket"
)

// answer sends the exchange's answer. keep reports whether the connection may
// go on; an error means that the client did not get all of it.
func (c *conn) answer(ex *policy.Exchange) (keep bool, err error) {
	a := &ex.Answer
	defer closeBody(a)
	if ex.Expects { // a body that is read beside may ask for more
		c.sending.Lock()
		c.answering = true
		c.sending.Unlock()
	}
	if !ex.Body.Ended() {
		c.lenient.Store(true)
	}
	bodiless := a.Body == nil || ex.Method == http.MethodHead || !mayHaveLength(a.Status)
	chunked := !bodiless && a.Length < 0 && c.head.Minor == 1
	keep = !c.head.Close && !a.Close && !c.lanes.draining.Load() && (a.Local || ex.Body.Ended()) && (bodiless || chunked || a.Length >= 0)
	c.out = c.appendHead(c.out[:0], ex, keep, chunked)
	if bodiless {
		if err := c.sendAnswer(c.out); err != nil {
			return false, &policy.Broken{Cause: err}
		}
		return keep, nil
	}
	if w, ok := a.Body.(whole); ok && !chunked {
		if rest := w.Rest(); int64(len(rest)) == a.Length {
			return keep, c.sendWhole(ex, rest)
		}
	}
	s := sink{c: c, ex: ex, chunked: chunked, out: c.out}
	if a.Length > int64(cap(c.out)-len(c.out)) {
		s.grow()
	}
	err = s.copy()
	ex.Sent = s.sent
	if s.large != nil {
		c.lanes.large.Put(s.large)
	}
	return keep, err
}

// whole is a body that may be in memory to its end. Whoever gets all of it from Rest
// need not read it.
type whole interface{ Rest() []byte }

// sendWhole sends the head, and a body from where it stands.
func (c *conn) sendWhole(ex *policy.Exchange, body []byte) error {
	n := min(cap(c.out)-len(c.out), len(body)) // the head goes out with as much as there is room for
	c.out = append(c.out, body[:n]...)
	err := c.sendAnswer(c.out)
	if err == nil && n < len(body) {
		err = c.sendAnswer(body[n:])
	}
	if err != nil {
		return &policy.Broken{Cause: err}
	}
	ex.Sent = int64(len(body))
	return nil
}

// closeBody closes an answer's body, if there is one, and only once.
func closeBody(a *policy.Answer) {
	if body := a.Body; body != nil {
		a.Body = nil
		_ = body.Close() // nobody is left to tell
	}
}

// appendHead writes the head of the answer.
func (c *conn) appendHead(b []byte, ex *policy.Exchange, keep, chunked bool) []byte {
	a := &ex.Answer
	b = appendStatus(append(b, "HTTP/1.1 "...), a.Wire())
	dated := false
	for _, f := range a.Header.Fields() {
		b = append(append(b, f.Name...), ": "...)
		b = append(append(b, f.Value...), '\r', '\n')
		dated = dated || len(f.Name) == 4 && policy.FoldEqual(f.Name, "Date")
	}
	if !dated {
		b = append(append(append(b, "Date: "...), *c.lanes.date.Load()...), '\r', '\n')
	}
	switch {
	case chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case mayHaveLength(a.Status) && (a.Length >= 0 || a.Body == nil && ex.Method != http.MethodHead):
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), max(a.Length, 0), 10), '\r', '\n')
	}
	if !keep {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, '\r', '\n')
}

// appendStatus writes a status with its reason.
func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "200 OK\r\n"...)
	}
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	return append(append(b, http.StatusText(status)...), '\r', '\n')
}

// writeInterim sends an answer before the answer.
func (c *conn) writeInterim(status int, fields []policy.Field) error {
	b := appendStatus([]byte("HTTP/1.1 "), status)
	for _, f := range fields {
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), '\r', '\n')
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.send(append(b, '\r', '\n'))
}

// sendContinue asks the client for the body that it holds back, unless the
// answer is there already.
func (c *conn) sendContinue() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.answering {
		return policy.ErrStopped
	}
	return c.send([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
}

// sendAnswer sends from the goroutine that serves the connection. Within the
// callback the socket is there without asking for it, and most answers fit in its
// buffer: what is left over waits like anything else.
func (c *conn) sendAnswer(b []byte) error {
	if c.within {
		n, err := socket.Write(c.fd, b)
		switch {
		case err == nil && n == len(b):
			return nil
		case err != nil && !errors.Is(err, socket.ErrAgain):
			return err
		}
		b = b[n:]
	}
	return c.send(b)
}

// send writes to the client, who has the time of a write for each 16 KiB.
func (c *conn) send(b []byte) error {
	pieces := int64(1 + len(b)/outBuffer)
	c.writeBy.Store(c.lanes.now.Load() + pieces*int64(c.lanes.times.Write))
	defer c.writeBy.Store(0)
	if !c.direct {
		_, err := c.Conn.Write(b)
		return err
	}
	c.unsent, c.unsendable = b, nil
	if err := c.raw.Write(c.push); err != nil {
		return err
	}
	return c.unsendable
}

// write sends what is unsent, as far as the socket takes it, and returns false
// to be called again when it takes more.
func (c *conn) write(fd uintptr) bool {
	for len(c.unsent) > 0 {
		n, err := socket.Write(fd, c.unsent)
		if errors.Is(err, socket.ErrAgain) {
			return false
		}
		if err != nil {
			c.unsendable = err
			return true
		}
		c.unsent = c.unsent[n:]
	}
	return true
}

// ready is a body that knows whether its next Read would wait.
type ready interface{ Ready() bool }

// sink copies an answer's body to the client. What comes together goes out
// together, head included; what has come does not wait for what has not.
type sink struct {
	c       *conn
	ex      *policy.Exchange
	chunked bool
	out     []byte
	large   *[largeBuffer]byte // out, once the body has shown to be large
	sent    int64
}

// sizeRoom is kept before a chunk for its size, endRoom after it.
const (
	sizeRoom = 8
	endRoom  = 2
)

func (s *sink) copy() error {
	body := s.ex.Answer.Body
	may, _ := body.(ready)
	for {
		full := cap(s.out)-len(s.out) < minRead
		if len(s.out) > 0 && (full || may == nil && s.ex.Answer.Length < 0 || may != nil && !may.Ready()) {
			if err := s.flush(); err != nil {
				return err
			}
			if full && s.large == nil {
				s.grow()
			}
		}
		err := s.read(body)
		if err == nil {
			continue
		}
		switch ended := errors.Is(err, io.EOF); {
		case ended && s.ex.Answer.Length >= 0 && s.sent < s.ex.Answer.Length:
			err = errShort
		case ended:
			if s.chunked {
				s.end()
			}
			return s.flush()
		}
		if broken := s.flush(); broken != nil {
			return broken
		}
		return err // what was sent is not whole, and the connection's end says so
	}
}

// minRead is the least room that is worth a read.
const minRead = 1 << 10

// grow goes on in a large buffer.
func (s *sink) grow() {
	s.large = s.c.lanes.large.Get().(*[largeBuffer]byte)
	s.out = append(s.large[:0], s.out...)
}

// read appends what the body has, framed.
func (s *sink) read(body io.Reader) error {
	start := len(s.out)
	if !s.chunked {
		n, err := body.Read(s.out[start:cap(s.out)])
		s.out = s.out[:start+n]
		s.sent += int64(n)
		return err
	}
	data := start + sizeRoom
	n, err := body.Read(s.out[data : cap(s.out)-endRoom])
	if n == 0 {
		return err
	}
	var text [sizeRoom]byte
	size := append(strconv.AppendInt(text[:0], int64(n), 16), '\r', '\n')
	s.out = append(s.out[:start], size...)
	s.out = append(s.out, s.out[data:data+n]...) // moves it forward by a byte or two
	s.out = append(s.out, '\r', '\n')
	s.sent += int64(n)
	return err
}

// end writes the last chunk and the trailers.
func (s *sink) end() {
	s.out = append(s.out, "0\r\n"...)
	for _, f := range s.ex.Answer.Trailer.Fields() {
		s.out = append(append(append(append(s.out, f.Name...), ": "...), f.Value...), '\r', '\n')
	}
	s.out = append(s.out, '\r', '\n')
}

func (s *sink) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	err := s.c.sendAnswer(s.out)
	s.out = s.out[:0]
	if err != nil {
		return &policy.Broken{Cause: err}
	}
	return nil
}
