package policy

import "io"

// The media types of gRPC and gRPC-Web. Both go on with a plus sign and what
// the messages are written in.
const (
	GRPC        = "application/grpc"
	GRPCWeb     = "application/grpc-web"
	GRPCWebText = "application/grpc-web-text"
)

// isGRPC reports whether a message says that it is of gRPC.
func isGRPC(h *Header) bool {
	media := mediaType(h)
	return len(media) >= len(GRPC) && FoldEqual(media[:len(GRPC)], GRPC)
}

// leavesGRPC reports whether a policy that reads requests leaves one alone, since
// it is of gRPC. Its body has to be, then: a caller may call anything that.
func leavesGRPC(ex *Exchange) bool {
	if !isGRPC(&ex.Header) {
		return false
	}
	if ex.Body != nil && !ex.Body.framed {
		ex.Body.framed = true
		media := mediaType(&ex.Header)
		text := len(media) >= len(GRPCWebText) && FoldEqual(media[:len(GRPCWebText)], GRPCWebText)
		ex.Body.Unpack(func(source io.Reader) io.Reader { return &framed{source: source, text: text} })
	}
	return true
}

// framed refuses a body that does not begin as a message of gRPC does: with a
// byte that says whether it is compressed, 0 or 1. No text begins so.
type framed struct {
	source io.Reader
	text   bool // it is in base64
	began  bool
}

// Read implements io.Reader.
func (f *framed) Read(p []byte) (int, error) {
	n, err := f.source.Read(p)
	if n == 0 || f.began {
		return n, err
	}
	f.began = true
	if f.text && p[0] == 'A' || !f.text && p[0] <= 1 {
		return n, err
	}
	return 0, BadRequest("The request's body is not one of gRPC, as its Content-Type says. Send the Content-Type that it is of.")
}
