package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// inboxPage is the approvals inbox: the list, and the request that is open.
type inboxPage struct {
	shell
	Tab     string
	Tabs    []tabLink
	Bulk    string
	Once    string
	Rows    []requestRow
	Later   string
	First   string
	Open    *requestView
	Done    doneView
	Decides bool // the reader may decide on something of the list
}

type requestRow struct {
	ID, Href, Application, What, Quote, Age, Who string
	State                                        apim.SubscriptionState
	Open                                         bool
	Decides                                      bool
}

// requestView is one request in full.
type requestView struct {
	ID          apim.ID
	Heading     string // "Checkout backend wants Tracking, Growth"
	Who         string
	Application string
	Requester   string
	State       apim.SubscriptionState
	Reason      string
	Gets        []fact
	Consumer    string
	History     []historyView
	Decided     string
	Note        string
	CanDecide   bool
	Waits       bool // a change of plan, beside the state
	CanUndo     bool
	Approve     string
	Reject      string
	Undo        string
	Back        string // the tab it was opened in
	Form        form
}

type historyView struct {
	Text, By, When string
	Now            bool
}

// doneView is what was decided just now.
type doneView struct {
	Text  string // "" for nothing
	Undo  string
	Until int // seconds that the undo still works
	Live  liveView
	Self  string // the page, to follow both
}

func firstName(name string) string {
	first, _, _ := strings.Cut(name, " ")
	if first == "" {
		return "the requester"
	}
	return first
}

func (h *Console) approvals(v *visit) error { return h.inbox(v, http.StatusOK, form{}) }

