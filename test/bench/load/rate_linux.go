package load

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portico/test/bench/machine"
)

// patience is how long the last answers may take after the last call.
const patience = 10 * time.Second

// standstill is how late a call may be made because this thread did not run. To take
// an answer from each connection keeps it busy for less.
const standstill = 500 * time.Microsecond

// paced does a job at a rate, on one thread that sleeps in the kernel until a
// call is due or an answer has come. Threads that take turns would cost several
// times as much, and fill a core at a rate that leaves the server half idle:
// the times would be of their queue.
//
// The time of a call runs from when it was due where the answer before it was
// late: a server that is slow cannot put off the next call and so hide that it
// is. Where only this thread was late, it runs from when the call was made; and when
// the thread did not run for longer than standstill, all that is due moves on by as
// much. Else the calls of that time would come at once: the times would be of how a
// server works off bursts, which a loader with a core to itself does not make.
func paced(j Job, requests [][]byte) (Result, error) {
	if j.TLS || j.HTTP2 {
		return Result{}, errors.New("our loader keeps to a rate over plain HTTP/1.1 only")
	}
	runtime.LockOSThread() // which ends with this process
	debug.SetGCPercent(-1)
	machine.Punctual()
	p := &pace{requests: requests, lines: make([]pacedLine, j.Connections), times: make([]time.Duration, 0, int(float64(j.Rate)*j.For.Seconds())+1)}
	var err error
	if p.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return Result{}, fmt.Errorf("epoll_create1: %w", err)
	}
	defer unix.Close(p.poll)
	for i := range p.lines {
		l := &p.lines[i]
		*l = pacedLine{socket: -1, at: i}
		if l.socket, err = dial(j.Address); err != nil {
			return Result{}, fmt.Errorf("connection %d: %w", i, err)
		}
		defer unix.Close(l.socket)
		if err := unix.EpollCtl(p.poll, unix.EPOLL_CTL_ADD, l.socket, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return Result{}, fmt.Errorf("epoll_ctl: %w", err)
		}
		// The first call of a connection costs everybody more, and is not counted.
		if err := p.send(l, time.Now()); err != nil {
			return Result{}, err
		}
	}
	for end := time.Now().Add(patience); p.open > 0; {
		if time.Now().After(end) {
			return Result{}, fmt.Errorf("%d connections had no answer to their first call in %v", p.open, patience)
		}
		if err := p.wait(patience, nil); err != nil {
			return Result{}, err
		}
	}
	p.times, p.failed = p.times[:0], 0
	began := time.Now()
	stood, err := p.run(j, began)
	if err != nil {
		return Result{}, err
	}
	r := Result{Took: time.Since(began), Stood: stood, Answered: int64(len(p.times)), Failed: p.failed + int64(p.open)}
	if r.Answered == 0 {
		return r, errors.New("no call was answered")
	}
	r.Quarter99 = quarter99(p.times, j.Rate)
	r.P50, r.P99 = Quantile(p.times, 0.50), Quantile(p.times, 0.99)
	return r, nil
}

// quarter99 is Result.Quarter99 of calls in the order in which they were answered. It
// sorts within quarters. What is left behind the last whole one does not count.
func quarter99(times []time.Duration, rate int) time.Duration {
	var each []time.Duration
	for n := min(max(rate/4, 1), len(times)); len(times) >= n && n > 0; times = times[n:] {
		each = append(each, Quantile(times[:n], 0.99))
	}
	return Quantile(each, 0.50)
}

// pace is a job at work.
type pace struct {
	requests [][]byte
	lines    []pacedLine
	poll     int // the epoll descriptor
	open     int // calls without an answer yet
	times    []time.Duration
	failed   int64
	events   [64]unix.EpollEvent
	buf      [64 << 10]byte // what a read gives
}

// pacedLine is one connection.
type pacedLine struct {
	socket int
	at     int       // the number of its next call
	busy   bool      // its call has no answer yet
	from   time.Time // when its call's time began
	head   []byte    // of the answer, as far as it has come
	left   int       // of the answer's body; -1: its head is not whole
	status int
}

