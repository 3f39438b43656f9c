package console

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// health is what the nodes of the page's environment say of a version's
// upstreams.
type health struct {
	live  bool // a revision is live there, so that nodes have an opinion
	nodes []apim.NodeUpstreams
}

// healthOf asks what nodes say. A page does without where nobody can be asked.
func (h *Console) healthOf(v *visit, d manager.VersionDetail) health {
	out := health{}
	for _, dep := range d.Deployments {
		out.live = out.live || dep.Environment == v.environment.Slug
	}
	if !out.live {
		return out
	}
	nodes, err := h.Catalog.Upstreams(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, v.environment.Slug)
	if err != nil {
		return health{}
	}
	for _, n := range nodes {
		if n.Reachable {
			out.nodes = append(out.nodes, n)
		}
	}
	return out
}

// view shows an upstream of the draft beside what nodes say of the live one.
func (s health) view(v *visit, u apim.Upstream, used int) upstreamView {
	out := upstreamView{Name: u.Name, Spread: spreadText(u.Traffic), Times: timesText(u), Used: used}
	bad := map[string]*said{} // by URL
	wrong := &said{}
	found := map[string]bool{}
	for _, n := range s.nodes {
		for _, seen := range n.Upstreams {
			if seen.Name != u.Name {
				continue
			}
			for _, text := range wrongText(seen) {
				wrong.add(n.Node, text)
			}
			for _, t := range seen.Worst {
				at := t.URL
				if t.Address != "" {
					at = t.Address
					found[t.Address] = true
				}
				if bad[at] == nil {
					bad[at] = &said{}
				}
				bad[at].add(n.Node, t.Why+", "+agoPhrase(v.now, t.Since))
			}
			for _, address := range seen.Found {
				found[address] = true
			}
		}
	}
	out.Wrong = wrong.lines(len(s.nodes))
	looks := u.Traffic.Discovery.Kind != ""
	for i, url := range u.URLs {
		t := targetView{URL: url}
		if i < len(u.Weights) {
			t.Note = "weight " + strconv.Itoa(u.Weights[i])
		}
		if looks {
			t.State = "finds targets by " + discoveryText(u.Traffic.Discovery)
		} else {
			s.judge(&t, bad[url])
		}
		out.Targets = append(out.Targets, t.joined())
	}
	for _, address := range slices.Sorted(maps.Keys(found)) {
		t := targetView{URL: address, Note: "found"}
		s.judge(&t, bad[address])
		out.Targets = append(out.Targets, t.joined())
	}
	return out
}

// judge says how a target is, as far as nodes have said so.
func (s health) judge(t *targetView, bad *said) {
	switch {
	case bad != nil:
		t.Tone, t.State = "bad", strings.Join(bad.lines(len(s.nodes)), "; ")
	case len(s.nodes) > 0:
		t.Tone, t.State = "ok", "gets calls on "+count(len(s.nodes), "node", "nodes")
	case s.live:
		t.State = "no node is heard"
	default:
		t.State = "not live"
	}
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
	switch d.Kind {
	case "srv":
		return "SRV records of " + d.Service
	case "kubernetes":
		return "Kubernetes, service " + d.Service
	case "consul":
		return "Consul, service " + d.Service
	}
	return "DNS"
}

// spreadText says how calls are spread, and what is on beside.
func spreadText(t apim.Traffic) string {
	parts := []string{"round robin"}
	switch t.Balance.Algorithm {
	case "least_requests":
		parts[0] = "least requests"
	case "ewma":
		parts[0] = "fastest first"
	case "hash":
		parts[0] = "by " + strings.Replace(t.Balance.HashBy, ":", " ", 1)
	}
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
