package figure_test

import (
	"strings"
	"testing"
	"time"

	"portico/test/bench/figure"
)

func TestMedianIsTheMiddleAndZeroOfNothing(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := figure.Median(c.of); got != c.want {
			t.Errorf("%v: got %v, want %v", c.of, got, c.want)
		}
	}
}

// The machine is twice as slow in the last two rounds: the ratio of medians
// would be 20/11, though one costs the other's in every round.
func TestRatioIsOfTheSameRounds(t *testing.T) {
	slow := []float64{10, 10, 20, 22, 24}
	if got := figure.Ratio(slow, slow); got != 1 {
		t.Errorf("got %v, want 1", got)
	}
	if got := figure.Ratio([]float64{30, 0, 10}, []float64{10, 10, 0}); got != 3 {
		t.Errorf("rounds in which one has nothing count: got %v, want 3", got)
	}
	if got := figure.Ratio(nil, slow); got != 0 {
		t.Errorf("no rounds have the ratio %v", got)
	}
}

func TestRangeLeavesOutAsManyRoundsAsAFairCoinWould(t *testing.T) {
	one, many, rising := []float64{1}, make([]float64, 15), make([]float64, 15)
	for i := range many {
		many[i], rising[i] = 1, float64(15-i)
	}
	for _, c := range []struct {
		of, over []float64
		from, to float64
	}{{nil, one, 0, 0}, {[]float64{3}, one, 3, 3}, {rising[:5], many[:5], 11, 15}, {rising, many, 4, 12}} {
		if from, to := figure.Range(c.of, c.over); from != c.from || to != c.to {
			t.Errorf("%v: got %v to %v, want %v to %v", c.of, from, to, c.from, c.to)
		}
	}
}

func rounds(busy float64, failed int64, micros ...float64) []figure.Sample {
	var all []figure.Sample
	for _, us := range micros {
		all = append(all, figure.Sample{CPU: time.Duration(us * 1e3), PerSecond: 1e6 / us, Allocations: -1, Busy: busy, Failed: failed})
	}
	return all
}

func TestRowIsJudgedByWhatItCostsBesideNginx(t *testing.T) {
	for _, c := range []struct {
		name           string
		ours, theirs   []figure.Sample
		verdict        figure.Verdict
		measured, says string
	}{
		{"within", rounds(0, 0, 18, 19, 20), rounds(0, 0, 20, 20, 20), figure.Met, "0.95 ×", ""},
		{"above", rounds(0, 0, 22, 30, 23), rounds(0, 0, 20, 20, 20), figure.NotMet, "1.15 ×", ""},
		{"busy", rounds(0.3, 0, 18), rounds(0.3, 0, 20), figure.Unjudged, "0.90 ×", "others took 30 % of a core"},
		{"failed", rounds(0, 4, 18), rounds(0, 0, 20), figure.Unjudged, "–", "4 calls failed"},
		{"alone", rounds(0, 0, 18), nil, figure.Unjudged, "18.0 µs", "nginx is not installed"},
	} {
		all := []figure.Contender{{Name: "Portico", Rounds: c.ours}}
		if c.theirs != nil {
			all = append(all, figure.Contender{Name: "nginx", Rounds: c.theirs})
		}
		r := figure.Compare("row", 1, all)
		if r.Verdict != c.verdict || r.Measured != c.measured || !strings.Contains(r.Reason, c.says) {
			t.Errorf("%s: got %s, %s (%s), want %s, %s (%s)", c.name, r.Measured, r.Verdict, r.Reason, c.measured, c.verdict, c.says)
		}
	}
}

func TestRowIsPrintedWithItsContenders(t *testing.T) {
	ours := []figure.Sample{{CPU: 18 * time.Microsecond, PerSecond: 52345.4, P50: 950 * time.Microsecond, P99: 12 * time.Millisecond, ResidentMB: 97.6, Allocations: 0.004}}
	r := figure.Compare("GET", 1, []figure.Contender{{Name: "Portico", Rounds: ours}, {Name: "nginx", Rounds: rounds(0, 0, 20)}})
	var b strings.Builder
	r.Print(&b)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "0.90 ×   ≤ 1.00 × met") {
		t.Fatalf("got %q", lines)
	}
	for _, want := range []string{"18.0 µs", "0.90 ×", "52,345/s", "p50  950 µs", "p99 12.0 ms", "98 MB", "0.00 allocations"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("%q is not in %q", want, lines[1])
		}
	}
	if strings.Contains(lines[2], "allocations") {
		t.Errorf("nginx has allocations: %q", lines[2])
	}
}

func TestNumbersAreWorded(t *testing.T) {
	for got, want := range map[string]string{
		figure.Count(0): "0", figure.Count(999): "999", figure.Count(3200): "3,200", figure.Count(1234567.6): "1,234,568", figure.Count(-1500): "-1,500",
		figure.Short(950 * time.Microsecond): "950 µs", figure.Short(1234 * time.Microsecond): "1.23 ms", figure.Short(45678 * time.Microsecond): "45.7 ms",
		figure.Short(2 * time.Second): "2.00 s", figure.Micros(17_940): "17.9 µs",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
