package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/test/fake"
)

// sealing is an environment's key, and a node's own.
type sealing struct {
	node *ecdh.PrivateKey
	raw  [32]byte
}

func newSealing(t testing.TB) *sealing {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &sealing{node: key}
	rand.Read(s.raw[:])
	return s
}

// item is the entry that gives the node the environment's key.
func (s *sealing) item(t testing.TB, sequence, number uint64) entry.Item {
	t.Helper()
	box, err := secret.SealFor(base64.StdEncoding.EncodeToString(s.node.PublicKey().Bytes()), s.raw[:], entry.KeyInfo("production", number))
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(entry.KeysKey, at(sequence), entry.Keys{Number: number, Sealed: map[string]string{uuid(1): box}})
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func (s *sealing) seal(t testing.TB, info string, plain []byte) entry.Sealed {
	t.Helper()
	box, err := secret.NewBox(s.raw)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal(plain, info)
	if err != nil {
		t.Fatal(err)
	}
	return entry.Sealed{Key: 1, Box: base64.StdEncoding.EncodeToString(sealed)}
}

// cert is the entry of a certificate.
func (s *sealing) cert(t testing.TB, sequence uint64, id int, issued fake.Issued, change func(*entry.Cert), hosts ...string) entry.Item {
	t.Helper()
	body := entry.Cert{ID: uuid(id), Hosts: hosts, Chain: issued.Chain, Key: s.seal(t, entry.CertInfo(uuid(id)), issued.DER)}
	if change != nil {
		change(&body)
	}
	key, err := entry.CertKey(body.ID)
	if err != nil {
		t.Fatal(err)
	}
	it, err := entry.Encode(key, at(sequence), body)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// secured is a node that also listens over TLS.
type secured struct {
	*running
	secure string // its address
	keys   *sealing
	ca     *fake.Authority
	next   uint64 // sequence
}

// startSecure runs a demo node that listens over TLS too.
func startSecure(t *testing.T, change ...func(*gateway.Config)) *secured {
	t.Helper()
	up := fake.NewUpstream(t)
	carrier := fake.NewCarrier()
	s := &secured{keys: newSealing(t), ca: fake.NewAuthority(t, "Test CA"), next: 2}
	carrier.Put(append([]entry.Item{s.keys.item(t, 1, 1)}, demo(t, up.URL)...)...)
	s.run(t, carrier, change...)
	s.upstream = up
	wait(t, "ready", func() bool { return s.Status().Ready && s.Status().Applied.Sequence == 1 })
	return s
}

func (s *secured) run(t *testing.T, carrier *fake.Carrier, change ...func(*gateway.Config)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.secure = listener.Addr().String()
	s.running = startWith(t, carrier, []net.Listener{listener}, append([]func(*gateway.Config){func(c *gateway.Config) { c.Box = s.keys.node }}, change...)...)
}

// put applies entries and waits until the node has them.
func (s *secured) put(t *testing.T, items ...entry.Item) {
	t.Helper()
	last := items[len(items)-1].Position
	s.carrier.Put(append(items, entry.Mark(entry.HeadKey, last))...)
	s.next = last.Sequence + 1
	wait(t, "applied", func() bool { return s.Status().Applied == last })
}

// add applies a certificate and waits for it.
func (s *secured) add(t *testing.T, id int, issued fake.Issued, change func(*entry.Cert), hosts ...string) {
	t.Helper()
	s.put(t, s.keys.cert(t, s.next, id, issued, change, hosts...))
}

func (s *secured) config(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: s.ca.Pool, InsecureSkipVerify: name == "", NextProtos: []string{"http/1.1"}} //nolint:gosec // no name is what is tested
}

// shake makes a connection under a name.
func (s *secured) shake(t *testing.T, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	c, err := tls.Dial("tcp", s.secure, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, nil
}

// shown returns the serial number of the certificate that is shown for a name.
func (s *secured) shown(t *testing.T, name string) (string, error) {
	t.Helper()
	c, err := s.shake(t, s.config(name))
	if err != nil {
		return "", err
	}
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func serialOf(i fake.Issued) string { return i.Pair.Leaf.SerialNumber.String() }

func (s *secured) client(config *tls.Config, h2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	config = config.Clone()
	config.NextProtos = nil
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, Protocols: protocols,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.secure)
		},
	}, Timeout: 10 * time.Second}
}

