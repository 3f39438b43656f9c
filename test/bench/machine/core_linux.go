package machine

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Pin keeps a process, with all threads that it has, to some cores. Threads and
// processes that it starts later are kept to them too.
func Pin(pid int, cores ...int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	pin := func() error {
		return each(pid, "sched_setaffinity", func(thread int) error { return unix.SchedSetaffinity(thread, &set) })
	}
	if err := pin(); err != nil {
		return err
	}
	return pin() // a thread may have been born on the old cores meanwhile
}

// GiveWay leaves a process and its threads what nobody else wants of a core
// (SCHED_IDLE), or their part as before. A lower priority would not do: it still
// computes for some milliseconds before it lets somebody in who has just woken.
func GiveWay(pid int, way bool) error {
	policy := uint32(unix.SCHED_NORMAL)
	if way {
		policy = unix.SCHED_IDLE
	}
	return each(pid, "sched_setattr", func(thread int) error {
		return unix.SchedSetAttr(thread, &unix.SchedAttr{Policy: policy}, 0)
	})
}

const (
	kernelParent = "/proc/2/comm" // kthreadd, which starts all threads of the kernel
	workCores    = "/sys/devices/virtual/workqueue/cpumask"
)

// Clear keeps the kernel's threads off a core, those that may run on another, until
// undo is called: one that looks through the memory computes for milliseconds and lets
// nobody in. It reports whether any was moved: none is for whoever is not root, or is
// in a container, where process 2 is anybody's.
func Clear(core int) (undo func() error, cleared bool) {
	var undone []func() error
	undo = func() error {
		var errs []error
		for _, do := range undone {
			errs = append(errs, do())
		}
		return errors.Join(errs...)
	}
	name, _ := os.ReadFile(kernelParent)
	if os.Geteuid() != 0 || string(name) != "kthreadd\n" {
		return undo, false
	}
	threads, _ := Children(2)
	for _, id := range threads {
		var before unix.CPUSet
		if unix.SchedGetaffinity(id, &before) != nil || !before.IsSet(core) || before.Count() == 1 {
			continue
		}
		after := before
		after.Clear(core)
		if unix.SchedSetaffinity(id, &after) != nil { // it belongs where it is, or has just ended
			continue
		}
		undone = append(undone, func() error {
			if err := unix.SchedSetaffinity(id, &before); err != nil && err != unix.ESRCH {
				return os.NewSyscallError("sched_setaffinity", err)
			}
			return nil
		})
	}
	before, _ := os.ReadFile(workCores) // no kernel has to have it
	if after, err := without(string(before), core); err == nil && after != "" && os.WriteFile(workCores, []byte(after), 0) == nil {
		undone = append(undone, func() error { return os.WriteFile(workCores, before, 0) })
	}
	return undo, len(undone) > 0
}

// without takes a core from a mask as the kernel writes it: hexadecimal, with a comma
// after 32 cores. It returns "" when no core would be left.
func without(mask string, core int) (string, error) {
	set, ok := new(big.Int).SetString(strings.ReplaceAll(strings.TrimSpace(mask), ",", ""), 16)
	if !ok || set.Sign() < 0 {
		return "", fmt.Errorf("%q is no mask of cores", mask)
	}
	if set.SetBit(set, core, 0).Sign() == 0 {
		return "", nil
	}
	text := set.Text(16)
	for at := len(text) - 8; at > 0; at -= 8 {
		text = text[:at] + "," + text[at:]
	}
	return text, nil
}

// each does something to each thread that a process has; call names it in an error.
func each(pid int, call string, do func(thread int) error) error {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*") // the pattern is well-formed
	for _, task := range tasks {
		id, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		if err := do(id); err != nil && err != unix.ESRCH {
			return &os.SyscallError{Syscall: call, Err: err}
		}
	}
	return nil
}

// Punctual makes the sleeps of the calling thread end when they should, not up
// to 50 µs later. The goroutine has to be locked to it.
func Punctual() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) } // sleeps are only less exact

// RaiseFiles lets this process, and those that it starts, open as many files as
// they may at most, and returns how many that is.
func RaiseFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}
