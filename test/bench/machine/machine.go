// Package machine reads what the system accounts of processes and of itself,
// and says on which cores a process runs. It reads /proc, so it knows nothing on
// systems without one, and says so by ErrUnknown; it deliberately does not
// judge what it reads.
package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrUnknown says that this system does not tell.
var ErrUnknown = errors.New("this system does not tell")

// tick is the unit of /proc/PID/stat and /proc/stat: USER_HZ is 100 on every
// architecture that Go runs on.
const tick = 10 * time.Millisecond

// CPU is what a process has computed, user and system, since it began: to the
// nanosecond where the scheduler keeps that, else to 10 ms. It counts threads
// that live; a server's live as long as it does.
func CPU(pid int) (time.Duration, error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well-formed
	sum := time.Duration(0)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has just ended
		}
		one, err := schedstat(raw)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += one
	}
	if sum > 0 {
		return sum, nil
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ErrUnknown
	}
	p, err := stat(raw)
	return p.own, err
}

// schedstat reads the first number of a thread's schedstat: nanoseconds on a core.
func schedstat(raw []byte) (time.Duration, error) {
	ns, _, _ := bytes.Cut(raw, []byte(" "))
	n, err := strconv.ParseInt(string(ns), 10, 64)
	return time.Duration(n), err
}

// process is what /proc/PID/stat says of one.
type process struct {
	pid, parent int
	own         time.Duration // user + system
	children    time.Duration // of those that ended and were waited for
}

// stat reads a line of /proc/PID/stat. The name in it, between parentheses, may
// hold anything.
func stat(raw []byte) (process, error) {
	head, _, _ := bytes.Cut(raw, []byte(" "))
	end := bytes.LastIndex(raw, []byte(") "))
	if end < 0 {
		return process{}, fmt.Errorf("no name in %q", raw)
	}
	fields := strings.Fields(string(raw[end+2:]))
	if len(fields) < 15 {
		return process{}, fmt.Errorf("%d fields after the name in %q", len(fields), raw)
	}
	var n [6]int64
	for i, text := range []string{string(head), fields[1], fields[11], fields[12], fields[13], fields[14]} {
		var err error
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return process{}, fmt.Errorf("%q: %w", raw, err)
		}
	}
	return process{
		pid: int(n[0]), parent: int(n[1]),
		own: time.Duration(n[2]+n[3]) * tick, children: time.Duration(n[4]+n[5]) * tick,
	}, nil
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// ResidentMB is a process's resident memory in MB (10^6 bytes).
func ResidentMB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, ErrUnknown
	}
	m := residentLine.FindSubmatch(raw)
	if m == nil {
		return 0, fmt.Errorf("process %d has no resident memory", pid)
	}
	kB, err := strconv.ParseFloat(string(m[1]), 64)
	return kB * 1024 / 1e6, err
}

// Children are the processes that a process has started and that live.
func Children(pid int) ([]int, error) {
	all, err := processes()
	var out []int
	for _, p := range all {
		if p.parent == pid {
			out = append(out, p.pid)
		}
	}
	return out, err
}

func processes() ([]process, error) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	if len(files) == 0 {
		return nil, ErrUnknown
	}
	var all []process
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		p, err := stat(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Usage is how much all cores have computed: for us (a process and all that it
// has started), for everybody, and how much other machines on the same hardware
// took from this one (steal).
type Usage struct {
	At                time.Time
	Ours, All, Stolen time.Duration
}

// Use reads it for the calling process.
func Use() (Usage, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Usage{}, ErrUnknown
	}
	u := Usage{At: time.Now()}
	if u.All, u.Stolen, err = total(raw); err != nil {
		return Usage{}, err
	}
	all, err := processes()
	if err != nil {
		return Usage{}, err
	}
	u.Ours = ours(all, os.Getpid())
	return u, nil
}

// total reads the first line of /proc/stat. Interrupts are left out: those of
// loopback are our own traffic's.
func total(raw []byte) (all, stolen time.Duration, err error) {
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("%q is no line of all cores", line)
	}
	var n [8]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(fields[i+1], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("%q: %w", line, err)
		}
	}
	return time.Duration(n[0]+n[1]+n[2]) * tick, time.Duration(n[7]) * tick, nil
}

// ours adds up a process and all below it, with those that have ended.
func ours(all []process, root int) time.Duration {
	below := map[int]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !below[p.pid] && below[p.parent] {
				below[p.pid], grown = true, true
			}
		}
	}
	sum := time.Duration(0)
	for _, p := range all {
		if below[p.pid] {
			sum += p.own + p.children
		}
	}
	return sum
}

// Busy is what share of one core others took between two readings, processes of
// this machine and other machines together: 0.05 is a twentieth of a core.
func Busy(before, after Usage) float64 {
	wall := after.At.Sub(before.At)
	if wall <= 0 {
		return 0
	}
	others := (after.All - before.All) - (after.Ours - before.Ours)
	return max(0, float64(others)+float64(after.Stolen-before.Stolen)) / float64(wall)
}
