package egress_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/internal/egress"
)

func TestOnlyPublicAddressesPass(t *testing.T) {
	guard := &egress.Guard{}
	for address, pass := range map[string]bool{
		"93.184.215.14": true, "8.8.8.8": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "127.255.255.254": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.1.1": false, "100.64.0.1": false, "100.127.255.255": false,
		"192.0.0.8": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::ffff:8.8.8.8": true, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false,
		"2001::1": false, "2001:db8::1": false, "2002:7f00:1::1": false, "fc00::1": false, "fd12::1": false,
		"fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false, "100::1": false, "5f00::1": false,
		"169.254.169.254": false, "168.63.129.16": false, "fd00:ec2::254": false,
	} {
		err := guard.Check(egress.Upstream, netip.MustParseAddr(address))
		if got := err == nil; got != pass {
			t.Errorf("%s passes: %v (%v), want %v", address, got, err, pass)
		}
		var refused *egress.Refused
		if err != nil && (!errors.As(err, &refused) || refused.Reason == "" || refused.Profile != egress.Upstream) {
			t.Errorf("%s: %#v is no Refused with a reason", address, err)
		}
	}
	if guard.Check(egress.Control, netip.Addr{}) == nil {
		t.Error("no address at all passes")
	}
}

func TestAllowListOpensRangesButNeverMetadata(t *testing.T) {
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	guard := &egress.Guard{Allow: all}
	for address, pass := range map[string]bool{
		"127.0.0.1": true, "10.0.0.1": true, "::1": true, "::ffff:10.0.0.1": true, "fd12::1": true,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "64:ff9b::a9fe:a9fe": false,
		"169.254.170.2": false, "168.63.129.16": false, "100.100.100.200": false, "fd00:ec2::254": false, "fd20:ce::254": false,
	} {
		if got := guard.Check(egress.AI, netip.MustParseAddr(address)) == nil; got != pass {
			t.Errorf("%s passes: %v, want %v", address, got, pass)
		}
	}
	narrow := &egress.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}
	if err := narrow.Check(egress.Upstream, netip.MustParseAddr("10.9.9.9")); err != nil {
		t.Errorf("a prefix written the IPv6 way does not open 10.9.9.9: %v", err)
	}
	if narrow.Check(egress.Upstream, netip.MustParseAddr("11.0.0.1")) != nil {
		t.Error("11.0.0.1 is public and is refused")
	}
	if narrow.Check(egress.Upstream, netip.MustParseAddr("127.0.0.1")) == nil {
		t.Error("10.0.0.0/8 opens loopback")
	}
}

func TestLoopbackIsDialledOnlyWhenAllowed(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	for _, profile := range []egress.Profile{egress.Upstream, egress.Control, egress.AI} {
		_, err := (&egress.Guard{}).Client(profile).Get(server.URL)
		var refused *egress.Refused
		if !errors.As(err, &refused) || refused.Reason != "a loopback address" {
			t.Errorf("%s: %v, want a refusal of loopback", profile, err)
		}
		client := (&egress.Guard{Allow: egress.Loopback()}).Client(profile)
		res, err := client.Get(server.URL)
		if err != nil {
			t.Fatalf("%s, loopback allowed: %v", profile, err)
		}
		_ = res.Body.Close()
		client.CloseIdleConnections()
	}
	if got := calls.Load(); got != 3 {
		t.Errorf("the server was called %d times, want 3", got)
	}
}

// TestNumbersInDisguiseAreRefused: some resolvers read these as 127.0.0.1, and
// one that does must not help.
func TestNumbersInDisguiseAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was called") }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	guard := &egress.Guard{Resolver: resolver(t, "127.0.0.1")}
	for _, host := range []string{
		"2130706433", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]",
		"127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "rebound.example",
	} {
		address := "http://" + host + ":" + port + "/"
		_, err := guard.Client(egress.Control).Get(address)
		if err == nil {
			t.Errorf("%s was called", host)
		}
		if host != "rebound.example" && guard.CheckURL(egress.Control, address) == nil {
			t.Errorf("%s passes CheckURL", host)
		}
	}
}

// TestRebindingIsRefusedWhenDialling: a name that is allowed at first and
// resolves elsewhere later reaches nothing.
func TestRebindingIsRefusedWhenDialling(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	guard := &egress.Guard{
		Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Resolver: resolver(t, "127.0.0.1", "127.0.0.2"),
	}
	client := guard.Client(egress.Control)
	address := "http://rebound.example:" + port + "/"
	res, err := client.Get(address)
	if err != nil {
		t.Fatalf("the first call, to 127.0.0.1: %v", err)
	}
	_ = res.Body.Close()
	client.CloseIdleConnections()
	_, err = client.Get(address)
	var refused *egress.Refused
	if !errors.As(err, &refused) || !strings.Contains(refused.Address, "127.0.0.2") {
		t.Errorf("the second call, to 127.0.0.2: %v, want a refusal of 127.0.0.2", err)
	}
	if got := calls.Load(); got != 1 {
		t.Errorf("the server was called %d times, want 1", got)
	}
}

func TestEnvironmentProxiesAreNotUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was called") }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	guard := &egress.Guard{Allow: egress.Loopback(), Resolver: resolver(t, "192.0.2.1")}
	if _, err := guard.Client(egress.Control).Get("http://somewhere.example/"); err == nil {
		t.Error("an address for documentation was called")
	}
}

func TestCheckURLSaysWhatIsWrong(t *testing.T) {
	guard := &egress.Guard{}
	for address, want := range map[string]string{
		"https://api.example.com/v1":              "",
		"http://api.example.com:8080":             "",
		"ftp://api.example.com":                   "begin with http",
		"file:///etc/passwd":                      "begin with http",
		"gopher://127.0.0.1":                      "begin with http",
		"//api.example.com":                       "begin with http",
		"https://":                                "no host",
		"https://user:secret@api.example.com":     "user name or password",
		"http://169.254.169.254/latest/meta-data": "metadata",
		"http://[fd00:ec2::254]/":                 "metadata",
		"http://10.0.0.1":                         "private",
		"http://0x7f.1/":                          "unusual",
		"http://1.2.3.4.5/":                       "unusual",
		"http://localhost:3000":                   "loopback",
		"http://a b/":                             "not a URL",
	} {
		err := guard.CheckURL(egress.Upstream, address)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want it to say %q", address, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error repeats the password", address)
		}
	}
}

// resolver answers every question for an IPv4 address with the next of the
// addresses, the last one from then on. It is a DNS server in a few bytes.
func resolver(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		answered := make(map[uint16]bool)
		next, buffer := 0, make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			q := buffer[:n]
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			kind := int(q[end+1])<<8 | int(q[end+2])
			answer := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end+5]...)
			if id := uint16(q[0])<<8 | uint16(q[1]); kind == 1 && !answered[id] {
				answered[id] = true
				ip := netip.MustParseAddr(addresses[min(next, len(addresses)-1)]).As4()
				next++
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, ip[:]...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