// inbox shows the list with the open request; f is its decision form.
func (h *Console) inbox(v *visit, status int, f form) error {
	tab := v.query("tab")
	if tab != "answered" && tab != "automatic" {
		tab = "waiting"
	}
	list, err := h.Access.Inbox(v.ctx(), v.actor, v.tenant.ID, manager.InboxQuery{Tab: tab, Page: apim.Page{Cursor: v.query("cursor")}})
	if err != nil {
		return err
	}
	l := v.links
	p := inboxPage{shell: v.shell("Approvals", link{"Approvals", ""}), Tab: tab, Bulk: l.bulk(), Once: h.receipts.mint()}
	p.Tabs = []tabLink{
		{"Waiting", l.approvals(), p.Waiting, tab == "waiting"},
		{"Answered", with(l.approvals(), "tab", "answered"), -1, tab == "answered"},
		{"Automatic", with(l.approvals(), "tab", "automatic"), -1, tab == "automatic"},
	}
	open := apim.ID(v.query("request"))
	if open == "" && len(list.Items) > 0 {
		open = list.Items[0].Subscription.ID
	}
	for _, s := range list.Items {
		row := rowOf(v, s, tab)
		row.Open = s.Subscription.ID == open
		p.Decides = p.Decides || row.Decides
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(with(l.approvals(), "tab", tab), list.NextCursor)
	if open != "" {
		if p.Open, err = h.request(v, open, tab, f); err != nil {
			return err
		}
	}
	if p.Done, err = h.done(v); err != nil {
		return err
	}
	return v.render(status, inbox(p))
}

func rowOf(v *visit, s manager.SubscriptionView, tab string) requestRow {
	sub := s.Subscription
	if sub.Changing() {
		return requestRow{
			ID: string(sub.ID), Href: v.links.request(tab, sub.ID), Application: s.Application,
			What: s.Product.Name + ", " + s.Plan.Name + " → " + s.NextPlan.Name, Quote: clip(sub.PlanChange.Reason, 60), Age: ago(v.now, sub.PlanChange.At),
			Who: sub.PlanChange.Requester, State: sub.State, Decides: s.CanDecide,
		}
	}
	return requestRow{
		ID: string(sub.ID), Href: v.links.request(tab, sub.ID), Application: s.Application,
		What: s.Product.Name + ", " + s.Plan.Name, Quote: clip(sub.Reason, 60), Age: ago(v.now, sub.RequestedAt),
		Who: sub.Requester, State: sub.State, Decides: s.CanDecide && sub.Waiting(),
	}
}

func (h *Console) request(v *visit, id apim.ID, tab string, f form) (*requestView, error) {
	if _, err := apim.ParseID(apim.PrefixSubscription, string(id)); err != nil {
		return nil, err
	}
	s, err := h.Access.Subscription(v.ctx(), v.actor, v.tenant.ID, id)
	if err != nil {
		return nil, err
	}
	sub, l := s.Subscription, v.links
	r := &requestView{
		ID: sub.ID, Heading: s.Application + " wants " + s.Product.Name + ", " + s.Plan.Name,
		Who:         strings.Trim(sub.Requester+", "+s.Consumer, ", ") + " · asked " + agoPhrase(v.now, sub.RequestedAt),
		Application: s.Application, Requester: sub.Requester, State: sub.State, Reason: sub.Reason, Consumer: s.Consumer,
		Note: sub.Note, CanDecide: s.CanDecide && sub.Waiting(), CanUndo: s.CanUndo,
		Approve: l.decide(sub.ID, "approve"), Reject: l.decide(sub.ID, "reject"), Undo: l.decide(sub.ID, "undo"),
		Back: tab, Form: f, Gets: gets(s),
	}
	if r.Form.values == nil {
		r.Form = filled("period", "minute")
	}
	if sub.Changing() {
		asked := sub.PlanChange
		r.Heading = s.Application + " wants to change from " + s.Plan.Name + " to " + s.NextPlan.Name
		r.Who = strings.Trim(asked.Requester+", "+s.Consumer, ", ") + " · asked " + agoPhrase(v.now, asked.At)
		r.Requester, r.Reason, r.Waits = asked.Requester, asked.Reason, true
		s.Plan = s.NextPlan
		r.Gets = gets(s)
	} else if sub.State != apim.Pending {
		r.Heading = s.Application + ": " + s.Product.Name + ", " + s.Plan.Name
		by := sub.Decider
		if by == "" {
			by = "the plan itself"
		}
		if !sub.DecidedAt.IsZero() {
			r.Decided = title(sub.State) + " by " + by + ", " + moment(sub.DecidedAt)
		}
	}
	r.History = append(r.History, historyView{
		Text: "Asked for " + s.Product.Name + ", " + s.Plan.Name, When: moment(sub.RequestedAt), Now: true,
	})
	for _, line := range s.History {
		r.History = append(r.History, historyView{Text: line.Text, When: moment(line.At)})
	}
	return r, nil
}

// gets is what a subscription gives: a rate of its own is instead of the plan's.
func gets(s manager.SubscriptionView) []fact {
	plan := s.Plan
	if len(s.Subscription.Limits) > 0 {
		plan.Limits = s.Subscription.Limits
	}
	price, environments := s.Plan.Price, strings.Join(s.Subscription.Environments, ", ")
	if price == "" {
		price = "free of charge"
	}
	if environments == "" {
		environments = "all"
	}
	apis := strings.Join(s.APIs, ", ")
	if apis == "" {
		apis = "none yet: the product offers no API version"
	}
	out := append([]fact{{"APIs", apis}}, planFacts(plan)...)
	return append(out, fact{"Price", price}, fact{"Environment", environments})
}

// done tells what was decided just before, from the address.
func (h *Console) done(v *visit) (doneView, error) {
	out := doneView{Live: h.liveFromQuery(v, "The decision", "in force")}
	if left, more := v.polls(livePolls); more {
		out.Self = with(v.c.Request.URL.RequestURI(), "polls", strconv.Itoa(left))
	}
	id, err := apim.ParseID(apim.PrefixSubscription, v.query("done"))
	if err != nil {
		return out, nil // nothing was decided, or the address was made up
	}
	s, err := h.Access.Subscription(v.ctx(), v.actor, v.tenant.ID, id)
	if err != nil {
		return out, err
	}
	switch s.Subscription.State {
	case apim.Active:
		out.Text = s.Application + " may use " + s.Product.Name + ", " + s.Plan.Name + "."
	case apim.Rejected:
		out.Text = "The request of " + s.Application + " is rejected. " + s.Subscription.Requester + " sees your reason."
	case apim.Pending:
		out.Text = "The request of " + s.Application + " waits again."
	default:
		out.Text = s.Application + " is " + string(s.Subscription.State) + "."
	}
	if s.CanUndo {
		out.Undo, out.Until = v.links.decide(id, "undo"), max(1, int(s.UndoUntil.Sub(v.now).Seconds()))
	}
	return out, nil
}

// decide approves, rejects or undoes one request.
func (h *Console) decide(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id, err := apim.ParseID(apim.PrefixSubscription, v.param("subscription"))
	if err != nil {
		return err
	}
	var change apim.Change
	switch v.param("verb") {
	case "approve":
		d := manager.Decision{Note: f.text("note")}
		if terms := f.terms(); !terms.EndsAt.IsZero() || len(terms.Limits) > 0 {
			d.Terms = &terms
		}
		if !f.failed() {
			_, change, err = h.Access.Approve(v.ctx(), v.actor, v.tenant.ID, id, d)
		}
	case "reject":
		_, change, err = h.Access.Reject(v.ctx(), v.actor, v.tenant.ID, id, f.text("note"))
	case "undo":
		_, change, err = h.Access.UndoApproval(v.ctx(), v.actor, v.tenant.ID, id)
	default:
		return apim.Errorf(apim.NotFound, "a request is approved, rejected or an approval undone")
	}
	if err != nil || f.failed() {
		if err != nil && !f.refuseLimits(err, []string{"note", "ends_on"}, map[string]string{"reason": "note", "ends_at": "ends_on"}) {
			return err
		}
		v.c.Request.URL.RawQuery = strings.TrimPrefix(with("", "tab", f.value("tab"), "request", string(id)), "?")
		return h.inbox(v, v.status(f), f)
	}
	to := with(v.links.approvals(), "tab", f.value("tab"), "done", string(id))
	if v.param("verb") == "undo" {
		to = v.links.request("", id)
	}
	return v.redirect(withChange(to, change))
}

// bulkPage asks for the one reason that several rejections need.
type bulkPage struct {
	shell
	Action string
	Back   string
	Rows   []requestRow
	Form   form
}

const bulkMost = 200

// decideBulk approves or rejects the ticked requests, each for itself: one that
// cannot be decided does not stop the others.
func (h *Console) decideBulk(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ids := slices.Compact(slices.Sorted(slices.Values(f.values["id"])))
	verb := f.value("do")
	switch {
	case len(ids) == 0:
		v.flash(toneBad, "Nothing was ticked. Tick the requests to decide on first.")
		return v.redirect(v.links.approvals())
	case len(ids) > bulkMost:
		return apim.Errorf(apim.TooLarge, "%d requests at once are too many; the most is %d", len(ids), bulkMost)
	case verb == "reject" && f.text("note") == "":
		if f.has("note") {
			f.fail("note", "needs a reason: the requesters see it")
		}
		return h.bulkReason(v, ids, f)
	case verb != "approve" && verb != "reject":
		return apim.Errorf(apim.NotFound, "requests are approved or rejected")
	}
	chosen := make([]apim.ID, len(ids))
	for i, id := range ids {
		chosen[i] = apim.ID(id)
	}
	all, err := h.Access.Decide(v.ctx(), v.actor, v.tenant.ID, chosen, verb, f.text("note"))
	if err != nil {
		return err
	}
	var last apim.Change
	var failed []string
	for _, d := range all {
		if d.Change.Sequence > last.Sequence {
			last = d.Change
		}
		if d.Err == nil {
			continue
		}
		if one := (form{}); one.refuse(d.Err, nil, nil) {
			failed = append(failed, one.message)
			continue
		}
		return d.Err
	}
	done := len(ids) - len(failed)
	past := map[string]string{"approve": "Approved ", "reject": "Rejected "}[verb]
	told := past + count(done, "request", "requests") + "."
	if len(failed) == 0 {
		v.flash(toneOK, told)
	} else {
		v.flash(toneBad, told+" "+count(len(failed), "was", "were")+" not decided. "+strings.Join(failed, " "))
	}
	return v.redirect(withChange(v.links.approvals(), last))
}

func (h *Console) bulkReason(v *visit, ids []string, f form) error {
	p := bulkPage{
		shell:  v.shell("Reject "+count(len(ids), "request", "requests"), link{"Approvals", v.links.approvals()}, link{"Reject", ""}),
		Action: v.links.bulk(), Back: v.links.approvals(), Form: f,
	}
	for _, id := range ids {
		s, err := h.Access.Subscription(v.ctx(), v.actor, v.tenant.ID, apim.ID(id))
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, rowOf(v, s, ""))
	}
	if f.failed() {
		return v.again(f, bulkReason(p))
	}
	return v.render(http.StatusOK, bulkReason(p))
}
