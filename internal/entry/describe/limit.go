package describe

import (
	"strconv"
	"strings"
	"time"

	"portico/internal/entry"
)

// Limit says in a few words what a policy of the stage limit admits, as whoever it
// holds for reads it: "10 calls at once". It is "" for a policy of another stage.
func Limit(config entry.PolicyConfig) string {
	switch p := config.(type) {
	case *entry.RateLimit:
		text := calls(p.Requests) + " per " + period(p.PeriodMS)
		switch {
		case p.Algorithm == entry.AlgorithmSlidingWindow:
			text = calls(p.Requests) + " in any " + period(p.PeriodMS)
		case p.Burst > 0:
			text += ", " + thousands(p.Burst) + " at once"
		}
		return text + each(p.By, p.Name) + waits(p.Queue)
	case *entry.SpikeArrest:
		return calls(p.Requests) + " per " + p.Per + ", evenly apart" + each(p.By, p.Name) + waits(p.Queue)
	case *entry.ConcurrencyLimit:
		return calls(p.Calls) + " at once" + each(p.By, p.Name) + waits(p.Queue)
	}
	return ""
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return thousands(n) + " calls"
}

// thousands writes n with a comma for every thousand: "1,204".
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func period(ms int64) string {
	switch ms {
	case 1000:
		return "second"
	case 60_000:
		return "minute"
	case 3_600_000:
		return "hour"
	case 86_400_000:
		return "day"
	}
	return span(ms)
}

// span writes a length of time in its largest unit that fits: "30 s".
func span(ms int64) string {
	for _, unit := range []struct {
		ms   int64
		name string
	}{{86_400_000, " days"}, {3_600_000, " h"}, {60_000, " min"}, {1000, " s"}} {
		if ms >= unit.ms && ms%unit.ms == 0 {
			return strconv.FormatInt(ms/unit.ms, 10) + unit.name
		}
	}
	if d := time.Duration(ms) * time.Millisecond; d > time.Second {
		return d.String()
	}
	return strconv.FormatInt(ms, 10) + " ms"
}

// each says what a limit tells apart, "" where that goes without saying.
func each(by, name string) string {
	switch by {
	case "credential":
		return " for each key"
	case "address":
		return " for each address"
	case "api":
		return " for each API"
	case "header":
		return " for each value of the header " + name
	case "query":
		return " for each value of the parameter " + name
	case "claim":
		return " for each value of the claim " + name
	case "expression":
		return " for each value of an expression"
	}
	return ""
}

func waits(q entry.Queue) string {
	if q.Length == 0 {
		return ""
	}
	return "; " + strings.Join([]string{thousands(q.Length), "more may wait", span(q.WaitMS)}, " ")
}
