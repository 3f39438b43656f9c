package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// H2Load is h2load of nghttp2, with one thread. It makes one call again and again.
type H2Load struct{}

// Name implements Loader.
func (H2Load) Name() string { return "h2load" }

// Do implements Loader.
func (H2Load) Do(ctx context.Context, j Job) (Result, error) {
	c := j.Calls[0]
	if len(j.Calls) > 1 || j.Rate > 0 || c.Body > 0 {
		return Result{}, errors.New("h2load is used for one call without a body, as fast as it is answered")
	}
	dir, err := os.MkdirTemp("", "portico-h2load-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "log")
	args := []string{
		"-t1", "-c", strconv.Itoa(j.Connections), "-m", strconv.Itoa(max(1, j.Streams)),
		"-D", strconv.Itoa(max(1, int(j.For.Seconds()+0.5))), "--log-file=" + log,
	}
	if c.Key != "" {
		args = append(args, "-H", "X-API-Key: "+c.Key)
	}
	out, err := run(ctx, "h2load", append(args, j.url(c.Path))...)
	if err != nil {
		return Result{}, err
	}
	r, err := parseH2Load(out)
	if err != nil {
		return r, err
	}
	file, err := os.Open(log)
	if err != nil {
		return r, err
	}
	defer file.Close()
	times, err := parseH2Log(file)
	r.P50, r.P99 = Quantile(times, 0.50), Quantile(times, 0.99)
	return r, err
}

var (
	h2Requests = regexp.MustCompile(`requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed`)
	h2Finished = regexp.MustCompile(`finished in ([\d.]+(?:us|ms|s|m)),`)
	h2Codes    = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx`)
)

func parseH2Load(out string) (Result, error) {
	var r Result
	requests, finished, codes := h2Requests.FindStringSubmatch(out), h2Finished.FindStringSubmatch(out), h2Codes.FindStringSubmatch(out)
	if requests == nil || finished == nil || codes == nil {
		return r, fmt.Errorf("h2load did not report: %.2000s", out)
	}
	// "failed" holds the errored, the timed out, 4xx and 5xx.
	var counts [3]int64
	for i, text := range []string{requests[1], requests[2], codes[2]} {
		var err error
		if counts[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return r, err
		}
	}
	took, err := time.ParseDuration(finished[1])
	r.Answered, r.Failed, r.Took = counts[0], counts[1]+counts[2], took
	return r, err
}

// parseH2Log reads h2load's log: a line for each answer, with when it was asked
// for, its status and how many microseconds it took.
func parseH2Log(log io.Reader) ([]time.Duration, error) {
	var all []time.Duration
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return nil, fmt.Errorf("h2load's log: %q has not three fields", lines.Text())
		}
		us, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("h2load's log: %w", err)
		}
		all = append(all, time.Duration(us)*time.Microsecond)
	}
	return all, lines.Err()
}
