package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portico/internal/apim"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/bench/stand"
	"portico/test/postgres"
	"portico/test/process"
)

// Two cores are used, however many there are: the contender has one to itself,
// or both are free to all. The first one is where a machine does what it does on one.
const (
	theirs = 1 // the contender's
	others = 0 // the loader's, the upstream's and the control plane's
)

// settings of the parts called requests/….
type settings struct {
	rounds   int
	each     time.Duration // of a contender in a round
	keys     int
	manyAPIs int
	against  []string // other builds of the binary
}

// How many APIs there are beside the plain one, so that they have 1,000 routes
// that want a key, and a few that do not.
const (
	fewAPIs  = 10
	keyAPIs  = 50
	callKeys = 10_000 // at most so many different calls
	wire     = 64     // connections
)

// rig is an installation with its roles apart, and what stands around its
// gateway. It starts with the first part that asks for it.
type rig struct {
	settings
	bin     string
	started bool
	failed  error // of a start

	dir         string
	certificate stand.Certificate
	upstream    *stand.Part
	reverse     *stand.Part
	nginx       *stand.Nginx // nil: not installed
	postgres    *postgres.Server
	database    string
	apart       *process.Apart
	api         *process.API
	gateway     *process.Process
	rivals      []rival // of settings.against
	tls         string  // host:port where the gateway's TLS is to be
	idleTLS     string  // and that of the one of the part idle
	few         string  // name of a gateway whose disk copy has only fewAPIs
	plain       apim.ID
	governed    string // the version whose routes have policies; "": not made yet
	keys        []string
	own         load.Own
	perCore     float64 // requests in a second, of the part full; 0: not measured
}

// ready starts everything, once.
func (g *rig) ready(ctx context.Context) error {
	if !g.started {
		g.started = true
		g.failed = g.start(ctx)
	}
	return g.failed
}

func (g *rig) start(ctx context.Context) (err error) {
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed: one for the contender, one for what drives it")
	}
	machine.RaiseFiles()
	if err := machine.Pin(os.Getpid(), others); err != nil { // all that is started now inherits it
		return fmt.Errorf("pin: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if g.bin, err = filepath.Abs(g.bin); err != nil {
		return err
	}
	if g.dir, err = os.MkdirTemp("", "portico-bench-"); err != nil {
		return err
	}
	g.own = load.Own{Program: self, Args: []string{"-work", "load"}}
	if g.certificate, err = stand.NewCertificate(g.dir); err != nil {
		return err
	}
	if g.upstream, err = stand.Start(self, "-work", "upstream"); err != nil {
		return err
	}
	if g.reverse, err = stand.Start(self, "-work", "reverse", g.upstream.Address[0], g.certificate.ChainFile, g.certificate.KeyFile); err != nil {
		return err
	}
	missing := load.Missing()
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "not installed, so done without: %s\n", strings.Join(missing, ", "))
	}
	if !strings.Contains(strings.Join(missing, " "), "nginx") {
		if g.nginx, err = stand.StartNginx(ctx, g.upstream.Address[0], g.certificate); err != nil {
			return err
		}
	}
	if err := g.install(ctx); err != nil {
		return err
	}
	return g.place(ctx, false)
}

// install starts an installation, and fills it. What gives way to everybody is
// the control plane: on two cores it shares one with the loader.
func (g *rig) install(ctx context.Context) (err error) {
	if g.postgres, err = postgres.Start(ctx); err != nil {
		return err
	}
	if g.database, err = g.postgres.Database(ctx); err != nil {
		return err
	}
	if g.apart, err = process.StartApart(ctx, g.bin, g.database, token, gateway, 1); err != nil {
		return err
	}
	_, keyed, err := firstOf(ctx, g.apart.Managers[0], "http://"+g.upstream.Address[0])
	if err != nil {
		return err
	}
	if g.plain, err = plainAPI(ctx, g.apart.Managers[0].API(token), "http://"+g.upstream.Address[0]); err != nil {
		return err
	}
	for _, into := range []*string{&g.tls, &g.idleTLS} {
		if *into, err = stand.Free(); err != nil {
			return err
		}
	}
	if err := g.certify(ctx, g.apart.Managers[0].API(token)); err != nil {
		return err
	}
	if _, err := g.fill(ctx, g.plain, 0, fewAPIs, 0); err != nil {
		return err
	}
	g.few = "gw-few"
	few, err := g.apart.Gateway(ctx, g.few, "production")
	if err != nil {
		return err
	}
	if err := settled(ctx, g.api); err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // the copy on disk is written within one
	few.Kill()
	// A node counts for as long as it is enrolled, also where nobody reaches it.
	if out, err := g.apart.Run(ctx, "nodes", "remove", g.few, "--environment", "production"); err != nil {
		return fmt.Errorf("remove %s: %w\n%s", g.few, err, out)
	}
	if g.keys, err = g.fill(ctx, keyed, fewAPIs, keyAPIs, g.settings.keys); err != nil {
		return err
	}
	if g.gateway, err = g.apart.Gateway(ctx, "gw-1", "production", "PORTICO_GATEWAY_TLS_ADDR="+g.tls); err != nil {
		return err
	}
	for i, bin := range g.against {
		if err := g.rival(ctx, bin, fmt.Sprintf("gw-rival-%d", i+1)); err != nil {
			return fmt.Errorf("%s: %w", bin, err)
		}
	}
	// A node is ready with what the bus has; the manager may still be bringing more.
	return settled(ctx, g.api)
}

