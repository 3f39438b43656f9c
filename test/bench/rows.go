package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/postgres"
)

const (
	openPath  = "/" + benchTenant + "/open/v1"
	keyedPath = "/" + benchTenant + "/keyed/v1"
)

// comparisons are the rows that compare the cost of a call.
func (s *bench) comparisons() []comparison {
	get := load.Call{Path: "/small"}
	job := func(connections int, calls ...load.Call) load.Job {
		return load.Job{Calls: calls, Connections: connections}
	}
	open := func(n *node) side { return side{"portico", n.plain, n.PID(), openPath, ""} }
	keyed := func(n *node) side { return side{"portico", n.plain, n.PID(), keyedPath, s.key} }
	nginx := func(address string) side {
		if s.nginx == nil {
			return side{}
		}
		return side{"nginx", address, s.nginx.Worker, "", ""}
	}
	var plain, logged, secure, h2c string
	if s.nginx != nil {
		plain, logged, secure, h2c = s.nginx.Plain, s.nginx.Logged, s.nginx.TLS, s.nginx.H2C
	}
	parts := load.Call{Path: "/things/4711/parts/12"}
	overTLS, over2 := job(64, get), job(16, get)
	overTLS.TLS = true
	over2.HTTP2, over2.Streams = true, 8
	tls := open(s.pinned)
	tls.address = s.pinned.tls
	light := job(32, parts)
	light.Rate = lightRate
	return []comparison{
		{"GET 1 KB, 64 connections, one core each, plain", 1.00, true, job(64, get), nginx(plain), open(s.pinned), true},
		{"same: key, limit, metrics, usage, 1,000 routes; nginx logs", 1.15, true, job(64, parts), nginx(logged), keyed(s.pinned), false},
		{"same, two free cores", 1.50, false, job(64, parts), nginx(logged), keyed(s.free), false},
		{"same, light load (3,200/s)", 1.60, false, light, nginx(logged), keyed(s.free), false},
		{"POST 1 KB", 1.15, true, job(64, load.Call{Method: http.MethodPost, Path: "/small", Body: 1 << 10}), nginx(plain), open(s.pinned), false},
		{"TLS 1.3", 1.00, true, overTLS, nginx(secure), tls, false},
		{"1 MB down", 1.00, true, job(16, load.Call{Path: "/large"}), nginx(plain), open(s.pinned), false},
		{"1 MB up", 1.00, true, job(16, load.Call{Method: http.MethodPost, Path: "/small", Body: 1 << 20}), nginx(plain), open(s.pinned), false},
		{"HTTP/2 in, HTTP/1.1 out", 3.00, true, over2, nginx(h2c), open(s.pinned), false},
	}
}

// Rates of the rows that keep to one.
const (
	lightRate = 3_200
	halfRate  = 12_000 // about half of what both answer on two cores beside a loader
)

