package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/ui"
)

// liveView is how far a change has come: "v1 r8 is live on 3 of 3 nodes · 38
// ms". The zero value is no change.
type liveView struct {
	What    string // "v1 r8"
	Word    string // "live" or "in force"
	Change  apim.Change
	Live    int
	Nodes   int
	Took    string // once Done
	Done    bool
	Late    bool // it takes longer than it should
	Waiting []nodeLine
	Refused []nodeLine
	Poll    string
	Refresh string // the page itself, without a script
}

type nodeLine struct{ Name, State, Reason string }

func (l liveView) none() bool { return l.Change.Sequence == 0 }

func (l liveView) sentence() string {
	verb := " is "
	if l.Nodes == 0 {
		return l.What + verb + "stored at " + sequence(l.Change.Sequence) + ". No gateway node is enrolled in " + l.Change.Environment + "."
	}
	s := l.What + verb + l.Word + " on " + strconv.Itoa(l.Live) + " of " + strconv.Itoa(l.Nodes) + " nodes"
	if l.Done {
		return s + " · " + l.Took
	}
	return s
}

// waitForNodes is how long a page waits for the nodes before it shows what they
// said so far. A node answers in a few milliseconds, so that most pages can say
// so at once, also without a script.
const waitForNodes = 250 * time.Millisecond

// lateAfter is how long a change may take before the page calls it late.
const lateAfter = 2 * time.Second

// liveFromQuery tells how far the change in the page's address has come; the
// zero value when there is none.
func (h *Console) liveFromQuery(v *visit, what, word string) liveView {
	at, err := strconv.ParseUint(v.query("sequence"), 10, 64)
	if err != nil || at == 0 || v.query("environment") == "" {
		return liveView{}
	}
	change := apim.Change{Environment: v.query("environment"), Sequence: at}
	ctx, cancel := context.WithTimeout(v.ctx(), waitForNodes)
	defer cancel()
	applied, err := h.Fleet.WaitApplied(ctx, v.actor, change)
	if err != nil {
		if applied, err = h.Fleet.Applied(v.ctx(), v.actor, change); err != nil {
			h.Log.WarnContext(v.ctx(), "what the nodes applied is not known", "sequence", at, "err", err)
			return liveView{}
		}
	}
	return v.live(applied, what, word)
}

// here is the page that the reader looks at, also when only a part of it is
// asked for.
func (v *visit) here() string {
	if web.HX(v.c) {
		if u, err := url.Parse(v.c.GetHeader("HX-Current-URL")); err == nil {
			if to := web.LocalPath(u.RequestURI()); to != "" {
				return to
			}
		}
	}
	return v.url().RequestURI()
}

// since is when the page began to follow a change, in milliseconds.
func (v *visit) since() string {
	if at, err := strconv.ParseInt(v.query("since"), 10, 64); err == nil {
		return strconv.FormatInt(at, 10)
	}
	return strconv.FormatInt(v.now.UnixMilli(), 10)
}

func (v *visit) live(a apim.Applied, what, word string) liveView {
	out := liveView{
		What: what, Word: word, Change: a.Change, Live: a.Live(), Nodes: len(a.Nodes), Done: a.Done && len(a.Nodes) > 0,
		Poll:    with(v.links.change(a.Change, what), "word", word, "since", v.since()),
		Refresh: v.here(),
	}
	if out.Done {
		out.Took = took(max(0, a.TookMS))
	}
	for _, n := range a.Nodes {
		switch n.State {
		case "applied":
		case "refused":
			out.Refused = append(out.Refused, nodeLine{n.Name, n.State, n.Reason})
		default:
			out.Waiting = append(out.Waiting, nodeLine{n.Name, n.State, n.Reason})
		}
	}
	return out
}

