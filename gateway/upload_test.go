package gateway_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/test/fake"
)

const uploadBytes = 6<<20 + 123

// takingUploads starts a node that lets large bodies through to an upstream.
func takingUploads(t *testing.T, lane change, serve func(conn net.Conn, in *bufio.Reader, req *http.Request)) *running {
	t.Helper()
	up := fake.NewRaw(t, func(conn net.Conn, in *bufio.Reader) {
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			serve(conn, in, req)
		}
	})
	r := onUpstream(t, up.URL, lane)
	env := environment()
	env.MaxBodyBytes = 1 << 30
	r.carrier.Put(item(t, 3, env), entry.Mark(entry.HeadKey, at(3)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
	return r
}

func uploaded(bytes int) []byte {
	b := make([]byte, bytes)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

// TestLargeUploadsArriveAsTheyWereSent sends one after another on one connection,
// at once and with pauses, to an upstream that is quick or slow to read.
func TestLargeUploadsArriveAsTheyWereSent(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := takingUploads(t, lane, func(conn net.Conn, in *bufio.Reader, req *http.Request) {
			if req.Header.Get("X-Slow") != "" {
				time.Sleep(200 * time.Millisecond)
			}
			hash := sha256.New()
			n, err := io.Copy(hash, req.Body)
			text := fmt.Sprintf("%d %x %v", n, hash.Sum(nil), err)
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		})
		body := uploaded(uploadBytes)
		sum := sha256.Sum256(body)
		want := fmt.Sprintf("%d %s <nil>", len(body), hex.EncodeToString(sum[:]))
		conn := r.dial(t)
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		in := bufio.NewReader(conn)
		for _, fields := range []string{"", "X-Slow: 1\r\n", "X-Pauses: 1\r\n", "Expect: 100-continue\r\n"} {
			fmt.Fprintf(conn, "POST %sx HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n", do, fields, len(body))
			sent := make(chan error, 1)
			go func() {
				var err error
				for rest := body; len(rest) > 0 && err == nil; {
					n := len(rest)
					if strings.HasPrefix(fields, "X-Pauses") {
						n = min(n, 1_000_003)
					}
					_, err = conn.Write(rest[:n])
					if rest = rest[n:]; len(rest) > 0 {
						time.Sleep(30 * time.Millisecond)
					}
				}
				sent <- err
			}()
			var text []byte
			res, err := http.ReadResponse(in, nil)
			if err == nil && res.StatusCode == http.StatusContinue {
				res, err = http.ReadResponse(in, nil)
			}
			if err == nil {
				text, err = io.ReadAll(res.Body)
			}
			if err != nil || string(text) != want {
				t.Fatalf("%q: got %q %v, want %q", fields, text, err, want)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLargeUploadThatEndsTooSoonIsNotWhole: the upstream must see that it broke
// off, whether its sender hung up or stalled, and so must the caller.
func TestLargeUploadThatEndsTooSoonIsNotWhole(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		ends := make(chan error, 1)
		r := takingUploads(t, lane, func(conn net.Conn, in *bufio.Reader, req *http.Request) {
			_, err := io.Copy(io.Discard, req.Body)
			ends <- err
			conn.Close()
		})
		half := uploaded(uploadBytes / 2)
		for name, end := range map[string]func(*net.TCPConn){
			"hangs up":  func(c *net.TCPConn) { c.Close() },
			"no more":   func(c *net.TCPConn) { c.CloseWrite() },
			"stalls":    func(*net.TCPConn) {},
			"is broken": func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		} {
			conn := r.dial(t)
			fmt.Fprintf(conn, "POST %sx HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", do, uploadBytes)
			if _, err := conn.Write(half); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			end(conn)
			select {
			case err := <-ends:
				if err == nil {
					t.Errorf("%s: the upstream took it for a whole body", name)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the upstream heard nothing of it", name)
			}
		}
	})
}

// TestLargeUploadThatIsAnsweredEarlyIsAnswered lets the upstream answer in the
// midst of it, and read no more. It says that it will close the connection (RFC
// 9112 section 9.6): the sockets between may take all of the body in, and without
// that word the next call might go out before the end comes.
func TestLargeUploadThatIsAnsweredEarlyIsAnswered(t *testing.T) {
	inHTTP1(t, func(t *testing.T, lane change) {
		r := takingUploads(t, lane, func(conn net.Conn, in *bufio.Reader, req *http.Request) {
			io.CopyN(io.Discard, req.Body, 1<<20)
			io.WriteString(conn, "HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly")
			time.Sleep(100 * time.Millisecond)
			conn.Close()
		})
		for range 5 {
			conn := r.dial(t)
			fmt.Fprintf(conn, "POST %sx HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", do, uploadBytes)
			go conn.Write(uploaded(uploadBytes))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != 409 {
				t.Fatalf("got %v %v", res, err)
			}
			if text, err := io.ReadAll(res.Body); string(text) != "early" || err != nil {
				t.Errorf("got %q %v", text, err)
			}
		}
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 409 {
			t.Errorf("the next call: got %d %s", got.status, got.body)
		}
	})
}
