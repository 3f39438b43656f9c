package split

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// mirror calls a destination, and copies a share of its calls to another whose
// answers are thrown away. A copy is made of what the call's own destination
// has read, and begins when that has answered: nothing of it is waited for.
type mirror struct {
	entry.Mirror
	set    *Set
	inner  policy.Destination
	to     policy.Destination
	counts *branch
	missed *skipped
	busy   atomic.Int64 // copies under way
}

// What a copy may cost.
const (
	mirrorTime   = 15 * time.Second
	mirrorAnswer = 1 << 20  // bytes of the answer that are read, so that its connection can be used again
	mirrorRoom   = 64 << 10 // bytes of a body for which there is room before they have come
)

// mirrorHeader marks a copy for the upstream that gets it.
const mirrorHeader = "X-Portico-Mirror"

func (s *Set) newMirror(m entry.Mirror, k kept, inner, to policy.Destination) *mirror {
	return &mirror{Mirror: m, set: s, inner: inner, to: to, counts: k.mirrored, missed: k.skipped}
}

// Call implements policy.Destination.
func (m *mirror) Call(ctx context.Context, ex *policy.Exchange) error {
	if !m.drawn(ex) {
		return m.inner.Call(ctx, ex)
	}
	if ex.Body != nil && (ex.BodyLength < 0 || ex.BodyLength > m.MaxBodyBytes || len(ex.Body.Trailer.Fields()) > 0) {
		m.missed.body.Add(1)
		return m.inner.Call(ctx, ex)
	}
	if m.busy.Add(1) > int64(m.Concurrency) {
		m.busy.Add(-1)
		m.missed.busy.Add(1)
		return m.inner.Call(ctx, ex)
	}
	twin := copied(ex)
	body, read, begun := ex.Body, (*reading)(nil), false
	defer func() { // also after a panic
		if ex.Body = body; !begun {
			m.busy.Add(-1)
		}
	}()
	if body != nil {
		body.Share() // what is read of the copy may outlive the call
		read = &reading{from: body, length: int(ex.BodyLength), kept: make([]byte, 0, min(ex.BodyLength, mirrorRoom))}
		body.Share() // whoever reads the copy, reads it
		ex.Body = policy.NewBody(read)
	}
	err := m.inner.Call(ctx, ex)
	if read != nil {
		kept, whole := read.whole()
		if !whole {
			m.missed.body.Add(1)
			return err
		}
		twin.Body, twin.BodyLength = policy.NewBody(bytes.NewReader(kept)), ex.BodyLength
	}
	begun = m.begin(twin)
	return err
}

// DecideSide implements policy.Sided.
func (m *mirror) DecideSide(ex *policy.Exchange) string {
	if d, ok := m.inner.(policy.Sided); ok {
		return d.DecideSide(ex)
	}
	return ""
}

func (m *mirror) drawn(ex *policy.Exchange) bool {
	if !m.AllMethods {
		switch ex.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
		default:
			return false
		}
	}
	return m.PerMille >= 1000 || int(m.set.random()%lots) < m.PerMille
}

// begin sends a copy, unless the set is closed, and reports whether it does.
func (m *mirror) begin(twin *policy.Exchange) bool {
	m.set.mu.Lock()
	defer m.set.mu.Unlock()
	if m.set.ctx.Err() != nil {
		return false
	}
	m.set.copying.Add(1)
	go m.send(twin)
	return true
}

func (m *mirror) send(twin *policy.Exchange) {
	defer m.set.copying.Done()
	defer m.busy.Add(-1)
	ctx, cancel := context.WithTimeout(m.set.ctx, mirrorTime)
	defer cancel()
	start, status := m.set.now(), 0
	defer func() {
		if thrown := recover(); thrown != nil { // no lane is above: it must not take the node down
			m.set.log.Error("a copy of a call panicked", "panic", thrown, "stack", string(debug.Stack()), "request", twin.RequestID)
			if status == 0 {
				m.counts.add(twin.Shard, http.StatusInternalServerError, m.set.now().Sub(start))
			}
		}
	}()
	defer func() {
		if twin.Answer.Body != nil {
			_ = twin.Answer.Body.Close()
		}
	}()
	err := m.to.Call(ctx, twin)
	took := m.set.now().Sub(start)
	status = statusOf(twin, err)
	if status == policy.StatusGone { // no caller is here: it is the mirror that was too slow
		status = http.StatusGatewayTimeout
	}
	m.counts.add(twin.Shard, status, took)
	if twin.Answer.Body != nil {
		_, _ = io.CopyN(io.Discard, twin.Answer.Body, mirrorAnswer)
	}
}

// copied returns a request that shares no memory with the exchange, which
// belongs to another call soon.
func copied(ex *policy.Exchange) *policy.Exchange {
	twin := &policy.Exchange{
		Method: strings.Clone(ex.Method), Target: strings.Clone(ex.Target), Authority: strings.Clone(ex.Authority), Host: strings.Clone(ex.Host),
		Proto: ex.Proto, Secure: ex.Secure, Peer: ex.Peer, Client: ex.Client, Trusted: ex.Trusted,
		Now: ex.Now, Mono: ex.Mono, RequestID: strings.Clone(ex.RequestID),
		Query: strings.Clone(ex.Query), UpstreamPath: strings.Clone(ex.UpstreamPath),
		Scope: ex.Scope, Caller: ex.Caller, Shard: ex.Shard,
	}
	for _, f := range ex.Header.Fields() {
		twin.Header.Add(strings.Clone(f.Name), strings.Clone(f.Value))
	}
	twin.Header.Add(mirrorHeader, "1")
	twin.ProveAs(ex)
	return twin
}

// reading keeps what is read of a body on its way to the call's own upstream.
type reading struct {
	from   *policy.Body
	length int
	kept   []byte
	ended  atomic.Bool // everything was read: kept does not change any more
}

// Read implements io.Reader.
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if room := r.length - len(r.kept); room > 0 && !r.ended.Load() {
		r.kept = append(r.kept, p[:min(n, room)]...)
		if len(r.kept) == r.length {
			r.ended.Store(true)
		}
	}
	return n, err
}

// whole returns the body once all of it was read. Whoever still reads it then
// finds its end alone.
func (r *reading) whole() ([]byte, bool) {
	if !r.ended.Load() {
		return nil, false
	}
	return r.kept, true
}
