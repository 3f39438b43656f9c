package load

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What wrk 4.1 and h2load 1.52 printed.
const (
	wrkSaid = `Running 1s test @ http://127.0.0.1:19001/
  1 threads and 4 connections
  12299 requests in 1.08s, 14.98MB read
Requests/sec:  11385.53
bench requests=12299 us=1080231 connect=1 read=2 write=3 status=4 timeout=5 p50=115 p99=25045
`
	h2Said = `finished in 1.00s, 2505.00 req/s, 3.05MB/s
requests: 2505 total, 2507 started, 2505 done, 2500 succeeded, 5 failed, 2 errored, 0 timeout
status codes: 2490 2xx, 10 3xx, 0 4xx, 5 5xx
`
	h2Logged = "1795660317211079\t200\t206\n1795660317211085\t200\t232\n"
)

func TestWhatLoadersPrintIsRead(t *testing.T) {
	r, err := parseWrk(wrkSaid)
	if want := (Result{Answered: 12299, Failed: 15, Took: 1080231 * time.Microsecond, P50: 115 * time.Microsecond, P99: 25045 * time.Microsecond}); err != nil || r != want {
		t.Errorf("wrk: got %+v %v", r, err)
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("wrk without a report was read")
	}
	r, err = parseH2Load(h2Said)
	if want := (Result{Answered: 2505, Failed: 15, Took: time.Second}); err != nil || r != want {
		t.Errorf("h2load: got %+v %v", r, err)
	}
	if _, err := parseH2Load("h2load: could not connect"); err == nil {
		t.Error("h2load without a report was read")
	}
	times, err := parseH2Log(strings.NewReader(h2Logged))
	if err != nil || len(times) != 2 || times[0] != 206*time.Microsecond {
		t.Errorf("h2load's log: got %v %v", times, err)
	}
	if _, err := parseH2Log(strings.NewReader("1 200\n")); err == nil {
		t.Error("half a line was read")
	}
}

func TestQuantilesAreOfWhatIsNotAbove(t *testing.T) {
	all := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.2: 1, 0.21: 2, 0.5: 3, 0.99: 5, 1: 5} {
		if got := Quantile(all, q); got != want {
			t.Errorf("%v: got %d, want %d", q, got, want)
		}
	}
	if Quantile(nil, 0.5) != 0 {
		t.Error("none has a quantile")
	}
}

func TestLoaderIsChosenByWhatItCanDo(t *testing.T) {
	own := Own{}
	for _, c := range []struct {
		job  Job
		want string
	}{
		{Job{Rate: 10, Calls: []Call{{}}}, "our loader"},
		{Job{HTTP2: true, Calls: []Call{{}, {}}}, "our loader"},
		{Job{HTTP2: true, Rate: 1, Calls: []Call{{}}}, "our loader"},
	} {
		if got := For(c.job, own).Name(); got != c.want {
			t.Errorf("%+v: got %s", c.job, got)
		}
	}
	if _, err := (H2Load{}).Do(context.Background(), Job{Calls: []Call{{}, {}}}); err == nil {
		t.Error("h2load took two calls")
	}
}
