// Package socket reads and writes sockets that are known not to block, from
// inside the callbacks of a syscall.RawConn, and asks them how they are. It
// waits for nothing; whoever calls it waits by the callback.
//
// Why not by net.Conn: Read and Write tell the scheduler before and after each
// system call, since it might block. These do not block, there are four of them
// in a call of the gateway, and telling cost 8 to 10 % of its time (2026-11,
// GET of 1 KB, nginx 18.0 µs, with 20.5, without 18.7). What is lost is that a
// garbage collection may wait for one of them to return: some microseconds.
package socket

import (
	"errors"
	"syscall"
)

// ErrAgain is what Read and Write return when they would have to wait.
const ErrAgain = syscall.EAGAIN

// Quiet reports whether a socket is open and has nothing to say.
func Quiet(fd uintptr) bool {
	_, err := peek(fd)
	return errors.Is(err, ErrAgain)
}

// Ended reports whether the other side of a connection has hung up and left
// nothing to read. It may be called at any time, from any goroutine.
func Ended(raw syscall.RawConn) (ended bool) {
	err := raw.Control(func(fd uintptr) {
		n, err := peek(fd)
		if ended = n == 0; err != nil {
			ended = !errors.Is(err, ErrAgain) && !errors.Is(err, syscall.EINTR)
		}
	})
	return ended || err != nil
}

// IsQuiet is Quiet for a connection. A closed one is not.
func IsQuiet(raw syscall.RawConn) (quiet bool) {
	err := raw.Control(func(fd uintptr) { quiet = Quiet(fd) })
	return quiet && err == nil
}
