package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

// compositionStep is the policy "composition": it answers with what several calls
// of upstreams give.
type compositionStep struct {
	config   entry.Composition
	compiled *render.Composition
	to       []Destination // of each call
	uses     usedByAny
	timeout  time.Duration // of all calls, where they begin together and have the same; else 0

	exchanges Pool      // of calls
	rounds    sync.Pool // of *round
}

// newCompositionStep compiles what entry/check has passed.
func newCompositionStep(c *entry.Composition, destination func(upstream string) Destination) Step {
	s := &compositionStep{config: *c}
	var wrong []render.Wrong
	if s.compiled, wrong = render.NewComposition(*c); len(wrong) > 0 {
		return unknownStep{}
	}
	if s.config.MaxBytes == 0 {
		s.config.MaxBytes = entry.CompositionMaxBytes
	}
	if s.config.Status == 0 {
		s.config.Status = http.StatusOK
	}
	for i, call := range c.Calls {
		s.to = append(s.to, destination(call.Upstream))
		one := s.compiled.Calls[i]
		s.uses = append(s.uses, one.Path)
		if one.Body != nil {
			s.uses = append(s.uses, one.Body)
		}
		for _, h := range one.Headers {
			s.uses = append(s.uses, h.Value)
		}
	}
	s.uses = append(s.uses, s.compiled.Answer)
	s.timeout = s.timeoutOf(0)
	for i := range c.Calls {
		if s.timeoutOf(i) != s.timeout || len(c.Calls[i].After) > 0 {
			s.timeout = 0
		}
	}
	s.rounds.New = func() any { return &round{step: s, parts: make([]part, len(c.Calls))} }
	return s
}

// timeoutOf is how long a call may take.
func (s *compositionStep) timeoutOf(i int) time.Duration {
	if ms := s.config.Calls[i].TimeoutMS; ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	return entry.CompositionTimeoutMS * time.Millisecond
}

// usedByAny is what several templates read.
type usedByAny []uses

// Uses implements uses.
func (u usedByAny) Uses(input string) bool {
	for _, one := range u {
		if one.Uses(input) {
			return true
		}
	}
	return false
}

// part is one call of a composition under way.
type part struct {
	done   chan struct{} // closed when the rest is there; nil where no call waits for it
	in     render.Inputs
	text   []byte // of the answer's body; its memory is used again
	status int    // 0 for no answer
	body   any    // a tree, which may be text
	seen   map[string]any
	failed error
	took   time.Duration
}

// round is one call of the whole, and the body of its answer. The step keeps it
// for the next one, buffers included.
type round struct {
	step   *compositionStep
	parts  []part
	bodies render.Bodies
	out    []byte
	rest   []byte // what of out was not read
}

// Read implements io.Reader.
func (r *round) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Rest returns what was not read.
func (r *round) Rest() []byte { return r.rest }

// Close implements io.Closer. Nobody may use the body after it.
func (r *round) Close() error {
	for i := range r.parts {
		r.parts[i] = part{text: kept(r.parts[i].text)}
	}
	clear(r.bodies)
	r.bodies, r.out, r.rest = r.bodies[:0], kept(r.out), nil
	r.step.rounds.Put(r)
	return nil
}

