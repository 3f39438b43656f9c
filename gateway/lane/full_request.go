package lane

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// fill writes the request into an exchange, or says why it cannot be read.
func (c *fullCall) fill(ex *policy.Exchange) *http1.Error {
	r, conn := c.r, c.conn
	if conn.http1 != nil {
		if refused := conn.http1.Refused(r.RequestURI); refused != nil {
			return refused
		}
	} else if refused := c.check(); refused != nil {
		return refused
	}
	ex.Method, ex.Target, ex.Authority, ex.Proto = r.Method, r.RequestURI, r.Host, r.Proto
	ex.Host = hostOf(r.Host)
	ex.Secure, ex.TLS, ex.Peer = conn.tls != nil, conn.tls, conn.peer
	if r.ProtoAtLeast(1, 1) {
		ex.Interim = c.interim
	}
	for name, values := range r.Header {
		for _, v := range values {
			ex.Header.Add(name, v)
		}
		if name == "Expect" {
			ex.Expects = true
		}
	}
	if ex.BodyLength = r.ContentLength; ex.BodyLength == 0 {
		return nil
	}
	c.body.Reset((*fullBody)(c))
	ex.Body = c.body
	for name := range r.Trailer {
		if !policy.Managed(name) {
			ex.Body.Trailer.Add(name, "")
		}
	}
	if conn.http1 != nil {
		// An upstream may answer before it has read everything. A server that does
		// not know how to do both at once is served one after the other.
		_ = http.NewResponseController(c.w).EnableFullDuplex()
	}
	return nil
}

// stateOf returns what a connection that was taken over agreed on; nil in plain.
func stateOf(c net.Conn) *tls.ConnectionState {
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		return &state
	}
	return nil
}

// check holds a request by HTTP/2 to the rules of HTTP/1.1.
func (c *fullCall) check() *http1.Error {
	r, l := c.r, &c.later
	authority := r.Host
	if err := l.Begin(r.Method, r.RequestURI, authority); err != nil {
		return err
	}
	for name, values := range r.Header {
		for _, v := range values {
			if err := l.Field(name, v); err != nil {
				return err
			}
		}
	}
	return l.End()
}

// hostOf returns the host in lower case without a port and a final dot.
func hostOf(authority string) string {
	host := authority
	if len(host) > 0 && host[0] == '[' {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	} else {
		for i := range len(host) {
			if host[i] == ':' {
				host = host[:i]
				break
			}
		}
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	for i := range len(host) {
		if c := host[i]; 'A' <= c && c <= 'Z' {
			return lowerASCII(host)
		}
	}
	return host
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// fullBody reads the request's body and, at its end, its trailers.
type fullBody fullCall

// Read implements io.Reader.
func (s *fullBody) Read(p []byte) (int, error) {
	if s.conn.http2 != nil { // of HTTP/1.1 the connection takes care
		s.readBy.Store(s.full.lanes.now.Load() + int64(s.full.lanes.times.Body))
		defer s.readBy.Store(0)
	}
	n, err := s.r.Body.Read(p)
	switch {
	case err == io.EOF:
		trailer := &s.body.Trailer
		trailer.Reset()
		for name, values := range s.r.Trailer {
			for _, v := range values {
				if !policy.Managed(name) {
					trailer.Add(name, v)
				}
			}
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlow
	case err != nil && s.conn.http1 != nil:
		if malformed := s.conn.http1.Malformed(); malformed != nil {
			return n, policy.BadRequest(malformed.Detail)
		}
	}
	return n, err
}
