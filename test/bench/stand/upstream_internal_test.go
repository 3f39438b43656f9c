package stand

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

// TestUpstreamAnswers sends what the loaders send, whole, in pieces and ahead of the
// answers, over connections that change from one kind to the other.
func TestUpstreamAnswers(t *testing.T) {
	address, err := serveUpstream(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	const get = "GET /a/b?c HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, step := range []struct {
		name string
		send []string
		want []int // lengths of the answers
	}{
		{"one", []string{get}, []int{SmallBody}},
		{"in pieces", []string{get[:2], get[2:25], get[25 : len(get)-2], get[len(get)-2:]}, []int{SmallBody}},
		{"three at once", []string{get + get + get[:7], get[7:]}, []int{SmallBody, SmallBody, SmallBody}},
		{"a large one", []string{get + "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"}, []int{SmallBody, LargeBody}},
		{"bodies", []string{
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", get,
		}, []int{SmallBody, SmallBody, SmallBody}},
	} {
		go func() {
			for _, part := range step.send {
				if _, err := io.WriteString(c, part); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		for i, want := range step.want {
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s, %d: %v", step.name, i, err)
			}
			if n, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 || n != int64(want) {
				t.Fatalf("%s, %d: %d, %d bytes of %d, %v", step.name, i, answer.StatusCode, n, want, err)
			}
		}
	}
	for n := range 200 { // connections come and go
		other, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = other.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprint(other, get[:len(get)-n%2]); err == nil && n%2 == 0 {
			if line, err := bufio.NewReader(other).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
				t.Fatalf("connection %d: %q, %v", n, line, err)
			}
		}
		_ = other.Close()
	}
}
