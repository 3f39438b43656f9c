package health

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// Exhausted reports whether connecting failed because this node, or the machine
// under it, has no descriptor or no memory for one more connection. That says
// nothing of the target.
//
// EADDRNOTAVAIL is not among them: ports run out towards one address alone, and
// it is also what a machine without IPv6 says of every address of it.
func Exhausted(err error) bool {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) { // it keeps the cause's text alone
		return strings.Contains(dns.Err, syscall.EMFILE.Error()) // ENFILE's begins with it
	}
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}
