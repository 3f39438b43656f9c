package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/process"
)

// growth compares a gateway that has ten APIs with one that has many, of which
// the same ten are called, and then all. Both run from their disk copies with nobody
// to talk to, so that they differ in nothing else.
//
// It is the last part: it fills the installation.
func (g *rig) growth(ctx context.Context) ([]figure.Row, error) {
	if _, err := g.fill(ctx, g.plain, fewAPIs+keyAPIs, g.manyAPIs-fewAPIs, 0); err != nil {
		return nil, err
	}
	if err := settled(ctx, g.api); err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second) // the copy on disk is written within one
	g.gateway.Kill()
	var nodes []contender
	for _, name := range []string{"gw-1", g.few} {
		p, err := g.alone(ctx, name, "")
		if err != nil {
			return nil, err
		}
		defer p.Kill()
		if err := machine.Pin(p.PID(), theirs); err != nil {
			return nil, err
		}
		if err := processors(ctx, p, 1); err != nil {
			return nil, err
		}
		nodes = append(nodes, contender{pid: p.PID(), address: p.Ports.Gateway, gateway: p})
	}
	many := figure.Count(float64(g.manyAPIs))
	sides := []struct {
		node  contender
		calls []load.Call
	}{
		{nodes[0].called(many + " APIs, the ten called"), smallOf(fewAPIs)},
		{nodes[0].called(many + " APIs, all called"), smallOf(g.manyAPIs)},
		{nodes[1].called(fmt.Sprintf("%d APIs", fewAPIs)), smallOf(fewAPIs)},
	}
	out := make([]figure.Contender, len(sides))
	for round := range g.settings.rounds + 1 {
		for i := range sides {
			at := sides[(i+round)%len(sides)]
			s, err := g.sample(ctx, at.node, g.job(work{calls: at.calls}, at.node.address))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at.node.name, err)
			}
			o := &out[(i+round)%len(sides)]
			if o.Name = at.node.name; round > 0 { // the first warms up
				o.Rounds = append(o.Rounds, s)
			}
		}
	}
	busy, failed := 0.0, int64(0)
	for i := range out {
		out[i].Median = figure.Middle(out[i].Rounds)
		busy, failed = max(busy, out[i].Median.Busy), failed+out[i].Median.Failed
	}
	var rows []figure.Row
	for i, what := range []string{
		fmt.Sprintf("GET 1 KB, plain, CPU at %s APIs ÷ at %d: the same ten called", many, fewAPIs),
		"  all of them called in turn, so that caches are cold",
	} {
		ratio := figure.Ratio(figure.Of(out[i].Rounds, figure.CPU), figure.Of(out[2].Rounds, figure.CPU))
		row := figure.Row{What: what, Wanted: "≤ 1.05 ×", Measured: fmt.Sprintf("%.2f ×", ratio)}
		row.Verdict, row.Reason = figure.Judge(ratio <= 1.05, busy)
		if failed > 0 {
			row.Verdict, row.Reason = figure.NotMet, fmt.Sprintf("%d calls failed", failed)
		}
		rows = append(rows, row)
	}
	rows[1].Contenders = out
	return rows, nil
}

// called is a contender by another name.
func (c contender) called(name string) contender {
	c.name = name
	return c
}

// smallOf are calls of so many plain APIs, far from one another in turn.
func smallOf(apis int) []load.Call {
	calls := make([]load.Call, callKeys)
	for i := range calls {
		n := i * 7919 % apis
		if n >= fewAPIs { // between them are those that want a key
			n += keyAPIs
		}
		calls[i] = load.Call{Path: fmt.Sprintf("/acme/api-%06d/v1/small", n)}
	}
	return calls
}

// underLoad publishes revisions of the APIs that are called, one after the
// other, while the gateway is saturated, and compares with rounds in which
// nothing is.
func (g *rig) underLoad(ctx context.Context) ([]figure.Row, error) {
	if err := g.place(ctx, false); err != nil {
		return nil, err
	}
	versions, err := g.versions(ctx)
	if err != nil {
		return nil, err
	}
	w := work{keyed: true}
	c := g.contenders(w)[0]
	quiet, busily := figure.Contender{Name: "nothing published"}, figure.Contender{Name: "publishing"}
	published := 0
	for round := range g.settings.rounds {
		s, err := g.sample(ctx, c, g.job(w, c.address))
		if err != nil {
			return nil, err
		}
		quiet.Rounds = append(quiet.Rounds, s)
		during, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			for during.Err() == nil {
				_, err := g.api.Publish(during, "acme", versions[published%len(versions)], round*1000+published+1)
				if err != nil && during.Err() == nil {
					ended <- err
					return
				}
				published++
			}
			ended <- nil
		}()
		s, err = g.sample(ctx, c, g.job(w, c.address))
		stop()
		if err := errors.Join(err, <-ended); err != nil {
			return nil, err
		}
		busily.Rounds = append(busily.Rounds, s)
	}
	quiet.Median, busily.Median = figure.Middle(quiet.Rounds), figure.Middle(busily.Rounds)
	p99 := func(s figure.Sample) float64 { return float64(s.P99) }
	ratio := figure.Ratio(figure.Of(busily.Rounds, p99), figure.Of(quiet.Rounds, p99))
	failed := quiet.Median.Failed + busily.Median.Failed
	calls := figure.Row{
		What:   fmt.Sprintf("%d publishes of called APIs under full load: failed calls", published),
		Wanted: "0", Measured: figure.Count(float64(failed)), Contenders: []figure.Contender{busily, quiet},
	}
	calls.Verdict, calls.Reason = figure.Judge(failed == 0 && published > 0, 0) // that a call failed needs no quiet machine
	tail := figure.Row{What: "  p99 ÷ p99 with nothing published", Wanted: "≤ 2.00 ×", Measured: fmt.Sprintf("%.2f ×", ratio)}
	tail.Verdict, tail.Reason = figure.Judge(ratio <= 2, max(quiet.Median.Busy, busily.Median.Busy))
	return []figure.Row{calls, tail}, nil
}

// versions are those of the APIs that want a key.
func (g *rig) versions(ctx context.Context) ([]string, error) {
	var out []string
	for n := fewAPIs; n < fewAPIs+keyAPIs; n++ {
		var api process.Object
		if err := g.api.Do(ctx, http.MethodGet, fmt.Sprintf("%s/apis/api-%06d", filledIn, n), nil, &api); err != nil {
			return nil, err
		}
		if len(api.Versions) == 0 {
			return nil, fmt.Errorf("API %d has no version", n)
		}
		out = append(out, api.Versions[0].ID)
	}
	return out, nil
}
