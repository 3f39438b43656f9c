// Package lane is where connections come in. A lane reads requests into a
// policy.Exchange, hands it to a Handler, and writes the answer that it finds
// there. The fast lane speaks HTTP/1.1 over its own code; what it does not speak
// (other protocols, connections that switch) it hands to the full lane, over
// net/http, with the bytes already read. Both go by the strict parser of
// package http1: what is malformed is refused before it is handed to anybody.
//
// A lane decides nothing: it does not match, authenticate, or word an error. The
// same request gets the same answer in both.
package lane

import (
	"context"

	"portico/gateway/policy"
)

// Handler answers exchanges. It must be safe for concurrent use.
type Handler interface {
	// Serve fills in the answer, whatever happens. An error means that nobody
	// is there any more to read one.
	Serve(ctx context.Context, ex *policy.Exchange) error
	// Refuse fills in the answer to a request that could not be read.
	Refuse(ex *policy.Exchange, denied *policy.Denied)
	// Done is called once per exchange, after the answer was written, or broke
	// off when err is set.
	Done(ex *policy.Exchange, err error)
}
