package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/test/postgres"
	"portico/test/process"
)

// The console's operator, who is an owner of the tenant that is filled.
const (
	email     = "bench@bench.example"
	password  = "bench-password-0123456789"
	filledIn  = "/tenants/acme"
	template  = "template"
	routesFor = 20 // of each API
	gateway   = "http://gateway.example"
)

// atSize measures an installation that holds many APIs and grants: roles apart
// on PostgreSQL for what is a node's, and the lists on both databases.
func atSize(ctx context.Context, bin string, apis, grants int) (rows []row, err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d APIs × %d routes, %d grants", apis, routesFor, grants)
	rows = append(rows, row{"at " + what, "", "", true})
	own, err := postgres.Start(ctx)
	if err != nil {
		return rows, err
	}
	defer own.Stop()
	database, err := own.Database(ctx)
	if err != nil {
		return rows, err
	}
	apart, err := nodesAtSize(ctx, bin, database, apis, grants)
	rows = append(rows, apart...)
	if err != nil {
		return rows, err
	}
	together, err := listsOnSQLite(ctx, bin, apis, grants)
	return append(rows, together...), err
}

// nodesAtSize measures a node's start, memory and changes, and the lists, on
// PostgreSQL.
func nodesAtSize(ctx context.Context, bin, database string, apis, grants int) (rows []row, err error) {
	a, err := process.StartApart(ctx, bin, database, token, gateway, 1)
	if a != nil {
		defer a.Close()
	}
	if err != nil {
		return nil, err
	}
	person, version, err := firstOf(ctx, a.Managers[0], "http://127.0.0.1:9")
	if err != nil {
		return nil, err
	}
	first, err := a.Gateway(ctx, "gw-1", "production")
	if err != nil {
		return nil, err
	}
	a.Managers[0].Kill()
	began := time.Now()
	analyze := func() error { return postgres.Analyze(ctx, database) }
	if _, err := fill(ctx, database, "acme", version, amount{apis: apis, grants: grants}, analyze); err != nil {
		return nil, err
	}
	if err := analyze(); err != nil {
		return nil, err
	}
	filled := time.Since(began)
	began = time.Now()
	manager, err := a.Again(ctx, a.Managers[0], false)
	if err != nil {
		return nil, err
	}
	api := manager.API(token)
	if err := settled(ctx, api); err != nil {
		return nil, err
	}
	rows = append(rows, row{"  filling took; database → bus → a running node", fmt.Sprintf("%v; %v", filled.Round(time.Second), time.Since(began).Round(100*time.Millisecond)), "", true})

	second, err := a.Gateway(ctx, "gw-2", "production")
	if err != nil {
		return rows, err
	}
	rows = append(rows, under("  a new node, over NATS: start → ready", second.ReadyIn, 15*time.Second, 10*time.Millisecond))
	more, err := memory(ctx, second, "a new node")
	rows = append(rows, more...)
	if err != nil {
		return rows, err
	}

	changes, err := oneChange(ctx, api, first, version)
	rows = append(rows, changes...)
	if err != nil {
		return rows, err
	}
	portal, err := a.Portal(ctx)
	if err != nil {
		return rows, err
	}
	more, err = lists(ctx, person.on(manager), portal, "PostgreSQL", "gw-1")
	rows = append(rows, more...)
	if err != nil {
		return rows, err
	}

	time.Sleep(3 * time.Second) // the copy on disk is written within one
	second.Kill()
	manager.Kill()
	portal.Kill()
	a.NATS.Kill()
	var times []time.Duration
	for range 3 {
		if second, err = a.Again(ctx, second, false); err != nil {
			return rows, err
		}
		times = append(times, second.ReadyIn)
		if len(times) == 3 {
			break
		}
		second.Kill()
	}
	rows = append(rows, under("  a node from its disk copy, all else down: start → ready", percentile(times, 50), 5*time.Second, 10*time.Millisecond))
	more, err = memory(ctx, second, "from its disk copy")
	return append(rows, more...), err
}

// firstOf makes the first operator by the printed link, the tenant, and the API
// that is to be copied.
func firstOf(ctx context.Context, p *process.Process, upstream string) (*browser, apim.ID, error) {
	person, err := signUp(ctx, p)
	if err != nil {
		return nil, "", err
	}
	api := p.API(token)
	var staged, made process.Object
	if err := api.Do(ctx, http.MethodPost, filledIn+"/imports", process.MinimalDocument("Template", upstream, routesFor), &staged); err != nil {
		return nil, "", err
	}
	if err := api.Do(ctx, http.MethodPost, filledIn+"/imports/"+staged.ID+"/accept",
		map[string]any{"name": template, "slug": template, "label": "v1", "access": "key"}, &made); err != nil {
		return nil, "", err
	}
	err = api.Do(ctx, http.MethodPost, filledIn+"/versions/"+made.ID+"/publish", map[string]any{}, nil)
	return person, apim.ID(made.ID), err
}