// rival is a gateway of another build.
type rival struct {
	*process.Process
	bin, tls string
}

func (g *rig) rival(ctx context.Context, bin, name string) (err error) {
	r := rival{bin: bin}
	if r.tls, err = stand.Free(); err != nil {
		return err
	}
	ours := g.apart.Bin
	defer func() { g.apart.Bin = ours }()
	if g.apart.Bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	if r.Process, err = g.apart.Gateway(ctx, name, "production", "PORTICO_GATEWAY_TLS_ADDR="+r.tls); err == nil {
		g.rivals = append(g.rivals, r)
	}
	return err
}

// fill adds APIs like a version, and keys, while the manager is away.
func (g *rig) fill(ctx context.Context, like apim.ID, from, apis, grants int) ([]string, error) {
	g.apart.Managers[0].Kill()
	analyze := func() error { return postgres.Analyze(ctx, g.database) }
	keys, err := fill(ctx, g.database, "acme", like, amount{from: from, apis: apis, grants: grants}, analyze)
	if err != nil {
		return nil, err
	}
	if err := analyze(); err != nil {
		return nil, err
	}
	manager, err := g.apart.Again(ctx, g.apart.Managers[0], false)
	if err != nil {
		return nil, err
	}
	g.api = manager.API(token)
	return keys, g.giveWay()
}

// giveWay is for all but NATS, which the gateway waits for.
func (g *rig) giveWay() error {
	var errs []error
	for _, p := range g.apart.Managers {
		errs = append(errs, machine.GiveWay(p.PID(), true))
	}
	below, err := machine.Children(g.postgres.PID())
	for _, pid := range below {
		errs = append(errs, machine.GiveWay(pid, true))
		own, err := machine.Children(pid)
		errs = append(errs, err)
		for _, pid := range own {
			errs = append(errs, machine.GiveWay(pid, true))
		}
	}
	return errors.Join(append(errs, err)...)
}

// quietly does a job while the managers are stopped and, for root, NATS gives way: what
// the calls leave them to do they would do on the loader's core, in the calls'
// time. The gateway goes on sending what it counts.
func (g *rig) quietly(ctx context.Context, j load.Job) (r load.Result, err error) {
	if os.Geteuid() != 0 { // nobody else would get its part back
		return g.stopping(ctx, j, g.apart.Managers...)
	}
	err = machine.GiveWay(g.apart.NATS.PID(), true)
	if err == nil {
		r, err = g.stopping(ctx, j, g.apart.Managers...)
	}
	return r, errors.Join(err, machine.GiveWay(g.apart.NATS.PID(), false)) // some threads may do so
}

// stopping does a job while some processes are stopped.
func (g *rig) stopping(ctx context.Context, j load.Job, some ...*process.Process) (r load.Result, err error) {
	all := func(s syscall.Signal) error {
		var errs []error
		for _, p := range some {
			errs = append(errs, syscall.Kill(p.PID(), s))
		}
		return errors.Join(errs...)
	}
	if err = all(syscall.SIGSTOP); err == nil {
		r, err = load.For(j, g.own).Do(ctx, j)
	}
	return r, errors.Join(err, all(syscall.SIGCONT)) // all, for some may be stopped
}

// alone starts a node from its disk copy, with nobody to talk to. It has no
// more and no less to do than another that is started so.
func (g *rig) alone(ctx context.Context, name, secure string, env ...string) (*process.Process, error) {
	return process.Start(ctx, g.bin, process.Options{Role: "gateway", Data: filepath.Join(g.apart.Dir, name), Env: append([]string{
		"PORTICO_NODE_KEY_FILE=" + filepath.Join(g.apart.Dir, name+".key"), "PORTICO_NODE_NAME=" + name, "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8",
		"PORTICO_NATS_URL=nats://127.0.0.1:9", "PORTICO_LOG_LEVEL=error", "PORTICO_GATEWAY_TLS_ADDR=" + secure,
	}, env...)})
}

