package machine

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Pin keeps a process, with all threads that it has, to some cores. Threads and
// processes that it starts later are kept to them too.
func Pin(pid int, cores ...int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	for range 2 { // a thread may have been born on the old cores meanwhile
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*") // the pattern is well-formed
		for _, task := range tasks {
			id, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
				return &os.SyscallError{Syscall: "sched_setaffinity", Err: err}
			}
		}
	}
	return nil
}

// GiveWay leaves a process and its threads what nobody else wants of a core
// (SCHED_IDLE). A lower priority would not do: it still computes for some
// milliseconds before it lets somebody in who has just woken.
func GiveWay(pid int) error {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*") // the pattern is well-formed
	for _, task := range tasks {
		id, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		if err := unix.SchedSetAttr(id, &unix.SchedAttr{Policy: unix.SCHED_IDLE}, 0); err != nil && err != unix.ESRCH {
			return &os.SyscallError{Syscall: "sched_setattr", Err: err}
		}
	}
	return nil
}

// Punctual makes the sleeps of the calling thread end when they should, not up
// to 50 µs later. The goroutine has to be locked to it.
func Punctual() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) } // sleeps are only less exact

// Sleep sleeps in the kernel: the runtime's own timers are exact to a
// millisecond in a process that is otherwise idle.
func Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	rest := unix.NsecToTimespec(d.Nanoseconds())
	for unix.Nanosleep(&rest, &rest) == unix.EINTR { // what is left of it is in rest
		continue
	}
}

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
