// Package stand holds what stands around the gateway when it is measured: an
// upstream, nginx as it is set up to be quick, and the standard library's
// reverse proxy. Each is a process of its own, so that what it computes is
// accounted to it alone.
//
// It deliberately has no figures: who is measured, and by which calls, is for
// the bench to say.
package stand

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Work runs a part in this process, writes where it listens as the first line
// of out, and ends when in does: with whoever started it, however that ended.
func Work(part string, args []string, in io.Reader, out io.Writer) error {
	serve, known := map[string]func(args []string) (string, error){"upstream": serveUpstream, "reverse": serveReverse}[part]
	if !known {
		return fmt.Errorf("no part is called %q", part)
	}
	address, err := serve(args)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, address)
	_, err = io.Copy(io.Discard, in)
	return err
}

// Part is a running part.
type Part struct {
	Address []string // host:port, of each of its listeners
	PID     int

	cmd  *exec.Cmd
	line io.Closer
}

// Start starts a part of this program: args make it call Work.
func Start(program string, args ...string) (*Part, error) {
	cmd := exec.Command(program, args...) // ended by Close
	line, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Part{PID: cmd.Process.Pid, cmd: cmd, line: line}
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not say where it listens: %w", strings.Join(args, " "), err), p.Close())
	}
	p.Address = strings.Fields(first)
	return p, nil
}

// Close ends it.
func (p *Part) Close() error {
	_ = p.line.Close() // which it ends by
	return p.cmd.Wait()
}
