package policy

import "golang.org/x/sys/unix"

// hugePages asks for memory that is not used yet in huge pages, of 2 MiB on most
// machines. It does nothing where that is less than some of them, or the system
// has none to give.
func hugePages(memory []byte) {
	if len(memory) >= 8<<20 {
		_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // a wish
	}
}
