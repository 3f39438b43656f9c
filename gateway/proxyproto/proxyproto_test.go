package proxyproto_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"portico/gateway/proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 makes a header of version 2.
func v2(command, family byte, body string) string {
	return signature + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

const (
	tcp4 = "\xcb\x00\x71\x09\x7f\x00\x00\x01\x30\x39\x00\x50" // 203.0.113.9:12345 to 127.0.0.1:80
	rest = "GET / HTTP/1.1\r\n\r\n"
)

var tcp6 = string(netip.MustParseAddr("2001:db8::9").AsSlice()) + string(netip.MustParseAddr("::1").AsSlice()) + "\x30\x39\x00\x50"

// half is a connection that reads from a text.
type half struct {
	net.Conn
	in io.Reader
}

func (h *half) Read(p []byte) (int, error) { return h.in.Read(p) }
func (h *half) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4000}
}

// one is a listener of one connection.
type one struct {
	net.Listener
	conn net.Conn
}

func (o *one) Accept() (net.Conn, error) { return o.conn, nil }

func accepted(t testing.TB, in io.Reader, required bool, from ...string) net.Conn {
	t.Helper()
	l := &proxyproto.Listener{Listener: &one{conn: &half{in: in}}, Required: required}
	for _, f := range from {
		l.From = append(l.From, netip.MustParsePrefix(f))
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHeadersSayForWhom(t *testing.T) {
	const own = "10.0.0.1:4000"
	for _, c := range []struct {
		name, in string
		remote   string // "" is refused
		rest     string
	}{
		{"v1 IPv4", "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n" + rest, "203.0.113.9:12345", rest},
		{"v1 IPv6", "PROXY TCP6 2001:db8::9 ::1 12345 80\r\n" + rest, "[2001:db8::9]:12345", rest},
		{"v1 unknown", "PROXY UNKNOWN\r\n" + rest, own, rest},
		{"v1 unknown with text", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n" + rest, own, rest},
		{"v1 nothing behind", "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n", "203.0.113.9:12345", ""},
		{"v1 LF alone", "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\n" + rest, "", ""},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "", ""},
		{"v1 family that does not fit", "PROXY TCP4 2001:db8::9 ::1 12345 80\r\n", "", ""},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 12345 80\r\n", "", ""},
		{"v1 port", "PROXY TCP4 203.0.113.9 127.0.0.1 70000 80\r\n", "", ""},
		{"v1 port with a zero before", "PROXY TCP4 203.0.113.9 127.0.0.1 0123 80\r\n", "", ""},
		{"v1 two spaces", "PROXY TCP4  203.0.113.9 127.0.0.1 12345 80\r\n", "", ""},
		{"v1 cut off", "PROXY TCP4 203.0", "", ""},
		{"v2 IPv4", v2(0x21, 0x11, tcp4) + rest, "203.0.113.9:12345", rest},
		{"v2 IPv6", v2(0x21, 0x21, tcp6) + rest, "[2001:db8::9]:12345", rest},
		{"v2 extensions", v2(0x21, 0x11, tcp4+"\x04\x00\x02ab\x20\x00\x00") + rest, "203.0.113.9:12345", rest},
		{"v2 extension too long", v2(0x21, 0x11, tcp4+"\x04\x00\x09ab") + rest, "", ""},
		{"v2 local", v2(0x20, 0x00, "") + rest, own, rest},
		{"v2 local with addresses", v2(0x20, 0x11, tcp4) + rest, own, rest},
		{"v2 not said", v2(0x21, 0x00, "") + rest, own, rest},
		{"v2 unix socket", v2(0x21, 0x31, strings.Repeat("x", 216)) + rest, "", ""},
		{"v2 UDP", v2(0x21, 0x12, tcp4) + rest, "", ""},
		{"v2 too short", v2(0x21, 0x11, tcp4[:11]) + rest, "", ""},
		{"v2 too long", v2(0x21, 0x11, tcp4+strings.Repeat("x", 2000)) + rest, "", ""},
		{"v2 version 3", v2(0x31, 0x11, tcp4) + rest, "", ""},
		{"v2 command 2", v2(0x22, 0x11, tcp4) + rest, "", ""},
		{"v2 cut off", v2(0x21, 0x11, tcp4)[:20], "", ""},
	} {
		for _, required := range []bool{true, false} {
			for name, in := range map[string]io.Reader{"whole": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
				conn := accepted(t, in, required, "10.0.0.0/8")
				got, err := io.ReadAll(conn)
				if c.remote == "" {
					if err == nil {
						t.Errorf("%s, %s: got %q, want it refused", c.name, name, got)
					}
					if conn.RemoteAddr().String() != own {
						t.Errorf("%s, %s: refused, but the address is %s", c.name, name, conn.RemoteAddr())
					}
					continue
				}
				if err != nil || string(got) != c.rest || conn.RemoteAddr().String() != c.remote {
					t.Errorf("%s, %s: got %q from %s, %v, want %q from %s", c.name, name, got, conn.RemoteAddr(), err, c.rest, c.remote)
				}
			}
		}
	}
}

func TestWhatIsNoHeader(t *testing.T) {
	for _, in := range []string{rest, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PROPFIND / HTTP/1.1\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "x", "\x16\x03\x01\x02\x00"} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			if got, err := io.ReadAll(accepted(t, r, false, "10.0.0.0/8")); err != nil || string(got) != in {
				t.Errorf("not required: got %q, %v, want %q", got, err, in)
			}
		}
		if got, err := io.ReadAll(accepted(t, strings.NewReader(in), true, "10.0.0.0/8")); err == nil {
			t.Errorf("required: got %q, want it refused", got)
		}
	}
}

