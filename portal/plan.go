package portal

import (
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// A planColumn is a plan as one column of a comparison. All columns of a
// comparison have the same rows.
type planColumn struct {
	ID       string
	Name     string
	Price    string
	Note     string // beside the price
	Text     string // description, plain
	Rows     []planRow
	Manual   bool
	Open     bool // takes new subscriptions
	Chosen   bool
	Mine     string // "Subscribed", "Waiting for approval" or ""
	MineTone string
}

type planRow struct {
	Label, Value, Tone string
}

// planColumns lays plans out side by side, the ones that take no new
// subscriptions last.
func planColumns(plans []apim.Plan, mine []manager.SubscriptionView) []planColumn {
	limits := 1
	burst, closes, bounded := false, false, false
	for _, p := range plans {
		closes, bounded = closes || !p.ClosesAt.IsZero(), bounded || p.MaxKeyLife > 0
		limits = max(limits, len(p.Limits))
		for _, l := range p.Limits {
			burst = burst || l.Burst > 0
		}
	}
	kinds := limitKinds(plans...)
	var open, closed []planColumn
	for _, p := range plans {
		column := planColumn{
			ID: string(p.ID), Name: p.Name, Text: p.Description,
			Manual: p.Approval == apim.Manual, Open: p.Takes() == nil,
		}
		column.Price, column.Note = splitPrice(price(p))
		column.Rows = planRows(p, limits, burst, kinds)
		if bounded {
			row := planRow{Label: "Keys live", Value: "as you choose"}
			if p.MaxKeyLife > 0 {
				row.Value = "at most " + duration(p.MaxKeyLife)
			}
			column.Rows = append(column.Rows, row)
		}
		if closes {
			row := planRow{Label: "Closes", Value: "—"}
			if !p.ClosesAt.IsZero() {
				row.Value, row.Tone = shortDay(p.ClosesAt), "warnc"
			}
			column.Rows = append(column.Rows, row)
		}
		column.Mine, column.MineTone = ownState(subscriptionsTo(mine, p.ID))
		if column.Open {
			open = append(open, column)
		} else {
			closed = append(closed, column)
		}
	}
	// What works at once comes first, and is what a form begins with.
	slices.SortStableFunc(open, func(a, b planColumn) int { return compare(a.Manual, b.Manual) })
	return append(open, closed...)
}

func planRows(p apim.Plan, limits int, burst bool, kinds []entry.PolicyKind) []planRow {
	var rows []planRow
	for i := range limits {
		label, value := "Rate", "no limit"
		if i > 0 {
			label, value = "and", "—"
		}
		switch {
		case i < len(p.Limits):
			value = rate(p.Limits[i])
		case len(planPolicies(p)[entry.PolicyRateLimit]) > 0:
			value = "—" // its policies say how many
		}
		rows = append(rows, planRow{Label: label, Value: value})
	}
	if burst {
		value := "—"
		for _, l := range p.Limits {
			if l.Burst > 0 {
				value = number(l.Burst)
				break
			}
		}
		rows = append(rows, planRow{Label: "At once", Value: value})
	}
	rows = append(rows, limitRows(p, kinds)...)
	if p.Approval == apim.Manual {
		return append(rows, planRow{Label: "Approval", Value: "by a person", Tone: "warnc"})
	}
	return append(rows, planRow{Label: "Approval", Value: "at once", Tone: "okc"})
}

// splitPrice sets what follows a slash or a comma apart: "€ 0.80" and
// "/ 1,000 calls".
func splitPrice(text string) (amount, note string) {
	if i := strings.IndexAny(text, "/("); i > 0 {
		return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i:])
	}
	return text, ""
}

func subscriptionsTo(mine []manager.SubscriptionView, plan apim.ID) []manager.SubscriptionView {
	var of []manager.SubscriptionView
	for _, s := range mine {
		if s.Subscription.Plan == plan {
			of = append(of, s)
		}
	}
	return of
}

// ownState says what the reader's own subscriptions to something amount to, in
// a word or two, and its tone. What works counts before what does not.
func ownState(mine []manager.SubscriptionView) (label, tone string) {
	rank := 0
	for _, s := range mine {
		r, l, t := 0, "", ""
		switch {
		case s.Subscription.State == apim.Active && !s.Subscription.Stopped:
			r, l, t = 4, "Subscribed", "ok"
		case s.Subscription.State == apim.Active:
			r, l, t = 3, "Stopped by you", "off"
		case s.Subscription.State == apim.Pending:
			r, l, t = 2, "Waiting", "warn"
		case s.Subscription.State == apim.Suspended:
			r, l, t = 1, "Suspended", "bad"
		}
		if r > rank {
			rank, label, tone = r, l, t
		}
	}
	return label, tone
}

// compare orders false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
