package coding

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Limits bound what is unpacked.
type Limits struct {
	Bytes int64
	// Ratio is how many bytes may come of one. It is asked from FreeBytes on.
	Ratio int64
}

// FreeBytes is how much may be unpacked of however little: what compresses well
// and is small harms nobody.
const FreeBytes = 1 << 20

// The reasons why a body is not unpacked.
var (
	ErrTooLarge  = errors.New("what is packed in it is too large")
	ErrMalformed = errors.New("it is not packed as it says")
)

// maxWindow is how far back packed bytes may refer (RFC 9659 for zstd).
const maxWindow = 8 << 20

// Unpacked reads what is packed in a source. Reads end with ErrTooLarge,
// ErrMalformed, or the source's own error.
type Unpacked struct {
	source counted
	ahead  *bufio.Reader // of the source, for deflate alone
	reader io.Reader
	limits Limits
	out    int64
	err    error
}

// counted counts what is read, and keeps why it ended.
type counted struct {
	io.Reader
	read int64
	err  error
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	c.err = err
	return n, err
}

// Unpack returns a reader of what was packed by such a coding. It reads nothing
// before it is read.
func Unpack(c Coding, source io.Reader, limits Limits) *Unpacked {
	u := &Unpacked{source: counted{Reader: source}, limits: limits}
	switch c {
	case Gzip:
		u.reader = &later{open: func() (io.Reader, error) { return gzip.NewReader(&u.source) }}
	case Brotli:
		u.reader = brotli.NewReader(&u.source)
	case Zstd:
		u.reader = &later{open: func() (io.Reader, error) {
			d, err := zstd.NewReader(&u.source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow),
				zstd.WithDecoderMaxMemory(uint64(min(limits.Bytes, math.MaxInt32)+maxWindow)))
			return d, err
		}}
	default:
		u.reader = &later{open: func() (io.Reader, error) { return u.openDeflate() }}
	}
	return u
}

// later is a reader that is opened by its first Read.
type later struct {
	open   func() (io.Reader, error)
	reader io.Reader
}

// Read implements io.Reader.
func (l *later) Read(p []byte) (n int, err error) {
	if l.reader == nil {
		if l.reader, err = l.open(); err != nil {
			if errors.Is(err, io.EOF) { // within the head, and no end of what is packed
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return l.reader.Read(p)
}

// openDeflate reads deflate as RFC 9110 has it, in zlib's wrapping, and as some
// send it, without.
func (u *Unpacked) openDeflate() (io.Reader, error) {
	u.ahead = bufio.NewReader(&u.source)
	head, err := u.ahead.Peek(2)
	if err != nil && len(head) < 2 {
		return nil, io.ErrUnexpectedEOF
	}
	if head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(u.ahead)
	}
	return flate.NewReader(u.ahead), nil
}

// Read implements io.Reader.
func (u *Unpacked) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n, err := u.reader.Read(p)
	u.out += int64(n)
	switch {
	case u.out > u.limits.Bytes, u.out > FreeBytes && u.out > u.source.read*u.limits.Ratio:
		u.err = ErrTooLarge
		return 0, u.err
	case err == nil:
		return n, nil
	case u.source.read == 0 && errors.Is(u.source.err, io.EOF): // nothing is nothing, however packed
		u.err = io.EOF
	case errors.Is(err, io.EOF):
		u.err = u.drained()
	case u.source.err != nil && !errors.Is(u.source.err, io.EOF):
		u.err = u.source.err
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		u.err = ErrTooLarge
	default:
		u.err = ErrMalformed
	}
	return n, u.err
}

// drained reads the source to its end, at which nothing may be left.
func (u *Unpacked) drained() error {
	if u.ahead != nil && u.ahead.Buffered() > 0 {
		return ErrMalformed
	}
	var one [1]byte
	for u.source.err == nil {
		if n, _ := u.source.Read(one[:]); n > 0 {
			return ErrMalformed
		}
	}
	if errors.Is(u.source.err, io.EOF) {
		return io.EOF
	}
	return u.source.err
}
