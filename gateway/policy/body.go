package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"portico/gateway/socket"
)

// Body is a request's body as it streams in; nil is an empty one. It may be read
// beside the rest of the exchange, and by somebody who outlives that, as happens
// when an upstream answers before it has read everything: who wants to do so
// calls Share first.
type Body struct {
	// Trailer holds the names of announced trailers when the head was read, and
	// their values when Read has returned io.EOF.
	Trailer Header

	mu      sync.Mutex // held while source is read
	stopped bool       // guarded by mu
	shared  bool
	source  io.Reader
	limit   int64 // in bytes; 0 none
	read    atomic.Int64
	ended   atomic.Bool
	packed  bool   // source unpacks what comes, and counts that
	framed  bool   // source looks at how it begins
	put     bool   // rest is read in the place of source, which has ended; guarded by mu
	rest    []byte // read before source, or in its place; guarded by mu
	failed  atomic.Pointer[failure]
}

type failure struct{ error }

// NewBody returns a body that is read from source.
func NewBody(source io.Reader) *Body { return &Body{source: source} }

// Share says that another goroutine will read the body. Call it in the
// exchange's own.
func (b *Body) Share() { b.shared = true }

// Shared reports whether somebody may still hold the body after Stop. Then it
// must not be used again for another request.
func (b *Body) Shared() bool { return b.shared }

// Reset makes the body one that is read from source, and forgets the one
// before, which must not have been shared.
func (b *Body) Reset(source io.Reader) {
	b.Trailer.Reset()
	b.stopped, b.shared, b.source, b.limit = false, false, source, 0
	b.packed, b.framed, b.put, b.rest = false, false, false, nil
	b.read.Store(0)
	b.ended.Store(false)
	b.failed.Store(nil)
}

// Stop ends all reading, and returns when nobody reads any more. interrupt must
// make a read that waits for the caller fail.
func (b *Body) Stop(interrupt func()) {
	if !b.mu.TryLock() {
		if !b.ended.Load() {
			interrupt()
		}
		b.mu.Lock()
	}
	b.stopped = true
	b.mu.Unlock()
}

// Limit bounds the body to n bytes; reading more fails with a *Denied. The
// smallest bound holds.
func (b *Body) Limit(n int64) {
	if b.limit == 0 || n < b.limit {
		b.limit = n
	}
}

// Count returns how many bytes were read.
func (b *Body) Count() int64 {
	if b == nil {
		return 0
	}
	return b.read.Load()
}

// Ended reports whether the body was read to its end, or is empty.
func (b *Body) Ended() bool { return b == nil || b.ended.Load() }

// Begun reports whether any of the body was read, or it is empty: whoever waited
// to be asked for it waits no more.
func (b *Body) Begun() bool { return b.Ended() || b.Count() > 0 }

// Failure is Err, after waiting until a read that is under way is over, or for so
// long at most. It is for a call that ends because its caller cannot be read: that
// may be known before the reader has said why.
func (b *Body) Failure(wait time.Duration) error {
	if b == nil {
		return nil
	}
	for end := time.Now().Add(wait); !b.mu.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return b.Err()
		}
	}
	b.mu.Unlock()
	return b.Err()
}

// Err returns why reading failed: a *Denied, a *Broken or a *Thrown, nil if it
// did not.
func (b *Body) Err() error {
	if b == nil {
		return nil
	}
	if f := b.failed.Load(); f != nil {
		return f.error
	}
	return nil
}

