package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/test/bench/figure"
	"portico/test/process"
)

const ran = `goos: linux
BenchmarkJWT/empty_chain         	 1000	       100.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkJWT/ES256_cached        	 1000	       700.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkJWT/ES256_uncached      	   10	    150100 ns/op	    6120 B/op	      71 allocs/op
BenchmarkAddress/10/empty_chain  	 1000	        50 ns/op	       0 B/op	       0 allocs/op
BenchmarkAddress/10/address      	 1000	        80 ns/op	       0 B/op	       0 allocs/op
BenchmarkRateLimit/by_address    	 1000	        80 ns/op	       0 B/op	       0 allocs/op
PASS
`

func TestWhatPoliciesCostIsBesideTheEmptyChain(t *testing.T) {
	slow := map[string]cost{}
	for name, c := range benchmarks(ran) { // a round in which all takes twice as long, and one allocates
		slow[name] = cost{2 * c.ns, c.allocations}
	}
	rows := policyRows([]entry.PolicyKind{"address", "jwt", "rate_limit", "waf"}, []map[string]cost{benchmarks(ran), slow, benchmarks(ran)}, 0)
	var got []string
	for _, r := range rows {
		got = append(got, strings.TrimSpace(r.What)+"|"+r.Measured+"|"+string(r.Verdict)+"|"+r.Reason)
	}
	want := []string{
		"what a policy adds to a call, CPU and allocations; the chain without it|0.05 – 0.10 µs||",
		"address: 10|0.03 µs, 0||",
		"jwt: ES256 cached|0.60 µs, 0||",
		"jwt: ES256 uncached|150.00 µs, 71||",
		"rate_limit: by address|–|not judged|there is no empty chain beside its benchmark",
		"waf|–|not judged|gateway/policy has no benchmark of it",
		"ES256 JWT, known by its hash|0.60 µs|met|",
		"ES256 JWT, verified|150.00 µs|not met|",
		"key + GCRA + counters|–|not judged|gateway/policy has no benchmark of it",
		"validation of a body of 1 KB|–|not judged|gateway/policy has no benchmark of it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range policyRows([]entry.PolicyKind{"jwt"}, []map[string]cost{benchmarks(ran)}, 0.5) {
		if r.Wanted != "" && r.Verdict != figure.Unjudged {
			t.Errorf("%s is judged on a busy machine", r.What)
		}
	}
}

func TestEveryKindOfPolicyHasABenchmark(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(process.Root(), "gateway", "policy", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func Benchmark(\w+)\(`).FindAllStringSubmatch(string(raw), -1) {
			all = append(all, m[1])
		}
	}
	for _, kind := range entry.PolicyKinds() {
		if !slices.ContainsFunc(all, func(name string) bool { return benchmarkOf(name, kind) }) {
			t.Errorf("no Benchmark of the kind %q in gateway/policy", kind)
		}
	}
}
