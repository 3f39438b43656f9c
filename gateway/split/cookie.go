package split

import (
	"strconv"
	"strings"

	"portico/gateway/policy"
)

// cookie is where callers keep their lot: "{run}.{lot}". It is the gateway's
// own, and no upstream sees it.
type cookie struct{ name, run string }

// cookieAge is how long a browser keeps its lot.
const cookieAge = "2592000" // 30 days

func newCookie(version, run string) cookie {
	return cookie{name: "portico_split_" + version[len(version)-min(len(version), 12):], run: run}
}

// take reads a caller's lot and removes the cookie from the request. It returns
// -1 for a caller that has none of this run.
func (c cookie) take(ex *policy.Exchange) int {
	lot, there := -1, false
	for _, f := range ex.Header.Fields() {
		if !policy.FoldEqual(f.Name, "Cookie") {
			continue
		}
		for rest := f.Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name != c.name {
				continue
			}
			there = true
			run, number, _ := strings.Cut(value, ".")
			if n, ok := small(number); ok && run == c.run && n < lots {
				lot = n
			}
		}
	}
	if there {
		c.remove(ex)
	}
	return lot
}

// remove writes the Cookie fields anew without the gateway's own.
func (c cookie) remove(ex *policy.Exchange) {
	fields := ex.Header.Fields()
	for i := range fields {
		if !policy.FoldEqual(fields[i].Name, "Cookie") {
			continue
		}
		grown := ex.Scratch()
		start := len(grown)
		for rest := fields[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			pair = strings.Trim(pair, " \t")
			if name, _, _ := strings.Cut(pair, "="); name == c.name || pair == "" {
				continue
			}
			if len(grown) > start {
				grown = append(grown, "; "...)
			}
			grown = append(grown, pair...)
		}
		fields[i].Value = ex.Keep(grown)
	}
	ex.Header.DelFunc(func(f policy.Field) bool { return f.Value == "" && policy.FoldEqual(f.Name, "Cookie") })
}

// give tells a caller its lot.
func (c cookie) give(ex *policy.Exchange, lot int) {
	grown := append(ex.Scratch(), c.name...)
	grown = append(grown, '=')
	grown = append(grown, c.run...)
	grown = append(grown, '.')
	grown = strconv.AppendInt(grown, int64(lot), 10)
	grown = append(grown, "; Path=/; Max-Age="+cookieAge+"; HttpOnly; SameSite=Lax"...)
	if ex.Secure {
		grown = append(grown, "; Secure"...)
	}
	ex.Answer.Header.Add("Set-Cookie", ex.Keep(grown))
}

func cookieValue(ex *policy.Exchange, name string) (string, bool) {
	for _, f := range ex.Header.Fields() {
		if !policy.FoldEqual(f.Name, "Cookie") {
			continue
		}
		for rest := f.Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if n, value, _ := strings.Cut(strings.Trim(pair, " \t"), "="); n == name {
				return value, true
			}
		}
	}
	return "", false
}

// small reads a number of at most three digits.
func small(s string) (n int, ok bool) {
	if s == "" || len(s) > 3 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