// change is the fragment that follows a change until every node has confirmed.
func (h *Console) change(v *visit) error {
	at, err := strconv.ParseUint(v.query("sequence"), 10, 64)
	if err != nil {
		return apim.Errorf(apim.NotFound, "%q is not a sequence", v.query("sequence"))
	}
	applied, err := h.Fleet.Applied(v.ctx(), v.actor, apim.Change{Environment: v.query("environment"), Sequence: at})
	if err != nil {
		return err
	}
	word := v.query("word")
	if word != "live" {
		word = "in force"
	}
	out := v.live(applied, clip(v.query("what"), 80), word)
	if left, more := v.polls(livePolls); more {
		out.Poll = with(out.Poll, "polls", strconv.Itoa(left))
	} else {
		out.Poll = ""
	}
	if since, err := strconv.ParseInt(v.query("since"), 10, 64); err == nil {
		out.Late = !out.Done && v.now.Sub(time.UnixMilli(since)) > lateAfter
	}
	return v.fragment(livePanel(out))
}

// How often parts of a page load themselves again: about ten minutes.
const (
	chipPolls = 120
	nodePolls = 300
	livePolls = 300
)

// chip is the environment's position in the bar.
func (v *visit) chip() ui.StatusChipView {
	c := ui.StatusChipView{
		ID: "chip", Href: v.links.nodes(), Code: sequence(v.environment.Sequence), Tone: ui.OK,
		Title: "Position of " + v.environment.Name + ", the nodes that serve it, and the time until the last node had it",
	}
	every := "load delay:5s"
	a := v.applied
	switch n := len(a.Nodes); {
	case v.environment.Sequence == 0:
		c.Text, c.Tone = "nothing published", ui.Off
	case n == 0:
		c.Text, c.Tone = "no node", ui.Warn
	default:
		c.Text = "live on " + strconv.Itoa(a.Live()) + "/" + strconv.Itoa(n)
		switch {
		case a.Done:
			if a.TookMS >= 0 {
				c.Note = took(a.TookMS)
			}
		case a.Live() < n:
			c.Tone, c.Busy = ui.Warn, true
			for _, node := range a.Nodes {
				if node.State == "unreachable" || node.State == "refused" {
					c.Busy, c.Note = false, node.Name+" "+node.State
				}
			}
			if c.Busy {
				every = "load delay:1s"
			}
		}
	}
	if left, more := v.polls(chipPolls); more {
		c.Attrs = templ.Attributes{"hx-get": with(v.links.chip(), "polls", strconv.Itoa(left)), "hx-trigger": every, "hx-swap": "outerHTML"}
	}
	return c
}

func (h *Console) chip(v *visit) error { return v.fragment(ui.StatusChip(v.chip())) }

// nodesPage is the environment's gateway nodes.
type nodesPage struct {
	shell
	Heading     string
	Environment apim.Environment
	Stats       []ui.Stat
	Rows        []nodeRow
	Slowest     float64
	Self        string
	Refusals    []refusalRow
	Operates    bool   // the reader may drain and remove nodes
	Add         string // "" where none can come
}

type nodeRow struct {
	Name, Build    string
	State          apim.NodeState
	Tone           ui.Tone
	Word           string
	Sequence       string
	Behind         uint64
	AppliedMS      int64
	APIs, Grants   string
	Up, Heard      string
	Refused        int
	FromDisk, Live bool
	Drain, Resume  string // where to post; "" when it makes no sense
	Remove         string
}

type refusalRow struct{ Node, Key, Reason string }

func (h *Console) nodes(v *visit) error {
	nodes, err := h.Fleet.Nodes(v.ctx(), v.actor, v.environment.Slug)
	if err != nil {
		return err
	}
	p := nodesPage{
		shell: v.shell("Gateway nodes", link{"Gateway nodes", ""}), Heading: "Gateway nodes",
		Environment: v.environment, Operates: v.actor.Operator,
	}
	if v.actor.Operator && h.Fleet.Users != nil {
		p.Add = v.links.addNode()
	}
	if left, more := v.polls(nodePolls); more {
		p.Self = with(v.links.nodes(), "polls", strconv.Itoa(left))
	}
	serving, behind, gone, slowest, slow := 0, 0, 0, int64(-1), ""
	for _, n := range nodes {
		if n.State == apim.NodeLeft {
			gone++
		}
		row := nodeRowOf(v, n)
		p.Rows = append(p.Rows, row)
		if row.Live {
			serving++
		}
		if n.Behind > 0 {
			behind++
		}
		if n.AppliedMS > slowest {
			slowest, slow = n.AppliedMS, n.Name
		}
		for _, r := range n.Refused {
			p.Refusals = append(p.Refusals, refusalRow{n.Name, r.Key, r.Reason})
		}
	}
	p.Slowest = float64(max(slowest, 1))
	p.Stats = nodeStats(v, len(nodes)-gone, serving, behind, len(p.Refusals), slowest, slow)
	return v.render(http.StatusOK, nodesView(p))
}

