package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"portico/test/bench/figure"
	"portico/test/bench/load"
	"portico/test/bench/machine"
	"portico/test/bench/stand"
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
		before, after, err := held(ctx, node.PID(), address, kind.secure)
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
		if before, after, err = held(ctx, g.nginx.Worker, address, kind.secure); err != nil {
			return rows, fmt.Errorf("nginx, %s: %w", kind.what, err)
		}
		rows = append(rows, figure.Row{What: "  of nginx's worker, which may have been larger before", Measured: fmt.Sprintf("%.0f → %.0f MB", before, after)})
	}
	return rows, nil
}

// held opens the connections, makes a call on each, and reads the memory before
// and when it has not changed for a while.
func held(ctx context.Context, pid int, address string, secure bool) (before, after float64, err error) {
	warm := load.Job{Address: address, TLS: secure, Calls: []load.Call{{Path: plainPath("/small")}}}
	for range 100 {
		c, err := once(ctx, warm)
		if err != nil {
			return 0, 0, err
		}
		c.Close()
	}
	time.Sleep(time.Second)
	if before, err = machine.ResidentMB(pid); err != nil {
		return 0, 0, err
	}
	all := make([]net.Conn, 0, idleConnections)
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range idleConnections {
		c, err := once(ctx, warm)
		if err != nil {
			return 0, 0, fmt.Errorf("connection %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	time.Sleep(5 * time.Second)
	after, err = machine.ResidentMB(pid)
	return before, after, err
}

// once opens a connection and makes the job's first call.
func once(ctx context.Context, j load.Job) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", j.Address)
	if err != nil {
		return nil, err
	}
	if j.TLS {
		over := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: stand.Host, NextProtos: []string{"http/1.1"}})
		if err := over.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = over
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", j.Calls[0].Path, stand.Host); err != nil {
		c.Close()
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 2<<10), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %d", res.StatusCode)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
