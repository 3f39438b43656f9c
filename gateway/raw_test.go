package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestMalformedRequestsAreRefusedAndClosed sends bytes that two servers could
// read differently. Nothing of them may reach the upstream.
func TestMalformedRequestsAreRefusedAndClosed(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		const line, host = "POST /demo/orders/v1/do/echo HTTP/1.1\r\n", "Host: x\r\n"
		for _, c := range []struct {
			name, raw string
			status    int
		}{
			{"content-length and transfer-encoding", line + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
			{"two equal lengths", line + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400},
			{"two different lengths", line + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nab", 400},
			{"list of lengths", line + host + "Content-Length: 2, 2\r\n\r\nab", 400},
			{"signed length", line + host + "Content-Length: +2\r\n\r\nab", 400},
			{"huge length", line + host + "Content-Length: 99999999999999999999\r\n\r\n", 400},
			{"hex length", line + host + "Content-Length: 0x2\r\n\r\nab", 400},
			{"empty length", line + host + "Content-Length:\r\n\r\n", 400},
			{"underscored length", line + host + "Content_Length: 2\r\n\r\nab", 400},
			{"underscored transfer-encoding", line + host + "Transfer_Encoding: chunked\r\n\r\n", 400},
			{"transfer-encoding identity", line + host + "Transfer-Encoding: identity\r\n\r\n", 400},
			{"transfer-encoding gzip, chunked", line + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
			{"transfer-encoding xchunked", line + host + "Transfer-Encoding: xchunked\r\n\r\n", 400},
			{"transfer-encoding twice", line + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
			{"transfer-encoding in HTTP/1.0", "POST /x HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
			{"folded field", line + host + "X-A: 1\r\n 2\r\n\r\n", 400},
			{"folded first field", line + " Host: x\r\n\r\n", 400},
			{"bare LF after the line", "GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
			{"bare LF everywhere", "GET / HTTP/1.1\nHost: x\n\n", 400},
			{"bare LF after a field", line + "Host: x\nX-A: 1\r\n\r\n", 400},
			{"bare CR", line + "Host: x\rX-A: 1\r\n\r\n", 400},
			{"NUL in a value", line + host + "X-A: a\x00b\r\n\r\n", 400},
			{"control in a value", line + host + "X-A: a\x01b\r\n\r\n", 400},
			{"space before the colon", line + host + "X-A : 1\r\n\r\n", 400},
			{"no colon", line + host + "X-A\r\n\r\n", 400},
			{"empty name", line + host + ": 1\r\n\r\n", 400},
			{"name with a bracket", line + host + "X(A): 1\r\n\r\n", 400},
			{"name beyond ASCII", line + host + "X-\xc3\xa9: 1\r\n\r\n", 400},
			{"two hosts", line + host + "Host: y\r\n\r\n", 400},
			{"two equal hosts", line + host + host + "\r\n", 400},
			{"no host", line + "X-A: 1\r\n\r\n", 400},
			{"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 400},
			{"empty host", line + "Host:\r\n\r\n", 400},
			{"host with a path", line + "Host: x/y\r\n\r\n", 400},
			{"host with a user", line + "Host: u@x\r\n\r\n", 400},
			{"host with a space", line + "Host: x y\r\n\r\n", 400},
			{"host with a bad port", line + "Host: x:99999\r\n\r\n", 400},
			{"absolute form of another host", "GET http://y/demo HTTP/1.1\r\n" + host + "\r\n", 400},
			{"absolute form with a user", "GET http://u@x/demo HTTP/1.1\r\n" + host + "\r\n", 400},
			{"absolute form of another scheme", "GET ftp://x/demo HTTP/1.1\r\n" + host + "\r\n", 400},
			{"connect", "CONNECT x:443 HTTP/1.1\r\n" + host + "\r\n", 400},
			{"target without a slash", "GET demo HTTP/1.1\r\n" + host + "\r\n", 400},
			{"fragment", "GET /a#b HTTP/1.1\r\n" + host + "\r\n", 400},
			{"two spaces", "GET  /a HTTP/1.1\r\n" + host + "\r\n", 400},
			{"tab", "GET\t/a\tHTTP/1.1\r\n" + host + "\r\n", 400},
			{"no version", "GET /a\r\n" + host + "\r\n", 400},
			{"lower-case version", "GET /a http/1.1\r\n" + host + "\r\n", 400},
			{"version 3", "GET /a HTTP/3.0\r\n" + host + "\r\n", 505},
			{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
			{"method with a bracket", "G(T /a HTTP/1.1\r\n" + host + "\r\n", 400},
			{"raw backslash", "GET /demo\\orders HTTP/1.1\r\n" + host + "\r\n", 400},
			{"half an escape", "GET /demo/orders/v1/files/%2 HTTP/1.1\r\n" + host + "\r\n", 400},
			{"dot segment", "GET /demo/orders/v1/files/../open HTTP/1.1\r\n" + host + "\r\n", 400},
			{"dot segment with a parameter", "GET /demo/orders/v1/files/..;a/open HTTP/1.1\r\n" + host + "\r\n", 400},
			{"expectation", line + host + "Expect: magic\r\n\r\n", 417},
			{"many fields", line + host + strings.Repeat("A: b\r\n", 101) + "\r\n", 431},
			{"large head", line + host + "X-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", 431},
			{"bad chunk size", line + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
			{"empty chunk size", line + host + "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
			{"signed chunk size", line + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
			{"hex prefix in chunk size", line + host + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", 400},
			{"huge chunk", line + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", 400},
			{"chunk longer than it said", line + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400},
			{"bare LF after a chunk size", line + host + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", 400},
			{"bare LF after a chunk", line + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", 400},
			{"length in a trailer", line + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
			{"folded trailer", line + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", 400},
		} {
			t.Run(c.name, func(t *testing.T) {
				answer, closed := r.raw(t, c.raw)
				if answer == nil {
					t.Fatal("got no answer")
				}
				if answer.StatusCode != c.status {
					t.Errorf("got %d, want %d", answer.StatusCode, c.status)
				}
				if ct := answer.Header.Get("Content-Type"); ct != "application/problem+json" {
					t.Errorf("got content type %q", ct)
				}
				if !closed {
					t.Error("the connection stayed open")
				}
			})
		}
	})
}

// raw sends bytes and reads one answer, and whether the connection ended then.
func (r *running) raw(t *testing.T, bytes string) (answer *http.Response, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, bytes); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err = http.ReadResponse(in, nil)
	if err != nil {
		t.Logf("read answer: %v", err)
		return nil, true
	}
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Errorf("read answer's body: %v", err)
	}
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = in.ReadByte()
	return answer, err == io.EOF
}

func TestMalformedRequestAfterAGoodOneIsAnsweredInOrder(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		good := "GET /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\n\r\n"
		body := "POST /demo/orders/v1/do/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
		fmt.Fprint(conn, good+body+"\r\n"+good+"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"+good)
		in := bufio.NewReader(conn)
		for i, want := range []int{200, 200, 200, 400} {
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != want {
				t.Fatalf("answer %d: got %d %s %v, want %d", i, res.StatusCode, text, err, want)
			}
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("after the refusal: got %v, want the end", err)
		}
	})
}

func TestRequestsArrivingByteByByteAreRead(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			for _, b := range []byte("POST /demo/orders/v1/do/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n02\r\nbc\r\n0\r\n\r\n") {
				conn.Write([]byte{b})
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), `"body":"abc"`) {
			t.Errorf("got %d %s", res.StatusCode, text)
		}
	})
}

func TestSlowClientsAreCutOff(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		for name, begin := range map[string]string{
			"head": "GET /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\nX-A: ",
			"body": "POST /demo/orders/v1/do/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conn, err := net.Dial("tcp", r.address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				start := time.Now()
				conn.SetDeadline(start.Add(9 * time.Second))
				if _, err := io.WriteString(conn, begin); err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(conn)
				if took := time.Since(start); took > 8*time.Second {
					t.Errorf("cut off after %v: %q %v", took, text, err)
				}
				if name == "body" && !strings.HasPrefix(string(text), "HTTP/1.1 400 ") {
					t.Errorf("got %q", text)
				}
			})
		}
	})
}

func TestAbsoluteFormAndQuietHTTP10AreServed(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		for _, raw := range []string{
			"GET http://X:80/demo/orders/v1/open?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"GET /demo/orders/v1/open?a=b HTTP/1.0\r\nHost: x\r\n\r\n",
			"\r\nGET /demo/orders/v1/open?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		} {
			answer, closed := r.raw(t, raw)
			if answer == nil || answer.StatusCode != 200 || !closed {
				t.Errorf("%q: got %v, closed %v", raw, answer, closed)
			}
		}
	})
}