func nodeStats(v *visit, nodes, serving, behind, refused int, slowest int64, slow string) []ui.Stat {
	position := ui.Stat{Label: "Position of " + v.environment.Name, Value: sequence(v.environment.Sequence), Note: "applied everywhere"}
	if behind > 0 {
		position.Note = "not yet on " + count(behind, "node", "nodes")
	}
	if nodes == 0 {
		position.Note = "no node has it"
	}
	last := ui.Stat{Label: "Last change, slowest node", Value: "—", Note: "nothing was changed since the start"}
	if slowest >= 0 {
		last.Value, last.Unit, last.Note = strconv.FormatInt(slowest, 10), "ms", slow
	}
	at := ui.Stat{Label: "Serving", Value: strconv.Itoa(serving), Unit: "of " + strconv.Itoa(nodes) + " nodes", Note: "every node that has not left counts"}
	kept := ui.Stat{Label: "Refused entries", Value: strconv.Itoa(refused), Note: "the last good one serves on"}
	if refused == 0 {
		kept.Note = "every node serves what was published"
	}
	return []ui.Stat{position, last, at, kept}
}

func nodeRowOf(v *visit, n apim.Node) nodeRow {
	row := nodeRow{
		Name: n.Name, Build: n.Build, State: n.State, Sequence: sequence(n.Applied), Behind: n.Behind,
		AppliedMS: n.AppliedMS, APIs: number(n.APIs), Grants: number(n.Grants),
		Up: "—", Heard: agoPhrase(v.now, n.HeardAt), Refused: len(n.Refused), FromDisk: n.FromDisk,
	}
	if !n.StartedAt.IsZero() {
		row.Up = ago(v.now, n.StartedAt)
		if row.Up == "now" {
			row.Up = "under a minute"
		}
	}
	if v.actor.Operator {
		switch n.State {
		case apim.NodeLive, apim.NodeStarting:
			row.Drain = v.links.nodeDo(n.Name, "drain")
		case apim.NodeDraining:
			row.Resume = v.links.nodeDo(n.Name, "resume")
		}
		if n.UserKey != "" {
			row.Remove = v.links.nodeDo(n.Name, "remove")
		}
	}
	switch n.State {
	case apim.NodeLive:
		row.Word, row.Tone, row.Live = "Serving", ui.OK, true
	case apim.NodeStarting:
		row.Word, row.Tone = "Starting", ui.Accent
	case apim.NodeDraining:
		row.Word, row.Tone = "Draining", ui.Warn
	case apim.NodeLeft:
		row.Word, row.Tone, row.Up = "Left", ui.Off, "—"
	default:
		row.Word, row.Tone = "Unreachable", ui.Bad
	}
	return row
}

// follow makes the panel load itself again until every node has confirmed.
func (l liveView) follow() templ.Attributes {
	if l.Poll == "" {
		return nil
	}
	every := "load delay:300ms"
	if l.Late {
		every = "load delay:2s"
	}
	return templ.Attributes{"hx-get": l.Poll, "hx-trigger": every, "hx-swap": "outerHTML"}
}

func (l liveView) tone() ui.Tone {
	if l.Late || len(l.Refused) > 0 || l.Nodes == 0 {
		return ui.Warn
	}
	return ui.Info
}

// waits names who has not confirmed, and what that means.
func (l liveView) waits() string {
	var parts []string
	for _, n := range l.Refused {
		parts = append(parts, n.Name+" refuses it: "+n.Reason+". It serves the last good one on.")
	}
	for _, n := range l.Waiting {
		switch n.State {
		case "unreachable":
			parts = append(parts, n.Name+" is unreachable and serves what it has until it is back.")
		default:
			parts = append(parts, n.Name+" has not confirmed yet. It serves what it has until it does; no calls are lost.")
		}
	}
	return strings.Join(parts, " ")
}
