package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
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
	if least := 20*each - 200*time.Millisecond; r.Answered != 20 || r.Failed != 0 || r.P99 < least || r.Took < 20*each {
		t.Errorf("got %+v of 20 calls, the last of which was answered %v after it was due", r, least)
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
