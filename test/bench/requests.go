package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/bench/stand"
	"portico/test/process"
)

// requestParts are the rows on requests, latency, connections and growth. They
// share one installation, which the first of them starts.
func requestParts(g *rig) []part {
	row := func(name string, w work) part {
		return part{name: "requests/" + name, compare: func(ctx context.Context) ([]figure.Row, error) { return g.compare(ctx, w) }}
	}
	of := func(name string, run func(ctx context.Context) ([]figure.Row, error)) part {
		return part{name: "requests/" + name, compare: func(ctx context.Context) ([]figure.Row, error) {
			if err := g.ready(ctx); err != nil {
				return nil, err
			}
			return run(ctx)
		}}
	}
	small := []load.Call{{Path: plainPath("/small")}}
	full := work{keyed: true, logged: true}
	free, light := full, full
	full.what, full.most = "key + limit + metrics + usage, 1,000 routes, GET 1 KB, one core", 1.15
	free.what, free.most, free.free = "the same on two free cores", 1.5, true
	light.what, light.most, light.free, light.rate = fmt.Sprintf("the same at light load (%s/s)", figure.Count(lightRate)), 1.6, true, lightRate
	return []part{
		of("plain", g.bare),
		row("full", full),
		of("core", g.core),
		row("free", free),
		row("light", light),
		row("post", work{what: "POST 1 KB, plain, one core", most: 1.15, calls: []load.Call{{Method: http.MethodPost, Path: plainPath("/small"), Body: 1 << 10}}}),
		row("tls", work{what: "GET 1 KB over TLS 1.3, one core", most: 1, calls: small, tls: true}),
		row("down", work{what: "GET 1 MB, one core", most: 1, calls: []load.Call{{Path: plainPath("/large")}}}),
		row("up", work{what: "POST 1 MB, one core", most: 1, calls: []load.Call{{Method: http.MethodPost, Path: plainPath("/small"), Body: 1 << 20}}}),
		row("h2c", work{what: "GET 1 KB, HTTP/2 (h2c) in, HTTP/1.1 out, one core", most: 3, calls: small, http2: true}),
		row("h2", work{what: "GET 1 KB, HTTP/2 over TLS in, HTTP/1.1 out, one core", most: 3, calls: small, http2: true, tls: true}),
		of("cached", g.cached),
		of("composition", g.composition),
		of("latency", g.latency),
		of("idle", g.idle),
		of("publish", g.underLoad),
		of("growth", g.growth),
	}
}

// lightRate is what light load is, in calls a second.
const lightRate = 3200

// work is what the contenders of a row do.
type work struct {
	what       string
	most       float64 // times nginx's CPU
	calls      []load.Call
	keyed      bool // the calls are those of the routes that want a key
	logged     bool // nginx writes an access log
	tls, http2 bool
	free       bool // of the cores
	rate       int  // 0: saturated
}

// contender is who is measured.
type contender struct {
	name    string
	pid     int
	address string
	gateway *process.Process // whose allocations are known; nil: not
}

func (g *rig) job(w work, address string) load.Job {
	j := load.Job{Address: address, TLS: w.tls, HTTP2: w.http2, Calls: w.calls, Connections: wire, Rate: w.rate, For: g.each}
	if w.keyed {
		j.Calls = g.keyed()
	}
	if w.http2 { // as many calls under way at once as elsewhere
		j.Connections, j.Streams = 8, wire/8
	}
	return j
}

// contenders of a row: ours, nginx where it is installed, and other builds of ours
// or the standard library's.
func (g *rig) contenders(w work) []contender {
	ours := contender{name: "Portico", pid: g.gateway.PID(), address: g.gateway.Ports.Gateway, gateway: g.gateway}
	standard := contender{name: "httputil.ReverseProxy", pid: g.reverse.PID, address: g.reverse.Address[0]}
	if w.tls {
		ours.address, standard.address = g.tls, g.reverse.Address[1]
	}
	all := []contender{ours}
	if g.nginx != nil {
		n := contender{name: "nginx", pid: g.nginx.Worker, address: g.nginx.Plain}
		switch {
		case w.tls && w.http2:
			n.address = g.nginx.H2
		case w.tls:
			n.address = g.nginx.TLS
		case w.http2:
			n.address = g.nginx.H2C
		case w.logged:
			n.address = g.nginx.Logged
		}
		all = append(all, n)
	}
	if len(g.rivals) == 0 {
		return append(all, standard)
	}
	for _, r := range g.rivals {
		one := contender{name: r.bin, pid: r.PID(), address: r.Ports.Gateway, gateway: r.Process}
		if w.tls {
			one.address = r.tls
		}
		all = append(all, one)
	}
	return all
}

