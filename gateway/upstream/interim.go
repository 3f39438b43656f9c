package upstream

import (
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"

	"portico/gateway/http1"
	"portico/gateway/policy"
)

// maxInterim is how many answers before the answer a call may have.
const maxInterim = 32

// interim passes on what came by HTTP/1.1 before the answer.
func (c *call) interim() error {
	if c.head.Status == http.StatusContinue {
		if c.up != nil {
			c.up.begin()
		}
		return nil
	}
	if c.ex.Interim == nil {
		return nil
	}
	var head policy.Header
	for _, f := range c.head.Fields {
		head.Add(f.Name, f.Value)
	}
	return passInterim(c.ex.Interim, c.head.Status, &head)
}

// passInterim passes an answer before the answer on, without what concerned only
// the connection that it came by, and without a length (RFC 9110 section 8.6).
func passInterim(pass func(int, []policy.Field) error, status int, head *policy.Header) error {
	policy.StripHop(head)
	head.Del("Content-Length")
	if err := pass(status, head.Fields()); err != nil {
		return &policy.Broken{Cause: err}
	}
	return nil
}

// farHints is what is heard of a call before its answer, as long as it lasts. It is
// passed on beside the connection, which carries other calls too: a caller who is
// slow to read must not hold up theirs.
type farHints struct {
	reused atomic.Bool  // its connection was open already
	sent   atomic.Int32 // how often its head has gone out
	gone   func()       // is told once the caller takes no more

	passing sync.WaitGroup
	mu      sync.Mutex
	pass    func(int, []policy.Field) error // takes answers before the answer; nil for nobody; guarded by mu
	over    bool                            // no more are taken; guarded by mu
	count   int                             // of those; guarded by mu
	waiting []farHint                       // to be passed on; guarded by mu
	held    int                             // bytes of fields in waiting; guarded by mu
	busy    bool                            // somebody passes them on; guarded by mu
}

// farHint is one answer before the answer.
type farHint struct {
	status int
	head   policy.Header
	bytes  int
}

func (h *farHints) got(status int, header textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count++; h.count > maxInterim {
		return &http1.Error{Status: http.StatusBadGateway, Detail: "There is no end of interim answers."}
	}
	if status == http.StatusSwitchingProtocols { // RFC 9113 section 8.6
		return &http1.Error{Status: http.StatusBadGateway, Detail: "The answer's status is not one that was asked for."}
	}
	if status == http.StatusContinue || h.pass == nil || h.over {
		return nil
	}
	hint := farHint{status: status}
	for name, values := range header {
		for _, v := range values {
			hint.head.Add(name, v)
			hint.bytes += len(name) + len(v)
		}
	}
	if h.held += hint.bytes; h.held > http1.MaxAnswerHeadBytes {
		return &http1.Error{Status: http.StatusBadGateway, Detail: "More than 256 KiB of interim answers wait for the caller."}
	}
	h.waiting = append(h.waiting, hint)
	if !h.busy {
		h.busy = true
		h.passing.Go(h.passOn)
	}
	return nil
}

// passOn passes on what waits.
func (h *farHints) passOn() {
	for {
		h.mu.Lock()
		if len(h.waiting) == 0 {
			h.busy = false
			h.mu.Unlock()
			return
		}
		hint, pass := h.waiting[0], h.pass
		h.waiting = h.waiting[1:]
		h.held -= hint.bytes
		h.mu.Unlock()
		if err := passInterim(pass, hint.status, &hint.head); err != nil {
			h.gone()
			h.mu.Lock()
			h.pass, h.waiting = nil, nil
			h.mu.Unlock()
		}
	}
}

// end returns when all that was heard was passed on. Nothing is after it.
func (h *farHints) end() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	h.passing.Wait()
}
