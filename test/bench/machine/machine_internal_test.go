package machine

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestWhatTheSystemAccountsIsRead(t *testing.T) {
	p, err := stat([]byte("2408 (a (b) c) R 2251 2251 30138 0 -1 4194304 105 0 0 0 7 5 3 2 20 0 1 0 3741012 2998272 421 1 2 3"))
	if err != nil || p != (process{2408, 2251, 120 * time.Millisecond, 50 * time.Millisecond}) {
		t.Errorf("got %+v %v", p, err)
	}
	for _, bad := range []string{"", "1 (x) R 2", "1 x R 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "1 (x) R a 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"} {
		if _, err := stat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	all, stolen, err := total([]byte("cpu  100 20 30 4401419 10445 0 25726 7 0 0\ncpu0 1 2 3\n"))
	if err != nil || all != 1500*time.Millisecond || stolen != 70*time.Millisecond {
		t.Errorf("got %v %v %v", all, stolen, err)
	}
	if got := ours([]process{{1, 0, 1, 0}, {2, 1, 10, 5}, {3, 2, 100, 0}, {4, 1, 1000, 0}}, 2); got != 115 {
		t.Errorf("got %d of a process and its child, want 115", got)
	}
	begin := time.Now()
	if got := Busy(Usage{At: begin}, Usage{At: begin.Add(time.Second), Ours: time.Second, All: 1300 * time.Millisecond, Stolen: 200 * time.Millisecond}); got != 0.5 {
		t.Errorf("others were busy for %v of a core, want 0.5", got)
	}
}

func TestOwnTimeGrowsWithWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err == ErrUnknown {
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		return
	}
	for begin := time.Now(); time.Since(begin) < 100*time.Millisecond; {
		runtime.Gosched()
	}
	after, err := CPU(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("got %v, then %v %v", before, after, err)
	}
	if mb, err := ResidentMB(os.Getpid()); err != nil || mb < 1 {
		t.Errorf("got %v MB %v", mb, err)
	}
}
