package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portico/test/process"
)

const token = "bench-token-0123456789-0123456789-0123456789"

// serve starts portico with the demo on free ports.
func serve(ctx context.Context, bin string) (*process.Process, *process.API, error) {
	path, err := filepath.Abs(bin)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	p, err := process.Start(ctx, path, process.Options{Demo: true, Env: []string{"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=warn"}})
	if err != nil {
		return nil, nil, err
	}
	return p, p.API(token), nil
}

// start measures from the process's start until it is ready, on an empty
// folder, and its memory then.
func start(ctx context.Context, bin string) ([]row, error) {
	var times []time.Duration
	var resident float64
	for range 5 {
		p, _, err := serve(ctx, bin)
		if err != nil {
			return nil, err
		}
		times = append(times, p.ReadyIn)
		time.Sleep(2 * time.Second) // what starting needed is given back by now, or it is not
		resident = max(resident, p.ResidentMB())
		p.Close()
	}
	return []row{
		under("ready with the demo, empty folder, median of 5", percentile(times, 50), 2*time.Second, time.Millisecond),
		{"resident memory with the demo, highest of 5", fmt.Sprintf("%.0f MB", resident), "≤ 150 MB", resident <= 150},
	}, nil
}

// approvals measures from the answer of an approval until the gateway takes
// the key, a thousand times.
func approvals(ctx context.Context, bin string) ([]row, error) {
	p, api, err := serve(ctx, bin)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	plan, app, key, err := offer(ctx, api)
	if err != nil {
		return nil, err
	}
	const tenant = "/tenants/demo"
	var accepted, revoked []time.Duration
	for range 1000 {
		var sub process.Object
		if err := api.Do(ctx, "POST", tenant+"/subscriptions", map[string]any{"application": app, "plan": plan, "reason": "bench"}, &sub); err != nil {
			return nil, err
		}
		if err := api.Do(ctx, "POST", tenant+"/subscriptions/"+sub.ID+"/approve", nil, nil); err != nil {
			return nil, err
		}
		took, err := until(ctx, p.Gateway, key, http.StatusOK)
		if err != nil {
			return nil, err
		}
		accepted = append(accepted, took)
		if err := api.Do(ctx, "POST", tenant+"/subscriptions/"+sub.ID+"/cancel", nil, nil); err != nil {
			return nil, err
		}
		if took, err = until(ctx, p.Gateway, key, http.StatusForbidden); err != nil {
			return nil, err
		}
		revoked = append(revoked, took)
	}
	return []row{
		under("answer of approve → key accepted, p99 of 1,000", percentile(accepted, 99), 100*time.Millisecond, 10*time.Microsecond),
		under("answer of cancel → key refused, p99 of 1,000", percentile(revoked, 99), 100*time.Millisecond, 10*time.Microsecond),
		{"  the same, medians", fmt.Sprintf("%v, %v", percentile(accepted, 50).Round(10*time.Microsecond), percentile(revoked, 50).Round(10*time.Microsecond)), "", true},
	}, nil
}

// offer makes a manual plan without limits on the demo's API and an
// application with a key.
func offer(ctx context.Context, api *process.API) (plan, app, key string, err error) {
	const tenant = "/tenants/demo"
	var parcels, product, made, application, credential process.Object
	steps := []struct {
		method, path string
		body         func() any
		into         *process.Object
	}{
		{"GET", tenant + "/apis/parcels", func() any { return nil }, &parcels},
		{"POST", tenant + "/products", func() any {
			return map[string]any{"slug": "bench", "name": "Bench", "listed": true, "visibility": "public", "versions": []string{parcels.Versions[0].ID}}
		}, &product},
		{"POST", tenant + "/products/bench/plans", func() any {
			return map[string]any{"slug": "all", "name": "All", "approval": "manual", "state": "published", "limits": []any{}}
		}, &made},
		{"POST", tenant + "/applications", func() any { return map[string]any{"slug": "bench", "name": "Bench"} }, &application},
		{"POST", tenant + "/applications/bench/credentials?wait=applied", func() any { return map[string]any{"name": "bench"} }, &credential},
	}
	for _, s := range steps {
		if err := api.Do(ctx, s.method, s.path, s.body(), s.into); err != nil {
			return "", "", "", err
		}
	}
	return made.ID, application.ID, credential.Key, nil
}

