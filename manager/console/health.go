package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// health is what the nodes of the page's environment say of a version's
// upstreams.
type health struct {
	served  bool // a revision is live there, so that nodes have an opinion
	live    []apim.Upstream
	nodes   []apim.NodeUpstreams
	targets []apim.NodeTargets
	checked bool   // the nodes have asked the targets for this page
	only    string // this one alone; "" for all
}

// upstreamViews shows the draft's upstreams beside what is live and what nodes say
// of it; with check they ask the targets first, or the one that is named.
func (h *Console) upstreamViews(v *visit, d manager.VersionDetail, check bool, only string) (out []upstreamView, err error) {
	used := map[string]int{}
	for _, r := range d.Version.Runtime.Routes {
		used[r.Upstream]++
	}
	seen, err := h.healthOf(v, d, check, only)
	if err != nil {
		return nil, err
	}
	for _, u := range d.Version.Runtime.Upstreams {
		out = append(out, seen.view(v, u, used[u.Name]))
	}
	for _, u := range seen.live {
		if !slices.ContainsFunc(d.Version.Runtime.Upstreams, func(one apim.Upstream) bool { return one.Name == u.Name }) {
			u.URLs, u.Weights = nil, nil // the draft has none of it
			out = append(out, seen.view(v, u, 0))
		}
	}
	return out, nil
}

// checkTargets has the nodes ask the targets at once, or the one that the form
// names, and shows what each found.
func (h *Console) checkTargets(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	v.comesFrom(back(f), v.links.version(d.API.Slug, d.Version.Label))
	found, err := h.upstreamViews(v, d, true, f.text("target"))
	if err != nil {
		return err
	}
	p, err := h.routesPage(v, d, form{}, form{}, found)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, routesTab(p))
}

