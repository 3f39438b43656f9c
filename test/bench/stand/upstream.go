package stand

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
)

// The bodies that the upstream answers with: SmallBody bytes of JSON, or
// LargeBody where the path ends in /large.
const (
	SmallBody = 1031
	LargeBody = 1 << 20
)

// serveUpstream reads requests whole and answers them. It is written to cost
// little, since on two cores it shares one with the loader: no more than what
// HTTP/1.1 between friends needs.
func serveUpstream([]string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	small, large := answers()
	err = answer(l, small, func(c net.Conn) {
		defer c.Close()
		_ = talk(c, small, large) // to its end, whatever that is
	})
	return l.Addr().String(), err
}

func talk(c net.Conn, small, large []byte) error {
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		isLarge, length, chunked, err := head(in)
		if err != nil {
			return err
		}
		if chunked {
			if _, err = io.Copy(io.Discard, httputil.NewChunkedReader(in)); err == nil {
				_, err = in.ReadSlice('\n') // no trailers come
			}
		} else {
			_, err = in.Discard(length)
		}
		if err != nil {
			return err
		}
		out := small
		if isLarge {
			out = large
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

func answers() (small, large []byte) {
	with := func(n int) []byte {
		const begin, end = `{"id":"42","text":"`, `"}`
		body := begin + strings.Repeat("x", n-len(begin)-len(end)) + end
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body)
	}
	return with(SmallBody), with(LargeBody)
}

// head reads a request's head, and of it what matters.
func head(in *bufio.Reader) (isLarge bool, length int, chunked bool, err error) {
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(line) == 0 && !first:
			return isLarge, length, chunked, nil
		case first:
			path, _, _ := bytes.Cut(line, []byte(" HTTP/"))
			isLarge = bytes.HasSuffix(path, []byte("/large"))
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return false, 0, false, err
			}
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
}