// kept is a buffer that is worth keeping, emptied.
func kept(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// Run implements Step.
func (s *compositionStep) Run(ctx context.Context, ex *Exchange) error {
	in := inputsOf(ex, s.uses)
	if s.uses.Uses("body") && hasBody(ex) {
		data, err := wholeRequest(ex, s.config.MaxBytes)
		if err != nil {
			return err
		}
		if len(data) > 0 {
			if in.Body, err = tree.Decode(data); err != nil {
				return unreadableBody(err.Error())
			}
		}
	}
	r := s.rounds.Get().(*round)
	err := s.call(ctx, ex, in, r.parts)
	if ex.Explain != nil {
		ex.Explain.Note = s.noteOf(r.parts)
	}
	if err == nil {
		in.Bodies = r.bodies
		for i := range r.parts {
			s.gather(i, r.parts, in)
		}
		if r.out, err = s.compiled.Answer.Append(r.out, in, int(s.config.MaxBytes)); err != nil {
			err = unreadableAnswer(err)
		}
		r.bodies, r.rest = in.Bodies, r.out
	}
	if err != nil {
		_ = r.Close() // it cannot fail
		return err
	}
	a := &ex.Answer
	a.Status, a.Local = s.config.Status, true
	a.Header.Set("Content-Type", "application/json")
	a.Body, a.Length = r, int64(len(r.out))
	return ErrAnswered
}

// call makes the calls, each as soon as what it waits for is there. The first
// that fails, and is not optional, ends all.
func (s *compositionStep) call(ctx context.Context, ex *Exchange, in *render.Inputs, parts []part) error {
	ctx, cancel := s.within(ctx, s.timeout)
	defer cancel()
	for _, c := range s.compiled.Calls {
		for _, k := range c.After {
			if parts[k].done == nil {
				parts[k].done = make(chan struct{})
			}
		}
	}
	var all sync.WaitGroup
	var once sync.Once
	var failed error
	run := func(i int) {
		p := &parts[i]
		if p.done != nil {
			defer close(p.done)
		}
		p.in = *in
		if after := s.compiled.Calls[i].After; len(after) > 0 {
			for _, k := range after {
				select {
				case <-parts[k].done:
				case <-ctx.Done():
				}
			}
			if p.failed = ctx.Err(); p.failed != nil {
				return
			}
			for _, k := range after {
				s.gather(k, parts, &p.in)
			}
		}
		began := time.Now()
		p.failed = s.guarded(ctx, ex, i, p)
		p.took = time.Since(began)
		if p.failed != nil && !s.config.Calls[i].Optional {
			once.Do(func() { failed = s.refusal(i, p.failed) })
			cancel()
		}
	}
	last := len(parts) - 1
	for i := range last {
		all.Go(func() { run(i) })
	}
	run(last)
	all.Wait()
	return failed
}

// within bounds a context by a timeout, where there is one.
func (s *compositionStep) within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(ctx, timeout)
	}
	return context.WithCancel(ctx)
}

// gather takes the result of a call, and of all that it has waited for.
func (s *compositionStep) gather(i int, parts []part, into *render.Inputs) {
	name, p := s.config.Calls[i].Name, &parts[i]
	if into.Bodies.Has(name) {
		return
	}
	into.Bodies = append(into.Bodies, render.Body{Name: name, Value: p.body})
	if p.seen != nil {
		if into.Calls == nil {
			into.Calls = map[string]any{}
		}
		into.Calls[name] = p.seen
	}
	for _, k := range s.compiled.Calls[i].After {
		s.gather(k, parts, into)
	}
}

// refusal is what the caller is told of a call that failed.
func (s *compositionStep) refusal(i int, cause error) error {
	if errors.As(cause, new(*Broken)) {
		return cause
	}
	status := http.StatusBadGateway
	if denied := (*Denied)(nil); errors.As(cause, &denied) && denied.Status == http.StatusGatewayTimeout || errors.Is(cause, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	return &Denied{
		Status: status, Code: "composition_failed",
		Detail: "A part of this answer, " + s.config.Calls[i].Name + ", could not be had. Call again later.", Cause: cause,
	}
}

// guarded is one, where a panic is a failure of that call: no lane catches what
// is thrown in a goroutine of its own, and it would take the whole node down.
func (s *compositionStep) guarded(ctx context.Context, ex *Exchange, i int, p *part) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			p.status, p.body = 0, nil
			err = fmt.Errorf("it panicked: %v", thrown)
		}
		if s.compiled.Calls[i].Seen {
			if p.seen == nil {
				p.seen = map[string]any{"headers": map[string]any{}}
			}
			p.seen["status"], p.seen["body"] = p.status, p.body
		}
	}()
	return s.one(ctx, ex, i, p)
}

// one makes one call, and notes what came of it.
func (s *compositionStep) one(ctx context.Context, ex *Exchange, i int, p *part) error {
	if s.timeout == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeoutOf(i))
		defer cancel()
	}
	sub := s.exchanges.Take()
	err := s.request(sub, ex, i, &p.in)
	if err == nil {
		err = s.to[i].Call(ctx, sub)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return err
	}
	if s.compiled.Calls[i].SeenHeaders {
		headers := map[string]any{}
		for name, value := range headersOf(&sub.Answer.Header) {
			headers[strings.Clone(name)] = strings.Clone(value)
		}
		p.seen = map[string]any{"headers": headers}
	}
	p.status = sub.Answer.Status
	switch err = p.read(sub, s.config.MaxBytes, !s.compiled.Calls[i].SeenBody); {
	case err != nil:
		p.status = 0
	case p.status < 200 || p.status > 299:
		p.body, err = nil, fmt.Errorf("it was answered %d", p.status)
	}
	if sub.Body == nil || !sub.Body.Shared() {
		s.exchanges.Give(sub)
	}
	return err
}

