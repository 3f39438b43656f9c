package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portico/internal/apim"
)

// number writes n with a comma for every thousand: "1,204".
func number[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// count writes a number with its noun: "1 operation", "1,204 operations".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// ago says how long before now t was: "now", "12 min", "3 h", "2 days".
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	default:
		return count(int(d/(24*time.Hour)), "day", "days")
	}
}

// agoPhrase is ago inside a sentence: "just now", "12 min ago".
func agoPhrase(now, t time.Time) string {
	switch s := ago(now, t); s {
	case "now":
		return "just now"
	case "never":
		return s
	default:
		return s + " ago"
	}
}

// lifeText writes a length of time: "90 days", "36 hours", "10 minutes".
func lifeText(d time.Duration) string {
	for _, unit := range []struct {
		of        time.Duration
		one, many string
	}{{24 * time.Hour, "day", "days"}, {time.Hour, "hour", "hours"}, {time.Minute, "minute", "minutes"}, {time.Second, "second", "seconds"}} {
		if d%unit.of == 0 {
			return count(int(d/unit.of), unit.one, unit.many)
		}
	}
	return d.String()
}

// moment writes a time in full: "23 Nov 2026, 14:05 UTC".
func moment(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// day writes a date: "23 Nov 2026".
func day(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2 Jan 2006")
}

// clock writes a time with seconds, with its date unless it is today's.
func clock(now, t time.Time) string {
	t = t.UTC()
	if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04")
}

// bytesText writes a size: "214 KB", "13.1 MB".
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return count(int(n), "byte", "bytes")
	case n < 1_000_000:
		return strconv.FormatInt((n+500)/1000, 10) + " KB"
	default:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
	}
}

// periods are the periods that every form of a rate limit offers, by their value
// in it; that of a limit may be any by the API, and is offered too, so that it is
// not changed unseen.
func periods(value string) []choice {
	out := []choice{{"second", "second"}, {"minute", "minute"}, {"hour", "hour"}, {"day", "day"}}
	if d := periodOf(value); d > 0 && !slices.Contains(out, choice{value, value}) {
		out = append(out, choice{value, periodText(d)})
	}
	return out
}

// periodOf is the period that a value in a form stands for, 0 for none.
func periodOf(value string) time.Duration {
	if d, usual := map[string]time.Duration{
		"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
	}[value]; usual {
		return d
	}
	d, _ := time.ParseDuration(value) // what is none is 0
	return d
}

// periodValue stands for a period in a form.
func periodValue(d time.Duration) string {
	for _, p := range periods("") {
		if periodOf(p.value) == d {
			return p.value
		}
	}
	return d.String()
}

// periodText writes a period behind "per": "minute", "10 minutes".
func periodText(d time.Duration) string {
	if value := periodValue(d); value != d.String() {
		return value
	}
	return lifeText(d)
}

// limitText writes a rate limit: "100 requests per minute, burst 20".
func limitText(l apim.RateLimit) string {
	s := count(l.Requests, "request", "requests") + " per " + periodText(l.Period)
	if l.Burst > 0 {
		s += ", burst " + number(l.Burst)
	}
	return s
}

// limitsText writes all limits of a plan; each of them holds.
func limitsText(limits []apim.RateLimit) string {
	if len(limits) == 0 {
		return "no rate limit"
	}
	parts := make([]string, len(limits))
	for i, l := range limits {
		parts[i] = limitText(l)
	}
	return strings.Join(parts, "; ")
}

// sequence writes an environment's position: "#4812".
func sequence(n uint64) string { return "#" + strconv.FormatUint(n, 10) }

// revision writes a revision's number: "r7".
func revision(n int) string { return "r" + strconv.Itoa(n) }

// took writes a measured time: "under 1 ms", "38 ms", "1.8 s".
func took(ms int64) string {
	if ms == 0 {
		return "under 1 ms"
	}
	if ms >= 1000 {
		return strconv.FormatFloat(float64(ms)/1000, 'f', 1, 64) + " s"
	}
	return strconv.FormatInt(ms, 10) + " ms"
}

// title writes a state with a capital: "Published".
func title[S ~string](s S) string {
	r, n := utf8.DecodeRuneInString(string(s))
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + string(s)[n:]
}

// clip shortens a text to most runes, with an ellipsis.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:most-1]), " ") + "…"
}
