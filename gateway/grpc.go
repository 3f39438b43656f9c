package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"portico/gateway/policy"
)

// grpcKind returns the media type of a call by gRPC or gRPC-Web. Their clients
// read no problem: how a call went stands in the fields grpc-status and
// grpc-message.
func grpcKind(ex *policy.Exchange) (kind string, ok bool) {
	kind, ok = ex.Header.Value("Content-Type")
	return kind, ok && strings.HasPrefix(kind, policy.GRPC)
}

// tellGRPC makes a refusal one that a client of gRPC understands: an answer
// that is nothing but its end. The record keeps the status of the refusal.
func tellGRPC(a *policy.Answer, kind string, denied *policy.Denied) {
	a.Told = http.StatusOK
	a.Header.Set("Content-Type", kind)
	a.Header.Add("Grpc-Status", strconv.Itoa(grpcStatus(denied.Status)))
	a.Header.Add("Grpc-Message", grpcMessage(denied.Detail))
	a.Header.Add("X-Portico-Code", denied.Code)
	a.Body, a.Length = nil, 0
}

// grpcStatus is gRPC's own reading of a status of HTTP, by its document
// http-grpc-status-mapping. But 504 is here a time that is over, and no reason to
// call again at once, as a client takes UNAVAILABLE.
func grpcStatus(status int) int {
	const deadlineExceeded = 4
	const unknown, permissionDenied, unimplemented, internal, unavailable, unauthenticated = 2, 7, 12, 13, 14, 16
	switch status {
	case http.StatusBadRequest:
		return internal
	case http.StatusUnauthorized:
		return unauthenticated
	case http.StatusForbidden:
		return permissionDenied
	case http.StatusNotFound:
		return unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		return unavailable
	case http.StatusGatewayTimeout:
		return deadlineExceeded
	}
	return unknown
}

// grpcMessage writes a text as grpc-message wants it: what is not plain ASCII,
// and the percent sign, in escapes.
func grpcMessage(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
