package lane

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// recorder is a connection that keeps what each write had, and lets one through
// when it is told to.
type recorder struct {
	net.Conn
	writes chan []byte
	let    chan struct{}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.writes <- bytes.Clone(p)
	<-r.let
	return len(p), nil
}

func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

func gatheredOver(t *testing.T, c net.Conn, times Times) *gathered {
	t.Helper()
	l := New(nil, times, slog.New(slog.DiscardHandler))
	t.Cleanup(l.full.workers.close)
	return &gathered{Conn: c, full: l.full}
}

func TestWhatIsWrittenMeanwhileGoesOutTogether(t *testing.T) {
	r := &recorder{writes: make(chan []byte, 8), let: make(chan struct{}, 8)}
	g := gatheredOver(t, r, Times{})
	write := func(s string) {
		t.Helper()
		if n, err := g.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	write("first")
	if got := <-r.writes; string(got) != "first" {
		t.Fatalf("sent %q", got)
	}
	for _, s := range []string{"a", "b", "c", "d"} { // while the first is on its way
		write(s)
	}
	r.let <- struct{}{}
	if got := <-r.writes; string(got) != "abcd" {
		t.Errorf("sent %q, want all that waited in one write", got)
	}
	r.let <- struct{}{}
}

// pair is the two ends of a connection by TCP.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted sync.WaitGroup
	accepted.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		ours = c.(*net.TCPConn)
	})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if accepted.Wait(); ours == nil {
		t.FailNow()
	}
	theirs = c.(*net.TCPConn)
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return ours, theirs
}

func TestWhatIsGatheredArrivesInOrderAndWholeBeforeTheEnd(t *testing.T) {
	ours, theirs := pair(t)
	g := gatheredOver(t, ours, Times{})
	random := rand.New(rand.NewPCG(1, 2))
	var want []byte
	for len(want) < 8<<20 {
		piece := make([]byte, 1+random.IntN(3000))
		if random.IntN(20) == 0 {
			piece = make([]byte, 3*gatherRoom)
		}
		for i := range piece {
			piece[i] = byte(random.Uint32())
		}
		want = append(want, piece...)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		got, err := io.ReadAll(theirs)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived of %d, %v", len(got), len(want), err)
		}
	})
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 1+random.IntN(2*gatherRoom))
		if _, err := g.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if _, err := g.Write([]byte("late")); err == nil {
		t.Error("a closed connection takes something")
	}
	reading.Wait()
}

func TestGatheringEndsWithAClientThatDoesNotRead(t *testing.T) {
	for what, closes := range map[string]bool{"while it is written to": false, "when it is closed": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ours, _ := pair(t)
			times := Times{Write: 200 * time.Millisecond}
			if closes {
				times.Write = time.Minute
			}
			g := gatheredOver(t, ours, times)
			var writing sync.WaitGroup
			var taken atomic.Int64
			writing.Go(func() {
				for {
					n, err := g.Write(make([]byte, 1000))
					taken.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			if closes {
				for last := int64(-1); last != taken.Load(); time.Sleep(100 * time.Millisecond) { // until nothing more goes
					last = taken.Load()
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			}
			writing.Wait()
			if most := 16 << 20; taken.Load() > int64(most) {
				t.Errorf("%d bytes were taken of a client that reads none", taken.Load())
			}
			if closes {
				for g.full.leaving.Load() != 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}