// latency compares what the gateway adds to a call with what nginx adds, with
// the same loader at the same rate.
func (s *bench) latency(ctx context.Context) ([]row, error) {
	if s.nginx == nil {
		return nil, nil
	}
	var rows []row
	for _, load := range []struct {
		name string
		rate int
	}{{"light load", lightRate}, {"half load", halfRate}} {
		more, err := s.added(ctx, load.name, load.rate)
		if err != nil {
			return rows, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (s *bench) added(ctx context.Context, name string, rate int) ([]row, error) {
	sides := []side{
		{"direct", s.upstream.Address[0], s.upstream.PID, "", ""},
		{"nginx", s.nginx.Logged, s.nginx.Worker, "", ""},
		{"portico", s.free.plain, s.free.PID(), keyedPath, s.key},
	}
	job := load.Job{Calls: []load.Call{{Path: "/small"}}, Connections: 32, Rate: rate, For: s.each}
	var p50, p99 [3][]float64
	before, err := machine.Use()
	if err != nil {
		return nil, err
	}
	for range s.rounds {
		for i, t := range sides {
			one, err := s.measure(ctx, t, job)
			if err != nil {
				return nil, err
			}
			p50[i], p99[i] = append(p50[i], float64(one.result.P50)), append(p99[i], float64(one.result.P99))
		}
	}
	after, err := machine.Use()
	if err != nil {
		return nil, err
	}
	busy := machine.Busy(before, after)
	line := func(what string, of [3][]float64, most float64) row {
		direct, theirs, ours := median(of[0]), median(of[1]), median(of[2])
		ratio := (ours - direct) / (theirs - direct)
		r := row{
			fmt.Sprintf("added latency, %s, %s", name, what), fmt.Sprintf("%.2f × (%s, nginx %s)", ratio, short(ours-direct), short(theirs-direct)),
			fmt.Sprintf("≤ %.2f ×", most), ratio <= most,
		}
		if busy > busyLimit {
			r.measured, r.kept = r.measured+" not judged: busy", true
		}
		return r
	}
	return []row{line("p50", p50, 1.15), line("p99", p99, 1.00)}, nil
}

// idleConnections is how many callers wait with nothing to say.
const idleConnections = 10_000

// idle measures the memory of connections that have made a call and wait.
func (s *bench) idle(ctx context.Context) ([]row, error) {
	var rows []row
	for _, kind := range []struct {
		name, address string
		tls           bool
		most          float64
	}{{"plain", s.free.plain, false, 100}, {"TLS", s.free.tls, true, 400}} {
		p, err := s.gateway(ctx, "idle-"+kind.name)
		if err != nil {
			return rows, err
		}
		address := p.plain
		if kind.tls {
			address = p.tls
		}
		time.Sleep(2 * time.Second)
		empty := p.ResidentMB()
		held, err := s.hold(ctx, address, kind.tls)
		if err != nil {
			p.Kill()
			return rows, err
		}
		time.Sleep(4 * time.Second)
		with := p.ResidentMB()
		held.Close()
		p.Kill()
		rows = append(rows, row{
			fmt.Sprintf("%d idle connections, %s", idleConnections, kind.name), fmt.Sprintf("%.0f MB", with-empty),
			fmt.Sprintf("≤ %.0f MB", kind.most), with-empty <= kind.most,
		})
	}
	return rows, nil
}

// hold opens the connections, in a process of its own, makes a call on each and
// keeps them.
func (s *bench) hold(ctx context.Context, address string, secure bool) (io.Closer, error) {
	return s.own.Hold(ctx, load.Job{
		Address: address, TLS: secure, Connections: idleConnections, Calls: []load.Call{{Path: openPath + "/small"}},
	})
}

// publishing publishes an API again and again while it is called as fast as it
// answers.
func (s *bench) publishing(ctx context.Context) ([]row, error) {
	if err := s.place(false); err != nil {
		return nil, err
	}
	api := s.apart.Managers[0].API(token)
	t := side{"portico", s.free.plain, s.free.PID(), openPath, ""}
	job := load.Job{Calls: []load.Call{{Path: "/small"}}, Connections: 64, For: 3 * s.each}
	quiet, err := s.measure(ctx, t, job)
	if err != nil {
		return nil, err
	}
	done, published := make(chan error, 1), 0
	within, stop := context.WithCancel(ctx)
	go func() {
		for within.Err() == nil {
			published++
			if _, err := api.Publish(ctx, benchTenant, s.version, published); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	loaded, err := s.measure(ctx, t, job)
	stop()
	if failed := <-done; failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	ratio := float64(loaded.result.P99) / float64(quiet.result.P99)
	return []row{
		{"publishing under full load: failed calls", fmt.Sprintf("0 of %d, %d publishes", loaded.result.Answered, published), "0", true},
		{"  p99 ÷ p99 without publishing", fmt.Sprintf("%.2f × (%s ÷ %s)", ratio, short(float64(loaded.result.P99)), short(float64(quiet.result.P99))), "≤ 2 ×", ratio <= 2},
	}, nil
}

// many compares the cost of a call among few APIs with that among many.
func (s *bench) many(ctx context.Context) ([]row, error) {
	if err := s.place(true); err != nil {
		return nil, err
	}
	defer s.place(false) //nolint:errcheck // reported by the next one
	job := load.Job{Calls: []load.Call{{Path: "/things/4711/parts/12"}}, Connections: 64, For: s.each}
	few := side{"few", s.pinned.plain, s.pinned.PID(), keyedPath, s.key}
	cost := func() ([]took, error) {
		var all []took
		for range s.rounds {
			t, err := s.measure(ctx, few, job)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		return all, nil
	}
	before, err := cost()
	if err != nil {
		return nil, err
	}
	api := s.apart.Managers[0].API(token)
	if err := api.Do(ctx, http.MethodPost, "/tenants", map[string]any{"slug": "many", "name": "Many"}, nil); err != nil {
		return nil, err
	}
	template, err := copied(ctx, api, "many", s.upstream.Address[0])
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, "many", template, s.apis, 0); err != nil {
		return nil, err
	}
	time.Sleep(5 * time.Second) // what was published is collected
	after, err := cost()
	if err != nil {
		return nil, err
	}
	cpu := func(t took) float64 { return float64(t.cpu) }
	ratio := medianOf(after, cpu) / medianOf(before, cpu)
	return []row{{
		fmt.Sprintf("CPU of a call among %d APIs ÷ among 53", s.apis+53), fmt.Sprintf("%.2f × (%.1f ÷ %.1f µs)", ratio, micros(medianOf(after, cpu)), micros(medianOf(before, cpu))),
		"≤ 1.05 ×", ratio <= 1.05,
	}}, nil
}

// fill puts more APIs and grants into the database, past the manager, and waits
// until the nodes have them.
func (s *bench) fill(ctx context.Context, tenant string, template apim.ID, apis, grants int) error {
	s.apart.Managers[0].Kill()
	analyze := func() error { return postgres.Analyze(ctx, s.database) }
	if err := fill(ctx, s.database, tenant, template, apis, grants, analyze); err != nil {
		return err
	}
	manager, err := s.apart.Again(ctx, s.apart.Managers[0], false)
	if err != nil {
		return err
	}
	return settled(ctx, manager.API(token))
}
