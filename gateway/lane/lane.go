// Package lane is where connections come in. A lane reads requests into a
// policy.Exchange, hands it to a Handler, and writes the answer that it finds
// there. This is the full lane, over net/http; every byte passes the strict
// parser of package http1 before net/http sees it.
//
// A lane decides nothing: it does not match, authenticate, or word an error.
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
