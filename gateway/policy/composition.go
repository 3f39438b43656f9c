package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	return s
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
	done   chan struct{}
	result map[string]any // when done is closed
	failed error
	took   time.Duration
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
	parts, err := s.call(ctx, ex, in)
	if ex.Explain != nil {
		ex.Explain.Note = s.noteOf(parts)
	}
	if err != nil {
		return err
	}
	in.Calls = make(map[string]any, len(parts))
	for i, p := range parts {
		in.Calls[s.config.Calls[i].Name] = p.result
	}
	data, err := s.compiled.Answer.Bytes(in, int(s.config.MaxBytes))
	if err != nil {
		return unreadableAnswer(err)
	}
	a := &ex.Answer
	a.Status, a.Local = s.config.Status, true
	a.Header.Set("Content-Type", "application/json")
	ex.SetAnswer(data)
	return ErrAnswered
}

// call makes the calls, each as soon as what it waits for is there. The first
// that fails, and is not optional, ends all.
func (s *compositionStep) call(ctx context.Context, ex *Exchange, in *render.Inputs) ([]*part, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make([]*part, len(s.config.Calls))
	for i := range parts {
		parts[i] = &part{done: make(chan struct{})}
	}
	var all sync.WaitGroup
	var once sync.Once
	var failed error
	for i := range parts {
		all.Go(func() {
			p := parts[i]
			defer close(p.done)
			seen := *in
			seen.Calls = map[string]any{}
			for _, k := range s.compiled.Calls[i].After {
				select {
				case <-parts[k].done:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				p.failed = ctx.Err()
				return
			}
			s.gather(i, parts, seen.Calls)
			began := time.Now()
			p.result, p.failed = s.guarded(ctx, ex, i, &seen)
			p.took = time.Since(began)
			if p.failed != nil && !s.config.Calls[i].Optional {
				once.Do(func() { failed = s.refusal(i, p.failed) })
				cancel()
			}
		})
	}
	all.Wait()
	return parts, failed
}

// gather takes the results of all that a call waits for, also by way of others.
func (s *compositionStep) gather(i int, parts []*part, into map[string]any) {
	for _, k := range s.compiled.Calls[i].After {
		name := s.config.Calls[k].Name
		if _, there := into[name]; !there {
			into[name] = parts[k].result
			s.gather(k, parts, into)
		}
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
func (s *compositionStep) guarded(ctx context.Context, ex *Exchange, i int, in *render.Inputs) (result map[string]any, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			result = map[string]any{"status": 0, "body": nil, "headers": map[string]any{}}
			err = fmt.Errorf("it panicked: %v", thrown)
		}
	}()
	return s.one(ctx, ex, i, in)
}

// one makes one call, and returns what templates see of it. When the call fails,
// they see that.
func (s *compositionStep) one(ctx context.Context, ex *Exchange, i int, in *render.Inputs) (map[string]any, error) {
	c := s.config.Calls[i]
	timeout := time.Duration(c.TimeoutMS) * time.Millisecond
	if timeout == 0 {
		timeout = entry.CompositionTimeoutMS * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sub, err := s.request(ex, i, in)
	if err == nil {
		err = s.to[i].Call(ctx, sub)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return map[string]any{"status": 0, "body": nil, "headers": map[string]any{}}, err
	}
	headers := map[string]any{}
	for name, value := range headersOf(&sub.Answer.Header) {
		headers[strings.Clone(name)] = strings.Clone(value)
	}
	result := map[string]any{"status": sub.Answer.Status, "body": nil, "headers": headers}
	ok := sub.Answer.Status >= 200 && sub.Answer.Status < 300
	body, err := readPart(sub, s.config.MaxBytes)
	switch {
	case err != nil:
		return map[string]any{"status": 0, "body": nil, "headers": headers}, err
	case !ok:
		return result, fmt.Errorf("it was answered %d", sub.Answer.Status)
	}
	result["body"] = body
	return result, nil
}

// readPart reads the answer to a call: JSON as a tree, anything else as text.
func readPart(sub *Exchange, limit int64) (any, error) {
	a := &sub.Answer
	if a.Body == nil {
		return nil, nil
	}
	defer func() { _ = a.Body.Close() }() // what was read of it is all that is wanted
	if isCoded(&a.Header) {
		return nil, errEncoded
	}
	data, err := io.ReadAll(io.LimitReader(a.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = ErrAnswerTooLarge
	}
	if err != nil || len(data) == 0 {
		return nil, err
	}
	if isJSON(mediaType(&a.Header)) {
		return tree.Decode(data)
	}
	return strings.ToValidUTF8(string(data), "\ufffd"), nil
}

// maxPath bounds a path that a template makes.
const maxPath = 8 << 10

// request makes the request of a call. It shares no memory with the exchange
// that is written to: calls run beside one another.
func (s *compositionStep) request(ex *Exchange, i int, in *render.Inputs) (*Exchange, error) {
	c, compiled := s.config.Calls[i], s.compiled.Calls[i]
	path, err := compiled.Path.String(in, maxPath)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	sub := &Exchange{
		Method: c.Method, Authority: ex.Authority, Host: ex.Host, Proto: "HTTP/1.1", Secure: ex.Secure,
		Peer: ex.Peer, Client: ex.Client, Trusted: ex.Trusted, Now: ex.Now, Mono: ex.Mono, RequestID: ex.RequestID,
		Scope: ex.Scope, Caller: ex.Caller, Shard: ex.Shard, Line: ex.Line, Trace: ex.Trace,
	}
	sub.ProveAs(ex)
	if sub.Method == "" {
		sub.Method = http.MethodGet
	}
	sub.UpstreamPath, sub.Query, _ = strings.Cut(path, "?")
	if HasDots(sub.UpstreamPath) {
		return nil, errors.New("the path holds a dot segment")
	}
	sub.Header.Add("Accept", "application/json, */*;q=0.5")
	sub.Header.Add("Accept-Encoding", "identity")
	if sub.Trace.Valid() {
		sub.Header.Set("Traceparent", sub.Keep(sub.Trace.Append(sub.Scratch())))
	}
	if compiled.Body != nil {
		data, err := compiled.Body.Bytes(in, int(s.config.MaxBytes))
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		sub.Body, sub.BodyLength = NewBody(bytes.NewReader(data)), int64(len(data))
		sub.Header.Add("Content-Type", "application/json")
	}
	for _, h := range compiled.Headers {
		value, err := h.Value.String(in, maxPath)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", h.Name, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("the value of the header %s holds a line end", h.Name)
		}
		sub.Header.Set(h.Name, value)
	}
	return sub, nil
}

// noteOf says how the calls went.
func (s *compositionStep) noteOf(parts []*part) string {
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
			text += " " + fmt.Sprint(p.result["status"])
		}
		text += " after " + roundUp(p.took).String()
	}
	return text
}

func (s *compositionStep) explain(ex *Exchange) string { return ex.Explain.Note }
