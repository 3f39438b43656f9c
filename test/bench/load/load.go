// Package load drives a server over HTTP/1.1 or HTTP/2 and says what it saw:
// with wrk and h2load where they are installed, and with a loader of its own
// that also keeps to a rate, which wrk cannot.
//
// It deliberately knows nothing of what it drives: which calls to make is told
// it, and any answer outside 2xx is a failure.
package load

import (
	"context"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Call is one request.
type Call struct {
	Method string // "" is GET
	Path   string // with its query
	Key    string // sent as X-API-Key; "" is none
	Body   int    // bytes, with a length
}

// Job is what to do.
type Job struct {
	Address     string // host:port
	TLS         bool   // whatever certificate there is, is taken
	HTTP2       bool   // by prior knowledge, or by ALPN over TLS
	Calls       []Call // in turn, again and again
	Connections int
	Streams     int           // at once on each connection; HTTP/2 only
	Rate        int           // calls in a second over all connections; 0: the next when the last is answered
	For         time.Duration // how long
}

// Result is what was seen.
type Result struct {
	Answered int64         // with a whole answer, whatever its status
	Failed   int64         // of them outside 2xx, and calls without an answer
	Took     time.Duration // from the first call until the last answer, or a little more
	P50, P99 time.Duration // of the time from a call to the end of its answer

	// At a rate only.
	Quarter99 time.Duration // the median of the P99 of each quarter of a second: a machine that stands still now and then does not change it
	Stood     time.Duration // how long the loader did not run when it should have, and made no calls
}

// PerSecond is how many calls were answered in a second.
func (r Result) PerSecond() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Answered) / r.Took.Seconds()
}

// Loader does jobs.
type Loader interface {
	Name() string
	Do(ctx context.Context, j Job) (Result, error)
}

// For returns the loader for a job: wrk or h2load where they are installed and
// can do it, else own.
func For(j Job, own Loader) Loader {
	switch {
	case j.HTTP2 && j.Rate == 0 && len(j.Calls) == 1 && has("h2load"):
		return H2Load{}
	case !j.HTTP2 && j.Rate == 0 && has("wrk"):
		return Wrk{}
	}
	return own
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// Missing names the programs that are used where they are installed, and are not.
func Missing() []string {
	return slices.DeleteFunc([]string{"nginx", "wrk", "h2load"}, has)
}

func (j Job) url(path string) string {
	scheme := "http"
	if j.TLS {
		scheme = "https"
	}
	return scheme + "://" + j.Address + path
}

// Quantile is the value that a share q of all are not above. all is sorted in place;
// none is 0.
func Quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	at := int(math.Ceil(q*float64(len(all)))) - 1
	return all[min(max(at, 0), len(all)-1)]
}

// run runs a program and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", name, err, out.String(), errs.String())
	}
	return out.String(), nil
}
