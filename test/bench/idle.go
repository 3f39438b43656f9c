package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/bench/machine"
)

// idleConnections are how many wait at once.
const idleConnections = 10_000

// idle measures by how much a server's resident memory grows when ten thousand
// clients have made one call each and keep their connections. Ours is a process
// that has just begun, so that what earlier work left free does not hide it.
func (g *rig) idle(ctx context.Context) ([]figure.Row, error) {
	if files := machine.RaiseFiles(); files != 0 && files < idleConnections+2000 {
		return []figure.Row{{What: "10,000 idle connections", Measured: "–", Verdict: figure.Unjudged, Reason: fmt.Sprintf("a process may only have %d files open here", files)}}, nil
	}
	var rows []figure.Row
	for _, kind := range []struct {
		what   string
		secure bool
		most   float64
	}{{"plain", false, 100}, {"TLS", true, 400}} {
		row := figure.Row{What: "memory of 10,000 idle connections, " + kind.what, Wanted: fmt.Sprintf("≤ %.0f MB", kind.most)}
		node, err := g.alone(ctx, g.few, g.idleTLS)
		if err != nil {
			return rows, err
		}
		address := node.Ports.Gateway
		if kind.secure {
			address = g.idleTLS
			if err := handshake(ctx, address, false); err != nil {
				node.Close()
				row.Measured, row.Verdict, row.Reason = "not served yet", figure.NotMet, "a TLS handshake with the gateway: "+err.Error()
				rows = append(rows, row)
				continue
			}
		}
		before, after, err := g.held(ctx, node.PID(), address, kind.secure)
		node.Kill()
		if err != nil {
			return rows, fmt.Errorf("%s: %w", kind.what, err)
		}
		row.Measured = fmt.Sprintf("%.0f MB", after-before)
		row.Verdict, row.Reason = figure.Judge(after-before <= kind.most, 0) // memory does not depend on who else computes
		rows = append(rows, row, figure.Row{What: "  of the whole process", Measured: fmt.Sprintf("%.0f → %.0f MB", before, after)})
		if g.nginx == nil {
			continue
		}
		address = g.nginx.Plain
		if kind.secure {
			address = g.nginx.TLS
		}
		if before, after, err = g.held(ctx, g.nginx.Worker, address, kind.secure); err != nil {
			return rows, fmt.Errorf("nginx, %s: %w", kind.what, err)
		}
		rows = append(rows, figure.Row{What: "  of nginx's worker, which may have been larger before", Measured: fmt.Sprintf("%.0f → %.0f MB", before, after)})
	}
	return rows, nil
}

// held opens the connections, makes a call on each, and reads the memory before,
// when a few have come and gone, and a while after.
func (g *rig) held(ctx context.Context, pid int, address string, secure bool) (before, after float64, err error) {
	j := load.Job{Address: address, TLS: secure, Connections: 100, Calls: []load.Call{{Path: plainPath("/small")}}}
	few, err := g.own.Hold(ctx, j)
	if err != nil {
		return 0, 0, err
	}
	if err := few.Close(); err != nil {
		return 0, 0, err
	}
	time.Sleep(time.Second)
	if before, err = machine.ResidentMB(pid); err != nil {
		return 0, 0, err
	}
	j.Connections = idleConnections
	all, err := g.own.Hold(ctx, j)
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(5 * time.Second)
	after, err = machine.ResidentMB(pid)
	return before, after, errors.Join(err, all.Close())
}
