package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/ui"
)

// auditPage lists who changed what.
type auditPage struct {
	peopleHead
	Action   string // of the filter
	Form     form
	Kinds    []choice
	Whens    []choice
	Filtered bool
	Rows     []auditRow
	Check    string // address that walks the chain
	Chain    string // what was found
	Broken   bool
	Export   []ui.MenuItem
	Later    string
	First    string
}

type auditRow struct {
	Number, Time, Full, Who, What, Action string
	Object, ObjectHref, From              string
	Diff                                  []ui.DiffLine
	Changes                               string // "2 values"
}

// whens are the spans of time that the log can be narrowed to.
func whens() []choice {
	return []choice{{"", "any time"}, {"24h", "last 24 hours"}, {"7d", "last 7 days"}, {"30d", "last 30 days"}, {"365d", "last year"}}
}

func whenStart(now time.Time, value string) time.Time {
	const day = 24 * time.Hour
	span := map[string]time.Duration{"24h": day, "7d": 7 * day, "30d": 30 * day, "365d": 365 * day}[value]
	if span == 0 {
		return time.Time{}
	}
	return now.Add(-span).UTC().Truncate(time.Second)
}

// auditKinds are what the log can be narrowed to, as actions begin.
func auditKinds() []choice {
	return []choice{
		{"", "everything"},
		{"api", "APIs"},
		{"version", "versions and publishing"},
		{"product", "products"},
		{"plan", "plans"},
		{"subscription", "requests and subscriptions"},
		{"application", "applications"},
		{"credential", "keys"},
		{"value", "values"},
		{"member", "members and roles"},
		{"invitation", "invitations"},
		{"team", "teams"},
		{"token", "API tokens"},
		{"audit", "exports of this log"},
	}
}

var anID = regexp.MustCompile(`^[a-z]+_[0-9a-f]{32}$`)

// auditFilter reads the conditions, and returns them as the management API has
// them too. An id that is no person's or token's is an object's.
func auditFilter(now time.Time, f form) (apim.AuditFilter, []string) {
	filter := apim.AuditFilter{Action: f.text("what"), From: whenStart(now, f.value("when"))}
	query := []string{"action", filter.Action}
	q := f.text("q")
	if anID.MatchString(q) && !strings.HasPrefix(q, apim.PrefixPerson+"_") && !strings.HasPrefix(q, apim.PrefixToken+"_") {
		filter.Object = apim.ID(q)
		query = append(query, "object", q)
	} else {
		filter.Actor = q
		query = append(query, "actor", q)
	}
	if !filter.From.IsZero() {
		query = append(query, "from", filter.From.Format(time.RFC3339))
	}
	return filter, query
}

func (h *Console) audit(v *visit) error {
	f := filled("q", v.query("q"), "what", v.query("what"), "when", v.query("when"))
	filter, query := auditFilter(v.now, f)
	list, err := h.Tenants.AuditLog(v.ctx(), v.actor, v.tenant.ID, filter, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := auditPage{
		peopleHead: h.peopleHead(v, "Audit log"), Action: v.links.audit(), Form: f, Kinds: auditKinds(), Whens: whens(), Filtered: filter != (apim.AuditFilter{}),
	}
	for _, a := range list.Items {
		p.Rows = append(p.Rows, v.auditRow(a))
	}
	self := with(v.links.audit(), "q", f.text("q"), "what", filter.Action, "when", f.value("when"))
	p.Later, p.First = v.pages(self, list.NextCursor)
	p.Check = with(self, "check", "chain")
	for _, format := range []choice{{"csv", "As CSV"}, {"ndjson", "As lines of JSON"}} {
		p.Export = append(p.Export, ui.MenuItem{Label: format.label, Href: v.links.exportAudit(format.value, query...)})
	}
	if v.query("check") == "chain" {
		check, err := h.Tenants.VerifyAudit(v.ctx(), v.actor, v.tenant.ID)
		if err != nil {
			return err
		}
		p.Chain, p.Broken = chainText(check)
	}
	return v.render(http.StatusOK, auditList(p))
}

// chainText says what walking the log found.
func chainText(c apim.AuditCheck) (text string, broken bool) {
	rows := count(int(c.Rows), "row", "rows")
	if c.Broken == "" {
		return "Chain intact, " + rows, false
	}
	return fmt.Sprintf("Row %d does not fit: %s. %s before it fit.", c.Sequence, c.Broken, title(rows)), true
}

func (v *visit) auditRow(a apim.AuditLink) auditRow {
	number := strconv.FormatInt(a.Sequence, 10)
	row := auditRow{
		Number: number, Time: clock(v.now, a.At), Full: moment(a.At) + ", row " + number, Who: a.Actor.Name, What: a.Summary, Action: a.Action,
		Object: string(a.Object), From: a.Actor.Address, Diff: auditDiff(a.Before, a.After),
	}
	switch {
	case strings.HasPrefix(row.Object, apim.PrefixSubscription+"_"):
		row.ObjectHref = v.links.subscription(a.Object)
	case row.Object != "":
		row.ObjectHref = with(v.links.audit(), "q", row.Object)
	}
	if row.Who == "" {
		row.Who = "Portico"
	}
	if row.From == "" {
		row.From = "portico"
	}
	names := map[string]bool{}
	for _, l := range row.Diff {
		name, _, _ := strings.Cut(l.Text, ": ")
		names[name] = true
	}
	row.Changes = "Show " + count(len(names), "value", "values")
	return row
}

// mostDiffLines bounds what of a change a page shows.
const mostDiffLines = 60

// auditDiff is what a row says of before and after, value by value, where they
// differ.
func auditDiff(before, after string) []ui.DiffLine {
	was, is := flat(before), flat(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	var out []ui.DiffLine
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := was[name]
		now, has := is[name]
		if had && has && old == now {
			continue
		}
		if had {
			out = append(out, ui.DiffLine{Kind: ui.Removed, Text: name + ": " + clip(old, 200)})
		}
		if has {
			out = append(out, ui.DiffLine{Kind: ui.Added, Text: name + ": " + clip(now, 200)})
		}
		if len(out) >= mostDiffLines {
			return append(out, ui.DiffLine{Kind: ui.Hunk, Text: "and more, which the export has"})
		}
	}
	return out
}

// flat is a JSON value as paths with what is at their ends.
func flat(text string) map[string]string {
	out := map[string]string{}
	var value any
	if text != "" && json.Unmarshal([]byte(text), &value) == nil {
		flatten("", value, out)
	}
	return out
}

func flatten(path string, value any, out map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for name, inside := range v {
			if path != "" {
				name = path + "." + name
			}
			flatten(name, inside, out)
		}
	case []any:
		if words, plain := wordsOf(v); plain {
			out[path] = orNone(strings.Join(words, ", "))
			return
		}
		for i, inside := range v {
			flatten(path+"["+strconv.Itoa(i)+"]", inside, out)
		}
	case nil:
		out[path] = orNone("")
	case string:
		out[path] = orNone(v)
	default:
		out[path] = fmt.Sprint(v) // a number or a boolean
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// wordsOf returns the texts of a list of nothing else.
func wordsOf(list []any) ([]string, bool) {
	words := make([]string, 0, len(list))
	for _, one := range list {
		word, ok := one.(string)
		if !ok {
			return nil, false
		}
		words = append(words, word)
	}
	return words, true
}