// healthOf asks what nodes say. A page does without where nobody can be asked;
// a check does not.
func (h *Console) healthOf(v *visit, d manager.VersionDetail, check bool, only string) (health, error) {
	out := health{checked: check, only: only}
	for _, dep := range d.Deployments {
		out.served = out.served || dep.Environment == v.environment.Slug
	}
	var err error
	switch {
	case check:
		out.targets, err = h.Catalog.CheckTargets(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug, only)
	case out.served:
		out.targets, err = h.Catalog.Targets(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	}
	if check && err != nil || !out.served {
		return out, err
	}
	found, err := h.Catalog.Upstreams(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return out, err
	}
	out.live = found.Live
	for _, n := range found.Nodes {
		if n.Reachable {
			out.nodes = append(out.nodes, n)
		}
	}
	return out, nil
}

// view shows an upstream of the draft beside the live one, and what nodes say of
// that.
func (s health) view(v *visit, u apim.Upstream, used int) upstreamView {
	out := upstreamView{Name: u.Name, Algorithm: algorithmText(u.Traffic), Spread: spreadText(u.Traffic), Times: timesText(u), Used: used}
	out.Silent = s.silent()
	states := s.states(u.Name)
	wrong, found := s.all(u.Name, states)
	out.Wrong = wrong.lines(len(s.nodes))
	called := func(t targetView) targetView {
		t.Check = true
		s.judge(v, &t, u.Name, states[t.URL])
		s.measure(&t, states[t.URL])
		return t
	}
	var live apim.Upstream
	for _, one := range s.live {
		if one.Name == u.Name {
			live = one
		}
	}
	same := live.Traffic.Discovery == u.Traffic.Discovery
	for i, url := range u.URLs {
		t := targetView{URL: url}
		if i < len(u.Weights) {
			t.Note = "weight " + strconv.Itoa(u.Weights[i])
		}
		switch served := same && slices.Contains(live.URLs, url); {
		case served && u.Traffic.Discovery.Kind == "":
			t = called(t)
		case served:
			t.State = discoveryText(u.Traffic.Discovery)
		default:
			t.State = s.draftText(u.Traffic.Discovery)
		}
		out.Targets = append(out.Targets, t.joined())
	}
	for _, url := range live.URLs {
		t := targetView{URL: url, Note: "not in the draft", Left: true}
		switch {
		case same && slices.Contains(u.URLs, url):
			continue
		case live.Traffic.Discovery.Kind == "":
			t = called(t)
		default:
			t.State = discoveryText(live.Traffic.Discovery)
		}
		out.Targets = append(out.Targets, t.joined())
	}
	for _, address := range found {
		out.Targets = append(out.Targets, called(targetView{URL: address, Note: "found"}).joined())
	}
	return out
}

// all is what nodes say of a whole upstream, and the addresses that they have found
// for it.
func (s health) all(upstream string, states map[string][]nodeState) (wrong *said, found []string) {
	wrong, set := &said{}, map[string]bool{}
	for _, n := range s.nodes {
		for _, seen := range n.Upstreams {
			if seen.Name != upstream {
				continue
			}
			for _, text := range wrongText(seen) {
				wrong.add(n.Node, text)
			}
			for _, t := range seen.Worst {
				set[t.Address] = true
			}
			for _, address := range seen.Found {
				set[address] = true
			}
		}
	}
	for _, list := range states {
		set[list[0].Address] = true
	}
	delete(set, "") // of those that were not looked for
	return wrong, slices.Sorted(maps.Keys(set))
}

// draftText says how an address is that only the draft has.
func (s health) draftText(d apim.Discovery) string {
	text := "not live"
	if s.served {
		text = "in the draft, not live"
	}
	if d.Kind != "" {
		return discoveryText(d) + " · " + text
	}
	return text
}

// judge says how a target is, as far as nodes have said so.
func (s health) judge(v *visit, t *targetView, upstream string, states []nodeState) {
	bad, well := &said{}, 0
	for _, n := range s.nodes {
		switch why, known := verdict(v, n, upstream, t.URL, states); {
		case why != "":
			bad.add(n.Node, why)
		case known:
			well++
		}
	}
	switch {
	case len(bad.texts) > 0:
		t.Tone, t.State = "bad", strings.Join(bad.lines(len(s.nodes)), "; ")
	case well > 0:
		t.Tone, t.State = "ok", "gets calls on "+count(well, "node", "nodes")
	case len(s.nodes) > 0:
		t.State = "no node says how it is"
	default:
		t.State = "no node is heard"
	}
}

// verdict is why a node gives a target no calls, "" where it gives some. Of so many
// upstreams and targets a status does not tell; what the node found when it was
// asked does.
func verdict(v *visit, n apim.NodeUpstreams, upstream, at string, states []nodeState) (why string, known bool) {
	known = !n.Partial
	for _, u := range n.Upstreams {
		if u.Name != upstream {
			continue
		}
		for _, t := range u.Worst {
			if cmp.Or(t.Address, t.URL) == at {
				return t.Why + ", " + agoPhrase(v.now, t.Since), true
			}
		}
		known = u.Unfit <= len(u.Worst)
	}
	for _, one := range states {
		if one.node == n.Node {
			return one.Why, true
		}
	}
	return "", known
}

// nodeState is what a node finds of a target.
type nodeState struct {
	node string
	apim.TargetState
}

// states are what nodes find of an upstream's targets, by address.
func (s health) states(upstream string) map[string][]nodeState {
	out := map[string][]nodeState{}
	for _, n := range s.targets {
		for _, u := range n.Upstreams {
			if u.Name != upstream {
				continue
			}
			for _, t := range u.Targets {
				at := cmp.Or(t.Address, t.URL)
				out[at] = append(out[at], nodeState{n.Node, t})
			}
		}
	}
	return out
}

// silent names the nodes that were asked to check and have not answered.
func (s health) silent() string {
	var nodes []string
	for _, n := range s.targets {
		if !n.Answered {
			nodes = append(nodes, n.Node)
		}
	}
	if !s.checked || len(nodes) == 0 {
		return ""
	}
	return strings.Join(nodes, ", ") + " did not answer in time"
}

// measure says how long a target takes, and, after a check, what each node found.
func (s health) measure(t *targetView, states []nodeState) {
	least, most := time.Duration(0), time.Duration(0)
	var recent []apim.TargetCall
	for _, one := range states {
		recent = append(recent, one.Recent...)
		if one.Calls > 0 && (least == 0 || one.Median < least) {
			least = one.Median
		}
		most = max(most, one.Median)
		if c := one.Check; s.checked && (s.only == "" || s.only == t.URL) && !c.At.IsZero() {
			t.Found = append(t.Found, foundView{Node: one.node, Text: foundText(c), Bad: c.Why != ""})
			if c.Why != "" && t.Tone == "ok" {
				t.Tone = "warn" // it gets calls still
			}
		}
	}
	if least > 0 {
		t.Took = durationText(least)
		if to := durationText(most); to != t.Took {
			t.Took += " to " + to
		}
	} else if len(states) > 0 {
		t.Took = "no traffic"
	}
	t.Trend = trend(recent)
}

// trendPoints is how many points a target's trend has at most, and trendLeast how
// many calls make one.
const (
	trendPoints = 32
	trendLeast  = 3
)

// trend is how long calls took, the oldest first: of several nodes, each point is
// the median of as many calls as there are to one. Too few calls are none.
func trend(calls []apim.TargetCall) []float64 {
	if len(calls) < trendLeast {
		return nil
	}
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b apim.TargetCall) int { return cmp.Compare(b.Ago, a.Ago) })
	var out []float64
	for some := range slices.Chunk(calls, (len(calls)+trendPoints-1)/trendPoints) {
		slices.SortFunc(some, func(a, b apim.TargetCall) int { return cmp.Compare(a.Took, b.Took) })
		out = append(out, float64(some[len(some)/2].Took))
	}
	return out
}

