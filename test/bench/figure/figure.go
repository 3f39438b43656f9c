// Package figure computes and words what a bench prints: medians, ratios
// between contenders of the same rounds, and whether a row keeps what was wanted.
//
// It deliberately measures nothing: samples are given to it.
package figure

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sample is a contender in one round.
type Sample struct {
	CPU         time.Duration `json:"cpu_ns"` // per answered request, user and system, of its own process
	PerSecond   float64       `json:"requests_per_second"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	ResidentMB  float64       `json:"resident_mb"`
	Allocations float64       `json:"allocations"` // per answered request; negative: not known
	Failed      int64         `json:"failed"`
	Busy        float64       `json:"busy"` // what share of one core others took meanwhile
}

// Contender is who was measured, in every round. Two contenders of a row have
// been measured in the same rounds, one after the other.
type Contender struct {
	Name         string   `json:"name"`
	Rounds       []Sample `json:"rounds"`
	Median       Sample   `json:"median"`
	AgainstNginx float64  `json:"ratio_to_nginx,omitempty"` // of CPU; 0: there was no nginx
}

// Median is the middle of all, the mean of both where there are two. None is 0.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	middle := len(s) / 2
	if len(s)%2 == 1 {
		return s[middle]
	}
	return (s[middle-1] + s[middle]) / 2
}

// Ratio is the median of the rounds' ratios of a to b, which a machine that is
// slower in some rounds changes less than the ratio of medians. Rounds in which
// one of the two has nothing are left out; 0 when none is left.
func Ratio(a, b []float64) float64 { return Median(ratios(a, b)) }

func ratios(a, b []float64) (all []float64) {
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			all = append(all, a[i]/b[i])
		}
	}
	return all
}

// Range is the confidence interval of 95 % of Ratio (of a median, by the sign test):
// between two of the rounds' ratios. Of fewer than six rounds it is all of them, and
// less sure; both are 0 when there is none.
func Range(a, b []float64) (from, to float64) {
	all := ratios(a, b)
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	n := float64(len(all))
	at := int(max(0, (n-1.96*math.Sqrt(n))/2))
	return all[at], all[len(all)-1-at]
}

// Of reads one figure of every round.
func Of(rounds []Sample, one func(Sample) float64) []float64 {
	out := make([]float64, len(rounds))
	for i, s := range rounds {
		out[i] = one(s)
	}
	return out
}

// CPU is a sample's CPU, for Of and Ratio.
func CPU(s Sample) float64 { return float64(s.CPU) }

// Middle is the median of each figure, and the sum of what failed.
func Middle(rounds []Sample) Sample {
	of := func(one func(Sample) float64) float64 { return Median(Of(rounds, one)) }
	m := Sample{
		CPU:         time.Duration(of(CPU)),
		PerSecond:   of(func(s Sample) float64 { return s.PerSecond }),
		P50:         time.Duration(of(func(s Sample) float64 { return float64(s.P50) })),
		P99:         time.Duration(of(func(s Sample) float64 { return float64(s.P99) })),
		ResidentMB:  of(func(s Sample) float64 { return s.ResidentMB }),
		Allocations: of(func(s Sample) float64 { return s.Allocations }),
		Busy:        of(func(s Sample) float64 { return s.Busy }),
	}
	for _, s := range rounds {
		m.Failed += s.Failed
	}
	return m
}

// Verdict says whether a row keeps what was wanted.
type Verdict string

// The verdicts. A row of which nothing is wanted has None.
const (
	None     Verdict = ""
	Met      Verdict = "met"
	NotMet   Verdict = "not met"
	Unjudged Verdict = "not judged"
)

// MostBusy is what share of one core others may have had for a row to be judged.
const MostBusy = 0.10

// Judge judges a row that was measured while others took a share of a core. The
// reason is "" unless there is something to say.
func Judge(kept bool, busy float64) (v Verdict, reason string) {
	if busy > MostBusy {
		return Unjudged, fmt.Sprintf("the machine was busy: others took %.0f %% of a core", busy*100)
	}
	if kept {
		return Met, ""
	}
	return NotMet, ""
}

// Row is a line of the table.
type Row struct {
	Part       string      `json:"part"`
	What       string      `json:"what"`
	Measured   string      `json:"measured"`
	Wanted     string      `json:"wanted,omitempty"`
	Verdict    Verdict     `json:"verdict,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Contenders []Contender `json:"contenders,omitempty"`
}

// Compare makes a row of the CPU per request of contenders, of which the first
// is ours and one is perhaps called nginx, which ours may cost at most times as
// much as.
func Compare(what string, most float64, all []Contender) Row {
	r := Row{What: what, Wanted: fmt.Sprintf("≤ %.2f ×", most), Contenders: all}
	var nginx []Sample
	for i := range all {
		all[i].Median = Middle(all[i].Rounds)
		if all[i].Name == "nginx" {
			nginx = all[i].Rounds
		}
	}
	busy := 0.0
	failed := int64(0)
	for i := range all {
		busy = max(busy, all[i].Median.Busy)
		if nginx != nil {
			all[i].AgainstNginx = Ratio(Of(all[i].Rounds, CPU), Of(nginx, CPU))
		}
		failed += all[i].Median.Failed
	}
	switch ours := all[0]; {
	case failed > 0:
		r.Measured, r.Verdict, r.Reason = "–", Unjudged, fmt.Sprintf("%d calls failed", failed)
	case nginx == nil:
		r.Measured, r.Verdict, r.Reason = Micros(ours.Median.CPU), Unjudged, "nginx is not installed"
	default:
		r.Measured = fmt.Sprintf("%.2f ×", ours.AgainstNginx)
		r.Verdict, r.Reason = Judge(ours.AgainstNginx <= most, busy)
	}
	return r
}

// Print writes the row, and under it its contenders.
func (r Row) Print(to io.Writer) {
	line := fmt.Sprintf("%-68s %20s %10s %s", r.What, r.Measured, r.Wanted, r.Verdict)
	if r.Reason != "" {
		line += " (" + r.Reason + ")"
	}
	fmt.Fprintln(to, strings.TrimRight(line, " "))
	for _, c := range r.Contenders {
		fmt.Fprintln(to, c.String())
	}
}

// Micros is a time in microseconds.
func Micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d)/1e3) }

// Count is a number with commas between thousands.
func Count(f float64) string {
	digits := strconv.FormatInt(int64(math.Round(math.Abs(f))), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if f <= -0.5 {
		return "-" + digits
	}
	return digits
}

// String is a contender's medians, in columns.
func (c Contender) String() string {
	m := c.Median
	ratio, memory, allocations := "", "", ""
	if c.AgainstNginx > 0 {
		ratio = fmt.Sprintf("%.2f ×", c.AgainstNginx)
	}
	if m.ResidentMB > 0 {
		memory = fmt.Sprintf("%.0f MB", m.ResidentMB)
	}
	if m.Allocations >= 0 {
		allocations = fmt.Sprintf("%.2f allocations", math.Abs(m.Allocations))
	}
	failed := ""
	if m.Failed > 0 {
		failed = fmt.Sprintf("  %d failed", m.Failed)
	}
	return fmt.Sprintf("  %-22s %9s %8s %10s/s  p50 %7s  p99 %7s %8s  %s%s", c.Name, Micros(m.CPU), ratio, Count(m.PerSecond),
		Short(m.P50), Short(m.P99), memory, allocations, failed)
}

// Short is a duration with three digits.
func Short(d time.Duration) string {
	switch {
	case d.Abs() >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d.Abs() >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d.Abs() >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
}
