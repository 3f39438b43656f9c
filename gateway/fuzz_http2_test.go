package gateway_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzNodeHTTP2 gives a whole node whatever bytes behind the preface of HTTP/2.
// Nothing may panic or hang; what comes back must be whole frames; and what
// reaches the upstream must be a call that x/net/http2 reads in the same bytes.
func FuzzNodeHTTP2(f *testing.F) {
	const path = "/demo/orders/v1/do/echo"
	frames := func(write func(fr *http2.Framer, head func(pairs ...string) []byte)) []byte {
		var out, text bytes.Buffer
		enc := hpack.NewEncoder(&text)
		fr := http2.NewFramer(&out, nil)
		fr.AllowIllegalWrites = true
		fr.WriteSettings()
		write(fr, func(pairs ...string) []byte {
			text.Reset()
			for i := 0; i < len(pairs); i += 2 {
				enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
			}
			return bytes.Clone(text.Bytes())
		})
		return out.Bytes()
	}
	post := func(more ...string) []string {
		return append([]string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", path}, more...)
	}
	for _, s := range [][]byte{
		frames(func(fr *http2.Framer, head func(...string) []byte) {
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(request(path, "a", "b")...), EndStream: true, EndHeaders: true})
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: head(post("content-length", "5")...), EndHeaders: true})
			fr.WriteData(3, false, []byte("hel"))
			fr.WriteData(3, true, []byte("lo"))
		}),
		frames(func(fr *http2.Framer, head func(...string) []byte) {
			block := head(post("transfer-encoding", "chunked", "connection", "close")...)
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:9]})
			fr.WriteContinuation(1, true, block[9:])
			fr.WriteDataPadded(1, false, []byte("5\r\nhello\r\n0\r\n\r\n"), make([]byte, 4))
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("trailer", "x"), EndHeaders: true, EndStream: true})
		}),
		frames(func(fr *http2.Framer, head func(...string) []byte) {
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(post("content-length", "2", "expect", "100-continue")...), EndHeaders: true})
			fr.WriteData(1, true, []byte("three"))
			fr.WritePing(false, [8]byte{1})
			fr.WriteWindowUpdate(0, 1<<31-1)
			fr.WriteRSTStream(1, http2.ErrCodeCancel)
		}),
	} {
		f.Add(s, uint16(20))
		f.Add(s, uint16(60_000))
	}
	r, saw, log := fuzzed(f)
	from := addresses()
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		if len(raw) > 100<<10 {
			return
		}
		own := from()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: own}}).Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(8 * time.Second))
		at := min(int(cut), len(raw))
		io.WriteString(conn, http2.ClientPreface+string(raw[:at]))
		if at < len(raw) {
			time.Sleep(time.Millisecond)
		}
		conn.Write(raw[at:])
		conn.(*net.TCPConn).CloseWrite()
		text, err := io.ReadAll(conn)
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%q hangs after %q", raw, text)
		}
		if said := log.said(); said != "" {
			t.Fatalf("%q: %s", raw, said)
		}
		if err == nil { // else it was reset, with what had not been read
			for in := http2.NewFramer(nil, bytes.NewReader(text)); ; {
				if _, err := in.ReadFrame(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%q is answered by %q: %v", raw, text, err)
				}
			}
		}
		theirs := readByHTTP2(raw)
		for _, got := range saw(own) {
			at := slices.Index(theirs, got)
			if at < 0 {
				t.Fatalf("%q: the upstream got %q, which x/net/http2 does not read there", raw, got)
			}
			theirs = slices.Delete(theirs, at, at+1)
		}
	})
}

// readByHTTP2 are method and body of the calls that were sent to their end.
func readByHTTP2(raw []byte) (calls []string) {
	in := http2.NewFramer(nil, bytes.NewReader(raw))
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	open := map[uint32]string{}
	for {
		frame, err := in.ReadFrame()
		if frame == nil || err != nil {
			if _, ofStream := err.(http2.StreamError); ofStream {
				continue
			}
			return calls
		}
		id, ended := frame.Header().StreamID, false
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if _, trailers := open[id]; !trailers {
				open[id] = frame.PseudoValue("method") + " "
			}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			open[id] += string(frame.Data())
			ended = frame.StreamEnded()
		}
		if ended {
			calls = append(calls, open[id])
			delete(open, id)
		}
	}
}