// read reads the answer to a call: JSON as a tree, or as the text it is where
// nobody looks into it, and anything else as text.
func (p *part) read(sub *Exchange, limit int64, asText bool) (err error) {
	a := &sub.Answer
	if a.Body == nil {
		return nil
	}
	defer func() { _ = a.Body.Close() }() // what was read of it is all that is wanted
	if isCoded(&a.Header) {
		return errEncoded
	}
	if p.text, err = appendAll(p.text[:0], a.Body, a.Length, limit); err != nil || len(p.text) == 0 {
		return err
	}
	switch {
	case !isJSON(mediaType(&a.Header)):
		p.body = strings.ToValidUTF8(string(p.text), "\ufffd")
	case asText:
		p.body, err = tree.Keep(p.text)
	default:
		p.body, err = tree.Decode(p.text)
	}
	if err != nil {
		p.body = nil
	}
	return err
}

// appendAll reads a body of at most limit bytes behind dst; length is its own, -1
// where that is not known.
func appendAll(dst []byte, body io.Reader, length, limit int64) ([]byte, error) {
	if length > limit {
		return dst, ErrAnswerTooLarge
	}
	start := len(dst)
	dst = slices.Grow(dst, int(max(length, 0))+1) // the end may come alone
	for {
		n, err := body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)-start) > limit:
			return dst, ErrAnswerTooLarge
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		case len(dst) == cap(dst):
			dst = slices.Grow(dst, bytes.MinRead)
		}
	}
}

// maxPath bounds a path that a template makes.
const maxPath = 8 << 10

// request makes the request of a call. It shares no memory with the exchange
// that is written to: calls run beside one another.
func (s *compositionStep) request(sub, ex *Exchange, i int, in *render.Inputs) error {
	c, compiled := s.config.Calls[i], s.compiled.Calls[i]
	path, err := compiled.Path.String(in, maxPath)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	sub.Method, sub.Authority, sub.Host, sub.Proto, sub.Secure = c.Method, ex.Authority, ex.Host, "HTTP/1.1", ex.Secure
	sub.Peer, sub.Client, sub.Trusted, sub.Now, sub.Mono, sub.RequestID = ex.Peer, ex.Client, ex.Trusted, ex.Now, ex.Mono, ex.RequestID
	sub.Scope, sub.Caller, sub.Shard, sub.Line, sub.Trace = ex.Scope, ex.Caller, ex.Shard, ex.Line, ex.Trace
	sub.ProveAs(ex)
	if sub.Method == "" {
		sub.Method = http.MethodGet
	}
	sub.UpstreamPath, sub.Query, _ = strings.Cut(path, "?")
	if HasDots(sub.UpstreamPath) {
		return errors.New("the path holds a dot segment")
	}
	sub.Header.Add("Accept", "application/json, */*;q=0.5")
	sub.Header.Add("Accept-Encoding", "identity")
	if sub.Trace.Valid() {
		sub.Header.Set("Traceparent", sub.Keep(sub.Trace.Append(sub.Scratch())))
	}
	if compiled.Body != nil {
		data, err := compiled.Body.Append(nil, in, int(s.config.MaxBytes))
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		sub.Body, sub.BodyLength = NewBody(bytes.NewReader(data)), int64(len(data))
		sub.Header.Add("Content-Type", "application/json")
	}
	for _, h := range compiled.Headers {
		value, err := h.Value.String(in, maxPath)
		if err != nil {
			return fmt.Errorf("header %s: %w", h.Name, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("the value of the header %s holds a line end", h.Name)
		}
		sub.Header.Set(h.Name, value)
	}
	return nil
}

// noteOf says how the calls went.
func (s *compositionStep) noteOf(parts []part) string {
	text := ""
	for i, p := range parts {
		if i > 0 {
			text += "; "
		}
		text += s.config.Calls[i].Name
		switch {
		case p.failed != nil:
			text += " failed"
		default:
			text += " " + strconv.Itoa(p.status)
		}
		text += " after " + roundUp(p.took).String()
	}
	return text
}

func (s *compositionStep) explain(ex *Exchange) string { return ex.Explain.Note }
