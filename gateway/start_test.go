package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/lane"
	"portico/internal/entry"
	"portico/test/fake"
)

// running is a node under test with its surroundings.
type running struct {
	*gateway.Node
	url      string
	address  string
	carrier  *fake.Carrier
	upstream *fake.Upstream
	stop     func() error
	client   *http.Transport // by the protocol of the lane under test
	http2    bool            // which is HTTP/2
}

// start runs a node until the test ends.
func start(t testing.TB, carrier *fake.Carrier, change ...change) *running {
	t.Helper()
	return startWith(t, carrier, nil, change...)
}

// startWith is start, with listeners for TLS beside the plain one.
func startWith(t testing.TB, carrier *fake.Carrier, secure []net.Listener, change ...func(*gateway.Config)) *running {
	t.Helper()
	config := testConfig(carrier)
	for _, c := range change {
		c(&config)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, carrier, config, listener, secure...)
}

func testConfig(carrier *fake.Carrier) gateway.Config {
	return gateway.Config{
		Node: uuid(1), Name: "node-1", Environment: "production", Build: "test",
		Carrier: carrier, DialContext: new(net.Dialer).DialContext,
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		Times: lane.Times{Head: 2 * time.Second, Body: 2 * time.Second},
	}
}

// startOn runs a node on listeners until the test ends.
func startOn(t testing.TB, carrier *fake.Carrier, config gateway.Config, listener net.Listener, secure ...net.Listener) *running {
	t.Helper()
	node, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	// One of its own: a test server that ends closes what is idle of the default one, which others use.
	url, client := "http://"+listener.Addr().String(), http.DefaultTransport.(*http.Transport).Clone()
	switch config.Build {
	case byH2C:
		client = &http.Transport{Protocols: new(http.Protocols)}
		client.Protocols.SetUnencryptedHTTP2(true)
	case byHTTP2:
		certificate, roots := selfSigned(t)
		listener = lane.Secure(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
		url = "https://" + listener.Addr().String()
		client = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, listener, secure...) }()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(40 * time.Second):
			return fmt.Errorf("the node did not stop")
		}
	}
	t.Cleanup(func() {
		client.CloseIdleConnections() // or those by HTTP/2 have a second to say goodbye
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return &running{Node: node, url: url, address: listener.Addr().String(), carrier: carrier, stop: stop, client: client, http2: config.Build == byH2C || config.Build == byHTTP2}
}

// startDemo runs a node that serves one API from a fake upstream, to a caller
// with the key goodKey.
func startDemo(t *testing.T, change ...change) *running {
	t.Helper()
	up := fake.NewUpstream(t)
	carrier := fake.NewCarrier()
	carrier.Put(demo(t, up.URL)...)
	r := start(t, carrier, change...)
	r.upstream = up
	wait(t, "ready", func() bool { return r.Status().Ready && r.Status().Applied.Sequence == 1 })
	return r
}

// change is what a test wants to be different.
type change = func(*gateway.Config)

// inEachLane runs a test by the fast and by the full lane, and there by HTTP/1.1
// and HTTP/2: the same request gets the same decision, headers, errors and
// record in each.
func inEachLane(t *testing.T, test func(*testing.T, change)) {
	inHTTP1(t, test)
	t.Run("h2c", func(t *testing.T) { test(t, func(c *gateway.Config) { c.Build = byH2C }) })
	t.Run("HTTP2", func(t *testing.T) { test(t, func(c *gateway.Config) { c.Build = byHTTP2 }) })
}

// inEachLaneAtOnce is the same for tests that wait more than they work.
func inEachLaneAtOnce(t *testing.T, test func(*testing.T, change)) {
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		test(t, lane)
	})
}

// inHTTP1 is the same for tests that write HTTP/1.1 themselves.
func inHTTP1(t *testing.T, test func(*testing.T, change)) {
	t.Run("fast lane", func(t *testing.T) { test(t, func(*gateway.Config) {}) })
	t.Run("full lane", func(t *testing.T) { test(t, func(c *gateway.Config) { c.FullLane = true }) })
}

// What a node under test says of its build is how its clients come.
const (
	byH2C   = "called by h2c"
	byHTTP2 = "called by HTTP/2 over TLS"
)

// selfSigned makes a certificate for 127.0.0.1 and what trusts it.
func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

var goodKey = mint(1)

