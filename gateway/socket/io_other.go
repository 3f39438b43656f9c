//go:build !linux || !(amd64 || arm64)

package socket

import "syscall"

// Read reads what is there into b, which must not be empty. It returns 0 at the
// end, and ErrAgain when there is nothing.
func Read(fd uintptr, b []byte) (int, error) { return call(syscall.Read, fd, b) }

// Write writes as much of b, which must not be empty, as there is room for, and
// returns ErrAgain when there is none.
func Write(fd uintptr, b []byte) (int, error) { return call(syscall.Write, fd, b) }

func call(do func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := do(int(fd), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func peek(fd uintptr) (int, error) {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}
