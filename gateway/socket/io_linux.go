//go:build amd64 || arm64

package socket

import (
	"syscall"
	"unsafe"
)

// Read reads what is there into b, which must not be empty. It returns 0 at the
// end, and ErrAgain when there is nothing.
func Read(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_RECVFROM, fd, b, 0) }

// Write writes as much of b, which must not be empty, as there is room for, and
// returns ErrAgain when there is none.
func Write(fd uintptr, b []byte) (int, error) {
	return call(syscall.SYS_SENDTO, fd, b, syscall.MSG_NOSIGNAL)
}

func peek(fd uintptr) (int, error) {
	var one [1]byte
	return call(syscall.SYS_RECVFROM, fd, one[:], syscall.MSG_PEEK)
}

// call uses recv and send, which skip what read and write do for files, and are
// told here not to wait.
func call(trap, fd uintptr, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags|syscall.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case ErrAgain:
			return 0, ErrAgain // a constant: no interface is made
		default:
			return 0, errno
		}
	}
}
