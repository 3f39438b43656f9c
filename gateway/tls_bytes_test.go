package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dribble sends in pieces of any size, and now and then pauses between two.
type dribble struct {
	net.Conn
	random *rand.Rand
}

// Write implements net.Conn.
func (d *dribble) Write(b []byte) (int, error) {
	for sent := 0; sent < len(b); {
		n := min(1+d.random.IntN(1500), len(b)-sent)
		if _, err := d.Conn.Write(b[sent : sent+n]); err != nil {
			return sent, err
		}
		if sent += n; d.random.IntN(20) == 0 {
			time.Sleep(time.Duration(d.random.IntN(3)) * time.Millisecond)
		}
	}
	return len(b), nil
}

// overTLS runs a test with connections over TLS 1.2 and 1.3.
func overTLS(t *testing.T, test func(t *testing.T, dial func(t *testing.T, wrap func(net.Conn) net.Conn) *tls.Conn)) {
	s := startSecure(t)
	s.add(t, 1, s.ca.Issue(t, "a.example.com"), nil, "a.example.com")
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T, wrap func(net.Conn) net.Conn) *tls.Conn {
				t.Helper()
				socket, err := net.Dial("tcp", s.secure)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = socket.Close() })
				_ = socket.SetDeadline(time.Now().Add(30 * time.Second))
				config := s.config("a.example.com")
				config.MinVersion, config.MaxVersion = version, version
				if wrap == nil {
					return tls.Client(socket, config)
				}
				return tls.Client(wrap(socket), config)
			})
		})
	}
}

// Records come in parts, several at once, and with pauses in their midst.
func TestCallsOverTLSHoweverTheirBytesCome(t *testing.T) {
	overTLS(t, func(t *testing.T, dial func(*testing.T, func(net.Conn) net.Conn) *tls.Conn) {
		random := rand.New(rand.NewPCG(1, 2))
		c := dial(t, func(socket net.Conn) net.Conn { return &dribble{socket, random} })
		in := bufio.NewReader(c)
		for round := range 60 {
			several := 1 + random.IntN(4)
			text := ""
			for i := range several { // pipelined
				text += fmt.Sprintf("GET %s?n=%d.%d HTTP/1.1\r\nHost: a.example.com\r\nX-Fill: %s\r\n\r\n", openPath, round, i, strings.Repeat("f", random.IntN(4000)))
			}
			if cut := random.IntN(len(text)); round%3 == 0 { // two records, the border anywhere
				_, _ = io.WriteString(c, text[:cut])
				time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
				text = text[cut:]
			}
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			for i := range several {
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("%d.%d: %v", round, i, err)
				}
				body, err := io.ReadAll(res.Body)
				if want := fmt.Sprintf("?n=%d.%d\"", round, i); err != nil || res.StatusCode != 200 || !strings.Contains(string(body), want) {
					t.Fatalf("%d.%d: got %d %v %s", round, i, res.StatusCode, err, body)
				}
			}
		}
	})
}

// Bodies of any size go up, and come back.
func TestBodiesOverTLS(t *testing.T) {
	overTLS(t, func(t *testing.T, dial func(*testing.T, func(net.Conn) net.Conn) *tls.Conn) {
		c := dial(t, nil)
		in := bufio.NewReader(c)
		for _, size := range []int{0, 1, 1000, 8 << 10, 16 << 10, 100 << 10, 900 << 10} {
			for _, chunked := range []bool{false, true} {
				go func() {
					head := fmt.Sprintf("POST /demo/orders/v1/orders HTTP/1.1\r\nHost: a.example.com\r\nX-API-Key: %s\r\nContent-Type: text/plain\r\n", goodKey)
					if body := strings.Repeat("b", size); chunked {
						fmt.Fprintf(c, "%sTransfer-Encoding: chunked\r\n\r\n", head)
						for body != "" {
							n := min(len(body), 50_000)
							fmt.Fprintf(c, "%x\r\n%s\r\n", n, body[:n])
							body = body[n:]
						}
						_, _ = io.WriteString(c, "0\r\n\r\n")
					} else {
						fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, size, body)
					}
				}()
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("%d bytes, chunked %v: %v", size, chunked, err)
				}
				got, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != 200 || strings.Count(string(got), "b") < size {
					t.Fatalf("%d bytes, chunked %v: got %d %v and %d bytes", size, chunked, res.StatusCode, err, len(got))
				}
			}
		}
	})
}

// A client may end its side with its last request: the poller tells of both at
// once.
func TestTheEndOfAConnectionOverTLSIsSeen(t *testing.T) {
	overTLS(t, func(t *testing.T, dial func(*testing.T, func(net.Conn) net.Conn) *tls.Conn) {
		for _, politely := range []bool{true, false} {
			var socket *net.TCPConn
			c := dial(t, func(below net.Conn) net.Conn { socket = below.(*net.TCPConn); return below })
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.example.com\r\n\r\n", openPath)
			if politely {
				_ = c.CloseWrite()
			}
			_ = socket.CloseWrite()
			began := time.Now()
			raw, _ := io.ReadAll(c)
			if took := time.Since(began); !strings.HasPrefix(string(raw), "HTTP/1.1 200 ") || took > 3*time.Second {
				t.Errorf("politely %v: the connection ended after %v with %.40q", politely, took, raw)
			}
		}
	})
}

// A client that sends half a record, and no more, has the time of a head.
func TestHalfARecordIsNotWaitedForLong(t *testing.T) {
	overTLS(t, func(t *testing.T, dial func(*testing.T, func(net.Conn) net.Conn) *tls.Conn) {
		hold := &holding{}
		c := dial(t, func(socket net.Conn) net.Conn { hold.Conn = socket; return hold })
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.example.com\r\n\r\n", openPath)
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		_, _ = io.WriteString(c, "GET /") // a part of a head is there: from now on it has 2 s
		hold.most = 10
		_, _ = io.WriteString(c, strings.Repeat("x", 1000))
		began := time.Now()
		_, _ = io.ReadAll(hold.Conn)
		if took := time.Since(began); took < time.Second || took > 6*time.Second {
			t.Errorf("the connection ended after %v, want some 2 s", took)
		}
	})
}

// holding keeps back all but the first bytes of each write, once most is set.
type holding struct {
	net.Conn
	most int
}

// Write implements net.Conn.
func (h *holding) Write(b []byte) (int, error) {
	if h.most > 0 && len(b) > h.most {
		_, err := h.Conn.Write(b[:h.most])
		return len(b), err
	}
	return h.Conn.Write(b)
}
