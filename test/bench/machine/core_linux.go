package machine

import (
	"os"
	"path/filepath"
	"strconv"

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
