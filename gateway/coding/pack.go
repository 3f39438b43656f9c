package coding

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Level is how much work packing may be.
type Level uint8

// The levels. Balanced is the default.
const (
	Balanced Level = iota
	Fast
	Best
)

// window is how far back packed bytes refer, at most: what an unpacker has to
// keep, and most of what a packer takes.
const (
	windowBits = 18
	window     = 1 << windowBits
)

// Packers lends packers of one level. Make it with NewPackers.
type Packers struct {
	level Level
	most  int64
	lent  atomic.Int64
	pools [codings]sync.Pool
}

// NewPackers returns packers of a level, at most so many at once.
func NewPackers(level Level, most int) *Packers {
	p := &Packers{level: level, most: int64(most)}
	p.pools[Gzip].New = func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, [...]int{5, 1, 9}[level]) // the level is one
		return &work{packer: w}
	}
	p.pools[Brotli].New = func() any {
		return &work{packer: brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: [...]int{4, 1, 9}[level], LGWin: windowBits})}
	}
	p.pools[Zstd].New = func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window),
			zstd.WithEncoderLevel([...]zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedFastest, zstd.SpeedBetterCompression}[level])) // the options are good
		return &work{packer: w}
	}
	return p
}

// packer is what all libraries have.
type packer interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// work is what packing takes.
type work struct {
	packer
	in [16 << 10]byte
}

// Packed is a body that is packed while it is read. What has come does not wait
// for what has not.
type Packed struct {
	from    *Packers
	coding  Coding
	source  io.ReadCloser
	ready   interface{ Ready() bool } // nil: the source does not say
	streams bool
	work    *work // nil once it is over
	out     bytes.Buffer
	err     error // once out is empty
}

// Pack returns a body that packs another one, or nil where too many do. streams
// says that each part of it is to be read as soon as it has come, where the source
// does not say itself whether more has.
func (p *Packers) Pack(c Coding, source io.ReadCloser, streams bool) *Packed {
	if p.lent.Add(1) > p.most {
		p.lent.Add(-1)
		return nil
	}
	b := &Packed{from: p, coding: c, source: source, streams: streams, work: p.pools[c].Get().(*work)}
	b.ready, _ = source.(interface{ Ready() bool })
	b.work.Reset(&b.out)
	return b
}

// Read implements io.Reader.
func (b *Packed) Read(p []byte) (int, error) {
	for b.out.Len() == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.fill()
	}
	return b.out.Read(p)
}

// fill packs what the source has next.
func (b *Packed) fill() {
	n, err := b.source.Read(b.work.in[:])
	if n > 0 {
		if _, failed := b.work.Write(b.work.in[:n]); failed != nil {
			err = failed
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		if b.err = io.EOF; b.work.Close() != nil { // it writes to memory
			b.err = io.ErrUnexpectedEOF
		}
		b.release()
	case err != nil: // what was packed is not whole, and the missing end says so
		b.err = err
		b.release()
	case b.ready != nil && !b.ready.Ready(), b.ready == nil && b.streams:
		b.err = b.work.Flush()
	}
}

// Ready reports whether the next Read need not wait.
func (b *Packed) Ready() bool {
	return b.out.Len() > 0 || b.err != nil || b.ready != nil && b.ready.Ready()
}

// Close implements io.Closer.
func (b *Packed) Close() error {
	b.release()
	return b.source.Close()
}

// release gives the packer back.
func (b *Packed) release() {
	if b.work == nil {
		return
	}
	b.work.Reset(io.Discard)
	b.from.pools[b.coding].Put(b.work)
	b.from.lent.Add(-1)
	b.work = nil
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
}