// bare measures what a call costs when nothing is asked of it: a node that has a
// few APIs and counts no calls, and beside it the one of all other parts, which
// does.
func (g *rig) bare(ctx context.Context) ([]figure.Row, error) {
	node, err := g.alone(ctx, g.few, "", "PORTICO_USAGE_SPOOL_MB=0")
	if err != nil {
		return nil, err
	}
	defer node.Kill()
	if err := g.place(ctx, false); err != nil {
		return nil, err
	}
	if err := machine.Pin(node.PID(), theirs); err != nil {
		return nil, err
	}
	if err := processors(ctx, node, 1); err != nil {
		return nil, err
	}
	w := work{what: "GET 1 KB, plain, one core", most: 1, calls: []load.Call{{Path: plainPath("/small")}}}
	all := g.contenders(w)
	counting := all[0].called("Portico, with usage")
	all[0].pid, all[0].address, all[0].gateway = node.PID(), node.Ports.Gateway, node
	out, err := g.rounds(ctx, w, append(all, counting))
	if err != nil {
		return nil, err
	}
	return []figure.Row{figure.Compare(w.what, w.most, out)}, nil
}

// compare measures a row: in each round every contender, in another order each
// time.
func (g *rig) compare(ctx context.Context, w work) ([]figure.Row, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	all := g.contenders(w)
	if why := g.unserved(ctx, w, all[0].address); why != "" {
		return []figure.Row{{What: w.what, Measured: "not served yet", Wanted: fmt.Sprintf("≤ %.2f ×", w.most), Verdict: figure.NotMet, Reason: why}}, nil
	}
	if err := g.place(ctx, w.free); err != nil {
		return nil, err
	}
	out, err := g.rounds(ctx, w, all)
	if err != nil {
		return nil, err
	}
	row := figure.Compare(w.what, w.most, out)
	if w.keyed && !w.free {
		g.perCore = out[0].Median.PerSecond
	}
	return []figure.Row{row}, nil
}

// rounds warms every contender up and then measures them in turn.
func (g *rig) rounds(ctx context.Context, w work, all []contender) ([]figure.Contender, error) {
	out := make([]figure.Contender, len(all))
	for i, c := range all {
		out[i].Name = c.name
		j := g.job(w, c.address)
		if !w.http2 {
			if err := answers(ctx, j); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
		}
		j.For = time.Second
		if _, err := load.For(j, g.own).Do(ctx, j); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for round := range g.settings.rounds {
		for i := range all {
			at := (i + round) % len(all)
			s, err := g.sample(ctx, all[at], g.job(w, all[at].address))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[at].name, err)
			}
			out[at].Rounds = append(out[at].Rounds, s)
		}
	}
	return out, nil
}

// answers makes a job's first call and says what is wrong with the answer:
// loaders only count.
func answers(ctx context.Context, j load.Job) error {
	scheme := "http"
	if j.TLS {
		scheme = "https"
	}
	call := j.Calls[0]
	req, err := http.NewRequestWithContext(ctx, call.Method, scheme+"://"+j.Address+call.Path, strings.NewReader(strings.Repeat("x", call.Body)))
	if err != nil {
		return err
	}
	if call.Key != "" {
		req.Header.Set("X-API-Key", call.Key)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: stand.Host}}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answered %d: %.300s", req.URL, res.StatusCode, body)
	}
	return err
}

