//go:build amd64 || arm64

package socket

import (
	"runtime"
	"syscall"
)

// From <fcntl.h> and splice(2); package syscall has no names for them.
const (
	setPipeSize = 0x407 // F_SETPIPE_SZ
	move        = 1     // SPLICE_F_MOVE
	noWait      = 2     // SPLICE_F_NONBLOCK
)

func newPipe() *Pipe {
	var fds [2]int
	if syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		return nil
	}
	// Where it is refused the pipe stays at 64 KiB, which is slower and no worse.
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fds[0]), setPipeSize, pipeBytes)
	p := &Pipe{read: fds[0], write: fds[1]}
	runtime.SetFinalizer(p, (*Pipe).close) // one that the pool forgets
	return p
}

func (p *Pipe) close() {
	runtime.SetFinalizer(p, nil)
	_ = syscall.Close(p.read) // nothing of it is wanted any more
	_ = syscall.Close(p.write)
}

// Fill moves at most limit bytes of what a socket has into the pipe, which must
// be empty. It returns 0 at the end, and ErrAgain when there is nothing.
func (p *Pipe) Fill(fd uintptr, limit int) (int, error) {
	n, err := splice(fd, uintptr(p.write), min(limit, pipeBytes))
	p.held += n
	return n, err
}

// Drain moves what the pipe holds to a socket, as far as there is room, and
// returns ErrAgain when there is not enough.
func (p *Pipe) Drain(fd uintptr) error {
	for p.held > 0 {
		n, err := splice(uintptr(p.read), fd, p.held)
		if p.held -= n; err != nil {
			return err
		}
		if n == 0 {
			return syscall.EPIPE // it held less than it took
		}
	}
	return nil
}

func splice(from, to uintptr, limit int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, from, 0, to, 0, uintptr(limit), move|noWait)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
