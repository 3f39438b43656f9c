package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"portico/gateway/policy"
)

// Call implements policy.Destination. It returns when the answer's head is
// there; the body streams as the lane reads it. Its errors are *policy.Denied,
// but for a *policy.Broken when the caller is at fault or gone.
func (u *Upstream) Call(ctx context.Context, ex *policy.Exchange) error {
	ctx, cancel := context.WithCancelCause(ctx)
	timeouts := u.timeouts()
	w := &watch{cancel: cancel, patience: timeouts.Connect + timeouts.Header}
	req := u.request(ctx, ex, w, timeouts)
	w.start()
	res, err := u.transport.RoundTrip(req)
	w.answered()
	if err != nil {
		err = failed(ctx, ex, err)
		cancel(nil)
		return err
	}
	if res.StatusCode < 200 || res.StatusCode > 599 {
		cancel(nil)
		res.Body.Close()
		return &policy.Denied{
			Status: http.StatusBadGateway, Code: "upstream_invalid",
			Detail: "The service behind this API gave an answer that is not valid HTTP. Tell the API's provider.",
			Cause:  errors.New("status " + res.Status),
		}
	}
	answer(ex, res)
	ex.Answer.Body = &body{res: res, ex: ex, watch: w, idle: timeouts.Idle}
	return nil
}

func (u *Upstream) request(ctx context.Context, ex *policy.Exchange, w *watch, timeouts Timeouts) *http.Request {
	t := u.pick()
	req := (&http.Request{
		Method: ex.Method, URL: t.url(ex.UpstreamPath, ex.Query), Host: t.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(ex.Header.Fields())+8), ContentLength: ex.BodyLength,
	}).WithContext(ctx)
	for _, f := range ex.Header.Fields() {
		switch {
		case policy.FoldEqual(f.Name, "Content-Length"), policy.FoldEqual(f.Name, "Host"):
		default:
			req.Header.Add(f.Name, f.Value)
		}
	}
	if _, named := req.Header["User-Agent"]; !named {
		req.Header["User-Agent"] = []string{""} // say nothing rather than Go's own
	}
	for _, h := range u.config.Headers {
		req.Header.Set(h.Name, h.Value)
	}
	forwarded(ex, req.Header)
	if ex.Body == nil {
		return req
	}
	up := &upload{body: ex.Body, watch: w, patience: timeouts.Header}
	req.Body = up
	for _, f := range ex.Body.Trailer.Fields() {
		if req.Trailer == nil {
			req.Trailer = http.Header{}
			up.trailer = req.Trailer
		}
		req.Trailer[http.CanonicalHeaderKey(f.Name)] = nil
	}
	if ex.Expects {
		req.Header.Set("Expect", "100-continue")
	}
	return req
}

// failed turns an error of a call into what the caller is told.
func failed(ctx context.Context, ex *policy.Exchange, err error) error {
	if cause := ex.Body.Err(); cause != nil {
		return cause
	}
	dial := (*dialError)(nil)
	timeout := net.Error(nil)
	switch {
	case errors.As(err, &dial) && !dial.timeout, errors.As(err, &dial) && errors.Is(err, context.Canceled):
		if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errPatience) {
			return &policy.Broken{Cause: context.Cause(ctx)}
		}
		return unreachable(err)
	case errors.As(err, &dial), errors.Is(context.Cause(ctx), errPatience):
		return &policy.Denied{
			Status: http.StatusGatewayTimeout, Code: "upstream_timeout",
			Detail: "The service behind this API did not answer in time. Call again later.", Cause: err,
		}
	case ctx.Err() != nil:
		return &policy.Broken{Cause: context.Cause(ctx)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &policy.Denied{
			Status: http.StatusGatewayTimeout, Code: "upstream_timeout",
			Detail: "The service behind this API did not answer in time. Call again later.", Cause: err,
		}
	}
	return unreachable(err)
}

func unreachable(err error) error {
	return &policy.Denied{
		Status: http.StatusBadGateway, Code: "upstream_unreachable",
		Detail: "The service behind this API cannot be reached, or broke off without an answer. Call again later.", Cause: err,
	}
}

var errPatience = errors.New("upstream took too long")

// watch ends a call whose upstream keeps it waiting. It does not run while the
// caller keeps the upstream waiting.
type watch struct {
	cancel   context.CancelCauseFunc
	patience time.Duration

	mu    sync.Mutex
	timer *time.Timer // guarded by mu
	head  bool        // the answer's head is there; guarded by mu
}

func (w *watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.patience, func() { w.cancel(errPatience) })
}

func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = true
	w.timer.Stop()
}

// uploading starts and stops the wait for the head around reads of the request.
func (w *watch) uploading(waiting bool, patience time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.head || w.timer == nil:
	case waiting:
		w.timer.Stop()
	default:
		w.timer.Reset(patience)
	}
}

// upload is the request's body on its way up.
type upload struct {
	body     *policy.Body
	watch    *watch
	patience time.Duration
	trailer  http.Header
}

func (u *upload) Read(p []byte) (int, error) {
	u.watch.uploading(true, u.patience)
	n, err := u.body.Read(p)
	u.watch.uploading(false, u.patience)
	if errors.Is(err, io.EOF) {
		for _, f := range u.body.Trailer.Fields() {
			name := http.CanonicalHeaderKey(f.Name)
			if _, announced := u.trailer[name]; announced && f.Value != "" {
				u.trailer[name] = append(u.trailer[name], f.Value)
			}
		}
	}
	return n, err
}

// Close implements io.Closer. The lane owns the body.
func (u *upload) Close() error { return nil }

// body is the answer's body on its way down.
type body struct {
	res   *http.Response
	ex    *policy.Exchange
	watch *watch
	idle  time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.idle)
	n, err := b.res.Body.Read(p)
	b.watch.timer.Stop()
	if errors.Is(err, io.EOF) {
		for name, values := range b.res.Trailer {
			for _, v := range values {
				b.ex.Answer.Trailer.Add(name, v)
			}
		}
	}
	return n, err
}

// Close ends the call, whatever is left of it.
func (b *body) Close() error {
	b.watch.timer.Stop()
	err := b.res.Body.Close()
	b.watch.cancel(nil)
	return err
}
