package upstream

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"

	"portico/gateway/policy"
)

// web is a call by gRPC-Web that goes on as one by gRPC: the messages are the
// same, but an answer's trailers stand at the end of its body, and both bodies
// may be in base64.
type web struct {
	kind string // as the caller wrote it
	text bool   // the answer is to be in base64
}

// newWeb turns the exchange's request into one of gRPC. It returns nil when it
// is not one of gRPC-Web.
func newWeb(ex *policy.Exchange) *web {
	kind, ok := ex.Header.Value("Content-Type")
	if !ok || !strings.HasPrefix(kind, policy.GRPCWeb) {
		return nil
	}
	w := &web{kind: kind}
	suffix := strings.TrimPrefix(kind, policy.GRPCWeb) // "+proto" or the like
	if strings.HasPrefix(kind, policy.GRPCWebText) {
		suffix = strings.TrimPrefix(kind, policy.GRPCWebText)
		w.text = true
		if ex.Body != nil {
			ex.Body.Unpack(func(source io.Reader) io.Reader { return &unBase64{from: source} })
			ex.BodyLength = -1
		}
	}
	if accept, ok := ex.Header.Value("Accept"); ok && strings.Contains(accept, policy.GRPCWebText) {
		w.text = true
	}
	ex.Header.Set("Content-Type", policy.GRPC+suffix)
	ex.Header.Del("X-Grpc-Web")
	ex.Header.Del("Accept")
	return w
}

// undo makes the request again what its caller takes it for, who is to be told
// that it failed.
func (w *web) undo(ex *policy.Exchange) { ex.Header.Set("Content-Type", w.kind) }

// answer turns the answer back. One that is not of gRPC stays as it is.
func (w *web) answer(ex *policy.Exchange) {
	a := &ex.Answer
	kind, _ := a.Header.Value("Content-Type")
	if !strings.HasPrefix(kind, policy.GRPC) {
		return
	}
	to := policy.GRPCWeb
	if w.text {
		to = policy.GRPCWebText
	}
	a.Header.Set("Content-Type", to+strings.TrimPrefix(kind, policy.GRPC))
	a.Length = -1
	a.Body = &webBody{from: a.Body, trailer: &a.Trailer, text: w.text}
}

// webBody is an answer's body with the trailers at its end.
type webBody struct {
	from    io.ReadCloser
	trailer *policy.Header
	text    bool
	rest    []byte // what the next reads return
	ended   bool
	raw     [6 << 10]byte
}

// trailersFrame is the first byte of the frame that holds the trailers.
const trailersFrame = 0x80

// Read implements io.Reader.
func (b *webBody) Read(p []byte) (int, error) {
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if b.ended {
		return 0, io.EOF
	}
	into := p
	if b.text {
		into = b.raw[:]
	}
	n, err := b.from.Read(into)
	switch {
	case err == io.EOF:
		b.ended, err = true, nil
		b.rest = b.encode(b.end())
		if !b.text {
			return n, nil
		}
	case err != nil:
		return 0, err
	}
	if b.text && n > 0 {
		b.rest = append(b.encode(b.raw[:n]), b.rest...)
	}
	if b.text {
		n = copy(p, b.rest)
		b.rest = b.rest[n:]
	}
	return n, err
}

// encode writes a piece as it goes out. Pieces in base64 are padded each.
func (b *webBody) encode(piece []byte) []byte {
	if !b.text {
		return piece
	}
	return base64.StdEncoding.AppendEncode(nil, piece)
}

// end returns the frame of the trailers, which are none any more then. An
// answer without is one that says how it went in its head.
func (b *webBody) end() []byte {
	if len(b.trailer.Fields()) == 0 {
		return nil
	}
	frame := make([]byte, 5, 128)
	frame[0] = trailersFrame
	for _, f := range b.trailer.Fields() {
		frame = append(append(append(append(frame, strings.ToLower(f.Name)...), ": "...), f.Value...), '\r', '\n')
	}
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-5))
	b.trailer.Reset()
	return frame
}

// Close implements io.Closer.
func (b *webBody) Close() error { return b.from.Close() }

// unBase64 reads what was written in base64, in pieces that may be padded each.
type unBase64 struct {
	from io.Reader
	in   [4 << 10]byte
	have int // of in: less than a group
	out  [3 << 10]byte
	rest []byte // of out
	err  error
}

// Read implements io.Reader.
func (u *unBase64) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.from.Read(u.in[u.have:])
		u.have += n
		u.err = err
		whole := u.have &^ 3
		u.rest = u.out[:0]
		for i := 0; i < whole; i += 4 { // a group at a time: each may be padded
			var three [3]byte
			k, bad := base64.StdEncoding.Decode(three[:], u.in[i:i+4])
			if bad != nil {
				u.rest, u.err = nil, policy.BadRequest("The body is not base64, as "+policy.GRPCWebText+" says.")
				return 0, u.err
			}
			u.rest = append(u.rest, three[:k]...)
		}
		u.have = copy(u.in[:], u.in[whole:u.have])
		if err == io.EOF && u.have > 0 {
			u.err = policy.BadRequest("The body ends within a group of base64.")
		}
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}
