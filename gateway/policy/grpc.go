package policy

// The media types of gRPC and gRPC-Web. Both go on with a plus sign and what
// the messages are written in.
const (
	GRPC        = "application/grpc"
	GRPCWeb     = "application/grpc-web"
	GRPCWebText = "application/grpc-web-text"
)
