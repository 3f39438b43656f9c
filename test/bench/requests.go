package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/bench/stand"
	"portico/test/postgres"
	"portico/test/process"
)

// requestsOptions say how much the part "requests" measures.
type requestsOptions struct {
	rounds int           // of each comparison
	each   time.Duration // of each side in a round
	apis   int           // that are many
	grants int
	rows   string // only those whose name holds this
}

// busyLimit is how much of a core others may take before a figure is not judged.
const busyLimit = 0.10

// requests compares the gateway with nginx, in one run on one machine, in
// interleaved rounds: the CPU time of the process alone, user and system, for
// each answered call, as the median of the rounds' ratios. The gateway is the
// real binary, as a role of its own, and holds 1,000 routes and many keys.
//
// Pinned rows have gateway and nginx on one core and loader and upstream on the
// other; free rows let all of them have both. One core flatters Go's scheduler,
// so both are here.
func requests(ctx context.Context, bin string, o requestsOptions) (rows []row, err error) {
	s, err := newStand(ctx, bin, o)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return nil, err
	}
	for _, c := range s.comparisons() {
		if !strings.Contains(c.name, o.rows) {
			continue
		}
		more, err := s.compare(ctx, c)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) ([]row, error)
	}{
		{"latency", s.latency}, {"idle", s.idle}, {"publish under load", s.publishing}, {"many APIs", s.many},
	} {
		if !strings.Contains(part.name, o.rows) {
			continue
		}
		more, err := part.run(ctx)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return rows, nil
}

// bench is all that stands while requests are measured.
type bench struct {
	requestsOptions
	bin      string
	own      load.Own
	postgres interface{ Stop() }
	database string
	apart    *process.Apart
	template apim.ID // version of the API that is copied
	version  string  // of the API that is published under load
	key      string

	upstream, reverse *stand.Part
	nginx             *stand.Nginx
	pinned, free      *node
}

// node is a gateway and where it listens.
type node struct {
	*process.Process
	plain, tls string
}

const benchTenant = "bench"

// document has what the rows call.
func document(title, upstream string) string {
	operation := func(id string) string {
		return fmt.Sprintf(`{"operationId":%q,"summary":"Call %s","security":[],"responses":{"200":{"description":"ok"}}}`, id, id)
	}
	return fmt.Sprintf(`{"openapi":"3.1.0","info":{"title":%q,"version":"1"},"servers":[{"url":%q}],"paths":{
		"/small":{"get":%s,"post":%s},"/large":{"get":%s},"/things/{thing}/parts/{part}":{"get":%s}}}`,
		title, upstream, operation("getSmall"), operation("postSmall"), operation("getLarge"), operation("getPart"))
}

func newStand(ctx context.Context, bin string, o requestsOptions) (s *bench, err error) {
	machine.RaiseFiles()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	s = &bench{requestsOptions: o, bin: bin, own: load.Own{Program: self, Args: []string{"worker"}}}
	if s.upstream, err = stand.Start(self, "part", "upstream"); err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	certificate, err := stand.NewCertificate(dir)
	if err != nil {
		return s, err
	}
	if s.reverse, err = stand.Start(self, "part", "reverse", s.upstream.Address[0], certificate.ChainFile, certificate.KeyFile); err != nil {
		return s, err
	}
	if !slices.Contains(load.Missing(), "nginx") {
		if s.nginx, err = stand.StartNginx(ctx, s.upstream.Address[0], certificate); err != nil {
			return s, err
		}
	}
	own, err := postgres.Start(ctx)
	if err != nil {
		return s, err
	}
	s.postgres = own
	if s.database, err = own.Database(ctx); err != nil {
		return s, err
	}
	return s, s.startGateways(ctx, certificate)
}

func (s *bench) startGateways(ctx context.Context, c stand.Certificate) (err error) {
	if s.apart, err = process.StartApart(ctx, s.bin, s.database, token, gateway, 1); err != nil {
		return err
	}
	if err := s.prepare(ctx, c); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if err := s.fill(ctx, benchTenant, s.template, 50, s.grants); err != nil { // 50 × 20 routes
		return err
	}
	// A process that begins on one core takes it for all that there is.
	self := os.Getpid()
	defer machine.Pin(self, cores()...) //nolint:errcheck // it may have been kept to fewer before
	if err := machine.Pin(self, 0); err != nil {
		return err
	}
	if s.pinned, err = s.gateway(ctx, "pinned"); err != nil {
		return err
	}
	if err := machine.Pin(self, cores()...); err != nil {
		return err
	}
	s.free, err = s.gateway(ctx, "free")
	return err
}

func cores() []int { return []int{0, 1} }

