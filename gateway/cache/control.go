package cache

import (
	"strings"
	"time"
)

// Unsaid is the value of a time that Control does not hold.
const Unsaid = time.Duration(-1)

// Control is what Cache-Control says, of a request or an answer. Make it with
// NewControl.
type Control struct {
	Any bool // there was one

	NoStore, NoCache, Private, Public, MustRevalidate, ProxyRevalidate, MustUnderstand, NoTransform, OnlyIfCached bool

	MaxAge, SMaxAge, MinFresh, MaxStale, StaleWhile, StaleIf time.Duration
}

// NewControl returns one that says nothing.
func NewControl() Control {
	return Control{MaxAge: Unsaid, SMaxAge: Unsaid, MinFresh: Unsaid, MaxStale: Unsaid, StaleWhile: Unsaid, StaleIf: Unsaid}
}

// Add reads the value of a field Cache-Control; there may be several. A
// directive that is given twice counts as its stricter one, one that cannot be
// read as the strictest.
func (c *Control) Add(value string) {
	c.Any = true
	for value != "" {
		var name, argument string
		name, argument, value = directive(value)
		c.one(name, argument)
	}
}

// directive cuts the first one off.
func directive(s string) (name, argument, rest string) {
	s = strings.TrimLeft(s, " \t,")
	end := strings.IndexAny(s, ",=")
	if end < 0 {
		return strings.TrimRight(s, " \t"), "", ""
	}
	name, rest = strings.TrimRight(s[:end], " \t"), s[end+1:]
	if s[end] == ',' {
		return name, "", rest
	}
	if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
		for i := 1; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				argument, rest = rest[1:i], rest[i+1:]
				if i = strings.IndexByte(rest, ','); i < 0 {
					return name, argument, ""
				}
				return name, argument, rest[i+1:]
			}
		}
		return name, "?", "" // it never ends
	}
	if i := strings.IndexByte(rest, ','); i >= 0 {
		argument, rest = rest[:i], rest[i+1:]
	} else {
		argument, rest = rest, ""
	}
	if argument = strings.TrimRight(argument, " \t"); argument == "" {
		argument = "?"
	}
	return name, argument, rest
}

func (c *Control) one(name, argument string) {
	switch {
	case strings.EqualFold(name, "max-age"):
		least(&c.MaxAge, argument)
	case strings.EqualFold(name, "s-maxage"):
		least(&c.SMaxAge, argument)
	case strings.EqualFold(name, "no-store"):
		c.NoStore = true
	case strings.EqualFold(name, "no-cache"):
		c.NoCache = true
	case strings.EqualFold(name, "private"):
		c.Private = true
	case strings.EqualFold(name, "public"):
		c.Public = true
	case strings.EqualFold(name, "must-revalidate"):
		c.MustRevalidate = true
	case strings.EqualFold(name, "proxy-revalidate"):
		c.ProxyRevalidate = true
	case strings.EqualFold(name, "must-understand"):
		c.MustUnderstand = true
	case strings.EqualFold(name, "no-transform"):
		c.NoTransform = true
	case strings.EqualFold(name, "only-if-cached"):
		c.OnlyIfCached = true
	case strings.EqualFold(name, "min-fresh"):
		if d := Seconds(argument); d != Unsaid {
			c.MinFresh = max(c.MinFresh, d)
		} else {
			c.MinFresh = forever
		}
	case strings.EqualFold(name, "max-stale"):
		if argument == "" {
			argument = "999999999"
		}
		least(&c.MaxStale, argument)
	case strings.EqualFold(name, "stale-while-revalidate"):
		least(&c.StaleWhile, argument)
	case strings.EqualFold(name, "stale-if-error"):
		least(&c.StaleIf, argument)
	}
}

func least(to *time.Duration, argument string) {
	d := max(Seconds(argument), 0)
	if *to == Unsaid || d < *to {
		*to = d
	}
}

// forever is the longest that is told apart: 68 years (RFC 9111 section 1.2.2).
const forever = (1<<31 - 1) * time.Second

// Seconds reads a number of seconds; Unsaid for what is none.
func Seconds(s string) time.Duration {
	if s == "" {
		return Unsaid
	}
	n := time.Duration(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return Unsaid
		}
		if n = n*10 + time.Duration(s[i]-'0'); n > forever/time.Second {
			n = forever / time.Second
		}
	}
	return n * time.Second
}