// mint makes a key as internal/secret does.
func mint(n int) string {
	body := fmt.Sprintf("portico_live_%012d_%043d", n, n)
	sum, text := crc32.ChecksumIEEE([]byte(body)), ""
	for range 6 {
		text = string("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[sum%62]) + text
		sum /= 62
	}
	return body + "_" + text
}

func uuid(n int) string { return fmt.Sprintf("%032x", n) }

func at(sequence uint64) entry.Position { return entry.Position{Epoch: 1, Sequence: sequence} }

func environment() entry.Env {
	return entry.Env{
		Name: "production", Kind: "production", GatewayURL: "http://127.0.0.1:8080",
		ProblemURL: "http://127.0.0.1:8081/problems/", MaxBodyBytes: 1 << 20,
		ConnectTimeoutMS: 1000, HeaderTimeoutMS: 2000, IdleTimeoutMS: 2000,
	}
}

func demoAPI(upstream string) entry.API {
	return entry.API{
		Version: uuid(100), API: uuid(101), Tenant: uuid(102), Name: "demo/orders v1", Revision: 1,
		Mounts:    []entry.Mount{{BasePath: "/demo/orders/v1"}},
		Upstreams: []entry.Upstream{{Name: "main", Targets: []entry.Target{{URL: upstream}}}},
		Policies:  []entry.Policy{{Config: &entry.KeyPolicy{Bearer: true, Header: "X-API-Key", Query: "api_key"}}},
		Routes: []entry.Route{
			{Operation: "list", Method: "GET", Path: "/orders", Upstream: "main"},
			{Operation: "create", Method: "POST", Path: "/orders", Upstream: "main"},
			{Operation: "show", Method: "GET", Path: "/orders/{id}", Upstream: "main"},
			{Operation: "hidden", Method: "GET", Path: "/hidden", Upstream: "main"},
			{Operation: "open", Method: "GET", Path: "/open", Upstream: "main", Public: true},
			{Operation: "get", Method: "GET", Path: "/do/{what}", Upstream: "main", Public: true},
			{Operation: "do", Method: "POST", Path: "/do/{what}", Upstream: "main", Public: true},
			{Operation: "files", Method: "GET", Path: "/files/{rest...}", Upstream: "main", Public: true},
		},
	}
}

func demoTerms() entry.Terms {
	return entry.Terms{Plan: uuid(200), Name: "Orders, Trial", APIs: []entry.TermsAPI{
		{Version: uuid(100), Operations: []string{"list", "create", "show"}},
	}}
}

func demoGrant() entry.Grant {
	return entry.Grant{Credential: uuid(300), Application: uuid(301), Name: "App", Tenant: uuid(302), Subscriptions: []entry.Subscription{
		{ID: uuid(303), Terms: uuid(200), State: entry.Active},
	}}
}

func demo(t testing.TB, upstream string) []entry.Item {
	return []entry.Item{
		item(t, 1, environment()), item(t, 1, demoTerms()), item(t, 1, demoAPI(upstream)),
		grantItem(t, 1, goodKey, demoGrant()),
		entry.Mark(entry.CompleteKey, at(1)), entry.Mark(entry.HeadKey, at(1)),
	}
}

// item encodes a body that names its own key.
func item[B entry.Body](t testing.TB, sequence uint64, body B) entry.Item {
	t.Helper()
	var key entry.Key
	var err error
	switch b := any(body).(type) {
	case entry.Env:
		key = entry.EnvKey
	case entry.API:
		key, err = entry.APIKey(b.Version)
	case entry.Terms:
		key, err = entry.TermsKey(b.Plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(key, at(sequence), body)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func grantKey(t testing.TB, secret string) entry.Key {
	t.Helper()
	sum := sha256.Sum256([]byte(secret))
	key, err := entry.GrantKey(hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func grantItem(t testing.TB, sequence uint64, secret string, g entry.Grant) entry.Item {
	t.Helper()
	it, err := entry.Encode(grantKey(t, secret), at(sequence), g)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// wait fails the test when a condition does not come true in ten seconds.
func wait(t testing.TB, what string, true func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !true() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the connection ends with it
}

func (r reply) code() string {
	var p struct{ Code string }
	if json.Unmarshal([]byte(r.body), &p) != nil {
		return ""
	}
	return p.Code
}

func (r reply) echo(t *testing.T) fake.Echo {
	t.Helper()
	var e fake.Echo
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatalf("not an echo: %v: %d %s", err, r.status, r.body)
	}
	return e
}

// get makes one request whose answer is still to be read.
func (r *running) get(path string) (*http.Response, error) {
	req, err := http.NewRequest("GET", r.url+path, nil)
	if err != nil {
		return nil, err
	}
	return r.client.RoundTrip(req)
}

// call makes one request; headers are "Name: value".
func (r *running) call(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, r.url+path, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	res, err := r.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(text), res.Close}
}