// run makes the calls that are due until the job's time is over, and takes
// their answers. It returns for how long all that was due moved on.
func (p *pace) run(j Job, began time.Time) (stood time.Duration, err error) {
	due := func(call int) time.Time {
		return began.Add(stood + time.Duration(call)*time.Second/time.Duration(j.Rate))
	}
	all := int(j.For * time.Duration(j.Rate) / time.Second)
	next := 0 // all calls before it were due
	answered := func(l *pacedLine) error {
		if l.at += len(p.lines); l.at < next {
			return p.send(l, due(l.at))
		}
		return nil
	}
	for {
		now := time.Now()
		if late := now.Sub(due(next)); late > standstill && next < all {
			stood += late
		}
		for ; next < all && !due(next).After(now); next++ {
			if l := &p.lines[next%len(p.lines)]; !l.busy {
				if err := p.send(l, now); err != nil {
					return stood, err
				}
			}
		}
		sleep := time.Until(due(next))
		if next == all {
			if p.open == 0 || now.After(due(all).Add(patience)) {
				return stood, nil
			}
			sleep = patience
		}
		if err := p.wait(sleep, answered); err != nil {
			return stood, err
		}
	}
}

// send makes the next call of a connection.
func (p *pace) send(l *pacedLine, from time.Time) error {
	request := p.requests[l.at%len(p.requests)]
	n, err := unix.Write(l.socket, request)
	if err != nil || n < len(request) {
		return fmt.Errorf("send: %d bytes of %d, %w", n, len(request), err)
	}
	l.busy, l.from, l.left, l.head = true, from, -1, l.head[:0]
	p.open++
	return nil
}

// wait sleeps for as long, or until answers come, and takes what there is.
func (p *pace) wait(most time.Duration, answered func(*pacedLine) error) error {
	limit := unix.NsecToTimespec(max(0, most).Nanoseconds())
	// RawSyscall: nobody else computes here, and the scheduler has nothing to hand on.
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.poll), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&limit)), 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("epoll_pwait2, which Linux has since 5.11: %w", errno)
	}
	for _, e := range p.events[:n] {
		l := &p.lines[e.Fd]
		whole, err := p.take(l)
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		p.times = append(p.times, time.Since(l.from))
		if l.status/100 != 2 {
			p.failed++
		}
		p.open--
		l.busy = false
		if answered != nil {
			if err := answered(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// take reads what has come of an answer, and says whether it is whole.
func (p *pace) take(l *pacedLine) (whole bool, err error) {
	n, err := unix.Read(l.socket, p.buf[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read: %w", err)
	case n == 0:
		return false, errors.New("the connection was closed")
	case !l.busy:
		return false, fmt.Errorf("%d bytes that nobody asked for", n)
	case l.left >= 0:
		if l.left -= n; l.left < 0 {
			return false, fmt.Errorf("%d bytes more than were announced", -l.left)
		}
		return l.left == 0, nil
	case len(l.head)+n > len(p.buf):
		return false, errLargeHead
	}
	got := p.buf[:n]
	if len(l.head) > 0 {
		l.head = append(l.head, got...)
		got = l.head
	}
	if l.status, l.left, err = begun(got); err == nil && l.left < 0 && len(l.head) == 0 {
		l.head = append(l.head, got...)
	}
	return l.left == 0, err
}

// dial opens a connection whose reads and writes do not wait, and which the
// runtime does not watch.
func dial(address string) (socket int, err error) {
	to, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return -1, err
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: to.Port, Addr: [16]byte(to.IP.To16())})
	if four := to.IP.To4(); four != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(four)}
	}
	if socket, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err = unix.Connect(socket, sa); err == nil {
		err = unix.SetNonblock(socket, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(socket, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("connect: %w", err), unix.Close(socket))
	}
	return socket, nil
}
