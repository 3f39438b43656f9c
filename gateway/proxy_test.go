package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"portico/gateway/proxyproto"
	"portico/test/fake"
)

// behind runs a node whose listeners take the word of proxies in networks.
func behind(t *testing.T, required bool, networks []string, trusted []string, full bool) (plain, secure string, s *secured) {
	t.Helper()
	var from []netip.Prefix
	for _, n := range networks {
		from = append(from, netip.MustParsePrefix(n))
	}
	s = &secured{keys: newSealing(t), ca: fake.NewAuthority(t, "Test CA"), next: 2}
	up := fake.NewUpstream(t)
	var listeners [2]net.Listener
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = &proxyproto.Listener{Listener: l, From: from, Required: required}
	}
	carrier := fake.NewCarrier()
	carrier.Put(s.keys.item(t, 1, 1))
	carrier.Put(demo(t, up.URL)...)
	config := testConfig(carrier)
	config.Box, config.FullLane = s.keys.node, full
	s.running = startOn(t, carrier, config, listeners[0], listeners[1])
	wait(t, "ready", func() bool { return s.Status().Ready && s.Status().Applied.Sequence == 1 })
	env := environment()
	env.TrustedProxies = trusted
	s.put(t, item(t, 2, env))
	s.add(t, 1, s.ca.Issue(t, "a.example.com"), nil, "a.example.com")
	return listeners[0].Addr().String(), listeners[1].Addr().String(), s
}

func sendRaw(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(c)
	return string(raw)
}

// forwarded returns what the upstream was told of where the call comes from.
func forwarded(t *testing.T, answer string) string {
	t.Helper()
	_, body, ok := strings.Cut(answer, "\r\n\r\n")
	var e fake.Echo
	if !ok || json.Unmarshal([]byte(body), &e) != nil {
		t.Fatalf("got no echo: %q", answer)
	}
	return strings.Join(e.Header["X-Forwarded-For"], ", ")
}

const introduction = "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n"

func openRequest(headers ...string) string {
	return "GET " + openPath + " HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
}

// forwardedByHTTP2 makes a call on a connection that is to speak HTTP/2, and returns what
// the upstream was told of where it comes from.
func forwardedByHTTP2(t *testing.T, c net.Conn) string {
	t.Helper()
	client := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	client.Protocols.SetUnencryptedHTTP2(true) // to it every connection is plain
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example.com"+openPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var e fake.Echo
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.ProtoMajor != 2 {
		t.Fatalf("got %s %d, %v", res.Proto, res.StatusCode, err)
	}
	return strings.Join(e.Header["X-Forwarded-For"], ", ")
}

// signature begins every introduction of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// TestProxiesSayForWhomTheyConnect introduces connections that go on by each
// protocol: the upstream is told of whom the proxy has named.
func TestProxiesSayForWhomTheyConnect(t *testing.T) {
	introductions := []struct{ name, text, want string }{
		{"version 1", introduction, "203.0.113.9"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::9 ::1 12345 80\r\n", "2001:db8::9"},
		{"version 2", signature + "\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x30\x39\x00\x50", "203.0.113.9"},
		{"version 2, IPv6, and more", signature + "\x21\x21\x00\x29\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x09" + strings.Repeat("\x00", 15) + "\x01\x30\x39\x00\x50\x04\x00\x02ab", "2001:db8::9"},
		{"version 2, the proxy itself", signature + "\x20\x00\x00\x00", "127.0.0.1"},
	}
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full lane alone %v", full), func(t *testing.T) {
			plain, secure, s := behind(t, true, []string{"127.0.0.0/8"}, nil, full)
			dial := func(address, introduced string) net.Conn {
				c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, introduced); err != nil {
					t.Fatal(err)
				}
				return c
			}
			over := func(c net.Conn, protocol string) net.Conn {
				config := s.config("a.example.com")
				config.NextProtos = []string{protocol}
				return tls.Client(c, config)
			}
			for _, i := range introductions {
				told := map[string]string{
					"HTTP/1.1":          forwarded(t, sendRaw(t, dial(plain, i.text), openRequest())),
					"HTTP/1.1 over TLS": forwarded(t, sendRaw(t, over(dial(secure, i.text), "http/1.1"), openRequest())),
					"HTTP/2 over TLS":   forwardedByHTTP2(t, over(dial(secure, i.text), "h2")),
				}
				if !full { // the fast lane tells h2c
					told["h2c"] = forwardedByHTTP2(t, dial(plain, i.text))
				}
				for protocol, got := range told {
					if got != i.want {
						t.Errorf("%s, %s: the upstream was told %q, want %q", i.name, protocol, got, i.want)
					}
				}
			}
			if got := sendRaw(t, dial(plain, ""), openRequest()); got != "" {
				t.Errorf("without an introduction: got %q, want nothing", got)
			}
		})
	}
}