func TestNobodyElsesWordIsTaken(t *testing.T) {
	in := "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n" + rest
	for _, from := range [][]string{nil, {"192.0.2.0/24"}} {
		c := accepted(t, strings.NewReader(in), true, from...)
		if got, err := io.ReadAll(c); err != nil || string(got) != in || c.RemoteAddr().String() != "10.0.0.1:4000" {
			t.Errorf("got %q from %s, %v, want all of it from the peer", got, c.RemoteAddr(), err)
		}
	}
}

func TestAcceptAndRemoteAddrWaitForNothing(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &proxyproto.Listener{Listener: inner, From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Required: true}
	defer l.Close()
	silent, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != silent.LocalAddr().String() {
		t.Errorf("got %s", got)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // the deadline is kept while the header is read
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("read something from a client that sent nothing")
	}
}

// FuzzHeader: whatever comes, what is read is a suffix of it, at most a whole
// header is missing, and the address is the header's.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{rest, "PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n" + rest, "PROXY UNKNOWN\r\n", v2(0x21, 0x11, tcp4) + rest, v2(0x20, 0, ""), v2(0x21, 0x21, tcp6+"\x04\x00\x01x"), signature} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := accepted(t, bytes.NewReader(in), false, "10.0.0.0/8")
		got, err := io.ReadAll(c)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(in, got) {
			t.Fatalf("got %q of %q", got, in)
		}
		header := string(in[:len(in)-len(got)])
		want := addressOf(header)
		if want == "" {
			t.Fatalf("%q was taken away", header)
		}
		if got := c.RemoteAddr().String(); got != want {
			t.Fatalf("%q: the address is %s, want %s", header, got, want)
		}
	})
}

// addressOf reads a whole header as the specification draws it; "" for what is none.
func addressOf(header string) string {
	const peer = "10.0.0.1:4000"
	if line, ok := strings.CutSuffix(header, "\r\n"); ok && strings.HasPrefix(line, "PROXY ") {
		if part := strings.Fields(line); part[1] != "UNKNOWN" {
			return net.JoinHostPort(net.ParseIP(part[2]).String(), part[4])
		}
		return peer
	}
	body, ok := strings.CutPrefix(header, signature)
	switch {
	case header == "":
		return peer
	case !ok || len(body) < 4 || len(body)-4 != int(body[2])<<8+int(body[3]):
		return ""
	case body[0]&0xf == 0 || body[1] == 0:
		return peer
	case body[1] == 0x11:
		return net.JoinHostPort(net.IP(body[4:8]).String(), strconv.Itoa(int(body[12])<<8+int(body[13])))
	}
	return net.JoinHostPort(net.IP(body[4:20]).String(), strconv.Itoa(int(body[36])<<8+int(body[37])))
}
