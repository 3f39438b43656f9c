package lane

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"

	"portico/gateway/http1"
	"portico/gateway/policy"
	"portico/gateway/socket"
)

// fill writes the request whose head was read into an exchange.
func (c *conn) fill(ex *policy.Exchange) {
	h := &c.head
	ex.Method, ex.Target, ex.Authority, ex.Proto = h.Method, h.Target, h.Host, "HTTP/1.1"
	if h.Minor == 0 {
		ex.Proto = "HTTP/1.0"
	} else {
		ex.Interim = c.interim
	}
	ex.Host, ex.Secure, ex.TLS, ex.Peer, ex.Line = hostOf(h.Host), c.tls != nil, c.tls, c.peer, &c.line
	ex.Header.AddAll(h.Fields[:h.Count])
	if ex.BodyLength = h.Length; h.Length == 0 {
		return
	}
	ex.Expects, c.asked, c.answering = h.Expects, false, false
	c.reader.Begin(h.Length, true)
	c.body.Reset(c.source)
	ex.Body = c.body
	if h.Length < 0 {
		announced(ex)
	}
}

// announced notes the trailers that a head says will follow its body.
func announced(ex *policy.Exchange) {
	for _, f := range ex.Header.Fields() {
		if !policy.FoldEqual(f.Name, "Trailer") {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			if len(ex.Body.Trailer.Fields()) == http1.MaxFields {
				return
			}
			if name = strings.Trim(name, " \t"); http1.IsToken(name) && !policy.Hop(name) && !policy.Managed(name) {
				ex.Body.Trailer.Add(name, "")
			}
		}
	}
}

// bodySource reads the request's body and, at its end, its trailers.
type bodySource conn

// Read implements io.Reader.
func (s *bodySource) Read(p []byte) (int, error) {
	c := (*conn)(s)
	if c.head.Expects && !c.asked {
		c.asked = true
		if c.r == c.w { // else the client did not wait
			if err := c.sendContinue(); err != nil {
				return 0, err
			}
		}
	}
	n, err := c.reader.Read(p, c)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		trailer := &c.body.Trailer
		trailer.Reset()
		for _, f := range c.reader.Trailers {
			if !policy.Managed(f.Name) {
				trailer.Add(f.Name, f.Value)
			}
		}
		c.reader.Trailers = nil
	} else if malformed := (*http1.Error)(nil); errors.As(err, &malformed) {
		err = policy.BadRequest(malformed.Detail)
	}
	return n, err
}

// Move implements policy.Mover, for what comes of a body of known length on a
// socket of ours.
func (s *bodySource) Move(to *socket.Pipe) (int, error) {
	c := (*conn)(s)
	left := c.reader.Left()
	if !c.direct || c.r < c.w || left == 0 || c.head.Expects && !c.asked {
		return 0, policy.ErrUnmovable
	}
	c.readBy.Store(c.lanes.now.Load() + int64(c.lanes.times.Body))
	var n int
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		n, failed = to.Fill(fd, int(min(left, math.MaxInt32)))
		return !errors.Is(failed, socket.ErrAgain)
	})
	c.readBy.Store(0)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, errSlow
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	if c.reader.Skip(n); c.reader.Ended() {
		c.body.Trailer.Reset()
		return n, io.EOF
	}
	return n, nil
}
