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

// growth compares a gateway that has ten APIs with one that has many, each
// called at all of its APIs in turn. Both run from their disk copies with nobody
// to talk to, so that they differ in nothing else.
//
// It is the last part: it fills the installation.
func (g *rig) growth(ctx context.Context) ([]figure.Row, error) {
	what := fmt.Sprintf("GET 1 KB, plain: CPU at %s APIs ÷ at %d", figure.Count(float64(g.manyAPIs)), fewAPIs)
	if _, err := g.fill(ctx, g.plain, fewAPIs+keyAPIs, g.manyAPIs-fewAPIs, 0); err != nil {
		return nil, err
	}
	if err := settled(ctx, g.api); err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second) // the copy on disk is written within one
	g.gateway.Kill()
	var all []contender
	for _, name := range []string{"gw-1", g.few} { // ours, then what it is compared with
		p, err := g.alone(ctx, name, g.tls)
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
		all = append(all, contender{name: name, pid: p.PID(), address: p.Ports.Gateway, gateway: p})
	}
	all[0].name, all[1].name = figure.Count(float64(g.manyAPIs))+" APIs", fmt.Sprintf("%d APIs", fewAPIs)
	calls := [][]load.Call{nil, nil}
	for i := range callKeys {
		one := func(n int) load.Call {
			if n >= fewAPIs {
				n += keyAPIs
			}
			return load.Call{Path: fmt.Sprintf("/acme/api-%06d/v1/small", n)}
		}
		calls[0], calls[1] = append(calls[0], one(i*7919%g.manyAPIs)), append(calls[1], one(i%fewAPIs))
	}
	out := []figure.Contender{{Name: all[0].name}, {Name: all[1].name}}
	for round := range g.settings.rounds + 1 {
		for i := range all {
			at := (i + round) % 2
			s, err := g.sample(ctx, all[at], g.job(work{calls: calls[at]}, all[at].address))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[at].name, err)
			}
			if round > 0 { // the first warms up
				out[at].Rounds = append(out[at].Rounds, s)
			}
		}
	}
	busy, failed := 0.0, int64(0)
	for i := range out {
		out[i].Median = figure.Middle(out[i].Rounds)
		busy, failed = max(busy, out[i].Median.Busy), failed+out[i].Median.Failed
	}
	ratio := figure.Ratio(figure.Of(out[0].Rounds, figure.CPU), figure.Of(out[1].Rounds, figure.CPU))
	row := figure.Row{What: what, Wanted: "≤ 1.05 ×", Measured: fmt.Sprintf("%.2f ×", ratio), Contenders: out}
	row.Verdict, row.Reason = figure.Judge(ratio <= 1.05, busy)
	if failed > 0 {
		row.Verdict, row.Reason = figure.NotMet, fmt.Sprintf("%d calls failed", failed)
	}
	return []figure.Row{row}, nil
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