// place gives the contenders a core of their own, or leaves both to all.
func (g *rig) place(ctx context.Context, free bool) error {
	mine, yours := []int{theirs}, []int{others}
	if free {
		mine = []int{theirs, others}
		yours = mine
	}
	contenders := []int{g.gateway.PID(), g.reverse.PID}
	for _, r := range g.rivals {
		contenders = append(contenders, r.PID())
	}
	if g.nginx != nil {
		contenders = append(contenders, g.nginx.Worker)
	}
	for _, pid := range contenders {
		if err := machine.Pin(pid, mine...); err != nil {
			return err
		}
	}
	for _, pid := range []int{os.Getpid(), g.upstream.PID} {
		if err := machine.Pin(pid, yours...); err != nil {
			return err
		}
	}
	for _, r := range g.rivals {
		if err := processors(ctx, r.Process, len(mine)); err != nil {
			return err
		}
	}
	return processors(ctx, g.gateway, len(mine))
}

// processors waits until a Go process has seen how many cores it has: its
// runtime looks once a second.
func processors(ctx context.Context, p *process.Process, want int) error {
	for end := time.Now().Add(20 * time.Second); ; {
		have, err := metric(ctx, p, "go_sched_gomaxprocs_threads")
		if err != nil {
			return err
		}
		if int(have) == want {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the gateway uses %v processors, want %d", have, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// metric reads a metric without labels from a process's operators' listener.
func metric(ctx context.Context, p *process.Process, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Ops+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(raw)
	if m == nil {
		return 0, fmt.Errorf("no metric %s at %s", name, p.Ops)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// plainAPI makes the API whose routes want nothing: the small answer, the large
// one, and two that take bodies, among as many routes as others have.
func plainAPI(ctx context.Context, api *process.API, upstream string) (apim.ID, error) {
	var staged, made process.Object
	if err := api.Do(ctx, http.MethodPost, filledIn+"/imports", plainDocument(upstream), &staged); err != nil {
		return "", err
	}
	if err := api.Do(ctx, http.MethodPost, filledIn+"/imports/"+staged.ID+"/accept",
		map[string]any{"name": "Plain", "slug": "plain", "label": "v1", "access": "document"}, &made); err != nil {
		return "", err
	}
	path := filledIn + "/versions/" + made.ID
	if err := api.Do(ctx, http.MethodPatch, path+"/draft", map[string]any{"max_body_bytes": 8 << 20}, nil); err != nil {
		return "", err
	}
	return apim.ID(made.ID), api.Do(ctx, http.MethodPost, path+"/publish", map[string]any{}, nil)
}

func plainDocument(upstream string) string {
	const answers = `"responses":{"200":{"description":"ok"}}`
	const body = `"requestBody":{"content":{"application/octet-stream":{}}},`
	few := `"/small":{"get":{"operationId":"small","summary":"Small",` + answers + `},"post":{"operationId":"post","summary":"Post",` + body + answers + `}},` +
		`"/large":{"get":{"operationId":"large","summary":"Large",` + answers + `}},`
	return strings.Replace(process.MinimalDocument("Plain", upstream, routesFor-3), `"paths":{`, `"security":[],"paths":{`+few, 1)
}

// plainPath is a path of the plain API.
func plainPath(end string) string { return "/acme/plain/v1" + end }

// keyed are calls of all routes that want a key, by many keys, each by a key
// that may.
func (g *rig) keyed() []load.Call {
	plans := (keyAPIs + apisInProduct - 1) / apisInProduct
	var calls []load.Call
	for i := 0; len(calls) < callKeys && i < len(g.keys); i++ {
		if i%waits == waits-1 { // its subscription waits
			continue
		}
		api := fewAPIs + i%plans*apisInProduct + i/plans%apisInProduct
		calls = append(calls, load.Call{Path: fmt.Sprintf("/acme/api-%06d/v1/things%d/%d", api, i/plans/apisInProduct%routesFor, i), Key: g.keys[i]})
	}
	return calls
}

// certify gives the environment its certificate, also for clients that name no
// host. Where the management API knows no certificates yet, there are none.
func (g *rig) certify(ctx context.Context, api *process.API) error {
	err := api.Do(ctx, http.MethodPost, "/environments/production/certificates", map[string]any{
		"chain": g.certificate.Chain, "private_key": g.certificate.Key, "hosts": []string{stand.Host}, "default": true,
	}, nil)
	if refused := (*process.Refused)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// close ends everything.
func (g *rig) close() {
	if g.apart != nil {
		g.apart.Close()
	}
	if g.postgres != nil {
		g.postgres.Stop()
	}
	if g.nginx != nil {
		g.nginx.Close()
	}
	for _, p := range []*stand.Part{g.reverse, g.upstream} {
		if p != nil {
			_ = p.Close() // it ends by itself if not
		}
	}
	if g.dir != "" {
		_ = os.RemoveAll(g.dir)
	}
}
