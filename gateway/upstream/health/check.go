package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Kind is how a target is asked.
type Kind uint8

// The kinds.
const (
	TCP  Kind = iota // it can be connected to, TLS included
	HTTP             // it answers a request as expected
	GRPC             // it says SERVING to grpc.health.v1.Health/Check
)

// Check says what to ask, and what a good answer is. All of its durations and
// counts must be above zero.
type Check struct {
	Kind     Kind
	Method   string   // HTTP
	Path     string   // HTTP; with a query, if any
	Statuses [][2]int // HTTP: first and last of each range
	Body     string   // HTTP: what the answer must hold; "" anything
	Service  string   // GRPC

	Interval, Timeout  time.Duration
	Healthy, Unhealthy int // results in a row that change what is known
}

// Target is where to ask.
type Target struct {
	Tenant  string      // whose it is
	Address string      // host and port to connect to
	Host    string      // as the request names it
	TLS     *tls.Config // nil for plain
	// Protocols are those by which it is called; with none it is HTTP/1.1. A check
	// by gRPC is always made by HTTP/2.
	Protocols http.Protocols
}

// maxBody is how much of an answer is looked at.
const maxBody = 64 << 10

// Ask asks once, and returns "" when the target is well, else why not.
func (c *Check) Ask(ctx context.Context, dial Dial, t Target) string {
	return c.why(ctx, c.ask(ctx, dial, t))
}

func (c *Check) ask(ctx context.Context, dial Dial, t Target) error {
	switch c.Kind {
	case HTTP:
		return c.askHTTP(ctx, dial, t)
	case GRPC:
		return c.askGRPC(ctx, dial, t)
	}
	return c.connect(ctx, dial, t)
}

// why says to people what came of asking.
func (c *Check) why(ctx context.Context, err error) string {
	if err == nil {
		return ""
	}
	if Exhausted(err) {
		return "check: this node has no descriptor left to connect with"
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("check: no answer within %s", c.Timeout)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address stands beside it
	}
	return "check: " + short(err.Error())
}

func short(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (c *Check) connect(ctx context.Context, dial Dial, t Target) error {
	conn, err := dial(ctx, "tcp", t.Address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if t.TLS == nil {
		return nil
	}
	secure := tls.Client(conn, t.TLS)
	return secure.HandshakeContext(ctx)
}

// exchange makes one request over a connection of its own: a check that finds a
// kept connection well has found out nothing about new ones. Whoever gets the
// answer calls hangUp when it is read.
func (t Target) exchange(req *http.Request, dial Dial, by http.Protocols) (res *http.Response, hangUp func(), err error) {
	var opened closing
	tr := &http.Transport{
		DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true, Protocols: &by,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: maxBody, MaxReceiveBufferPerConnection: maxBody},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := dial(ctx, network, t.Address)
			if err != nil {
				return nil, err
			}
			return opened.add(conn), nil
		},
	}
	if t.TLS != nil {
		tr.TLSClientConfig = t.TLS.Clone()
		tr.TLSClientConfig.NextProtos = nil // what calls ask for; by says what this one does
	}
	res, err = tr.RoundTrip(req)
	if err != nil {
		opened.close()
		return nil, nil, err
	}
	return res, func() { res.Body.Close(); opened.close() }, nil
}

// protocols returns those by which a target is asked over HTTP.
func (t Target) protocols() http.Protocols {
	by := t.Protocols
	if by == (http.Protocols{}) {
		by.SetHTTP1(true)
	}
	return by
}

// closing are connections that end together: net/http keeps one by HTTP/2 whose
// request was given up, and dials also when nobody waits any more.
type closing struct {
	mu   sync.Mutex
	over bool       // guarded by mu
	list []net.Conn // guarded by mu
}

func (c *closing) add(conn net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		_ = conn.Close() // nobody uses it
	}
	c.list = append(c.list, conn)
	return conn
}

func (c *closing) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, conn := range c.list {
		_ = conn.Close() // nobody is left to tell
	}
}

func (t Target) url(path string) string {
	if t.TLS != nil {
		return "https://" + t.Host + path
	}
	return "http://" + t.Host + path
}

func (c *Check) askHTTP(ctx context.Context, dial Dial, t Target) error {
	req, err := http.NewRequestWithContext(ctx, c.Method, t.url(c.Path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Portico-Health")
	res, hangUp, err := t.exchange(req, dial, t.protocols()) //nolint:bodyclose // hangUp closes it
	if err != nil {
		return err
	}
	defer hangUp()
	if !c.expects(res.StatusCode) {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	if c.Body == "" {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(c.Body)) {
		return fmt.Errorf("the answer does not hold what it should")
	}
	return nil
}

func (c *Check) expects(status int) bool {
	for _, r := range c.Statuses {
		if status >= r[0] && status <= r[1] {
			return true
		}
	}
	return false
}

// askGRPC makes one call of grpc.health.v1.Health/Check. Its two messages have
// one field each, so they are written and read here.
func (c *Check) askGRPC(ctx context.Context, dial Dial, t Target) error {
	var message []byte
	if c.Service != "" { // field 1, a string
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(c.Service))), c.Service...)
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url("/grpc.health.v1.Health/Check"), bytes.NewReader(frame))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "Portico-Health")
	var by http.Protocols
	by.SetHTTP2(t.TLS != nil)
	by.SetUnencryptedHTTP2(t.TLS == nil)
	res, hangUp, err := t.exchange(req, dial, by) //nolint:bodyclose // hangUp closes it
	if err != nil {
		return err
	}
	defer hangUp()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return err
	}
	status := res.Trailer.Get("Grpc-Status")
	if status == "" {
		status = res.Header.Get("Grpc-Status") // of an answer that has no message
	}
	if status != "0" {
		return fmt.Errorf("gRPC status %q %s", status, res.Trailer.Get("Grpc-Message")+res.Header.Get("Grpc-Message"))
	}
	return serving(answer)
}

// serving reads a framed HealthCheckResponse.
func serving(answer []byte) error {
	if len(answer) < 5 || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:5])) != len(answer)-5 {
		return fmt.Errorf("the answer is no gRPC message")
	}
	said := uint64(0) // UNKNOWN
	for rest := answer[5:]; len(rest) > 0; {
		tag, n := binary.Uvarint(rest)
		if n <= 0 || tag&7 != 0 { // only numbers are known to be in it
			return fmt.Errorf("the answer is no health of gRPC's")
		}
		value, m := binary.Uvarint(rest[n:])
		if m <= 0 {
			return fmt.Errorf("the answer is no health of gRPC's")
		}
		if tag>>3 == 1 {
			said = value
		}
		rest = rest[n+m:]
	}
	switch said {
	case 1:
		return nil
	case 2:
		return fmt.Errorf("it says NOT_SERVING")
	case 3:
		return fmt.Errorf("it says SERVICE_UNKNOWN")
	}
	return fmt.Errorf("it says UNKNOWN")
}
