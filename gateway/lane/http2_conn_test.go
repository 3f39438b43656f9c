package lane

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestResetsCannotBeSavedUp resets streams that have ended, no more often than is
// free, and then has calls cut off by the server: those are bounded as ever.
func TestResetsCannotBeSavedUp(t *testing.T) {
	l := New(nil, Times{}, slog.New(slog.DiscardHandler))
	c := newHTTP2Conn(nil, l)
	for n := range int(time.Hour/time.Second) * resetsPerSecond {
		l.now.Add(int64(time.Second / resetsPerSecond))
		if !c.frame(frameReset, 0) {
			t.Fatalf("reset %d is one too many", n)
		}
	}
	calls := 0
	for ; c.frame(frameHeaders, flagEnd|flagHeadIn); calls++ {
		if calls > 2*maxResets {
			t.Fatalf("%d calls were cut off, and the connection goes on", calls)
		}
		c.cutOff()
	}
	if calls < maxResets {
		t.Errorf("the connection ended after %d calls that were cut off", calls)
	}
}

// inPieces is a connection whose bytes come a few at a time.
type inPieces struct {
	net.Conn
	left []byte
	size int
}

func (c *inPieces) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left[:min(c.size, len(c.left))])
	c.left = c.left[n:]
	return n, nil
}

func (c *inPieces) SetReadDeadline(time.Time) error { return nil }

// FuzzHTTP2Conn: however the bytes come and are taken, what passes is what came
// in whole heads of frames, up to the frame by which x/net/http2's reading of
// them goes too far; in that one's place stands enough.
func FuzzHTTP2Conn(f *testing.F) {
	ping := "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"
	for _, s := range []string{
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00", ping + ping, "\x00\x00\x01\x01\x04\x00\x00\x00\x01\x82\x00\x00\x01\x09\x04\x00\x00\x00\x01\x82", "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",
		"\x00\x00\x01\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x09\x00\x00\x00\x00\x01", "\x00\x10\x00\x00\x00\x00\x00\x00\x01" + string(make([]byte, 1<<12)), "\x00",
	} {
		f.Add([]byte(s), uint16(1), uint16(3), uint16(5))
		f.Add([]byte(s), uint16(1200), uint16(4000), uint16(4000))
	}
	l := New(nil, Times{}, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, frames []byte, times, size, room uint16) {
		raw := []byte(http2.ClientPreface)
		for range 1 + times%1300 {
			if raw = append(raw, frames...); len(raw) > 1<<17 {
				break
			}
		}
		c := newHTTP2Conn(&inPieces{left: raw, size: 1 + int(size)}, l)
		var got []byte
		var err error
		for buf := make([]byte, 1+int(room)); err == nil; {
			var n int
			n, err = c.Read(buf)
			got = append(got, buf[:n]...)
		}
		passes, over := passing(raw[prefaceSize:])
		want := raw[:prefaceSize+passes]
		if over {
			want = append(bytes.Clone(want), enough[:]...)
		}
		if !bytes.Equal(got, want) || errors.Is(err, errFlood) != over {
			t.Fatalf("%q, %d times: %d bytes passed, want %d; %v, want it to go too far: %v", frames, 1+times%1300, len(got), len(want), err, over)
		}
	})
}

// passing is how much of some frames passes, all of which come at one moment and
// none of which is answered.
func passing(raw []byte) (n int, over bool) {
	pieces, idle, resets := 0, 0, 0
	for in := bytes.NewReader(raw); ; {
		head, err := http2.ReadFrameHeader(in)
		if err != nil { // what has come of a head is kept back
			return n, false
		}
		switch head.Type {
		case http2.FrameHeaders, http2.FrameContinuation:
			if pieces++; head.Flags.Has(http2.FlagHeadersEndHeaders) {
				pieces = 0
			}
		case http2.FrameRSTStream:
			resets++
		case http2.FrameWindowUpdate:
		case http2.FrameData:
			if head.Length == 0 && !head.Flags.Has(http2.FlagDataEndStream) {
				idle++
			}
		default:
			idle++
		}
		if pieces >= maxPieces || idle > maxIdleFrames || resets > maxResets {
			return n, true
		}
		n = min(n+frameHead+int(head.Length), len(raw))
		if _, err := in.Seek(int64(n), io.SeekStart); err != nil {
			return n, false
		}
	}
}
