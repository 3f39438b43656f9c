// Package process builds and runs the portico binary for tests and benchmarks,
// as a user would: with settings in the environment, reading what it prints.
//
// It starts, finds and ends processes and talks to their management API. What
// they should do it deliberately does not know: that is the tests' to say.
package process

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say how to start a process. The zero value is `portico serve` on
// free loopback ports in a temporary folder.
type Options struct {
	Role  string // "serve" (default), "manager", "portal", "gateway", "nats"
	Demo  bool
	Data  string   // "" is a new temporary folder, removed by Close
	Env   []string // NAME=value, beside the listeners
	Ports *Ports   // of an earlier process, to come back in its place
	// Unready returns it as soon as it has started, ready or not.
	Unready bool
}

// Ports are the addresses a process listens on, host:port.
type Ports struct{ Gateway, Portal, Console, Ops, Upstream, Bus string }

// Process is a running portico. Its methods are safe for concurrent use.
type Process struct {
	Ports    Ports
	Gateway  string // http://127.0.0.1:port, and so on
	Secure   string // the gateway over TLS, "" when it speaks none
	Portal   string
	Console  string
	Ops      string
	FirstRun string        // the one-time link, "" when none was printed
	Curl     string        // the printed curl line, "" when none was
	Key      string        // the key in it
	ReadyIn  time.Duration // from start until /readyz was 200
	Data     string

	cmd     *exec.Cmd
	ownData bool
	done    chan struct{}
	err     error

	mu  sync.Mutex // guards out
	out strings.Builder
}

// Build builds the binary into dir, as `make build` does, and returns its path. The
// build cache makes a second build cheap.
func Build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "portico")
	overlay, err := inOrder(ctx, dir)
	if err != nil {
		return "", err
	}
	return bin, build(ctx, bin, "./cmd/portico", "-overlay", overlay)
}

// inOrder writes the overlay of the runtime that the product is built with.
func inOrder(ctx context.Context, dir string) (overlay string, err error) {
	out, err := exec.CommandContext(ctx, filepath.Join(Root(), "deploy", "in-order"), dir).Output()
	if err != nil {
		return "", fmt.Errorf("deploy/in-order: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func build(ctx context.Context, bin, what string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, flags, []string{"-o", bin, what})...)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, out)
	}
	return nil
}

// Root returns the folder of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Start runs a role and returns when /readyz answers 200 and the addresses are
// printed.
func Start(ctx context.Context, bin string, o Options) (*Process, error) {
	p := &Process{Data: o.Data, done: make(chan struct{})}
	if p.Data == "" {
		dir, err := os.MkdirTemp("", "portico-test-")
		if err != nil {
			return nil, err
		}
		p.Data, p.ownData = dir, true
	}
	ports := Ports{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}
	if o.Ports != nil {
		ports = *o.Ports
	}
	args := []string{cmp.Or(o.Role, "serve")}
	if o.Demo {
		args = append(args, "--demo")
	}
	p.cmd = exec.Command(bin, args...) // ended by Close, Stop or Kill, not by ctx
	p.cmd.Env = append(cleanEnv(),
		"PORTICO_DATA="+p.Data, "PORTICO_GATEWAY_ADDR="+ports.Gateway, "PORTICO_PORTAL_ADDR="+ports.Portal,
		"PORTICO_CONSOLE_ADDR="+ports.Console, "PORTICO_OPS_ADDR="+ports.Ops, "PORTICO_DEMO_ADDR="+ports.Upstream, "PORTICO_NATS_ADDR="+ports.Bus)
	p.cmd.Env = append(p.cmd.Env, o.Env...)
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = &lockedWriter{p}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go p.read(bufio.NewScanner(pipe), ready)
	select {
	case <-ready:
	case <-p.done:
		return nil, fmt.Errorf("portico ended: %w\n%s", p.err, p.Output())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("portico did not get ready: %w\n%s", ctx.Err(), p.Output())
	}
	if o.Unready {
		return p, nil
	}
	if err := p.waitReady(ctx); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Output())
	}
	p.ReadyIn = time.Since(began)
	return p, nil
}

// Output returns what the process has printed so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process as `kill -9` does and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Terminate sends SIGTERM and does not wait.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Stop sends SIGTERM and returns how the process ended.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("portico did not end: %w", ctx.Err())
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Close ends the process however it is and removes a temporary data folder.
func (p *Process) Close() {
	p.Kill()
	if p.ownData {
		_ = os.RemoveAll(p.Data)
	}
}

// ResidentMB returns the process's resident memory in MB (10^6 bytes), from
// /proc; 0 where there is none.
func (p *Process) ResidentMB() float64 { return p.status("VmRSS") }

// MostResidentMB is the most that ResidentMB has been so far.
func (p *Process) MostResidentMB() float64 { return p.status("VmHWM") }

func (p *Process) status(line string) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return float64(kb) * 1024 / 1e6
}

var (
	linkPattern = regexp.MustCompile(`http://\S+/first-run\?token=\S+`)
	keyPattern  = regexp.MustCompile(`portico_(live|test)_[0-9A-Za-z]+_[0-9A-Za-z]+_[0-9A-Za-z]+`)
	addrPattern = regexp.MustCompile(`^\s*(Gateway|TLS|Portal|Console|Health|Upstream|Bus)\s+((?:https?|nats)://\S+)`)
)

func (p *Process) read(lines *bufio.Scanner, ready chan struct{}) {
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.out.WriteString(line + "\n")
		p.mu.Unlock()
		if m := addrPattern.FindStringSubmatch(line); m != nil {
			base := strings.TrimSuffix(m[2], "/readyz")
			_, host, _ := strings.Cut(base, "://")
			switch m[1] {
			case "Gateway":
				p.Gateway, p.Ports.Gateway = base, host
			case "TLS":
				p.Secure = base
			case "Portal":
				p.Portal, p.Ports.Portal = base, host
			case "Console":
				p.Console, p.Ports.Console = base, host
			case "Upstream":
				p.Ports.Upstream = host
			case "Bus":
				p.Ports.Bus = host
			case "Health":
				p.Ops, p.Ports.Ops = base, host
			}
		}
		if link := linkPattern.FindString(line); link != "" {
			p.FirstRun = link
		}
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "curl ") {
			p.Curl, p.Key = trimmed, keyPattern.FindString(line)
		}
		if strings.Contains(line, "Stop with Ctrl-C") && ready != nil {
			close(ready)
			ready = nil
		}
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

func (p *Process) waitReady(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Ops+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("/readyz never said 200: %w", ctx.Err())
		case <-p.done:
			return fmt.Errorf("portico ended: %w", p.err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

type lockedWriter struct{ p *Process }

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.out.Write(b)
}

// cleanEnv is this process's environment without settings of Portico's.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PORTICO_") {
			env = append(env, kv)
		}
	}
	return env
}
