package cache

import (
	"errors"
	"io"
)

// Filling is the body of an answer that is stored while somebody reads it. It is
// stored once it was read to its end, and not at all where it breaks off or is
// larger than it may be.
type Filling struct {
	Source io.ReadCloser
	Store  *Store
	Flight *Flight
	Answer *Answer
	Length int64 // that the body will have; -1 not known
	Limit  int64 // that it may have, in bytes
	// Refused reports, at the end, whether it must not be stored after all.
	Refused func() bool

	read     int64
	reserved int64
	over     bool // nothing is kept any more
}

// Read implements io.Reader.
func (f *Filling) Read(p []byte) (int, error) {
	n, err := f.Source.Read(p)
	if n > 0 && !f.over {
		f.keep(p[:n])
	}
	if f.over {
		return n, err
	}
	switch {
	case errors.Is(err, io.EOF) && (f.Length < 0 || f.read == f.Length), err == nil && f.Length >= 0 && f.read == f.Length:
		f.Commit()
	case err != nil:
		f.abandon()
	}
	return n, err
}

// keep appends what was read, within the limits.
func (f *Filling) keep(piece []byte) {
	f.read += int64(len(piece))
	body := f.Answer.Body
	if need := int64(len(body) + len(piece)); need > int64(cap(body)) {
		size := max(need, 2*int64(cap(body)), 4<<10)
		if f.Length >= 0 {
			size = f.Length
		}
		if size = min(size, f.Limit); need > size || !f.Store.Reserve(size-f.reserved) {
			f.abandon()
			return
		}
		f.reserved = size
		body = append(make([]byte, 0, size), body...)
	}
	f.Answer.Body = append(body, piece...)
}

// Commit stores the answer, with what was read as its body.
func (f *Filling) Commit() {
	if f.over {
		return
	}
	if f.Flight.Spoiled() || f.Refused() {
		f.abandon()
		return
	}
	f.over = true
	key, address := f.Flight.Key()
	f.Store.Put(key, address, f.Answer, f.reserved)
	f.Flight.End()
}

func (f *Filling) abandon() {
	if f.over {
		return
	}
	f.over = true
	f.Answer.Body = nil
	f.Store.Release(f.reserved)
	f.Flight.End()
}

// Ready reports whether the next Read need not wait.
func (f *Filling) Ready() bool {
	r, ok := f.Source.(interface{ Ready() bool })
	return ok && r.Ready()
}

// Close implements io.Closer.
func (f *Filling) Close() error {
	f.abandon()
	return f.Source.Close()
}

// Reader reads a stored body.
type Reader struct{ rest []byte }

// NewReader returns a reader of a body, or of a part of one.
func NewReader(body []byte) Reader { return Reader{body} }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Rest returns what was not read, which nobody may write to.
func (r *Reader) Rest() []byte { return r.rest }

// Ready reports that no Read waits.
func (*Reader) Ready() bool { return true }

// Close implements io.Closer.
func (*Reader) Close() error { return nil }