func foundText(c apim.TargetCheck) string {
	switch {
	case c.Why != "":
		return strings.TrimPrefix(c.Why, "check: ") + ", after " + durationText(c.Took)
	case c.Connected:
		return "can be connected to, in " + durationText(c.Took)
	}
	return "well, in " + durationText(c.Took)
}

func (t targetView) joined() targetView {
	if t.Note != "" && t.State != "" {
		t.Note = " · " + t.Note
	}
	return t
}

// said is what nodes say, and which of them say it.
type said struct {
	texts []string
	nodes map[string][]string // by text
}

func (s *said) add(node, text string) {
	if s.nodes == nil {
		s.nodes = map[string][]string{}
	}
	if s.nodes[text] == nil {
		s.texts = append(s.texts, text)
	}
	s.nodes[text] = append(s.nodes[text], node)
}

// lines names the nodes of each, of so many that are heard, where not all say it.
func (s *said) lines(heard int) []string {
	var out []string
	for _, text := range s.texts {
		if nodes := s.nodes[text]; len(nodes) < heard {
			text += " (on " + strings.Join(nodes, ", ") + ")"
		}
		out = append(out, text)
	}
	return out
}

func wrongText(u apim.UpstreamHealth) (out []string) {
	if u.Open {
		out = append(out, "the circuit breaker is open, and calls are answered 503")
	}
	if u.Panic {
		out = append(out, strconv.Itoa(u.Unfit)+" of "+count(u.Targets, "target", "targets")+" are unfit, so all are called")
	}
	if u.Source != "" {
		out = append(out, "targets cannot be looked for: "+u.Source)
	}
	return out
}

func discoveryText(d apim.Discovery) string {
	by := "DNS"
	switch d.Kind {
	case "srv":
		by = "SRV records of " + d.Service
	case "kubernetes":
		by = "Kubernetes, service " + d.Service
	case "consul":
		by = "Consul, service " + d.Service
	}
	return "finds targets by " + by
}

// algorithmText says how calls are spread.
func algorithmText(t apim.Traffic) string {
	switch t.Balance.Algorithm {
	case "least_requests":
		return "least requests"
	case "ewma":
		return "fastest first"
	case "hash":
		return "by " + strings.Replace(t.Balance.HashBy, ":", " ", 1)
	}
	return "round robin"
}

// algorithm is how all upstreams spread calls, "" where they differ.
func (p routesPage) algorithm() string {
	if len(p.Upstreams) == 0 {
		return ""
	}
	for _, u := range p.Upstreams {
		if u.Algorithm != p.Upstreams[0].Algorithm {
			return ""
		}
	}
	return p.Upstreams[0].Algorithm
}

// spreadText says what is on beside the algorithm, "" for nothing.
func spreadText(t apim.Traffic) string {
	var parts []string
	switch t.Health.Kind {
	case "http":
		parts = append(parts, "checked by HTTP")
	case "tcp":
		parts = append(parts, "checked by TCP")
	case "grpc":
		parts = append(parts, "checked by gRPC")
	}
	if t.Breaker.ErrorPercent > 0 {
		parts = append(parts, "breaker at "+strconv.Itoa(t.Breaker.ErrorPercent)+" %")
	}
	if t.Concurrency.MaxRequests > 0 {
		parts = append(parts, count(t.Concurrency.MaxRequests, "call", "calls")+" at once")
	}
	return strings.Join(parts, " · ")
}
