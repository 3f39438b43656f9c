package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/bench/machine"
)

// latency measures what the gateway adds to the time of a call, against what
// nginx with an access log adds, at the same rate and in the same rounds: at light load, and at
// half of what the slower of the two answers to our loader when it is saturated.
// That loader keeps to a rate and shares a core with the upstream: of a rate that
// fills that core, the times would be of their queue.
//
// What disturbs all contenders alike would hide how they differ: the kernel's own
// threads stay off the contender's core, and managers and NATS are stopped.
func (g *rig) latency(ctx context.Context) (rows []figure.Row, err error) {
	w := work{keyed: true, logged: true}
	all := g.contenders(w)
	if g.nginx == nil {
		all = all[:1]
	} else {
		all = all[:2+len(g.rivals)]
	}
	if err := g.place(ctx, false); err != nil {
		return nil, err
	}
	half := 0
	for _, c := range all {
		j := g.job(w, c.address)
		r, err := g.own.Do(ctx, j)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if rate := int(r.PerSecond() / 2); half == 0 || rate < half {
			half = rate
		}
	}
	direct := contender{name: "direct", address: g.upstream.Address[0]}
	undo, cleared := machine.Clear(theirs)
	defer func() { err = errors.Join(err, undo()) }()
	core := "one core"
	if cleared {
		core += ", kept clear"
	}
	for _, at := range []struct {
		name string
		rate int
	}{{"light", lightRate}, {"half", half}} {
		w.rate = at.rate
		these, err := g.added(ctx, fmt.Sprintf("added latency at %s load (%s/s), %s", at.name, figure.Count(float64(at.rate)), core), w, append([]contender{direct}, all...))
		rows = append(rows, these...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// moreRounds is how many times as many rounds there are as of other rows: of a p99, a round
// differs from the next by a fifth, whoever the contender is.
const moreRounds = 3

// quantiles are what is said of the times of calls. The p99 of all is told and not
// judged: where the machine stands still for milliseconds now and then, as virtual ones
// do, it is of that.
var quantiles = []struct {
	name string
	most float64 // ÷ nginx's; 0: not judged
	of   func(load.Result) time.Duration
}{
	{"p50", 1.15, func(r load.Result) time.Duration { return r.P50 }},
	{"p99 of a quarter of a second", 1, func(r load.Result) time.Duration { return r.Quarter99 }},
	{"p99 of all", 0, func(r load.Result) time.Duration { return r.P99 }},
}

// added measures the first contender, which is the way without anybody between,
// and what the others add to it.
func (g *rig) added(ctx context.Context, what string, w work, all []contender) ([]figure.Row, error) {
	took := make([][][]float64, len(quantiles)) // by contender, of each round
	for q := range took {
		took[q] = make([][]float64, len(all))
	}
	var busy []float64
	failed := int64(0)
	for round := range moreRounds * g.settings.rounds {
		var direct load.Result
		for i := range all {
			if i > 0 { // the others in turn, as everywhere
				i = 1 + (i-1+round)%(len(all)-1)
			}
			c := all[i]
			if err := g.rest(ctx); err != nil {
				return nil, err
			}
			before, err := machine.Use()
			if err != nil {
				return nil, err
			}
			j := g.job(w, c.address)
			r, err := g.stopping(ctx, j, append(slices.Clone(g.apart.Managers), g.apart.NATS)...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			after, err := machine.Use()
			if err != nil {
				return nil, err
			}
			busy, failed = append(busy, machine.Busy(before, after)), failed+r.Failed
			for q, quantile := range quantiles {
				took[q][i] = append(took[q][i], float64(quantile.of(r)-quantile.of(direct)))
			}
			if i == 0 {
				direct = r
			}
		}
	}
	var rows []figure.Row
	for q, quantile := range quantiles {
		name := what + ", " + quantile.name
		if len(all) < 3 {
			rows = append(rows, figure.Row{What: name, Measured: short(took[q][1]), Verdict: figure.Unjudged, Reason: "nginx is not installed"})
			continue
		}
		ratio, measured := over(took[q][1], took[q][2])
		row := figure.Row{What: name + ": ÷ nginx's", Measured: measured}
		if quantile.most > 0 {
			row.Wanted = fmt.Sprintf("≤ %.2f ×", quantile.most)
		}
		switch {
		case quantile.most == 0:
		case failed > 0:
			row.Verdict, row.Reason = figure.Unjudged, fmt.Sprintf("%d calls failed", failed)
		case ratio == 0:
			row.Measured, row.Verdict, row.Reason = "–", figure.Unjudged, "one of the two added nothing that could be measured"
		default:
			row.Verdict, row.Reason = figure.Judge(ratio <= quantile.most, figure.Median(busy))
		}
		rows = append(rows, row, figure.Row{What: "  Portico adds; nginx adds; direct", Measured: short(took[q][1]) + "; " + short(took[q][2]) + "; " + short(took[q][0])})
		for i := 3; i < len(all); i++ {
			_, measured := over(took[q][i], took[q][2])
			rows = append(rows, figure.Row{What: "  " + all[i].name, Measured: measured})
		}
	}
	return rows, nil
}

// over compares two contenders' rounds, and says in which range the ratio lies.
func over(ours, nginx []float64) (ratio float64, measured string) {
	ratio = figure.Ratio(ours, nginx)
	from, to := figure.Range(ours, nginx)
	return ratio, fmt.Sprintf("%.2f × (%.2f – %.2f)", ratio, from, to)
}

// short is the median of rounds, in nanoseconds, for people.
func short(rounds []float64) string { return figure.Short(time.Duration(figure.Median(rounds))) }
