package upstream

import (
	"strconv"

	"portico/gateway/policy"
)

// appendHead writes the request's head as this endpoint is to read it.
func (c *call) appendHead(b []byte, to *endpoint) []byte {
	ex := c.ex
	b = append(append(b, ex.Method...), ' ')
	b = append(append(b, to.path...), ex.UpstreamPath...)
	if ex.Query != "" {
		b = append(append(b, '?'), ex.Query...)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), to.host...)
	b = append(b, '\r', '\n')
	for _, f := range ex.Header.Fields() {
		switch len(f.Name) {
		case 4:
			if policy.FoldEqual(f.Name, "Host") {
				continue
			}
		case 14:
			if policy.FoldEqual(f.Name, "Content-Length") {
				continue
			}
		}
		if !c.upstream.sets(f.Name) && !c.proves(f.Name) {
			b = appendField(b, f.Name, f.Value)
		}
	}
	for _, h := range c.upstream.config.Headers {
		if !c.proves(h.Name) {
			b = appendField(b, h.Name, h.Value)
		}
	}
	b = appendForwarded(b, ex)
	switch {
	case ex.Body == nil:
		if writes(ex.Method) {
			b = append(b, "Content-Length: 0\r\n"...)
		}
	case ex.BodyLength >= 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), ex.BodyLength, 10), '\r', '\n')
	default:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for i, f := range ex.Body.Trailer.Fields() {
			if i == 0 {
				b = append(b, "Trailer: "...)
			} else {
				b = append(b, ", "...)
			}
			if b = append(b, f.Name...); i == len(ex.Body.Trailer.Fields())-1 {
				b = append(b, '\r', '\n')
			}
		}
	}
	if ex.Upgrade != "" {
		b = append(append(append(b, "Connection: Upgrade\r\nUpgrade: "...), ex.Upgrade...), '\r', '\n')
	}
	if ex.Expects && !c.whole {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if c.proof != nil {
		b = c.proof.Append(b, ex)
	}
	return append(b, '\r', '\n')
}

// proves reports whether a header is written by what proves who calls.
func (c *call) proves(name string) bool { return c.proof != nil && c.proof.Replaces(name) }

// writes tells the methods whose requests say that they have no body (RFC 9110
// section 8.6).
func writes(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

func (u *Upstream) sets(name string) bool {
	for i := range u.config.Headers {
		if policy.FoldEqual(u.config.Headers[i].Name, name) {
			return true
		}
	}
	return false
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), '\r', '\n')
}

// appendForwarded writes the headers by which an upstream learns who called.
// The node has removed whatever the caller sent under these names.
func appendForwarded(b []byte, ex *policy.Exchange) []byte {
	proto := "http"
	if ex.Secure {
		proto = "https"
	}
	client := ex.Client.Unmap()
	b = append(b, "X-Forwarded-For: "...)
	start := len(b)
	if ex.Line != nil && ex.Line.From != "" && ex.Client == ex.Peer {
		b = append(b, ex.Line.From...)
	} else {
		b = client.AppendTo(b)
	}
	end := len(b) // of what is copied below
	if ex.Trusted && ex.Client != ex.Peer {
		b = ex.Peer.Unmap().AppendTo(append(b, ", "...))
	}
	b = append(append(b, "\r\nX-Forwarded-Host: "...), ex.Authority...)
	b = append(append(b, "\r\nX-Forwarded-Proto: "...), proto...)
	b = append(append(b, "\r\nX-Real-Ip: "...), b[start:end]...)
	b = append(b, "\r\nForwarded: for="...)
	if client.Is6() { // as RFC 7239 wants it
		b = append(append(append(b, `"[`...), b[start:end]...), `]"`...)
	} else {
		b = append(b, b[start:end]...)
	}
	b = append(append(append(b, `;host="`...), ex.Authority...), `";proto=`...)
	b = append(append(b, proto...), "\r\nX-Request-Id: "...)
	return append(append(b, ex.RequestID...), '\r', '\n')
}