func (s *bench) gateway(ctx context.Context, name string) (*node, error) {
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &node{tls: secure.Addr().String()}
	secure.Close()
	n.Process, err = s.apart.Gateway(ctx, name, "production", "PORTICO_GATEWAY_TLS_ADDR="+n.tls, "PORTICO_LOG_LEVEL=warn")
	if err != nil {
		return nil, err
	}
	n.plain = strings.TrimPrefix(n.Gateway, "http://")
	return n, nil
}

// prepare makes an API that is open, one with keys, plan and limit, and the one
// that is copied.
func (s *bench) prepare(ctx context.Context, c stand.Certificate) error {
	api := s.apart.Managers[0].API(token)
	in := "/tenants/" + benchTenant
	var plan, credential process.Object
	post := func(path string, body any, into any) error { return api.Do(ctx, http.MethodPost, path, body, into) }
	if err := post("/tenants", map[string]any{"slug": benchTenant, "name": "Bench"}, nil); err != nil {
		return err
	}
	versions := map[string]string{}
	for slug, access := range map[string]string{"open": "document", "keyed": "key"} {
		var staged, made process.Object
		if err := post(in+"/imports", document(slug, "http://"+s.upstream.Address[0]), &staged); err != nil {
			return err
		}
		if err := post(in+"/imports/"+staged.ID+"/accept", map[string]any{"name": slug, "slug": slug, "label": "v1", "access": access}, &made); err != nil {
			return err
		}
		if err := post(in+"/versions/"+made.ID+"/publish", map[string]any{}, nil); err != nil {
			return err
		}
		versions[slug] = made.ID
	}
	s.version = versions["open"]
	var err error
	if s.template, err = copied(ctx, api, benchTenant, s.upstream.Address[0]); err != nil {
		return err
	}
	limits := []any{map[string]any{"requests": 10_000_000, "period_ms": 1000}}
	for _, step := range []struct {
		path string
		body map[string]any
		into any
	}{
		{"/products", map[string]any{"slug": "keyed", "name": "Keyed", "listed": true, "visibility": "public", "versions": []string{versions["keyed"]}}, nil},
		{"/products/keyed/plans", map[string]any{"slug": "all", "name": "All", "approval": "automatic", "state": "published", "limits": limits}, &plan},
		{"/applications", map[string]any{"slug": "app", "name": "App"}, nil},
		{"/applications/app/credentials", map[string]any{"name": "k"}, &credential},
	} {
		if err := post(in+step.path, step.body, step.into); err != nil {
			return err
		}
	}
	s.key = credential.Key
	if err := post(in+"/subscriptions", map[string]any{"application": "app", "plan": plan.ID}, nil); err != nil {
		return err
	}
	return certify(ctx, api, c)
}

// copied makes the API of a tenant that is filled up with.
func copied(ctx context.Context, api *process.API, tenant, upstream string) (apim.ID, error) {
	var staged, made process.Object
	in := "/tenants/" + tenant
	if err := api.Do(ctx, http.MethodPost, in+"/imports", process.MinimalDocument("Template", "http://"+upstream, routesFor), &staged); err != nil {
		return "", err
	}
	if err := api.Do(ctx, http.MethodPost, in+"/imports/"+staged.ID+"/accept", map[string]any{"name": template, "slug": template, "label": "v1", "access": "key"}, &made); err != nil {
		return "", err
	}
	return apim.ID(made.ID), api.Do(ctx, http.MethodPost, in+"/versions/"+made.ID+"/publish", map[string]any{}, nil)
}

// certify makes the gateways show a certificate to everybody.
func certify(ctx context.Context, api *process.API, c stand.Certificate) error {
	return api.Do(ctx, http.MethodPost, "/environments/production/certificates",
		map[string]any{"chain": c.Chain, "private_key": c.Key, "hosts": []string{stand.Host}, "default": true}, nil)
}

