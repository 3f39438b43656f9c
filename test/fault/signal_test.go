package fault_test

import (
	"syscall"
	"testing"

	"portico/test/process"
)

// pause stops a process as a debugger would; it goes on at the test's end.
func pause(t *testing.T, p *process.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(p.PID(), syscall.SIGCONT) }) // gone when it was killed
}

func goOn(t *testing.T, p *process.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
