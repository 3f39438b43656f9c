package console

import (
	"slices"

	"portico/internal/entry"
	"portico/manager"
)

// setStep is what a step of a chain is, wherever it stands there.
type setStep struct{ from, kind, config string }

func setOf(one manager.ChainStep) setStep {
	return setStep{one.From, one.Policy.Kind, string(one.Policy.Config)}
}

// mostChains bounds the operations whose chains are looked up for a page, each of
// which is read with its revision. Calls of others tell the gateway's share alone.
const mostChains = 20

// stepTimes says how long the steps of a chain take, and the gateway as a whole:
// the medians of the calls of what is live that somebody had explained lately. A
// step that the draft has changed since has none.
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
	times, chains := map[setStep][]int64{}, map[string][]passedColumn{}
	var shares []int64
	for _, x := range all {
		if x.Hidden || x.VersionUUID != d.Version.ID.UUID() || x.Revision != live || p.Operation != "" && x.Operation != p.Operation {
			continue
		}
		shares = append(shares, ownShare(x))
		columns, met := chains[x.Operation]
		if !met && len(chains) < mostChains {
			if columns, err = h.columnsMet(v, x); err != nil {
				return err
			}
			chains[x.Operation] = columns
		}
		call := passed{columns: columns, steps: x.Steps, numbers: make([]int, len(x.Steps))}
		call.number()
		for i, s := range x.Steps {
			// What a policy of another stage makes of the answer is not what its column does.
			if c, ok := call.at(i); ok && c.Runs() && c.Stage == s.Stage && s.Outcome != entry.ExplainSkipped {
				times[setOf(c.ChainStep)] = append(times[setOf(c.ChainStep)], s.TookNS)
			}
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if found := times[s.set]; len(found) > 0 && !s.Off && !s.Replaced {
			s.Took = nanos(median(found))
		}
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