// close ends everything.
func (s *bench) close() {
	if s.apart != nil {
		s.apart.Close()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
	if s.nginx != nil {
		s.nginx.Close()
	}
	for _, p := range []*stand.Part{s.upstream, s.reverse} {
		if p != nil {
			_ = p.Close() // it ends with its input
		}
	}
}

// side is one of those that are compared.
type side struct {
	name    string
	address string
	pid     int
	path    string // before the call's own
	key     string
}

// comparison is a row: the same calls to nginx, to the gateway, and for scale
// to the standard library's proxy.
type comparison struct {
	name        string
	wanted      float64 // × nginx
	pinned      bool
	job         load.Job
	nginx, ours side
	reverse     bool
}

// took is what one side of a round cost.
type took struct {
	cpu    time.Duration // for each answered call
	result load.Result
}

// measure lets one side do a job.
func (s *bench) measure(ctx context.Context, t side, job load.Job) (took, error) {
	job.Address = t.address
	calls := slices.Clone(job.Calls)
	for i := range calls {
		calls[i].Path, calls[i].Key = t.path+calls[i].Path, t.key
	}
	job.Calls = calls
	before, err := machine.CPU(t.pid)
	if err != nil {
		return took{}, err
	}
	r, err := load.For(job, s.own).Do(ctx, job)
	if err != nil {
		return took{}, fmt.Errorf("%s: %w", t.name, err)
	}
	after, err := machine.CPU(t.pid)
	if err != nil {
		return took{}, err
	}
	if r.Failed > 0 || r.Answered == 0 {
		return took{}, fmt.Errorf("%s: %d of %d calls failed; one alone: %s", t.name, r.Failed, r.Answered, alone(job))
	}
	return took{(after - before) / time.Duration(r.Answered), r}, nil
}

// alone makes the first call of a job by itself, and says what came of it.
func alone(job load.Job) string {
	c := job.Calls[0]
	req, err := http.NewRequest(c.Method, "http://"+job.Address+c.Path, strings.NewReader(strings.Repeat("x", c.Body)))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-API-Key", c.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // what there is of it
	return res.Status + " " + string(text)
}

// place keeps those that are measured to one core and everybody else to the
// other, or gives all of them both.
func (s *bench) place(pinned bool) error {
	front, back := cores(), cores()
	if pinned {
		front, back = []int{0}, []int{1}
	}
	var errs []error
	pin := func(pid int, cores []int) { errs = append(errs, machine.Pin(pid, cores...)) }
	pin(os.Getpid(), back)
	pin(s.upstream.PID, back)
	pin(s.reverse.PID, front)
	if s.nginx != nil {
		pin(s.nginx.Worker, front)
	}
	return errors.Join(errs...)
}

func (s *bench) compare(ctx context.Context, c comparison) ([]row, error) {
	if err := s.place(c.pinned); err != nil {
		return nil, err
	}
	defer s.place(false) //nolint:errcheck // reported by the next one
	job := c.job
	job.For = s.each
	sides := []side{c.ours}
	if s.nginx != nil {
		sides = append(sides, c.nginx)
	}
	if c.reverse {
		sides = append(sides, side{"ReverseProxy", s.reverse.Address[0], s.reverse.PID, "", ""})
	}
	warm := job
	warm.For = time.Second
	for _, t := range sides {
		if _, err := s.measure(ctx, t, warm); err != nil {
			return nil, err
		}
	}
	all := make([][]took, len(sides))
	before, err := machine.Use()
	if err != nil {
		return nil, err
	}
	for round := range s.rounds {
		for i := range sides {
			i = (i + round) % len(sides) // nobody is always first
			t, err := s.measure(ctx, sides[i], job)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], t)
		}
	}
	after, err := machine.Use()
	if err != nil {
		return nil, err
	}
	return c.rows(sides, all, machine.Busy(before, after)), nil
}

func (c comparison) rows(sides []side, all [][]took, busy float64) []row {
	ours := all[0]
	text := fmt.Sprintf("%.1f µs", micros(medianOf(ours, func(t took) float64 { return float64(t.cpu) })))
	first := row{what: c.name, measured: text, kept: true}
	if len(sides) > 1 && sides[1].name == "nginx" {
		ratio := medianRatio(ours, all[1])
		first.measured = fmt.Sprintf("%.2f × (%s)", ratio, text)
		first.wanted = fmt.Sprintf("≤ %.2f ×", c.wanted)
		first.kept = ratio <= c.wanted
	}
	if busy > busyLimit {
		first.measured, first.kept = first.measured+fmt.Sprintf(" not judged: others took %.0f %% of a core", 100*busy), true
	}
	rows := []row{first}
	for i, t := range sides {
		rows = append(rows, row{"    " + t.name, fmt.Sprintf("%6.1f µs %8.0f/s  p50 %s p99 %s",
			micros(medianOf(all[i], func(t took) float64 { return float64(t.cpu) })),
			medianOf(all[i], func(t took) float64 { return t.result.PerSecond() }),
			short(medianOf(all[i], func(t took) float64 { return float64(t.result.P50) })),
			short(medianOf(all[i], func(t took) float64 { return float64(t.result.P99) }))), "", true})
	}
	return rows
}

func micros(ns float64) float64 { return ns / 1000 }

func short(ns float64) string { return time.Duration(ns).Round(time.Microsecond).String() }

func medianOf(all []took, value func(took) float64) float64 {
	values := make([]float64, len(all))
	for i, t := range all {
		values[i] = value(t)
	}
	return median(values)
}

// medianRatio is the median of what each round of a cost for one of b.
func medianRatio(a, b []took) float64 {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = float64(a[i].cpu) / float64(b[i].cpu)
	}
	return median(ratios)
}

// median of values, 0 for none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
