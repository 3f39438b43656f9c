package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"portico/test/bench/figure"
)

// row is a line of the table.
type row struct {
	what, measured, wanted string
	kept                   bool
}

// part measures some rows, by the one function or by the other.
type part struct {
	name    string
	slow    bool
	run     func(ctx context.Context, bin string) ([]row, error)
	compare func(ctx context.Context) ([]figure.Row, error)
}

// figures are the part's rows. Those that run makes keep what is wanted, or not.
func (p part) figures(ctx context.Context, bin string) (rows []figure.Row, err error) {
	if p.compare != nil {
		rows, err = p.compare(ctx)
	} else {
		var plain []row
		plain, err = p.run(ctx, bin)
		for _, r := range plain {
			one := figure.Row{What: r.what, Measured: r.measured, Wanted: r.wanted}
			if r.wanted != "" || !r.kept {
				one.Verdict, _ = figure.Judge(r.kept, 0)
			}
			rows = append(rows, one)
		}
	}
	for i := range rows {
		rows[i].Part = p.name
	}
	return rows, err
}

func main() {
	bin := flag.String("portico", "bin/portico", "the binary to measure")
	quick := flag.Bool("quick", false, "leave out the cold build and the run of all tests; fewer and shorter rounds, keys and APIs of requests")
	only := flag.String("only", "", "measure only the parts whose name holds this")
	asJSON := flag.Bool("json", false, "print JSON, with every round, when all is measured")
	list := flag.Bool("list", false, "list the parts")
	apis := flag.Int("apis", 10_000, "how many APIs are many")
	sizeAPIs := flag.Int("size-apis", 1_000, "how many APIs the part \"size\" has; the issue says 10,000")
	sizeGrants := flag.Int("size-grants", 10_000, "how many grants it has; the issue says 100,000")
	changes := flag.Int("changes", 1_000, "how many changes the part \"fleet\" makes")
	seed := flag.Uint64("seed", 1, "of their order")
	g := &rig{}
	flag.IntVar(&g.settings.rounds, "rounds", 5, "how often the parts \"requests/…\" measure each contender, and \"policies\" each policy")
	flag.DurationVar(&g.each, "each", 3*time.Second, "how long each time")
	flag.IntVar(&g.settings.keys, "keys", 100_000, "how many keys their gateway knows")
	against := flag.String("against", "", "other builds of the binary, with commas between: the parts \"requests/…\" measure their gateways beside, in the place of ReverseProxy")
	worker := flag.String("work", "", "be a part of the bench: it starts itself so")
	flag.Parse()
	if *worker != "" {
		if err := workFor(*worker, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	g.bin, g.manyAPIs = *bin, *apis
	if *against != "" {
		g.against = strings.Split(*against, ",")
	}
	if *quick {
		g.settings.rounds, g.each, g.settings.keys, g.manyAPIs = 3, time.Second, 10_000, min(1_000, *apis)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	parts := []part{
		{name: "start", run: start},
		{name: "access", run: approvals},
		{name: "match", run: match},
		{name: "publish", run: func(ctx context.Context, bin string) ([]row, error) { return publishing(ctx, bin, *apis) }},
		{name: "import", run: imports},
		{name: "fleet", run: func(ctx context.Context, bin string) ([]row, error) { return inForce(ctx, bin, *changes, *seed) }},
		{name: "size", run: func(ctx context.Context, bin string) ([]row, error) { return atSize(ctx, bin, *sizeAPIs, *sizeGrants) }},
		{name: "policies", compare: g.policies},
		{name: "build", slow: true, run: coldBuild},
		{name: "tests", slow: true, run: allTests},
	}
	// They keep this process to a core, so they come last.
	parts = append(parts, requestParts(g)...)
	if *list {
		for _, p := range parts {
			fmt.Println(p.name)
		}
		return
	}
	parts = slices.DeleteFunc(parts, func(p part) bool { return p.slow && *quick || !strings.Contains(p.name, *only) })
	failed := measure(ctx, parts, *bin, *asJSON)
	g.close()
	if failed {
		os.Exit(1)
	}
}

// measure measures the parts and prints them, and reports whether one could not
// be measured.
func measure(ctx context.Context, parts []part, bin string, asJSON bool) (failed bool) {
	var all []figure.Row
	before := loadAverage()
	if !asJSON {
		fmt.Printf("Portico, %s, %s/%s, %d cores, load before %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), before)
		fmt.Printf("%-68s %20s %10s\n", "", "measured", "wanted")
	}
	for _, p := range parts {
		rows, err := p.figures(ctx, bin)
		if err != nil {
			rows = append(rows, figure.Row{Part: p.name, What: p.name, Measured: "–", Verdict: figure.Unjudged, Reason: "could not be measured: " + err.Error()})
			failed = true
		}
		all = append(all, rows...)
		for _, r := range rows {
			if !asJSON {
				r.Print(os.Stdout)
			}
		}
	}
	if !asJSON {
		fmt.Printf("\nload after %s\n", loadAverage())
		return failed
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	err := out.Encode(map[string]any{
		"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "cores": runtime.NumCPU(),
		"load_before": before, "load_after": loadAverage(), "rows": all,
	})
	return failed || err != nil
}

// loadAverage is the machine's load average, so that a reader sees how busy it was.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(raw))[:3], " ")
}

func under(what string, got, limit time.Duration, digits time.Duration) row {
	return row{what, got.Round(digits).String(), "≤ " + limit.String(), got <= limit}
}