const openPath = "/demo/orders/v1/open"

func get(t *testing.T, client *http.Client, url string) (status int, proto, body string, err error) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		return 0, "", "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Proto, string(raw), err
}

func TestTheNameThatAClientAsksForPicksTheCertificate(t *testing.T) {
	s := startSecure(t)
	exact, wild, other := s.ca.Issue(t, "a.example.com"), s.ca.Issue(t, "*.example.com"), s.ca.Issue(t, "other.test", "www.other.test")
	s.add(t, 1, exact, nil, "a.example.com")
	s.add(t, 2, wild, nil, "*.example.com")
	s.add(t, 3, other, nil, "other.test") // not for www, though it could
	for _, c := range []struct {
		name string
		want string // serial; "" is refused
	}{
		{"a.example.com", serialOf(exact)},
		{"A.Example.COM", serialOf(exact)},
		{"b.example.com", serialOf(wild)},
		{"x.b.example.com", ""},
		{"example.com", ""},
		{"other.test", serialOf(other)},
		{"www.other.test", ""},
		{"nobody.test", ""},
		{"", ""},
	} {
		t.Run("name "+c.name, func(t *testing.T) {
			got, err := s.shown(t, c.name)
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
					t.Fatalf("got %q, %v, want unrecognized name", got, err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Fatalf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	t.Run("a default answers for the rest", func(t *testing.T) {
		s.add(t, 3, other, func(c *entry.Cert) { c.Default = true }, "other.test")
		if got, err := s.shown(t, ""); err != nil || got != serialOf(other) {
			t.Errorf("no name: got %q, %v", got, err)
		}
		if got, err := s.shown(t, "b.example.com"); err != nil || got != serialOf(wild) {
			t.Errorf("a name of another one: got %q, %v", got, err)
		}
		s.add(t, 3, other, nil, "other.test")
		if got, err := s.shown(t, ""); err == nil {
			t.Errorf("no default any more: got %q, want refused", got)
		}
	})
	t.Run("removed", func(t *testing.T) {
		key, _ := entry.CertKey(uuid(1))
		s.put(t, entry.Tombstone(key, at(s.next)))
		if got, err := s.shown(t, "a.example.com"); err != nil || got != serialOf(wild) {
			t.Errorf("got %q, %v, want the wildcard", got, err)
		}
	})
}

func TestCallsOverTLS(t *testing.T) {
	s := startSecure(t)
	s.add(t, 1, s.ca.Issue(t, "a.example.com"), nil, "a.example.com")
	for _, c := range []struct {
		name    string
		version uint16
		h2      bool
		proto   string
	}{
		{"TLS 1.3, HTTP/1.1", tls.VersionTLS13, false, "HTTP/1.1"},
		{"TLS 1.2, HTTP/1.1", tls.VersionTLS12, false, "HTTP/1.1"},
		{"TLS 1.3, HTTP/2", tls.VersionTLS13, true, "HTTP/2.0"},
		{"TLS 1.2, HTTP/2", tls.VersionTLS12, true, "HTTP/2.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := s.config("a.example.com")
			config.MinVersion, config.MaxVersion = c.version, c.version
			status, proto, body, err := get(t, s.client(config, c.h2), "https://a.example.com"+openPath)
			if err != nil || status != 200 || proto != c.proto {
				t.Fatalf("got %d %s %v, want 200 %s: %s", status, proto, err, c.proto, body)
			}
			if !strings.Contains(body, `"X-Forwarded-Proto":["https"]`) {
				t.Errorf("the upstream was not told of https: %s", body)
			}
		})
	}
	t.Run("TLS 1.1", func(t *testing.T) {
		config := s.config("a.example.com")
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if _, err := s.shake(t, config); err == nil {
			t.Error("got a connection, want none")
		}
	})
	t.Run("no ALPN is HTTP/1.1", func(t *testing.T) {
		config := s.config("a.example.com")
		config.NextProtos = nil
		c, err := s.shake(t, config)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n", openPath)
		if raw, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(raw), "HTTP/1.1 200 ") {
			t.Errorf("got %q, %v", raw, err)
		}
	})
	t.Run("plain HTTP to the TLS listener harms nobody", func(t *testing.T) {
		c, err := net.Dial("tcp", s.secure)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection was not closed: %v", err)
		}
	})
	t.Run("an environment may ask for TLS 1.3", func(t *testing.T) {
		env := environment()
		env.TLSMinimum = "1.3"
		s.put(t, item(t, s.next, env))
		config := s.config("a.example.com")
		config.MaxVersion = tls.VersionTLS12
		if _, err := s.shake(t, config); err == nil {
			t.Error("TLS 1.2: got a connection, want none")
		}
		if _, err := s.shake(t, s.config("a.example.com")); err != nil {
			t.Errorf("TLS 1.3: %v", err)
		}
	})
}

// A client that says nothing is cut off by the time for a head, and holds
// nobody up meanwhile.
func TestAHandshakeThatHangsHoldsNobodyUp(t *testing.T) {
	s := startSecure(t, func(c *gateway.Config) { c.Times.Head = 300 * time.Millisecond })
	s.add(t, 1, s.ca.Issue(t, "a.example.com"), nil, "a.example.com")
	silent, err := net.Dial("tcp", s.secure)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := s.shown(t, "a.example.com"); err != nil {
		t.Errorf("another client: %v", err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(silent); err != nil {
		t.Errorf("the silent client was not cut off: %v", err)
	}
}

func TestSessionsAreResumed(t *testing.T) {
	s := startSecure(t)
	s.add(t, 1, s.ca.Issue(t, "a.example.com"), nil, "a.example.com")
	config := s.config("a.example.com")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	call := func() (resumed bool, err error) {
		c, err := tls.Dial("tcp", s.secure, config)
		if err != nil {
			return false, err
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n", openPath)
		_, err = io.ReadAll(c)
		return c.ConnectionState().DidResume, err
	}
	if resumed, err := call(); err != nil || resumed {
		t.Fatalf("first: got %v, %v", resumed, err)
	}
	if resumed, err := call(); err != nil || !resumed {
		t.Fatalf("second: got %v, %v, want resumed", resumed, err)
	}
	// A name that is not served any more is not served to old sessions either.
	key, _ := entry.CertKey(uuid(1))
	s.put(t, entry.Tombstone(key, at(s.next)))
	if _, err := call(); err == nil {
		t.Error("resumed under a name that is gone")
	}
}

func TestReplacedCertificateIsInForceAndNoCallFails(t *testing.T) {
	s := startSecure(t)
	first := s.ca.Issue(t, "a.example.com")
	s.add(t, 1, first, nil, "a.example.com")
	kept := s.client(s.config("a.example.com"), false)
	kept.Transport.(*http.Transport).MaxIdleConnsPerHost = 1
	done, failed := make(chan struct{}), make(chan error, 1)
	var calls sync.WaitGroup
	for range 4 {
		client := s.client(s.config("a.example.com"), false)
		calls.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if status, _, body, err := get(t, client, "https://a.example.com"+openPath); err != nil || status != 200 {
					select {
					case failed <- fmt.Errorf("%d %v %s", status, err, body):
					default:
					}
					return
				}
				client.Transport.(*http.Transport).CloseIdleConnections()
			}
		})
	}
	if status, _, _, err := get(t, kept, "https://a.example.com"+openPath); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	var last fake.Issued
	for range 20 {
		last = s.ca.Issue(t, "a.example.com")
		s.add(t, 1, last, nil, "a.example.com")
	}
	if got, err := s.shown(t, "a.example.com"); err != nil || got != serialOf(last) {
		t.Errorf("got %q, %v, want the newest", got, err)
	}
	res, err := kept.Get("https://a.example.com" + openPath)
	if err != nil {
		t.Fatalf("a connection from before: %v", err)
	}
	defer res.Body.Close()
	if got := res.TLS.PeerCertificates[0].SerialNumber.String(); got != serialOf(first) {
		t.Errorf("a connection from before was opened anew: it shows %s", got)
	}
	close(done)
	calls.Wait()
	select {
	case err := <-failed:
		t.Errorf("a call failed: %v", err)
	default:
	}
}

func TestBadCertificatesAreRefusedAndTheLastGoodOneStays(t *testing.T) {
	s := startSecure(t)
	good := s.ca.Issue(t, "a.example.com")
	s.add(t, 1, good, nil, "a.example.com")
	for _, c := range []struct {
		name   string
		change func(*entry.Cert)
		hosts  []string
		want   string
	}{
		{"key of another one", func(c *entry.Cert) { c.Key = s.keys.seal(t, entry.CertInfo(c.ID), s.ca.Issue(t, "x.test").DER) }, []string{"a.example.com"}, "not that of the certificate"},
		{"sealed as something else", func(c *entry.Cert) { c.Key = s.keys.seal(t, entry.CertInfo(uuid(9)), good.DER) }, []string{"a.example.com"}, "open"},
		{"sealed with a key that is not there", func(c *entry.Cert) { c.Key.Key = 7 }, []string{"a.example.com"}, "key 7"},
		{"host that is not covered", nil, []string{"b.example.com"}, "not a name of the certificate"},
		{"no chain", func(c *entry.Cert) { c.Chain = "" }, []string{"a.example.com"}, "chain"},
		{"private key in the chain", func(c *entry.Cert) { c.Chain += s.ca.Issue(t, "x.test").Key }, []string{"a.example.com"}, "private key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.put(t, s.keys.cert(t, s.next, 1, s.ca.Issue(t, "a.example.com"), func(e *entry.Cert) {
				if c.change != nil {
					c.change(e)
				}
			}, c.hosts...))
			status := s.Status()
			if len(status.Refused) != 1 || !strings.Contains(status.Refused[0].Reason, c.want) {
				t.Fatalf("refused: got %v, want one that says %q", status.Refused, c.want)
			}
			if got, err := s.shown(t, "a.example.com"); err != nil || got != serialOf(good) {
				t.Errorf("got %q, %v, want the last good one", got, err)
			}
		})
	}
	t.Run("a host of another one, until it is free", func(t *testing.T) {
		s.add(t, 1, good, nil, "a.example.com")
		second := s.ca.Issue(t, "a.example.com")
		s.add(t, 2, second, nil, "a.example.com")
		if r := s.Status().Refused; len(r) != 1 || !strings.Contains(r[0].Reason, "already") {
			t.Fatalf("refused: got %v", r)
		}
		key, _ := entry.CertKey(uuid(1))
		s.put(t, entry.Tombstone(key, at(s.next)))
		if got, err := s.shown(t, "a.example.com"); err != nil || got != serialOf(second) {
			t.Errorf("got %q, %v, want the second", got, err)
		}
	})
}