func TestProxiesThatNeedNotSayAnything(t *testing.T) {
	plain, _, _ := behind(t, false, []string{"127.0.0.0/8"}, nil, false)
	for text, want := range map[string]string{introduction + openRequest(): "203.0.113.9", openRequest(): "127.0.0.1"} {
		c, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		if got := forwarded(t, sendRaw(t, c, text)); got != want {
			t.Errorf("the upstream was told %q, want %q", got, want)
		}
	}
}

// TestAProxyMayHesitate has one that says nothing for so long that the node has looked
// whether it is still there (make race finds who reads what another writes), and then
// speaks, for a client or for itself.
func TestAProxyMayHesitate(t *testing.T) {
	plain, _, _ := behind(t, false, []string{"127.0.0.0/8"}, nil, false)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	speaks, silent, asks := dial(), dial(), dial()
	defer asks.Close()
	answers := bufio.NewReader(asks)
	date := func() string { // by one connection: another would make the node's goroutines wait for one another
		if _, err := io.WriteString(asks, "GET "+openPath+" HTTP/1.1\r\nHost: a.example.com\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Header.Get("Date")
	}
	before := date()
	wait(t, "the node's look at its connections, which tells the time too", func() bool { return date() != before })
	for want, got := range map[string]string{"203.0.113.9": sendRaw(t, speaks, introduction+openRequest()), "127.0.0.1": sendRaw(t, silent, openRequest())} {
		if told := forwarded(t, got); told != want {
			t.Errorf("the upstream was told %q, want %q", told, want)
		}
	}
}

func TestTheProxyProtocolOfStrangersIsABadRequest(t *testing.T) {
	plain, _, _ := behind(t, true, []string{"192.0.2.0/24"}, nil, false)
	for name, text := range map[string]string{"v1": introduction, "v2": signature + "\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x30\x39\x00\x50"} {
		c, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		if got := sendRaw(t, c, text+openRequest()); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "X-Request-Id:") != 1 {
			t.Errorf("%s: got %.200q, want 400 and the end", name, got)
		}
	}
}

// What a proxy introduces is the peer of the connection: it counts as a trusted
// proxy, or not, as any other peer.
func TestForwardedForBehindAnIntroduction(t *testing.T) {
	plain, _, _ := behind(t, true, []string{"127.0.0.0/8"}, []string{"203.0.113.0/24", "10.0.0.0/8"}, false)
	for _, c := range []struct{ chain, want string }{
		{"", "203.0.113.9"},
		{"198.51.100.7", "198.51.100.7"},
		{"198.51.100.7, 10.1.1.1", "198.51.100.7"},
		{"192.0.2.66, 198.51.100.7, 10.1.1.1", "198.51.100.7"},
		{"garbage, 10.1.1.1", "10.1.1.1"},
		{"fe80::1%\";host=\"elsewhere.test, 10.1.1.1", "10.1.1.1"}, // it would stand in Forwarded
	} {
		conn, err := net.Dial("tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		var headers []string
		if c.chain != "" {
			headers = append(headers, "X-Forwarded-For: "+c.chain)
		}
		got := forwarded(t, sendRaw(t, conn, introduction+openRequest(headers...)))
		if first, _, _ := strings.Cut(got, ","); first != c.want {
			t.Errorf("%q: the upstream was told %q, want %s first", c.chain, got, c.want)
		}
	}
	conn, err := net.Dial("tcp", plain)
	if err != nil {
		t.Fatal(err)
	}
	stranger := "PROXY TCP4 198.51.100.99 127.0.0.1 12345 80\r\n"
	if got := forwarded(t, sendRaw(t, conn, stranger+openRequest("X-Forwarded-For: 10.1.1.1"))); got != "198.51.100.99" {
		t.Errorf("a client that is no trusted proxy: the upstream was told %q", got)
	}
}
