package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/test/fake"
)

// TestOwnLoaderKeepsToItsRateAndCountsFailures drives a real server.
func TestOwnLoaderKeepsToItsRateAndCountsFailures(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "2")
		if r.Header.Get("X-API-Key") != "k" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	job := Job{
		Address: server.Listener.Addr().(*net.TCPAddr).String(), Connections: 2, Rate: 200, For: 500 * time.Millisecond,
		Calls: []Call{{Path: "/a", Key: "k"}, {Path: "/b", Method: "POST", Body: 10}},
	}
	r := work(t, job)
	if r.Answered < 50 || r.Answered > 110 || r.Failed < r.Answered/2-2 || r.Failed > r.Answered/2+2 || r.P50 <= 0 || r.P99 < r.P50 {
		t.Errorf("got %+v of about 100 calls, of which half fail", r)
	}
}

// TestSlowServerCannotHideThatItIs answers one call after the other, each five
// times as late as the next is due.
func TestSlowServerCannotHideThatItIs(t *testing.T) {
	const each = 50 * time.Millisecond
	address := serve(t, func(c net.Conn) { time.Sleep(each); fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") })
	r := work(t, Job{Address: address, Connections: 1, Rate: 100, For: 200 * time.Millisecond, Calls: []Call{{Path: "/"}}})
	if least := 20*each - 200*time.Millisecond - r.Stood; r.Answered != 20 || r.Failed != 0 || r.P99 < least || r.Took < 20*each {
		t.Errorf("got %+v of 20 calls, the last of which was answered %v after it was due", r, least)
	}
}

// TestLoaderThatStoodStillMakesUpForNothing stops this process for a while: what was
// due then is made later, one after the other, and the server is not blamed.
func TestLoaderThatStoodStillMakesUpForNothing(t *testing.T) {
	const stop = 300 * time.Millisecond
	address := serve(t, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") })
	id := strconv.Itoa(os.Getpid())
	stopper := exec.Command("sh", "-c", "sleep 0.1; kill -STOP "+id+"; sleep 0.3; kill -CONT "+id)
	if err := stopper.Start(); err != nil {
		t.Fatal(err)
	}
	const calls = 1000
	r := work(t, Job{Address: address, Connections: 4, Rate: calls, For: time.Second, Calls: []Call{{Path: "/"}}})
	if err := stopper.Wait(); err != nil {
		t.Fatal(err)
	}
	// Without, the calls of 300 ms would have waited for up to that long.
	if r.Answered != calls || r.Failed != 0 || r.Stood < stop-50*time.Millisecond || r.Took < time.Second+stop-50*time.Millisecond || r.P99 > stop/3 {
		t.Errorf("got %+v of %d calls, with a stop of %v", r, calls, stop)
	}
}

func TestQuarter99IsThatOfMostQuarters(t *testing.T) {
	var times []time.Duration
	for quarter := range 5 {
		for call := range 100 {
			took := time.Duration(1+call) * time.Millisecond
			if quarter == 3 {
				took += time.Second
			}
			times = append(times, took)
		}
	}
	times = append(times, time.Hour) // of a quarter that is not whole
	if got, want := quarter99(times, 400), 99*time.Millisecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := quarter99(nil, 400); got != 0 {
		t.Errorf("got %v of no calls", got)
	}
	if got, want := quarter99([]time.Duration{2, 1}, 400), time.Duration(2); got != want {
		t.Errorf("got %v of fewer calls than a quarter has, want %v", got, want)
	}
}

func TestAnswerInPiecesIsOne(t *testing.T) {
	address := serve(t, func(c net.Conn) {
		for _, piece := range []string{"HTTP/1.1 20", "0 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhe", "l", "lo"} {
			fmt.Fprint(c, piece)
			time.Sleep(2 * time.Millisecond)
		}
	})
	r := work(t, Job{Address: address, Connections: 2, Rate: 100, For: 100 * time.Millisecond, Calls: []Call{{Path: "/"}}})
	if r.Answered != 10 || r.Failed != 0 || r.P50 < 8*time.Millisecond {
		t.Errorf("got %+v of 10 calls", r)
	}
}

func TestAnswerLongerThanItSaysIsAnError(t *testing.T) {
	for _, body := range []string{"okay", "o"} {
		address := serve(t, func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"+body)
			if body == "o" {
				time.Sleep(2 * time.Millisecond)
				fmt.Fprint(c, "kay")
			}
		})
		if _, err := here(Job{Address: address, Connections: 1, Rate: 100, For: 50 * time.Millisecond, Calls: []Call{{Path: "/"}}}); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

// serve answers each call with what is written to the connection.
func serve(t *testing.T, answer func(net.Conn)) (address string) {
	t.Helper()
	return strings.TrimPrefix(fake.NewRaw(t, func(c net.Conn, in *bufio.Reader) {
		for {
			if _, asked := fake.ReadRequest(in); !asked {
				return
			}
			answer(c)
		}
	}).URL, "http://")
}

// work does a job in this process.
func work(t *testing.T, j Job) Result {
	t.Helper()
	raw, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Worker(strings.NewReader(string(raw)), &out); err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	return r
}