func TestClientsShowCertificates(t *testing.T) {
	s := startSecure(t)
	partners, others := fake.NewAuthority(t, "Partners"), fake.NewAuthority(t, "Others")
	asks := func(mode entry.ClientsMode, roots string) func(*entry.Cert) {
		return func(c *entry.Cert) { c.Clients = &entry.Clients{Mode: mode, Roots: roots} }
	}
	s.add(t, 1, s.ca.Issue(t, "free.test"), nil, "free.test")
	s.add(t, 2, s.ca.Issue(t, "may.test"), asks(entry.ClientsOptional, partners.PEM), "may.test")
	s.add(t, 3, s.ca.Issue(t, "must.test"), asks(entry.ClientsRequired, partners.PEM), "must.test")
	good := partners.Issue(t)
	wrong := others.Issue(t)
	over := partners.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	servers := partners.IssueWith(t, fake.NewKey(t), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	for _, c := range []struct {
		host, shows string
		pair        *tls.Certificate
		ok          bool
	}{
		{"free.test", "none", nil, true},
		{"free.test", "good", &good.Pair, true},
		{"may.test", "none", nil, true},
		{"may.test", "good", &good.Pair, true},
		{"may.test", "wrong authority", &wrong.Pair, false},
		{"may.test", "expired", &over.Pair, false},
		{"must.test", "none", nil, false},
		{"must.test", "good", &good.Pair, true},
		{"must.test", "wrong authority", &wrong.Pair, false},
		{"must.test", "expired", &over.Pair, false},
		{"must.test", "for servers alone", &servers.Pair, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s %s %s", c.host, c.shows, tls.VersionName(version)), func(t *testing.T) {
				config := s.config(c.host)
				config.MinVersion, config.MaxVersion = version, version
				if c.pair != nil {
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.pair, nil }
				}
				status, _, body, err := get(t, s.client(config, false), "https://"+c.host+openPath)
				if c.ok && (err != nil || status != 200) {
					t.Errorf("got %d %v %s, want 200", status, err, body)
				}
				if !c.ok && err == nil {
					t.Errorf("got %d %s, want no connection", status, body)
				}
			})
		}
	}
	t.Run("a connection for another host is no way in", func(t *testing.T) {
		for _, sni := range []string{"free.test", "may.test"} {
			c, err := s.shake(t, s.config(sni))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: must.test\r\n\r\n", openPath)
			raw, _ := io.ReadAll(c)
			if !strings.HasPrefix(string(raw), "HTTP/1.1 421 ") || !strings.Contains(string(raw), `"misdirected"`) {
				t.Errorf("%s: got %.200q, want 421 misdirected", sni, raw)
			}
		}
	})
	t.Run("nor is plain HTTP", func(t *testing.T) {
		got := s.call(t, "GET", openPath, "", "Host: must.test")
		if got.status != 403 || got.code() != "client_certificate_required" {
			t.Errorf("got %d %q, want 403 client_certificate_required", got.status, got.code())
		}
		if got := s.call(t, "GET", openPath, "", "Host: may.test"); got.status != 200 {
			t.Errorf("optional: got %d, want 200", got.status)
		}
	})
	t.Run("authorities that are replaced count on open connections too", func(t *testing.T) {
		config := s.config("must.test")
		config.Certificates = []tls.Certificate{good.Pair}
		client := s.client(config, true)
		if status, _, _, err := get(t, client, "https://must.test"+openPath); err != nil || status != 200 {
			t.Fatal(status, err)
		}
		s.add(t, 3, s.ca.Issue(t, "must.test"), asks(entry.ClientsRequired, others.PEM), "must.test")
		if status, _, body, err := get(t, client, "https://must.test"+openPath); err == nil && status == 200 {
			t.Errorf("got %d %s, want refused", status, body)
		}
	})
}