// settled waits until every node has everything.
func settled(ctx context.Context, api *process.API) error {
	var environment struct {
		Sequence uint64 `json:"sequence"`
	}
	if err := api.Do(ctx, http.MethodGet, "/environments/production", nil, &environment); err != nil {
		return err
	}
	for end := time.Now().Add(5 * time.Minute); ; {
		var out struct {
			Done bool `json:"done"`
		}
		err := api.Do(ctx, http.MethodGet, fmt.Sprintf("/environments/production/changes/%d?wait=applied&timeout_ms=10000", environment.Sequence), nil, &out)
		if err == nil && out.Done {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(errors.New("the nodes did not get everything within 5 minutes"), err)
		}
	}
}

// memory reports what a node that has just become ready holds: the most that
// it took from the system to get there, and, after a while and a collection,
// what is alive.
func memory(ctx context.Context, p *process.Process, what string) ([]row, error) {
	time.Sleep(5 * time.Second)
	resident, most := p.ResidentMB(), p.MostResidentMB()
	alive, err := heap(ctx, p)
	if err != nil {
		return nil, err
	}
	return []row{
		{"    its most memory until then (peak RSS), " + what, fmt.Sprintf("%.0f MB", most), "≤ 600 MB", most <= 600},
		{"    5 s later: RSS; heap alive", fmt.Sprintf("%.0f MB; %.0f MB", resident, alive), "", true},
	}, nil
}

