package main

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/entry"
	"portico/test/bench/figure"
	"portico/test/bench/machine"
)

// emptyChain is the name of the benchmark that a policy's stands beside.
const emptyChain = "empty chain"

// policyFigures are what is wanted of single policies, by their kind and the
// rest of the benchmark's name.
var policyFigures = []struct {
	kind entry.PolicyKind
	rest string
	what string
	most time.Duration
}{
	{"key", "key, GCRA and counters", "key + GCRA + counters", time.Microsecond},
	{"jwt", "ES256 cached", "ES256 JWT, known by its hash", 2 * time.Microsecond},
	{"jwt", "ES256 uncached", "ES256 JWT, verified", 100 * time.Microsecond},
	{"validate", "1 KB", "validation of a body of 1 KB", 30 * time.Microsecond},
}

// cost is a benchmark's result, or what is between two: ns and allocations a call.
type cost struct{ ns, allocations float64 }

// policies runs the benchmarks of package gateway/policy, round by round, and
// says what each kind of policy costs a call beside the empty chain. One
// processor is used, so that what the collector does is in the time.
func (g *rig) policies(ctx context.Context) ([]figure.Row, error) {
	const each = "200ms"
	var rounds []map[string]cost
	var busy []float64
	if _, err := run(ctx, nil, "go", "test", "-run", "^$", "./gateway/policy"); err != nil { // what is compiled here is not measured
		return nil, err
	}
	for range g.settings.rounds {
		before, err := machine.Use()
		if err != nil {
			return nil, err
		}
		out, err := run(ctx, nil, "go", "test", "-run", "^$", "-bench", ".", "-benchtime", each, "-benchmem", "-cpu", "1", "./gateway/policy")
		if err != nil {
			return nil, err
		}
		after, err := machine.Use()
		if err != nil {
			return nil, err
		}
		rounds, busy = append(rounds, benchmarks(out)), append(busy, machine.Busy(before, after))
	}
	return policyRows(entry.PolicyKinds(), rounds, figure.Median(busy)), nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+)\s+\d+\s+([\d.]+) ns/op\s.*?([\d.]+) allocs/op`)

// benchmarks reads the results of a run on one processor, by name.
func benchmarks(out string) map[string]cost {
	all := map[string]cost{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(out, -1) {
		ns, _ := strconv.ParseFloat(m[2], 64) // the expression has a number there
		allocations, _ := strconv.ParseFloat(m[3], 64)
		all[strings.ReplaceAll(m[1], "_", " ")] = cost{ns, allocations}
	}
	return all
}

// policyRows words what the rounds have of each kind, in the kinds' order, and
// then what was wanted.
func policyRows(kinds []entry.PolicyKind, rounds []map[string]cost, busy float64) []figure.Row {
	var names []string
	least, most := math.Inf(1), 0.0
	if len(rounds) > 0 {
		for name, c := range rounds[0] {
			if names = append(names, name); strings.HasSuffix(name, "/"+emptyChain) {
				least, most = min(least, c.ns), max(most, c.ns)
			}
		}
	}
	slices.Sort(names)
	rows := []figure.Row{{What: "what a policy adds to a call, CPU and allocations; the chain without it", Measured: fmt.Sprintf("%.2f – %s", least/1e3, micros(most))}}
	var figures []figure.Row
	for _, kind := range kinds {
		found := false
		for _, name := range names {
			top, rest, _ := strings.Cut(name, "/")
			if !benchmarkOf(top, kind) || rest == emptyChain || strings.HasSuffix(rest, "/"+emptyChain) {
				continue
			}
			found = true
			rest = strings.Trim(strings.TrimSuffix("/"+rest, "/"+strings.ReplaceAll(string(kind), "_", " ")), "/")
			row := figure.Row{What: strings.TrimSuffix("  "+string(kind)+": "+strings.ReplaceAll(rest, "/", ", "), ": ")}
			c, ok := added(name, rounds)
			if ok {
				row.Measured = fmt.Sprintf("%s, %.0f", micros(c.ns), c.allocations)
			} else {
				row.Measured, row.Verdict, row.Reason = "–", figure.Unjudged, "there is no empty chain beside its benchmark"
			}
			rows = append(rows, row)
			for _, f := range policyFigures {
				if f.kind == kind && f.rest == rest && ok {
					one := figure.Row{What: f.what, Measured: micros(c.ns), Wanted: atMost(f.most)}
					one.Verdict, one.Reason = figure.Judge(c.ns <= float64(f.most), busy)
					figures = append(figures, one)
				}
			}
		}
		if !found {
			rows = append(rows, figure.Row{What: "  " + string(kind), Measured: "–", Verdict: figure.Unjudged, Reason: "gateway/policy has no benchmark of it"})
		}
	}
	for _, f := range policyFigures {
		if !slices.ContainsFunc(figures, func(r figure.Row) bool { return r.What == f.what }) {
			figures = append(figures, figure.Row{What: f.what, Measured: "–", Wanted: atMost(f.most), Verdict: figure.Unjudged, Reason: "gateway/policy has no benchmark of it"})
		}
	}
	return append(rows, figures...)
}

// micros words nanoseconds; what is no more than noise is 0.
func micros(ns float64) string {
	if math.Abs(ns) < 5 {
		ns = 0
	}
	return fmt.Sprintf("%.2f µs", ns/1e3)
}

func atMost(d time.Duration) string { return fmt.Sprintf("≤ %.0f µs", float64(d)/1e3) }

// benchmarkOf reports whether a benchmark is a kind's: RateLimit of rate_limit.
func benchmarkOf(top string, kind entry.PolicyKind) bool {
	return strings.EqualFold(top, strings.ReplaceAll(string(kind), "_", ""))
}

// added is the median of what a benchmark costs more than the nearest empty
// chain beside it, of the same round each; false where there is none.
func added(name string, rounds []map[string]cost) (cost, bool) {
	var ns, allocations []float64
	for _, round := range rounds {
		c, ok := round[name]
		if !ok {
			continue
		}
		for at := name; strings.Contains(at, "/"); {
			at = at[:strings.LastIndexByte(at, '/')]
			if empty, ok := round[at+"/"+emptyChain]; ok {
				ns, allocations = append(ns, c.ns-empty.ns), append(allocations, c.allocations-empty.allocations)
				break
			}
		}
	}
	return cost{figure.Median(ns), figure.Median(allocations)}, len(ns) > 0
}
