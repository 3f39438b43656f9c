package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Wrk is wrk, with one thread: on two cores it has no more to itself.
type Wrk struct{}

// Name implements Loader.
func (Wrk) Name() string { return "wrk" }

// report makes wrk say in one line what it else says in words and rounded.
const report = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("bench requests=%d us=%d connect=%d read=%d write=%d status=%d timeout=%d p50=%d p99=%d\n",
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`

// Do implements Loader. wrk counts statuses from 400 on as failed.
func (Wrk) Do(ctx context.Context, j Job) (Result, error) {
	dir, err := os.MkdirTemp("", "portico-wrk-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "calls.lua")
	if err := os.WriteFile(file, []byte(script(j.Calls)), 0o600); err != nil {
		return Result{}, err
	}
	out, err := run(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", j.Connections), fmt.Sprintf("-d%ds", max(1, int(j.For.Seconds()+0.5))),
		"--timeout", "10s", "-s", file, j.url("/"))
	if err != nil {
		return Result{}, err
	}
	return parseWrk(out)
}

// script prepares the requests before the first one goes out, so that wrk has
// nothing to format while it is timed.
func script(calls []Call) string {
	var b strings.Builder
	b.WriteString("local calls = {}\nfunction init(args)\n")
	body := 0
	for _, c := range calls {
		if c.Body > 0 && c.Body != body {
			body = c.Body
			fmt.Fprintf(&b, "  local body = string.rep(\"x\", %d)\n", body)
		}
		method, text := c.Method, "nil"
		if method == "" {
			method = "GET"
		}
		if c.Body > 0 {
			text = "body"
		}
		headers := "nil"
		if c.Key != "" {
			headers = fmt.Sprintf("{[\"X-API-Key\"]=%q, [\"Host\"]=wrk.headers[\"Host\"]}", c.Key)
		}
		fmt.Fprintf(&b, "  calls[#calls+1] = wrk.format(%q, %q, %s, %s)\n", method, c.Path, headers, text)
	}
	b.WriteString("end\nlocal at = 0\nfunction request()\n  at = at + 1\n  if at > #calls then at = 1 end\n  return calls[at]\nend\n")
	b.WriteString(report)
	return b.String()
}

func parseWrk(out string) (Result, error) {
	_, line, found := strings.Cut(out, "bench requests=")
	var r Result
	var us, connect, read, write, status, timeout, p50, p99 int64
	if found {
		_, err := fmt.Sscanf(line, "%d us=%d connect=%d read=%d write=%d status=%d timeout=%d p50=%d p99=%d",
			&r.Answered, &us, &connect, &read, &write, &status, &timeout, &p50, &p99)
		found = err == nil
	}
	if !found {
		return r, fmt.Errorf("wrk did not report: %.2000s", out)
	}
	r.Failed = connect + read + write + status + timeout
	r.Took, r.P50, r.P99 = time.Duration(us)*time.Microsecond, time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return r, nil
}
