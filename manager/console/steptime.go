package console

import (
	"slices"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// stepPlace is what a step of the chain is known by in an explained call: how many
// of its kind came before it, in its stage.
type stepPlace struct {
	kind, stage string
	before      int
}

// stepTimes says how long the steps of a chain take, and the gateway as a whole:
// the medians of the calls of what is live that somebody had explained lately.
func (h *Console) stepTimes(v *visit, d manager.VersionDetail, p *routesPage) error {
	live := 0
	for _, dep := range d.Deployments {
		if dep.Environment == v.environment.Slug {
			live = dep.Revision
		}
	}
	if live == 0 {
		return nil
	}
	all, err := h.Catalog.Explanations(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, d.API.Slug)
	if err != nil {
		return err
	}
	times := map[stepPlace][]int64{}
	var shares []int64
	columns := columnsOf(p.Steps)
	for _, x := range all {
		if x.Hidden || x.VersionUUID != d.Version.ID.UUID() || x.Revision != live || p.Operation != "" && x.Operation != p.Operation {
			continue
		}
		share := x.TookNS
		if i := slices.IndexFunc(x.Steps, func(s entry.ExplainedStep) bool { return s.Step == "upstream" && s.Outcome != entry.ExplainSkipped }); i >= 0 {
			share = x.Steps[i].AtNS
		}
		shares = append(shares, share)
		own := ownKinds(d.Version.Runtime, x.Operation)
		for at, took := range stepsOf(x.Steps) {
			if columns[stepPlace{at.kind, at.stage, -1}] == took.of && (p.Operation != "" || !own[at.kind]) && took.ran {
				times[at] = append(times[at], took.ns)
			}
		}
	}
	seen := map[stepPlace]int{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Off || s.Replaced {
			continue
		}
		kind := stepPlace{s.Kind, s.Stage, 0}
		if found := times[stepPlace{s.Kind, s.Stage, seen[kind]}]; len(found) > 0 {
			s.Took = nanos(median(found))
		}
		seen[kind]++
	}
	if len(shares) > 0 {
		p.Share = nanos(median(shares)) + ", the median of " + count(len(shares), "explained call", "explained calls")
	}
	return nil
}

func median(all []int64) int64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// columnsOf counts the columns of each kind and stage that run; before is -1.
func columnsOf(steps []stepView) map[stepPlace]int {
	out := map[stepPlace]int{}
	for _, s := range steps {
		if !s.Off && !s.Replaced {
			out[stepPlace{s.Kind, s.Stage, -1}]++
		}
	}
	return out
}

// tookOf is how long one of so many steps of a kind took.
type tookOf struct {
	ns  int64
	ran bool
	of  int
}

func stepsOf(steps []entry.ExplainedStep) map[stepPlace]tookOf {
	count := map[stepPlace]int{}
	for _, s := range steps {
		count[stepPlace{s.Step, s.Stage, -1}]++
	}
	out, seen := map[stepPlace]tookOf{}, map[stepPlace]int{}
	for _, s := range steps {
		kind := stepPlace{s.Step, s.Stage, -1}
		out[stepPlace{s.Step, s.Stage, seen[kind]}] = tookOf{s.TookNS, s.Outcome != entry.ExplainSkipped, count[kind]}
		seen[kind]++
	}
	return out
}

// ownKinds are the kinds of the policies that an operation has of its own: which
// of them an explained step is, its version's or these, is not told apart.
func ownKinds(rt apim.Runtime, operation string) map[string]bool {
	out := map[string]bool{}
	for _, r := range rt.Routes {
		if r.Operation == operation {
			for _, p := range r.Policies {
				out[p.Kind] = true
			}
		}
	}
	return out
}