// The node's copy on disk has certificates, and no key of one in clear.
func TestNodeStartsFromDiskWithItsCertificates(t *testing.T) {
	dir := t.TempDir()
	var copyKey [32]byte
	rand.Read(copyKey[:])
	var log lockedBuffer
	kept := func(c *gateway.Config) {
		c.CopyDir, c.CopyKey = dir, copyKey
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s := startSecure(t, kept)
	issued := s.ca.Issue(t, "a.example.com")
	s.add(t, 1, issued, nil, "a.example.com")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	alone := fake.NewCarrier()
	alone.Stop()
	s.run(t, alone, kept)
	if got, err := s.shown(t, "a.example.com"); err != nil || got != serialOf(issued) {
		t.Errorf("got %q, %v, want the certificate of before", got, err)
	}
	needles := [][]byte{issued.DER, issued.DER[len(issued.DER)-40:], []byte(issued.Key[40:90])}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		raw, err := os.ReadFile(path)
		for _, n := range needles {
			if bytes.Contains(raw, n) {
				t.Errorf("%s holds the private key in clear", path)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("read %d files: %v", files, err)
	}
	for _, n := range needles {
		if bytes.Contains(log.Bytes(), n) {
			t.Error("the log holds the private key")
		}
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes returns what was written so far.
func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