// Read implements io.Reader. The error of a caller that goes away is a *Broken,
// that of one who sends nonsense or too much a *Denied.
func (b *Body) Read(p []byte) (int, error) {
	if err := b.Err(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return 0, ErrStopped
	}
	if b.put {
		n := copy(p, b.rest)
		if b.rest = b.rest[n:]; len(b.rest) == 0 {
			return n, io.EOF
		}
		return n, nil
	}
	if len(b.rest) > 0 { // what Peek has read
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	n, err := b.from(p)
	return b.took(n, err)
}

// from reads the source. A panic beside the exchange is a failure of the body.
func (b *Body) from(p []byte) (n int, err error) {
	if !b.shared {
		return b.source.Read(p) // a lane catches it
	}
	defer func() {
		if thrown := recover(); thrown != nil {
			n, err = 0, &Thrown{thrown, debug.Stack()}
		}
	}()
	return b.source.Read(p)
}

// Thrown is a panic in a goroutine beside a call's own, where no lane catches
// it and it would take the node down. Who starts one makes it this error.
type Thrown struct {
	Value any
	Stack []byte
}

// Error implements error.
func (t *Thrown) Error() string { return fmt.Sprintf("it panicked: %v", t.Value) }

// Fail makes reading fail, unless it has failed already.
func (b *Body) Fail(err error) { b.failed.CompareAndSwap(nil, &failure{err}) }

// Mover is a source of bodies that can pass them on unseen. Move is Read into
// an empty pipe; where that cannot be, it returns ErrUnmovable and has done
// nothing.
type Mover interface {
	Move(to *socket.Pipe) (int, error)
}

// ErrUnmovable says that a body, or what is left of it, must be read.
var ErrUnmovable = errors.New("the body cannot be passed on unseen")

// Move is Read into an empty pipe, by which nobody sees what is moved. Where
// that cannot be, it returns ErrUnmovable and has done nothing.
func (b *Body) Move(to *socket.Pipe) (int, error) {
	if err := b.Err(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return 0, ErrStopped
	}
	source, ok := b.source.(Mover)
	if !ok || b.put || len(b.rest) > 0 {
		return 0, ErrUnmovable
	}
	n, err := source.Move(to)
	if errors.Is(err, ErrUnmovable) {
		return 0, err
	}
	return b.took(n, err)
}

// took counts what was read, and says what its end means. mu is held.
func (b *Body) took(n int, err error) (int, error) {
	more := int64(n)
	if b.packed {
		more = 0
	}
	switch total := b.read.Add(more); {
	case b.limit > 0 && total > b.limit && !b.packed:
		n, err = 0, TooLarge(b.limit)
	case err == nil:
		return n, nil
	case err == ErrStopped: //nolint:errorlint // it is the lane's own
		return n, err
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
		return n, err
	default:
		if denied, thrown := (*Denied)(nil), (*Thrown)(nil); !errors.As(err, &denied) && !errors.As(err, &thrown) {
			err = &Broken{err}
		}
	}
	b.failed.Store(&failure{err})
	return n, err
}

// Unpack has what is left of the body read through another reader. Count and
// Limit stay those of what the caller sends. What Peek and Whole have kept is
// unpacked too.
func (b *Body) Unpack(through func(io.Reader) io.Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	source := b.source
	if !b.packed {
		source = &packedSource{b, source}
	}
	if b.put {
		source = bytes.NewReader(b.rest)
	} else if len(b.rest) > 0 {
		source = io.MultiReader(bytes.NewReader(b.rest), source)
	}
	b.put, b.rest = false, nil
	b.source, b.packed = through(source), true
}

// packedSource is what the caller sends of a body that is unpacked.
type packedSource struct {
	body   *Body
	source io.Reader
}

// Read implements io.Reader.
func (s *packedSource) Read(p []byte) (int, error) {
	n, err := s.source.Read(p)
	if total := s.body.read.Add(int64(n)); s.body.limit > 0 && total > s.body.limit {
		return 0, TooLarge(s.body.limit)
	}
	return n, err
}

// Whole reads the body to its end and keeps it as the body. One of more than
// limit bytes is refused. A nil body is empty.
func (b *Body) Whole(limit int64) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(b, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = TooLarge(limit)
	}
	if err != nil {
		return nil, err
	}
	b.Put(data)
	return data, nil
}

// Peek reads the body to its end if it has at most limit bytes, and keeps it as
// the body. Of a longer one it keeps what it has read to be read again before the
// rest, and reports false.
func (b *Body) Peek(limit int64) (data []byte, whole bool, err error) {
	if b == nil {
		return nil, true, nil
	}
	data, err = io.ReadAll(io.LimitReader(b, limit+1))
	if err != nil {
		return nil, false, err
	}
	if int64(len(data)) <= limit {
		b.Put(data)
		return data, true, nil
	}
	b.mu.Lock()
	b.rest = data
	b.mu.Unlock()
	return nil, false, nil
}

// Put makes the body, which must have been read to its end, one that holds data.
func (b *Body) Put(data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put, b.rest = true, data
}

// ErrStopped is what reading a body fails with once nobody wants it any more,
// such as when the answer is there. It is nobody's fault.
var ErrStopped = errors.New("the request's body is not read any more")

// Broken is the failure of the caller's side: it went away or stalled. It
// is not the upstream's fault.
type Broken struct{ Cause error }

// Error implements error.
func (e *Broken) Error() string { return "caller: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *Broken) Unwrap() error { return e.Cause }
