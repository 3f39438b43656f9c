package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mergeTraffic sets keys such as balance.algorithm in a draft's traffic.
func mergeTraffic(have map[string]any, settings []string) (map[string]any, error) {
	if have == nil {
		have = map[string]any{}
	}
	for _, setting := range settings {
		key, text, ok := strings.Cut(setting, "=")
		if !ok || key == "" {
			return nil, usagef("--traffic %q is not KEY=VALUE", setting)
		}
		at := have
		group, field, nested := strings.Cut(key, ".")
		if nested {
			inner, is := have[group].(map[string]any)
			if !is {
				inner = map[string]any{}
				have[group] = inner
			}
			at = inner
		} else {
			field = group
		}
		if text == "" {
			delete(at, field)
		} else {
			at[field] = trafficValue(key, text)
		}
	}
	return have, nil
}

// trafficValue reads a value as the API wants it: a number, yes or no, a list,
// or a text. What is in "status", "body" and the like stays a text.
func trafficValue(key, text string) any {
	if key == "retry.on" {
		return strings.Split(text, ",")
	}
	for _, textual := range []string{".status", ".body", ".path", ".service", ".port", ".tag", ".namespace", ".datacenter"} {
		if strings.HasSuffix(key, textual) {
			return text
		}
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if b, err := strconv.ParseBool(text); err == nil {
		return b
	}
	return text
}

// trafficLines says what of a traffic is set, as --traffic takes it.
func trafficLines(traffic map[string]any) []string {
	var out []string
	for key, value := range traffic {
		if inner, ok := value.(map[string]any); ok {
			for field, value := range inner {
				out = append(out, key+"."+field+"="+trafficText(value))
			}
			continue
		}
		out = append(out, key+"="+trafficText(value))
	}
	slices.Sort(out)
	return out
}

func trafficText(value any) string {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = trafficText(one)
		}
		return strings.Join(parts, ",")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

type ctlVersionUpstream struct {
	ctlFlags
	ctlVersion
	Environment string `placeholder:"NAME" help:"Whose nodes; the first one when left out."`
}

// nodeUpstreamsAnswer is how a node finds a version's upstreams.
type nodeUpstreamsAnswer struct {
	Node      string
	Reachable bool
	Upstreams []struct {
		Name           string
		Targets, Unfit int
		Panic, Open    bool
		Source         string
		Worst          []struct {
			URL, Address, Why string
			Since, Until      time.Time
		}
	}
}

// Run prints how nodes find the upstreams.
func (c *ctlVersionUpstream) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	v, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/versions/%s/upstreams", v.ID)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Environment != "" {
		query.Set("environment", c.Environment)
	}
	var answer struct{ Items []json.RawMessage }
	if err := s.get(ctx, path, query, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printItems(s, answer.Items, nil, func(nodeUpstreamsAnswer) []string { return nil })
	}
	rows := [][]string{{"NODE", "UPSTREAM", "FIT", "ADDRESS", "GETS NO CALLS BECAUSE", "SINCE"}}
	for _, raw := range answer.Items {
		var n nodeUpstreamsAnswer
		if err := json.Unmarshal(raw, &n); err != nil {
			return fmt.Errorf("read node: %w", err)
		}
		rows = append(rows, n.rows()...)
	}
	return s.table(rows)
}

func (n nodeUpstreamsAnswer) rows() (rows [][]string) {
	if !n.Reachable {
		return [][]string{{n.Node, "", "", "", "the node is not heard", ""}}
	}
	for _, u := range n.Upstreams {
		fit, why := strconv.Itoa(u.Targets-u.Unfit)+" of "+strconv.Itoa(u.Targets), u.Source
		switch {
		case u.Open:
			why = "the circuit breaker is open"
		case u.Panic:
			why = "so few are fit that all get calls"
		}
		if why != "" || len(u.Worst) == 0 {
			rows = append(rows, []string{n.Node, u.Name, fit, "", why, ""})
		}
		for _, t := range u.Worst {
			address := t.URL
			if t.Address != "" {
				address += " at " + t.Address
			}
			rows = append(rows, []string{n.Node, u.Name, fit, address, t.Why, when(t.Since)})
		}
	}
	if len(rows) == 0 {
		rows = [][]string{{n.Node, "all", "all", "", "", ""}}
	}
	return rows
}
