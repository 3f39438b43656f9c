// Command bench prints Portico's performance table: what the issue of a part
// asks for beside what was measured in this run.
//
// It starts the real binary, as a user would, on loopback and free ports, and
// is no test: it fails only when it could not measure. Run it with `make bench`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/bench/stand"
)

// row is a line of the table.
type row struct {
	what, measured, wanted string
	kept                   bool
}

// part measures some rows.
type part struct {
	name string
	slow bool
	run  func(ctx context.Context, bin string) ([]row, error)
}

func main() {
	if helped, err := help(os.Args[1:]); helped {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	bin := flag.String("portico", "bin/portico", "the binary to measure")
	quick := flag.Bool("quick", false, "leave out the cold build and the run of all tests")
	only := flag.String("only", "", "measure only the parts whose name holds this")
	apis := flag.Int("apis", 10_000, "how many APIs are many")
	sizeAPIs := flag.Int("size-apis", 1_000, "how many APIs the part \"size\" has; the issue says 10,000")
	sizeGrants := flag.Int("size-grants", 10_000, "how many grants it has; the issue says 100,000")
	changes := flag.Int("changes", 1_000, "how many changes the part \"fleet\" makes")
	seed := flag.Uint64("seed", 1, "of their order")
	rounds := flag.Int("rounds", 5, "rounds of each comparison of the part \"requests\"")
	each := flag.Duration("each", 3*time.Second, "how long each side is called in a round")
	keys := flag.Int("keys", 100_000, "how many keys the gateway holds meanwhile")
	rows := flag.String("rows", "", "measure only the rows of it whose name holds this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	parts := []part{
		{"start", false, start},
		{"access", false, approvals},
		{"match", false, match},
		{"publish", false, func(ctx context.Context, bin string) ([]row, error) { return publishing(ctx, bin, *apis) }},
		{"import", false, imports},
		{"fleet", false, func(ctx context.Context, bin string) ([]row, error) { return inForce(ctx, bin, *changes, *seed) }},
		{"requests", false, func(ctx context.Context, bin string) ([]row, error) {
			return requests(ctx, bin, requestsOptions{rounds: *rounds, each: *each, apis: *apis, grants: *keys, rows: *rows})
		}},
		{"size", false, func(ctx context.Context, bin string) ([]row, error) { return atSize(ctx, bin, *sizeAPIs, *sizeGrants) }},
		{"build", true, coldBuild},
		{"tests", true, allTests},
	}
	fmt.Printf("Portico, %s, %s/%s, %d cores, load before %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), busyness())
	fmt.Printf("%-68s %20s %10s\n", "", "measured", "wanted")
	failed := false
	for _, p := range parts {
		if p.slow && *quick || !strings.Contains(p.name, *only) {
			continue
		}
		rows, err := p.run(ctx, *bin)
		for _, r := range rows {
			mark := " "
			if !r.kept {
				mark = "✗"
			}
			fmt.Printf("%-68s %20s %10s %s\n", r.what, r.measured, r.wanted, mark)
		}
		if err != nil {
			fmt.Printf("%-68s could not be measured: %v\n", p.name, err)
			failed = true
		}
	}
	fmt.Printf("\nload after %s\n", busyness())
	if failed {
		os.Exit(1)
	}
}

// help does what this program starts itself for: a loader, or what stands
// around the gateway, in a process of its own.
func help(args []string) (helped bool, err error) {
	switch {
	case len(args) == 2 && args[0] == "worker" && args[1] == "hold":
		machine.RaiseFiles()
		return true, load.Holder(os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "worker":
		return true, load.Worker(os.Stdin, os.Stdout)
	case len(args) > 1 && args[0] == "part":
		return true, stand.Work(args[1], args[2:], os.Stdin, os.Stdout)
	}
	return false, nil
}

// busyness is the machine's load average, so that a reader sees how busy it was.
func busyness() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(raw))[:3], " ")
}

func under(what string, got, limit time.Duration, digits time.Duration) row {
	return row{what, got.Round(digits).String(), "≤ " + limit.String(), got <= limit}
}
