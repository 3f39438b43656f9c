package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unsafe"
)

// Source is where a body's bytes come from: a connection, and what was read
// from it ahead.
type Source interface {
	// Buffered returns what was read ahead. It is valid until the next call.
	Buffered() []byte
	// Discard takes the first n of the buffered bytes away.
	Discard(n int)
	// Fill reads more into the buffer, at least one byte. It returns io.EOF
	// only at the end of the connection, with nothing read.
	Fill() error
	// Direct reads past the buffer, which must be empty.
	Direct(p []byte) (int, error)
}

// MaxLine bounds a line between chunks; a Source's buffer has room for it.
const MaxLine = 4 << 10

// Body decodes one body from a connection, byte for byte where its length is
// known, else chunk by chunk (RFC 9112 section 7.1). Begin it anew for each
// message; it is not safe for concurrent use.
type Body struct {
	Trailers []Field // complete at the end of a chunked body; owned

	state  bodyState
	left   int64 // of the body, or of a chunk
	count  int   // bytes of extensions and trailers
	padded bool  // sizes may be padded with spaces
}

type bodyState uint8

const (
	bodyEnded bodyState = iota
	bodyLength
	bodyClose
	chunkSizeLine
	chunkData
	chunkEnd
	trailerLine
)

// Begin expects a body of length bytes, Chunked or UntilClose. Unless it is
// strict, as it is for requests, sizes of chunks may be padded with spaces, as
// some old servers do.
func (b *Body) Begin(length int64, strict bool) {
	b.Trailers, b.left, b.count, b.padded = nil, max(length, 0), 0, !strict
	switch {
	case length == Chunked:
		b.state = chunkSizeLine
	case length == UntilClose:
		b.state = bodyClose
	case length == 0:
		b.state = bodyEnded
	default:
		b.state = bodyLength
	}
}

// Ended reports whether the body was read to its end.
func (b *Body) Ended() bool { return b.state == bodyEnded }

// Ready reports whether the next Read finds something without waiting, as far
// as the buffered bytes tell.
func (b *Body) Ready(ahead []byte) bool {
	switch b.state {
	case bodyEnded:
		return true
	case bodyLength, bodyClose, chunkData:
		return len(ahead) > 0
	}
	at := bytes.IndexByte(ahead, '\n')
	return at >= 0 && at < len(ahead)-1
}

// Left returns how many bytes are to come of a body whose length is known; 0 of
// any other.
func (b *Body) Left() int64 {
	if b.state == bodyLength {
		return b.left
	}
	return 0
}

// Skip says that n of the bytes that were Left came another way.
func (b *Body) Skip(n int) {
	if b.left -= int64(n); b.left == 0 {
		b.state = bodyEnded
	}
}

// Read reads into p what is there, and waits only when nothing is. It returns
// io.EOF at the end of the body, which may come with the last bytes,
// io.ErrUnexpectedEOF when the connection ends before, and an *Error for bytes
// that are no body.
func (b *Body) Read(p []byte, from Source) (n int, err error) {
	for {
		switch b.state {
		case bodyEnded:
			return n, io.EOF
		case bodyLength, bodyClose, chunkData:
			took, err := b.data(p[n:], n > 0, from)
			n += took
			if err != nil || b.state == bodyEnded || took == 0 || n == len(p) && b.state != chunkEnd {
				if err == nil && b.state == bodyEnded {
					err = io.EOF
				}
				return n, err
			}
		default:
			if bytes.IndexByte(from.Buffered(), '\n') < 0 && n > 0 {
				return n, nil
			}
			if err := b.line(from); err != nil {
				return n, err
			}
		}
	}
}

// data reads a part of the body. It reads from the connection only when
// nothing else was found to return.
func (b *Body) data(p []byte, found bool, from Source) (n int, err error) {
	if b.state != bodyClose && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if ahead := from.Buffered(); len(ahead) > 0 {
		n = copy(p, ahead)
		from.Discard(n)
	} else if !found && len(p) > 0 {
		n, err = from.Direct(p)
	}
	if b.state == bodyClose {
		if errors.Is(err, io.EOF) {
			b.state = bodyEnded
		}
		return n, err
	}
	if b.left -= int64(n); b.left == 0 {
		if b.state == bodyLength {
			b.state = bodyEnded
		} else {
			b.state = chunkEnd
		}
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// line reads one line between chunks or of the trailers.
func (b *Body) line(from Source) error {
	ahead := from.Buffered()
	end := bytes.IndexByte(ahead, '\n')
	for end < 0 {
		if len(ahead) >= MaxLine {
			return bad("A line of the chunked body is too long.")
		}
		if err := from.Fill(); errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
		ahead = from.Buffered()
		end = bytes.IndexByte(ahead, '\n')
	}
	if end == 0 || bytes.IndexByte(ahead[:end], '\r') != end-1 {
		return bad("A line of the chunked body does not end with CR LF.")
	}
	text := ahead[:end-1]
	if err := b.endLine(unsafe.String(unsafe.SliceData(text), len(text))); err != nil {
		return err
	}
	from.Discard(end + 1)
	return nil
}

func (b *Body) endLine(line string) *Error {
	if b.count += len(line); b.count > MaxHeadBytes {
		return bad("The chunked body has too many extensions or trailers.")
	}
	switch b.state {
	case chunkEnd:
		if line != "" {
			return bad("A chunk is longer than it said.")
		}
		b.state = chunkSizeLine
	case chunkSizeLine:
		if b.padded {
			line = strings.TrimRight(line, " \t")
		}
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if b.left, b.state = size, chunkData; size == 0 {
			b.state = trailerLine
		}
		b.count -= min(len(line), 16) // sizes alone are not held against a long body
	case trailerLine:
		if line == "" {
			b.state = bodyEnded
			return nil
		}
		f, err := parseTrailer(line)
		if err != nil {
			return err
		}
		if len(b.Trailers) == MaxFields {
			return bad("The chunked body has too many trailers.")
		}
		b.Trailers = append(b.Trailers, Field{strings.Clone(f.Name), strings.Clone(f.Value)})
	}
	return nil
}