// until calls the gateway until it answers with a status, and returns how long
// that took.
func until(ctx context.Context, gateway, key string, status int) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < 5*time.Second {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/demo/parcels/v1/parcels/prc_1001", nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-API-Key", key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		res.Body.Close()
		if res.StatusCode == status {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("the gateway did not answer %d within 5 s", status)
}

// publishing compares the publish of one API among ten with one among many,
// from the request to the confirmation of the node.
func publishing(ctx context.Context, bin string, many int) ([]row, error) {
	p, api, err := serve(ctx, bin)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var versions []string
	grow := func(to int) error {
		for len(versions) < to {
			slug := fmt.Sprintf("api-%d", len(versions))
			id, err := api.Live(ctx, "demo", slug, process.MinimalDocument(slug, "http://"+p.Ports.Upstream, 20))
			if err != nil {
				return err
			}
			versions = append(versions, id)
		}
		return nil
	}
	changed := 0
	measure := func() ([]time.Duration, time.Duration, error) {
		var took []time.Duration
		cpu := cpuTime(p.PID())
		const rounds = 200
		for i := range rounds {
			changed++
			one, err := api.Publish(ctx, "demo", versions[(i*7919)%len(versions)], changed)
			if err != nil {
				return nil, 0, err
			}
			took = append(took, one)
		}
		return took, (cpuTime(p.PID()) - cpu) / rounds, nil
	}
	if err := grow(10); err != nil {
		return nil, err
	}
	if _, _, err := measure(); err != nil { // warm
		return nil, err
	}
	few, fewCPU, err := measure()
	if err != nil {
		return nil, err
	}
	if err := grow(many); err != nil {
		return nil, err
	}
	lots, lotsCPU, err := measure()
	if err != nil {
		return nil, err
	}
	ratio := float64(percentile(lots, 50)) / float64(percentile(few, 50))
	return []row{
		{fmt.Sprintf("publish one API, confirmed: at %d APIs ÷ at 10, medians", many), fmt.Sprintf("%.2f ×", ratio), "0.5 – 1.5 ×", ratio >= 0.5 && ratio <= 1.5},
		{"  in time", fmt.Sprintf("%v ÷ %v", percentile(lots, 50).Round(100*time.Microsecond), percentile(few, 50).Round(100*time.Microsecond)), "", true},
		{"  in CPU of the whole process, with the change of the draft", fmt.Sprintf("%v ÷ %v", lotsCPU.Round(100*time.Microsecond), fewCPU.Round(100*time.Microsecond)), "", true},
		{fmt.Sprintf("  resident memory with %d APIs × 20 routes", many), fmt.Sprintf("%.0f MB", p.ResidentMB()), "", true},
	}, nil
}

// imports measures from the upload of a large document until its first
// operation answers on the gateway.
func imports(ctx context.Context, bin string) ([]row, error) {
	raw, err := os.ReadFile(filepath.Join(process.Root(), "..", "shared", "specs", "github-api.json"))
	if err != nil {
		return []row{{"GitHub's document, upload → callable", "not here", "≤ 2 s", true}}, nil
	}
	p, api, err := serve(ctx, bin)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	began := time.Now()
	var staged, made process.Object
	if err := api.Do(ctx, "POST", "/tenants/demo/imports", string(raw), &staged); err != nil {
		return nil, err
	}
	if err := api.Do(ctx, "POST", "/tenants/demo/imports/"+staged.ID+"/accept",
		map[string]any{"name": "GitHub", "slug": "github", "label": "v1", "upstream": "http://" + p.Ports.Upstream, "access": "key"}, &made); err != nil {
		return nil, err
	}
	if err := api.Do(ctx, "POST", "/tenants/demo/versions/"+made.ID+"/publish?wait=applied&timeout_ms=10000", map[string]any{}, nil); err != nil {
		return nil, err
	}
	res, err := http.Get(p.Gateway + "/demo/github/v1/zen")
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	took := time.Since(began)
	if res.StatusCode != http.StatusUnauthorized {
		return nil, fmt.Errorf("the operation answered %d, want 401 of a route that asks for a key", res.StatusCode)
	}
	return []row{under("GitHub's document (13 MB), upload → callable", took, 2*time.Second, time.Millisecond)}, nil
}

// cpuTime is what a process has used, user and system; 0 where it is unknown.
func cpuTime(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	var ticks [2]int64
	for i := range ticks {
		fmt.Sscan(fields[11+i], &ticks[i])
	}
	return time.Duration(ticks[0]+ticks[1]) * 10 * time.Millisecond
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}