// heap returns what is alive on a process's heap, in MB.
func heap(ctx context.Context, p *process.Process) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Ops+"/debug/pprof/heap?gc=1&debug=1", nil)
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
	m := regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)`).FindSubmatch(raw)
	if m == nil {
		return 0, fmt.Errorf("no heap's size in %.200q", raw)
	}
	bytes, err := strconv.ParseFloat(string(m[1]), 64)
	return bytes / 1e6, err
}

// oneChange measures what a node computes for one change, all of it: from
// before the request until a moment after the node's report that it is in force.
func oneChange(ctx context.Context, api *process.API, node *process.Process, version apim.ID) (rows []row, err error) {
	var requests struct {
		Items []process.Object `json:"items"`
	}
	const rounds = 50
	if err := api.Do(ctx, http.MethodGet, filledIn+"/subscriptions?limit=200", nil, &requests); err != nil {
		return nil, err
	}
	if len(requests.Items) < rounds {
		return nil, fmt.Errorf("%d requests wait, and %d are to be approved", len(requests.Items), rounds)
	}
	if err := resting(ctx, node); err != nil {
		return nil, err
	}
	measure := func(change func(round int) error) (cpu, took []time.Duration, all time.Duration, err error) {
		before := threadTime(node.PID())
		for round := range rounds {
			at, began := threadTime(node.PID()), time.Now()
			if err := change(round); err != nil {
				return nil, nil, 0, err
			}
			took = append(took, time.Since(began))
			time.Sleep(20 * time.Millisecond)
			cpu = append(cpu, threadTime(node.PID())-at)
		}
		return cpu, took, (threadTime(node.PID()) - before) / rounds, nil
	}
	for _, kind := range []struct {
		name   string
		change func(round int) error
	}{
		{"approve", func(round int) error {
			var out process.Object
			err := api.Do(ctx, http.MethodPost, filledIn+"/subscriptions/"+requests.Items[round].ID+"/approve?wait=applied", nil, &out)
			if err == nil && !out.Applied.Done {
				err = errors.New("an approval was not confirmed")
			}
			return err
		}},
		{"publish", func(round int) error { _, err := api.Publish(ctx, "acme", string(version), round); return err }},
	} {
		cpu, took, mean, err := measure(kind.change)
		if err != nil {
			return rows, err
		}
		middle := percentile(cpu, 50)
		rows = append(rows,
			under("  "+kind.name+": CPU of a node, median of 50", middle, 5*time.Millisecond, 10*time.Microsecond),
			row{"    mean, p95; request → confirmed by the nodes, median", fmt.Sprintf("%v, %v; %v", mean.Round(10*time.Microsecond), percentile(cpu, 95).Round(10*time.Microsecond), percentile(took, 50).Round(100*time.Microsecond)), "", true})
	}
	return rows, nil
}

// resting waits until a process computes little.
func resting(ctx context.Context, p *process.Process) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		before := threadTime(p.PID())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if threadTime(p.PID())-before < 20*time.Millisecond {
			return nil
		}
	}
	return errors.New("the node computes on and on, without a change")
}

// threadTime is what a process has computed, to the nanosecond; 0 where it is
// unknown.
func threadTime(pid int) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well-formed
	sum := time.Duration(0)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		ns, _, _ := strings.Cut(string(raw), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// browser is a person who is signed in to a console.
type browser struct {
	client *http.Client
	base   string
}

func signUp(ctx context.Context, p *process.Process) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{client: &http.Client{Jar: jar}, base: p.Console}
	form := url.Values{"name": {"Bench"}, "email": {email}, "password": {password}, "tenant_name": {"Acme"}, "tenant_slug": {"acme"}}
	body, err := b.post(ctx, p.FirstRun, form)
	if err == nil && !strings.Contains(body, "Acme") {
		err = fmt.Errorf("the first run did not lead to the console: %.2000s", body)
	}
	return b, err
}

// on is the same person at another process's console, on the same database.
func (b *browser) on(p *process.Process) *browser { return &browser{client: b.client, base: p.Console} }

func (b *browser) post(ctx context.Context, address string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b *browser) do(req *http.Request) (string, error) {
	res, err := b.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.500s", req.URL.Path, res.StatusCode, raw)
	}
	return string(raw), err
}

// lists measures every list, as a page and in the API, as it comes: fifty items.
// Beside them, and not held to the same figure, are what is no list (the
// overview, searches through everything) and the longest pages that can be
// asked for, of 200 items with all that belongs to each.
func lists(ctx context.Context, person *browser, portal *process.Process, database, node string) ([]row, error) {
	const rounds = 40
	console, rest, catalog := person.base+"/t/acme", person.base+"/api/v1"+filledIn, portal.Portal
	var rows, beside []row
	worst, worstName := time.Duration(0), ""
	for _, l := range []struct {
		name, address, holds string
		beside               bool
	}{
		{"APIs", console + "/apis", "api-0000", false},
		{"products", console + "/products", "Product", false},
		{"applications", console + "/applications", "Application", false},
		{"approvals", console + "/approvals", "Application", false},
		{"subscriptions", console + "/subscriptions", "Application", false},
		{"members", console + "/members", "person-", false},
		{"audit", console + "/audit", "ublish", false},
		{"nodes", console + "/nodes", node, false},
		{"catalog", catalog + "/", "Product", false},
		{"REST APIs", rest + "/apis", "api-0000", false},
		{"REST products", rest + "/products", "product-", false},
		{"REST applications", rest + "/applications", "app-", false},
		{"REST inbox", rest + "/subscriptions", "sub_", false},
		{"REST subscriptions", rest + "/subscriptions?show=all", "sub_", false},
		{"REST offers", rest + "/offers", "product-", false},
		{"REST members", rest + "/members", "person-", false},
		{"REST audit", rest + "/audit", "aud_", false},
		{"overview", console, "Acme", true},
		{"search for an API", console + "/apis?q=api+77", "API 77", true},
		{"search the catalog's operations", catalog + "/search?q=thing", "thing", true},
		{"REST, 200 APIs", rest + "/apis?limit=200", "api-0000", true},
		{"REST, 200 products", rest + "/products?limit=200", "product-", true},
		{"REST, 200 applications", rest + "/applications?limit=200", "app-", true},
		{"REST, 200 subscriptions", rest + "/subscriptions?show=all&limit=200", "sub_", true},
		{"REST, 200 offers of 2,000 versions", rest + "/offers?limit=200", "product-", true},
	} {
		var took []time.Duration
		for range rounds {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.address, nil)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(l.name, "REST") {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			began := time.Now()
			body, err := person.do(req)
			if err != nil {
				return rows, fmt.Errorf("%s: %w", l.name, err)
			}
			took = append(took, time.Since(began))
			if !strings.Contains(body, l.holds) {
				return rows, fmt.Errorf("%s: %q is not in its answer of %d bytes", l.name, l.holds, len(body))
			}
		}
		p95 := percentile(took, 95)
		one := row{"    " + l.name + ": p50, p95", fmt.Sprintf("%v, %v", percentile(took, 50).Round(100*time.Microsecond), p95.Round(100*time.Microsecond)), "", true}
		if l.beside {
			beside = append(beside, one)
			continue
		}
		rows = append(rows, one)
		if p95 > worst {
			worst, worstName = p95, l.name
		}
	}
	first := under("  list pages on "+database+", p95 of 40, the slowest ("+worstName+")", worst, 100*time.Millisecond, 100*time.Microsecond)
	rows = append([]row{first}, rows...)
	return append(append(rows, row{"  beside them", "", "", true}), beside...), nil
}

// listsOnSQLite measures the lists of one process with everything in it.
func listsOnSQLite(ctx context.Context, bin string, apis, grants int) ([]row, error) {
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o := process.Options{Data: dir, Env: []string{"PORTICO_BOOTSTRAP_TOKEN=" + token, "PORTICO_LOG_LEVEL=warn", "PORTICO_UPSTREAM_ALLOW=127.0.0.0/8"}}
	p, err := process.Start(ctx, bin, o)
	if err != nil {
		return nil, err
	}
	defer func() { p.Close() }()
	person, version, err := firstOf(ctx, p, "http://127.0.0.1:9")
	if err != nil {
		return nil, err
	}
	if err := p.Stop(ctx); err != nil {
		return nil, err
	}
	if _, err := fill(ctx, filepath.Join(dir, "portico.db"), "acme", version, amount{apis: apis, grants: grants}, nil); err != nil {
		return nil, err
	}
	if p, err = process.Start(ctx, bin, o); err != nil {
		return nil, err
	}
	if err := settled(ctx, p.API(token)); err != nil {
		return nil, err
	}
	return lists(ctx, person.on(p), p, "SQLite, all in one process", "Gateway nodes")
}
