package usage

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestCallsAreServedWhileAPieceIsCut has one core, and bytes that come for a call just
// before: who waits for them must not wait until the shipper is done. With
// runtime.Gosched in the place of the pause it did.
func TestCallsAreServedWhileAPieceIsCut(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s, err := Open(Options{Dir: t.TempDir(), Environment: "production"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range pieceCalls {
		s.Complete(s.Take(0, &Begin{At: time.Now(), Method: "GET"}), &Call{Status: 200})
	}
	seg, tmp := s.lanes[0].current.Load(), newScratch()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	far, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	var served atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := near.Read(make([]byte, 1)); err == nil {
			served.Store(true)
		}
	}()
	time.Sleep(20 * time.Millisecond) // it waits for the network by now
	if _, err := far.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	tmp.number(seg, 0, pieceCalls)
	if !served.Load() {
		t.Error("it was served only afterwards")
	}
	<-done
	if tmp.calls != pieceCalls {
		t.Errorf("%d calls were numbered", tmp.calls)
	}
}
