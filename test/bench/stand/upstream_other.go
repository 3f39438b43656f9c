//go:build !linux

package stand

import "net"

// answer serves a listener's connections to the end of the process.
func answer(l net.Listener, _ []byte, talk func(net.Conn)) error {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c)
		}
	}()
	return nil
}
