package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Apart is an installation with its roles in processes of their own, on a
// PostgreSQL and a NATS server. Make one with StartApart.
type Apart struct {
	Bin      string
	Database string
	Token    string // an operator's API token
	Setup    string // the folder that `portico init` wrote
	Dir      string // which holds everything
	NATS     *Process
	Managers []*Process

	gatewayURL string
	ports      map[*Process]options // to start them again
	all        []*Process
}

type options struct {
	Options
	name string
}

// StartApart writes a setup, and starts a NATS server and managers, which know
// the gateway at gatewayURL.
func StartApart(ctx context.Context, bin, database, token, gatewayURL string, managers int) (*Apart, error) {
	dir, err := os.MkdirTemp("", "portico-apart-")
	if err != nil {
		return nil, err
	}
	a := &Apart{
		Bin: bin, Database: database, Token: token, Dir: dir, Setup: filepath.Join(dir, "setup"),
		gatewayURL: gatewayURL, ports: map[*Process]options{},
	}
	if out, err := a.Run(ctx, "init", a.Setup); err != nil {
		return a, fmt.Errorf("init: %w\n%s", err, out)
	}
	if a.NATS, err = a.start(ctx, "nats", Options{Role: "nats"}); err != nil {
		return a, err
	}
	for i := range managers {
		if _, err := a.Manager(ctx, fmt.Sprintf("manager-%d", i+1)); err != nil {
			return a, err
		}
	}
	return a, nil
}

// Run runs a command of the binary to its end.
func (a *Apart) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.Bin, args...)
	cmd.Env = append(cleanEnv(), "PORTICO_TOKEN="+a.Token)
	if len(a.Managers) > 0 {
		cmd.Env = append(cmd.Env, "PORTICO_URL="+a.Managers[0].Console)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Manager starts another manager.
func (a *Apart) Manager(ctx context.Context, name string) (*Process, error) {
	p, err := a.start(ctx, name, Options{Role: "manager", Env: []string{
		"PORTICO_BOOTSTRAP_TOKEN=" + a.Token, "PORTICO_GATEWAY_URL=" + a.gatewayURL, "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8",
	}})
	if err == nil {
		a.Managers = append(a.Managers, p)
	}
	return p, err
}

// Portal starts a portal, which may ask issuers on this machine.
func (a *Apart) Portal(ctx context.Context) (*Process, error) {
	return a.start(ctx, "portal", Options{Role: "portal", Env: []string{"PORTICO_CONSOLE_URL=" + a.Managers[0].Console, "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8"}})
}

// Gateway enrols a node and starts it.
func (a *Apart) Gateway(ctx context.Context, name, environment string, env ...string) (*Process, error) {
	out, err := a.Run(ctx, "nodes", "enrol", name, "--environment", environment, "--json")
	if err != nil {
		return nil, fmt.Errorf("enrol %s: %w\n%s", name, err, out)
	}
	_, rest, _ := strings.Cut(out, `"token":`)
	token := strings.Split(rest, `"`)
	if len(token) < 2 {
		return nil, fmt.Errorf("enrol %s: no token in %s", name, out)
	}
	return a.start(ctx, name, Options{Role: "gateway", Env: append([]string{
		"PORTICO_MANAGER_URL=" + a.Managers[0].Console, "PORTICO_ENROL_TOKEN=" + token[1], "PORTICO_NODE_NAME=" + name,
		"PORTICO_NODE_KEY_FILE=" + filepath.Join(a.Dir, name+".key"), "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8",
	}, env...)})
}

// Again starts a process that has ended in its old place: the same addresses,
// data and settings. unready does not wait until it is ready.
func (a *Apart) Again(ctx context.Context, p *Process, unready bool) (*Process, error) {
	o := a.ports[p]
	o.Ports, o.Unready = &p.Ports, unready
	next, err := a.start(ctx, o.name, o.Options)
	if err != nil {
		return nil, err
	}
	if p == a.NATS {
		a.NATS = next
	}
	for i, m := range a.Managers {
		if m == p {
			a.Managers[i] = next
		}
	}
	return next, nil
}

func (a *Apart) start(ctx context.Context, name string, o Options) (*Process, error) {
	if o.Data == "" {
		o.Data = filepath.Join(a.Dir, name)
		o.Env = append(o.Env, "PORTICO_SETUP="+a.Setup, "PORTICO_DATABASE_URL="+a.Database, "PORTICO_LOG_LEVEL=info", "PORTICO_DRAIN_NOTICE=100ms")
		if a.NATS != nil {
			o.Env = append(o.Env, "PORTICO_NATS_URL=nats://"+a.NATS.Ports.Bus)
		}
	}
	p, err := Start(ctx, a.Bin, o)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	a.ports[p] = options{o, name}
	a.all = append(a.all, p)
	return p, nil
}

// Output returns what all processes printed.
func (a *Apart) Output() string {
	var b strings.Builder
	for _, p := range a.all {
		fmt.Fprintf(&b, "--- %s\n%s", a.ports[p].name, p.Output())
	}
	return b.String()
}

// Close ends all processes and removes what they left.
func (a *Apart) Close() {
	for i := len(a.all) - 1; i >= 0; i-- {
		a.all[i].Kill()
	}
	_ = os.RemoveAll(a.Dir)
}
