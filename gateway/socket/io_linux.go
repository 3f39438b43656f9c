package socket

import (
	"syscall"
	"unsafe"
)

// Read reads what is there into b, which must not be empty. It returns 0 at the
// end, and ErrAgain when there is nothing.
func Read(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_READ, fd, b) }

// Write writes as much of b, which must not be empty, as there is room for, and
// returns ErrAgain when there is none.
func Write(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_WRITE, fd, b) }

func call(trap, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
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
