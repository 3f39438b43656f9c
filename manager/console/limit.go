package console

import (
	"maps"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/ui"
)

// newLimit stands in a limit's place for one that is to be added to a version's own.
const newLimit = "limit"

// limitKey names a limit of a version's own by its place in the list.
func limitKey(at int) string { return newLimit + "-" + strconv.Itoa(at) }

// isLimit reports whether a step's key is a limit's, be it one that is gone.
func isLimit(key string) bool { return key == newLimit || strings.HasPrefix(key, newLimit+"-") }

// limitAt is the place that a step's key names; a new limit's is behind the others.
func limitAt(key string, limits []apim.RateLimit) (at int, ok bool) {
	if key == newLimit {
		return len(limits), true
	}
	for at := range limits {
		if key == limitKey(at) {
			return at, true
		}
	}
	return 0, false
}

// limitName is the name of a field in a row of a form; that of a version has one.
func limitName(field string, row int) string {
	if row == 0 {
		return field
	}
	return rowName(field, row)
}

// limitRows is how many rows of rate limits a form has.
func (f form) limitRows() int {
	n := 1
	for f.has(limitName("requests", n)) {
		n++
	}
	return n
}

// showLimits fills in a row with each limit.
func (f *form) showLimits(limits ...apim.RateLimit) {
	for i, l := range limits {
		f.values.Set(limitName("requests", i), strconv.Itoa(l.Requests))
		f.values.Set(limitName("period", i), periodValue(l.Period))
		if l.Burst > 0 {
			f.values.Set(limitName("burst", i), strconv.Itoa(l.Burst))
		}
	}
}

// rearranged is the field with which a form of several limits is sent to have one
// more, or one less: nothing is saved then.
const rearranged = "rearrange"

// limitParts are the fields of a limit.
func limitParts() []string { return []string{"requests", "period", "burst"} }

// rearrangedLimits gives a form a limit more, or takes one out, where one of the
// buttons for that was pressed. The cursor goes to where it happened.
func (f *form) rearrangedLimits() bool {
	n, what := f.limitRows(), f.value(rearranged)
	at, err := strconv.Atoi(what)
	switch {
	case what == "more":
		if n < check.MaxLimits {
			f.values.Set(limitName("requests", n), "")
			f.values.Set(limitName("period", n), "minute")
			n++
		}
		at = n - 1
	case err != nil || at < 0 || at >= n:
		return false
	default:
		for _, part := range limitParts() {
			for i := at; i < n-1; i++ {
				f.values.Set(limitName(part, i), f.value(limitName(part, i+1)))
			}
			f.values.Del(limitName(part, n-1))
		}
		if n == 1 {
			f.values.Set("period", "minute")
		}
		at = min(at, max(n-2, 0))
	}
	f.focus = limitName("requests", at)
	return true
}

// rearranges is a button that sends a form of limits for that. Where there is a
// script the limits alone are loaded again.
func rearranges(action, what string, l ui.Look) ui.Look {
	l.Small, l.Name, l.Value = true, rearranged, what
	l.Attrs = templ.Attributes{"formnovalidate": true, "hx-post": action, "hx-target": "#limits", "hx-select": "#limits", "hx-swap": "outerHTML"}
	return l
}

// limitsOf reads the rate limits of a form and notes what is wrong with them. A
// row without a number of requests is no limit.
func limitsOf(f *form) []apim.RateLimit {
	out := []apim.RateLimit{}
	for i := range f.limitRows() {
		requests, period, burst := limitName("requests", i), limitName("period", i), limitName("burst", i)
		if f.text(requests) == "" {
			if f.text(burst) != "" {
				f.fail(requests, "needs a number when a burst is given")
			}
			continue
		}
		limit := apim.RateLimit{
			Requests: f.number(requests, 1, 1_000_000_000), Period: periodOf(f.value(period)), Burst: f.number(burst, 0, 1_000_000_000),
		}
		if limit.Period == 0 {
			f.fail(period, "choose second, minute, hour or day")
		}
		out = append(out, limit)
	}
	return out
}

// refuseLimits is refuse for a form with rows of rate limits: what is wrong with
// one is said in its row.
func (f *form) refuseLimits(err error, fields []string, rename map[string]string) bool {
	rename = maps.Clone(rename)
	rename["limits"], fields = "requests", append(fields, "requests")
	told := 0 // to the use case
	for i := range f.limitRows() {
		if f.text(limitName("requests", i)) == "" {
			continue
		}
		at := rowName("limits", told)
		told++
		for name, field := range map[string]string{"": "requests", ".requests": "requests", ".period_ms": "period", ".burst": "burst"} {
			rename[at+name] = limitName(field, i)
			fields = append(fields, limitName(field, i))
		}
	}
	return f.refuse(err, fields, rename)
}

// field is a field with what the form holds under a name, and the cursor where it
// is to be.
func (f form) field(name string, v ui.FieldView) ui.FieldView {
	v.Name, v.Value, v.Err, v.Focus = name, f.value(name), f.err(name), name == f.focus
	return v
}
