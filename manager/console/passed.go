package console

import (
	"slices"
	"strconv"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
)

// passed is the chain that a call met, as the version's page shows it: the same
// columns, with the same numbers and names.
type passed struct {
	version manager.VersionDetail // zero when it is not known
	href    string                // the chain, on the version's page; "" when the version is not known
	columns []passedColumn
	steps   []entry.ExplainedStep
	numbers []int // by step, the number of its column; 0 for none
}

// passedColumn is a step of the chain. Href opens it on the version's page; it is ""
// where the draft has another one there by now.
type passedColumn struct {
	manager.ChainStep
	Title, Href string
}

// passedBy finds the chain of the revision that a call met. Without it, since the
// version is gone or not the reader's, steps have names and no numbers.
func (h *Console) passedBy(v *visit, x manager.Explained) (passed, error) {
	out := passed{steps: x.Steps, numbers: make([]int, len(x.Steps))}
	if x.VersionUUID == "" || x.Hidden {
		return out, nil
	}
	d, err := h.Catalog.Version(v.ctx(), v.actor, v.tenant.ID, apim.ID(apim.PrefixVersion+"_"+x.VersionUUID))
	if err != nil {
		return out, unlessUnseen(err)
	}
	out.version, out.href = d, v.policyAt(d, x.Operation, "")
	if out.columns, err = h.columnsMet(v, x); err != nil {
		return out, err
	}
	draft, err := h.steps(v, d, x.Operation)
	if err := unlessUnseen(err); err != nil {
		return out, err
	}
	for i := range out.columns {
		if c := &out.columns[i]; i < len(draft) && draft[i].Title == c.Title {
			c.Href = draft[i].Href
		}
	}
	out.number()
	return out, nil
}

// columnsMet are the columns of the chain that a call met; none where that is gone
// or not the reader's.
func (h *Console) columnsMet(v *visit, x manager.Explained) (out []passedColumn, err error) {
	chain, err := h.Catalog.RevisionChain(v.ctx(), v.actor, v.tenant.ID, apim.ID(apim.PrefixVersion+"_"+x.VersionUUID), x.Revision, x.Environment, x.Operation)
	for _, one := range chain {
		c := passedColumn{ChainStep: one, Title: stepName(one.Policy.Kind)}
		if one.Index >= 0 {
			c.Title = policyTitle(one.Policy)
		}
		out = append(out, c)
	}
	return out, unlessUnseen(err)
}

// unlessUnseen is an error, but for one which says that something is gone or not the
// reader's.
func unlessUnseen(err error) error {
	if kind := apim.KindOf(err); kind == apim.NotFound || kind == apim.Forbidden {
		return nil
	}
	return err
}

// number finds the column of each step. Steps of a kind run in the order in which
// they stand, and have their word about the answer in another.
func (p *passed) number() {
	type place struct{ kind, stage string }
	seen, through := map[place]int{}, map[int]bool{}
	for i, s := range p.steps {
		of := p.order(s, through)
		at := seen[place{s.Step, s.Stage}]
		seen[place{s.Step, s.Stage}]++
		if len(of) == 1 {
			at = 0
		}
		if at >= len(of) {
			continue
		}
		p.numbers[i] = of[at] + 1
		if s.Outcome == entry.ExplainPassed {
			through[of[at]] = true
		}
	}
}

// order lists the columns of a step's kind as the gateway comes to them: with a
// request in the chain's order, the version's that an operation's replace at last,
// since all that is left of them is that they take credentials away; with an answer
// first those of the version and then the environment's, and what is no policy of
// the answer backwards, as far as the request went.
func (p *passed) order(s entry.ExplainedStep, through map[int]bool) (out []int) {
	answer, back := s.Stage == string(entry.Answer), entry.PolicyKind(s.Step).Stage() != entry.Answer
	for i, c := range p.columns {
		if c.Policy.Kind == s.Step && !c.Policy.Off && (!answer || c.Runs()) {
			out = append(out, i)
		}
	}
	if answer && back {
		if reached := slices.DeleteFunc(slices.Clone(out), func(i int) bool { return !through[i] }); len(reached) > 0 {
			out = reached
		}
		slices.Reverse(out)
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return p.late(a, answer) - p.late(b, answer)
	})
	return out
}

func (p *passed) late(column int, answer bool) int {
	if c := p.columns[column]; answer && c.From == manager.FromEnvironment || !answer && c.Replaced {
		return 1
	}
	return 0
}

// at is the column of a step.
func (p *passed) at(step int) (passedColumn, bool) {
	if step < 0 || p.numbers[step] == 0 {
		return passedColumn{}, false
	}
	return p.columns[p.numbers[step]-1], true
}

// name is what a step is called, as in the chain. What a policy of another stage
// makes of the answer is told from what it does with the request.
func (p *passed) name(step int) string {
	s := p.steps[step]
	name := stepName(s.Step)
	if c, ok := p.at(step); ok {
		name = c.Title
	}
	if s.Stage == string(entry.Answer) && entry.PolicyKind(s.Step).Stage() != entry.Answer {
		name += ", answer"
	}
	return name
}

// label is a step's number and name: "3 · Rate limit".
func (p *passed) label(step int) string {
	if n := p.numbers[step]; n > 0 {
		return strconv.Itoa(n) + " · " + p.name(step)
	}
	return p.name(step)
}

// inWords is the same in a sentence: "step 3, Rate limit".
func (p *passed) inWords(step int) string {
	if n := p.numbers[step]; n > 0 {
		return "step " + strconv.Itoa(n) + ", " + p.name(step)
	}
	return p.name(step)
}
