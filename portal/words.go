package portal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
)

// number writes n with thousands separated: 12,000.
func number(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// count writes a number with its noun: "1 operation", "18 operations".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// rate writes a rate limit: "10 / s", "1,000 / day", "50 / 30 s".
func rate(l apim.RateLimit) string { return number(l.Requests) + " / " + period(l.Period) }

func period(d time.Duration) string {
	switch d {
	case time.Second:
		return "s"
	case time.Minute:
		return "min"
	case time.Hour:
		return "h"
	case 24 * time.Hour:
		return "day"
	}
	return duration(d)
}

// duration writes a length of time with its largest fitting unit.
func duration(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d%time.Second == 0:
		return strconv.Itoa(int(d/time.Second)) + " s"
	}
	return strconv.Itoa(int(d/time.Millisecond)) + " ms"
}

// day writes a date: "31 March 2027".
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// shortDay writes a date: "31 Mar 2027".
func shortDay(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// ago writes how long before now t was: "just now", "12 min ago", "3 h ago",
// and a date when that is more than a week.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 7*24*time.Hour:
		return count(int(d.Hours()/24), "day", "days") + " ago"
	}
	return "on " + shortDay(t)
}

// left writes how long it is from now to t: "in 128 days", "in 5 h", "today".
func left(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d <= 0:
		return ""
	case d < time.Hour:
		return "in less than an hour"
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", int(d.Hours()))
	}
	return fmt.Sprintf("in %d days", int(d.Hours()/24))
}

// retires says when a deprecated version ends: "v1 retires on 31 March 2027,
// in 128 days."
func retires(label string, sunset, now time.Time) string {
	switch {
	case sunset.IsZero():
		return fmt.Sprintf("Version %s is deprecated. No date is set for its end.", label)
	case !sunset.After(now):
		return fmt.Sprintf("Version %s was to retire on %s.", label, day(sunset))
	}
	return fmt.Sprintf("Version %s retires on %s, %s.", label, day(sunset), left(sunset, now))
}

// price writes a plan's price; nothing said is free of charge.
func price(p apim.Plan) string {
	if strings.TrimSpace(p.Price) == "" {
		return "Free"
	}
	return p.Price
}

// from writes what a product costs at least, as far as free text can tell.
func from(plans []apim.Plan) string {
	first := ""
	for _, p := range plans {
		if p.State != apim.PlanPublished {
			continue
		}
		if price(p) == "Free" {
			return "Free"
		}
		if first == "" {
			first = p.Price
		}
	}
	if first == "" {
		return "—"
	}
	return first
}

// list joins names with commas and an "and".
func list(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// initials returns the two letters of an avatar.
func initials(name string) string {
	words := strings.Fields(name)
	switch {
	case len(words) == 0:
		return "?"
	case len(words) == 1:
		r := []rune(words[0])
		return strings.ToUpper(string(r[:min(2, len(r))]))
	}
	return strings.ToUpper(string([]rune(words[0])[:1]) + string([]rune(words[len(words)-1])[:1]))
}