// sample measures a contender once. What it still computes afterwards, such as
// shipping the record of the calls, is counted too.
func (g *rig) sample(ctx context.Context, c contender, j load.Job) (figure.Sample, error) {
	s := figure.Sample{Allocations: -1}
	if err := g.rest(ctx); err != nil {
		return s, err
	}
	var scraped, mallocs float64
	if c.gateway != nil {
		first, err := metric(ctx, c.gateway, allocationsMetric)
		if err != nil {
			return s, err
		}
		if mallocs, err = metric(ctx, c.gateway, allocationsMetric); err != nil {
			return s, err
		}
		scraped = mallocs - first
	}
	used, err := machine.Use()
	if err != nil {
		return s, err
	}
	cpu, err := machine.CPU(c.pid)
	if err != nil {
		return s, err
	}
	r, err := g.quietly(ctx, j)
	if err != nil {
		return s, err
	}
	if r.Answered == 0 {
		return s, errors.New("no call was answered")
	}
	after, err := machine.Use()
	if err != nil {
		return s, err
	}
	spent, err := settledCPU(ctx, c.pid, cpu)
	if err != nil {
		return s, err
	}
	if c.gateway != nil {
		now, err := metric(ctx, c.gateway, allocationsMetric)
		if err != nil {
			return s, err
		}
		s.Allocations = max(0, (now-mallocs-scraped)/float64(r.Answered))
	}
	if s.ResidentMB, err = machine.ResidentMB(c.pid); err != nil {
		return s, err
	}
	s.CPU, s.PerSecond, s.P50, s.P99, s.Failed = spent/time.Duration(r.Answered), r.PerSecond(), r.P50, r.P99, r.Failed
	s.Busy = machine.Busy(used, after)
	if g.nginx != nil {
		err = g.nginx.ForgetLog()
	}
	return s, err
}

const (
	allocationsMetric = "go_memstats_mallocs_total"
	waitingMetric     = "portico_gateway_usage_waiting_calls"
)

// rest waits until the ledger has all calls and nothing of ours computes any more:
// what the control plane makes of the calls of one contender must not disturb the
// next. After a minute it is left at that.
func (g *rig) rest(ctx context.Context) error {
	const pause = 200 * time.Millisecond
	nodes := []*process.Process{g.gateway}
	for _, r := range g.rivals {
		nodes = append(nodes, r.Process)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		before, err := machine.Use() // anew in each round: to ask costs too
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		now, err := machine.Use()
		if err != nil {
			return err
		}
		quiet := now.Ours-before.Ours < pause/10
		for i := 0; quiet && i < len(nodes); i++ {
			waiting, err := metric(ctx, nodes[i], waitingMetric)
			if err != nil {
				return err
			}
			quiet = waiting == 0
		}
		if quiet {
			return nil
		}
	}
	return nil
}

// settledCPU is what a process has computed since before, once it rests; after
// three seconds it is what it is by then.
func settledCPU(ctx context.Context, pid int, before time.Duration) (time.Duration, error) {
	const pause = 100 * time.Millisecond
	last := before
	for range 30 {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pause):
		}
		now, err := machine.CPU(pid)
		if err != nil {
			return 0, err
		}
		if now-last < pause/50 {
			return now - before, nil
		}
		last = now
	}
	return last - before, nil
}

// unserved says why the gateway does not serve a row's protocol, "" when it does.
// It asks the gateway, not what was set.
func (g *rig) unserved(ctx context.Context, w work, address string) string {
	if w.tls {
		if err := handshake(ctx, address, w.http2); err != nil {
			return "a TLS handshake with the gateway: " + err.Error()
		}
	}
	if !w.http2 {
		return ""
	}
	j := g.job(w, address)
	j.For, j.Connections, j.Streams = time.Millisecond, 1, 1
	if r, err := g.own.Do(ctx, j); err != nil || r.Answered == 0 {
		return fmt.Sprintf("a call over HTTP/2: %d answered, %d failed (%v)", r.Answered, r.Failed, err)
	}
	return ""
}

// handshake tries TLS 1.3 with the protocol that is wanted.
func handshake(ctx context.Context, address string, http2 bool) error {
	protocol := "http/1.1"
	if http2 {
		protocol = "h2"
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	d := &tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{
		InsecureSkipVerify: true, ServerName: stand.Host, MinVersion: tls.VersionTLS13, NextProtos: []string{protocol},
	}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if got := c.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != protocol {
		return fmt.Errorf("it chose the protocol %q, not %q", got, protocol)
	}
	return nil
}

// core sets what one core answers beside the headline of the field.
func (g *rig) core(context.Context) ([]figure.Row, error) {
	if g.perCore == 0 {
		return nil, nil
	}
	const headline, cores = 20_000, 8
	return []figure.Row{{
		What:     "  requests/s on one core; the field's headline, on 8 cores and 8 GB, a core",
		Measured: fmt.Sprintf("%s; %s", figure.Count(g.perCore), figure.Count(headline/cores)),
	}}, nil
}

// workFor does what another process of this program was started for.
func workFor(part string, args []string) error {
	switch {
	case part != "load":
		return stand.Work(part, args, os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "hold":
		machine.RaiseFiles()
		return load.Holder(os.Stdin, os.Stdout)
	}
	return load.Worker(os.Stdin, os.Stdout)
}
