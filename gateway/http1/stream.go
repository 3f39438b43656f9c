package http1

import (
	"bytes"
	"strings"
)

// Stream follows the bytes that a client sends through heads, bodies, chunks
// and trailers. It buffers nothing but an unfinished line of a chunk; heads
// must be given to it whole. The zero value expects a head.
type Stream struct {
	state state
	left  int64  // of a body or a chunk, in bytes
	line  []byte // of a chunk's size or a trailer, as far as it has come
	count int    // bytes and lines of trailers and extensions
	head  Head
}

type state uint8

const (
	atHead state = iota
	inBody
	atChunkSize
	inChunk
	afterChunk
	atTrailer
)

// Head returns the last head that Begin read. It is overwritten by the next.
func (s *Stream) Head() *Head { return &s.head }

// AtHead reports whether the next byte belongs to a head.
func (s *Stream) AtHead() bool { return s.state == atHead }

// Begin reads a whole head and expects its body next.
func (s *Stream) Begin(head []byte) *Error {
	if err := s.head.Parse(head); err != nil {
		return err
	}
	switch s.left = s.head.Length; {
	case s.left > 0:
		s.state = inBody
	case s.left < 0:
		s.state, s.count, s.line = atChunkSize, 0, s.line[:0]
	}
	return nil
}

// Body follows body bytes and returns how many of b belong to the body. It is
// less than len(b) only when the body has ended.
func (s *Stream) Body(b []byte) (n int, err *Error) {
	for n < len(b) && s.state != atHead {
		switch s.state {
		case inBody, inChunk:
			take := min(int64(len(b)-n), s.left)
			n += int(take)
			if s.left -= take; s.left > 0 {
				continue
			}
			if s.state == inBody {
				s.state = atHead
			} else {
				s.state = afterChunk
			}
		default:
			end := bytes.IndexByte(b[n:], '\n')
			if end < 0 {
				s.line = append(s.line, b[n:]...)
				n = len(b)
				if len(s.line) > 8<<10 {
					return n, bad("A line of the chunked body is too long.")
				}
				continue
			}
			s.line = append(s.line, b[n:n+end+1]...)
			n += end
			if err := s.endLine(); err != nil {
				return n, err // nobody sees its end
			}
			n++
			s.line = s.line[:0]
		}
	}
	return n, nil
}

func (s *Stream) endLine() *Error {
	line, _, err := cutLine(s.line)
	if err != nil || strings.IndexByte(line, '\r') >= 0 {
		return bad("A line of the chunked body does not end with CR LF.")
	}
	if s.count += len(line); s.count > MaxHeadBytes {
		return bad("The chunked body has too many extensions or trailers.")
	}
	switch s.state {
	case afterChunk:
		if line != "" {
			return bad("A chunk is longer than it said.")
		}
		s.state = atChunkSize
	case atChunkSize:
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if s.left, s.state = size, inChunk; size == 0 {
			s.state = atTrailer
		}
		s.count -= min(len(line), 16) // sizes alone are not held against a long body
	case atTrailer:
		if line == "" {
			s.state = atHead
			return nil
		}
		if _, err := parseTrailer(line); err != nil {
			return err
		}
	}
	return nil
}

// parseTrailer reads a line of the trailers. Fields that would change what was
// decided by the head are refused.
func parseTrailer(line string) (Field, *Error) {
	f, err := ParseField(line)
	if err != nil {
		return f, err
	}
	for _, name := range [...]string{"Content-Length", "Transfer-Encoding", "Host", "Authorization", "Trailer", "Connection"} {
		if fold(f.Name, name) {
			return f, bad("The trailer " + name + " is not allowed.")
		}
	}
	return f, nil
}

// chunkSize reads the line before a chunk. Extensions are accepted, as far as
// they hold no control characters, and mean nothing.
func chunkSize(line string) (int64, *Error) {
	n, i := int64(0), 0
	for ; i < len(line); i++ {
		digit := strings.IndexByte("0123456789abcdef", lower(line[i]))
		if digit < 0 {
			break
		}
		if i == 15 {
			return 0, bad("A chunk is too large.")
		}
		n = n<<4 | int64(digit)
	}
	if i == 0 || i < len(line) && line[i] != ';' {
		return 0, bad("A chunk does not begin with its size.")
	}
	for _, c := range []byte(line[i:]) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return 0, bad("A chunk's extension holds a control character.")
		}
	}
	return n, nil
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
