package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/process"
)

// governedPath is a path of the API whose routes have policies.
func governedPath(end string) string { return "/acme/governed/v1" + end }

// govern publishes a policy of one operation ("small", "cached" or "composed") of
// the API whose routes have policies, which it makes first where it is not there.
func (g *rig) govern(ctx context.Context, operation, kind string, config map[string]any) error {
	if g.governed == "" {
		var staged, made process.Object
		if err := g.api.Do(ctx, http.MethodPost, filledIn+"/imports", governedDocument("http://"+g.upstream.Address[0]), &staged); err != nil {
			return err
		}
		if err := g.api.Do(ctx, http.MethodPost, filledIn+"/imports/"+staged.ID+"/accept",
			map[string]any{"name": "Governed", "slug": "governed", "label": "v1", "access": "document"}, &made); err != nil {
			return err
		}
		g.governed = made.ID
	}
	path, published := filledIn+"/versions/"+g.governed, process.Object{}
	if err := g.api.Do(ctx, http.MethodPatch, path+"/draft", map[string]any{
		"route_policies": map[string]any{operation: []any{map[string]any{"kind": kind, "config": config}}},
	}, nil); err != nil {
		return err
	}
	if err := g.api.Do(ctx, http.MethodPost, path+"/publish?wait=applied&timeout_ms=10000", map[string]any{}, &published); err != nil {
		return err
	}
	if !published.Applied.Done {
		return errors.New("the publish of the API with policies was not confirmed in time")
	}
	return nil
}

func governedDocument(upstream string) string {
	few := ""
	for _, name := range []string{"small", "cached", "composed"} {
		few += `"/` + name + `":{"get":{"operationId":"` + name + `","summary":"` + name + `","responses":{"200":{"description":"ok"}}}},`
	}
	return strings.Replace(process.MinimalDocument("Governed", upstream, routesFor-3), `"paths":{`, `"security":[],"paths":{`+few, 1)
}

// cached compares an answer from the gateway's memory with nginx, which asks the
// upstream for it.
func (g *rig) cached(ctx context.Context) ([]figure.Row, error) {
	if err := g.govern(ctx, "cached", "cache", map[string]any{"public": true, "default_ttl_ms": 86_400_000}); err != nil {
		return nil, err
	}
	path := governedPath("/cached")
	var status string
	for range 2 { // the first is kept
		fields, _, err := g.get(ctx, path)
		if err != nil {
			return nil, err
		}
		status = fields.Get("Cache-Status")
	}
	if !strings.Contains(status, "; hit") {
		return nil, fmt.Errorf("the answer is not from memory: its Cache-Status is %q", status)
	}
	return g.compare(ctx, work{what: "GET 1 KB from the cache, nginx's from the upstream, one core", most: 0.7, calls: []load.Call{{Path: path}}})
}

// composition compares a call that is answered with what three calls give with
// three that are passed on, all of the same upstream.
func (g *rig) composition(ctx context.Context) ([]figure.Row, error) {
	calls, answer := []any{}, map[string]any{}
	for _, name := range []string{"a", "b", "c"} {
		calls = append(calls, map[string]any{"name": name, "path": "/" + name + "/small"})
		answer[name] = "${calls." + name + ".body}"
	}
	if err := g.govern(ctx, "composed", "composition", map[string]any{"calls": calls, "answer": answer}); err != nil {
		return nil, err
	}
	_, body, err := g.get(ctx, governedPath("/composed"))
	if err != nil {
		return nil, err
	}
	if strings.Count(body, `"text"`) != 3 {
		return nil, fmt.Errorf("the answer is not made of three: %.200q", body)
	}
	if err := g.place(ctx, false); err != nil {
		return nil, err
	}
	const most = 1.3
	var out []figure.Contender
	sides := []string{"/composed", "/small"}
	for range sides {
		out = append(out, figure.Contender{})
	}
	out[0].Name, out[1].Name = "one of three calls", "one passed on"
	c := g.contenders(work{})[0]
	for round := range g.settings.rounds + 1 {
		for i := range sides {
			at := (i + round) % len(sides)
			s, err := g.sample(ctx, c, g.job(work{calls: []load.Call{{Path: governedPath(sides[at])}}}, c.address))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", out[at].Name, err)
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
	ratio := figure.Ratio(figure.Of(out[0].Rounds, figure.CPU), figure.Of(out[1].Rounds, func(s figure.Sample) float64 { return 3 * figure.CPU(s) }))
	row := figure.Row{
		What: "GET of three calls of 1 KB, composed ÷ three passed on, one core", Wanted: fmt.Sprintf("≤ %.2f ×", most),
		Measured: fmt.Sprintf("%.2f ×", ratio), Contenders: out,
	}
	row.Verdict, row.Reason = figure.Judge(ratio <= most, busy)
	if failed > 0 {
		row.Measured, row.Verdict, row.Reason = "–", figure.Unjudged, fmt.Sprintf("%d calls failed", failed)
	}
	return []figure.Row{row}, nil
}

// get makes one call of the gateway, which is to be answered 200.
func (g *rig) get(ctx context.Context, path string) (fields http.Header, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.gateway.Ports.Gateway+path, nil)
	if err != nil {
		return nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.300s", path, res.StatusCode, raw)
	}
	return res.Header, string(raw), err
}
