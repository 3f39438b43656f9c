package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"portico/test/process"
)

// match runs the table's own benchmark of matching.
func match(ctx context.Context, _ string) ([]row, error) {
	out, err := run(ctx, nil, "go", "test", "-run", "^$", "-bench", "^BenchmarkMatchAmongTenThousandAPIs$", "-benchmem", "./gateway/table")
	if err != nil {
		return nil, err
	}
	results := regexp.MustCompile(`BenchmarkMatchAmongTenThousandAPIs\S*\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op`).FindAllStringSubmatch(out, -1)
	if results == nil {
		return nil, fmt.Errorf("no result in %q", out)
	}
	// By how many of the APIs are called in turn, so how cold the caches are:
	// the first keeps to 32, the last call thousands.
	first, worst, allocations := 0.0, 0.0, "0"
	for i, r := range results {
		ns, err := strconv.ParseFloat(r[1], 64)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = ns
		}
		worst = max(worst, ns)
		if r[2] != "0" {
			allocations = r[2]
		}
	}
	return []row{
		{"match a route among 10,000 APIs × 20 routes, 32 APIs called", fmt.Sprintf("%.0f ns", first), "≤ 1 µs", first <= 1000},
		{"  thousands called in turn, so that caches are cold", fmt.Sprintf("%.0f ns", worst), "≤ 1 µs", worst <= 1000},
		{"  allocations", allocations, "0", allocations == "0"},
	}, nil
}

// coldBuild measures the build of `make run` from an empty build cache, with
// the modules downloaded already.
func coldBuild(ctx context.Context, _ string) ([]row, error) {
	dir, err := os.MkdirTemp("", "portico-cold-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	if _, err := run(ctx, []string{"GOCACHE=" + dir + "/cache"}, "go", "build", "-o", dir+"/portico", "./cmd/portico"); err != nil {
		return nil, err
	}
	took := time.Since(began)
	info, err := os.Stat(dir + "/portico")
	if err != nil {
		return nil, err
	}
	return []row{
		under("build from an empty build cache", took, 3*time.Minute, time.Second),
		{"  binary", fmt.Sprintf("%.0f MB", float64(info.Size())/1e6), "", true},
	}, nil
}

func allTests(ctx context.Context, _ string) ([]row, error) {
	began := time.Now()
	_, err := run(ctx, []string{"GOFLAGS=-count=1"}, "make", "test")
	return []row{under("make test", time.Since(began), 10*time.Minute, time.Second)}, err
}

func run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = process.Root()
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%.4000s", name, err, out)
	}
	return string(out), nil
}
