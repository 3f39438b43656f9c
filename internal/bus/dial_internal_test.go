package bus

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// writes is a connection that keeps what is written, and fails after so many bytes.
type writes struct {
	net.Conn
	all     []byte
	largest int
	most    int
}

var errFull = errors.New("full")

func (w *writes) Write(b []byte) (int, error) {
	w.largest = max(w.largest, len(b))
	n := min(len(b), w.most-len(w.all))
	w.all = append(w.all, b[:n]...)
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestWhatIsLargeIsWrittenInPieces(t *testing.T) {
	large := bytes.Repeat([]byte("usage "), 50_000)
	for _, size := range []int{0, 1, onePiece, onePiece + 1, len(large)} {
		to := &writes{most: len(large)}
		n, err := inPieces{to}.Write(large[:size])
		if n != size || err != nil || !bytes.Equal(to.all, large[:size]) || to.largest > onePiece {
			t.Errorf("of %d bytes: wrote %d, %v, %d at a time at most", size, n, err, to.largest)
		}
	}
	to := &writes{most: onePiece + 10}
	if n, err := (inPieces{to}).Write(large); n != onePiece+10 || !errors.Is(err, errFull) {
		t.Errorf("to one that takes less: wrote %d, %v", n, err)
	}
}
