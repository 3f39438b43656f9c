package hugepage

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	huge = 2 << 20 // bytes; elsewhere than on these processors it may be more, and the kernel then refuses
	// full is how many of a huge page's small ones must be in use. The rest is what
	// the process takes more than it did.
	full  = 7 * huge / pages / 8
	pages = 4 << 10
)

// After the first time come others, each after twice the pause of the one before: a
// node goes on growing for some seconds.
const (
	firstPause = 4 * time.Second
	mostPause  = time.Minute
)

// fewest is from how many bytes on memory is worth asking for.
const fewest = 8 << 20

// Ask asks for memory that is not used yet, and will be here and there, in huge
// pages. It does nothing for less than 8 MiB, or where the system has none to give.
func Ask(memory []byte) {
	if len(memory) >= fewest {
		_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // a wish
	}
}

// Keep moves what is full, now and again for what has grown, after some seconds at
// first and each minute in the end, until ctx ends or the kernel says that it cannot.
// It returns nil.
func Keep(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if _, err := Collapse(); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// Collapse moves what is full, and returns how many bytes of the process's memory
// are on huge pages for it, those of before included. An error says that the kernel
// does not do it. A call may wait a tenth of a millisecond for each huge page.
func Collapse() (bytes int64, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, err
	}
	defer func() { _ = maps.Close() }() // it was only read
	regions, err := anonymous(maps)
	if err != nil {
		return 0, err
	}
	for _, r := range regions {
		for at := (r.from + huge - 1) / huge * huge; at+huge <= r.to; at += huge {
			if !used(at) {
				continue
			}
			switch err := advise(at); {
			case err == nil:
				bytes += huge
			case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
				return bytes, err
			} // else there is no huge page to be had just now
		}
	}
	return bytes, nil
}

// region is a part of the address space.
type region struct{ from, to uintptr }

// anonymous reads from a list of mappings (proc_pid_maps(5)) those that are
// private memory of no file, and may be written to. The Go heap is among them.
func anonymous(maps io.Reader) (out []region, err error) {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 5 || f[1] != "rw-p" || f[4] != "0" || len(f) > 5 && !strings.HasPrefix(f[5], "[anon:") {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		a, errA := strconv.ParseUint(from, 16, 64)
		b, errB := strconv.ParseUint(to, 16, 64)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		out = append(out, region{uintptr(a), uintptr(b)})
	}
	return out, lines.Err()
}

// used reports whether a huge page's worth of memory is full.
func used(at uintptr) bool {
	var in [huge / pages]byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, at, huge, uintptr(unsafe.Pointer(&in)))
	n := 0
	for _, one := range in {
		n += int(one & 1)
	}
	return errno == 0 && n >= full
}

func advise(at uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, at, huge, unix.MADV_COLLAPSE); errno != 0 {
		return errno
	}
	return nil
}
