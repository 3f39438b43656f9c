package lane

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// fill writes a request into an exchange.
func fill(ex *policy.Exchange, w http.ResponseWriter, r *http.Request, conn *http1.Conn) {
	ex.Method, ex.Target, ex.Authority, ex.Proto = r.Method, r.RequestURI, r.Host, r.Proto
	ex.Host = hostOf(r.Host)
	ex.Secure = r.TLS != nil
	fillPeer(ex, r)
	if r.ProtoAtLeast(1, 1) {
		ex.Interim = interim(w)
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
		return
	}
	source := &fullBody{r: r, conn: conn}
	source.body = policy.NewBody(source)
	ex.Body = source.body
	for name := range r.Trailer {
		ex.Body.Trailer.Add(name, "")
	}
	// An upstream may answer before it has read everything. A server that does
	// not know how to do both at once is served one after the other.
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex()
	if ex.Expects { // the deadline of the answer before must not end "100 Continue"
		_ = rc.SetWriteDeadline(time.Time{})
	}
}

// interim sends answers before the answer.
func interim(w http.ResponseWriter) func(int, []policy.Field) error {
	return func(status int, fields []policy.Field) error {
		h := w.Header()
		for _, f := range fields {
			h.Add(f.Name, f.Value)
		}
		w.WriteHeader(status)
		clear(h)
		return nil
	}
}

func fillPeer(ex *policy.Exchange, r *http.Request) {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		ex.Peer = peer.Addr().Unmap()
	}
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
type fullBody struct {
	r    *http.Request
	conn *http1.Conn
	body *policy.Body
}

func (s *fullBody) Read(p []byte) (int, error) {
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
	case err != nil && s.conn != nil:
		if malformed := s.conn.Malformed(); malformed != nil {
			return n, policy.BadRequest(malformed.Detail)
		}
	}
	return n, err
}
